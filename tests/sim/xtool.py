"""xtool as tests run it, with a home of its own."""
import contextlib
import os
import sqlite3
import subprocess

from host import BUILDDIR

XTOOL = BUILDDIR / "xtool" / "xtool"
PVH = ["PV-kernel=vmlinux", "domain-type=pvh", "memory-static-max=128MiB"]


class Tool:
    """xtool with a home of its own; server: what -s says."""

    def __init__(self, host, server=None, *switches):
        self.home = host.dir / "home"
        self.home.mkdir(exist_ok=True)
        self.name = XTOOL
        self.before = ["-s", server or host.socket, *switches]
        self.environment = {**os.environ, "HOME": str(self.home), "LC_ALL": "C.UTF-8",
                            "XDG_CONFIG_HOME": str(self.home / "config"), "XTOOL_XL": str(BUILDDIR / "xtool-xl")}

    def run(self, *args, status=0, stdin=subprocess.DEVNULL, quiet=True, **more):
        done = subprocess.run([self.name, *self.before, *args], env=self.environment, stdin=stdin,
                              capture_output=True, text=True, timeout=60, **more)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        assert status or not quiet or not done.stderr, done.stderr
        return done

    def __call__(self, *args, **more):
        return self.run(*args, **more).stdout

    def fails(self, status, *args):
        """What it says on stderr; nothing on stdout."""
        done = self.run(*args, status=status)
        assert not done.stdout, done.stdout
        return done.stderr

    def create(self, name, *more):
        return self("vm-create", f"name-label={name}", *PVH, *more).strip()

    def state(self, uuid):
        return self("vm-param-get", f"uuid={uuid}", "param-name=power-state").strip()


def sessions_left(host):
    host.stop()  # sessions survive that; nobody else may read the database before
    with contextlib.closing(sqlite3.connect(host.dir / "state" / "xapid.db")) as database:
        left, = database.execute("SELECT count(*) FROM row WHERE class='session'").fetchone()
    return left

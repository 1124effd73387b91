"""A libvirt daemon of our own with the test driver: nothing of the system's is used, and it ends with us."""
import shutil
import subprocess
import tempfile
from pathlib import Path

from clients import Rounds, wait_for

CONFIG = """listen_tls = 0
listen_tcp = 0
unix_sock_dir = "{dir}"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
max_clients = 5000
max_anonymous_clients = 5000
log_level = 4
log_outputs = "4:stderr"
"""
# Run by sh: what it writes below /run is its own.
PRIVATE = 'mount -n -t tmpfs libvirtd /run && exec "$@"'


class Libvirtd:
    """With domains: so many of them beside the driver's own one, as long as it runs.  config: a file for the
    driver, of which each connection has a copy of its own."""

    def __init__(self, domains=0, config=None):
        self.dir = Path(tempfile.mkdtemp(prefix="xapid-libvirtd-"))
        self.socket = self.dir / "libvirt-sock"
        self.uri = f"test+unix://{config or '/default'}?socket={self.socket}"
        self.domains, self.process, self.holder = domains, None, None
        (self.dir / "modules").mkdir()
        (self.dir / "conf").write_text(CONFIG.format(dir=self.dir))

    def spawn(self):
        """Returns when it serves."""
        self.socket.unlink(missing_ok=True)
        # No module: drivers of real hypervisors stay out, and their memory with them.
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATE, "sh",
                 "env", f"LIBVIRT_DRIVER_DIR={self.dir / 'modules'}",
                 "libvirtd", "-f", self.dir / "conf", "-p", self.dir / "pid"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(self.socket, self.process)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {(self.dir / 'log').read_text()[-2000:]}") from None

    def load(self, work, clients=1, *more, kind=Rounds):
        return kind("load-libvirt", self.uri, work, clients, *more)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def __enter__(self):
        self.spawn()
        if self.domains:
            self.holder = self.load("state", 1, self.domains)
            self.holder(1)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.holder:
            self.holder.stop()
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

"""A simulated host that lives where an installed one does: /etc/xapid, /var/lib/xapid, /srv, ports 80 and
443, users of its own.  alone () first: then the machine, and who else tests on it, see nothing of it."""
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from document import TOP
from host import BUILDDIR, Host

INSIDE = "XAPID_TEST_ALONE"
EMPTY = ("/run", "/srv", "/var/lib")
CONFIG = Path("/etc/xapid/xapid.conf")
STATE = Path("/var/lib/xapid")
KERNELS = Path("/var/lib/xcp/guest")
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
# What systemctl is there: it asks the test, which is the system.
SYSTEMCTL = """#!/usr/bin/python3
import socket, sys
with socket.socket(socket.AF_UNIX) as system:
    system.connect("/run/system")
    system.sendall(" ".join(sys.argv[1:]).encode())
    system.shutdown(socket.SHUT_WR)
    sys.exit(system.recv(1000).decode() or None)
"""


def alone():
    """Goes on as this program in namespaces of its own: mounts, network, and no process outlives it."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                          "--propagation", "private", sys.executable, *sys.argv])


def up_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def mount_places(folder):
    """Empty folders in place of the machine's, and an /etc that may be changed."""
    subprocess.run(["cp", "-a", "/etc", folder / "etc"], check=True)
    subprocess.run(["mount", "-n", "--bind", folder / "etc", "/etc"], check=True)
    for place in EMPTY:
        subprocess.run(["mount", "-n", "-t", "tmpfs", "-o", "mode=755", "empty", place], check=True)


class Installed(Host):
    """Started, stopped and rebooted by `systemctl` too, as long as it is entered."""

    def __init__(self):
        super().__init__()
        shutil.copy(BUILDDIR / "storage-repos/ext/ext", self.bindir / "storage/ext")
        up_loopback()
        mount_places(self.dir)
        self.config, self.socket, self.certificate = CONFIG, "/var/lib/xcp/xapi", STATE / "xapid-ssl.pem"
        self.disks, self.https_port = Path("/run/xapid/disks"), 443
        shutil.rmtree(self.dir / "state", ignore_errors=True)  # Host's own
        CONFIG.parent.mkdir(exist_ok=True)
        sample = (TOP / "docs/xapid.conf.sample").read_text()
        for key, value in (("state_dir", STATE), ("storage_drivers", self.bindir / "storage"),
                           ("address", "127.0.0.1")):
            before, comment, rest = sample.partition(f"#{key}=")
            assert comment, key
            sample = f"{before}{key}={value}\n{rest.partition(chr(10))[2]}"
        CONFIG.write_text(sample)
        shutil.copy(TOP / "docs/pam.d/xapid", "/etc/pam.d/xapid")
        subprocess.run(["useradd", "--system", "--no-create-home", "xapid"], check=True)
        KERNELS.mkdir(parents=True)
        self.make_programs()

    def make_programs(self):
        """What is found by name: xtool, which knows where xapid-db and xtool-xl are, and systemctl."""
        self.path = self.dir / "path"
        self.path.mkdir()
        for name, text in (
                ("systemctl", SYSTEMCTL),
                ("xapid-db", f'#!/bin/sh\nexec "{self.bindir}/xapid-db" --config "{CONFIG}" "$@"\n'),
                ("xtool", f'#!/bin/sh\nXTOOL_XL="{BUILDDIR}/xtool-xl" XTOOL_XAPID_DB="{self.path}/xapid-db" '
                          f'exec "{BUILDDIR}/xtool/xtool" "$@"\n')):
            (self.path / name).write_text(text)
            (self.path / name).chmod(0o755)

    def environment_of_commands(self):
        home = self.dir / "home"
        home.mkdir(exist_ok=True)
        return {"PATH": f"{self.path}:{os.environ['PATH']}", "HOME": str(home), "LC_ALL": "C.UTF-8"}

    # ---- the system, as systemctl's other end ----

    def order(self, words):
        """Does what systemctl was told; what is wrong with it, or nothing."""
        orders = {"start xapid": self.start_if_needed, "stop xapid": self.stop, "restart xapid": self.restart}
        if words not in orders:
            return f"what is {words}?"
        orders[words]()
        return ""

    def start_if_needed(self):
        if not self.process:
            self.start()

    def restart(self):
        self.stop()
        self.start()

    def serve_orders(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the test ends
                return
            with connection:
                words = connection.makefile().read()
                try:
                    failure = self.order(words)
                except Exception as error:  # whoever asked is told
                    failure = f"{words}: {error!r}"
                connection.sendall(failure.encode()[:1000])

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind("/run/system")
        self.listener.listen()
        self.orders = threading.Thread(target=self.serve_orders, args=(self.listener,))
        self.orders.start()
        return super().__enter__()

    def __exit__(self, *error):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.orders.join()
        super().__exit__(*error)

    def keep_certificate(self):
        """Its first start made one of these names; that of others is not for it."""

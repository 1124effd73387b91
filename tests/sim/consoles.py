"""Consoles of simulated guests, and what looks at them."""
import contextlib
import os
import select
import socket
import tty

from host import GUEST

MACHINE = {**GUEST, "domain_type": "hvm", "PV_kernel": "", "PV_args": "", "HVM_boot_policy": "BIOS order",
           "platform": {"vga": "std"}}


def unix(host):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(host.socket)
    return sock


def tls(host):
    connection = host.tls()
    connection.connect()
    return connection.sock


def answer(sock, request):
    """Sends the request; (status, head, what came behind)."""
    sock.sendall(request)
    got = b""
    while b"\r\n\r\n" not in got:
        some = sock.recv(1)
        assert some, got
        got += some
    head = got.decode()
    return int(head.split()[1]), head


def connect(sock, uuid, headers=(), query="", version="1.0"):
    lines = [f"CONNECT /console?uuid={uuid}{query} HTTP/{version}", "Host: localhost",
             *(f"{name}: {value}" for name, value in dict(headers).items())]
    status, head = answer(sock, "\r\n".join([*lines, "", ""]).encode())
    if status != 200:
        rest = b""
        while some := sock.recv(4096):
            rest += some
        head += rest.decode()
    return status, head


def ended(sock):
    """Whether the server ends it, whatever it has to say before."""
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(65536):
            pass
    return True


def machine(x, **fields):
    vm = x.VM.create({**MACHINE, **fields})
    x.VM.start(vm, False, False)
    return vm


class Echo:
    """In the place of a QEMU: what comes goes back, on the screen's socket."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.peers, self.path = [], path

    def __enter__(self):
        return self

    def accept(self):
        self.listener.settimeout(20)
        peer, _ = self.listener.accept()
        peer.settimeout(20)
        self.peers.append(peer)
        return peer

    def __exit__(self, *_):
        for peer in (*self.peers, self.listener):
            peer.close()
        self.path.unlink()


class Tty:
    """A simulated guest's side of its text console, behind the link `path`."""

    def __init__(self, path):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.slave, False)
        self.path = path
        path.symlink_to(os.ttyname(self.slave))

    def __enter__(self):
        return self

    def write(self, data):
        while data:
            data = data[os.write(self.master, data):]

    def read(self, size):
        """So many bytes of what was typed."""
        got = b""
        while len(got) < size:
            assert select.select([self.master], [], [], 30)[0], got
            got += os.read(self.master, size - len(got))
        return got

    def left(self):
        """What nobody has read, once no more comes."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.slave, 65536)
        return b""

    def end(self):
        """As Xen's console daemon does when the domain goes."""
        for fd in self.master, self.slave:
            os.close(fd)
        self.master = None
        self.path.unlink()

    def __exit__(self, *_):
        if self.master is not None:
            self.end()


@contextlib.contextmanager
def tty_of(host, x, vm):
    with Tty(host.sim / f"text-{x.VM.get_uuid(vm)}") as terminal:
        yield terminal


@contextlib.contextmanager
def echo_of(host, x, vm):
    with Echo(host.sim / f"screen-{x.VM.get_uuid(vm)}") as echo:
        yield echo

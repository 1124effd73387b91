#!/usr/bin/python3
"""streams.py [MIB]: a disk of that many MiB (1024), full, is exported and imported, over HTTP and over TLS, beside `cp` and
`qemu-img convert` of the same data, in turn, on a simulated host whose storage drivers are the real ones.  Prints the
medians in MiB a second, and ratios with where 95 % of them lie."""
import contextlib
import os
import random
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "sim"), str(HERE.parent / "unit")]
from disks import MIB, connected, image, new_sr, new_vdi
from host import CERTIFICATE, Host, free_port
from ratio import ratio

ROUNDS = int(os.environ.get("XAPID_BENCH_ROUNDS", "9"))
PIECE = 4 * MIB


def fill(path, mib):
    piece = random.Random(1).randbytes(8 * MIB)
    with open(path, "wb") as file:
        for _ in range(0, mib, 8):
            file.write(piece)


class Way:
    """To the host by a plain connection, or by TLS."""

    def __init__(self, x, port, tls):
        self.x, self.port, self.tls = x, port, tls

    def open(self, request):
        sock = socket.create_connection(("127.0.0.1", self.port))
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        sock.sendall(request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert b" 200 " in head, head
        return sock

    def path(self, action, vdi, image_format):
        task = self.x.task.create("bench", "")
        return task, f"/{action}?session_id={self.x.session_ref}&vdi={vdi}&format={image_format}&task_id={task}"

    def fetched(self, path):
        buffer = bytearray(PIECE)
        with self.open(f"GET {path} HTTP/1.0\r\n\r\n") as sock:
            while sock.recv_into(buffer):
                pass

    def exported(self, vdi, image_format):
        task, path = self.path("export_raw_vdi", vdi, image_format)
        self.fetched(path)
        self.end(task)

    def imported(self, vdi, source, image_format):
        task, path = self.path("import_raw_vdi", vdi, image_format)
        with open(source, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            with self.open(f"PUT {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n") as sock:
                sock.sendfile(file)
                assert not sock.recv(1)
        self.end(task)

    def end(self, task):
        record = self.x.wait_task(task, 600)
        assert record["status"] == "success", record
        self.x.task.destroy(task)


def copied(source, target, *command):
    """By a program, and on the disk, as an import is."""
    subprocess.run([*command, source, target], check=True)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def read(path):
    """As whoever takes an export."""
    subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=4M"], check=True, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def openssl(folder):
    """A server over TLS of the files there, of which this client asks as of ours: what TLS costs it."""
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", CERTIFICATE, "-WWW", "-quiet"],
                              cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield Way(None, port, True)
    finally:
        server.terminate()
        server.wait()


def in_turn(ways, target):
    times = {name: [] for name in ways}
    for round_ in range(ROUNDS):
        for name in ways if round_ % 2 else reversed(ways):
            target.unlink(missing_ok=True)
            began = time.monotonic()
            ways[name]()
            times[name].append(time.monotonic() - began)
    return times


def measure(host, x, port, mib, image_format):
    folder = Path(host.folder("bench"))
    sr = new_sr(host, x)
    source, vhd, target = folder / "source", folder / "source.vhd", folder / "target"
    fill(source, mib)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", source, vhd], check=True)
    size = source.stat().st_size
    vdi = new_vdi(x, sr, size, sm_config={"image-format": image_format})
    http, https = Way(x, port, False), Way(x, host.https_port, True)
    http.imported(vdi, source, "raw")
    path, _ = image(host, x, vdi)
    convert = ("qemu-img", "convert", "-f", "raw", "-O", image_format)
    ways = {
        "cp": lambda: copied(source, target, "cp", "--sparse=auto"),
        "qemu-img convert": lambda: copied(source, target, *convert),
        "qemu-img convert to raw": lambda: copied(path, target, "qemu-img", "convert", "-f", image_format, "-O", "raw"),
        "import raw, http": lambda: http.imported(vdi, source, "raw"),
        "import raw, https": lambda: https.imported(vdi, source, "raw"),
        "import vhd, http": lambda: http.imported(vdi, vhd, "vhd"),
        "cp to nowhere": lambda: read(path),
        "export raw, http": lambda: http.exported(vdi, "raw"),
        "export raw, https": lambda: https.exported(vdi, "raw"),
        "export vhd, http": lambda: http.exported(vdi, "vhd"),
    }
    with openssl(folder) as other:
        ways["openssl s_server"] = lambda: other.fetched("/source")
        times = in_turn(ways, target)
    print(f"\na {image_format} disk of {mib} MiB, full; {ROUNDS} rounds")
    for name, all_ in times.items():
        print(f"{name:24} {mib / median(all_):7.0f} MiB/s")
    for ours, theirs in (("import raw, http", "cp"), ("import raw, http", "qemu-img convert"),
                         ("import raw, https", "import raw, http"), ("import vhd, http", "qemu-img convert"),
                         ("export raw, http", "cp"), ("export raw, http", "qemu-img convert to raw"),
                         ("export raw, http", "cp to nowhere"), ("export raw, https", "export raw, http"), ("export raw, https", "openssl s_server"),
                         ("openssl s_server", "export raw, http"),
                         ("export vhd, http", "qemu-img convert to raw")):
        middle, (low, high) = ratio(times[theirs], times[ours])
        print(f"speed of {ours} / {theirs}: {middle:.2f} ({low:.2f} to {high:.2f})")
    x.VDI.destroy(vdi)


def main(mib):
    for image_format in "raw", "qcow2":
        port = free_port()
        with Host(options=f"http_port={port}", https=True) as host:
            measure(host, connected(host), port, mib, image_format)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)

"""Imports and exports of what disks hold, as tests make them: over HTTP, of what is mostly zeros."""
import random
import struct
import subprocess
import tempfile
import uuid
from pathlib import Path

import tap
from disks import MIB, image, leftovers
from host import UnixConnection

SIZE = 24 * MIB + 1536
RANDOM = random.Random(1)
PIECES = {0: 70_000, 5 * MIB + 100: MIB, 11 * MIB: 3 * MIB + 17, SIZE - 1536: 1536}


def pattern():
    """What is mostly zeros, with ends that are no multiples of anything."""
    content = bytearray(SIZE)
    for offset, length in PIECES.items():
        content[offset:offset + length] = RANDOM.randbytes(length)
    return bytes(content)


CONTENT = pattern()


class Streams:
    """A client of the HTTP actions."""

    def __init__(self, host, x, connect=None):
        self.host, self.x = host, x
        self.connect = connect or (lambda: UnixConnection(host.socket, 60))

    def path(self, action, vdi, **query):
        words = {"session_id": self.x.session_ref, "vdi": vdi, **query}
        return f"/{action}?" + "&".join(f"{name}={value}" for name, value in words.items())

    def send(self, path, body, headers=()):
        connection, broken = self.connect(), None
        try:  # a refusal does not wait for the body
            connection.request("PUT", path, body, dict(headers))
        except (BrokenPipeError, ConnectionResetError) as error:
            connection._HTTPConnection__state, broken = "Request-sent", error
        reply = connection.getresponse()
        text = reply.read().decode()
        if broken and reply.status == 200:
            raise broken
        return reply.status, text

    def put(self, vdi, body, headers=(), **query):
        return self.send(self.path("import_raw_vdi", vdi, **query), body, headers)

    def get(self, vdi, headers=(), **query):
        connection = self.connect()
        connection.request("GET", self.path("export_raw_vdi", vdi, **query), headers=dict(headers))
        reply = connection.getresponse()
        body = reply.read()
        if reply.status in (200, 206):  # the last byte comes before the disk is let go
            tap.wait_until(lambda: not any("copy" in record["current_operations"].values()
                                       for record in self.x.VDI.get_all_records().values()), "the end of the export")
        return reply.status, body, reply

    def begin(self, vdi, length, body=b"", **query):
        """An import of which the head, and some of the body, has been sent; with its socket."""
        task = self.x.task.create("an import", "")
        connection = self.connect()
        connection.connect()
        path = self.path("import_raw_vdi", vdi, task_id=task, **query)
        connection.sock.sendall(f"PUT {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n".encode())
        reply = b""
        while not reply.endswith(b"\r\n\r\n"):
            got = connection.sock.recv(1)
            assert got, reply
            reply += got
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n"), reply
        connection.sock.sendall(body)
        return task, connection.sock

    def imported(self, vdi, body, **query):
        """By a task of the client's; its record."""
        task = self.x.task.create("an import", "")
        status, text = self.put(vdi, body, task_id=task, **query)
        assert status == 200 and not text, (status, text)
        record = self.x.wait_task(task)
        self.x.task.destroy(task)
        return record


def good(record):
    assert record["status"] == "success" and record["progress"] == 1, record
    return record["result"]


def bad(record, code):
    assert record["status"] == "failure" and record["error_info"][0] == code, record


def file_of(directory, name, content):
    path = Path(directory, name)
    path.write_bytes(content)
    return path


def made(directory, image_format, *options, content=CONTENT):
    """It as an image by qemu-img."""
    raw, path = file_of(directory, "raw", content), Path(directory, "image")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", image_format, *options, raw, path], check=True)
    return path.read_bytes()


def holds(host, x, vdi, content=CONTENT):
    """The disk has it, takes little space, and is without faults."""
    path, image_format = image(host, x, vdi)
    with tempfile.TemporaryDirectory(prefix="xapid-test-") as directory:
        raw = file_of(directory, "raw", content)
        done = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", image_format, raw, path], capture_output=True,
                              text=True)
        assert done.returncode == 0, done
    if image_format == "qcow2":
        subprocess.run(["qemu-img", "check", "-q", path], check=True)
    data = sum(PIECES.values())
    if content is CONTENT:
        assert path.stat().st_blocks * 512 < data + 2 * MIB, "it is not sparse"


def quiet(host, x):
    """Nothing is left of any transfer."""
    tap.wait_until(lambda: not host.running("xapid-stream") and not host.handles(), "the end of transfers")
    assert not leftovers(host, x), leftovers(host, x)


def summed(block, at):
    """With the checksum of a VHD's footer or header at its place."""
    block = block[:at] + bytes(4) + block[at + 4:]
    return block[:at] + (~sum(block) & 0xffffffff).to_bytes(4, "big") + block[at + 4:]


def small_blocks(content, block=4096, kind=3):
    """As a VHD with blocks of 4 KiB, so many of them, in another order than the disk's; half of each is not in its bitmap.
    kind: 3 dynamic, 4 a difference."""
    def number(value, size):
        return value.to_bytes(size, "big")
    blocks = len(content) // block
    table_bytes = -(-blocks * 4 // 512) * 512
    footer = summed((b"conectix" + number(2, 4) + number(0x10000, 4) + number(512, 8) + bytes(16) + number(len(content), 8) * 2 +
                     bytes(4) + number(kind, 4)).ljust(512, b"\0"), 64)
    header = summed((b"cxsparse" + b"\xff" * 8 + number(1536, 8) + number(0x10000, 4) + number(blocks, 4) +
                     number(block, 4)).ljust(1024, b"\0"), 36)
    table, data, at = bytearray(b"\xff" * table_bytes), b"", 1536 + table_bytes
    for index in RANDOM.sample(range(blocks), blocks):
        table[index * 4:index * 4 + 4] = number(at // 512, 4)
        data += b"\xf0".ljust(512, b"\0") + content[index * block:(index + 1) * block]
        at += 512 + block
    return footer + header + bytes(table) + data + footer


def difference_of(body, size=SIZE):
    """Of a VHD that is a difference: its uuid, the other's, and the contents of its blocks by their numbers."""
    footer, header = body[:512], body[512:1536]
    assert footer == body[-512:] and footer[60:64] == b"\0\0\0\4" and int.from_bytes(footer[48:56], "big") == size
    for block, at in (footer, 64), (header, 36):
        assert summed(block, at) == block, "a checksum is wrong"
    entries, block = struct.unpack(">II", header[28:36])
    assert block == 2 * MIB and entries == -(-size // block)
    name = header[64:576].decode("utf-16-be").rstrip("\0")
    parent = str(uuid.UUID(bytes=header[40:56]))
    assert name == f"{parent}.vhd", name
    blocks = {}
    for number, sector in enumerate(struct.unpack(f">{entries}I", body[1536:1536 + 4 * entries])):
        if sector != 0xffffffff:
            at = sector * 512
            assert body[at:at + 512] == b"\xff" * 512
            blocks[number] = body[at + 512:at + 512 + block]
    return str(uuid.UUID(bytes=footer[68:84])), parent, blocks


def laid_over(content, blocks):
    content = bytearray(content)
    for number, block in blocks.items():
        content[number * len(block):(number + 1) * len(block)] = block
    return bytes(content)

#!/usr/bin/python3
"""Contents of disks from clients and to them, over HTTP: PUT /import_raw_vdi and GET /export_raw_vdi."""
import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import MIB, connected, image, leftovers, new_sr, new_vbd, new_vdi, write
from host import GUEST, Host, UnixConnection, fails

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

    def put(self, vdi, body, headers=(), **query):
        connection = self.connect()
        try:  # a refusal does not wait for the body
            connection.request("PUT", self.path("import_raw_vdi", vdi, **query), body, dict(headers))
        except (BrokenPipeError, ConnectionResetError):
            connection._HTTPConnection__state = "Request-sent"
        reply = connection.getresponse()
        return reply.status, reply.read().decode()

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


def made(directory, image_format, *options):
    """The pattern as an image by qemu-img."""
    raw, path = file_of(directory, "raw", CONTENT), Path(directory, "image")
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


def processes(host):
    """xapid-streams of the host."""
    wanted = str(host.bindir / "xapid-stream").encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[0] == wanted:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def quiet(host, x):
    """Nothing is left of any transfer."""
    tap.wait_until(lambda: not processes(host) and not host.handles(), "the end of transfers")
    assert not leftovers(host, x), leftovers(host, x)


def both(x, sr, **fields):
    return [new_vdi(x, sr, SIZE, sm_config={"image-format": image_format}, **fields) for image_format in ("raw", "qcow2")]


def test_raw():
    with Host(https=True) as host:
        x = connected(host)
        sr = new_sr(host, x)
        for streams in Streams(host, x), Streams(host, x, host.tls):
            for vdi in both(x, sr):
                write(host, x, vdi, "write -P 7 0 24m")
                assert good(streams.imported(vdi, CONTENT)) == f"<value>{vdi}</value>"
                holds(host, x, vdi)
                status, body, reply = streams.get(vdi)
                assert status == 200 and body == CONTENT
                assert reply.headers["Content-Length"] == str(SIZE) and reply.headers["Accept-Ranges"] == "bytes"
                assert streams.get(x.VDI.get_uuid(vdi), format="raw")[1] == CONTENT
                # What is shorter than the disk is followed by zeros.
                good(streams.imported(vdi, CONTENT[:MIB + 3]))
                holds(host, x, vdi, CONTENT[:MIB + 3] + bytes(SIZE - MIB - 3))
                x.VDI.destroy(vdi)
        quiet(host, x)
        # XAPI's own records, and a disk that stands on another one.
        base = both(x, sr)[1]
        write(host, x, base, "write -P 7 0 24m")
        vdi = x.VDI.clone(base)
        records = b"".join(struct.pack("<QI", offset, length) + CONTENT[offset:offset + length]
                           for offset, length in PIECES.items()) + struct.pack("<QI", 0, 0)
        good(streams.imported(vdi, records, chunked="true"))
        assert streams.get(vdi)[1] == CONTENT
        good(streams.imported(vdi, CONTENT))
        assert streams.get(vdi)[1] == CONTENT and streams.get(base)[1] == b"\7" * 24 * MIB + bytes(1536)
        quiet(host, x)


def summed(block, at):
    """With the checksum of a VHD's footer or header at its place."""
    block = block[:at] + bytes(4) + block[at + 4:]
    return block[:at] + (~sum(block) & 0xffffffff).to_bytes(4, "big") + block[at + 4:]


def small_blocks(content, block=4096):
    """As a VHD with blocks of 4 KiB, so many of them, in another order than the disk's; half of each is not in its bitmap."""
    def number(value, size):
        return value.to_bytes(size, "big")
    blocks = len(content) // block
    table_bytes = -(-blocks * 4 // 512) * 512
    footer = summed((b"conectix" + number(2, 4) + number(0x10000, 4) + number(512, 8) + bytes(16) + number(len(content), 8) * 2 +
                     bytes(4) + number(3, 4)).ljust(512, b"\0"), 64)
    header = summed((b"cxsparse" + b"\xff" * 8 + number(1536, 8) + number(0x10000, 4) + number(blocks, 4) +
                     number(block, 4)).ljust(1024, b"\0"), 36)
    table, data, at = bytearray(b"\xff" * table_bytes), b"", 1536 + table_bytes
    for index in RANDOM.sample(range(blocks), blocks):
        table[index * 4:index * 4 + 4] = number(at // 512, 4)
        data += b"\xf0".ljust(512, b"\0") + content[index * block:(index + 1) * block]
        at += 512 + block
    return footer + header + bytes(table) + data + footer


def test_many_blocks():
    with Host() as host:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        content = RANDOM.randbytes(4 * MIB)
        half = b"".join(content[at:at + 2048] + bytes(2048) for at in range(0, len(content), 4096))
        for vdi in both(x, sr):
            good(streams.imported(vdi, small_blocks(content), format="vhd"))
            assert streams.get(vdi)[1] == half + bytes(SIZE - len(half))
        quiet(host, x)


def test_images():
    with Host() as host, tempfile.TemporaryDirectory(prefix="xapid-test-") as directory:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        images = {"vhd": [made(directory, "vpc", "-o", "force_size=on"),
                          made(directory, "vpc", "-o", "force_size=on,subformat=fixed")],
                  "qcow2": [made(directory, "qcow2"), made(directory, "qcow2", "-c"),
                            made(directory, "qcow2", "-o", "compat=0.10,cluster_size=4k")]}
        for vdi in both(x, sr):
            for image_format, bodies in images.items():
                for body in bodies:
                    write(host, x, vdi, "write -P 7 0 24m")
                    good(streams.imported(vdi, body, format=image_format))
                    holds(host, x, vdi)
            status, body, _ = streams.get(vdi, format="vhd")
            assert status == 200
            exported = file_of(directory, "exported", body)
            subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", "vpc", Path(directory, "raw"), exported],
                           check=True)
            assert len(body) < sum(PIECES.values()) + 12 * MIB, "it is not sparse"
            good(streams.imported(vdi, body, format="vhd"))
            holds(host, x, vdi)
        quiet(host, x)


def hostile(directory):
    """Images that name other files, or are larger, longer or other than they say."""
    def qcow2(*options, size=SIZE):
        path = Path(directory, "hostile")
        path.unlink(missing_ok=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, str(size)], check=True)
        return path.read_bytes()

    def changed(body, offset, value):
        return body[:offset] + value + body[offset + len(value):]

    good_qcow2, good_vhd = made(directory, "qcow2"), made(directory, "vpc", "-o", "force_size=on")
    yield "qcow2", qcow2("-u", "-b", "/etc/passwd", "-F", "raw"), "IMPORT_ERROR"
    yield "qcow2", qcow2("-o", f"data_file={directory}/data,data_file_raw=on"), "IMPORT_ERROR"
    yield "qcow2", qcow2(size=SIZE + MIB), "VDI_TOO_SMALL"
    yield "qcow2", changed(good_qcow2, 24, (1 << 60).to_bytes(8, "big")), "IMPORT_ERROR"
    yield "qcow2", changed(good_qcow2, 20, (31).to_bytes(4, "big")), "IMPORT_ERROR"
    yield "qcow2", changed(good_qcow2, 36, (0xffffffff).to_bytes(4, "big")), "IMPORT_ERROR"
    yield "qcow2", changed(good_qcow2, 40, (1 << 40).to_bytes(8, "big")), "IMPORT_ERROR"
    yield "qcow2", CONTENT, "IMPORT_ERROR"
    yield "qcow2", bytes(200 * MIB), "IMPORT_ERROR"
    yield "vhd", CONTENT, "IMPORT_ERROR"
    yield "vhd", changed(good_vhd, 48, bytes(8)), "IMPORT_ERROR"  # its checksum
    yield "vhd", changed(good_vhd, 512, b"cxnothing"), "IMPORT_ERROR"
    yield "vhd", good_vhd[:-512], "IMPORT_ERROR_PREMATURE_EOF"
    yield "vhd", good_vhd[:-512] + bytes(512), "IMPORT_ERROR"
    table = good_vhd.index(b"\xff" * 4, 1536) // 4 * 4
    yield "vhd", changed(good_vhd, table, good_vhd[1536:1540]), "IMPORT_ERROR"  # two blocks in one place
    yield "chunked", struct.pack("<QI", SIZE - 1, 2) + b"ab", "VDI_TOO_SMALL"
    yield "chunked", struct.pack("<QI", (1 << 64) - 1, 2) + b"ab", "VDI_TOO_SMALL"
    yield "chunked", struct.pack("<QI", 0, 100) + b"ab", "IMPORT_ERROR_PREMATURE_EOF"


def test_hostile_images():
    with Host() as host, tempfile.TemporaryDirectory(prefix="xapid-test-") as directory:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        vdi, other = both(x, sr)
        good(streams.imported(other, CONTENT))
        for image_format, body, code in hostile(directory):
            query = {"chunked": "true"} if image_format == "chunked" else {"format": image_format}
            task, sock = streams.begin(vdi, len(body), **query)
            try:  # it may be over before all is sent
                sock.sendall(body)
            except OSError:
                pass
            record = x.wait_task(task)
            sock.close()
            bad(record, code)
            print(f"# {image_format}: {record['error_info']}")
        quiet(host, x)
        good(streams.imported(vdi, CONTENT))
        for disk in vdi, other:
            holds(host, x, disk)


def test_parts():
    with Host() as host:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        raw, qcow2 = both(x, sr)
        for vdi in raw, qcow2:
            good(streams.imported(vdi, CONTENT))
            for asked, first, last in ((f"bytes={5 * MIB}-{7 * MIB}", 5 * MIB, 7 * MIB), ("bytes=100-", 100, SIZE - 1),
                                       ("bytes=-10", SIZE - 10, SIZE - 1), (f"bytes=7-{SIZE * 2}", 7, SIZE - 1)):
                status, body, reply = streams.get(vdi, {"Range": asked})
                assert status == 206 and body == CONTENT[first:last + 1], asked
                assert reply.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}", asked
            for asked in "bytes=1-2,4-5", "lines=1-2", "bytes=5-4", "bytes=x":
                assert streams.get(vdi, {"Range": asked})[:2] == (200, CONTENT), asked
            for asked in f"bytes={SIZE}-", "bytes=-0":
                status, _, reply = streams.get(vdi, {"Range": asked})
                assert status == 416 and reply.headers["Content-Range"] == f"bytes */{SIZE}"
        # An import that was broken off goes on.
        good(streams.imported(raw, CONTENT[:6 * MIB]))
        task = x.task.create("the rest", "")
        rest = {"Content-Range": f"bytes {6 * MIB}-{SIZE - 1}/{SIZE}"}
        assert streams.put(raw, CONTENT[6 * MIB:], rest, task_id=task)[0] == 200
        good(x.wait_task(task))
        assert streams.get(raw)[1] == CONTENT
        assert streams.put(raw, b"12", {"Content-Range": "bytes 0-9/10"})[0] == 400
        status, text = streams.put(raw, b"12", {"Content-Range": f"bytes {SIZE - 1}-{SIZE}/{2 * SIZE}"})
        assert status == 400 and "VDI_TOO_SMALL" in text, (status, text)
        assert streams.put(raw, b"12", {"Content-Range": "bytes 0-1/2"}, format="vhd")[0] == 501
        task = x.task.create("a part of an image", "")
        assert streams.put(qcow2, b"12", {"Content-Range": "bytes 0-1/2"}, task_id=task)[0] == 200
        bad(x.wait_task(task), "NOT_IMPLEMENTED")
        assert streams.get(qcow2)[1] == CONTENT
        quiet(host, x)


def test_what_goes_wrong():
    with Host(limits="body_read_seconds=1") as host:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        for vdi in both(x, sr):
            # Cut off, silent, and longer than the disk.
            task, sock = streams.begin(vdi, SIZE, CONTENT[:3 * MIB])
            sock.close()
            bad(x.wait_task(task), "IMPORT_ERROR_PREMATURE_EOF")
            task, sock = streams.begin(vdi, SIZE, CONTENT[:3 * MIB])
            record = x.wait_task(task)
            bad(record, "IMPORT_ERROR")
            assert "nothing" in record["error_info"][1], record
            sock.close()
            task = x.task.create("too long", "")
            status, text = streams.put(vdi, CONTENT + b"1", task_id=task)
            assert status == 400 and "VDI_TOO_SMALL" in text, (status, text)
            bad(x.wait_task(task), "VDI_TOO_SMALL")
            quiet(host, x)
            good(streams.imported(vdi, CONTENT))
            holds(host, x, vdi)
        # A client that does not wait for the end of an export.
        task = x.task.create("an export", "")
        connection = streams.connect()
        connection.connect()
        with connection.sock as sock:
            sock.sendall(f"GET {streams.path('export_raw_vdi', vdi, task_id=task)} HTTP/1.0\r\n\r\n".encode())
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        bad(x.wait_task(task), "INTERNAL_ERROR")
        quiet(host, x)


def test_tasks():
    with Host() as host:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        vdi = both(x, sr)[1]
        task, sock = streams.begin(vdi, SIZE, CONTENT[:SIZE // 2])
        tap.wait_until(lambda: 0.4 < x.task.get_progress(task) < 0.6, "half of the progress")
        record = x.VDI.get_record(vdi)
        assert record["current_operations"] == {task: "mirror"} and record["allowed_operations"] == [], record
        assert x.SR.get_current_operations(sr) == {task: "vdi_mirror"}
        fails("OTHER_OPERATION_IN_PROGRESS", x.VDI.destroy, vdi)
        assert streams.put(vdi, CONTENT)[0] == streams.get(vdi)[0] == 409
        assert "cancel" in x.task.get_allowed_operations(task)
        x.task.cancel(task)
        assert x.wait_task(task)["status"] == "cancelled"
        sock.close()
        quiet(host, x)
        # One that is slow is waited for, and its task tells.
        task, sock = streams.begin(vdi, SIZE)
        for offset in range(0, SIZE, MIB):
            sock.sendall(CONTENT[offset:offset + MIB])
        assert sock.recv(1) == b"", "the end is not told"
        good(x.wait_task(task))
        sock.close()
        holds(host, x, vdi)
        # A task that is another's, or has ended.
        assert streams.put(vdi, CONTENT, task_id=task)[0] == 409
        assert streams.put(vdi, CONTENT, task_id="OpaqueRef:unknown")[0] == 404
        # Without a task of the client's there is one of ours.
        before = set(x.task.get_all())
        assert streams.put(vdi, CONTENT)[0] == 200
        new, = set(x.task.get_all()) - before
        assert x.task.get_name_label(new) == "import_raw_vdi"
        good(x.wait_task(new))


def test_refusals():
    with Host() as host:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        vdi = new_vdi(x, sr, MIB)
        body = bytes(MIB)
        for query, status in (({"format": "vmdk"}, 404), ({"format": "vhd", "chunked": "true"}, 404),
                              ({"sr_id": sr}, 501)):
            assert streams.put(vdi, body, **query)[0] == status, query
        for query, status in (({"format": "vmdk"}, 404), ({"format": "qcow2"}, 501), ({"base": vdi}, 501)):
            assert streams.get(vdi, **query)[0] == status, query
        assert streams.put("OpaqueRef:unknown", body)[0] == streams.get("OpaqueRef:unknown")[0] == 404
        streams.x = host.client()
        streams.x.session_ref = "OpaqueRef:unknown"
        assert streams.put(vdi, body)[0] == streams.get(vdi)[0] == 401
        streams.x = x
        # A disk that a guest has.
        vm = x.VM.create({**GUEST, "name_label": "guest"})
        vbd = new_vbd(x, vm, vdi)
        good(streams.imported(vdi, body))
        x.VM.start(vm, False, False)
        for status, text in streams.put(vdi, body), streams.get(vdi)[:2]:
            assert status == 409 and "VDI_IN_USE" in str(text), (status, text)
        x.VM.hard_shutdown(vm)
        x.VBD.set_mode(vbd, "RO")
        x.VM.start(vm, False, False)
        assert streams.put(vdi, body)[0] == 409 and streams.get(vdi)[:2] == (200, body)
        x.VM.hard_shutdown(vm)
        # A guest that starts meanwhile does without.
        x.VBD.set_mode(vbd, "RW")
        task, sock = streams.begin(vdi, MIB)
        fails("OTHER_OPERATION_IN_PROGRESS", x.VM.start, vm, False, False)
        sock.sendall(body)
        good(x.wait_task(task))
        sock.close()
        x.VM.start(vm, False, False)
        x.VM.hard_shutdown(vm)
        x.VDI.set_read_only(vdi, True)
        assert streams.put(vdi, body)[0] == 400 and streams.get(vdi)[0] == 200
        quiet(host, x)


def test_ends_of_ours():
    """xapid, xapid-host or xapid-stream is killed: the transfer fails, and nothing is left of it."""
    with Host(https=True) as host:
        x = connected(host)
        sr = new_sr(host, x)
        for connect in None, host.tls:
            streams = Streams(host, x, connect)
            for name in "xapid-stream", "xapid-host", "xapid":
                for vdi in both(x, sr):
                    task, sock = streams.begin(vdi, SIZE, CONTENT[:3 * MIB])
                    tap.wait_until(lambda: x.task.get_progress(task) > 0, "progress")
                    if name == "xapid-stream":
                        os.kill(*processes(host), 9)
                    else:
                        host.kill(name)
                    x = streams.x = streams.x if name != "xapid" else connected(host)
                    bad(x.wait_task(task), "INTERNAL_ERROR")
                    sock.close()
                    quiet(host, x)
                    good(streams.imported(vdi, CONTENT))
                    holds(host, x, vdi)
                    x.VDI.destroy(vdi)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

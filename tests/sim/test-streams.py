#!/usr/bin/python3
"""Contents of disks from clients and to them, over HTTP: PUT /import_raw_vdi and GET /export_raw_vdi."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import MIB, connected, new_sr, new_vbd, new_vdi, write
from host import GUEST, Host, fails
from streams import (CONTENT, PIECES, RANDOM, SIZE, Streams, bad, difference_of, file_of, good, holds, laid_over, made, quiet,
                     small_blocks)


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
            status, body, reply = streams.get(vdi, format="qcow2")
            assert status == 200 and reply.headers["Content-Disposition"].endswith('.qcow2"')
            exported = file_of(directory, "exported", body)
            subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", exported], check=True)
            subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2", Path(directory, "raw"), exported],
                           check=True)
            assert len(body) < sum(PIECES.values()) + MIB, "it is not sparse"
            good(streams.imported(vdi, bytes(SIZE)))
            good(streams.imported(vdi, body, format="qcow2"))
            holds(host, x, vdi)
        quiet(host, x)


def changed(host, x, vdi):
    """Something is written into the disk, at places of all kinds; what it then has, and the blocks that have changed."""
    write(host, x, vdi, "write -P 9 3m 700", "write -P 8 5200k 70k", "write -z 11m 1m", f"write -P 5 {SIZE - 512} 512")
    content = bytearray(CONTENT)
    for begin, length, byte in (3 * MIB, 700, 9), (5200 * 1024, 70 * 1024, 8), (11 * MIB, MIB, 0), (SIZE - 512, 512, 5):
        content[begin:begin + length] = bytes([byte]) * length
    return bytes(content), {1, 2, 5, 12}


def test_differences():
    with Host() as host:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        far = new_vdi(x, new_sr(host, x, name="far"), SIZE)
        good(streams.imported(far, CONTENT))
        for vdi in both(x, sr):
            good(streams.imported(vdi, CONTENT))
            snapshot = x.VDI.snapshot(vdi)
            assert difference_of(streams.get(vdi, format="vhd", base=snapshot)[1])[2] == {}
            content, numbers = changed(host, x, vdi)
            status, body, _ = streams.get(vdi, format="vhd", base=x.VDI.get_uuid(snapshot))
            assert status == 200
            own, parent, blocks = difference_of(body)
            assert [own, parent] == [x.VDI.get_uuid(vdi), x.VDI.get_uuid(snapshot)]
            assert set(blocks) == numbers and laid_over(CONTENT, blocks)[:SIZE] == content
            # A disk that has nothing in common with it but what is in it; and the other way round.
            assert difference_of(streams.get(vdi, format="vhd", base=far)[1])[2] == blocks
            back = difference_of(streams.get(snapshot, format="vhd", base=vdi)[1])[2]
            assert set(back) == numbers and laid_over(content, back)[:SIZE] == CONTENT
            # What is restored from the two is the disk, and nothing else has changed.
            for restored in x.VDI.clone(snapshot), x.VDI.copy(snapshot, sr), both(x, sr)[1]:
                if x.VDI.get_name_label(restored) == "a disk" and streams.get(restored)[1] != CONTENT:
                    good(streams.imported(restored, CONTENT))
                good(streams.imported(restored, body, format="vhd"))
                assert streams.get(restored)[1] == content
                holds(host, x, restored, content)
                # By sectors, a few of each cluster.
                over = RANDOM.randbytes(4 * MIB)
                good(streams.imported(restored, small_blocks(over, kind=4), format="vhd"))
                wanted = b"".join(over[at:at + 2048] + content[at + 2048:at + 4096] for at in range(0, len(over), 4096))
                holds(host, x, restored, wanted + content[len(over):])
                x.VDI.destroy(restored)
            assert streams.get(vdi)[1] == content
            holds(host, x, snapshot)
            # What has been added since is changed, if there is anything.
            x.VDI.resize(vdi, SIZE + 4 * MIB)
            write(host, x, vdi, f"write -P 6 {SIZE + 4 * MIB - 1024} 512")
            blocks = difference_of(streams.get(vdi, format="vhd", base=snapshot)[1], SIZE + 4 * MIB)[2]
            assert set(blocks) == numbers | {14}, blocks.keys()
        quiet(host, x)


def test_differences_refused():
    with Host() as host:
        x = connected(host)
        streams, sr = Streams(host, x), new_sr(host, x)
        vdi, other = both(x, sr)
        for query, status in (({"base": other}, 501), ({"base": other, "format": "qcow2"}, 501),
                              ({"base": "OpaqueRef:unknown", "format": "vhd"}, 404)):
            assert streams.get(vdi, **query)[0] == status, query
        assert streams.put(vdi, b"1", base=other)[0] == 501
        assert difference_of(streams.get(vdi, format="vhd", base=vdi)[1])[2] == {}
        # While somebody writes to it there is no telling.
        task, sock = streams.begin(other, SIZE, CONTENT[:MIB])
        status, text, _ = streams.get(vdi, format="vhd", base=other)
        assert status == 409 and b"OTHER_OPERATION_IN_PROGRESS" in text, (status, text)
        sock.close()
        bad(x.wait_task(task), "IMPORT_ERROR_PREMATURE_EOF")
        # It is held, as the disk is, until all has been sent.
        good(streams.imported(vdi, RANDOM.randbytes(SIZE)))
        connection = streams.connect()
        connection.connect()
        with connection.sock as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(f"GET {streams.path('export_raw_vdi', vdi, format='vhd', base=other)} HTTP/1.0\r\n\r\n".encode())
            tap.wait_until(lambda: all("copy" in x.VDI.get_current_operations(ref).values() for ref in (vdi, other)),
                           "an export of both")
            fails("OTHER_OPERATION_IN_PROGRESS", x.VDI.destroy, other)
            tap.wait_until(lambda: host.running("xapid-stream"), "its process")
        tap.wait_until(lambda: not x.VDI.get_current_operations(other), "its end")
        quiet(host, x)
        x.VDI.destroy(other)


def test_questions():
    """Xen Orchestra asks before it sends a stream: by the same request without a body and without a task."""
    with Host(https=True) as host, tempfile.TemporaryDirectory(prefix="xapid-test-") as directory:
        x = connected(host)
        sr = new_sr(host, x)
        vhd = made(directory, "vpc", "-o", "force_size=on")
        for streams in Streams(host, x), Streams(host, x, host.tls):
            for vdi in both(x, sr):
                good(streams.imported(vdi, CONTENT[:MIB]))
                before = set(x.task.get_all())
                for length in 0, 1 << 50:
                    connection = streams.connect()
                    connection.putrequest("PUT", streams.path("import_raw_vdi", vdi, format="vhd"))
                    connection.putheader("Content-Length", str(length))
                    connection.endheaders()
                    assert connection.getresponse().status == 200
                    connection.close()
                    assert not x.VDI.get_current_operations(vdi) and set(x.task.get_all()) == before
                assert streams.put("OpaqueRef:unknown", b"")[0] == 404
                holds(host, x, vdi, CONTENT[:MIB] + bytes(SIZE - MIB))
                # It ends where it does, whatever was said, and then the connection.
                for image_format, body in ("vhd", vhd), ("qcow2", made(directory, "qcow2")), ("raw", CONTENT):
                    good(streams.imported(vdi, bytes(SIZE)))
                    task, sock = streams.begin(vdi, 1 << 50, body, format=image_format)
                    sock.close()
                    good(x.wait_task(task))
                    holds(host, x, vdi)
                task, sock = streams.begin(vdi, 1 << 50, vhd[:-1000], format="vhd")
                sock.close()
                bad(x.wait_task(task), "IMPORT_ERROR_PREMATURE_EOF")
                x.VDI.destroy(vdi)
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
        first = 6 * MIB + 700
        for vdi in raw, qcow2, x.VDI.clone(qcow2):
            good(streams.imported(vdi, CONTENT[:first]))
            task = x.task.create("the rest", "")
            rest = {"Content-Range": f"bytes {first}-{SIZE - 1}/{SIZE}"}
            assert streams.put(vdi, CONTENT[first:], rest, task_id=task)[0] == 200
            good(x.wait_task(task))
            assert streams.get(vdi)[1] == CONTENT
            holds(host, x, vdi)
        assert streams.put(raw, b"12", {"Content-Range": "bytes 0-9/10"})[0] == 400
        status, text = streams.put(raw, b"12", {"Content-Range": f"bytes {SIZE - 1}-{SIZE}/{2 * SIZE}"})
        assert status == 400 and "VDI_TOO_SMALL" in text, (status, text)
        assert streams.put(raw, b"12", {"Content-Range": "bytes 0-1/2"}, format="vhd")[0] == 501
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
        # One that is slow is waited for, and its task tells; its client may tell, too.
        task, sock = streams.begin(vdi, SIZE)
        x.task.set_progress(task, 0.5)
        assert x.task.get_progress(task) == 0.5
        fails("OPERATION_NOT_ALLOWED", x.task.set_status, task, "success")
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
        for query, status in (({"format": "vmdk"}, 404), ({"base": vdi}, 501)):
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
                        os.kill(*host.running("xapid-stream"), 9)
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

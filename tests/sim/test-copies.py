#!/usr/bin/python3
"""Copies of disks on a simulated host, whose storage drivers are the real ones."""
import random
import subprocess
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from disks import contents, drivers_known, files, image, new_sr, new_vbd, new_vdi, write
from host import BUILDDIR, GUEST, Host, fails

MIB = 1 << 20
NULL = "OpaqueRef:NULL"
UNKNOWN = "OpaqueRef:unknown"


def connected(host):
    x = host.client()
    drivers_known(x)
    return x


@covers("VDI.copy")
def test_copies():
    with Host() as host:
        x = connected(host)
        sr, other = new_sr(host, x), new_sr(host, x, name="other")
        source = new_vdi(x, sr, name_description="words", other_config={"k": "v"})
        raw = new_vdi(x, sr, sm_config={"image-format": "raw"})
        for vdi in (source, raw):
            write(host, x, vdi, "write -P 1 0 64k", "write -P 2 33m 1m")
        for vdi, where, place in ((source, sr, "sr"), (source, NULL, "sr"), (source, other, "other"), (raw, other, "other")):
            copy = x.VDI.copy(vdi, where)
            before, record = x.VDI.get_record(vdi), x.VDI.get_record(copy)
            for field in ("name_label", "name_description", "virtual_size", "type", "other_config", "sharable"):
                assert record[field] == before[field], (field, record)
            assert record["uuid"] != before["uuid"] and record["managed"] and not record["is_a_snapshot"], record
            assert record["SR"] == (sr if place == "sr" else other) and record["location"] == record["uuid"], record
            assert int(record["physical_utilisation"]) < 4 * MIB, "it is not thin"
            assert image(host, x, copy)[1] == image(host, x, vdi)[1]
            assert contents(host, x, copy) == contents(host, x, vdi)
            write(host, x, copy, "write -P 3 0 64k")
            assert contents(host, x, copy) != contents(host, x, vdi), "it is the same disk"
            x.VDI.destroy(copy)
            assert files(host.dir / "other") == [] and not host.handles()
        assert x.SR.get_virtual_allocation(other) == "0"
        fails("HANDLE_INVALID", x.VDI.copy, UNKNOWN, sr)
        fails("HANDLE_INVALID", x.VDI.copy, source, UNKNOWN)
        fails("NOT_IMPLEMENTED", x.VDI.copy, source, sr, raw)
        fails("NOT_IMPLEMENTED", x.VDI.copy, source, NULL, NULL, raw)
        x.PBD.unplug(x.SR.get_PBDs(other)[0])
        fails("SR_NOT_ATTACHED", x.VDI.copy, source, other)
        path, _ = image(host, x, source)
        path.rename(host.dir / path.name)
        x.SR.scan(sr)
        fails("VDI_NOT_AVAILABLE", x.VDI.copy, source, sr)
        (host.dir / path.name).rename(path)
        x.SR.scan(sr)
        x.VDI.destroy(x.VDI.copy(source, sr))


def test_a_disc_becomes_a_disk():
    with Host() as host:
        location = host.folder("isos")
        Path(location, "cd.iso").write_bytes(random.Random(1).randbytes(2048 * 300))
        x = connected(host)
        isos, sr = new_sr(host, x, "iso", location=location), new_sr(host, x)
        iso, = x.SR.get_VDIs(isos)
        fails("SR_OPERATION_NOT_SUPPORTED", x.VDI.copy, iso, isos)
        fails("SR_OPERATION_NOT_SUPPORTED", x.VDI.copy, iso, NULL)
        path, image_format = image(host, x, x.VDI.copy(iso, sr))
        assert image_format == "raw" and path.read_bytes() == Path(location, "cd.iso").read_bytes()


def test_a_disk_that_a_guest_has():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        vm, written, read = x.VM.create(GUEST), new_vdi(x, sr), new_vdi(x, sr)
        new_vbd(x, vm, written)
        new_vbd(x, vm, read, mode="RO")
        x.VM.start(vm, False, False)
        assert "copy" not in x.VDI.get_allowed_operations(written) and "copy" in x.VDI.get_allowed_operations(read)
        assert fails("VDI_IN_USE", x.VDI.copy, written, sr).params == [written, "copy"]
        x.VDI.destroy(x.VDI.copy(read, sr))
        x.VM.suspend(vm)
        fails("VDI_IN_USE", x.VDI.copy, written, sr)
        x.VM.hard_shutdown(vm)
        x.VDI.destroy(x.VDI.copy(written, sr))
        assert "copy" in x.VDI.get_allowed_operations(written) and not host.violations()


def wait_for_copy(x, vdi):
    tap.wait_until(lambda: "copy" in x.VDI.get_current_operations(vdi).values(), "a copy that goes on")


def test_what_may_not_happen_meanwhile():
    """And how one is cancelled."""
    with Host(environment={"XAPID_FAULT": "file.vdi.copy.made=delay:100000"}) as host:
        x = connected(host)
        sr, other = new_sr(host, x), new_sr(host, x, name="other")
        source, vm, reader = new_vdi(x, sr), x.VM.create(GUEST), x.VM.create(GUEST)
        new_vbd(x, vm, source)
        new_vbd(x, reader, source, mode="RO")
        before = [files(host.dir / name) for name in ("sr", "other")]
        tasks = [x.Async.VDI.copy(source, other) for _ in range(2)]
        wait_for_copy(x, source)
        tap.wait_until(lambda: len(files(host.dir / "other")) == 2, "copies being made")
        assert set(x.SR.get_current_operations(sr).values()) == {"vdi_copy"}
        assert set(x.SR.get_current_operations(other).values()) == {"vdi_create"}
        assert x.VDI.get_allowed_operations(source) == ["copy"], x.VDI.get_allowed_operations(source)
        copies = x.SR.get_VDIs(other)
        assert len(copies) == 2 and not any(x.VDI.get_managed(copy) for copy in copies)
        for function, *args in ((x.VDI.destroy, source), (x.VDI.resize, source, str(100 * MIB)), (x.VDI.forget, source),
                                (x.VM.start, vm, False, False), (x.PBD.unplug, x.SR.get_PBDs(sr)[0]),
                                (x.PBD.unplug, x.SR.get_PBDs(other)[0])):
            fails("OTHER_OPERATION_IN_PROGRESS", function, *args)
        fails("VDI_NOT_MANAGED", x.VDI.copy, copies[0], sr)
        x.VM.start(reader, False, False)
        x.VM.hard_shutdown(reader)
        for task in tasks:
            x.task.cancel(task)
            assert x.wait_task(task)["error_info"][0] == "TASK_CANCELLED"
        assert x.SR.get_VDIs(other) == [] and not host.handles()
        assert [files(host.dir / name) for name in ("sr", "other")] == before
        assert x.SR.get_current_operations(sr) == x.VDI.get_current_operations(source) == {}
        x.VM.start(vm, False, False)
        assert not host.violations()


def test_by_xtool():
    with Host() as host:
        x = connected(host)
        sr, other = new_sr(host, x), new_sr(host, x, name="other")
        source = new_vdi(x, sr)
        write(host, x, source, "write -P 1 0 64k")
        for more, where in (([], sr), ([f"sr-uuid={x.SR.get_uuid(other)}"], other)):
            words = ["vdi-copy", f"uuid={x.VDI.get_uuid(source)}", *more]
            done = subprocess.run([BUILDDIR / "xtool/xtool", "-s", host.socket, *words], capture_output=True, text=True)
            assert done.returncode == 0, done
            copy = x.VDI.get_by_uuid(done.stdout.strip())
            assert x.VDI.get_SR(copy) == where and contents(host, x, copy) == contents(host, x, source)


def test_a_failure_leaves_nothing():
    with Host(environment={"XAPID_FAULT": "file.vdi.copy.made=error"}) as host:
        x = connected(host)
        sr = new_sr(host, x)
        vdi = new_vdi(x, sr)
        before = files(host.dir / "sr")
        fails("INTERNAL_ERROR", x.VDI.copy, vdi, sr)
        assert x.VDI.get_all() == [vdi] and files(host.dir / "sr") == before and not host.handles()


def test_kills():
    """Whoever dies meanwhile: the copy is whole, or there is none."""
    with Host(environment={"XAPID_FAULT": "file.vdi.copy.made=delay:100"}) as host:
        x = connected(host)
        sr = new_sr(host, x)
        source = new_vdi(x, sr)
        write(host, x, source, "write -P 1 0 8m")
        expected = contents(host, x, source)
        for round_, program in enumerate(("xapid-host", "xapid", "xapid-domains", "xapid-host", "xapid") * 2):
            task = x.Async.VDI.copy(source, sr)
            time.sleep(0.05 * (round_ % 5))
            host.kill(program)
            tap.wait_until(lambda: host.client(), "the daemon")
            x = host.client()
            record = x.wait_task(task)
            copies = [vdi for vdi in x.VDI.get_all() if vdi != source]
            assert len(copies) == (record["status"] == "success"), (copies, record)
            for copy in copies:
                assert x.VDI.get_managed(copy) and contents(host, x, copy) == expected
                x.VDI.destroy(copy)
            assert len(files(host.dir / "sr")) == 2 and not host.handles(), (files(host.dir / "sr"), host.handles())


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

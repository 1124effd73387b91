#!/usr/bin/python3
"""Clones and snapshots of disks on a simulated host, whose storage drivers are the real ones."""
import sys
import tempfile
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from disks import MIB, NULL, connected, contents, files, image, new_sr, new_vbd, new_vdi, orphans, write
from host import GUEST, Host, fails
from marks import acted

UNKNOWN = "OpaqueRef:unknown"


@covers("VDI.clone")
def test_clones():
    with Host() as host:
        x = connected(host)
        source = new_vdi(x, new_sr(host, x))
        write(host, x, source, "write -P 1 0 64k")
        clone = x.VDI.clone(source)
        assert x.VDI.get_SR(clone) == x.VDI.get_SR(source) and contents(host, x, clone) == contents(host, x, source)
        again = x.VDI.clone(clone, {})
        for vdi, pattern in ((source, 2), (clone, 3)):
            write(host, x, vdi, f"write -P {pattern} 0 64k")
        write(host, x, again, "read -P 1 0 64k")
        x.VDI.destroy(source)
        write(host, x, clone, "read -P 3 0 64k")
        assert orphans(host.dir / "sr") == set() and not host.handles()
        fails("NOT_IMPLEMENTED", x.VDI.clone, clone, {"k": "v"})
        fails("HANDLE_INVALID", x.VDI.clone, UNKNOWN)


def space(host):
    """Bytes that the disks of the first repository take."""
    return sum((host.dir / "sr" / name).stat().st_blocks * 512 for name in files(host.dir / "sr"))


def test_what_clones_share():
    """They take no space for what they have in common, while nobody writes; where they cannot share it is copied."""
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        image_, raw = new_vdi(x, sr), new_vdi(x, sr, sm_config={"image-format": "raw"})
        shared = new_vdi(x, sr, sharable=True)
        reader = x.VM.create(GUEST)
        for vdi in (image_, raw, shared):
            write(host, x, vdi, "write -P 1 0 8m")
        new_vbd(x, reader, image_, mode="RO")
        for vdi, cheap in ((image_, True), (raw, False), (shared, False)):
            for call in (x.VDI.clone, x.VDI.snapshot):
                before = space(host)
                copy = call(vdi)
                assert (space(host) - before < 4 * MIB) == cheap, (vdi, space(host), before)
                assert image(host, x, copy)[1] == ("raw" if vdi == raw else "qcow2")
                assert contents(host, x, copy) == contents(host, x, vdi) and x.VDI.get_virtual_size(copy) == str(64 * MIB)
                x.SR.scan(sr)
                if cheap:
                    assert int(x.VDI.get_physical_utilisation(copy)) < 4 * MIB
        # One that a guest reads meanwhile, which goes on with what it has.
        x.VM.start(reader, False, False)
        before = space(host)
        tasks = [x.Async.VDI.clone(image_) for _ in range(4)]
        assert {x.wait_task(task)["status"] for task in tasks} == {"success"}
        assert space(host) - before < 4 * MIB
        x.VM.hard_reboot(reader)
        x.VM.hard_shutdown(reader)
        x.VM.destroy(reader)
        assert not host.violations() and orphans(host.dir / "sr") == set()
        grown = x.VDI.clone(image_)
        x.VDI.resize(grown, str(128 * MIB))
        write(host, x, grown, "read -P 1 0 8m", "read -P 0 8m 120m", "write -P 5 100m 1m")
        for vdi in x.SR.get_VDIs(sr):
            x.VDI.destroy(vdi)
        assert files(host.dir / "sr") == []


def test_clones_beyond_the_limit():
    """The sixteenth of a disk is a copy in full."""
    with Host() as host:
        x = connected(host)
        source = new_vdi(x, new_sr(host, x))
        write(host, x, source, "write -P 1 0 8m")
        for number in range(1, 18):
            before = space(host)
            snapshot = x.VDI.snapshot(source)
            assert (space(host) - before > 8 * MIB) == (number > 15), (number, space(host) - before)
            assert x.VDI.get_snapshot_of(snapshot) == source
        assert contents(host, x, snapshot) == contents(host, x, source)


def test_clones_that_are_broken_off():
    """Wherever it happens: the driver fails or is killed, and then there is no clone, and the source as it was."""
    points = [f"file.vdi.clone.{where}" for where in ("before", "made", "beside", "moved", "after")]
    for way, code in (("kill", "SR_BACKEND_FAILURE"), ("error", "INTERNAL_ERROR")):
        faults = {"XAPID_FAULT": ",".join(f"{point}={way}" for point in points)}
        with tempfile.TemporaryDirectory(prefix="xapid-test-") as once:
            with Host(environment={**faults, "XAPID_TEST_FAULT_DIR": once}) as host:
                x = connected(host)
                sr = new_sr(host, x)
                source = new_vdi(x, sr)
                write(host, x, source, "write -P 1 0 1m")
                expected = contents(host, x, source)
                for point in points:
                    fails(code, x.VDI.snapshot, source)
                    assert x.VDI.get_all() == [source] and not host.handles()
                    assert orphans(host.dir / "sr") == set() and contents(host, x, source) == expected, point
                assert acted(once) == set(points)
                copy = x.VDI.clone(source)
                for vdi in (source, copy):
                    assert contents(host, x, vdi) == expected
                    x.VDI.destroy(vdi)
                assert files(host.dir / "sr") == []


def test_kills_of_clones():
    """Whoever dies meanwhile: the clone is whole, or there is none."""
    points = ("made", "beside", "moved")
    delays = ",".join(f"file.vdi.clone.{point}=delay:60" for point in points)
    with Host(environment={"XAPID_FAULT": delays}) as host:
        x = connected(host)
        sr = new_sr(host, x)
        source = new_vdi(x, sr)
        write(host, x, source, "write -P 1 0 8m")
        expected = contents(host, x, source)
        for round_, program in enumerate(("xapid-host", "xapid", "xapid-domains", "xapid-host", "xapid") * 2):
            task = x.Async.VDI.snapshot(source)
            time.sleep(0.04 * (round_ % 7))
            host.kill(program)
            tap.wait_until(lambda: host.client(), "the daemon")
            x = host.client()
            record = x.wait_task(task)
            copies = [vdi for vdi in x.VDI.get_all() if vdi != source]
            assert len(copies) == (record["status"] == "success"), (copies, record)
            for copy in copies:
                assert x.VDI.get_managed(copy) and contents(host, x, copy) == expected
                x.VDI.destroy(copy)
            assert contents(host, x, source) == expected
            assert orphans(host.dir / "sr") == set() and not host.handles(), (files(host.dir / "sr"), host.handles())


@covers("VDI.snapshot")
def test_snapshots():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        disk, vm = new_vdi(x, sr), x.VM.create(GUEST)
        write(host, x, disk, "write -P 1 0 64k")
        first, begin = x.VDI.snapshot(disk), str(x.host.get_servertime(x.host.get_all()[0]))
        write(host, x, disk, "write -P 2 0 64k")
        second = x.VDI.snapshot(disk, {})
        records = {vdi: x.VDI.get_record(vdi) for vdi in (disk, first, second)}
        assert set(records[disk]["snapshots"]) == {first, second} and not records[disk]["is_a_snapshot"]
        for vdi in (first, second):
            record = records[vdi]
            assert record["is_a_snapshot"] and record["snapshot_of"] == disk and record["SR"] == sr, record
            assert record["managed"] and record["name_label"] == records[disk]["name_label"]
        assert str(records[first]["snapshot_time"]) <= begin <= str(records[second]["snapshot_time"]), records
        write(host, x, first, "read -P 1 0 64k")
        write(host, x, second, "read -P 2 0 64k")
        clone = x.VDI.clone(first)
        assert not x.VDI.get_is_a_snapshot(clone) and x.VDI.get_snapshot_of(clone) == NULL
        fails("NOT_IMPLEMENTED", x.VDI.snapshot, disk, {"k": "v"})
        fails("HANDLE_INVALID", x.VDI.snapshot, UNKNOWN)
        new_vbd(x, vm, disk)
        x.VM.start(vm, False, False)
        fails("VDI_IN_USE", x.VDI.snapshot, disk)
        x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)
        x.VDI.destroy(disk)
        assert x.VDI.get_snapshot_of(first) == NULL
        for vdi in (first, clone, second):
            x.VDI.destroy(vdi)
        assert files(host.dir / "sr") == []


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

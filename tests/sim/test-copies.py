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
from disks import MIB, NULL, connected, contents, files, image, new_sr, new_vbd, new_vdi, orphans, write
from host import BUILDDIR, GUEST, Host, fails
from networks import new_network, new_vif

UNKNOWN = "OpaqueRef:unknown"


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


def template(host, x):
    """A VM with a disk in each of two repositories, one that is read alone, a disc, and an empty drive."""
    Path(host.folder("isos"), "cd.iso").write_bytes(b"\0" * 2048)
    isos = new_sr(host, x, "iso", location=str(host.dir / "isos"))
    srs = [new_sr(host, x), new_sr(host, x, name="other")]
    vm = x.VM.create({**GUEST, "name_label": "first", "tags": ["a"], "other_config": {"k": "v"}, "VCPUs_max": "3",
                      "blocked_operations": {"start": "not yet"}})
    disks = [new_vdi(x, srs[0], MIB), new_vdi(x, srs[1], 2 * MIB, sm_config={"image-format": "raw"}), new_vdi(x, srs[0], 3 * MIB)]
    for number, vdi in enumerate(disks):
        write(host, x, vdi, f"write -P {number + 1} 0 64k")
    for vdi in disks:
        new_vbd(x, vm, vdi, bootable=vdi == disks[0], mode="RO" if vdi == disks[2] else "RW", other_config={"d": "e"})
    new_vbd(x, vm, *x.SR.get_VDIs(isos), type="CD", mode="RO", userdevice="5")
    new_vbd(x, vm, NULL, type="CD", mode="RO", userdevice="6")
    return vm, srs


def drives(x, vm):
    return sorted((x.VBD.get_record(vbd) for vbd in x.VM.get_VBDs(vm)), key=lambda record: record["userdevice"])


def same_machine(host, x, copy, vm, name):
    """Is it one with disks of its own?"""
    new, old = x.VM.get_record(copy), x.VM.get_record(vm)
    for field in ("VCPUs_max", "memory_static_max", "PV_kernel", "tags", "domain_type", "is_a_template", "actions_after_crash"):
        assert new[field] == old[field], field
    assert new["uuid"] != old["uuid"] and new["metrics"] not in (NULL, old["metrics"]), new
    assert (new["name_label"], new["power_state"], new["domid"], new["is_a_snapshot"]) == (name, "Halted", "-1", False), new
    assert new["blocked_operations"] == new["current_operations"] == old["current_operations"] == {}
    assert new["other_config"].pop("mac_seed") != old["other_config"].pop("mac_seed")
    assert new["other_config"] == old["other_config"]
    of_new, of_old = drives(x, copy), drives(x, vm)
    assert len(of_new) == len(of_old)
    for mine, theirs in zip(of_new, of_old):
        for field in ("userdevice", "bootable", "mode", "type", "empty", "unpluggable", "other_config"):
            assert mine[field] == theirs[field], field
        assert mine["uuid"] != theirs["uuid"]
        if mine["type"] == "CD":
            assert mine["VDI"] == theirs["VDI"]
        else:
            assert mine["VDI"] != theirs["VDI"] and x.VDI.get_managed(mine["VDI"])
            assert contents(host, x, mine["VDI"]) == contents(host, x, theirs["VDI"])


def destroy(x, vm):
    """With its disks."""
    disks = [record["VDI"] for record in drives(x, vm) if record["type"] == "Disk"]
    x.VM.destroy(vm)
    for vdi in disks:
        x.VDI.destroy(vdi)


@covers("VM.clone", "VM.copy")
def test_copies_of_a_vm():
    with Host() as host:
        x = connected(host)
        vm, srs = template(host, x)
        before = {cls: set(getattr(x, cls).get_all()) for cls in ("VM", "VBD", "VDI")}
        for is_template in (False, True):
            x.VM.set_is_a_template(vm, is_template)
            assert {"clone", "copy"} <= set(x.VM.get_allowed_operations(vm))
            for call, args, where in ((x.VM.clone, (), None), (x.VM.copy, (NULL,), None), (x.VM.copy, (srs[1],), srs[1])):
                copy = call(vm, "second", *args)
                same_machine(host, x, copy, vm, "second")
                for mine, theirs in zip(drives(x, copy), drives(x, vm)):
                    if mine["type"] == "Disk":
                        assert x.VDI.get_SR(mine["VDI"]) == (where or x.VDI.get_SR(theirs["VDI"]))
                if not is_template:
                    x.VM.start(copy, False, False)
                    x.VM.hard_shutdown(copy)
                destroy(x, copy)
        for cls, refs in before.items():
            assert set(getattr(x, cls).get_all()) == refs, cls
        x.VM.set_is_a_template(vm, False)
        x.VM.remove_from_blocked_operations(vm, "start")
        again = x.VM.clone(x.VM.clone(vm, "b"), "c")
        same_machine(host, x, again, vm, "c")
        isos, = (sr for sr in x.SR.get_all() if x.SR.get_type(sr) == "iso")
        fails("SR_OPERATION_NOT_SUPPORTED", x.VM.copy, vm, "d", isos)
        fails("HANDLE_INVALID", x.VM.copy, vm, "d", UNKNOWN)
        fails("HANDLE_INVALID", x.VM.clone, UNKNOWN, "d")
        x.VM.start(vm, False, False)
        for function, *args in ((x.VM.clone, vm, "d"), (x.VM.copy, vm, "d", NULL)):
            assert fails("VM_BAD_POWER_STATE", function, *args).params == [vm, "halted", "running"]
        x.VM.start(again, False, False)
        x.VM.hard_shutdown(vm)
        x.VM.add_to_blocked_operations(vm, "clone", "it is precious")
        fails("OPERATION_BLOCKED", x.VM.clone, vm, "d")
        x.VM.destroy(x.VM.copy(vm, "d", NULL))
        assert not host.violations()


def test_a_vm_without_disks():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        copy = x.VM.clone(vm, "second")
        same_machine(host, x, copy, vm, "second")
        assert x.VM.get_by_name_label("second") == [copy]


@covers("VM.clone")
def test_network_cards():
    """A copy has cards on the same networks, with addresses of its own."""
    with Host() as host:
        x = host.client()
        network = new_network(x)
        vm = x.VM.create(GUEST)
        new_vif(x, vm, network, "1", MAC="02:00:00:00:00:01")
        x.VM.start(vm, False, False)
        fails("VM_BAD_POWER_STATE", x.VM.clone, vm, "second")
        x.VM.hard_shutdown(vm)
        copies = [x.VM.clone(vm, "second"), x.VM.copy(vm, "third", NULL)]
        records = [x.VIF.get_record(vif) for copy in copies for vif in x.VM.get_VIFs(copy)]
        assert [(r["network"], r["device"], r["MAC_autogenerated"], r["currently_attached"]) for r in records] == \
            [(network, "1", True, False)] * 2, records
        assert len({"02:00:00:00:00:01", *(r["MAC"] for r in records)}) == 3, records
        for copy in copies:
            x.VM.start(copy, False, False)
        assert x.VIF.get_currently_attached(x.VM.get_VIFs(copies[0])[0])


def test_what_may_not_happen_to_a_vm_meanwhile():
    """And that what is cancelled leaves nothing."""
    slow = "file.vdi.copy.made=delay:100000,file.vdi.clone.made=delay:100000"
    with Host(environment={"XAPID_FAULT": slow}) as host:
        x = connected(host)
        vm, _ = template(host, x)
        x.VM.remove_from_blocked_operations(vm, "start")
        before = {cls: set(getattr(x, cls).get_all()) for cls in ("VM", "VBD", "VDI")}
        tasks = [x.Async.VM.clone(vm, "second"), x.Async.VM.copy(vm, "third", NULL)]
        copies = [tap.wait_until(lambda: x.VM.get_by_name_label(name), "copy")[0] for name in ("second", "third")]
        tap.wait_until(lambda: len(files(host.dir / "sr")) == 6, "copies of the first disk")
        assert sorted(x.VM.get_current_operations(vm).values()) == ["clone", "copy"]
        assert set(x.VM.get_allowed_operations(vm)) == {"clone", "copy", "snapshot"}, x.VM.get_allowed_operations(vm)
        for copy in copies:
            for function, *args in ((x.VM.start, copy, False, False), (x.VM.destroy, copy), (x.VM.clone, copy, "fourth")):
                fails("OTHER_OPERATION_IN_PROGRESS", function, *args)
        for function, *args in ((x.VM.start, vm, False, False), (x.VM.destroy, vm)):
            fails("OTHER_OPERATION_IN_PROGRESS", function, *args)
        for task in tasks:
            x.task.cancel(task)
            assert x.wait_task(task)["error_info"][0] == "TASK_CANCELLED"
        for cls, refs in before.items():
            assert set(getattr(x, cls).get_all()) == refs, cls
        assert len(files(host.dir / "sr")) == 4 and len(files(host.dir / "other")) == 2 and not host.handles()
        assert x.VM.get_current_operations(vm) == {} and x.SR.get_all_records()


def test_a_vm_is_copied_whole_or_not():
    """The second of three disks fails; and whoever dies meanwhile."""
    slow = "file.vdi.copy.made=delay:50,file.vdi.clone.made=delay:50"
    with Host(environment={"XAPID_FAULT": slow}) as host:
        x = connected(host)
        vm, _ = template(host, x)
        before = {cls: set(getattr(x, cls).get_all()) for cls in ("VM", "VBD", "VDI")}

        def nothing_more():
            for cls, refs in before.items():
                assert set(getattr(x, cls).get_all()) == refs, cls
            assert orphans(host.dir / "sr") == orphans(host.dir / "other") == set() and not host.handles()
            assert x.VM.get_current_operations(vm) == {}

        path, = (host.dir / "other").glob("*.raw")
        path.rename(host.dir / path.name)
        for function, *args in ((x.VM.clone, vm, "second"), (x.VM.copy, vm, "second", NULL)):
            fails("SR_BACKEND_FAILURE_65", function, *args)
            assert len(files(host.dir / "other")) == 1 and orphans(host.dir / "sr") == set()
        (host.dir / path.name).rename(path)
        nothing_more()
        for round_, program in enumerate(("xapid-host", "xapid", "xapid-domains") * 4):
            task = x.Async.VM.clone(vm, "second")
            time.sleep(0.04 * (round_ % 7))
            host.kill(program)
            tap.wait_until(lambda: host.client(), "the daemon")
            x = host.client()
            record = x.wait_task(task)
            copies = x.VM.get_by_name_label("second")
            assert len(copies) == (record["status"] == "success"), (copies, record)
            for copy in copies:
                same_machine(host, x, copy, vm, "second")
                destroy(x, copy)
            nothing_more()


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
        assert x.VDI.get_allowed_operations(source) == ["copy", "clone", "snapshot"], x.VDI.get_allowed_operations(source)
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
        source, vm = new_vdi(x, sr), x.VM.create(GUEST)
        write(host, x, source, "write -P 1 0 64k")
        new_vbd(x, vm, source)
        vdi_uuid, vm_uuid, there = x.VDI.get_uuid(source), x.VM.get_uuid(vm), f"sr-uuid={x.SR.get_uuid(other)}"

        def xtool(*words):
            done = subprocess.run([BUILDDIR / "xtool/xtool", "-s", host.socket, *words], capture_output=True, text=True)
            assert done.returncode == 0, (words, done)
            return done.stdout.strip()

        for words, where in ((["vdi-copy"], sr), (["vdi-clone"], sr), (["vdi-snapshot"], sr), (["vdi-copy", there], other)):
            copy = x.VDI.get_by_uuid(xtool(words[0], f"uuid={vdi_uuid}", *words[1:]))
            assert x.VDI.get_SR(copy) == where and contents(host, x, copy) == contents(host, x, source)
        copy = x.VDI.get_by_uuid(xtool("vdi-clone", f"uuid={vdi_uuid}", "new-name-label=third", "new-name-description=copied"))
        assert (x.VDI.get_name_label(copy), x.VDI.get_name_description(copy)) == ("third", "copied")
        for command in "vdi-clone", "vdi-snapshot":
            done = subprocess.run([BUILDDIR / "xtool/xtool", "-s", host.socket, command, f"uuid={vdi_uuid}",
                                   "driver-params:depth=1"], capture_output=True, text=True)
            assert done.returncode == 1 and "driver_params" in done.stderr, done
        for words, where in ((["vm-clone"], sr), (["vm-copy"], sr), (["vm-copy", there], other)):
            copy = x.VM.get_by_uuid(xtool(words[0], f"uuid={vm_uuid}", "new-name-label=second", *words[1:]))
            same_machine(host, x, copy, vm, "second")
            assert x.VDI.get_SR(drives(x, copy)[0]["VDI"]) == where


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


SLOWLY = """#!/usr/bin/python3
import json, os, subprocess, sys, time
text = sys.stdin.read()
if json.loads(text)["call"] == "vdi.copy":
    print('{"progress":0.5}', flush=True)
    for _ in range(3000):
        if os.path.exists("@DIR/go"):
            break
        time.sleep(0.02)
sys.stdout.write(subprocess.run(["@DIR/bin/storage/file"], input=text, capture_output=True, text=True).stdout)
"""


def test_progress():
    """A driver tells how far a copy is, and so does the task; it can be cancelled then."""
    host = Host()
    driver = host.bindir / "storage" / "slowly"
    driver.write_text(SLOWLY.replace("@DIR", str(host.dir)))
    driver.chmod(0o755)
    with host:
        x = connected(host)
        tap.wait_until(lambda: "slowly" in x.SR.get_supported_types(), "the driver")
        sr = new_sr(host, x, "slowly")
        source = new_vdi(x, sr)
        write(host, x, source, "write -P 1 0 8m")
        before = files(host.dir / "sr")
        for cancelled in True, False:
            task = x.Async.VDI.copy(source, sr)
            tap.wait_until(lambda: 0.3 < x.task.get_progress(task) < 0.7, "half of the copy")
            if cancelled:
                x.task.cancel(task)
                assert x.wait_task(task)["status"] == "cancelled"
                assert files(host.dir / "sr") == before and not host.handles()
            else:
                (host.dir / "go").write_text("")
                record = x.wait_task(task)
                assert record["status"] == "success" and record["progress"] == 1, record
        copy, = set(x.SR.get_VDIs(sr)) - {source}
        assert contents(host, x, copy) == contents(host, x, source)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

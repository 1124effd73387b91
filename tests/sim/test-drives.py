#!/usr/bin/python3
"""Drives of VMs that run, on a simulated host: plugged, unplugged, and CDs changed."""
import sys
import threading
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import disks
import settled
import tap
import world
from covers import covers
from disks import NULL, drivers_known, new_sr, new_vbd, new_vdi
from host import GUEST, Host, fails
from xtool import Tool


def started(host, x, **fields):
    vm = x.VM.create({**GUEST, **fields})
    x.VM.start(vm, False, False)
    return vm


def drives(host, x, vm):
    """What the hypervisor has: vdev to handle."""
    uuid = x.VM.get_uuid(vm)
    return next(d["disks"] for d in world.domains(host.sim) if d["uuid"] == uuid)


def repository(host, x, kind="file", **options):
    drivers_known(x)
    return new_sr(host, x, kind, **options)


def disc(host, x):
    """A CD, in a repository of its own."""
    folder = host.folder("isos")
    (Path(folder) / "one.iso").write_bytes(b"\0" * 4096)
    sr = repository(host, x, "iso", location=folder)
    return x.SR.get_VDIs(sr)[0]


@covers("VBD.plug", "VBD.unplug")
def test_plug_and_unplug():
    with Host() as host:
        x = host.client()
        vdi, vm = new_vdi(x, repository(host, x)), started(host, x)
        vbd = new_vbd(x, vm, vdi)
        assert set(x.VBD.get_allowed_operations(vbd)) == {"plug"}
        fails("DEVICE_ALREADY_DETACHED", x.VBD.unplug, vbd)
        token = x.call("event.from", ["vbd"], "", 0.0)["token"]
        x.VBD.plug(vbd)
        record = x.VBD.get_record(vbd)
        assert (record["currently_attached"], record["device"]) == (True, "xvda"), record
        assert set(record["allowed_operations"]) == {"unplug", "unplug_force"}, record
        assert drives(host, x, vm) == {"xvda": record["uuid"]} and host.handles() == {record["uuid"]}
        seen = x.call("event.from", ["vbd"], token, 5.0)["events"]
        assert seen[-1]["snapshot"]["currently_attached"] is True, seen
        assert fails("DEVICE_ALREADY_ATTACHED", x.VBD.plug, vbd).params == ["xvda"]
        fails("VDI_IN_USE", x.VDI.destroy, vdi)
        x.VBD.unplug(vbd)
        record = x.VBD.get_record(vbd)
        assert (record["currently_attached"], record["device"]) == (False, ""), record
        assert drives(host, x, vm) == {} and host.handles() == set()
        x.VBD.plug(vbd)
        x.VM.hard_reboot(vm)
        assert drives(host, x, vm) == {"xvda": record["uuid"]}
        x.VM.clean_shutdown(vm)
        assert x.VBD.get_currently_attached(vbd) is False and host.handles() == set()
        assert fails("VM_BAD_POWER_STATE", x.VBD.plug, vbd).params == [vm, "running", "halted"]


@covers("VBD.unplug_force")
def test_a_guest_that_does_not_let_go():
    with Host() as host:
        x = host.client()
        vm, vdi = started(host, x), new_vdi(x, repository(host, x))
        vbd, uuid = new_vbd(x, vm, vdi), x.VM.get_uuid(vm)
        fails("DEVICE_ALREADY_DETACHED", x.VBD.unplug_force, vbd)
        x.VBD.plug(vbd)
        host.guest(f"refuse-unplug {uuid}")
        assert fails("DEVICE_DETACH_TIMEOUT", x.VBD.unplug, vbd).params == ["VBD", vbd]
        assert x.VBD.get_currently_attached(vbd) and len(drives(host, x, vm)) == 1
        x.VM.pause(vm)
        fails("VM_BAD_POWER_STATE", x.VBD.unplug, vbd)
        x.VBD.unplug_force(vbd)
        assert not x.VBD.get_currently_attached(vbd) and drives(host, x, vm) == {}
        x.VBD.plug(vbd)  # a paused guest finds it later
        x.VM.unpause(vm)
        x.VBD.set_unpluggable(vbd, False)
        fails("VBD_NOT_UNPLUGGABLE", x.VBD.unplug, vbd)
        x.VM.hard_shutdown(vm)
        assert not settled.check(host)


def test_unplug_by_xtool():
    """It asks the guest again until the time is over; with --force the drive goes then."""
    with Host() as host:
        x = host.client()
        t = Tool(host)
        vm, vdi = started(host, x), new_vdi(x, repository(host, x))
        vbd, uuid = new_vbd(x, vm, vdi), x.VM.get_uuid(vm)
        its = f"uuid={x.VBD.get_uuid(vbd)}"
        for words in (), ("timeout=60",), ("--force",):
            x.VBD.plug(vbd)
            t("vbd-unplug", its, *words)
            assert not x.VBD.get_currently_attached(vbd), words
        x.VBD.plug(vbd)
        host.guest(f"refuse-unplug {uuid}")
        for words in (), ("timeout=1",):
            assert "DEVICE_DETACH_TIMEOUT" in t.fails(1, "vbd-unplug", its, *words)
            assert x.VBD.get_currently_attached(vbd)
        waits = threading.Thread(target=t, args=("vbd-unplug", its, "timeout=600"))
        waits.start()
        time.sleep(1.5)
        assert x.VBD.get_currently_attached(vbd)
        host.guest(f"obey-unplug {uuid}")
        waits.join(60)
        assert not waits.is_alive() and not x.VBD.get_currently_attached(vbd)
        x.VBD.plug(vbd)
        host.guest(f"refuse-unplug {uuid}")
        t("vbd-unplug", its, "timeout=1", "--force")
        assert not x.VBD.get_currently_attached(vbd)
        assert "DEVICE_ALREADY_DETACHED" in t.fails(1, "vbd-unplug", its, "timeout=600")
        for seconds in "-1", "soon", "1e9":
            assert "timeout= takes seconds" in t.fails(2, "vbd-unplug", its, f"timeout={seconds}")


@covers("VBD.insert", "VBD.eject")
def test_cds_of_a_vm_that_runs():
    for kind in ("pvh", "hvm"):
        with Host() as host:
            x = host.client()
            cd = disc(host, x)
            fields = {"domain_type": kind, **({"PV_kernel": "", "PV_args": ""} if kind == "hvm" else {})}
            vm = x.VM.create({**GUEST, **fields})
            vbd = new_vbd(x, vm, NULL, type="CD", mode="RO")
            x.VM.start(vm, False, False)
            record = x.VBD.get_record(vbd)
            device = "hdd" if kind == "hvm" else "xvdd"
            assert "insert" in record["allowed_operations"] and "eject" not in record["allowed_operations"]
            fails("VBD_IS_EMPTY", x.VBD.eject, vbd)
            x.VBD.insert(vbd, cd)
            record = x.VBD.get_record(vbd)
            assert (record["VDI"], record["empty"], record["currently_attached"]) == (cd, False, True), record
            assert drives(host, x, vm)[device] == record["uuid"] and host.handles() == {record["uuid"]}
            fails("VBD_NOT_EMPTY", x.VBD.insert, vbd, cd)
            assert "eject" in record["allowed_operations"] and "insert" not in record["allowed_operations"]
            x.VM.hard_reboot(vm)
            assert drives(host, x, vm)[device] == record["uuid"]
            x.VBD.eject(vbd)
            record = x.VBD.get_record(vbd)
            assert (record["VDI"], record["empty"], record["currently_attached"]) == (NULL, True, False), record
            assert drives(host, x, vm).get(device, "") == "" and host.handles() == set()
            assert x.VDI.get_VBDs(cd) == []
            if kind == "hvm":
                fails("OPERATION_NOT_ALLOWED", x.VBD.plug, vbd)
            else:
                fails("VBD_IS_EMPTY", x.VBD.plug, vbd)
            x.VM.hard_shutdown(vm)
            fails("VBD_NOT_REMOVABLE_MEDIA", x.VBD.eject, new_vbd(x, vm, cd, mode="RO"))


def test_an_emulated_disk_stays():
    with Host() as host:
        x = host.client()
        sr, vm = repository(host, x), x.VM.create({**GUEST, "domain_type": "hvm", "PV_kernel": "", "PV_args": ""})
        vbd = new_vbd(x, vm, new_vdi(x, sr))
        later = new_vbd(x, vm, new_vdi(x, sr), userdevice="5")
        x.VM.start(vm, False, False)
        assert fails("DEVICE_DETACH_REJECTED", x.VBD.unplug, vbd).params[:2] == ["VBD", vbd]
        x.VBD.unplug(later)
        x.VBD.plug(later)
        assert x.VBD.get_device(later) == "xvdf"
        x.VM.hard_shutdown(vm)


def test_one_after_the_other():
    """What is under way with a drive is shown by it, and nothing else is done to its VM but to end it."""
    with Host(environment={"XAPID_FAULT": "plug.before=delay:1000"}) as host:
        x = host.client()
        vm, vdi = started(host, x), new_vdi(x, repository(host, x))
        vbd, rival = new_vbd(x, vm, vdi), new_vbd(x, started(host, x), vdi)
        task = x.Async.VBD.plug(vbd)
        tap.wait_until(lambda: x.VBD.get_current_operations(vbd) == {task: "plug"}, "operation")
        assert x.VBD.get_allowed_operations(vbd) == []
        for call in x.VM.pause, x.VM.suspend, x.VM.clean_shutdown:
            assert fails("OTHER_OPERATION_IN_PROGRESS", call, vm).params == ["VBD", vbd, "plug", task]
        for call in x.VBD.unplug, x.VBD.destroy:
            fails("OTHER_OPERATION_IN_PROGRESS", call, vbd)
        assert x.wait_task(task)["status"] == "success"
        assert x.VBD.get_current_operations(vbd) == {}
        assert fails("VDI_IN_USE", x.VBD.plug, rival).params[0] == vdi
        x.VBD.unplug(vbd)
        task = x.Async.VBD.plug(vbd)
        tap.wait_until(lambda: x.VBD.get_current_operations(vbd), "operation")
        x.VM.hard_shutdown(vm)
        assert x.wait_task(task)["status"] in ("cancelled", "success")
        tap.wait_until(lambda: not host.handles() and not x.VBD.get_currently_attached(vbd), "end of the disk")
        assert not host.violations()


def test_killed_programs():
    """A plug or unplug that a program died under is whole or undone."""
    with Host() as host:
        x = host.client()
        vm, vdi = started(host, x), new_vdi(x, repository(host, x))
        vbd = new_vbd(x, vm, vdi)
        for program in ("xapid", "xapid-domains", "xapid-host") * 4:
            attached = x.VBD.get_currently_attached(vbd)
            (x.Async.VBD.unplug if attached else x.Async.VBD.plug)(vbd)
            host.kill(program)
            host.wait_up()
            y = host.client()
            tap.wait_until(lambda: not y.VBD.get_current_operations(vbd), "end of the operation", 20)
            x = y
            now = x.VBD.get_currently_attached(vbd)
            assert (len(drives(host, x, vm)), len(host.handles())) == (now, now), (program, attached, now)
        x.VM.hard_shutdown(vm)
        assert (left := settled.check(host)) == [], left
        assert disks.leftovers(host, x) == []


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

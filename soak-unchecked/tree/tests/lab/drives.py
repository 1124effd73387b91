#!/usr/bin/python3
"""Scenarios of test-drives.sh: drives.py SCENARIO NAME ADDRESS PASSWORD."""
from api import client, console, dom0, domids, guest, run_scenario, says, until
from host import fails
from storage import SR_FOLDER, device_model, disk, drive, handles, repository, whole_machine

NULL = "OpaqueRef:NULL"


def loops(name):
    return dom0(name, "losetup -a")


def plugging(kind, name, address, password):
    """A guest finds a disk that is plugged, and writes to it; unplugged, it is gone."""
    x = client(address, password)
    sr = repository(name, x)
    vdi, image = disk(x, sr, "raw"), disk(x, sr, "qcow2")
    path = f"{SR_FOLDER}/{x.VDI.get_uuid(vdi)}.raw"
    dom0(name, f"printf RAW-SAYS-HELLO | dd of={path} conv=notrunc 2>/dev/null")
    vm = x.VM.create(guest(f"plugging-{kind}", kind, "console=hvc0 lab.count=0"))
    uuid = x.VM.get_uuid(vm)
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    vbd = drive(x, vm, vdi)
    x.VBD.plug(vbd)
    assert x.VBD.get_device(vbd) == "xvda" and handles(name) == {x.VBD.get_uuid(vbd)}
    says(name, x, vm, "head -c 14 /dev/xvda; echo", "RAW-SAYS-HELLO")
    says(name, x, vm, "printf GUEST-WROTE-IT | dd of=/dev/xvda conv=notrunc && sync && echo WRIT\"\"TEN", "WRITTEN")
    x.VBD.unplug(vbd)
    assert not x.VBD.get_currently_attached(vbd) and not handles(name)
    says(name, x, vm, "grep -c xvda /proc/partitions; echo GO\"\"NE", "0\nGONE")
    until(lambda: not loops(name), "end of the loop device")
    assert dom0(name, f"head -c 14 {path}") == "GUEST-WROTE-IT"
    x.VBD.plug(vbd)
    says(name, x, vm, "head -c 14 /dev/xvda; echo", "GUEST-WROTE-IT")
    later = drive(x, vm, image)
    fails("NOT_IMPLEMENTED", x.VBD.plug, later)
    assert handles(name) == {x.VBD.get_uuid(vbd)} and not x.VBD.get_currently_attached(later)
    x.VBD.unplug_force(vbd)
    until(lambda: not loops(name), "end of the loop device")
    x.VBD.plug(vbd)
    x.VM.hard_shutdown(vm)
    assert not handles(name) and not loops(name), loops(name)
    assert not x.VBD.get_currently_attached(vbd)
    x.VM.destroy(vm)
    for one in vdi, image:
        x.VDI.destroy(one)


def plugging_pv(*host):
    plugging("pv", *host)


def plugging_pvh(*host):
    plugging("pvh", *host)


def killed(name, address, password):
    """A worker that dies while it plugs leaves the disk plugged, or nothing."""
    x = client(address, password)
    vdi = disk(x, repository(name, x), "raw")
    vm = x.VM.create(guest("killed", "pvh", "console=hvc0 lab.count=0"))
    uuid, vbd = x.VM.get_uuid(vm), drive(x, vm, vdi)
    x.VBD.set_bootable(vbd, False)
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    outcomes = []
    for delay in ("0.0", "0.05", "0.1", "0.2", "0.3"):
        if x.VBD.get_currently_attached(vbd):
            x.VBD.unplug(vbd)
        task = x.Async.VBD.plug(vbd)
        dom0(name, f"sleep {delay}; pkill -9 domains-worker || true")
        record = x.wait_task(task, 120)
        outcomes.append(record["status"])
        attached = record["status"] == "success"
        assert x.VBD.get_currently_attached(vbd) == attached, record
        assert bool(handles(name)) == attached and bool(loops(name)) == attached, (record, loops(name))
        if attached:
            says(name, x, vm, "grep xvda /proc/partitions && echo SE\"\"EN", "SEEN")
    print(f"# a worker killed in a plug: {' '.join(outcomes)}")
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)
    x.VDI.destroy(vdi)


def discs(name, address, password):
    """A PV guest's disc comes and goes as a disk; a whole machine's drive stays and is filled."""
    x = client(address, password)
    cd, = x.SR.get_VDIs(repository(name, x, "iso"))
    vm = x.VM.create(guest("discs", "pv", "console=hvc0 lab.count=0"))
    uuid, vbd = x.VM.get_uuid(vm), drive(x, vm, NULL, type="CD", mode="RO", empty=True, userdevice="3")
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    x.VBD.insert(vbd, cd)
    says(name, x, vm, "dd if=/dev/xvdd bs=1 skip=32769 count=5; echo", "CD001")
    x.VBD.eject(vbd)
    says(name, x, vm, "grep -c xvdd /proc/partitions; echo GO\"\"NE", "0\nGONE")
    assert not handles(name) and not loops(name)
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)
    vm = whole_machine(x, "with a drive", platform={"acpi": "false"})
    uuid, vbd = x.VM.get_uuid(vm), drive(x, vm, NULL, type="CD", mode="RO", empty=True, userdevice="3")
    x.VM.start(vm, False, False)
    pid, _ = device_model(name, domids(name)[uuid])

    def held():
        return "boot.iso" in dom0(name, f"ls -l /proc/{pid}/fd")
    assert not held()
    for _ in range(2):
        x.VBD.insert(vbd, cd)
        assert held() and handles(name) == {x.VBD.get_uuid(vbd)}
        x.VBD.eject(vbd)
        assert not held() and not handles(name)
    x.VBD.insert(vbd, cd)
    x.VM.hard_reboot(vm)
    pid, _ = device_model(name, domids(name)[uuid])
    assert held()
    x.VM.hard_shutdown(vm)
    assert not handles(name)
    x.VM.destroy(vm)


run_scenario(globals())

#!/usr/bin/python3
"""Scenarios of test-devices.sh: devices.py SCENARIO NAME ADDRESS PASSWORD."""
import re
import time

from api import UP, client, console, dom0, domids, guest, prompted, run_scenario, sample, type_in, until
from host import fails
from hvm import READ, WRITE
from storage import MIB, boots, disk, drive, handles, whole_machine


def device(name, file):
    """A loop device of a new file in dom0."""
    return dom0(name, f"truncate -s 192M /srv/{file}; losetup --find --show /srv/{file}").strip()


def repository_on(x, kind, config):
    until(lambda: kind in x.SR.get_supported_types(), "the driver")
    return x.SR.create(x.host.get_all()[0], config, "0", kind, "", kind, "user", False, {})


def kernel_has(name):
    """What of repositories the kernel has now: mapped volumes, and mounts."""
    mapped = dom0(name, "ls /dev/mapper").replace("--", "-").split()
    mounted = [line.split()[1] for line in dom0(name, "cat /proc/mounts").splitlines() if "/run/xapid/sr/" in line]
    return {word for word in mapped if word.startswith("xapid-")}, mounted


def consistent(name, x, sr, devices):
    """Volumes, mappings and rows are the same disks."""
    uuid = x.SR.get_uuid(sr)
    disks = {f"vdi-{x.VDI.get_uuid(vdi)}" for vdi in x.SR.get_VDIs(sr)}
    rows = set(dom0(name, f"lvs --devices {devices} --noheadings -o lv_name xapid-{uuid}").split())
    assert rows == disks | {"pool"}, (rows, disks)
    mapped = {word.replace(f"xapid-{uuid}-", "") for word in kernel_has(name)[0] if "-vdi-" in word}
    assert mapped == disks, (mapped, disks)


def guest_says(name, vm_uuid, command, word):
    type_in(name, domids(name)[vm_uuid], f"{command} && echo {word[:3]}\"\"{word[3:]}")
    until(lambda: word in console(name, vm_uuid).rpartition("LAB-GUEST-UP")[2], word, UP)


def up(name, vm_uuid):
    until(lambda: "LAB-GUEST-UP" in console(name, vm_uuid), "guest", UP)
    prompted(name, vm_uuid, seconds=UP)


def checksum(name, x, vdi):
    sr = x.SR.get_uuid(x.VDI.get_SR(vdi))
    return dom0(name, f"sha256sum </dev/xapid-{sr}/vdi-{x.VDI.get_uuid(vdi)}")


def kept(name, address, password):
    """A guest's disks on lvm, ext and nfs: it writes, is started again, and reads; they grow; drivers are killed beside it;
    the repositories are forgotten, found, and end without a trace."""
    x = client(address, password)
    me = x.host.get_all()[0]
    devices = {"lvm": f"{device(name, 'first')},{device(name, 'second')}", "ext": device(name, "third")}
    configs = {**{kind: {"device": where} for kind, where in devices.items()},
               "nfs": {"server": "127.0.0.1", "serverpath": "/srv/export"}}
    srs = {kind: repository_on(x, kind, config) for kind, config in configs.items()}
    vdis = [disk(x, srs[kind], image_format) for kind, image_format in
            (("lvm", "raw"), ("ext", "qcow2"), ("ext", "raw"), ("nfs", "qcow2"), ("nfs", "raw"))]
    vm = x.VM.create(guest("on devices", "pvh", "console=hvc0 lab.count=0"))
    for vdi in vdis:
        drive(x, vm, vdi)
    uuid, names = x.VM.get_uuid(vm), ("xvda", "xvdb", "xvdc", "xvde", "xvdf")  # the fourth is for a CD
    x.VM.start(vm, False, False)
    up(name, uuid)
    assert len(handles(name)) == len(vdis)
    guest_says(name, uuid, " && ".join(f"{WRITE} of=/dev/{disk_}" for disk_ in names), "WRITTEN")
    for sr in srs.values():
        fails("VDI_IN_USE", x.PBD.unplug, x.SR.get_PBDs(sr)[0])
    kills(name, x, srs["lvm"], devices["lvm"])
    x.VM.hard_shutdown(vm)
    assert not handles(name)
    before = checksum(name, x, vdis[0])
    snapshot = x.VDI.snapshot(vdis[0])
    for vdi in vdis:
        x.VDI.resize(vdi, str(16 * MIB))
    x.VM.start(vm, False, False)
    up(name, uuid)
    guest_says(name, uuid, f"grep -c \" {16 * 1024} xvd\" /proc/partitions | grep 5 && " +
               " && ".join(f"( {READ} /dev/{disk_} )" for disk_ in names), "READ-AGAIN")
    guest_says(name, uuid, f"{WRITE} seek=2 of=/dev/xvda", "ONWARD")
    x.VM.hard_shutdown(vm)
    assert checksum(name, x, snapshot) == before != checksum(name, x, vdis[0])
    x.VM.destroy(vm)
    uuids = {kind: x.SR.get_uuid(sr) for kind, sr in srs.items()}
    there = {x.VDI.get_uuid(vdi) for vdi in (*vdis, snapshot)}
    after = checksum(name, x, vdis[0])
    vdi_uuid = x.VDI.get_uuid(vdis[0])
    for sr in srs.values():
        x.PBD.unplug(x.SR.get_PBDs(sr)[0])
        x.SR.forget(sr)
    assert kernel_has(name) == (set(), []), kernel_has(name)
    for kind, config in configs.items():
        if kind != "nfs":  # an export has many
            fails("SR_BACKEND_FAILURE_42", repository_on, x, kind, config)
        found = x.SR.probe(me, config, kind, {})
        assert re.findall("<UUID>(.*?)</UUID>", found) == [uuids[kind]], found
        srs[kind] = x.SR.introduce(uuids[kind], kind, "", kind, "user", False, {})
        x.PBD.plug(x.PBD.create({"host": me, "SR": srs[kind], "device_config": config}))
    assert {x.VDI.get_uuid(vdi) for sr in srs.values() for vdi in x.SR.get_VDIs(sr)} == there
    assert checksum(name, x, x.VDI.get_by_uuid(vdi_uuid)) == after
    machine(name, x, srs["lvm"])
    reverted(name, x, srs["lvm"], devices["lvm"])
    for kind, sr in srs.items():
        for vdi in x.SR.get_VDIs(sr):
            x.VDI.destroy(vdi)
        x.PBD.unplug(x.SR.get_PBDs(sr)[0])
        x.SR.destroy(sr)
        for path in filter(None, devices.get(kind, "").split(",")):
            assert not dom0(name, f"wipefs --noheadings {path}; losetup -d {path}")
    assert kernel_has(name) == (set(), []), kernel_has(name)


def kills(name, x, sr, devices):
    """The driver, and xapid-host, die while disks are made, copied, cloned and destroyed."""
    vdi = disk(x, sr, "raw")
    path = f"/dev/xapid-{x.SR.get_uuid(sr)}/vdi-{x.VDI.get_uuid(vdi)}"
    dom0(name, f"head -c 4M /dev/urandom | dd of={path} conv=fsync 2>/dev/null")
    expected, known = checksum(name, x, vdi), set(x.SR.get_VDIs(sr))
    victims = ("pkill -9 -f '/storage/lvm$'", "pkill -9 -x xapid-host")
    for number, (call, delay) in enumerate(((x.Async.VDI.copy, 0.5), (x.Async.VDI.copy, 2), (x.Async.VDI.copy, 4),
                                            (x.Async.VDI.snapshot, 0.3), (x.Async.VDI.snapshot, 1.5))):
        task = call(vdi, sr) if call == x.Async.VDI.copy else call(vdi)
        time.sleep(delay)
        dom0(name, f"{victims[number % 2]} || true")
        until(lambda: x.task.get_status(task) != "pending", "the end of the task")
        made = set(x.SR.get_VDIs(sr)) - known
        assert len(made) == (x.task.get_status(task) == "success"), (made, x.task.get_record(task))
        for copy in made:
            assert checksum(name, x, copy) == expected
            x.VDI.destroy(copy)
        consistent(name, x, sr, devices)
    assert checksum(name, x, vdi) == expected
    x.VDI.destroy(vdi)


def machine(name, x, sr):
    """A whole machine boots from a volume, by its confined QEMU."""
    vdi = disk(x, sr, "raw", 4 * MIB)
    dom0(name, f"dd if=/srv/guest/hvm.img of=/dev/xapid-{x.SR.get_uuid(sr)}/vdi-{x.VDI.get_uuid(vdi)} conv=fsync 2>/dev/null")
    vm = whole_machine(x, "from a volume", HVM_boot_params={"order": "c"}, platform={"acpi": "false"})
    drive(x, vm, vdi)
    x.VM.start(vm, False, False)
    boots(name, x.VM.get_uuid(vm))
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)


def reverted(name, x, sr, devices):
    """A VM's volume becomes what it was, and keeps its uuid; also when who does it dies meanwhile."""
    vm = x.VM.create(guest("goes back", "pvh"))
    vdi = disk(x, sr, "raw")
    drive(x, vm, vdi)
    uuid, path = x.VDI.get_uuid(vdi), f"/dev/xapid-{x.SR.get_uuid(sr)}/vdi-{x.VDI.get_uuid(vdi)}"
    fill = f"head -c 4M /dev/urandom | dd of={path} conv=fsync 2>/dev/null"
    dom0(name, fill)
    before, snapshot = checksum(name, x, vdi), x.VM.snapshot(vm, "before")
    known = set(x.SR.get_VDIs(sr))
    for victim in sample("ends of a revert", [None, "-f '/storage/lvm$'", "-x xapid-host"], 1):
        dom0(name, fill)
        changed = checksum(name, x, vdi)
        task = x.Async.VM.revert(snapshot)
        if victim:
            renaming = "until pgrep -f '[l]vrename' >/dev/null; do sleep 0.02; done"
            dom0(name, f'timeout 200 sh -c "{renaming}"; pkill -9 {victim} || true', UP)
        until(lambda: x.task.get_status(task) != "pending", "the end of the task", UP)
        done = x.task.get_status(task) == "success"
        assert done or victim, x.task.get_record(task)
        assert checksum(name, x, vdi) == (before if done else changed) and before != changed, x.task.get_record(task)
        assert x.VDI.get_uuid(vdi) == uuid and set(x.SR.get_VDIs(sr)) == known, x.SR.get_VDIs(sr)
        consistent(name, x, sr, devices)
    for vbd in x.VM.get_VBDs(snapshot):
        x.VDI.destroy(x.VBD.get_VDI(vbd))
    x.VM.destroy(snapshot)
    x.VM.destroy(vm)
    x.VDI.destroy(vdi)


if __name__ == "__main__":
    run_scenario(globals())

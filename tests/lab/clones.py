#!/usr/bin/python3
"""Scenarios of test-clones.sh: clones.py SCENARIO NAME ADDRESS PASSWORD."""
import re
import time

from api import UP, client, console, dom0, domids, guest, run_scenario, type_in, until
from hvm import READ, TRACES, WRITE, end, serial, timed, until_said, writes
from storage import MIB, SR_FOLDER, disk, drive, handles, repository, whole_machine


def fill(name, x, vdi, command):
    """Has the disk hold what the command writes into /root/raw, as large as the disk."""
    size = x.VDI.get_virtual_size(vdi)
    dom0(name, f"{command}; truncate -s {size} /root/raw && "
               f"qemu-img convert -n -f raw -O qcow2 /root/raw {SR_FOLDER}/{x.VDI.get_uuid(vdi)}.qcow2 && rm /root/raw")


def contents(name, x, vdi):
    """A checksum of what a guest would read, nobody writing."""
    record = f"{SR_FOLDER}/{x.VDI.get_uuid(vdi)}.json"
    return dom0(name, f"cd {SR_FOLDER}; f=$(sed 's/.*\"file\":\"\\([^\"]*\\)\".*/\\1/' {record}); "
                      "qemu-img convert -U -f qcow2 -O raw $f /root/raw && sha256sum </root/raw && rm /root/raw")


def bases(name, x, vdi):
    """Checksums of what a disk shares."""
    record = f"{SR_FOLDER}/{x.VDI.get_uuid(vdi)}.json"
    return dom0(name, f"cd {SR_FOLDER}; sha256sum $(sed -n 's/.*\"bases\":\\[\\([^]]*\\)\\].*/\\1/p' {record} | "
                      "tr -d '\"' | tr , ' ')")


def cloned(name, x, first, vdi):
    """A snapshot of the disk, and a clone of the VM that has it: (snapshot, clone, its disk, what a guest reads of
    each, what they share)."""
    snapshot = x.VDI.snapshot(vdi)
    second = x.VM.clone(first, "the clone")
    vbd, = x.VM.get_VBDs(second)
    copy = x.VBD.get_VDI(vbd)
    before, shared = contents(name, x, snapshot), bases(name, x, copy)
    assert before == contents(name, x, copy) == contents(name, x, vdi) and len(shared.splitlines()) == 2, shared
    return snapshot, second, copy, before, shared


def there(name):
    return dom0(name, f"ls {SR_FOLDER}")


def beside_each_other(kind, name, address, password):
    """A guest and its clone run at once on what they share; each writes, and neither the other nor a snapshot sees it."""
    x = client(address, password)
    sr = repository(name, x)
    empty = there(name)
    vdi = disk(x, sr, "qcow2")
    fill(name, x, vdi, "printf SHARED-WORDS >/root/raw")
    first = x.VM.create(guest("the first", kind, "console=hvc0 lab.count=0"))
    drive(x, first, vdi)
    snapshot, second, copy, before, shared = cloned(name, x, first, vdi)
    for vm in (first, second):
        x.VM.start(vm, False, False)
    assert len(handles(name)) == 2
    uuids = [x.VM.get_uuid(vm) for vm in (first, second)]

    def until_each(command, word):
        for uuid in uuids:
            until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest", UP)
            type_in(name, domids(name)[uuid], command)
        for uuid in uuids:
            until(lambda: word in console(name, uuid).rpartition("LAB-GUEST-UP")[2], f"{word} of {uuid}", UP)

    until_each("head -c 12 /dev/xvda; echo", "SHARED-WORDS")
    until_each(f"{WRITE} of=/dev/xvda && {READ} /dev/xvda && echo WRIT\"\"TEN", "WRITTEN")
    x.VM.suspend(second)
    x.VM.resume(second, False, False)
    until_each(f"{READ} /dev/xvda && echo STILL\"\"THERE", "STILLTHERE")
    type_in(name, domids(name)[uuids[1]], f"{WRITE} seek=1 of=/dev/xvda && echo ON\"\"WARD")
    until(lambda: "ONWARD" in console(name, uuids[1]), "the end of writing", UP)
    for vm in (first, second):
        x.VM.hard_shutdown(vm)
    assert contents(name, x, snapshot) == before and bases(name, x, copy) == shared, (bases(name, x, copy), shared)
    assert len({before, contents(name, x, vdi), contents(name, x, copy)}) == 3
    x.VM.destroy(first)
    x.VDI.destroy(vdi)
    assert contents(name, x, snapshot) == before
    x.VM.start(second, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, uuids[1]), "the clone without its original", UP)
    x.VM.hard_shutdown(second)
    x.VM.destroy(second)
    for left in (copy, snapshot):
        x.VDI.destroy(left)
    assert there(name) == empty
    print(f"# 1 clones beside their originals ({kind})")


def pv(*host):
    beside_each_other("pv", *host)


def pvh(*host):
    beside_each_other("pvh", *host)


def hvm(name, address, password):
    """A whole machine boots from a clone, its confined QEMU given what is below as descriptors, and writes."""
    x = client(address, password)
    sr = repository(name, x)
    empty = there(name)
    traces, began = dom0(name, TRACES), time.monotonic()
    vdi = disk(x, sr, "qcow2", 24 * MIB)
    words = "xen_nopv console=ttyS0 quiet lab.count=0 nokaslr"
    fill(name, x, vdi, "cp /srv/guest/linux.img /root/raw; "
                       f"printf '%s\\0' '{words}' | dd of=/root/raw bs=512 seek=17 conv=notrunc 2>/dev/null")
    first = whole_machine(x, "a Linux", memory_static_max=str(192 * MIB), HVM_boot_params={"order": "c"})
    drive(x, first, vdi)
    snapshot, vm, copy, before, shared = cloned(name, x, first, vdi)
    uuid = x.VM.get_uuid(vm)
    x.VM.start(vm, True, False)
    pid = dom0(name, f"pgrep -f -- 'xen-domid {domids(name)[uuid]} '").split()[0]
    assert dom0(name, f"awk '/^Uid:/ {{print $2}}' /proc/{pid}/status").strip() != "0"
    opened = dom0(name, f"ls -l /proc/{pid}/fd")
    for base in (line.split()[1] for line in shared.splitlines()):
        assert f"{SR_FOLDER}/{base}" in opened, (base, opened)
    serial(name, domids(name)[uuid])
    x.VM.unpause(vm)
    until_said(name, domids(name)[uuid], "/ # ", UP)
    timed("the clone is up", began)
    writes(name, uuid, f"{WRITE} seek=22 of=/dev/sda", UP)
    x.VM.suspend(vm)
    x.VM.resume(vm, True, False)
    serial(name, domids(name)[uuid])
    x.VM.unpause(vm)
    writes(name, uuid, f"dd if=/dev/sda bs=1M skip=22 count=1 | cmp -n 1048576 - /bin/busybox && {WRITE} seek=23 of=/dev/sda", UP)
    timed("it has read and written after a suspend", began)
    end(name, x, vm, [], traces, x.VM.hard_shutdown)
    assert before == contents(name, x, snapshot) == contents(name, x, vdi) != contents(name, x, copy)
    assert bases(name, x, copy) == shared
    x.VM.destroy(first)
    for left in (vdi, snapshot, copy):
        x.VDI.destroy(left)
    assert there(name) == empty


def back(name, address, password):
    """A guest of a template writes, is snapshotted as it runs, goes on and writes something else, and after a revert reads what
    it had."""
    x = client(address, password)
    sr = repository(name, x)
    empty = there(name)
    x.pool.set_default_SR(x.pool.get_all()[0], sr)
    template, = (vm for vm, record in x.VM.get_all_records().items() if record["reference_label"] == "linux-pvh")
    vm = x.VM.clone(template, "of a template")
    disks = x.VM.get_other_config(vm)["disks"]
    x.VM.remove_from_other_config(vm, "disks")
    x.VM.add_to_other_config(vm, "disks", re.sub('size="[0-9]+"', f'size="{8 * MIB}"', disks))
    x.VM.provision(vm)
    for field, value in guest("", "pvh", "console=hvc0 lab.count=0").items():
        if field.startswith("PV_"):
            getattr(x.VM, f"set_{field}")(vm, value)
    x.VM.set_memory_limits(vm, *[str(160 * MIB)] * 4)
    vbd, = x.VM.get_VBDs(vm)
    vdi, uuid = x.VBD.get_VDI(vbd), x.VM.get_uuid(vm)

    def starts():
        x.VM.start(vm, False, False)
        until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest", UP)

    def runs(command, word):
        type_in(name, domids(name)[uuid], command)
        until(lambda: word in console(name, uuid).rpartition("LAB-GUEST-UP")[2], word, UP)

    starts()
    runs(f"printf FIRST-WORDS >/root-words; {WRITE} seek=1 of=/dev/xvda; dd if=/root-words of=/dev/xvda conv=fsync && echo WRIT\"\"TEN", "WRITTEN")
    snapshot = x.VM.snapshot(vm, "as it was")
    assert x.VM.get_power_state(vm) == "Running" and len(handles(name)) == 1
    before = contents(name, x, x.VBD.get_VDI(x.VM.get_VBDs(snapshot)[0]))
    runs(f"{WRITE} of=/dev/xvda && echo CHAN\"\"GED", "CHANGED")
    x.VM.revert(snapshot)
    assert x.VM.get_power_state(vm) == "Halted" and uuid not in domids(name) and not handles(name)
    assert x.VBD.get_VDI(vbd) == vdi and contents(name, x, vdi) == before
    starts()
    runs("head -c 11 /dev/xvda; echo; dd if=/dev/xvda bs=1M skip=1 count=1 | cmp -n 1048576 - /bin/busybox && echo SA\"\"ME", "SAME")
    assert "FIRST-WORDS" in console(name, uuid).rpartition("LAB-GUEST-UP")[2]
    x.VM.hard_shutdown(vm)
    kept = x.VBD.get_VDI(x.VM.get_VBDs(snapshot)[0])
    for one in snapshot, vm:
        x.VM.destroy(one)
    for one in kept, vdi:
        x.VDI.destroy(one)
    assert there(name) == empty


if __name__ == "__main__":
    run_scenario(globals())

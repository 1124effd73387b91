#!/usr/bin/python3
"""Scenarios of test-storage.sh: storage.py SCENARIO NAME ADDRESS PASSWORD."""
import base64
import subprocess
import time

from api import LAB, WAIT, client, connect, console, dom0, domids, guest, run_scenario, type_in, until
from host import fails

MIB = 1 << 20
SR_FOLDER, ISO_FOLDER = "/srv/sr", "/srv/isos"


def repository(name, x, kind="file"):
    """The SR of that kind, made when it is not there; its folder is emptied first."""
    folder = SR_FOLDER if kind == "file" else ISO_FOLDER
    until(lambda: kind in x.SR.get_supported_types(), "the driver")
    for sr, record in x.SR.get_all_records().items():
        if record["type"] == kind:
            return sr
    dom0(name, f"rm -rf {folder}; mkdir -m 700 {folder}")
    if kind == "iso":
        sector = base64.b64decode(dom0(name, "head -c 512 /srv/guest/hvm.img | base64"))
        put_file(name, f"{folder}/boot.iso", boot_cd(sector))
    return x.SR.create(x.host.get_all()[0], {"location": folder}, "0", kind, "", kind,
                       "iso" if kind == "iso" else "user", False, {})


def boot_cd(boot_sector):
    """A CD image by El Torito: the sectors that a BIOS reads, and a boot image without emulation."""
    def sector(text):
        return text.ljust(2048, b"\0")
    volume = b"\1CD001\1\0" + b" " * 32 + b"LAB".ljust(32) + b"\0" * 8 + (21).to_bytes(4, "little") + \
        (21).to_bytes(4, "big")
    record = b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + (19).to_bytes(4, "little")
    validation = b"\1\0\0\0".ljust(28, b"\0")
    total = sum(int.from_bytes((validation + b"\0\0\x55\xaa")[i:i + 2], "little") for i in range(0, 32, 2))
    validation += (-total & 0xffff).to_bytes(2, "little") + b"\x55\xaa"
    entry = b"\x88\0" + (0x7c0).to_bytes(2, "little") + b"\0\0" + (4).to_bytes(2, "little") + \
        (20).to_bytes(4, "little")
    return b"\0" * 16 * 2048 + b"".join(map(sector, (volume, record, b"\xffCD001\1", validation + entry,
                                                     boot_sector)))


def put_file(name, path, content):
    subprocess.run([LAB / "run-in-dom0", name, f"cat > {path}"], input=content, check=True, timeout=WAIT)


def disk(x, sr, image_format, size=8 * MIB):
    return x.VDI.create({"name_label": "lab", "name_description": "", "SR": sr, "virtual_size": str(size),
                         "type": "user", "sharable": False, "read_only": False, "other_config": {},
                         "sm_config": {"image-format": image_format}})


def drive(x, vm, vdi, **fields):
    return x.VBD.create({"VM": vm, "VDI": vdi, "userdevice": "autodetect", "bootable": True, "mode": "RW",
                         "type": "Disk", "empty": False, "other_config": {}, "qos_algorithm_type": "",
                         "qos_algorithm_params": {}, **fields})


def device_models(name):
    """The QEMUs that serve guests (dom0 has one of its own)."""
    lines = dom0(name, "pgrep -a qemu || true").splitlines()
    return [line for line in lines if "-xen-domid 0 " not in line]


def handles(name):
    return set(dom0(name, "ls /run/xapid/disks").split())


def exported(address, x, vdi, image_format):
    """The contents of a disk over TLS."""
    connection = connect(address)
    connection.request("GET", f"/export_raw_vdi?session_id={x.session_ref}&vdi={vdi}&format={image_format}")
    reply = connection.getresponse()
    body = reply.read()
    assert reply.status == 200, (reply.status, body)
    until(lambda: not x.VDI.get_current_operations(vdi), "end of the export")
    return body


def put_disk(address, x, vdi, image_format, body):
    task = x.task.create("an import", "")
    connection = connect(address)
    connection.request("PUT", f"/import_raw_vdi?session_id={x.session_ref}&vdi={vdi}&format={image_format}&task_id={task}", body)
    reply = connection.getresponse()
    assert reply.status == 200, (reply.status, reply.read())
    record = x.wait_task(task, WAIT)
    assert record["status"] == "success", record


def moved(name, address, x, sr, vdi, text):
    """A disk that begins with the text is exported as a VHD, and imported into the other one."""
    source = disk(x, sr, "raw")
    dom0(name, f"printf {text} | dd of={SR_FOLDER}/{x.VDI.get_uuid(source)}.raw conv=notrunc 2>/dev/null")
    body = exported(address, x, source, "vhd")
    assert len(body) < 4 * MIB, f"{len(body)} bytes of a disk that is nearly empty"
    put_disk(address, x, vdi, "vhd", body)
    x.VDI.destroy(source)
    assert not handles(name), handles(name)


def guest_reads_and_writes(kind, name, address, password):
    """A guest reads what is on its disks and writes to them, raw and qcow2; what it wrote is there
    in its next life, and in what is exported."""
    x = client(address, password)
    sr = repository(name, x)
    vdis = [disk(x, sr, "raw"), disk(x, sr, "qcow2")]
    moved(name, address, x, sr, vdis[0], "RAW-SAYS-HELLO")
    vm = x.VM.create(guest("with disks", kind, "console=hvc0 lab.count=0"))
    vbds = [drive(x, vm, vdi) for vdi in vdis]
    uuid = x.VM.get_uuid(vm)
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    assert handles(name) == {x.VBD.get_uuid(vbd) for vbd in vbds}
    domid = domids(name)[uuid]
    until(lambda: type_in(name, domid, "cat /proc/partitions; head -c 14 /dev/xvda; echo") or
          "RAW-SAYS-HELLO" in console(name, uuid), "what is on the raw disk", 60)
    assert "xvdb" in console(name, uuid), console(name, uuid)
    type_in(name, domid, "echo QCOW-KEEPS-IT | dd of=/dev/xvdb bs=512 conv=sync,notrunc && sync && echo WRIT\"\"TEN")
    until(lambda: "WRITTEN" in console(name, uuid), "the end of writing", 60)
    x.VM.suspend(vm)
    assert not handles(name) and x.VM.get_power_state(vm) == "Suspended"
    x.VM.resume(vm, False, False)
    x.VM.hard_reboot(vm)
    domid = domids(name)[uuid]
    until(lambda: type_in(name, domid, "head -c 13 /dev/xvdb; echo") or
          "QCOW-KEEPS-IT" in console(name, uuid).rpartition("LAB-GUEST-UP")[2], "what was written", 120)
    fails("VDI_IN_USE", x.VDI.destroy, vdis[0])
    x.VM.hard_shutdown(vm)
    assert not handles(name) and not device_models(name), device_models(name)
    x.VM.destroy(vm)
    body = exported(address, x, vdis[1], "raw")
    assert len(body) == 8 * MIB and body.startswith(b"QCOW-KEEPS-IT"), body[:20]
    put_disk(address, x, vdis[1], "raw", b"again" + body[5:])
    assert exported(address, x, vdis[1], "raw").startswith(b"again")
    for vdi in vdis:
        x.VDI.destroy(vdi)
    assert dom0(name, f"ls {SR_FOLDER}").split() == ["xapid-sr.json"]


def disks_pv(*host):
    guest_reads_and_writes("pv", *host)


def disks_pvh(*host):
    guest_reads_and_writes("pvh", *host)


def whole_machine(x, label, **fields):
    return x.VM.create({"name_label": label, "domain_type": "hvm", "HVM_boot_policy": "BIOS order",
                        "memory_static_max": str(64 * MIB), "VCPUs_max": "1", "VCPUs_at_startup": "1",
                        "actions_after_shutdown": "destroy", "actions_after_reboot": "restart",
                        "actions_after_crash": "destroy", **fields})


def boots(name, uuid):
    """The boot sector of its medium speaks on the first serial port."""
    domid = domids(name)[uuid]
    text = until(lambda: dom0(name, f"timeout 3 cat $(xenstore-read /local/domain/{domid}/serial/0/tty) || true")
                 or None, "a word of the BIOS's guest", 120)
    end = time.monotonic() + WAIT
    while "HVM-BOOT" not in text and time.monotonic() < end:
        text += dom0(name, f"timeout 3 cat $(xenstore-read /local/domain/{domid}/serial/0/tty) || true")
    assert "HVM-BOOT" in text, text


def device_model(name, domid):
    """pid and uid of the guest's QEMU."""
    pid = dom0(name, f"pgrep -f -- 'xen-domid {domid} '").split()[0]
    return pid, dom0(name, f"awk '/^Uid:/ {{print $2}}' /proc/{pid}/status").strip()


def hvm(name, address, password):
    """Whole machines boot by their BIOS from a disk and from a CD; their QEMU is nobody."""
    x = client(address, password)
    files, isos = repository(name, x), repository(name, x, "iso")
    vdi = disk(x, files, "raw", MIB)
    dom0(name, f"dd if=/srv/guest/hvm.img of={SR_FOLDER}/{x.VDI.get_uuid(vdi)}.raw conv=notrunc 2>/dev/null")
    iso, = x.SR.get_VDIs(isos)
    for label, medium, order, fields in (("from a disk", vdi, "c", {}),
                                         ("from a CD", iso, "d", {"type": "CD", "mode": "RO"})):
        vm = whole_machine(x, label, HVM_boot_params={"order": order}, platform={"acpi": "false"})
        drive(x, vm, medium, **fields)
        uuid = x.VM.get_uuid(vm)
        began = time.monotonic()
        x.VM.start(vm, False, False)
        print(f"# an HVM guest {label} was started in {time.monotonic() - began:.1f} s")
        boots(name, uuid)
        domid = domids(name)[uuid]
        pid, uid = device_model(name, domid)
        assert int(uid) > 0, f"QEMU runs as uid {uid}"
        root = dom0(name, f"readlink /proc/{pid}/root").strip()
        print(f"# its QEMU: uid {uid}, root {root}")
        assert root != "/", "QEMU sees the whole file system"
        x.VM.pause(vm)
        x.VM.unpause(vm)
        fails("VM_LACKS_FEATURE", x.VM.clean_shutdown, vm)
        x.VM.hard_reboot(vm)
        boots(name, uuid)
        x.VM.hard_shutdown(vm)
        assert not device_models(name), device_models(name)
        assert not handles(name) and "qemu-root" not in dom0(name, "ls /run/xen")
        x.VM.destroy(vm)
    x.VDI.destroy(vdi)


def killed_builds(name, address, password):
    """A worker that dies while it builds a whole machine leaves no domain and no QEMU."""
    x = client(address, password)
    vdi = disk(x, repository(name, x), "raw", MIB)
    vm = whole_machine(x, "killed")
    drive(x, vm, vdi)
    uuid = x.VM.get_uuid(vm)
    for delay in (0.5, 1.5, 2.5):
        task = x.Async.VM.start(vm, False, False)
        time.sleep(delay)
        dom0(name, "pkill -9 domains-worker || true")
        record = x.wait_task(task)
        if record["status"] == "success":
            assert x.VM.get_power_state(vm) == "Running"
            x.VM.hard_shutdown(vm)
        until(lambda: uuid not in domids(name), "the end of the domain")
        until(lambda: not device_models(name), "the end of QEMU", 30)
        assert x.VM.get_power_state(vm) == "Halted" and not handles(name)
    x.VM.start(vm, False, False)
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)
    x.VDI.destroy(vdi)


if __name__ == "__main__":
    run_scenario(globals())

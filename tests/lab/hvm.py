#!/usr/bin/python3
"""Scenarios of test-hvm.sh: hvm.py SCENARIO NAME ADDRESS PASSWORD."""
import base64
import json
import time
from difflib import unified_diff

from api import UP, WAIT, client, connect, console, dom0, domids, guest, run_scenario, type_in, until
import consoles
from guest import shown, writes as tells
from live import RESOURCES, change_shares_and_memory, two_vcpus
from host import fails
from network import come_and_go
from qemu import LINE, boot_sector
from rfb import Rfb
from storage import MIB, SR_FOLDER, disk, drive, repository, whole_machine

# Where a guest could leave something in dom0; libxl's own two files stay.
TRACES = ("ps -eo args | grep '[x]en-domid'; losetup -a; ls -I dm-reaper-lock -I domid-history /run/xen; "
          "ls /run/xapid/disks /var/lib/xen; xenstore-ls /local/domain/0/backend 2>/dev/null; true")

# A guest writes 1 MiB, and sees whether it is there, not in its own memory alone.
WRITE = "dd if=/bin/busybox bs=1M count=1 conv=fsync"
READ = "echo 3 > /proc/sys/vm/drop_caches; cmp -n 1048576 /bin/busybox"


def linux_disk(name, x, sr, words):
    """A disk from which a Linux boots, with these words for its kernel."""
    vdi = disk(x, sr, "raw", 24 * MIB)
    path = f"{SR_FOLDER}/{x.VDI.get_uuid(vdi)}.raw"
    dom0(name, f"dd if=/srv/guest/linux.img of={path} bs=1M conv=notrunc 2>/dev/null; "
               f"printf '%s\\0' '{words}' | dd of={path} bs=512 seek=17 conv=notrunc 2>/dev/null")
    return vdi


def end(name, x, vm, vdis, before, shutdown):
    """The machine ends, and leaves nothing."""
    shutdown(vm)
    assert x.VM.get_power_state(vm) == "Halted"
    at = time.monotonic() + 20
    while (left := dom0(name, TRACES)) != before:
        assert time.monotonic() < at, "\n".join(unified_diff(before.splitlines(), left.splitlines(), n=0))
    x.VM.destroy(vm)
    for vdi in vdis:
        x.VDI.destroy(vdi)


def serial(name, domid):
    """Has what comes from the guest's first serial port written down, from now on."""
    tty = dom0(name, f"xenstore-read /local/domain/{domid}/serial/0/tty").strip()
    dom0(name, f"setsid sh -c 'stty raw -echo <{tty}; exec cat {tty} >/root/serial-{domid}' </dev/null >/dev/null 2>&1 &")


def until_said(name, domid, word, seconds=WAIT):
    def said():
        return dom0(name, f"cat /root/serial-{domid}")
    try:
        until(lambda: word in said(), word, seconds)
        return said()
    except AssertionError:
        print(said())
        raise


def writes(name, uuid, command, seconds=WAIT):
    domid = domids(name)[uuid]
    type_in(name, domid, f"{command} && echo WRIT\"\"TEN", "serial/0/tty")
    until_said(name, domid, "WRITTEN", seconds)


# Of each kind of key one that libxl does not have anyway.
PLATFORM = {"hpet": "false", "nested-virt": "true", "usb_tablet": "true", "viridian": "true", "viridian_stimer": "true",
            "viridian_crash_ctl": "false", "tsc_mode": "2", "mmio_size_mib": "512", "cores-per-socket": "1"}


def platform(name, address, password):
    """libxl keeps what a domain was built from, and what it gave its QEMU; the guest may read the keys."""
    x = client(address, password)
    before = dom0(name, TRACES)
    vm = whole_machine(x, "a machine", platform=PLATFORM)
    x.VM.start(vm, True, False)
    domid = domids(name)[x.VM.get_uuid(vm)]
    info = json.loads(dom0(name, f"xl list -l {domid}"))[0]["config"]["b_info"]
    machine = info["type.hvm"]
    assert (machine["hpet"], machine["viridian"], machine["usbdevice"]) == ("False", "True", "tablet"), machine
    assert (machine["viridian_enable"], machine["viridian_disable"]) == ([7, 8], [6]), machine
    assert (machine["mmio_hole_memkb"], info["tsc_mode"], info["nested_hvm"]) == (512 << 10, "native", "True"), info
    model = dom0(name, f"tr '\\0' ' ' </proc/$(xenstore-read /local/domain/{domid}/image/device-model-pid)/cmdline")
    assert "tablet" in model and f"max-ram-below-4g={(4096 - 512) * MIB}" in model, model
    keys = dom0(name, f"xenstore-ls /local/domain/{domid}/platform")
    for key, value in PLATFORM.items():
        assert f'{key} = "{value}"' in keys, keys
    assert x.VM_metrics.get_nested_virt(x.VM.get_metrics(vm))
    end(name, x, vm, [], before, x.VM.hard_shutdown)


def timed(what, began):
    print(f"# {what} after {time.monotonic() - began:.1f} s")


# Keys of bios_strings, by the names that a Linux has for what it reads in its SMBIOS.
SMBIOS = {"bios_vendor": "bios-vendor", "bios_version": "bios-version", "sys_vendor": "system-manufacturer",
          "product_name": "system-product-name", "product_version": "system-version"}


def reads_bios_strings(name, x, vm, said, kind, terminal="console/tty"):
    """What the record has is what the guest reads."""
    strings = x.VM.get_bios_strings(vm)
    files = {file: strings[key] for file, key in SMBIOS.items() if key in strings}
    assert "sys_vendor" in files, strings
    type_in(name, x.VM.get_domid(vm), "cd /sys/class/dmi/id; grep \"\" " + " ".join(files) + "; cd /; echo SMB\"\"IOS", terminal)
    text = until(lambda: "SMBIOS" in (text := said()) and text, "the guest's SMBIOS")
    for file, value in files.items():
        assert f"{file}:{value}" in text.replace("\r", "").split("\n"), (file, value, text)
    print(f"# {kind}: the guest reads {files}")


def raw(name, address, password):
    """A guest with Xen's drivers reads its SMBIOS, tells of itself, gets memory, a VCPU and shares while it runs, hears
    SysRq, and has its raw disks by them; all outlive a suspend."""
    x = client(address, password)
    here, = x.host.get_all()
    sr = repository(name, x)
    before = dom0(name, TRACES)
    began = time.monotonic()
    vdis = [linux_disk(name, x, sr, "console=hvc0 quiet lab.count=0 nokaslr sysrq_always_enabled"), disk(x, sr, "raw")]
    vm = whole_machine(x, "a Linux", HVM_boot_params={"order": "c"}, **RESOURCES)
    for vdi in vdis:
        drive(x, vm, vdi)
    uuid = x.VM.get_uuid(vm)
    x.VM.copy_bios_strings(vm, here)
    x.VM.start(vm, False, False)
    info = x.host.get_cpu_info(here)
    assert x.VM.get_last_boot_CPU_flags(vm) == {"vendor": info["vendor"], "features": info["features_hvm"]}
    assert x.VM_metrics.get_current_domain_type(x.VM.get_metrics(vm)) == "hvm"
    timed("the Linux is started", began)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest", UP)
    timed("it is up", began)
    type_in(name, domids(name)[uuid], f"ls /sys/block; {WRITE} of=/dev/xvdb; "
                                      "echo WRIT\"\"TEN")
    until(lambda: "WRITTEN" in console(name, uuid), "the end of writing")
    assert "xvda" in console(name, uuid) and "sda" not in console(name, uuid), console(name, uuid)
    timed("it has written", began)
    reads_bios_strings(name, x, vm, lambda: console(name, uuid), "the host's strings")
    tells(name, x, vm, uuid, data__os_name="labux", attr__vif__0__ipv4__0="10.0.0.7", attr__PVAddons__MajorVersion="9",
          data__secret="x")
    record = shown(x, vm, os_version={"name": "labux"}, networks={"0/ip": "10.0.0.7", "0/ipv4/0": "10.0.0.7"}, live=True)
    assert "secret" not in str(record)
    timed("it has told of itself", began)
    come_and_go(name, x, vm, "1")
    timed("its card has come and gone", began)
    change_shares_and_memory(name, x, vm, 192, 224)
    x.VM.send_sysrq(vm, "h")
    until(lambda: "sysrq: HELP" in console(name, uuid), "the guest's answer to SysRq")
    x.VM.send_trigger(vm, "nmi")
    until(lambda: "NMI" in console(name, uuid), "the guest's word of an NMI")
    timed("its memory has changed", began)
    x.VM.set_VCPUs_number_live(vm, "2")
    fails("OPERATION_NOT_ALLOWED", x.VM.set_VCPUs_number_live, vm, "1")
    # ACPI tells a Linux of a processor, which stays offline until user space takes it: elsewhere a rule of udev.
    type_in(name, domids(name)[uuid], "until echo 1 2>/dev/null > /sys/devices/system/cpu/cpu1/online; do sleep 1; done")
    two_vcpus(name, x, vm)
    timed("it has two VCPUs", began)
    x.VM.suspend(vm)
    timed("it is suspended", began)
    x.VM.resume(vm, False, False)
    timed("it is resumed", began)
    type_in(name, domids(name)[uuid], f"{READ} /dev/xvdb && {WRITE} of=/dev/xvdb && echo ON\"\"WARD")
    until(lambda: "ONWARD" in console(name, uuid), "the end of writing")
    two_vcpus(name, x, vm)
    timed("it has read and written", began)
    end(name, x, vm, vdis, before, x.VM.clean_shutdown)
    timed("it is gone", began)


def image(name, address, password):
    """A guest without Xen's drivers writes to an emulated qcow2 disk, and again when it was resumed."""
    x = client(address, password)
    sr = repository(name, x)
    before = dom0(name, TRACES)
    began = time.monotonic()
    words = "xen_nopv console=ttyS0 quiet lab.count=0 nokaslr"
    vdis = [linux_disk(name, x, sr, words), disk(x, sr, "qcow2")]
    vm = whole_machine(x, "another Linux", memory_static_max=str(192 * MIB), HVM_boot_params={"order": "c"},
                       platform={"vga": "cirrus", "timeoffset": "3600"})
    x.VM.set_bios_strings(vm, {"bios-vendor": "xapid", "system-manufacturer": "A lab", "system-product-name": "of Xen"})
    for vdi in vdis:
        drive(x, vm, vdi)
    uuid = x.VM.get_uuid(vm)
    x.VM.start(vm, True, False)
    serial(name, domids(name)[uuid])
    x.VM.unpause(vm)
    until_said(name, domids(name)[uuid], "/ # ", UP)
    timed("it is up", began)
    reads_bios_strings(name, x, vm, lambda: dom0(name, f"cat /root/serial-{domids(name)[uuid]}"), "strings of its own", "serial/0/tty")
    writes(name, uuid, f"cat /sys/class/rtc/rtc0/since_epoch /sys/bus/pci/devices/*/class; {WRITE} of=/dev/sdb")
    timed("it has written", began)
    clock, *devices = until_said(name, domids(name)[uuid], "WRITTEN").split("echo WRIT")[1].split()[1:]
    assert "0x030000" in devices, devices
    assert 3500 < int(clock) - int(dom0(name, "date +%s")) < 3600, clock
    screen = dom0(name, f"timeout 3 socat -u unix:/run/xen/screen-{uuid} stdio </dev/null || true")
    assert screen.startswith("RFB 003"), screen
    x.VM.suspend(vm)
    timed("it is suspended", began)
    x.VM.resume(vm, True, False)
    serial(name, domids(name)[uuid])
    x.VM.unpause(vm)
    writes(name, uuid, f"{READ} /dev/sdb && {WRITE} seek=1 of=/dev/sdb")
    timed("it has read and written", began)
    end(name, x, vm, vdis, before, x.VM.clean_shutdown)
    timed("it is gone", began)


def look(x, address, vm, protocol):
    """A connection to a console of the guest's, as XenCenter makes it."""
    uuid, = (r["uuid"] for ref in x.VM.get_consoles(vm) for r in [x.console.get_record(ref)] if r["protocol"] == protocol)
    connection = connect(address)
    connection.connect()
    status, head = consoles.connect(connection.sock, uuid, {"Cookie": f"session_id={x.session_ref}"})
    assert status == 200, head
    return connection.sock


def reset(name, x, vm):
    """Of a guest that runs, which goes on; of one that is suspended, whose image goes."""
    fails("VM_BAD_POWER_STATE", x.VM.power_state_reset, vm)
    assert domids(name)[x.VM.get_uuid(vm)] == int(x.VM.get_domid(vm))
    x.VM.suspend(vm)
    x.VM.power_state_reset(vm)
    assert x.VM.get_power_state(vm) == "Halted"
    assert not dom0(name, "ls /var/lib/xapid-domains/images").split(), "the image is still there"


def screens(name, address, password):
    """A machine's screen, and a PVH guest's text console as a screen and as text, are read and typed at from outside."""
    x = client(address, password)
    sr = repository(name, x)
    before = dom0(name, TRACES)
    began = time.monotonic()
    vdi = disk(x, sr, "raw")
    sector = base64.b64encode(boot_sector()).decode()
    dom0(name, f"echo {sector} | base64 -d | dd of={SR_FOLDER}/{x.VDI.get_uuid(vdi)}.raw conv=notrunc 2>/dev/null")
    machine = whole_machine(x, "with a screen", HVM_boot_params={"order": "c"}, platform={"vga": "std"})
    drive(x, machine, vdi)
    pvh = x.VM.create(guest("with a text console", "pvh", "console=hvc0 quiet lab.count=0"))
    x.VM.start(machine, False, False)
    x.VM.start(pvh, False, False)
    rfb = Rfb(look(x, address, machine, "rfb"))
    rfb.until(lambda: rfb.shows(LINE), "line of the boot sector")
    rfb.type("dada")
    rfb.until(lambda: rfb.shows("dada"), "letters that were typed")
    timed("the machine's screen is read", began)
    text = Rfb(look(x, address, pvh, "rfb"))
    text.until(lambda: text.shows("LAB-GUEST-UP"), "guest's first words")
    text.type("echo a bad cab\n")
    text.until(lambda: text.shows("a bad cab"), "its answer")
    reader, got = look(x, address, pvh, "vt100"), b""
    reader.sendall(b"echo fe''ed\r")
    while b"feed" not in got:
        some = reader.recv(4096)
        assert some, got
        got += some
    timed("its text console is read", began)
    listening = dom0(name, "awk '$4 == \"0A\" {print $2}' /proc/net/tcp /proc/net/tcp6")
    assert not [line for line in listening.split() if 5900 <= int(line.split(":")[1], 16) < 6000], listening
    x.VM.hard_shutdown(pvh)
    assert consoles.ended(reader) and consoles.ended(text.stream)
    x.VM.destroy(pvh)
    end(name, x, machine, [vdi], before, lambda vm: reset(name, x, vm))
    assert consoles.ended(rfb.stream)


if __name__ == "__main__":
    run_scenario(globals())

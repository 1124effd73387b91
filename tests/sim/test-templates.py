#!/usr/bin/python3
"""The templates that come with xapid, and what becomes of a template: provisioning, and the words that say what it is."""
import re
import sys
import time
import xml.etree.ElementTree as xml
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from disks import MIB, NULL, connected, files, new_sr, new_vbd, new_vdi
from host import GUEST, Host, fails
from xtool import Tool

UNKNOWN = "11111111-2222-3333-4444-555555555555"
KEY = re.compile(r"[a-z0-9.-]+")


def defaults(x):
    """reference_label -> reference"""
    return {record["reference_label"]: vm for vm, record in x.VM.get_all_records().items() if record["is_default_template"]}


def test_what_each_has():
    """What clients read of a template is there, and can be had."""
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        x.pool.set_default_SR(x.pool.get_all()[0], sr)
        found = defaults(x)
        assert len(found) > 5 and all(KEY.fullmatch(key) for key in found), found
        types = set()
        for key, template in found.items():
            record = x.VM.get_record(template)
            assert record["is_a_template"] and record["name_label"] and record["name_description"], record
            assert record["other_config"]["default_template"] == "true" and record["power_state"] == "Halted", record
            assert {"clone", "copy", "provision"} <= set(record["allowed_operations"]), record
            assert "start" not in record["allowed_operations"] and "destroy" not in record["allowed_operations"], record
            assert record["platform"]["cores-per-socket"] == "1" and record["platform"]["secureboot"] == "false", record
            limits = {rule.get("field") or rule.get("property"): rule.attrib for rule in xml.fromstring(record["recommendations"])}
            assert int(limits["vcpus-max"]["max"]) >= int(record["VCPUs_max"]), limits
            assert int(limits["memory-static-min"]["min"]) <= int(record["memory_static_max"]) <= int(limits["memory-static-max"]["max"])
            assert {"number-of-vbds", "number-of-vifs"} <= limits.keys(), limits
            machine = record["domain_type"] == "hvm"
            types.add(record["domain_type"])
            assert (record["HVM_boot_policy"] == "BIOS order") == machine, record
            if machine:
                assert record["HVM_boot_params"] == {"order": "cdn", "firmware": "bios"}, record
                assert record["other_config"]["install-methods"] == "cdrom" and record["platform"]["vga"] == "std", record
            windows = "windows" in key
            assert (record["platform"].get("viridian") == "true") == windows == (record["platform"].get("device_id") == "0002"), record
            assert ("linux_template" in record["other_config"]) == (not windows and key != "other-install-media"), record
            vm = x.VM.clone(template, "new")
            x.VM.provision(vm)
            if not machine:
                x.VM.set_PV_kernel(vm, "vmlinux")
            x.VM.set_memory_limits(vm, *[str(128 * MIB)] * 4)
            x.VM.start(vm, False, False)
            assert x.VM.get_power_state(vm) == "Running", key
            x.VM.hard_shutdown(vm)
            disks = [x.VBD.get_record(vbd) for vbd in x.VM.get_VBDs(vm)]
            assert len(disks) == (key != "other-install-media"), disks
            x.VM.destroy(vm)
            for disk in disks:
                x.VDI.destroy(disk["VDI"])
        assert types == {"hvm", "pvh", "pv"}, types
        assert defaults(x) == found and files(host.dir / "sr") == []


@covers("VM.set_is_default_template", "VM.destroy")
def test_made_once():
    """What an administrator deleted or changed stays so, over restarts and with another database from a dump."""
    with Host() as host:
        x = host.client()
        before = defaults(x)
        gone, renamed = before["debian-11"], before["debian-12"]
        assert fails("VM_CANNOT_DELETE_DEFAULT_TEMPLATE", x.VM.destroy, gone).params == [gone]
        fails("HANDLE_INVALID", x.VM.set_is_default_template, "OpaqueRef:none", False)
        x.VM.set_is_default_template(gone, False)
        assert "default_template" not in x.VM.get_other_config(gone) and "destroy" in x.VM.get_allowed_operations(gone)
        x.VM.set_is_default_template(gone, True)
        assert x.VM.get_other_config(gone)["default_template"] == "true"
        fails("VM_CANNOT_DELETE_DEFAULT_TEMPLATE", x.VM.destroy, gone)
        fails("INVALID_VALUE", x.VM.set_is_default_template, x.VM.create(GUEST), True)
        x.VM.set_is_default_template(gone, False)
        x.VM.destroy(gone)
        assert gone not in x.VM.get_all()
        x.VM.set_name_label(renamed, "our own")
        dump = host.dir / "dump.xml"
        connection = x._connection
        connection.request("GET", "/pool/xmldbdump")
        dump.write_bytes(connection.getresponse().read())
        for way in ("restart", "restore"):
            if way == "restore":
                x._connection.request("PUT", "/pool/xmldbdump", dump.read_bytes())
                assert x._connection.getresponse().status == 200
                tap.wait_until(lambda: list((host.dir / "state").glob("xapid.db.before-*")), "the other database")
                host.wait_up()
            else:
                host.stop()
                host.start()
            x = host.client()
            after = defaults(x)
            assert after == {key: vm for key, vm in before.items() if vm != gone}, after
            assert x.VM.get_name_label(renamed) == "our own"


@covers("VM.set_is_a_template")
def test_the_word():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        assert fails("VM_BAD_POWER_STATE", x.VM.set_is_a_template, vm, True).params == [vm, "halted", "running"]
        x.VM.set_is_a_template(vm, False)
        x.VM.hard_shutdown(vm)
        x.VM.set_is_a_template(vm, True)
        fails("VM_IS_TEMPLATE", x.VM.start, vm, False, False)
        assert "start" not in x.VM.get_allowed_operations(vm) and "clone" in x.VM.get_allowed_operations(vm)
        x.VM.set_is_a_template(vm, False)
        x.VM.start(vm, False, False)
        # As Xen Orchestra removes one that came with the host.
        template = defaults(x)["debian-11"]
        x.VM.set_is_a_template(template, False)
        assert not x.VM.get_is_default_template(template)
        x.VM.remove_from_other_config(template, "default_template")
        x.VM.destroy(template)
        fails("HANDLE_INVALID", x.VM.set_is_a_template, template, False)


def asking(*disks):
    return {"disks": "<provision>" + "".join(f"<disk {disk}/>" for disk in disks) + "</provision>"}


def drives(x, vm):
    return sorted((x.VBD.get_record(vbd) for vbd in x.VM.get_VBDs(vm)), key=lambda record: record["userdevice"])


@covers("VM.get_allowed_VBD_devices")
def test_places_for_disks():
    with Host() as host:
        x = connected(host)
        sr, vm = new_sr(host, x), x.VM.create(GUEST)
        places = [str(n) for n in range(16) if n != 3] + ["3"]
        assert x.VM.get_allowed_VBD_devices(vm) == places, "clients take the first, and where CDs are last"
        for place in "0", "3", "15":
            new_vbd(x, vm, new_vdi(x, sr, MIB), userdevice=place)
            places.remove(place)
            assert x.VM.get_allowed_VBD_devices(vm) == places
        fails("HANDLE_INVALID", x.VM.get_allowed_VBD_devices, sr)


@covers("VM.provision")
def test_disks_are_made():
    with Host() as host:
        x = connected(host)
        sr, other = new_sr(host, x), new_sr(host, x, name="other")
        x.pool.set_default_SR(x.pool.get_all()[0], sr)
        words = asking(f'device="0" size="{MIB + 1}" sr="" bootable="true" type="system" what="ever"',
                       f'device="xvdc" size="{2 * MIB}" sr="{x.SR.get_uuid(other)}"')
        template = x.VM.create({**GUEST, "is_a_template": True, "name_label": "web", "other_config": {**words, "k": "v"}})
        vm = x.VM.clone(template, "web")
        assert x.VM.get_VBDs(vm) == [] and x.VM.get_other_config(vm)["disks"] == words["disks"]
        x.VM.provision(vm)
        record = x.VM.get_record(vm)
        assert not record["is_a_template"] and "disks" not in record["other_config"] and record["other_config"]["k"] == "v"
        assert x.VM_metrics.get_install_time(record["metrics"]).value > "2020"
        first, second = drives(x, vm)
        for drive, where, size, kind in ((first, sr, MIB + 512, "system"), (second, other, 2 * MIB, "user")):
            assert (drive["type"], drive["mode"], drive["empty"], drive["unpluggable"]) == ("Disk", "RW", False, True), drive
            assert "owner" in drive["other_config"] and not drive["currently_attached"], drive
            disk = x.VDI.get_record(drive["VDI"])
            assert disk["managed"] and disk["SR"] == where and int(disk["virtual_size"]) == size and disk["type"] == kind, disk
            assert "attach" in drive["allowed_operations"] and disk["current_operations"] == {}, (drive, disk)
        assert (first["userdevice"], second["userdevice"], first["bootable"], second["bootable"]) == ("0", "2", True, False)
        assert x.SR.get_virtual_allocation(other) == str(2 * MIB) and x.SR.get_current_operations(sr) == {}
        x.VM.start(vm, False, False)
        assert len(host.handles()) == 2
        assert fails("VM_BAD_POWER_STATE", x.VM.provision, vm).params == [vm, "halted", "running"]
        x.VM.hard_shutdown(vm)
        x.VM.provision(vm)  # it asks for nothing more
        assert len(x.VM.get_VBDs(vm)) == 2 and x.VM.get_is_a_template(template)


def test_what_cannot_be_made():
    """Then nothing is made."""
    good = 'device="0" size="1048576" sr=""'
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        pool = x.pool.get_all()[0]
        before = {cls: set(getattr(x, cls).get_all()) for cls in ("VBD", "VDI")}

        def refused(code, *disks):
            vm = x.VM.create({**GUEST, "is_a_template": True, "other_config": asking(*disks)})
            failure = fails(code, x.VM.provision, vm)
            assert x.VM.get_is_a_template(vm) and x.VM.get_other_config(vm)["disks"] and x.VM.get_current_operations(vm) == {}
            for cls, refs in before.items():
                assert set(getattr(x, cls).get_all()) == refs, cls
            assert files(host.dir / "sr") == []
            return failure.params

        assert refused("DEFAULT_SR_NOT_FOUND", good) == [NULL]
        x.pool.set_default_SR(pool, sr)
        for bad in ('device="99" size="1" sr=""', 'size="1" sr=""', 'device="1" size="0"', 'device="1" size="-1"', 'device="1"',
                    'device="1" size="1 GiB"', f'device="1" size="{1 << 60}"', good, 'device="1" size="1" type="magic"'):
            assert refused("INVALID_VALUE", good, bad)[0].startswith("other_config:disks:")
        assert refused("UUID_INVALID", good, f'device="1" size="1" sr="{UNKNOWN}"') == ["SR", UNKNOWN]
        isos = new_sr(host, x, "iso", location=host.folder("isos"))
        refused("SR_OPERATION_NOT_SUPPORTED", f'device="1" size="1" sr="{x.SR.get_uuid(isos)}"')
        vm = x.VM.create({**GUEST, "is_a_template": True, "other_config": asking(good)})
        disk = new_vdi(x, sr, MIB)
        new_vbd(x, vm, disk, userdevice="0")
        assert fails("INVALID_VALUE", x.VM.provision, vm).params[0] == "other_config:disks:device"
        x.VM.destroy(vm)
        x.VDI.destroy(disk)
        x.PBD.unplug(x.SR.get_PBDs(sr)[0])
        refused("SR_NOT_ATTACHED", good)


def test_all_disks_or_none():
    """The second of three cannot be made; the task is cancelled; whoever dies meanwhile."""
    with Host(environment={"XAPID_FAULT": "file.vdi.create.made=delay:50"}) as host:
        x = connected(host)
        sr, other = new_sr(host, x), new_sr(host, x, name="other")
        x.pool.set_default_SR(x.pool.get_all()[0], sr)
        disks = [f'device="{n}" size="{MIB}" sr="{x.SR.get_uuid(other) if n == 1 else ""}"' for n in range(3)]
        template = x.VM.create({**GUEST, "is_a_template": True, "other_config": asking(*disks)})

        def as_before(vm):
            assert x.VM.get_VBDs(vm) == [] and x.VM.get_is_a_template(vm) and x.VM.get_current_operations(vm) == {}
            assert x.VDI.get_all() == [] and x.SR.get_current_operations(sr) == {} and nothing_there()

        def nothing_there():
            return files(host.dir / "sr") == files(host.dir / "other") == []

        (host.dir / "other").rename(host.dir / "away")
        assert fails("SR_BACKEND_FAILURE_47", x.VM.provision, template)
        (host.dir / "away").rename(host.dir / "other")
        as_before(template)
        for round_, program in enumerate(("xapid-host", "xapid", "cancel", "xapid-domains") * 3):
            vm = x.VM.clone(template, "web")
            task = x.Async.VM.provision(vm)
            time.sleep(0.03 * (round_ % 6))
            if program == "cancel":
                cancel(x, task)
            else:
                host.kill(program)
                tap.wait_until(lambda: host.client(), "the daemon")
            x = host.client()
            if x.wait_task(task)["status"] != "success":
                as_before(vm)
                x.VM.destroy(vm)
                continue
            made = drives(x, vm)
            assert len(made) == 3 and all(x.VDI.get_managed(drive["VDI"]) for drive in made), made
            x.VM.destroy(vm)
            for drive in made:
                x.VDI.destroy(drive["VDI"])
            assert nothing_there()


def test_xtool():
    with Host() as host:
        x, t = connected(host), Tool(host)
        sr, other = new_sr(host, x), new_sr(host, x, name="other")
        uuids = {"sr": x.SR.get_uuid(sr), "other": x.SR.get_uuid(other)}
        assert "Debian 12" in t("template-list", "params=name-label", "--minimal") and "Debian 12" not in t("vm-list")
        assert "template=" in t.fails(2, "vm-install", "new-name-label=web")
        assert "new-name-label" in t.fails(2, "vm-install", "template=Debian 12")
        assert "no template" in t.fails(1, "vm-install", "new-name-label=web", "template=Hurd")
        assert "or sr-name-label" in t.fails(2, "vm-install", "new-name-label=web", "template=Debian 12", "sr-uuid=x", "sr-name-label=y")
        t.fails(1, "vm-install", "new-name-label=web", "template=Debian 12", "sr-name-label=none")
        assert "Unknown argument" in t.fails(2, "vm-install", "new-name-label=web", "template=Debian 12", "colour=red")
        assert "default" in t.fails(1, "vm-install", "new-name-label=web", "template=Debian 12")
        t.fails(1, "vm-install", "new-name-label=web", "template=Debian 12", f"sr-uuid={uuids['sr']}",
                "copy-bios-strings-from=nowhere")
        assert x.VM.get_by_name_label("web") == [] and x.VDI.get_all() == []
        template = t("template-list", "name-label=Debian 12", "--minimal").strip()
        here, = x.host.get_all()
        for words, where in ((("template=Debian 12", "sr-name-label=other"), other),
                             ((f"template={template}", f"sr-uuid={uuids['sr']}", f"copy-bios-strings-from={x.host.get_uuid(here)}"), sr)):
            uuid = t("vm-install", "new-name-label=web", *words).strip()
            vm, = x.VM.get_by_name_label("web")
            assert uuid == x.VM.get_uuid(vm) and t("vm-list", "name-label=web", "--minimal").strip() == uuid
            drive, = drives(x, vm)
            assert x.VDI.get_SR(drive["VDI"]) == where and drive["bootable"] and x.VDI.get_type(drive["VDI"]) == "system"
            assert (x.VM.get_affinity(vm) == here) == (where == sr)
            t("vm-uninstall", f"uuid={uuid}", "--force")
            assert x.VDI.get_all() == []
        t("pool-param-set", f"uuid={x.pool.get_uuid(x.pool.get_all()[0])}", f"default-SR={uuids['other']}")
        uuid = t("vm-install", "new-name-label=web", "template=Debian 12").strip()
        copy = t("vm-clone", f"uuid={uuid}", "new-name-label=second", "new-name-description=like the first").strip()
        assert x.VM.get_name_description(x.VM.get_by_uuid(copy)) == "like the first"
        full = t("vm-copy", f"uuid={uuid}", "new-name-label=third", f"sr-uuid={uuids['sr']}", "new-name-description=elsewhere").strip()
        assert x.VM.get_name_description(x.VM.get_by_uuid(full)) == "elsewhere"
        assert [x.VDI.get_SR(drive["VDI"]) for drive in drives(x, x.VM.get_by_uuid(full))] == [sr]
        t.fails(1, "template-uninstall", f"template-uuid={template}", "--force")
        t("template-param-set", f"uuid={template}", "is-default-template=false")
        t("template-uninstall", f"template-uuid={template}", "--force")
        assert "Debian 12" not in t("template-list")


def cancel(x, task):
    """It may have ended just now."""
    try:
        x.task.cancel(task)
    except Exception as failure:
        assert "OPERATION_NOT_ALLOWED" in str(failure) or "HANDLE_INVALID" in str(failure), failure


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""Storage repositories and their disks on a simulated host, whose drivers are the real ones: a folder
of disks and a folder of CD images."""
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from disks import connected, files, new_sr, new_vbd, new_vdi
from host import BUILDDIR, GUEST, Host, fails

MIB = 1 << 20
NULL = "OpaqueRef:NULL"


def refused(code, function, *args, **fields):
    fails(code, lambda: function(*args, **fields))


@covers("SR.get_supported_types")
def test_drivers():
    with Host() as host:
        x = connected(host)
        fails("SESSION_INVALID", x.raw, "SR.get_supported_types", "OpaqueRef:none")
        records = {record["type"]: record for record in x.SM.get_all_records().values()}
        assert set(records) == {"file", "iso"}
        assert {"VDI_CREATE", "VDI_RESIZE", "SR_CREATE"} <= set(records["file"]["capabilities"])
        assert "VDI_CREATE" not in records["iso"]["capabilities"]
        assert set(records["file"]["configuration"]) == {"location"}
        assert records["iso"]["driver_filename"].endswith("/storage/iso")
        host.kill("xapid-host")
        tap.wait_until(lambda: len(x.SM.get_all()) == 2, "drivers again")


@covers("SR.create", "SR.destroy", "SR.scan", "SR.update", "SR.set_name_label", "SR.set_name_description")
def test_repositories():
    with Host() as host:
        x = connected(host)
        me = x.host.get_all()[0]
        fails("HANDLE_INVALID", x.SR.create, NULL, {}, "0", "a", "", "file", "user", False, {})
        fails("SR_UNKNOWN_DRIVER", x.SR.create, me, {}, "0", "a", "", "floppies", "user", False, {})
        failure = fails("SR_BACKEND_FAILURE_94", x.SR.create, me, {}, "0", "a", "", "file", "user", False, {})
        assert "location" in failure.params[1], failure
        fails("SR_BACKEND_FAILURE_47", x.SR.create, me, {"location": "/nowhere"}, "0", "a", "", "file", "user",
              False, {})
        assert not x.SR.get_all() and not x.PBD.get_all(), "what was not made has rows"
        sr = new_sr(host, x)
        record = x.SR.get_record(sr)
        assert int(record["physical_size"]) > 0 and record["type"] == "file" and record["VDIs"] == []
        assert "vdi_create" in record["allowed_operations"] and "destroy" not in record["allowed_operations"]
        pbd, = record["PBDs"]
        assert x.PBD.get_currently_attached(pbd) and x.PBD.get_host(pbd) == me
        refused("SR_BACKEND_FAILURE_61", new_sr, host, x, location=str(host.dir / "sr"))
        x.SR.set_name_label(sr, "another name")
        x.SR.set_name_description(sr, "words")
        assert (x.SR.get_name_label(sr), x.SR.get_name_description(sr)) == ("another name", "words")
        vdi = new_vdi(x, sr)
        record = host.dir / "sr" / f"{x.VDI.get_uuid(vdi)}.json"
        record.rename(host.dir / record.name)
        x.SR.scan(sr)
        assert x.VDI.get_missing(vdi)
        (host.dir / record.name).rename(record)
        x.SR.update(sr)
        assert not x.VDI.get_missing(vdi) and x.SR.get_VDIs(sr) == [vdi]
        fails("SR_HAS_PBD", x.SR.destroy, sr)
        x.PBD.unplug(pbd)
        for call in (x.SR.scan, x.SR.update):
            fails("SR_NOT_ATTACHED", call, sr)
        fails("SR_NOT_EMPTY", x.SR.destroy, sr)
        assert x.SR.get_VDIs(sr) == [vdi]
        x.PBD.plug(pbd)
        x.VDI.destroy(vdi)
        x.PBD.unplug(pbd)
        x.SR.destroy(sr)
        assert not x.SR.get_all() and not x.PBD.get_all()
        assert os.listdir(host.dir / "sr") == []
        unknown = "OpaqueRef:unknown"
        for call in (x.SR.set_name_label, x.SR.set_name_description):
            fails("HANDLE_INVALID", call, unknown, "a")


@covers("SR.introduce", "SR.forget", "PBD.create", "PBD.plug", "PBD.unplug", "PBD.destroy",
        "PBD.set_device_config")
def test_repositories_come_and_go():
    with Host() as host:
        x = connected(host)
        me = x.host.get_all()[0]
        sr = new_sr(host, x)
        uuid, location = x.SR.get_uuid(sr), str(host.dir / "sr")
        vdi = new_vdi(x, sr, name_label="one that stays")
        vdi_uuid = x.VDI.get_uuid(vdi)
        fails("SR_HAS_PBD", x.SR.forget, sr)
        pbd, = x.SR.get_PBDs(sr)
        fails("PBD_EXISTS", x.PBD.create, {"host": me, "SR": sr, "device_config": {}})
        fails("SR_HAS_PBD", x.PBD.destroy, pbd)
        fails("SR_HAS_PBD", x.PBD.set_device_config, pbd, {})
        x.PBD.plug(pbd)  # is so already
        x.PBD.unplug(pbd)
        assert not x.PBD.get_currently_attached(pbd)
        x.PBD.unplug(pbd)
        x.SR.forget(sr)
        assert not x.SR.get_all() and not x.VDI.get_all() and not x.PBD.get_all()

        fails("INVALID_VALUE", x.SR.introduce, "no uuid", "a", "", "file", "user", False, {})
        fails("SR_UNKNOWN_DRIVER", x.SR.introduce, uuid, "a", "", "floppies", "user", False, {})
        sr = x.SR.introduce(uuid, "again", "", "file", "user", False, {})
        fails("SR_UUID_EXISTS", x.SR.introduce, uuid, "a", "", "file", "user", False, {})
        fails("SR_HAS_NO_PBDS", x.SR.scan, sr)
        pbd = x.PBD.create({"host": me, "SR": sr, "device_config": {"location": "/nowhere"}})
        fails("SR_BACKEND_FAILURE_47", x.PBD.plug, pbd)
        assert not x.PBD.get_currently_attached(pbd)
        x.PBD.set_device_config(pbd, {"location": location})
        x.PBD.plug(pbd)
        assert x.PBD.get_currently_attached(pbd)
        found, = x.SR.get_VDIs(sr)
        record = x.VDI.get_record(found)
        assert (record["uuid"], record["name_label"]) == (vdi_uuid, "one that stays"), record
        assert record["managed"] and record["virtual_size"] == str(64 * MIB)
        x.PBD.unplug(pbd)
        (host.bindir / "storage" / "file").unlink()
        host.kill("xapid-host")
        tap.wait_until(lambda: x.SR.get_supported_types() == ["iso"], "one driver less")
        fails("SR_UNKNOWN_DRIVER", x.PBD.plug, pbd)
        fails("SR_UNKNOWN_DRIVER", x.SR.scan, sr)
        x.PBD.destroy(pbd)
        assert x.SR.get_PBDs(sr) == []
        fails("HANDLE_INVALID", x.PBD.plug, pbd)
        fails("HANDLE_INVALID", x.PBD.unplug, pbd)


@covers("SR.probe")
def test_repositories_that_are_there_already():
    with Host() as host:
        x = connected(host)
        me, location = x.host.get_all()[0], host.folder("sr")

        def found(**config):
            return re.findall("<UUID>(.*?)</UUID>", x.SR.probe(me, {"location": location, **config}, "file", {}))

        assert found() == []
        sr = new_sr(host, x, location=location)
        uuid = x.SR.get_uuid(sr)
        vdi = x.VDI.get_uuid(new_vdi(x, sr))
        assert found() == [uuid]
        task = x.Async.SR.probe(me, {"location": location}, "file")
        assert uuid in x.wait_task(task)["result"]
        pbd, = x.SR.get_PBDs(sr)
        x.PBD.unplug(pbd)
        x.SR.forget(sr)
        sr = x.SR.introduce(found()[0], "again", "", "file", "user", False, {})
        x.PBD.plug(x.PBD.create({"host": me, "SR": sr, "device_config": {"location": location}}))
        assert [x.VDI.get_uuid(ref) for ref in x.SR.get_VDIs(sr)] == [vdi]
        fails("HANDLE_INVALID", x.SR.probe, NULL, {}, "file", {})
        fails("SR_UNKNOWN_DRIVER", x.SR.probe, me, {}, "floppies", {})
        fails("SR_OPERATION_NOT_SUPPORTED", x.SR.probe, me, {"location": location}, "iso", {})
        fails("SR_BACKEND_FAILURE_94", x.SR.probe, me, {}, "file", {})
        fails("SR_BACKEND_FAILURE_47", x.SR.probe, me, {"location": "/nowhere"}, "file", {})


# Refuses with what it was told.
TELLING_DRIVER = """#!/usr/bin/python3
import json, sys
call = json.load(sys.stdin)
if call["call"] == "query":
    answer = {"result": {"name_label": "t", "name_description": "", "vendor": "t", "copyright": "", "version": "1",
                         "required_api_version": "1", "capabilities": ["SR_PROBE", "VDI_ATTACH"], "configuration": {}}}
elif call["call"] == "sr.create" and "ok" in call["args"]["device_config"]:
    answer = {"result": {}}
else:
    answer = {"error": {"code": "SR_BACKEND_FAILURE_107", "params": ["", json.dumps(call["args"]["device_config"]), "<a/>"]}}
print(json.dumps(answer))
"""


def test_passwords():
    """What is a password goes to the driver, and is a secret for everybody else."""
    with Host() as host:
        x = connected(host)
        driver = host.bindir / "storage" / "telling"
        driver.write_text(TELLING_DRIVER)
        driver.chmod(0o755)
        host.kill("xapid-host")
        tap.wait_until(lambda: "telling" in x.SR.get_supported_types(), "the driver")
        me = x.host.get_all()[0]

        def told(function, *args):
            failure = fails("SR_BACKEND_FAILURE_107", function, *args)
            assert failure.params[2] == "<a/>", failure.params
            return json.loads(failure.params[1])
        mine = x.secret.create({"value": "hunter2", "other_config": {}})
        named = {"target": "t", "chappassword_secret": x.secret.get_uuid(mine)}
        for config in named, {"target": "t", "chappassword": "hunter2"}:
            assert told(x.SR.probe, me, config, "telling", {}) == {"target": "t", "chappassword": "hunter2"}
            assert told(x.SR.create, me, config, "0", "a", "", "telling", "user", False, {})["chappassword"] == "hunter2"
            assert x.secret.get_all() == [mine], "a secret of what was not made"
        for function in (lambda config: x.SR.probe(me, config, "telling", {}),
                         lambda config: x.SR.create(me, config, "0", "a", "", "telling", "user", False, {})):
            failure = fails("SR_BACKEND_FAILURE_20", function, {"password_secret": "none"})
            assert "password_secret" in failure.params[1], failure
        sr = x.SR.introduce("00000000-0000-4000-8000-000000000001", "a", "", "telling", "user", False, {})
        pbd = x.PBD.create({"host": me, "SR": sr, "device_config": {"target": "t", "password": "one", "cifspassword": "two", "chapPassword": "three"}})
        config = x.PBD.get_device_config(pbd)
        assert set(config) == {"target", "password_secret", "cifspassword_secret", "chapPassword_secret"}, config
        assert x.secret.get_value(x.secret.get_by_uuid(config["password_secret"])) == "one"
        assert told(x.PBD.plug, pbd) == {"target": "t", "password": "one", "cifspassword": "two", "chapPassword": "three"}
        x.PBD.set_device_config(pbd, {"password_secret": config["password_secret"], "chappassword": "three"})
        assert told(x.PBD.plug, pbd) == {"password": "one", "chappassword": "three"}
        assert len(x.secret.get_all()) == 3
        x.PBD.destroy(pbd)
        assert x.secret.get_all() == [mine]
        pbd = x.PBD.create({"host": me, "SR": sr, "device_config": {**named, "password": "x"}})
        x.SR.forget(sr)
        assert x.secret.get_all() == [mine] and not x.PBD.get_all()


@covers("VDI.create", "VDI.destroy", "VDI.resize", "VDI.forget", "VDI.set_name_label",
        "VDI.set_name_description", "VDI.set_sharable", "VDI.set_read_only", "VDI.set_allow_caching")
def test_disks():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        for size in (0, -1, (16 << 40) + 1):
            refused("INVALID_VALUE", new_vdi, x, sr, size)
        refused("HANDLE_INVALID", new_vdi, x, "OpaqueRef:unknown")
        refused("INVALID_VALUE", new_vdi, x, sr, sm_config={"image-format": "floppy"})
        assert not x.VDI.get_all() and files(host.dir / "sr") == []
        disks = [new_vdi(x, sr), new_vdi(x, sr, sm_config={"image-format": "raw"}), new_vdi(x, sr, 16 << 40)]
        for vdi in disks:
            record = x.VDI.get_record(vdi)
            assert record["managed"] and not record["missing"] and record["SR"] == sr, record
            assert int(record["physical_utilisation"]) < 4 * MIB, "it is not thin"
            assert {"destroy", "resize"} <= set(record["allowed_operations"])
            assert record["location"] == record["uuid"]
        assert x.SR.get_virtual_allocation(sr) == str(sum(int(x.VDI.get_virtual_size(vdi)) for vdi in disks))
        for vdi in disks[:2]:
            x.VDI.resize(vdi, str(100 * MIB))
            assert x.VDI.get_virtual_size(vdi) == str(100 * MIB)
            fails("VDI_TOO_SMALL", x.VDI.resize, vdi, str(64 * MIB))
        fails("INVALID_VALUE", x.VDI.resize, disks[0], "0")
        raw, = [path for path in (host.dir / "sr").glob("*.raw")]
        assert raw.stat().st_size == 100 * MIB
        for setter, getter, value in ((x.VDI.set_name_label, x.VDI.get_name_label, "other"),
                                      (x.VDI.set_name_description, x.VDI.get_name_description, "words"),
                                      (x.VDI.set_sharable, x.VDI.get_sharable, True),
                                      (x.VDI.set_allow_caching, x.VDI.get_allow_caching, True),
                                      (x.VDI.set_read_only, x.VDI.get_read_only, True)):
            setter(disks[0], value)
            assert getter(disks[0]) == value
            fails("HANDLE_INVALID", setter, "OpaqueRef:unknown", value)
        fails("VDI_READONLY", x.VDI.resize, disks[0], str(200 * MIB))
        uuid = x.VDI.get_uuid(disks[1])
        x.VDI.forget(disks[1])
        fails("HANDLE_INVALID", x.VDI.forget, disks[1])
        x.SR.scan(sr)
        back = x.VDI.get_by_uuid(uuid)
        for vdi in (disks[0], back, disks[2]):
            x.VDI.destroy(vdi)
        fails("HANDLE_INVALID", x.VDI.destroy, back)
        assert not x.VDI.get_all() and files(host.dir / "sr") == []
        assert x.SR.get_virtual_allocation(sr) == "0"
        task = x.Async.VDI.create({"SR": sr, "virtual_size": str(MIB), "type": "user", "sharable": False,
                                   "read_only": False, "other_config": {}, "name_label": "by a task"})
        record = x.wait_task(task)
        vdi, = x.VDI.get_all()
        assert record["status"] == "success" and record["result"] == f"<value>{vdi}</value>", record


def test_a_disk_that_is_gone_is_missing():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        vdi = new_vdi(x, sr)
        vm = x.VM.create(GUEST)
        new_vbd(x, vm, vdi)
        for path in (host.dir / "sr").glob(f"{x.VDI.get_uuid(vdi)}.*"):
            path.rename(host.dir / path.name)
        x.SR.scan(sr)
        assert x.VDI.get_missing(vdi)
        fails("VDI_NOT_AVAILABLE", x.VM.start, vm, False, False)
        for path in host.dir.glob(f"{x.VDI.get_uuid(vdi)}.*"):
            path.rename(host.dir / "sr" / path.name)
        x.SR.scan(sr)
        assert not x.VDI.get_missing(vdi)


def test_images():
    with Host() as host:
        location = host.folder("isos")
        for name in ("debian.iso", "Other.ISO", "bad\nname.iso", ".hidden.iso", "not-one.img"):
            Path(location, name).write_bytes(b"\0" * 2048)
        Path(os.fsencode(location).decode(), "x").mkdir()
        (Path(location) / "link.iso").symlink_to("/etc/shadow")
        x = connected(host)
        sr = new_sr(host, x, "iso", location=location)
        records = {record["name_label"]: record for record in x.VDI.get_all_records().values()}
        assert set(records) == {"debian.iso", "Other.ISO"}, set(records)
        assert records["debian.iso"]["read_only"] and records["debian.iso"]["virtual_size"] == "2048"
        refused("SR_OPERATION_NOT_SUPPORTED", new_vdi, x, sr)
        vdi = x.VDI.get_by_uuid(records["debian.iso"]["uuid"])
        fails("SR_OPERATION_NOT_SUPPORTED", x.VDI.destroy, vdi)
        x.SR.scan(sr)
        assert x.VDI.get_by_uuid(records["debian.iso"]["uuid"]) == vdi, "its uuid has changed"


@covers("VBD.create", "VBD.destroy", "VBD.insert", "VBD.eject", "VBD.set_mode")
def test_drives():
    with Host() as host:
        location = host.folder("isos")
        Path(location, "cd.iso").write_bytes(b"\0" * 2048)
        x = connected(host)
        isos, sr = new_sr(host, x, "iso", location=location), new_sr(host, x)
        iso, = x.SR.get_VDIs(isos)
        vm, vdi = x.VM.create(GUEST), new_vdi(x, sr)
        refused("HANDLE_INVALID", new_vbd, x, vm, NULL)
        refused("HANDLE_INVALID", new_vbd, x, "OpaqueRef:unknown", vdi)
        refused("VBD_CDS_MUST_BE_READONLY", new_vbd, x, vm, iso, type="CD")
        refused("VDI_READONLY", new_vbd, x, vm, iso)
        for device in ("16", "xvdz", "x", "-1", "../a"):
            refused("INVALID_DEVICE", new_vbd, x, vm, vdi, userdevice=device)
        vbd = new_vbd(x, vm, vdi)
        record = x.VBD.get_record(vbd)
        assert (record["userdevice"], record["device"], record["currently_attached"]) == ("0", "", False), record
        assert record["metrics"] != NULL and x.VDI.get_VBDs(vdi) == [vbd]
        refused("DEVICE_ALREADY_EXISTS", new_vbd, x, vm, vdi, userdevice="xvda")
        x.VBD.set_mode(vbd, "RO")
        assert x.VBD.get_mode(vbd) == "RO"
        fails("HANDLE_INVALID", x.VBD.set_mode, "OpaqueRef:unknown", "RO")
        drive = new_vbd(x, vm, NULL, type="CD", mode="RO")
        assert x.VBD.get_userdevice(drive) == "3" and x.VBD.get_empty(drive)
        fails("VBD_IS_EMPTY", x.VBD.eject, drive)
        fails("VBD_NOT_REMOVABLE_MEDIA", x.VBD.insert, vbd, iso)
        x.VBD.insert(drive, iso)
        assert x.VBD.get_VDI(drive) == iso and not x.VBD.get_empty(drive)
        fails("VBD_NOT_EMPTY", x.VBD.insert, drive, iso)
        x.VBD.eject(drive)
        assert x.VBD.get_VDI(drive) == NULL and x.VBD.get_empty(drive)
        x.VBD.destroy(drive)
        fails("HANDLE_INVALID", x.VBD.destroy, drive)
        x.VDI.destroy(vdi)
        assert not x.VBD.get_all(), "a drive outlives its disk"


def test_a_guest_with_disks():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        vm, other = x.VM.create(GUEST), x.VM.create(GUEST)
        vdi, second = new_vdi(x, sr), new_vdi(x, sr, sm_config={"image-format": "raw"})
        vbds = [new_vbd(x, vm, vdi), new_vbd(x, vm, second, mode="RO")]
        theirs = new_vbd(x, other, vdi)
        uuids = {x.VBD.get_uuid(vbd) for vbd in vbds}

        def attached(yes):
            assert [x.VBD.get_currently_attached(vbd) for vbd in vbds] == [yes, yes]
            assert host.handles() == (uuids if yes else set()), host.handles()
            assert ("destroy" in x.VDI.get_allowed_operations(vdi)) == (not yes)

        attached(False)
        x.VM.start(vm, False, False)
        attached(True)
        assert [x.VBD.get_device(vbd) for vbd in vbds] == ["xvda", "xvdb"]
        fails("VDI_IN_USE", x.VM.start, other, False, False)
        fails("VDI_IN_USE", x.VDI.destroy, vdi)
        fails("VDI_IN_USE", x.VDI.resize, vdi, str(128 * MIB))
        fails("VDI_IN_USE", x.PBD.unplug, x.SR.get_PBDs(sr)[0])
        fails("DEVICE_ALREADY_ATTACHED", x.VBD.destroy, vbds[0])
        x.VM.hard_reboot(vm)
        attached(True)
        x.VM.suspend(vm)
        attached(False)
        fails("VDI_IN_USE", x.VM.start, other, False, False)
        fails("VDI_IN_USE", x.VDI.destroy, vdi)
        x.VM.resume(vm, False, False)
        attached(True)
        x.VM.clean_shutdown(vm)
        attached(False)
        x.VM.start(other, False, False)
        fails("VDI_IN_USE", x.VM.start, vm, False, False)
        host.guest(f"halt {x.VM.get_uuid(other)}")
        tap.wait_until(lambda: not x.VBD.get_currently_attached(theirs), "the disk of a guest that halted")
        x.VM.start(vm, False, False)
        attached(True)
        x.VM.hard_shutdown(vm)
        attached(False)
        x.VM.destroy(vm)
        assert x.VDI.get_VBDs(vdi) == [theirs]
        assert not host.violations()


def test_what_no_machine_has():
    """A whole machine with a drive that is not emulated is refused before anything starts."""
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        vm = x.VM.create({**GUEST, "domain_type": "hvm", "HVM_boot_policy": "BIOS order"})
        for position, code, fields in ((0, "DISK_VBD_MUST_BE_READWRITE_FOR_HVM", {"mode": "RO"}),
                                       (4, "INVALID_DEVICE", {"mode": "RO", "type": "CD"})):
            vdi = NULL if "type" in fields else new_vdi(x, sr)
            vbd = new_vbd(x, vm, vdi, userdevice=str(position), **fields)
            failure = fails(code, x.VM.start, vm, False, False)
            assert failure.params == [vbd if code.startswith("DISK") else str(position)], failure
            assert x.VM.get_power_state(vm) == "Halted" and not host.handles()
            x.VBD.destroy(vbd)
        new_vbd(x, vm, new_vdi(x, sr), userdevice="4", mode="RO")
        new_vbd(x, vm, NULL, userdevice="3", mode="RO", type="CD")
        x.VM.start(vm, False, False)
        x.VM.hard_shutdown(vm)


def test_a_start_that_fails_lets_its_disks_go():
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        vm, vdi = x.VM.create({**GUEST, "memory_static_max": str(1 << 40), "memory_dynamic_max": str(1 << 40)}), new_vdi(x, sr)
        vbd = new_vbd(x, vm, vdi)
        assert not x.VBD.get_currently_attached(vbd) and not host.handles()
        x.PBD.unplug(x.SR.get_PBDs(sr)[0])
        fails("SR_NOT_ATTACHED", x.VM.start, vm, False, False)


def test_by_xtool():
    with Host() as host:
        x = connected(host)
        uuid = x.VM.get_uuid(x.VM.create(GUEST))

        def xtool(*words, status=0):
            done = subprocess.run([BUILDDIR / "xtool/xtool", "-s", host.socket, *words], capture_output=True, text=True)
            assert done.returncode == status, (words, done)
            return (done.stdout if status == 0 else done.stderr).strip()

        assert "location" in xtool("sm-list", "params=configuration", "type=file")
        sr = xtool("sr-create", "type=file", "name-label=disks", f"device-config:location={host.folder()}")
        vdi = xtool("vdi-create", f"sr-uuid={sr}", "name-label=d", "virtual-size=10MiB")
        vbd = xtool("vbd-create", f"vm-uuid={uuid}", f"vdi-uuid={vdi}", "device=0")
        drive = xtool("vbd-create", f"vm-uuid={uuid}", "device=3", "type=CD", "mode=RO")
        assert xtool("vbd-list", f"uuid={drive}", "params=empty", "--minimal") == "true"
        xtool("vm-start", f"uuid={uuid}")
        assert xtool("vbd-list", f"uuid={vbd}", "params=device", "--minimal") == "xvda"
        assert "in use" in xtool("vdi-resize", f"uuid={vdi}", "disk-size=20MiB", status=1)
        xtool("vm-shutdown", f"uuid={uuid}", "force=true")
        xtool("vdi-resize", f"uuid={vdi}", "disk-size=20MiB")
        assert xtool("vdi-list", f"uuid={vdi}", "params=virtual-size", "--minimal") == str(20 * MIB)
        xtool("vbd-destroy", f"uuid={drive}")
        xtool("vdi-destroy", f"uuid={vdi}")
        assert "PBDs" in xtool("sr-forget", f"uuid={sr}", status=1)
        pbd = xtool("pbd-list", f"sr-uuid={sr}", "--minimal")
        xtool("pbd-unplug", f"uuid={pbd}")
        xtool("sr-destroy", f"uuid={sr}")
        assert xtool("sr-list", "--minimal") == ""


def test_kills():
    with Host(sim_conf="[host]\ncreate_ms=300\n") as host:
        x = connected(host)
        sr = new_sr(host, x)
        vm = x.VM.create(GUEST)
        vbds = [new_vbd(x, vm, new_vdi(x, sr)) for _ in range(3)]
        uuids = {x.VBD.get_uuid(vbd) for vbd in vbds}
        for program in ("xapid-host", "xapid", "xapid-domains", "xapid-host", "xapid"):
            for verb, delay in (("start", 0.1), ("hard_shutdown", 0.02)):
                args = (vm, False, False) if verb == "start" else (vm,)
                task = getattr(x.Async.VM, verb)(*args)
                time.sleep(delay)
                host.kill(program)
                tap.wait_until(lambda: host.client(), "the daemon")
                x = host.client()
                record = x.wait_task(task)
                if record["status"] != "success":
                    getattr(x.VM, verb)(*args)
                running = verb == "start"
                assert x.VM.get_power_state(vm) == ("Running" if running else "Halted")
                assert [x.VBD.get_currently_attached(vbd) for vbd in vbds] == [running] * 3
                assert host.handles() == (uuids if running else set())
        task = x.Async.VDI.create({"SR": sr, "virtual_size": str(MIB), "type": "user", "sharable": False,
                                   "read_only": False, "other_config": {}, "name_label": "over a kill"})
        host.kill("xapid")
        x = host.client()
        record = x.wait_task(task)
        labels = [r["name_label"] for r in x.VDI.get_all_records().values() if r["managed"]]
        assert labels.count("over a kill") == (record["status"] == "success"), (labels, record)
        assert len(files(host.dir / "sr")) == 2 * len(x.VDI.get_all()), files(host.dir / "sr")
        assert not host.violations()


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

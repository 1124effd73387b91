#!/usr/bin/python3
"""What clients ask of a host that others may have added to, of its licence and of its VMs' recovery."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from disks import NULL, connected, new_sr, new_vbd, new_vdi
from host import GUEST, Host, fails

NONE = "OpaqueRef:none"


@covers("host.call_plugin", "VM.call_plugin", "host.has_extension", "pool.has_extension", "host.call_extension",
        "VM.query_services", "host.bugreport_upload")
def test_nothing_is_installed():
    with Host() as host:
        x = host.client()
        here, pool, vm = x.host.get_all()[0], x.pool.get_all()[0], x.VM.create(GUEST)
        for name in "updater.py", "../../bin/sh", "":
            assert fails("XENAPI_MISSING_PLUGIN", x.host.call_plugin, here, name, "fn", {"a": "b"}).params == [name]
            assert fails("XENAPI_MISSING_PLUGIN", x.VM.call_plugin, vm, name, "fn", {}).params == [name]
            assert fails("MESSAGE_METHOD_UNKNOWN", x.host.call_extension, here, name).params == [name]
            assert not x.host.has_extension(here, name) and not x.pool.has_extension(pool, name)
        task = x.wait_task(x.Async.host.call_plugin(here, "updater.py", "fn", {}))
        assert task["error_info"] == ["XENAPI_MISSING_PLUGIN", "updater.py"], task
        assert x.VM.query_services(vm) == {}
        fails("SYSTEM_STATUS_RETRIEVAL_FAILED", x.host.bugreport_upload, here, "https://127.0.0.1/", {})
        for call, *args in ((x.host.call_plugin, "a", "fn", {}), (x.VM.call_plugin, "a", "fn", {}), (x.host.has_extension, "a"),
                            (x.pool.has_extension, "a"), (x.host.call_extension, "a"), (x.VM.query_services,)):
            fails("HANDLE_INVALID", call, NONE, *args)


@covers("host.license_add", "host.license_remove", "host.apply_edition", "pool.apply_edition", "pool.get_license_state")
def test_the_edition():
    with Host() as host:
        x = host.client()
        here, pool = x.host.get_all()[0], x.pool.get_all()[0]
        state = x.pool.get_license_state(pool)
        assert state == {"edition": x.host.get_edition(here), "expiry": "never"}, state
        fails("LICENSE_PROCESSING_ERROR", x.host.license_add, here, "bGljZW5jZQ==")
        x.host.apply_edition(here, "free")
        x.pool.apply_edition(pool, "free")
        assert fails("INVALID_EDITION", x.host.apply_edition, here, "platinum").params == ["platinum"]
        assert fails("INVALID_EDITION", x.pool.apply_edition, pool, "").params == [""]
        x.host.license_remove(here)
        assert x.pool.get_license_state(pool) == state
        for call in x.host.license_remove, x.pool.get_license_state:
            fails("HANDLE_INVALID", call, NONE)


@covers("VM.get_SRs_required_for_recovery", "VM_appliance.get_SRs_required_for_recovery")
def test_what_recovery_lacks():
    with Host() as host:
        x = connected(host)
        vms = [x.VM.create(GUEST) for _ in range(2)]
        srs = [new_sr(host, x, name=name) for name in ("one", "two")]
        for vm, sr in (vms[0], srs[0]), (vms[0], srs[0]), (vms[0], srs[1]), (vms[1], srs[1]):
            new_vbd(x, vm, new_vdi(x, sr))
        new_vbd(x, vms[0], NULL, type="CD", mode="RO")
        appliance = x.VM_appliance.create({"name_label": "a pair", "name_description": ""})
        for vm in vms:
            x.VM.set_appliance(vm, appliance)
        lacks = lambda vm: set(x.VM.get_SRs_required_for_recovery(vm, x.session_ref))
        of_both = lambda: sorted(x.VM_appliance.get_SRs_required_for_recovery(appliance, x.session_ref))
        assert lacks(vms[0]) == set() and of_both() == []
        x.PBD.unplug(x.SR.get_PBDs(srs[1])[0])
        assert lacks(vms[0]) == lacks(vms[1]) == {srs[1]} and of_both() == [srs[1]]
        x.PBD.unplug(x.SR.get_PBDs(srs[0])[0])
        assert lacks(vms[0]) == set(srs) and lacks(vms[1]) == {srs[1]} and of_both() == sorted(srs)
        for session in NONE, NULL:
            fails("HANDLE_INVALID", x.VM.get_SRs_required_for_recovery, vms[0], session)
            fails("HANDLE_INVALID", x.VM_appliance.get_SRs_required_for_recovery, appliance, session)


@covers("VM.get_cooperative", "host.get_uncooperative_resident_VMs")
def test_who_gives_memory_back():
    with Host() as host:
        x = host.client()
        here, vm = x.host.get_all()[0], x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        assert x.VM.get_cooperative(vm) is True and x.host.get_uncooperative_resident_VMs(here) == []
        fails("HANDLE_INVALID", x.VM.get_cooperative, NONE)
        fails("HANDLE_INVALID", x.host.get_uncooperative_resident_VMs, NONE)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

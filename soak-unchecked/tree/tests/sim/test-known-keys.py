#!/usr/bin/python3
"""The free-form maps of a VM, by every call that writes them: a known key takes a good value only and
asks for its own role; any other is stored as it is and does nothing.

covers: VM.create VM.set_platform VM.add_to_platform VM.remove_from_platform VM.set_other_config
covers: VM.add_to_other_config VM.remove_from_other_config VM.provision"""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import GUEST, Host, fails

GUEST = {**GUEST, "VCPUs_max": "2"}
DISKS = '<provision><disk device="0" size="1073741824" sr="" bootable="true" type="system"/></provision>'
# field: {key: (good value, bad values)}
KNOWN = {
    "platform": {
        **{key: ("true", ["", "yes", "2", "TRUE"]) for key in (
            "acpi", "acpi_s3", "acpi_s4", "apic", "nx", "pae", "hpet", "nested-virt", "exp-nested-hvm", "viridian",
            "viridian_time_ref_count", "viridian_reference_tsc", "viridian_hcall_remote_tlb_flush",
            "viridian_apic_assist", "viridian_crash_ctl", "viridian_stimer", "viridian_hcall_ipi", "usb",
            "usb_tablet")},
        "tsc_mode": ("2", ["", "3", "-1", "native"]), "mmio_size_mib": ("1024", ["", "255", "3841"]),
        "nic_type": ("e1000", ["", "ne2000"]), "hvm_serial": ("pty", ["", "file:/root/x"]),
        "parallel": ("none", ["", "/dev/parport0"]), "secureboot": ("auto", ["", "maybe"]),
        "cores-per-socket": ("2", ["", "0", "-1", "65", "two"]), "device_id": ("0001", ["", "1", "000g"]),
        "timeoffset": ("-3600", ["", "1h", "2147483648"]), "vga": ("std", ["", "qxl"]),
        "videoram": ("8", ["", "0", "257"]), "device-model": ("qemu-upstream-compat", ["", "qemu-trad"])},
    "xenstore_data": {"vm-data/a": ("", ["x" * 1025]), "vm-data/a/b-_@": ("x" * 1024, ["x" * 1025])},
    "other_config": {"mac_seed": ("2b27a5b8-9b73-4a4b-a38c-e0a2a8e5f6c3", ["", "x" * 1025]),
                     "disks": (DISKS, ["", "<provision>", "<disk/>", "none", "<a><disk/></a>"])},
}
BAD_KEYS = {"xenstore_data": ["vm-data/", "vm-data//a", "vm-data/a/", "vm-data/a b", "vm-data/" + "a" * 128]}
ODD = {"platform": {"odd key!": "\u00fc", "a/b": "x" * 5000, "Secureboot": "?", "": "empty"},
       "xenstore_data": {"FIST/a b": "x", "vm-data": "x", "../../1": "x"},
       "other_config": {"odd key!": "<provision>", "folder": "/a", "Disks": "none"}}


def refusals():
    for field, keys in KNOWN.items():
        for key, (_, bad) in keys.items():
            for value in bad:
                yield field, key, value
        for key in BAD_KEYS.get(field, []):
            yield field, key, "x"


def messages(x, field):
    return (getattr(x.VM, f"{form}{field}") for form in ("get_", "set_", "add_to_", "remove_from_"))


def test_bad_values_are_refused_whichever_call_writes_them():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        before, n = x.VM.get_record(vm), len(x.VM.get_all())
        for field, key, value in refusals():
            _, set_map, add, _ = messages(x, field)
            for call, *args in ((x.VM.create, {**GUEST, field: {key: value}}),
                                (set_map, vm, {**before[field], key: value}),
                                (add, vm, key, value)):
                if call is add and key in before[field]:
                    continue  # MAP_DUPLICATE_KEY
                failure = fails("INVALID_VALUE", call, *args)
                assert failure.params == [f"{field}:{key}", value], failure
        assert x.VM.get_record(vm) == before and len(x.VM.get_all()) == n


def test_good_values_and_unknown_keys_are_stored():
    with Host() as host:
        x = host.client()
        for field, keys in KNOWN.items():
            wanted = {key: good for key, (good, _) in keys.items() if key != "disks"} | ODD[field]
            made = x.VM.create({**GUEST, field: wanted})
            vm = x.VM.create(GUEST)
            get, set_map, add, remove = messages(x, field)
            set_map(vm, wanted)
            for key, value in wanted.items():
                remove(vm, key)
                assert key not in get(vm)
                add(vm, key, value)
            for ref in (made, vm):
                assert {key: get(ref).get(key) for key in wanted} == wanted, get(ref)
                x.VM.start(ref, False, False)  # and none of them is in the way
                x.VM.hard_shutdown(ref)


def test_all_sockets_have_as_many_cores():
    with Host() as host:
        x = host.client()
        vm = x.VM.create({**GUEST, "VCPUs_max": "4", "platform": {"cores-per-socket": "3"}})
        for call, *args in ((x.VM.start, vm, False, False), (x.VM.assert_can_boot_here, vm, x.host.get_all()[0])):
            assert fails("VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE", call, *args).params == ["4", "3"]
        x.VM.set_VCPUs_max(vm, "6")
        x.VM.start(vm, False, False)


def test_many_keys():
    with Host() as host:
        x = host.client()
        many = {f"vm-data/{n}": "x" for n in range(64)}
        vm = x.VM.create({**GUEST, "xenstore_data": many})
        failure = fails("INVALID_VALUE", x.VM.add_to_xenstore_data, vm, "vm-data/64", "x")
        assert failure.params[0] == "xenstore_data", failure
        fails("INVALID_VALUE", x.VM.set_xenstore_data, vm, {**many, "vm-data/64": "x"})
        x.VM.add_to_xenstore_data(vm, "FIST/1", "x")
        x.VM.remove_from_xenstore_data(vm, "vm-data/0")
        x.VM.add_to_xenstore_data(vm, "vm-data/64", "x")
        x.VM.start(vm, False, False)


def test_disks_of_a_template():
    with Host() as host:
        x = host.client()
        vm = x.VM.create({**GUEST, "is_a_template": True, "other_config": {"disks": DISKS}})
        assert fails("DEFAULT_SR_NOT_FOUND", x.VM.provision, vm).params == ["OpaqueRef:NULL"]
        x.VM.remove_from_other_config(vm, "disks")
        x.VM.add_to_other_config(vm, "disks", "<provision> </provision>")
        x.VM.provision(vm)
        assert "disks" not in x.VM.get_other_config(vm) and not x.VM.get_is_a_template(vm)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

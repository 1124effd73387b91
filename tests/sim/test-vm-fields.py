#!/usr/bin/python3
"""Settings of a VM that have rules of their own, and the questions about what it may do."""
import json
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import facts
import networks
import tap
from covers import covers
from disks import NULL, drivers_known, new_sr, new_vbd, new_vdi
from host import GUEST, Host, fails

MIB = 1 << 20
MACHINE = {"HVM_boot_policy": "BIOS order", "domain_type": "hvm", "PV_kernel": "", "PV_args": ""}
MEMORY = ("memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")


def memory(x, vm):
    record = x.VM.get_record(vm)
    return [int(record[name]) // MIB for name in MEMORY]


def refuses_when_running(x, vm, *calls):
    """Each (function, arguments) is refused while the VM runs."""
    x.VM.start(vm, False, False)
    for function, *args in calls:
        assert fails("VM_BAD_POWER_STATE", function, vm, *args).params == [vm, "halted", "running"]
    x.VM.hard_shutdown(vm)


@covers("VM.set_memory_limits", "VM.set_memory", "VM.set_memory_static_range",
        "VM.set_memory_dynamic_range", "VM.set_memory_static_min", "VM.set_memory_static_max",
        "VM.set_memory_dynamic_min", "VM.set_memory_dynamic_max")
def test_memory():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.set_memory_limits(vm, str(16 * MIB), str(256 * MIB), str(32 * MIB), str(128 * MIB))
        assert memory(x, vm) == [16, 32, 128, 256]
        fails("MEMORY_CONSTRAINT_VIOLATION", x.VM.set_memory_limits, vm, "0", "10", "0", "20")
        x.VM.set_memory_static_range(vm, str(24 * MIB), str(300 * MIB))
        assert memory(x, vm) == [24, 32, 128, 300]
        fails("MEMORY_CONSTRAINT_VIOLATION", x.VM.set_memory_static_range, vm, str(2 * MIB), str(MIB))
        x.VM.set_memory_dynamic_range(vm, str(48 * MIB), str(144 * MIB))
        assert memory(x, vm) == [24, 48, 144, 300]
        fails("MEMORY_CONSTRAINT_VIOLATION", x.VM.set_memory_dynamic_range, vm, "0", str(16 * MIB))
        for at, (name, value) in enumerate(zip(MEMORY, (25, 49, 145, 301))):
            x.call(f"VM.set_{name}", vm, str(value * MIB))
            assert memory(x, vm)[at] == value, (name, memory(x, vm))
            fails("MEMORY_CONSTRAINT_VIOLATION", x.call, f"VM.set_{name}", vm,
                  "-1" if name.endswith("max") else str(999 * MIB))
        x.VM.set_memory(vm, str(200 * MIB))
        assert memory(x, vm) == [25, 200, 200, 200]
        fails("MEMORY_CONSTRAINT_VIOLATION", x.VM.set_memory, vm, str(MIB))
        refuses_when_running(x, vm, (x.VM.set_memory, str(64 * MIB)),
                             (x.VM.set_memory_static_max, str(300 * MIB)),
                             (x.VM.set_memory_limits, "0", "1", "0", "1"))
        assert memory(x, vm) == [25, 200, 200, 200]


@covers("VM.set_VCPUs_max", "VM.set_VCPUs_at_startup")
def test_vcpus():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.set_VCPUs_max(vm, "4")
        x.VM.set_VCPUs_at_startup(vm, "3")
        assert (x.VM.get_VCPUs_max(vm), x.VM.get_VCPUs_at_startup(vm)) == ("4", "3")
        fails("INVALID_VALUE", x.VM.set_VCPUs_max, vm, "2")
        fails("INVALID_VALUE", x.VM.set_VCPUs_at_startup, vm, "5")
        fails("INVALID_VALUE", x.VM.set_VCPUs_at_startup, vm, "0")
        refuses_when_running(x, vm, (x.VM.set_VCPUs_max, "8"), (x.VM.set_VCPUs_at_startup, "1"))
        assert (x.VM.get_VCPUs_max(vm), x.VM.get_VCPUs_at_startup(vm)) == ("4", "3")


@covers("VM.set_domain_type", "VM.set_HVM_boot_policy", "VM.set_bios_strings")
def test_what_a_running_guest_does_not_change():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.set_domain_type(vm, "pv")
        assert x.VM.get_domain_type(vm) == "pv"
        x.VM.start(vm, False, False)
        assert x.VM_metrics.get_current_domain_type(x.VM.get_metrics(vm)) == "pv"
        x.VM.hard_shutdown(vm)
        fails("INVALID_VALUE", x.VM.set_domain_type, vm, "mainframe")
        x.VM.set_HVM_boot_policy(vm, "BIOS order")
        assert x.VM.get_HVM_boot_policy(vm) == "BIOS order"
        refuses_when_running(x, vm, (x.VM.set_domain_type, "pvh"), (x.VM.set_HVM_boot_policy, ""),
                             (x.VM.set_bios_strings, {"bios-vendor": "us"}))

        fails("INVALID_VALUE", x.VM.set_bios_strings, vm, {"coffee-machine": "yes"})
        fails("INVALID_VALUE", x.VM.set_bios_strings, vm, {"bios-vendor": "\t"})
        fails("INVALID_VALUE", x.VM.set_bios_strings, vm, {"bios-vendor": ""})
        fails("INVALID_VALUE", x.VM.set_bios_strings, vm, {"bios-vendor": "x" * 513})
        assert x.VM.get_bios_strings(vm) == {}
        strings = {"bios-vendor": "Acme", "system-serial-number": "4711"}
        x.VM.set_bios_strings(vm, strings)
        assert x.VM.get_bios_strings(vm) == strings
        fails("VM_BIOS_STRINGS_ALREADY_SET", x.VM.set_bios_strings, vm, {"bios-vendor": "Other"})
        assert x.VM.get_bios_strings(vm) == strings


@covers("VM.set_actions_after_crash", "VM.set_start_delay", "VM.set_shutdown_delay", "VM.set_order")
def test_plain_values():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.start(vm, False, False)  # they may change at any time
        for name, value, bad in (("actions_after_crash", "destroy", "explode"),
                                 ("start_delay", "7", "soon"), ("shutdown_delay", "8", "never"),
                                 ("order", "9", "first")):
            x.call(f"VM.set_{name}", vm, value)
            assert x.call(f"VM.get_{name}", vm) == value
            fails("INVALID_VALUE", x.call, f"VM.set_{name}", vm, bad)
            fails("HANDLE_INVALID", x.call, f"VM.set_{name}", "OpaqueRef:none", value)
            assert x.call(f"VM.get_{name}", vm) == value
        host.guest(f"crash {x.VM.get_uuid(vm)}")
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Halted", "end after the crash")


@covers("VM.set_blocked_operations", "VM.add_to_blocked_operations",
        "VM.remove_from_blocked_operations", "VM.assert_operation_valid",
        "VM.update_allowed_operations")
def test_blocked_and_allowed_operations():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.assert_operation_valid(vm, "start")
        x.VM.set_blocked_operations(vm, {"start": "not today"})
        assert fails("OPERATION_BLOCKED", x.VM.start, vm, False, False).params == [vm, "not today"]
        fails("OPERATION_BLOCKED", x.VM.assert_operation_valid, vm, "start")
        assert "start" not in x.VM.get_allowed_operations(vm)
        x.VM.add_to_blocked_operations(vm, "destroy", "precious")
        fails("MAP_DUPLICATE_KEY", x.VM.add_to_blocked_operations, vm, "destroy", "again")
        assert x.VM.get_blocked_operations(vm) == {"start": "not today", "destroy": "precious"}
        fails("OPERATION_BLOCKED", x.VM.destroy, vm)
        fails("INVALID_VALUE", x.VM.set_blocked_operations, vm, {"levitate": ""})
        x.VM.remove_from_blocked_operations(vm, "start")
        fails("HANDLE_INVALID", x.VM.remove_from_blocked_operations, "OpaqueRef:none", "start")
        assert "start" in x.VM.get_allowed_operations(vm)
        x.VM.start(vm, False, False)
        failure = fails("VM_BAD_POWER_STATE", x.VM.assert_operation_valid, vm, "start")
        assert failure.params == [vm, "halted", "running"], failure.params
        fails("NOT_IMPLEMENTED", x.VM.assert_operation_valid, vm, "checkpoint")

        token = x.call("event.from", [f"VM/{vm}"], "", 0.0)["token"]
        x.VM.update_allowed_operations(vm)
        events = x.call("event.from", [f"VM/{vm}"], token, 5.0)["events"]
        assert [e["snapshot"]["allowed_operations"] for e in events] == [x.VM.get_allowed_operations(vm)]
        fails("HANDLE_INVALID", x.VM.update_allowed_operations, "OpaqueRef:none")


def try_map(x, vm, field):
    setting, getting = (x.VM.__getattr__(f"{verb}_{field}") for verb in ("set", "get"))
    adding, removing = (x.VM.__getattr__(f"{verb}_{field}") for verb in ("add_to", "remove_from"))
    setting(vm, {"a": "1", "b": "2"})
    assert getting(vm) == {"a": "1", "b": "2"}
    adding(vm, "c", "3")
    failure = fails("MAP_DUPLICATE_KEY", adding, vm, "c", "4")
    assert failure.params == ["VM", field, vm, "c"], failure.params
    removing(vm, "a")
    removing(vm, "a")  # what is not there is not missed
    assert getting(vm) == {"b": "2", "c": "3"}
    for function, *args in ((setting, {}), (removing, "b")):
        fails("HANDLE_INVALID", function, "OpaqueRef:none", *args)


@covers("VM.set_other_config", "VM.add_to_other_config", "VM.remove_from_other_config",
        "VM.set_platform", "VM.add_to_platform", "VM.remove_from_platform")
def test_maps():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        for field in ("other_config", "platform"):
            try_map(x, vm, field)


@covers("VM.get_possible_hosts", "VM.assert_can_boot_here")
def test_where_it_can_run():
    with Host() as host:
        x = host.client()
        vm, here = x.VM.create(GUEST), x.host.get_all()[0]
        assert x.VM.get_possible_hosts(vm) == [here]
        x.VM.assert_can_boot_here(vm, here)
        x.VM.start(vm, False, False)
        assert x.VM.get_possible_hosts(vm) == [here], "of a running VM too"
        x.VM.hard_shutdown(vm)
        x.host.disable(here)
        fails("HOST_DISABLED", x.VM.assert_can_boot_here, vm, here)
        fails("HOST_DISABLED", x.VM.start, vm, False, False)
        assert x.VM.get_possible_hosts(vm) == []
        x.host.enable(here)
        x.VM.set_PV_kernel(vm, "../shadow")
        fails("INVALID_VALUE", x.VM.assert_can_boot_here, vm, here)
        fails("HANDLE_INVALID", x.VM.get_possible_hosts, "OpaqueRef:none")


@covers("VM.copy_bios_strings")
def test_firmware_like_the_hosts():
    with Host() as host:
        x = host.client()
        here, = x.host.get_all()
        tap.wait_until(lambda: "boot_time" in x.host.get_other_config(here), "facts")
        given = {key: text for key, text in x.host.get_bios_strings(here).items() if text.isascii() and text.isprintable()}
        vm = x.VM.create({**GUEST, **MACHINE})
        fails("HANDLE_INVALID", x.VM.copy_bios_strings, vm, NULL)
        refuses_when_running(x, vm, (x.VM.copy_bios_strings, here))
        x.VM.copy_bios_strings(vm, here)
        assert x.VM.get_bios_strings(vm) == given and x.VM.get_affinity(vm) == here
        x.VM.start(vm, False, False)
        other = x.VM.create({**GUEST, **MACHINE})
        x.VM.set_bios_strings(other, {"bios-vendor": "Acme"})
        fails("VM_BIOS_STRINGS_ALREADY_SET", x.VM.copy_bios_strings, other, here)
        assert x.VM.get_bios_strings(other) == {"bios-vendor": "Acme"}
        x.VM.start(other, False, False)
        fails("HANDLE_INVALID", x.VM.copy_bios_strings, "OpaqueRef:none", here)


@covers("VM.assert_agile")
def test_whether_it_is_bound_to_its_host():
    with Host() as host:
        networks.interfaces(host)
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.assert_agile(vm)
        new_vbd(x, vm, NULL, type="CD", mode="RO")
        x.VM.assert_agile(vm)
        drivers_known(x)
        sr = new_sr(host, x, shared=True)
        vbd = new_vbd(x, vm, new_vdi(x, sr))
        x.VM.assert_agile(vm)
        x.PBD.unplug(x.SR.get_PBDs(sr)[0])
        assert fails("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", x.VM.assert_agile, vm).params == [sr]
        x.VBD.destroy(vbd)
        local = new_sr(host, x, name="local")
        vbd = new_vbd(x, vm, new_vdi(x, local))
        assert fails("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", x.VM.assert_agile, vm).params == [local]
        x.VBD.destroy(vbd)
        inside = networks.new_network(x)
        vif = networks.new_vif(x, vm, inside)
        assert fails("HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", x.VM.assert_agile, vm).params == [inside]
        x.VIF.destroy(vif)
        here, = x.host.get_all()
        x.PIF.scan(here)
        pif = next(ref for ref, record in x.PIF.get_all_records().items() if record["device"] == "eth1")
        networks.new_vif(x, vm, x.PIF.get_network(pif))
        fails("HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", x.VM.assert_agile, vm)
        x.PIF.plug(pif)
        x.VM.assert_agile(vm)
        fails("HANDLE_INVALID", x.VM.assert_agile, "OpaqueRef:none")


@covers("VM.provision")
def test_a_template_becomes_a_vm():
    with Host() as host:
        x = host.client()
        template = x.VM.create({**GUEST, "is_a_template": True})
        fails("VM_IS_TEMPLATE", x.VM.start, template, False, False)
        assert "provision" in x.VM.get_allowed_operations(template)
        x.VM.provision(template)
        assert x.VM.get_is_a_template(template) is False
        x.VM.start(template, False, False)
        failure = fails("VM_BAD_POWER_STATE", x.VM.provision, template)
        assert failure.params == [template, "halted", "running"], failure.params


def test_create_with_every_field():
    """Every field of a client's record is kept, each with a value that is not its default; those that are
    left out, and those that only the server writes, have their defaults."""
    schema = json.loads((Path(facts.HERE).parents[1] / "lib/datamodel/schema/classes/VM.json").read_text())
    fields = {field["name"]: field for field in schema["fields"]}
    given = {name: field for name, field in fields.items() if field["qualifier"] != "DynamicRO"}
    with Host() as host:
        x = host.client(json_rpc=True)
        here = x.host.get_all()[0]
        # What has rules of its own; power_state can only be Halted here.
        particular = {
            **dict(zip(MEMORY, (str(size * MIB) for size in (16, 32, 64, 128)))),
            "VCPUs_max": "4", "VCPUs_at_startup": "2", "VCPUs_params": {"weight": "512"}, "power_state": "Halted",
            "domain_type": "pvh", "affinity": here, "platform": {"acpi": "1", "unknown": "kept"},
            "other_config": {"mac_seed": "4ae1a9f2-9d2d-4b8f-9f7e-7a3f3c0a5b01", "x": "y"},
            "xenstore_data": {"vm-data/a": "b"}, "HVM_boot_params": {"order": "n"}, "generation_id": "1:2",
            "blocked_operations": {"destroy": "not now"}, "HVM_shadow_multiplier": 2.5}
        record = {}
        for name, field in given.items():
            plain = [value for value in facts.values(field["type"])
                     if value != field.get("default") and value not in (facts.NULL, "", {}, [])]
            record[name] = particular.get(name, plain[0] if plain else facts.NULL)
        vm = x.VM.create({**record, "uuid": "of no account", "domid": 77, "is_control_domain": True})
        made = x.VM.get_record(vm)
        for name in given:
            assert str(made[name]) == str(record[name]), (name, record[name], made[name])
        assert (made["domid"], made["is_control_domain"]) == (-1, False) and made["uuid"] != "of no account"
        few = x.VM.get_record(x.VM.create(GUEST))
        own = {*GUEST, "uuid", "metrics", "allowed_operations", "other_config", "domid", "domain_type", "power_state",
               "VCPUs_max", "VCPUs_at_startup", *MEMORY}
        for name in sorted(set(few) - own):
            if "default" in fields[name]:
                default = fields[name]["default"]
                assert few[name] == default or str(few[name]) == str(default), (name, few[name])
            else:
                assert few[name] in ("", 0, 0.0, False, [], {}, facts.NULL, "19700101T00:00:00Z"), (name, few[name])
        assert list(few["other_config"]) == ["mac_seed"] and few["domid"] == -1


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""Domains that another tool made: shown for as long as they are there, and never touched."""
import sys
import uuid
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
import world
from disks import new_vbd
from host import GUEST, Host, fails
from waiting import events

# Messages that would change a domain, or take it for one of ours, with what follows the VM.
TOUCHING = [("start", False, False), ("pause",), ("unpause",), ("clean_shutdown",), ("hard_shutdown",),
            ("clean_reboot",), ("hard_reboot",), ("suspend",), ("resume", False, False), ("destroy",),
            ("power_state_reset",), ("provision",), ("set_VCPUs_number_live", 1), ("send_sysrq", "h"),
            ("send_trigger", "nmi"), ("set_memory_dynamic_range", str(64 << 20), str(64 << 20))]


def made(host, name="by-xl"):
    """uuid of a domain that xl made."""
    its = str(uuid.uuid4())
    host.guest(f"xl-create {its} {name}")
    return its


def domain(host, its):
    return next(found for found in world.domains(host.sim) if found["uuid"] == its)


def shown(x, its):
    """Its record, once it is there."""
    found = []

    def there():
        found[:] = [(vm, record) for vm, record in x.VM.get_all_records().items() if record["uuid"] == its]
        return found

    tap.wait_until(there, f"a record of {its}")
    return found[0]


def gone(x, its):
    tap.wait_until(lambda: all(record["uuid"] != its for record in x.VM.get_all_records().values()),
                   f"no record of {its}")


def test_what_another_tool_made_is_shown():
    with Host("resync_seconds=1") as host:
        x = host.client()
        its = made(host)
        vm, record = shown(x, its)
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Running", "its state")
        record = x.VM.get_record(vm)
        its_domain = domain(host, its)
        assert record["name_label"] == "by-xl" and "another tool" in record["name_description"], record
        assert record["domid"] == str(its_domain["domid"]), (record, its_domain)
        assert record["allowed_operations"] == [] and record["resident_on"] == x.host.get_all()[0]
        assert record["domain_type"] == "pvh" and record["VCPUs_max"] == "1", record
        metrics = x.VM_metrics.get_record(record["metrics"])
        assert int(metrics["memory_actual"]) == its_domain["memory"], (metrics, its_domain)
        assert metrics["current_domain_type"] == "pvh" and record["memory_target"] == str(its_domain["memory"]), record
        assert record["memory_static_max"] == str(its_domain["memory"]), (record, its_domain)
        host.guest(f"xl-pause {its}")
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Paused", "xl pause")
        host.guest(f"xl-unpause {its}")
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Running", "xl unpause")
        token = events(x, ["vm"], "", 0.0)["token"]
        host.guest(f"xl-destroy {its}")
        gone(x, its)
        told = [event["operation"] for event in events(x, ["vm"], token, 5.0)["events"] if event["ref"] == vm]
        assert told == ["del"], told
        assert record["metrics"] not in x.VM_metrics.get_all()


def test_no_message_touches_it():
    with Host() as host:
        x = host.client()
        its = made(host)
        vm, _ = shown(x, its)
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Running", "its state")
        before = domain(host, its)
        for name, *args in TOUCHING:
            fails("OPERATION_NOT_ALLOWED", getattr(x.VM, name), vm, *args)
        fails("OPERATION_NOT_ALLOWED", lambda: new_vbd(x, vm, "OpaqueRef:NULL", type="CD", mode="RO", empty=True))
        assert x.VM.get_VBDs(vm) == []
        # It cannot be made ours by what a client can write.
        x.VM.set_other_config(vm, {})
        x.VM.set_name_description(vm, "mine")
        x.VM.set_blocked_operations(vm, {})
        assert x.VM.get_allowed_operations(vm) == []
        fails("OPERATION_NOT_ALLOWED", x.VM.hard_shutdown, vm)
        after = domain(host, its)
        assert after == before, (before, after)
        # A guest that ends is its tool's affair, too.
        host.guest(f"crash {its}")
        tap.wait_until(lambda: domain(host, its)["state"] == "shutdown", "its crash")
        x.VM.create({**GUEST, "name_label": "beside it"})
        assert shown(x, its)[0] == vm and domain(host, its)["domid"] == before["domid"]


def test_it_outlives_our_programs():
    with Host() as host:
        x = host.client()
        kept, ended = made(host, "kept"), made(host, "ended")
        vm, _ = shown(x, kept)
        shown(x, ended)
        for name in "xapid-domains", "xapid":
            host.kill(name)
        host.wait_up()
        host.stop()
        host.start()
        x = host.client()
        assert shown(x, kept)[0] == vm, "another reference"
        host.guest(f"xl-destroy {ended}")
        gone(x, ended)
        assert x.VM.get_allowed_operations(vm) == []
        fails("OPERATION_NOT_ALLOWED", x.VM.hard_shutdown, vm)


def test_a_vm_of_ours_that_another_tool_built():
    """Of one uuid there is one row, ours; what the other tool's domain does by itself is not ours to follow."""
    with Host() as host:
        x = host.client()
        vm = x.VM.create({**GUEST, "actions_after_crash": "restart"})
        its = x.VM.get_uuid(vm)
        host.guest(f"xl-create {its} taken")
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Running", "the domain is seen")
        fails("VM_BAD_POWER_STATE", x.VM.start, vm, False, False)
        domid = domain(host, its)["domid"]
        host.guest(f"crash {its}")
        tap.wait_until(lambda: domain(host, its)["state"] == "shutdown", "its crash")
        x.VM.get_all_records()
        assert len([1 for record in x.VM.get_all_records().values() if record["uuid"] == its]) == 1
        assert domain(host, its)["domid"] == domid
        host.guest(f"xl-destroy {its}")
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Halted", "its end is seen")


tap.run(test_what_another_tool_made_is_shown, test_no_message_touches_it, test_it_outlives_our_programs,
        test_a_vm_of_ours_that_another_tool_built)

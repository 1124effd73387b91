#!/usr/bin/python3
"""The life of a VM on a simulated host, as an XML-RPC client sees it."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
import world
from covers import covers
from host import GUEST, Host, fails


def refuse(vm, expected, actual, *calls):
    for call in calls:
        params = fails("VM_BAD_POWER_STATE", call, vm).params
        assert params == [vm, expected, actual], params


@covers("VM.create", "VM.start", "VM.pause", "VM.unpause", "VM.hard_shutdown", "VM.clean_shutdown",
        "VM.hard_reboot", "VM.clean_reboot", "VM.destroy")
def test_create_start_and_destroy():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        record = x.VM.get_record(vm)
        assert record["power_state"] == "Halted" and record["name_label"] == "guest"
        assert "start" in record["allowed_operations"]
        fails("INVALID_VALUE", x.VM.create, {**GUEST, "power_state": "Running"})
        refuse(vm, "running", "halted", x.VM.pause, x.VM.hard_shutdown, x.VM.clean_shutdown,
               x.VM.hard_reboot, x.VM.clean_reboot)
        x.VM.start(vm, False, False)
        record = x.VM.get_record(vm)
        assert record["power_state"] == "Running", record["power_state"]
        assert int(record["domid"]) > 0
        assert record["resident_on"] == x.host.get_all()[0]
        assert len(record["consoles"]) == 2
        assert x.VM_metrics.get_record(record["metrics"])["current_domain_type"] == "pvh"
        failure = fails("VM_BAD_POWER_STATE", x.VM.start, vm, False, False)
        assert failure.params == [vm, "halted", "running"], failure.params
        refuse(vm, "paused", "running", x.VM.unpause)
        refuse(vm, "halted", "running", x.VM.destroy)
        x.VM.pause(vm)
        assert x.VM.get_power_state(vm) == "Paused"
        x.VM.unpause(vm)
        assert x.VM.get_power_state(vm) == "Running"
        domids = [record["domid"]]
        for reboot in (x.VM.hard_reboot, x.VM.clean_reboot):
            reboot(vm)
            assert x.VM.get_power_state(vm) == "Running"
            assert x.VM.get_domid(vm) not in domids
            domids.append(x.VM.get_domid(vm))
        x.VM.hard_shutdown(vm)
        assert x.VM.get_power_state(vm) == "Halted"
        x.VM.start(vm, False, False)
        x.VM.clean_shutdown(vm)
        record = x.VM.get_record(vm)
        assert record["power_state"] == "Halted" and record["consoles"] == []
        x.VM.destroy(vm)
        fails("HANDLE_INVALID", x.VM.get_record, vm)
        assert not host.violations()


@covers("VM.start_on")
def test_start_paused_and_on_a_host():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.start_on(vm, x.host.get_all()[0], True, False)
        assert x.VM.get_power_state(vm) == "Paused"
        here = x.host.get_all()[0]
        assert x.VM.get_resident_on(vm) == here
        fails("VM_BAD_POWER_STATE", x.VM.start_on, vm, here, True, False)
        x.VM.hard_shutdown(vm)
        fails("HANDLE_INVALID", x.VM.start_on, vm, "OpaqueRef:none", False, False)


def test_guest_ends_by_itself():
    with Host() as host:
        x = host.client()
        uuids = {}
        for word, state in (("halt", "Halted"), ("reboot", "Running"), ("crash", "Running")):
            vm = x.VM.create(GUEST)
            x.VM.start(vm, False, False)
            uuids[word] = (vm, x.VM.get_uuid(vm), x.VM.get_domid(vm), state)
        for word, (vm, uuid, domid, state) in uuids.items():
            host.guest(f"{word} {uuid}")
            tap.wait_until(lambda: x.VM.get_domid(vm) != domid and x.VM.get_power_state(vm) == state,
                           f"{state} after {word}")
        assert not host.violations()


def test_another_tool_pauses_a_guest():
    with Host("resync_seconds=1") as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        uuid = x.VM.get_uuid(vm)
        x.VM.start(vm, False, False)
        for command, state in (("xl-pause", "Paused"), ("xl-unpause", "Running"),
                               ("xl-pause", "Paused")):
            host.guest(f"{command} {uuid}")
            tap.wait_until(lambda: x.VM.get_power_state(vm) == state, f"{state} after {command}")
        x.VM.unpause(vm)
        assert [d["state"] for d in world.domains(host.sim) if d["uuid"] == uuid] == ["running"]


def test_async_and_events():
    with Host() as host:
        x = host.client()
        token = x.call("event.from", ["*"], "", 0.0)["token"]
        vm = x.VM.create(GUEST)
        task = x.Async.VM.start(vm, False, False)
        record = x.wait_task(task)
        assert record["status"] == "success" and record["result"] == "<value></value>", record
        batch = x.call("event.from", ["vm", "task"], token, 5.0)
        seen = {(e["class"], e["operation"], e["ref"]) for e in batch["events"]}
        assert ("vm", "add", vm) in seen and ("task", "add", task) in seen, seen
        assert batch["valid_ref_counts"]["task"] == 1
        record = x.wait_task(x.Async.VM.start(vm, False, False))
        assert record["status"] == "failure"
        assert record["error_info"][0] == "VM_BAD_POWER_STATE", record["error_info"]
        quiet = x.call("event.from", ["vm"], batch["token"], 0.1)
        assert [e for e in quiet["events"] if e["class"] != "vm"] == []


def test_clean_shutdown_is_interrupted_by_a_hard_one():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        host.guest(f"refuse-shutdown {x.VM.get_uuid(vm)}")
        task = x.Async.VM.clean_shutdown(vm)
        tap.wait_until(lambda: x.VM.get_current_operations(vm), "current_operations")
        assert "hard_shutdown" in x.VM.get_allowed_operations(vm)
        fails("OTHER_OPERATION_IN_PROGRESS", x.VM.pause, vm)
        x.VM.hard_shutdown(vm)
        assert x.VM.get_power_state(vm) == "Halted"
        assert x.wait_task(task)["status"] == "cancelled"


def test_a_cancel_meets_a_shutdown_at_any_moment():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        uuid = x.VM.get_uuid(vm)
        for _ in range(30):
            x.VM.start(vm, False, False)
            host.guest(f"refuse-shutdown {uuid}")
            task = x.Async.VM.clean_shutdown(vm)
            x.VM.hard_shutdown(vm)
            assert x.wait_task(task)["status"] == "cancelled"
        assert x.VM.get_current_operations(vm) == {}


def test_a_killed_program_disturbs_no_guest():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        domid = x.VM.get_domid(vm)
        for program in ("xapid-domains", "xapid-host", "xapid"):
            host.kill(program)
            host.wait_up()
            x = host.client()
            assert x.VM.get_power_state(vm) == "Running" and x.VM.get_domid(vm) == domid
            assert "hard_shutdown" in x.VM.get_allowed_operations(vm)
        x.VM.clean_shutdown(vm)
        assert not host.violations()


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

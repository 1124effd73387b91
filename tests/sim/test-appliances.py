#!/usr/bin/python3
"""Appliances: VMs that start and stop together, in order."""
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import networks
import settled
import tap
from covers import covers
from host import GUEST, Client, Failure, Host, fails
from owner import BROKEN, EXCUSES, Gate, Owner
from xtool import Tool

NONE, NULL = "OpaqueRef:none", "OpaqueRef:NULL"
LONG = "86400"  # seconds; nobody waits for them


def new_appliance(x, *orders, **fields):
    """One with a VM for each order."""
    appliance = x.VM_appliance.create({"name_label": "service"})
    vms = [x.VM.create({**GUEST, **fields, "order": str(order)}) for order in orders]
    for vm in vms:
        x.VM.set_appliance(vm, appliance)
    return appliance, vms


def states(x, vms):
    return [x.VM.get_power_state(vm) for vm in vms]


def allowed(x, appliance):
    return set(x.VM_appliance.get_allowed_operations(appliance))


def parts(x, task):
    """Of an appliance's task: [(message, VM's status)], as they were begun."""
    records = [x.task.get_record(part) for part in x.task.get_subtasks(task)]
    return [(record["name_label"], record["status"]) for record in sorted(records, key=lambda r: str(r["created"]))]


@covers("VM.set_appliance", "VM_appliance.destroy")
def test_who_is_in_one():
    with Host() as host:
        x = host.client()
        appliance, (vm,) = new_appliance(x, 0)
        other, _ = new_appliance(x)
        assert x.VM_appliance.get_VMs(appliance) == [vm] and x.VM.get_appliance(vm) == appliance
        assert (allowed(x, appliance), allowed(x, other)) == ({"start"}, set())
        x.VM.set_appliance(vm, other)
        assert (allowed(x, appliance), allowed(x, other)) == (set(), {"start"})
        assert x.VM_appliance.get_VMs(appliance) == [] and x.VM_appliance.get_VMs(other) == [vm]
        x.VM.set_appliance(vm, NULL)
        assert x.VM.get_appliance(vm) == NULL and allowed(x, other) == set()
        fails("HANDLE_INVALID", x.VM.set_appliance, vm, NONE)
        snapshot = x.VM.snapshot(vm, "of it")
        fails("VM_IS_SNAPSHOT", x.VM.set_appliance, snapshot, appliance)
        template = x.VM.create({**GUEST, "is_a_template": True})
        assert fails("VM_IS_TEMPLATE", x.VM.set_appliance, template, appliance).params == [template]
        dom0, = [ref for ref, record in x.VM.get_all_records().items() if record["is_control_domain"]]
        fails("OPERATION_NOT_ALLOWED", x.VM.set_appliance, dom0, appliance)
        x.VM.set_appliance(vm, appliance)
        copy = x.VM.clone(vm, "another")
        assert x.VM.get_appliance(copy) == NULL
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        assert allowed(x, appliance) == {"start"}, "it is not in the database"
        x.VM.destroy(vm)
        assert allowed(x, appliance) == set() and x.VM_appliance.get_VMs(appliance) == []
        x.VM.set_appliance(copy, appliance)
        x.VM_appliance.destroy(appliance)
        assert x.VM.get_appliance(copy) == NULL and x.VM.get_power_state(copy) == "Halted"
        fails("HANDLE_INVALID", x.VM_appliance.destroy, appliance)


def test_a_start_in_order():
    with Host() as host:
        x = host.client()
        appliance, vms = new_appliance(x, 2, 1, 1, 3)
        for paused, state in (True, "Paused"), (False, "Running"):
            x.VM_appliance.start(appliance, paused)
            assert states(x, vms) == [state] * 4
            last, one, two, after = [int(x.VM.get_domid(vm)) for vm in vms]
            assert max(one, two) < last < after, (one, two, last, after)
            assert allowed(x, appliance) == {"hard_shutdown", "shutdown"} | ({"clean_shutdown"} - {paused and "clean_shutdown"})
            failure = fails("OPERATION_NOT_ALLOWED", x.VM_appliance.start, appliance, False)
            assert failure.params == ["There are no halted VMs in this appliance."]
            x.VM_appliance.hard_shutdown(appliance)
        x.VM.start(vms[0], False, False)
        x.VM_appliance.start(appliance, True)
        assert states(x, vms) == ["Running", "Paused", "Paused", "Paused"]
        empty, _ = new_appliance(x)
        assert fails("OPERATION_NOT_ALLOWED", x.VM_appliance.start, empty, False).params == ["The appliance has no VMs."]
        assert not settled.check(host)


@covers("VM_appliance.start")
def test_those_that_cannot_start():
    with Host() as host:
        x = host.client()
        appliance, (first, bad, suspended, last) = new_appliance(x, -1, 0, 1, 2)
        networks.new_vif(x, bad, networks.new_network(x, bridge="br-none", managed=False))
        x.VM.start(suspended, False, False)
        x.VM.suspend(suspended)
        task = x.Async.VM_appliance.start(appliance, False)
        record = x.wait_task(task)
        assert record["error_info"] == ["OPERATION_PARTIALLY_FAILED", "VM_appliance.start", bad, suspended], record
        assert states(x, [first, bad, suspended, last]) == ["Running", "Halted", "Suspended", "Running"]
        fails("HANDLE_INVALID", x.VM_appliance.start, NONE, False)
        failure = fails("OPERATION_PARTIALLY_FAILED", x.VM_appliance.start, appliance, False)
        assert failure.params == ["VM_appliance.start", bad, suspended], failure
        x.VM.destroy(bad)
        x.VM.set_appliance(suspended, NULL)
        x.VM.hard_shutdown(last)
        x.VM_appliance.start(appliance, False)
        assert states(x, [first, last]) == ["Running"] * 2
        assert sorted(parts(x, task)) == [("VM.start", "failure"), ("VM.start", "success"), ("VM.start", "success")]
        whys = [x.task.get_error_info(part) for part in x.task.get_subtasks(task)]
        assert ["BRIDGE_NOT_AVAILABLE", "br-none"] in whys, whys
        assert not settled.check(host)


def test_delays():
    with Host() as host:
        x = host.client()
        appliance, (first, second) = new_appliance(x, 1, 2)
        for vm in first, second:
            x.VM.set_start_delay(vm, LONG)
            x.VM.set_shutdown_delay(vm, LONG)
        task = x.Async.VM_appliance.start(appliance, False)
        tap.wait_until(lambda: x.task.get_progress(task) == 0.5, "half of it")
        time.sleep(0.2)
        assert states(x, [first, second]) == ["Running", "Halted"] and x.task.get_status(task) == "pending"
        assert x.VM_appliance.get_current_operations(appliance) == {task: "start"} and allowed(x, appliance) == set()
        for call in lambda: x.VM_appliance.start(appliance, False), lambda: x.VM_appliance.shutdown(appliance), \
                lambda: x.VM_appliance.destroy(appliance):
            failure = fails("OTHER_OPERATION_IN_PROGRESS", call)
            assert failure.params[:3] == ["VM_appliance", appliance, "start"], failure
        x.task.cancel(task)
        assert x.wait_task(task)["status"] == "cancelled"
        assert states(x, [first, second]) == ["Running", "Halted"], "what was done stays"
        x.VM_appliance.start(appliance, False)  # the first one runs: nobody waits for it, nor after the last
        assert states(x, [first, second]) == ["Running", "Running"]
        task = x.Async.VM_appliance.clean_shutdown(appliance)
        tap.wait_until(lambda: x.task.get_progress(task) == 0.5, "half of it")
        time.sleep(0.2)
        assert states(x, [first, second]) == ["Running", "Halted"], "in the order of the start"
        x.task.cancel(task)
        assert x.wait_task(task)["status"] == "cancelled"
        assert not settled.check(host)


@covers("VM_appliance.clean_shutdown", "VM_appliance.hard_shutdown", "VM_appliance.shutdown")
def test_shutdowns():
    with Host() as host:
        x = host.client()
        appliance, (first, second) = new_appliance(x, 1, 2)
        for name in "clean_shutdown", "hard_shutdown", "shutdown":
            fails("OPERATION_NOT_ALLOWED", x.call, f"VM_appliance.{name}", appliance)
            fails("HANDLE_INVALID", x.call, f"VM_appliance.{name}", NONE)
            x.VM_appliance.start(appliance, False)
            task = x.call(f"Async.VM_appliance.{name}", appliance)
            assert x.wait_task(task)["status"] == "success"
            assert states(x, [first, second]) == ["Halted", "Halted"]
            assert parts(x, task) == [(f"VM.{'hard' if name == 'hard_shutdown' else 'clean'}_shutdown", "success")] * 2
            x.VM_appliance.start(appliance, False)
            x.call(f"VM_appliance.{name}", appliance)
            assert states(x, [first, second]) == ["Halted", "Halted"]

        x.VM_appliance.start(appliance, False)
        x.VM.pause(first)
        failure = fails("OPERATION_PARTIALLY_FAILED", x.VM_appliance.clean_shutdown, appliance)
        assert failure.params == ["VM_appliance.clean_shutdown", first]
        assert states(x, [first, second]) == ["Paused", "Halted"]
        x.VM.start(second, False, False)
        x.VM_appliance.shutdown(appliance)  # the paused one at once
        assert states(x, [first, second]) == ["Halted", "Halted"]

        # One must stay.
        x.VM_appliance.start(appliance, False)
        x.VM.set_blocked_operations(second, {"clean_shutdown": "no", "hard_shutdown": "no"})
        for name in "shutdown", "hard_shutdown":
            failure = fails("OPERATION_PARTIALLY_FAILED", x.call, f"VM_appliance.{name}", appliance)
            assert failure.params == [f"VM_appliance.{name}", second], failure
            assert states(x, [first, second]) == ["Halted", "Running"]
            x.VM.start(first, False, False)
        x.VM.set_blocked_operations(second, {})
        x.VM_appliance.hard_shutdown(appliance)

        # One does not obey.
        x.VM_appliance.start(appliance, False)
        host.guest(f"refuse-shutdown {x.VM.get_uuid(second)}")
        task = x.Async.VM_appliance.shutdown(appliance)
        part = tap.wait_until(lambda: x.VM.get_current_operations(second), "its shutdown")
        assert list(part.values()) == ["clean_shutdown"] and x.VM.get_power_state(first) == "Running"
        x.task.cancel(*part)
        assert x.wait_task(task)["status"] == "success"
        assert states(x, [first, second]) == ["Halted", "Halted"]
        assert ("VM.clean_shutdown", "cancelled") in parts(x, task) and ("VM.hard_shutdown", "success") in parts(x, task)
        # The appliance's cancelling is theirs.
        x.VM_appliance.start(appliance, False)
        host.guest(f"refuse-shutdown {x.VM.get_uuid(second)}")
        task = x.Async.VM_appliance.shutdown(appliance)
        tap.wait_until(lambda: x.VM.get_current_operations(second), "its shutdown")
        x.task.cancel(task)
        assert x.wait_task(task)["status"] == "cancelled" and parts(x, task) == [("VM.clean_shutdown", "cancelled")]
        assert states(x, [first, second]) == ["Running", "Running"] and not x.VM.get_current_operations(second)
        # And a hard one ends what the user waits for elsewhere.
        task = x.Async.VM.clean_shutdown(second)
        x.VM_appliance.hard_shutdown(appliance)
        assert x.wait_task(task)["status"] == "cancelled" and states(x, [first, second]) == ["Halted", "Halted"]
        assert not settled.check(host)


def test_who_is_at_work_already():
    with Host(sim_conf="[host]\ncreate_ms=700\n") as host:
        x = host.client()
        appliance, (first, second) = new_appliance(x, 1, 2)
        own = x.Async.VM.start(first, False, False)
        task = x.Async.VM_appliance.start(appliance, False)
        assert x.wait_task(task)["status"] == x.wait_task(own)["status"] == "success"
        assert states(x, [first, second]) == ["Running", "Running"] and parts(x, task) == [("VM.start", "success")]
        assert not settled.check(host)


def test_restarts_of_the_daemon():
    with Host(sim_conf="[host]\ncreate_ms=400\n") as host:
        x = host.client()
        session = x.session_ref
        appliance, vms = new_appliance(x, 1, 1, 2)
        task = x.Async.VM_appliance.start(appliance, False)
        for waits_for in ["Halted", "Halted", "Halted"], ["Running", "Running", "Halted"]:
            tap.wait_until(lambda: states(x, vms) == waits_for and any(x.VM.get_current_operations(vm) for vm in vms), "work")
            host.kill("xapid")
            host.wait_up()
            x = Client(host).resume(session)
            assert list(x.VM_appliance.get_current_operations(appliance).values()) in (["start"], [])
        record = x.wait_task(task)
        assert record["status"] == "success" and states(x, vms) == ["Running"] * 3, record
        assert not settled.check(host)


def start_with_fault(fault):
    """Insists, as a user would who is told of a failure."""
    host = Host()
    marks = host.dir / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    host.environment.update(XAPID_FAULT=fault, XAPID_TEST_FAULT_DIR=str(marks))
    with host:
        owner = Owner(host, 0, 0, Gate(1))
        owner.insist(owner.connect)
        appliance, vms = owner.insist(lambda: new_appliance(owner.x, 1, 2))

        def all_run():
            try:
                owner.x.VM_appliance.start(appliance, False)
            except BROKEN:
                owner.connect()
            except Failure as failure:
                assert failure.code in ("OPERATION_PARTIALLY_FAILED", "OPERATION_NOT_ALLOWED", *EXCUSES), failure
            return owner.insist(lambda: states(owner.x, vms)) == ["Running", "Running"]
        tap.wait_until(all_run, "both run", 60)
        assert any(marks.iterdir()), f"{fault} was not met"
        assert not settled.check(host)


def test_faults_on_the_way():
    """XAPID_FAULTS=all for each of them."""
    # The first of each is the appliance's or its first VM's, the second what comes after.
    faults = [f"ops.{point}={way}@{nth}" for point in ("step.before", "step.after", "end.before")
              for way in ("kill", "error") for nth in (1, 2)]
    chosen = faults if os.environ.get("XAPID_FAULTS") == "all" else random.Random(os.environ.get("XAPID_SEED")).sample(faults, 3)
    print(f"# faults, sample/full: {len(chosen)}/{len(faults)}: {' '.join(chosen)}")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(start_with_fault, chosen))


def test_xtool():
    with Host() as host:
        x, t = host.client(), Tool(host)
        uuid = t("appliance-create", "name-label=service").strip()
        appliance = x.VM_appliance.get_by_uuid(uuid)
        vm = t.create("web")
        t("vm-param-set", f"uuid={vm}", f"appliance={uuid}", "order=1")
        assert x.VM.get_appliance(x.VM.get_by_uuid(vm)) == appliance
        for verb, state in (("appliance-start", "running"), ("appliance-shutdown", "halted"),
                            ("appliance-start", "running")):
            t(verb, f"uuid={uuid}")
            assert t.state(vm) == state
        assert vm in t("appliance-list", f"uuid={uuid}", "params=VMs")
        t("appliance-shutdown", f"uuid={uuid}", "--force")
        assert t.state(vm) == "halted"
        t("appliance-start", f"uuid={uuid}", "paused=true")
        assert t.state(vm) == "paused"
        assert "no halted VMs" in t.fails(1, "appliance-start", f"uuid={uuid}")
        t("vm-param-set", f"uuid={vm}", "appliance=")
        assert not x.VM_appliance.get_VMs(appliance)
        t("appliance-destroy", f"uuid={uuid}")
        assert t("appliance-list", "--minimal") == "\n"


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""Domains that are built ahead of the starts of their VMs: nobody sees them, a start takes what fits its VM at that
moment, and nothing of them is left when they are wanted no more.

What becomes of them when a program dies is test-faults.py's."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
import world
from host import GUEST, Host, fails
from networks import new_network, new_vif
from waiting import events

MIB = 1 << 20
FOREIGN = "11111111-2222-4333-8444-555555555555"
WANTED = {"other_config": {"ready_domain": "true"}}


def ahead(count=1, sim_conf="", memory=8192):
    return Host(f"ready_domains={count}\nresync_seconds=1", sim_conf=f"[host]\nmemory={memory * MIB}\n{sim_conf}")


def made(x, name="ahead", **fields):
    vm = x.VM.create({**GUEST, **WANTED, "name_label": name, **fields})
    return vm, x.VM.get_uuid(vm)


def built(host, uuid, other_than=None):
    """The domain that was built ahead for it, once it is there; of another config than that of op_id `other_than`."""
    tap.wait_until(lambda: world.ready(host.sim).get(uuid, {"op_id": other_than})["op_id"] != other_than, "domain built ahead")
    return world.ready(host.sim)[uuid]


def none_built(host, *uuids):
    """None of these, or, when none is named, none at all."""
    tap.wait_until(lambda: not [uuid for uuid in world.ready(host.sim) if not uuids or uuid in uuids], "end of what was built ahead")


def acts(host, command):
    """False: the process that takes it begins anew."""
    try:
        host.guest(command)
        return True
    except ConnectionRefusedError:
        return False


def looked(host, x):
    """Waits until all domains have been looked at once more: only then does it show that another tool paused one."""
    state = lambda: [record["power_state"] for record in x.VM.get_all_records().values() if record["uuid"] == FOREIGN]
    if not state():
        host.guest(f"xl-create {FOREIGN} by-xl")
        tap.wait_until(state, "the domain of another tool")
    before = state()
    tap.wait_until(lambda: acts(host, f"xl-pause {FOREIGN}" if before == ["Running"] else f"xl-unpause {FOREIGN}"), "the simulator")
    tap.wait_until(lambda: state() != before, "a look at all domains")


def domain(host, uuid):
    return next((found for found in world.domains(host.sim) if found["uuid"] == uuid), None)


def ended(host):
    host.guest(f"xl-destroy {FOREIGN}")
    found = settled.check(host)
    assert not found, found


def test_a_start_takes_it():
    with ahead() as host:
        x = host.client()
        vm, uuid = made(x)
        token = events(x, ["VM", "VM_metrics", "VM_guest_metrics", "task"], "", 5.0)["token"]
        ready = built(host, uuid)
        looked(host, x)
        told = {event["ref"] for event in events(x, ["VM", "VM_metrics", "VM_guest_metrics", "task"], token, 1.0)["events"]}
        record = x.VM.get_record(vm)
        assert vm not in told and record["metrics"] not in told, told
        assert (record["power_state"], record["domid"]) == ("Halted", "-1") and "start" in record["allowed_operations"], record
        assert {r["uuid"] for r in x.VM.get_all_records().values() if r["power_state"] != "Halted" and not r["is_control_domain"]} == {FOREIGN}
        for program in "xapid", "xapid-domains":
            host.kill(program)
            host.wait_up()
            x = host.client()
            looked(host, x)
            assert built(host, uuid) == ready, f"another one, after {program} was killed"
        x.VM.start(vm, True, False)
        assert int(x.VM.get_domid(vm)) == ready["domid"] and domain(host, uuid)["state"] == "paused"
        looked(host, x)
        assert x.VM.get_power_state(vm) == "Paused" and not world.ready(host.sim)
        x.VM.unpause(vm)
        assert domain(host, uuid) == {**ready, "state": "running", "op_id": domain(host, uuid)["op_id"]}
        x.VM.hard_shutdown(vm)
        assert built(host, uuid)["domid"] != ready["domid"]
        x.VM.set_other_config(vm, {"ready_domain": "false"})
        none_built(host)
        fails("INVALID_VALUE", x.VM.set_other_config, vm, {"ready_domain": "perhaps"})
        ended(host)


def test_off_as_installed():
    with Host("resync_seconds=1") as host:
        x = host.client()
        vm, uuid = made(x)
        looked(host, x)
        looked(host, x)
        assert not domain(host, uuid)
        x.VM.start(vm, False, False)
        ended(host)


def test_it_is_what_the_record_says():
    """Another config, before the look at it or behind: never does a guest start from the old one."""
    with ahead() as host:
        x = host.client()
        vm, uuid = made(x)
        first = built(host, uuid)
        x.VM.set_PV_args(vm, "other")
        second = built(host, uuid, first["op_id"])
        assert second["domid"] != first["domid"]
        x.VM.set_memory_limits(vm, "0", str(64 * MIB), str(64 * MIB), str(64 * MIB))
        x.VM.start(vm, False, False)
        running = domain(host, uuid)
        assert running["memory"] == 64 * MIB and running["domid"] != second["domid"], running
        x.VM.hard_shutdown(vm)
        third = built(host, uuid)
        assert third["memory"] == 64 * MIB
        # What a suspended guest comes back from is its image alone.
        x.VM.start(vm, False, False)
        x.VM.suspend(vm)
        looked(host, x)
        assert not world.ready(host.sim)
        x.VM.resume(vm, False, False)
        assert domain(host, uuid)["state"] == "running"
        x.VM.hard_shutdown(vm)
        x.VM.set_other_config(vm, {})
        none_built(host)
        ended(host)


def test_memory_is_given_back():
    """To a start, and to a guest that is to have more."""
    with ahead(count=2) as host:
        x = host.client()
        here = x.host.get_all()[0]
        free = int(x.host.compute_free_memory(here))
        big = str(free // 2 - 16 * MIB)
        of_big = {field: big for field in ("memory_static_max", "memory_dynamic_max", "memory_dynamic_min", "memory_target")}
        first, second = (made(x, name, **of_big)[1] for name in ("one", "two"))
        built(host, first), built(host, second)
        assert int(x.host.compute_free_memory(here)) == free
        most = str(free // 2 + 64 * MIB)
        other = x.VM.create({**GUEST, "memory_static_max": most, "memory_dynamic_max": str(64 * MIB),
                             "memory_dynamic_min": str(64 * MIB), "memory_target": str(64 * MIB)})
        x.VM.assert_can_boot_here(other, here)
        x.VM.start(other, False, False)
        assert len(world.ready(host.sim)) == 1, "one would have been enough"
        x.VM.set_memory_dynamic_range(other, str(64 * MIB), most)
        assert not world.ready(host.sim)
        x.VM.hard_shutdown(other)
        built(host, first), built(host, second)
        for vm in x.VM.get_by_name_label("one") + x.VM.get_by_name_label("two"):
            x.VM.set_other_config(vm, {})
        none_built(host)
        ended(host)


def test_where_it_cannot_be():
    """More than there may be; of what is no guest here; of guests with devices; on a host that is disabled."""
    with ahead() as host:
        x = host.client()
        here = x.host.get_all()[0]
        one, its = made(x, "one")
        built(host, its)
        two, other = made(x, "two")
        looked(host, x)
        assert set(world.ready(host.sim)) == {its}
        x.host.disable(here)
        none_built(host)
        x.host.enable(here)
        built(host, its)
        x.VM.set_is_a_template(one, True)
        built(host, other)
        assert set(world.ready(host.sim)) == {other}
        new_vif(x, two, new_network(x))
        none_built(host)
        x.VM.set_is_a_template(one, False)
        built(host, its)
        x.VM.destroy(one)
        none_built(host)
        x.VM.destroy(two)
        ended(host)


def test_beside_another_tool():
    """Who lets it run, or ends it, has done so to the VM."""
    with ahead() as host:
        x = host.client()
        vm, uuid = made(x)
        first = built(host, uuid)
        host.guest(f"xl-destroy {uuid}")
        tap.wait_until(lambda: domain(host, uuid) and domain(host, uuid)["domid"] != first["domid"], "a new one")
        built(host, uuid)
        host.guest(f"xl-unpause {uuid}")
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Running", "its state")
        x.VM.pause(vm)
        looked(host, x)
        assert x.VM.get_power_state(vm) == "Paused", "one that ran is not ready any more"
        x.VM.set_other_config(vm, {})
        x.VM.hard_shutdown(vm)
        ended(host)


tap.run(test_a_start_takes_it, test_off_as_installed, test_it_is_what_the_record_says, test_memory_is_given_back,
        test_where_it_cannot_be, test_beside_another_tool)

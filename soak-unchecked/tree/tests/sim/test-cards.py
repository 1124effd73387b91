#!/usr/bin/python3
"""Network cards of VMs that run, on a simulated host: plugged, unplugged, and moved to other networks."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from covers import covers
from host import GUEST, Host, fails
from networks import bridges, cards, foreign_bridge, new_network, new_vif

MAC = "00:16:3e:12:34:56"
KINDS = ({}, {"domain_type": "pv"}, {"domain_type": "hvm", "PV_kernel": "", "PV_args": ""})


def started(x, **fields):
    vm = x.VM.create({**GUEST, **fields})
    x.VM.start(vm, False, False)
    return vm


@covers("VIF.plug", "VIF.unplug")
def test_plug_and_unplug():
    for fields in KINDS:
        with Host() as host:
            x = host.client()
            network, vm = new_network(x, MTU="1400"), started(x, **fields)
            vif = new_vif(x, vm, network, "2", MAC=MAC)
            assert x.VIF.get_allowed_operations(vif) == ["plug"] and bridges(host) == {}
            assert fails("DEVICE_ALREADY_DETACHED", x.VIF.unplug, vif).params == [vif]
            token = x.call("event.from", ["vif"], "", 0.0)["token"]
            x.VIF.plug(vif)
            assert x.VIF.get_currently_attached(vif) and x.VIF.get_allowed_operations(vif) == ["unplug"]
            assert cards(host, x, vm) == {2: (MAC, "xapi0", 1400)} and bridges(host) == {"xapi0": "1400"}
            seen = x.call("event.from", ["vif"], token, 5.0)["events"]
            assert seen[-1]["snapshot"]["currently_attached"] is True, seen
            assert fails("DEVICE_ALREADY_ATTACHED", x.VIF.plug, vif).params == ["2"]
            fails("OPERATION_NOT_ALLOWED", x.VIF.destroy, vif)
            assert fails("NETWORK_CONTAINS_VIF", x.network.destroy, network).params == [vif]
            x.VIF.unplug(vif)
            assert not x.VIF.get_currently_attached(vif) and cards(host, x, vm) == {}
            x.VIF.plug(vif)
            x.VM.hard_reboot(vm)
            assert x.VIF.get_currently_attached(vif) and set(cards(host, x, vm)) == {2}
            x.VIF.unplug(vif)
            x.VIF.destroy(vif)
            again = new_vif(x, vm, network, "2")
            x.VIF.plug(again)
            x.VM.clean_shutdown(vm)
            assert not x.VIF.get_currently_attached(again) and x.VIF.get_allowed_operations(again) == ["attach"]
            for call in x.VIF.plug, x.VIF.unplug:
                assert fails("VM_BAD_POWER_STATE", call, again).params == [vm, "running", "halted"]
            x.VM.start(vm, False, False)
            x.VIF.unplug(again)
            x.VM.suspend(vm)
            x.VM.resume(vm, False, False)
            assert x.VIF.get_currently_attached(again), "a domain has the cards that its VM has"
            x.VM.hard_shutdown(vm)
            assert (left := settled.check(host)) == [], left


@covers("VIF.unplug_force")
def test_paused_guests():
    with Host() as host:
        x = host.client()
        network, vm = new_network(x), started(x)
        vif = new_vif(x, vm, network)
        fails("DEVICE_ALREADY_DETACHED", x.VIF.unplug_force, vif)
        x.VM.pause(vm)
        x.VIF.plug(vif)  # it finds it later
        assert set(cards(host, x, vm)) == {0}
        fails("VM_BAD_POWER_STATE", x.VIF.unplug, vif)
        x.VIF.unplug_force(vif)
        assert cards(host, x, vm) == {} and not x.VIF.get_currently_attached(vif)
        x.VM.hard_shutdown(vm)
        assert (left := settled.check(host)) == [], left


def test_a_bridge_that_is_not_there():
    with Host() as host:
        x = host.client()
        missing, network, vm = new_network(x, bridge="br0", managed=False), new_network(x), started(x)
        vif = new_vif(x, vm, missing)
        assert fails("BRIDGE_NOT_AVAILABLE", x.VIF.plug, vif).params == ["br0"]
        assert cards(host, x, vm) == {} and not x.VIF.get_currently_attached(vif)
        foreign_bridge(host, "br0")
        x.VIF.plug(vif)
        assert cards(host, x, vm)[0][1] == "br0"
        foreign_bridge(host, "xapi0")
        assert fails("BRIDGE_NOT_AVAILABLE", x.VIF.move, vif, network).params == ["xapi0"]
        assert cards(host, x, vm)[0][1] == "br0" and x.VIF.get_network(vif) == missing
        x.VM.hard_shutdown(vm)
        assert (left := settled.check(host)) == [], left


@covers("VIF.move")
def test_moves():
    with Host() as host:
        x = host.client()
        one, other, vm = new_network(x), new_network(x, MTU="9000"), x.VM.create(GUEST)
        vif = new_vif(x, vm, one, MAC=MAC)
        assert fails("HANDLE_INVALID", x.VIF.move, vif, vm).params == ["network", vm]
        x.VIF.move(vif, other)
        assert x.VIF.get_network(vif) == other and x.network.get_VIFs(one) == [] and bridges(host) == {}
        x.VM.start(vm, False, False)
        assert cards(host, x, vm) == {0: (MAC, "xapi1", 9000)}
        x.VIF.move(vif, one)
        assert x.VIF.get_network(vif) == one and x.VIF.get_currently_attached(vif)
        assert cards(host, x, vm) == {0: (MAC, "xapi0", 1500)} and x.network.get_VIFs(other) == []
        x.network.destroy(other)
        x.VIF.move(vif, one)
        x.VM.pause(vm)
        other = new_network(x)
        x.VIF.move(vif, other)
        assert cards(host, x, vm) == {0: (MAC, "xapi1", 1500)}
        x.VIF.unplug_force(vif)
        x.VIF.move(vif, one)
        assert x.VIF.get_network(vif) == one and cards(host, x, vm) == {}
        x.VM.hard_shutdown(vm)
        assert (left := settled.check(host)) == [], left


def test_one_after_the_other():
    """What is under way with a card is shown by it, and nothing else is done to its VM but to end it."""
    with Host(environment={"XAPID_FAULT": "nic.plug.before=delay:1000"}) as host:
        x = host.client()
        network, vm = new_network(x), started(x)
        vif = new_vif(x, vm, network)
        task = x.Async.VIF.plug(vif)
        tap.wait_until(lambda: x.VIF.get_current_operations(vif) == {task: "plug"}, "operation")
        assert x.VIF.get_allowed_operations(vif) == []
        for call in x.VM.pause, x.VM.suspend, x.VM.clean_shutdown:
            assert fails("OTHER_OPERATION_IN_PROGRESS", call, vm).params == ["VIF", vif, "plug", task]
        for call in x.VIF.unplug, x.VIF.destroy:
            fails("OTHER_OPERATION_IN_PROGRESS", call, vif)
        fails("OTHER_OPERATION_IN_PROGRESS", x.network.destroy, network)
        fails("OTHER_OPERATION_IN_PROGRESS", x.VIF.move, vif, new_network(x))
        assert x.wait_task(task)["status"] == "success"
        assert x.VIF.get_current_operations(vif) == {}
        x.VIF.unplug(vif)
        task = x.Async.VIF.plug(vif)
        tap.wait_until(lambda: x.VIF.get_current_operations(vif), "operation")
        x.VM.hard_shutdown(vm)
        assert x.wait_task(task)["status"] in ("cancelled", "success")
        tap.wait_until(lambda: not x.VIF.get_currently_attached(vif), "end of the card")
        assert (left := settled.check(host)) == [], left


def test_a_network_that_a_card_is_moved_to_stays():
    with Host(environment={"XAPID_FAULT": "nic.set.before=delay:1000"}) as host:
        x = host.client()
        one, other, vm = new_network(x), new_network(x), x.VM.create(GUEST)
        vif = new_vif(x, vm, one)
        x.VM.start(vm, False, False)
        task = x.Async.VIF.move(vif, other)
        tap.wait_until(lambda: x.VIF.get_current_operations(vif) == {task: "attach"}, "operation")
        fails("OTHER_OPERATION_IN_PROGRESS", x.network.destroy, other)
        assert x.wait_task(task)["status"] == "success" and x.VIF.get_network(vif) == other
        x.network.destroy(one)
        x.VM.hard_shutdown(vm)
        assert (left := settled.check(host)) == [], left


def test_killed_programs():
    """A plug, unplug or move that a program died under is whole or undone."""
    with Host() as host:
        x = host.client()
        networks, vm = [new_network(x), new_network(x)], started(x)
        bridge_of = {network: x.network.get_bridge(network) for network in networks}
        vif = new_vif(x, vm, networks[0])
        for turn, program in enumerate(("xapid", "xapid-domains", "xapid-host") * 5):
            attached, network = x.VIF.get_currently_attached(vif), x.VIF.get_network(vif)
            if attached and turn % 2:
                x.Async.VIF.move(vif, networks[1 - networks.index(network)])
            else:
                (x.Async.VIF.unplug if attached else x.Async.VIF.plug)(vif)
            host.kill(program)
            host.wait_up()
            y = host.client()
            tap.wait_until(lambda: not y.VIF.get_current_operations(vif), "end of the operation", 20)
            x = y
            expected = [bridge_of[x.VIF.get_network(vif)]] if x.VIF.get_currently_attached(vif) else []
            assert [card[1] for card in cards(host, x, vm).values()] == expected, (program, attached, expected)
        x.VM.hard_shutdown(vm)
        assert (left := settled.check(host)) == [], left


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""PIFs and VLANs of a simulated host: their rows, what becomes of the bridges, what is refused, and that programs
which end in between leave nothing."""
import sys
import threading
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from covers import covers
from host import GUEST, Failure, Host, fails
from networks import CARDS, bridges, foreign_bridge, interfaces, new_network, new_vif

NULL = "OpaqueRef:NULL"
ADDRESS = "\naddress=10.0.0.5"


def host_with(given=None, options=ADDRESS):
    host = Host(options)
    interfaces(host, given)
    return host


def pifs(x, count=2):
    """By their devices, once they are there; a VLAN's by its device and tag."""
    tap.wait_until(lambda: len(x.PIF.get_all()) == count, "PIFs")
    return {record["device"] + ("" if record["VLAN"] == "-1" else "." + record["VLAN"]): ref
            for ref, record in x.PIF.get_all_records().items()}


def test_rows():
    with host_with() as host:
        x = host.client()
        first, second = (pifs(x)[name] for name in CARDS)
        tap.wait_until(lambda: x.PIF.get_management(first), "facts")
        record = x.PIF.get_record(first)
        wanted = {"MAC": "52:54:00:00:00:01", "MTU": "1500", "VLAN": "-1", "physical": True, "managed": False,
                  "currently_attached": True, "IP": "10.0.0.5", "netmask": "255.255.255.0", "gateway": "10.0.0.1",
                  "DNS": "10.0.0.1", "ip_configuration_mode": "DHCP", "IPv6": ["fd09::5/64"], "management": True,
                  "host": x.host.get_all()[0]}
        assert {key: record[key] for key in wanted} == wanted, record
        metrics = x.PIF_metrics.get_record(record["metrics"])
        wanted = {"carrier": True, "speed": "1000", "duplex": True, "vendor_id": "0x8086", "device_id": "0x100e",
                  "pci_bus_path": "0000:00:03.0"}
        assert {key: metrics[key] for key in wanted} == wanted, metrics
        network = x.network.get_record(record["network"])
        assert (network["bridge"], network["PIFs"]) == ("xenbr0", [first]), network
        assert x.host.get_PIFs(record["host"]) == [first, second]
        record = x.PIF.get_record(second)
        wanted = {"managed": True, "currently_attached": False, "IP": "", "ip_configuration_mode": "None",
                  "management": False}
        assert {key: record[key] for key in wanted} == wanted, record
        assert x.network.get_bridge(record["network"]) == "xenbr1" and bridges(host) == {}
        assert fails("NETWORK_CONTAINS_PIF", x.network.destroy, record["network"]).params == [second]
        # Forgotten is forgotten, also by the next start.
        x.PIF.forget(second)
        host.stop()
        x = host.start().client()
        tap.wait_until(lambda: x.PIF.get_management(first), "facts")
        assert x.PIF.get_all() == [first] and x.network.get_PIFs(record["network"]) == []


@covers("PIF.scan", "PIF.introduce", "PIF.forget")
def test_devices_come_and_go():
    with host_with({}) as host:
        x = host.client()
        here = x.host.get_all()[0]
        x.PIF.scan(here)
        assert x.PIF.get_all() == []
        fails("HANDLE_INVALID", x.PIF.scan, NULL)
        interfaces(host, {"enp3s0": {"mac": "52:54:00:00:00:03"}, "dummy0": {"mac": "52:54:00:00:00:04", "physical": "false"},
                          "enx525400000005": {"mac": "52:54:00:00:00:05", "carrier": "false", "speed": "0"}})
        x.PIF.scan(here)
        found = pifs(x)
        assert set(found) == {"enp3s0", "enx525400000005"}, found
        assert [x.network.get_bridge(x.PIF.get_network(pif)) for pif in found.values()] == ["brenp3s0", "xapi0"]
        assert not x.PIF_metrics.get_carrier(x.PIF.get_metrics(found["enx525400000005"]))
        x.PIF.scan(here)
        assert len(x.PIF.get_all()) == 2
        dummy = x.PIF.introduce(here, "52:54:00:00:00:04", "dummy0")
        assert x.PIF.get_device(dummy) == "dummy0" and x.PIF.get_managed(dummy)
        missing = "COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS"
        assert fails(missing, x.PIF.introduce, here, "", "eth9").params == ["eth9", ""]
        fails(missing, x.PIF.introduce, here, "52:54:00:00:00:05", "dummy0")
        assert fails("DUPLICATE_PIF_DEVICE_NAME", x.PIF.introduce, here, "", "dummy0").params == ["dummy0"]
        assert fails("MAC_INVALID", x.PIF.introduce, here, "$(reboot)", "dummy0").params == ["$(reboot)"]
        for bad in ("$(reboot)", "../eth0", "a b", "", "vif1.0", "eth0;x"):
            assert fails("INVALID_VALUE", x.PIF.introduce, here, "", bad).params == ["device", bad]
        network = x.PIF.get_network(dummy)
        x.PIF.forget(dummy)
        dummy = x.PIF.introduce(here, "", "dummy0")
        assert x.PIF.get_network(dummy) == network, "its network waits for it"
        x.PIF.forget(dummy)
        fails("HANDLE_INVALID", x.PIF.get_record, dummy)
        x.network.destroy(network)
        # Left to the administrator though nothing uses it; and the kernel calls one by another name.
        theirs = x.PIF.introduce(here, "", "dummy0", False)
        assert not x.PIF.get_managed(theirs) and fails("PIF_UNMANAGED", x.PIF.plug, theirs).params == [theirs]
        vlan = x.VLAN.create(found["enp3s0"], "5", new_network(x))
        interfaces(host, {"lan0": {"mac": "52:54:00:00:00:03"}})
        x.PIF.scan(here)
        assert x.PIF.get_device(found["enp3s0"]) == x.PIF.get_device(x.VLAN.get_untagged_PIF(vlan)) == "lan0"
        assert not x.PIF_metrics.get_carrier(x.PIF.get_metrics(found["enx525400000005"]))
        assert fails("PIF_VLAN_STILL_EXISTS", x.PIF.forget, found["enp3s0"]).params == [found["enp3s0"]]
        assert fails("PIF_IS_NOT_PHYSICAL", x.PIF.forget, x.VLAN.get_untagged_PIF(vlan)).params


@covers("PIF.plug", "PIF.unplug", "PIF.set_disallow_unplug")
def test_plugging():
    with host_with() as host:
        x = host.client()
        first, second = (pifs(x)[name] for name in CARDS)
        network, vm = x.PIF.get_network(second), x.VM.create(GUEST)
        vif = new_vif(x, vm, network)
        assert fails("REQUIRED_PIF_IS_UNPLUGGED", x.VM.start, vm, False, False).params == [second]
        x.PIF.plug(second)
        assert x.PIF.get_currently_attached(second) and bridges(host) == {"xenbr1": "1500 eth1"}
        x.PIF.plug(second)
        x.VM.start(vm, False, False)
        assert bridges(host) == {"xenbr1": "1500 eth1"}
        assert fails("VIF_IN_USE", x.PIF.unplug, second).params == [network, vif]
        fails("VIF_IN_USE", x.PIF.forget, second)
        x.VM.hard_shutdown(vm)
        x.PIF.set_disallow_unplug(second, True)
        for call in x.PIF.unplug, x.PIF.forget:
            assert fails("PIF_DOES_NOT_ALLOW_UNPLUG", call, second).params == [second]
        x.PIF.set_disallow_unplug(second, False)
        x.PIF.unplug(second)
        assert not x.PIF.get_currently_attached(second) and bridges(host) == {}
        x.PIF.unplug(second)
        # What the host itself uses is never touched.
        for call in (x.PIF.plug, x.PIF.unplug, lambda pif: x.PIF.set_disallow_unplug(pif, True)):
            assert fails("PIF_UNMANAGED", call, first).params == [first]
        assert fails("PIF_IS_MANAGEMENT_INTERFACE", x.PIF.forget, first).params == [first]
        x.VIF.destroy(vif)
        new_vif(x, vm, x.PIF.get_network(first))
        assert fails("PIF_UNMANAGED", x.VM.start, vm, False, False).params == [first]
        assert bridges(host) == {} and x.PIF.get_currently_attached(first)
        # It got an address since; it is gone; its bridge is somebody else's.
        interfaces(host, {**CARDS, "eth1": {**CARDS["eth1"], "addresses": "10.1.0.5/24"}})
        assert fails("PIF_CONFIGURATION_ERROR", x.PIF.plug, second).params[0] == second
        interfaces(host, {"eth0": CARDS["eth0"]})
        fails("PIF_DEVICE_NOT_FOUND", x.PIF.plug, second)
        interfaces(host)
        tap.wait_until(lambda: bridges(host) == {}, "end of the bridge")
        foreign_bridge(host, "xenbr1")
        assert fails("BRIDGE_NOT_AVAILABLE", x.PIF.plug, second).params == ["xenbr1"]
        assert not x.PIF.get_currently_attached(second) and bridges(host) == {"xenbr1": "foreign"}
        assert (left := settled.check(host)) == [], left


def test_bridge_of_the_administrator():
    """Who has the bridge of the host, as Debian makes it, finds its network, and guests get out by it.  The host's
    address is not on it, as behind a translation."""
    with host_with({"eth0": CARDS["eth1"], "eth1": {**CARDS["eth0"], "bridge": "br0"}}, "") as host:
        foreign_bridge(host, "br0")
        x = host.client()
        pif = pifs(x)["eth1"]
        tap.wait_until(lambda: x.PIF.get_management(pif), "facts")
        network = x.PIF.get_network(pif)
        record = x.network.get_record(network)
        assert (record["bridge"], record["managed"], x.PIF.get_managed(pif)) == ("br0", False, False), record
        vm = x.VM.create(GUEST)
        new_vif(x, vm, network)
        x.VM.start(vm, False, False)
        assert bridges(host) == {"br0": "foreign"}
        # A VLAN on its card is ours, beside.
        x.VLAN.create(pif, "7", new_network(x))
        assert bridges(host) == {"br0": "foreign", "xapi0": "1500 eth1 7"}


@covers("VLAN.create", "VLAN.destroy")
def test_vlans():
    with host_with() as host:
        x = host.client()
        first, second = (pifs(x)[name] for name in CARDS)
        lan, other = new_network(x), new_network(x, MTU="1400")
        vlan = x.VLAN.create(first, "10", lan)
        above = x.VLAN.get_untagged_PIF(vlan)
        assert bridges(host) == {"xapi0": "1500 eth0 10"}
        record = x.PIF.get_record(above)
        wanted = {"VLAN": "10", "device": "eth0", "physical": False, "managed": True, "currently_attached": True,
                  "network": lan, "VLAN_master_of": vlan, "MAC": "52:54:00:00:00:01", "IP": "",
                  "metrics": x.PIF.get_metrics(first)}
        assert {key: record[key] for key in wanted} == wanted, record
        assert x.VLAN.get_tag(vlan) == "10" and x.VLAN.get_tagged_PIF(vlan) == first and x.PIF.get_VLAN_slave_of(first) == [vlan]
        vm = x.VM.create(GUEST)
        vif = new_vif(x, vm, lan)
        x.VM.start(vm, False, False)
        assert bridges(host) == {"xapi0": "1500 eth0 10"}
        for call, ref in ((x.VLAN.destroy, vlan), (x.PIF.unplug, above)):
            assert fails("VIF_IN_USE", call, ref).params == [lan, vif]
        for bad in ("-1", "4095", "70000"):
            assert fails("VLAN_TAG_INVALID", x.VLAN.create, first, bad, other).params == [bad]
        assert fails("PIF_VLAN_EXISTS", x.VLAN.create, first, "10", other).params == [first]
        assert fails("PIF_IS_VLAN", x.VLAN.create, above, "11", other).params == [above]
        assert fails("NETWORK_ALREADY_CONNECTED", x.VLAN.create, first, "11", lan).params == [lan, above]
        fails("NETWORK_ALREADY_CONNECTED", x.VLAN.create, first, "11", x.PIF.get_network(second))
        theirs = new_network(x, bridge="br0", managed=False)
        assert fails("NETWORK_UNMANAGED", x.VLAN.create, first, "11", theirs).params == [theirs]
        for refs in ((NULL, lan), (first, NULL)):
            fails("HANDLE_INVALID", x.VLAN.create, refs[0], "11", refs[1])
        assert len(x.PIF.get_all()) == 3 and len(x.VLAN.get_all()) == 1
        # On one that is not plugged it waits for that.
        later = x.VLAN.create(second, "10", other)
        waits = x.VLAN.get_untagged_PIF(later)
        assert not x.PIF.get_currently_attached(waits) and set(bridges(host)) == {"xapi0"}
        assert fails("REQUIRED_PIF_IS_UNPLUGGED", x.PIF.plug, waits).params == [second]
        x.PIF.plug(second)
        x.PIF.plug(waits)
        assert bridges(host) == {"xapi0": "1500 eth0 10", "xapi1": "1400 eth1 10", "xenbr1": "1500 eth1"}
        assert fails("PIF_VLAN_STILL_EXISTS", x.PIF.unplug, second).params == [second]
        x.PIF.set_disallow_unplug(waits, True)
        assert fails("PIF_DOES_NOT_ALLOW_UNPLUG", x.VLAN.destroy, later).params == [waits]
        x.PIF.set_disallow_unplug(waits, False)
        x.VM.hard_shutdown(vm)
        for one in vlan, later:
            x.VLAN.destroy(one)
            fails("HANDLE_INVALID", x.VLAN.destroy, one)
        tap.wait_until(lambda: bridges(host) == {"xenbr1": "1500 eth1"}, "end of the VLANs")
        assert set(pifs(x)) == set(CARDS) and x.PIF_metrics.get_record(x.PIF.get_metrics(first))
        for network in lan, other, theirs:
            x.network.destroy(network)
        # One that cannot be made leaves nothing.
        foreign_bridge(host, "lan9")
        fails("BRIDGE_NOT_AVAILABLE", x.VLAN.create, first, "10", new_network(x, bridge="lan9"))
        assert set(pifs(x)) == set(CARDS) and x.VLAN.get_all() == []


@covers("pool.create_VLAN", "pool.create_VLAN_from_PIF", "PIF.create_VLAN", "PIF.destroy")
def test_vlans_by_other_names():
    with host_with() as host:
        x = host.client()
        first, here = pifs(x)["eth0"], x.host.get_all()[0]
        one, = x.pool.create_VLAN("eth0", new_network(x), "1")
        two, = x.pool.create_VLAN_from_PIF(first, new_network(x), "2")
        three = x.PIF.create_VLAN("eth0", new_network(x), here, "0")
        assert [x.PIF.get_VLAN(pif) for pif in (one, two, three)] == ["1", "2", "0"]
        assert bridges(host) == {"xapi0": "1500 eth0 1", "xapi1": "1500 eth0 2", "xapi2": "1500 eth0 0"}
        spare = new_network(x)
        fails("PIF_DEVICE_NOT_FOUND", x.pool.create_VLAN, "eth9", spare, "3")
        fails("VLAN_TAG_INVALID", x.pool.create_VLAN, "eth0", spare, "4095")
        fails("VLAN_TAG_INVALID", x.pool.create_VLAN_from_PIF, first, spare, "-1")
        fails("VLAN_TAG_INVALID", x.PIF.create_VLAN, "eth0", spare, here, "4095")
        assert fails("PIF_IS_PHYSICAL", x.PIF.destroy, first).params == [first]
        x.PIF.destroy(two)
        assert x.PIF.get_VLAN_slave_of(first) == [x.PIF.get_VLAN_master_of(pif) for pif in (one, three)]
        tap.wait_until(lambda: set(bridges(host)) == {"xapi0", "xapi2"}, "end of the VLAN")


def test_at_once():
    """Of many that want the same tag, or the same network, one has it."""
    with host_with() as host:
        x = host.client()
        first = pifs(x)["eth0"]
        made = [new_network(x) for _ in range(6)]
        outcomes = []

        def create(network, tag):
            try:
                outcomes.append(host.client().VLAN.create(first, tag, network))
            except Failure as failure:
                outcomes.append(failure.code)
        threads = [threading.Thread(target=create, args=(network, "10")) for network in made]
        threads += [threading.Thread(target=create, args=(made[0], str(tag))) for tag in range(20, 24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        vlans = [outcome for outcome in outcomes if outcome.startswith("OpaqueRef:")]
        assert set(outcomes) - set(vlans) <= {"PIF_VLAN_EXISTS", "NETWORK_ALREADY_CONNECTED"}, outcomes
        assert sorted(vlans) == sorted(x.VLAN.get_all()), outcomes
        wanted = {x.network.get_bridge(r["network"]): f"1500 eth0 {r['VLAN']}" for r in x.PIF.get_all_records().values()
                  if r["VLAN"] != "-1"}
        assert bridges(host) == wanted and len(wanted) == len(vlans), (bridges(host), wanted)


def test_reboot():
    """What was plugged is so again before anybody asks, but for what the host uses itself now."""
    with host_with() as host:
        x = host.client()
        first, second = (pifs(x)[name] for name in CARDS)
        x.PIF.plug(second)
        vlan = x.VLAN.create(first, "10", new_network(x))
        both = {"xapi0": "1500 eth0 10", "xenbr1": "1500 eth1"}
        assert bridges(host) == both
        host.reboot()
        tap.wait_until(lambda: bridges(host) == both, "networks of the last boot")
        # A bridge of ours that nobody knows goes; others stay.
        (host.sim / "bridges" / "xapi9").write_text("1500 eth1 9")
        foreign_bridge(host, "br0")
        host.kill("xapid-host")
        tap.wait_until(lambda: bridges(host) == {**both, "br0": "foreign"}, "end of what is nobody's")
        host.reboot(lambda: interfaces(host, {**CARDS, "eth1": {**CARDS["eth1"], "addresses": "10.1.0.5/24"}}))
        x = host.client()
        tap.wait_until(lambda: not x.PIF.get_currently_attached(second), "that it is not plugged")
        assert x.PIF.get_currently_attached(x.VLAN.get_untagged_PIF(vlan))
        assert bridges(host)["xapi0"] == "1500 eth0 10" and bridges(host).get("xenbr1", "1500") == "1500"


def test_killed_programs():
    """Whatever ends in between: the host is as the rows say."""
    with host_with() as host:
        x = host.client()
        first, second = (pifs(x)[name] for name in CARDS)
        network = new_network(x)

        def agree():
            records = x.PIF.get_all_records().values()
            wanted = {x.network.get_bridge(r["network"]): f"1500 {r['device']}" + (f" {r['VLAN']}" if r["VLAN"] != "-1" else "")
                      for r in records if r["managed"] and r["currently_attached"]}
            return {name: text for name, text in bridges(host).items() if " " in text} == wanted
        for turn in range(6):
            program = ("xapid", "xapid-host")[turn % 2]
            vlans = x.VLAN.get_all()
            if turn % 3 == 2:
                (x.Async.PIF.unplug if x.PIF.get_currently_attached(second) else x.Async.PIF.plug)(second)
            elif vlans:
                x.Async.VLAN.destroy(vlans[0])
            else:
                x.Async.VLAN.create(first, "10", network)
            host.kill(program)
            host.wait_up()
            x = host.client()
            tap.wait_until(agree, f"agreement after a kill of {program}")
            assert len(x.PIF.get_all()) - len(x.VLAN.get_all()) == 2


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

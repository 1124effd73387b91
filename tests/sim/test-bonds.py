#!/usr/bin/python3
"""Bonds of a simulated host: their rows, what moves to a bond and back, what becomes of the bridges, what is
refused, and that programs which end in between leave nothing."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from covers import covers
from host import GUEST, Host, fails
from networks import CARDS, bridges, foreign_bridge, interfaces, led_out, new_network, new_vif

NULL = "OpaqueRef:NULL"
MACS = {f"eth{number}": f"52:54:00:00:00:0{number + 1}" for number in range(5)}
FIVE = {"eth0": CARDS["eth0"], **{name: {"mac": MACS[name]} for name in ("eth1", "eth2", "eth3", "eth4")}}


def host_with(options="\nnetwork_backend=openvswitch"):
    host = Host("\naddress=10.0.0.5" + options)
    interfaces(host, FIVE)
    return host


def pifs(x, names=FIVE):
    tap.wait_until(lambda: len(x.PIF.get_all()) >= len(names), "PIFs")
    return {record["device"] + ("" if record["VLAN"] == "-1" else "." + record["VLAN"]): ref
            for ref, record in x.PIF.get_all_records().items()}


def new_bond(x, members, mode="active-backup", mac="", properties=None, network=None):
    return x.Bond.create(network or new_network(x), members, mac, mode, properties or {})


@covers("Bond.create")
def test_rows():
    with host_with() as host:
        x = host.client()
        found = pifs(x)
        first, second = found["eth1"], found["eth2"]
        x.PIF.plug(first)
        fails("PIF_BOND_NEEDS_MORE_MEMBERS", new_bond, x, [first])
        network = new_network(x, MTU="1400")
        bond = new_bond(x, [first, second], network=network)
        record = x.Bond.get_record(bond)
        master = record["master"]
        wanted = {"slaves": [first, second], "primary_slave": first, "mode": "active-backup", "properties": {}, "links_up": "2",
                  "other_config": {}, "auto_update_mac": True}
        assert {key: record[key] for key in wanted} == wanted, record
        record = x.PIF.get_record(master)
        wanted = {"device": "bond0", "MAC": MACS["eth1"], "MTU": "1400", "VLAN": "-1", "physical": False, "managed": True,
                  "currently_attached": True, "network": network, "bond_master_of": [bond], "bond_slave_of": NULL,
                  "management": False, "ip_configuration_mode": "None", "host": x.host.get_all()[0]}
        assert {key: record[key] for key in wanted} == wanted, record
        for member in first, second:
            record = x.PIF.get_record(member)
            assert (record["bond_slave_of"], record["currently_attached"], record["bond_master_of"]) == (bond, False, []), record
        assert led_out(host) == {x.network.get_bridge(network): "1400 bond0=eth1+eth2 active-backup"}
        for call, code in ((x.PIF.plug, "CANNOT_PLUG_BOND_SLAVE"), (x.PIF.forget, "PIF_ALREADY_BONDED")):
            assert fails(code, call, second).params == [second]
        fails("CANNOT_ADD_VLAN_TO_BOND_SLAVE", x.VLAN.create, first, "5", new_network(x))
        fails("PIF_IS_NOT_PHYSICAL", x.PIF.forget, master)
        x.Bond.add_to_other_config(bond, "why", "two switches")
        assert x.Bond.get_other_config(bond) == {"why": "two switches"}
        # A second one gets another name, a MAC that was asked for, and is plugged when it is asked for.
        other = new_bond(x, [found["eth3"], found["eth4"]], "lacp", "02:00:00:00:00:09")
        above = x.Bond.get_master(other)
        assert (x.PIF.get_device(above), x.PIF.get_MAC(above)) == ("bond1", "02:00:00:00:00:09")
        assert not x.PIF.get_currently_attached(above) and not x.Bond.get_auto_update_mac(other) and len(led_out(host)) == 1
        x.PIF.plug(above)
        assert "1500 bond1=eth3+eth4 lacp" in bridges(host).values()
        x.PIF.unplug(above)
        assert len(led_out(host)) == 1
        for one in other, bond:
            x.Bond.destroy(one)
            fails("HANDLE_INVALID", x.Bond.destroy, one)
        assert set(pifs(x)) == set(FIVE) and len(x.PIF_metrics.get_all()) == len(FIVE)
        tap.wait_until(lambda: led_out(host) == {"xenbr1": "1500 eth1"}, "what the first one led to")
        assert x.PIF.get_currently_attached(first) and not x.PIF.get_currently_attached(second)
        assert x.PIF.get_bond_slave_of(first) == NULL
        x.network.destroy(network)
        assert (left := settled.check(host)) == [], left


@covers("Bond.destroy")
def test_what_moves():
    """VLANs, with the guests on them, and cards of VMs that do not run."""
    with host_with() as host:
        x = host.client()
        found = pifs(x)
        first, second = found["eth1"], found["eth2"]
        x.PIF.plug(first)
        x.PIF.plug(second)
        lan, office = new_network(x), new_network(x)
        one, two = x.VLAN.create(first, "10", lan), x.VLAN.create(second, "20", office)
        x.PIF.set_disallow_unplug(second, True)
        running, halted = x.VM.create(GUEST), x.VM.create(GUEST)
        new_vif(x, running, lan)
        card = new_vif(x, halted, x.PIF.get_network(second))
        x.VM.start(running, False, False)
        # What a guest has stays.
        x.VM.start(halted, False, False)
        assert fails("VIF_IN_USE", new_bond, x, [first, second]).params == [x.PIF.get_network(second), card]
        x.VM.hard_shutdown(halted)
        network = new_network(x)
        bond = new_bond(x, [first, second], "balance-slb", network=network)
        master = x.Bond.get_master(bond)
        assert x.PIF.get_VLAN_slave_of(master) == [one, two] and x.PIF.get_VLAN_slave_of(second) == []
        for vlan in one, two:
            record = x.PIF.get_record(x.VLAN.get_untagged_PIF(vlan))
            assert (record["device"], record["currently_attached"]) == ("bond0", True), record
            assert (record["MAC"], record["metrics"]) == (MACS["eth1"], x.PIF.get_metrics(master)), record
        bridge = {net: x.network.get_bridge(net) for net in (lan, office, network)}
        wanted = {bridge[network]: "1500 bond0=eth1+eth2 balance-slb", bridge[lan]: "1500 bond0 10", bridge[office]: "1500 bond0 20"}
        assert led_out(host) == wanted, bridges(host)
        assert x.VIF.get_network(card) == network
        assert fails("PIF_DOES_NOT_ALLOW_UNPLUG", x.Bond.destroy, bond).params == [master]
        x.PIF.set_disallow_unplug(master, False)
        assert fails("PIF_VLAN_STILL_EXISTS", x.PIF.unplug, master).params == [master]
        x.VM.start(halted, False, False)
        assert fails("VIF_IN_USE", x.Bond.destroy, bond).params == [network, card]
        x.VM.hard_shutdown(halted)
        # By its name, as any device.
        three, = x.pool.create_VLAN("bond0", new_network(x), "30")
        x.Bond.destroy(bond)
        assert x.PIF.get_VLAN_slave_of(first) == [one, two, x.PIF.get_VLAN_master_of(three)]
        wanted = {"xenbr1": "1500 eth1", bridge[lan]: "1500 eth1 10", bridge[office]: "1500 eth1 20",
                  x.network.get_bridge(x.PIF.get_network(three)): "1500 eth1 30"}
        assert led_out(host) == wanted, bridges(host)
        assert x.VIF.get_network(card) == x.PIF.get_network(first) and x.VM.get_power_state(running) == "Running"


def test_refused():
    with host_with() as host:
        x = host.client()
        found = pifs(x)
        first, second, third = found["eth1"], found["eth2"], found["eth3"]
        network = new_network(x)

        def refuses(code, params, *members, mode="active-backup", mac="", properties=None, network=network):
            failure = fails(code, new_bond, x, list(members), mode, mac, properties, network)
            assert failure.params == params, failure.params
        refuses("PIF_BOND_NEEDS_MORE_MEMBERS", [])
        refuses("PIF_BOND_NEEDS_MORE_MEMBERS", [], first)
        refuses("INVALID_VALUE", ["members", first], first, first)
        refuses("HANDLE_INVALID", ["PIF", NULL], first, NULL)
        refuses("PIF_UNMANAGED", [found["eth0"]], found["eth0"], first)
        refuses("MAC_INVALID", ["$(reboot)"], first, second, mac="$(reboot)")
        refuses("NETWORK_ALREADY_CONNECTED", [x.PIF.get_network(third), third], first, second, network=x.PIF.get_network(third))
        theirs = new_network(x, bridge="br9", managed=False)
        refuses("NETWORK_UNMANAGED", [theirs], first, second, network=theirs)
        fails("HANDLE_INVALID", x.Bond.create, NULL, [first, second], "", "lacp", {})
        for properties in ({"hashing_algorithm": "best"}, {"lacp-time": "now"}, {"lacp-aggregation-key": "0"},
                           {"lacp-aggregation-key": "1024"}, {"lacp-fallback-ab": "x"}, {"a;b": "$(reboot)"}):
            (name, value), = properties.items()
            refuses("INVALID_VALUE", ["properties", f"{name} = {value}"], first, second, mode="lacp", properties=properties)
        refuses("INVALID_VALUE", ["properties", "lacp-time = fast"], first, second, properties={"lacp-time": "fast"})
        vlan = x.VLAN.create(first, "10", new_network(x))
        refuses("PIF_IS_VLAN", [x.VLAN.get_untagged_PIF(vlan)], x.VLAN.get_untagged_PIF(vlan), second)
        other = x.VLAN.create(second, "10", new_network(x))
        refuses("PIF_VLAN_EXISTS", [second], first, second)
        x.VLAN.destroy(other)
        bond = new_bond(x, [first, second])
        for member in first, x.Bond.get_master(bond):
            refuses("PIF_ALREADY_BONDED", [member], third, member)
        assert len(x.Bond.get_all()) == 1 and len(x.PIF.get_all()) == len(FIVE) + 2
        for number, member in enumerate((third, found["eth4"])):
            x.PIF.reconfigure_ip(member, "Static", f"10.1.{number}.5", "255.255.255.0", "", "")
        refuses("PIF_BOND_MORE_THAN_ONE_IP", [], third, found["eth4"])


def test_linux_bridge():
    """It has no balancing by source, and no way back from LACP."""
    with host_with("") as host:
        x = host.client()
        found = pifs(x)
        members = [found["eth1"], found["eth2"]]
        assert fails("INVALID_VALUE", new_bond, x, members, "balance-slb").params == ["mode", "balance-slb"]
        fallback = {"lacp-fallback-ab": "true"}
        assert fails("INVALID_VALUE", new_bond, x, members, "lacp", "", fallback).params == ["properties", "lacp-fallback-ab"]
        bond = new_bond(x, members, "lacp")
        assert fails("INVALID_VALUE", x.Bond.set_mode, bond, "balance-slb").params == ["mode", "balance-slb"]
        x.Bond.set_mode(bond, "active-backup")


def test_host_cannot():
    """What the host refuses leaves all as it was."""
    with host_with() as host:
        x = host.client()
        found = pifs(x)
        first, second = found["eth1"], found["eth2"]
        x.PIF.plug(first)
        x.VLAN.create(first, "10", new_network(x))
        halted = x.VM.create(GUEST)
        new_vif(x, halted, x.PIF.get_network(second))
        before = bridges(host)

        def rows():
            return [getattr(x, cls).get_all_records() for cls in ("PIF", "VLAN", "VIF", "Bond", "PIF_metrics", "network")]
        networks = [new_network(x, bridge="lan9"), new_network(x)]
        were = rows()
        foreign_bridge(host, "lan9")
        assert fails("BRIDGE_NOT_AVAILABLE", new_bond, x, [first, second], "lacp", "", {}, networks[0]).params == ["lan9"]
        assert rows() == were
        tap.wait_until(lambda: bridges(host) == {**before, "lan9": "foreign"}, "what was before")
        interfaces(host, {**FIVE, "eth2": {"mac": MACS["eth2"], "addresses": "10.1.0.5/24"}})
        assert fails("PIF_CONFIGURATION_ERROR", new_bond, x, [first, second], "lacp", "", {}, networks[1]).params[0] == first
        assert [one for one in rows()[1:5]] == were[1:5]
        tap.wait_until(lambda: led_out(host) == before, "what was before")
        # One that is gone is waited for; without any there is none.
        interfaces(host, {name: FIVE[name] for name in FIVE if name != "eth2"})
        bond = new_bond(x, [first, second], network=networks[1])
        tap.wait_until(lambda: x.Bond.get_links_up(bond) == "1" or x.PIF.scan(x.host.get_all()[0]), "one link")
        x.Bond.destroy(bond)
        interfaces(host, {name: FIVE[name] for name in FIVE if name not in ("eth1", "eth2")})
        fails("PIF_DEVICE_NOT_FOUND", new_bond, x, [first, second], "lacp", "", {}, networks[1])
        assert x.Bond.get_all() == []


@covers("Bond.set_mode", "Bond.set_property")
def test_changes():
    with host_with() as host:
        x = host.client()
        found = pifs(x)
        x.PIF.plug(found["eth1"])
        bond = new_bond(x, [found["eth1"], found["eth2"]])

        def is_now():
            return x.Bond.get_mode(bond), x.Bond.get_properties(bond), bridges(host)["xapi0"]
        fails("INVALID_VALUE", x.Bond.set_property, bond, "lacp-time", "fast")
        x.Bond.set_mode(bond, "lacp")
        assert is_now() == ("lacp", {"hashing_algorithm": "tcpudp_ports"}, "1500 bond0=eth1+eth2 lacp")
        x.Bond.set_property(bond, "hashing_algorithm", "src_mac")
        x.Bond.set_property(bond, "lacp-time", "fast")
        wanted = ("lacp", {"hashing_algorithm": "src_mac", "lacp-time": "fast"}, "1500 bond0=eth1+eth2 lacp by-mac fast")
        assert is_now() == wanted, is_now()
        assert fails("INVALID_VALUE", x.Bond.set_property, bond, "lacp-time", "x").params == ["properties", "lacp-time = x"]
        assert is_now() == wanted
        x.Bond.set_mode(bond, "active-backup")
        assert is_now() == ("active-backup", {}, "1500 bond0=eth1+eth2 active-backup")
        # The host cannot: a member has an address.
        interfaces(host, {**FIVE, "eth2": {"mac": MACS["eth2"], "addresses": "10.1.0.5/24"}})
        fails("PIF_CONFIGURATION_ERROR", x.Bond.set_mode, bond, "lacp")
        assert x.Bond.get_mode(bond) == "active-backup"


def test_links():
    with host_with() as host:
        x = host.client()
        found = pifs(x)
        bond = new_bond(x, [found["eth1"], found["eth2"]], "balance-slb")
        metrics = x.PIF.get_metrics(x.Bond.get_master(bond))

        def are(carriers, speeds):
            interfaces(host, {**FIVE, **{name: {"mac": MACS[name], "carrier": carrier, "speed": speed, "duplex": "true"}
                                         for name, carrier, speed in zip(("eth1", "eth2"), carriers, speeds)}})
            x.PIF.scan(x.host.get_all()[0])
            record = x.PIF_metrics.get_record(metrics)
            return x.Bond.get_links_up(bond), record["carrier"], record["speed"], record["duplex"]
        assert are(("true", "true"), ("1000", "10000")) == ("2", True, "11000", True)
        assert are(("false", "true"), ("0", "10000")) == ("1", True, "10000", True)
        assert are(("false", "false"), ("0", "0")) == ("0", False, "0", False)
        x.Bond.set_mode(bond, "active-backup")
        assert are(("true", "true"), ("1000", "10000")) == ("2", True, "10000", True)
        assert x.PIF.get_device(x.Bond.get_master(bond)) == "bond0", "it has the MAC of a card, and is none"


def test_killed_programs():
    """Whatever ends in between: the host is as the rows say, and the rows are whole."""
    with host_with() as host:
        x = host.client()
        found = pifs(x)
        first, second = found["eth1"], found["eth2"]
        x.PIF.plug(first)
        vlan = x.VLAN.create(first, "10", new_network(x))
        network = new_network(x)

        def wanted():
            bonds = x.Bond.get_all_records()
            if not bonds:
                return {"xenbr1": "1500 eth1", "xapi0": "1500 eth1 10"}
            record, = bonds.values()
            return {"xapi1": f"1500 bond0=eth1+eth2 {record['mode']}", "xapi0": "1500 bond0 10"}

        def agree():
            return led_out(host) == wanted()
        for turn in range(6):
            bonds = x.Bond.get_all()
            if not bonds:
                x.Async.Bond.create(network, [first, second], "", "active-backup", {})
            elif turn % 3 == 1:
                x.Async.Bond.set_mode(bonds[0], "balance-slb")
            else:
                x.Async.Bond.destroy(bonds[0])
            program = ("xapid", "xapid-host")[turn % 2]
            host.kill(program)
            host.wait_up()
            x = host.client()
            tap.wait_until(agree, f"agreement after a kill of {program}")
            bonds = x.Bond.get_all()
            assert len(x.PIF.get_all()) == len(FIVE) + 1 + len(bonds)
            assert x.VLAN.get_tagged_PIF(vlan) == (x.Bond.get_master(bonds[0]) if bonds else first)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

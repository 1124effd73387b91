#!/usr/bin/python3
"""The addresses of a simulated host: what its bridges get, what is refused, and that a change which cuts the
administrator off comes back by itself, whatever ends meanwhile."""
import configparser
import http.client
import os
import random
import re
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from host import Client, Host, fails
from networks import CARDS, bridges, foreign_bridge, interfaces, new_network
from xtool import Tool

SECONDS, LONG = 1, 60  # then what nobody confirmed is undone
NEW, OTHER = "127.0.0.2", "127.0.0.3"  # where a client on this machine comes to from 127.0.0.1
MASK = "255.0.0.0"
CHANGES, SAMPLE = 50, 4
SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))


def host_with(given=None, seconds=LONG):
    host = Host(f"address=10.0.0.5\nlisten=127.0.0.1;{NEW};{OTHER}\nconfirm_seconds={seconds}\nresync_seconds=1", plain=True)
    interfaces(host, given)
    return host


def again(host, seconds):
    """The host after a new start, with that time."""
    host.stop()
    host.config.write_text(re.sub(r"confirm_seconds=\d+", f"confirm_seconds={seconds}", host.config.read_text()))
    return host.start().client()


def undone(host):
    """How many changes were undone because nobody confirmed them."""
    return host.log.read_text(errors="replace").count("the change is undone")


def pifs(x, count=2):
    tap.wait_until(lambda: len(x.PIF.get_all()) == count, "PIFs")
    first = next(ref for ref, record in x.PIF.get_all_records().items() if record["device"] == "eth0" and record["VLAN"] == "-1")
    tap.wait_until(lambda: x.PIF.get_management(first), "facts")
    return {record["device"] + ("" if record["VLAN"] == "-1" else "." + record["VLAN"]): ref
            for ref, record in x.PIF.get_all_records().items()}


def addressed(host):
    """What xapid-host has set: bridge to its addresses and gateways.  They go with their bridge."""
    file = configparser.ConfigParser()
    file.read(host.sim / "addresses")
    return {name: dict(file[name]) for name in file.sections() if name in bridges(host)}


def card(host, name):
    """What the administrator has on an interface: addresses, gateway."""
    file = configparser.ConfigParser()
    file.read(host.sim / "interfaces")
    return file[name].get("addresses", ""), file[name].get("gateway", "")


def at(host, x, address):
    """The session, of a client that comes to that address of the host."""
    return Client(host, connect=lambda: http.client.HTTPConnection(address, host.http_port, timeout=60)).resume(x.session_ref)


def is_settled(x):
    """Is a change neither waiting nor being undone?  Asked by one that would be refused, and changes nothing."""
    pif = next(iter(x.PIF.get_all()))
    try:
        x.PIF.set_primary_address_type(pif, x.PIF.get_primary_address_type(pif))
        return True
    except Exception as failure:
        assert getattr(failure, "code", "") == "OTHER_OPERATION_IN_PROGRESS", failure
        return False


def settle(x):
    tap.wait_until(lambda: is_settled(x), "end of the change", 60)


@covers("PIF.reconfigure_ip", "PIF.reconfigure_ipv6")
def test_addresses():
    with host_with() as host:
        x = host.client()
        pif = pifs(x)["eth1"]
        # One that is not plugged has them when it is.
        Tool(host)("pif-reconfigure-ip", f"uuid={x.PIF.get_uuid(pif)}", "mode=static", "IP=10.1.0.5", "netmask=255.255.255.0",
                   "gateway=10.1.0.1", "DNS=10.1.0.2,fd01::53")
        assert addressed(host) == {}
        x.PIF.plug(pif)
        tap.wait_until(lambda: addressed(host) == {"xenbr1": {"address": "10.1.0.5/24"}}, "the address")
        record = x.PIF.get_record(pif)
        wanted = {"ip_configuration_mode": "Static", "IP": "10.1.0.5", "netmask": "255.255.255.0", "gateway": "10.1.0.1",
                  "DNS": "10.1.0.2,fd01::53", "management": False}
        assert {key: record[key] for key in wanted} == wanted, record
        assert not (host.sim / "resolv.conf").exists(), "it is not the management interface"
        x.PIF.reconfigure_ip(pif, "Static", "10.1.0.6", "255.255.254.0", "", "")
        assert addressed(host) == {"xenbr1": {"address": "10.1.0.6/23"}}
        x.PIF.reconfigure_ipv6(pif, "Static", "fd01::5/64", "fd01::1", "")
        assert addressed(host) == {"xenbr1": {"address": "10.1.0.6/23", "address6": "fd01::5/64"}}
        assert x.PIF.get_IPv6(pif) == ["fd01::5/64"] and x.PIF.get_ipv6_gateway(pif) == "fd01::1"
        x.PIF.reconfigure_ipv6(pif, "Autoconf", "", "", "")
        assert addressed(host)["xenbr1"]["address6"] == "autoconf" and x.PIF.get_IPv6(pif) == []
        x.PIF.reconfigure_ipv6(pif, "None", "", "", "")
        x.PIF.reconfigure_ip(pif, "None", "", "", "", "")
        assert addressed(host) == {} and x.PIF.get_IP(pif) == "" and x.PIF.get_ip_configuration_mode(pif) == "None"
        fails("INVALID_IP_ADDRESS_SPECIFIED", x.PIF.reconfigure_ip, pif, "Static", "10.1.0.6", "", "", "")
        fails("INVALID_CIDR_ADDRESS_SPECIFIED", x.PIF.reconfigure_ipv6, pif, "Static", "fd01::5", "", "")
        assert addressed(host) == {} and x.PIF.get_ip_configuration_mode(pif) == "None"
        # On a VLAN, and after a new start; what is unplugged has none.
        vlan = x.VLAN.create(pif, "10", new_network(x))
        above = x.VLAN.get_untagged_PIF(vlan)
        x.PIF.reconfigure_ip(above, "Static", "10.2.0.5", "255.255.0.0", "", "")
        (host.sim / "addresses").unlink()
        host.stop()
        x = host.start().client()
        tap.wait_until(lambda: addressed(host) == {"xapi0": {"address": "10.2.0.5/16"}}, "the address after a start")
        x.VLAN.destroy(vlan)


def test_refused():
    with host_with() as host:
        x = host.client()
        names = pifs(x)
        first, pif = names["eth0"], names["eth1"]
        x.PIF.plug(pif)
        for bad, parameter in ((("10.1.0", "255.255.255.0", "", ""), "IP"), (("", "255.255.255.0", "", ""), "IP"),
                               (("10.1.0.5/24", "255.255.255.0", "", ""), "IP"), (("$(reboot)", "255.0.0.0", "", ""), "IP"),
                               (("10.1.0.0", "255.255.255.0", "", ""), "IP"), (("10.1.0.255", "255.255.255.0", "", ""), "IP"),
                               (("224.0.0.5", "255.255.255.0", "", ""), "IP"), (("fd00::5", "255.255.255.0", "", ""), "IP"),
                               (("10.1.0.5", "", "", ""), "netmask"), (("10.1.0.5", "255.0.255.0", "", ""), "netmask"),
                               (("10.1.0.5", "0.0.0.0", "", ""), "netmask"), (("10.1.0.5", "24", "", ""), "netmask"),
                               (("10.1.0.5", "255.255.255.0", "10.2.0.1", ""), "gateway"),
                               (("10.1.0.5", "255.255.255.0", "10.1.0.5", ""), "gateway"),
                               (("10.1.0.5", "255.255.255.0", "gw", ""), "gateway"),
                               (("10.1.0.5", "255.255.255.0", "", "10.0.0.1, 10.0.0.2"), "DNS"),
                               (("10.1.0.5", "255.255.255.0", "", "ns\nnameserver 10.0.0.3"), "DNS")):
            assert fails("INVALID_IP_ADDRESS_SPECIFIED", x.PIF.reconfigure_ip, pif, "Static", *bad).params == [parameter], bad
        for bad in ("fd00::5", "fd00::5/0", "fd00::5/129", "fd00::/64", "ff02::1/64", "10.1.0.5/24", "fd00::5/64 ", "::/64"):
            assert fails("INVALID_CIDR_ADDRESS_SPECIFIED", x.PIF.reconfigure_ipv6, pif, "Static", bad, "", "").params == ["IPv6"], bad
        fails("INVALID_IP_ADDRESS_SPECIFIED", x.PIF.reconfigure_ipv6, pif, "Static", "fd00::5/64", "fd01::1", "")
        fails("NOT_IMPLEMENTED", x.PIF.reconfigure_ip, pif, "DHCP", "", "", "", "")
        fails("NOT_IMPLEMENTED", x.PIF.reconfigure_ipv6, pif, "DHCP", "", "", "")
        assert fails("PIF_UNMANAGED", x.PIF.reconfigure_ip, first, "None", "", "", "", "").params == [first]
        assert fails("PIF_UNMANAGED", x.host.management_reconfigure, first).params == [first]
        assert fails("PIF_HAS_NO_NETWORK_CONFIGURATION", x.host.management_reconfigure, pif).params == [pif]
        x.PIF.set_primary_address_type(pif, "IPv6")
        assert fails("PIF_HAS_NO_V6_NETWORK_CONFIGURATION", x.host.management_reconfigure, pif).params == [pif]
        x.PIF.unplug(pif)
        assert fails("REQUIRED_PIF_IS_UNPLUGGED", x.host.management_reconfigure, pif).params == [pif]
        inside = new_network(x)
        assert fails("PIF_NOT_PRESENT", x.pool.management_reconfigure, inside).params == [x.host.get_all()[0], inside]
        assert addressed(host) == {} and x.PIF.get_IP(pif) == "" and x.PIF.get_management(first)
        # In a bridge of somebody else's.
        foreign_bridge(host, "br0")
        interfaces(host, {**CARDS, "eth2": {"mac": "52:54:00:00:00:07", "bridge": "br0", "addresses": "10.3.0.5/24"}})
        x.PIF.scan(x.host.get_all()[0])
        theirs = pifs(x, 3)["eth2"]
        fails("PIF_UNMANAGED", x.PIF.reconfigure_ip, theirs, "Static", "10.3.0.6", "255.255.255.0", "", "")
        assert card(host, "eth2") == ("10.3.0.5/24", "")


def managed_by(host, x, pif, address=NEW):
    """eth1 has become the management interface, and that is confirmed."""
    x.PIF.plug(pif)
    x.PIF.reconfigure_ip(pif, "Static", address, MASK, "", "")
    x.host.management_reconfigure(pif)
    at(host, x, address).PIF.get_all()
    settle(x)
    assert x.PIF.get_management(pif) and x.host.get_address(x.host.get_all()[0]) == address


@covers("host.management_reconfigure", "pool.management_reconfigure", "PIF.set_primary_address_type")
def test_confirmed():
    with host_with() as host:
        x = host.client()
        names = pifs(x)
        first, pif = names["eth0"], names["eth1"]
        here = x.host.get_all()[0]
        x.PIF.plug(pif)
        x.PIF.reconfigure_ip(pif, "Static", NEW, MASK, "127.0.0.9", "127.0.0.9")
        fails("PIF_UNMANAGED", x.host.management_reconfigure, first)
        x.host.management_reconfigure(pif)
        assert addressed(host) == {"xenbr1": {"address": NEW + "/8", "gateway": "127.0.0.9"}}
        assert (host.sim / "resolv.conf").read_text().endswith("nameserver 127.0.0.9\n")
        # Neither who is on the host nor who comes to another of its addresses has shown that it can be reached.
        for other in x, at(host, x, OTHER):
            other.PIF.get_all()
            assert not is_settled(x)
        assert fails("OTHER_OPERATION_IN_PROGRESS", x.PIF.reconfigure_ip, pif, "Static", OTHER, MASK, "", "").params == ["PIF", pif]
        fails("OTHER_OPERATION_IN_PROGRESS", x.pool.management_reconfigure, x.PIF.get_network(pif))
        nobody = at(host, x, NEW).resume("OpaqueRef:nobody")
        fails("SESSION_INVALID", nobody.PIF.get_all)
        assert not is_settled(x)
        at(host, x, NEW).PIF.get_all()
        assert is_settled(x)
        assert x.host.get_address(here) == NEW and not x.PIF.get_management(first)
        assert fails("PIF_IS_MANAGEMENT_INTERFACE", x.PIF.reconfigure_ip, pif, "None", "", "", "", "").params == [pif]
        assert fails("PIF_IS_MANAGEMENT_INTERFACE", x.PIF.unplug, pif).params == [pif]
        # To another address, and then to one of a VLAN's; a new start changes nothing.
        x.PIF.reconfigure_ip(pif, "Static", OTHER, MASK, "127.0.0.9", "")
        at(host, x, OTHER).PIF.get_all()
        assert is_settled(x) and x.host.get_address(here) == OTHER
        fails("PIF_HAS_NO_V6_NETWORK_CONFIGURATION", x.PIF.set_primary_address_type, pif, "IPv6")
        x.PIF.reconfigure_ipv6(pif, "Static", "fd01::5/64", "", "")
        at(host, x, OTHER).PIF.get_all()
        x.PIF.set_primary_address_type(pif, "IPv6")
        assert x.host.get_address(here) == "fd01::5"
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        assert x.host.get_address(here) == "fd01::5" and not is_settled(x)
        at(host, x, OTHER).PIF.get_all()
        assert not is_settled(x), "it has come to the other family's address"
        x.PIF.get_all()
        x = again(host, SECONDS)
        settle(x)
        assert x.PIF.get_primary_address_type(pif) == "IPv4" and x.host.get_address(here) == OTHER
        x = again(host, LONG)
        tap.wait_until(lambda: addressed(host).get("xenbr1", {}).get("address6"), "addresses")
        network = new_network(x)
        above = x.VLAN.get_untagged_PIF(x.VLAN.create(pif, "10", network))
        x.PIF.reconfigure_ip(above, "Static", NEW, MASK, "", "")
        x.pool.management_reconfigure(network)
        at(host, x, NEW).PIF.get_all()
        assert is_settled(x)
        host.stop()
        x = host.start().client()
        tap.wait_until(lambda: x.host.get_address(here) == NEW, "the address after a start")
        assert is_settled(x) and x.PIF.get_management(above) and not x.PIF.get_management(pif)
        assert addressed(host) == {"xenbr1": {"address": OTHER + "/8", "address6": "fd01::5/64"}, "xapi0": {"address": NEW + "/8"}}


def state(host, x):
    """All that a change may change."""
    keys = ("managed", "currently_attached", "management", "ip_configuration_mode", "IP", "netmask", "gateway", "DNS",
            "ipv6_configuration_mode", "IPv6", "ipv6_gateway", "primary_address_type")
    return ({ref: [record[key] for key in keys] for ref, record in x.PIF.get_all_records().items()}, x.host.get_address(x.host.get_all()[0]),
            addressed(host), bridges(host), card(host, "eth0"), card(host, "eth1"))


def test_taken():
    """The administrator's own card, with the address of the host: becomes ours, or is as it was."""
    with host_with({**CARDS, "eth0": {**CARDS["eth0"], "addresses": "10.0.0.5/24", "dynamic": "false"}}) as host:
        x = host.client()
        first = pifs(x)["eth0"]
        before = state(host, x)
        x.PIF.reconfigure_ip(first, "Static", NEW, MASK, "127.0.0.9", "")
        assert bridges(host) == {"xenbr0": "1500 eth0"} and card(host, "eth0") == ("", "")
        assert addressed(host) == {"xenbr0": {"address": NEW + "/8", "gateway": "127.0.0.9"}}
        x = again(host, SECONDS)
        settle(x)
        tap.wait_until(lambda: state(host, x) == before, f"the state before: {before}")
        x = again(host, LONG)
        tap.wait_until(lambda: x.PIF.get_IP(first) == "10.0.0.5", "facts")
        x.PIF.reconfigure_ip(first, "Static", NEW, MASK, "127.0.0.9", "")
        at(host, x, NEW).PIF.get_all()
        settle(x)
        assert x.PIF.get_managed(first) and bridges(host) == {"xenbr0": "1500 eth0"} and card(host, "eth0") == ("", "")


def bad_changes(host, x, names):
    """Each cuts the administrator off: nobody can come to where the host is to be found."""
    eth1, vlan = names["eth1"], names["eth1.10"]
    return {
        "wrong address": lambda: x.PIF.reconfigure_ip(eth1, "Static", "10.9.9.9", "255.255.255.0", "", ""),
        "wrong gateway": lambda: x.PIF.reconfigure_ip(eth1, "Static", NEW, MASK, "127.9.9.9", ""),
        "wrong netmask": lambda: x.PIF.reconfigure_ip(eth1, "Static", NEW, "255.255.255.252", "", ""),
        "wrong VLAN": lambda: x.host.management_reconfigure(vlan),
        "wrong network": lambda: x.pool.management_reconfigure(x.PIF.get_network(vlan)),
        "wrong IPv6": lambda: x.PIF.reconfigure_ipv6(eth1, "Static", "fd99::9/64", "", ""),
        "no IPv6": lambda: x.PIF.reconfigure_ipv6(eth1, "None", "", "", ""),
        "wrong family": lambda: x.PIF.set_primary_address_type(eth1, "IPv6"),
    }


def ends(host):
    """What may end meanwhile."""
    def restart():
        host.stop()
        host.start()
    return {"nothing": lambda: None, "xapid": lambda: host.kill("xapid"), "xapid-host": lambda: host.kill("xapid-host"),
            "both": lambda: (host.kill("xapid-host"), host.kill("xapid")), "all": restart}


def test_bad_changes():
    """T25.  XAPID_CHANGES=50 is all of them; else a sample, of the seed."""
    count = int(os.environ.get("XAPID_CHANGES", SAMPLE))
    picked = random.Random(SEED)
    print(f"# seed {SEED}, sample/full: {count}/{CHANGES} bad changes", flush=True)
    with host_with() as host:
        x = host.client()
        names = pifs(x)
        managed_by(host, x, names["eth1"])
        x.PIF.reconfigure_ipv6(names["eth1"], "Static", "fd01::5/64", "", "")
        at(host, x, NEW).PIF.get_all()
        settle(x)
        names["eth1.10"] = x.VLAN.get_untagged_PIF(x.VLAN.create(names["eth1"], "10", new_network(x)))
        x.PIF.reconfigure_ip(names["eth1.10"], "Static", "10.8.8.8", "255.255.255.0", "", "")
        x = again(host, SECONDS)
        tap.wait_until(lambda: set(addressed(host)) == {"xapi0", "xenbr1"}, "addresses")
        for turn in range(count):
            before = state(host, x)
            changes = bad_changes(host, x, names)
            name, change = list(changes.items())[turn % len(changes)]
            end = picked.choice(list(ends(host)))
            count_before = undone(host)
            change()
            ends(host)[end]()
            host.wait_up()
            x = host.client()
            tap.wait_until(lambda: undone(host) > count_before, f"end of {name}", 60)
            settle(x)
            tap.wait_until(lambda: state(host, x) == before, f"return from {name}, with an end of {end}: {before}", 30)
    print(f"# {count} bad changes, each came back", flush=True)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

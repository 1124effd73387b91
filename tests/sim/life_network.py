"""The lives of a network and of the host's addresses, as test-faults.py has them."""
import configparser
import time

import networks
import world
from host import GUEST, Failure
from life import SEED, TRIES, soon, until_done
from owner import EXCUSES, Gate, Owner


def owner_of(host):
    """An owner, what it has made, and how it does a thing until it is done."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    made = {}

    def do(what, call):
        for _ in range(TRIES):
            try:
                made[what] = owner.insist(lambda: call(owner.x))
                return
            except Failure as failure:
                if failure.code not in (*EXCUSES, "PIF_CONFIGURATION_ERROR"):
                    owner.say(f"{what}: {failure}")
                time.sleep(0.3)
        owner.say(f"{what} cannot be done any more")
    return owner, made, do


def life_of_a_network(host):
    """With a guest that has a card on it meanwhile."""
    owner, made, do = owner_of(host)
    networks.interfaces(host)
    do("scan", lambda x: x.PIF.scan(x.host.get_all()[0]))
    do("pif", lambda x: next(ref for ref, record in x.PIF.get_all_records().items() if record["device"] == "eth1"))
    do("plug the PIF", lambda x: x.PIF.plug(made["pif"]))
    do("network", networks.new_network)
    do("vlan", lambda x: (x.PIF.get_VLAN_slave_of(made["pif"]) or [x.VLAN.create(made["pif"], "10", made["network"])])[0])
    led_out = {"xenbr1": "1500 eth1", "xapi0": "1500 eth1 10"}
    if not soon(lambda: networks.bridges(host) == led_out):
        owner.say(f"after VLAN.create: {networks.bridges(host)}")
    do("vm", lambda x: x.VM.create(GUEST))
    do("vif", lambda x: networks.new_vif(x, made["vm"], made["network"]))
    do("start", lambda x: x.VM.get_power_state(made["vm"]) == "Running" or x.VM.start(made["vm"], False, False))
    given = [d["nics"] for d in world.domains(host.sim) if d["state"] != "dying"]
    if [len(cards) for cards in given] != [1] or networks.bridges(host) != led_out:
        owner.say(f"after the start: {given}, {networks.bridges(host)}")
    if not owner.insist(lambda: owner.x.VIF.get_currently_attached(made["vif"])):
        owner.say("the card is not attached")
    do("second", lambda x: networks.new_vif(x, made["vm"], made["network"], "1"))
    do("other network", networks.new_network)
    do("plug", lambda x: x.VIF.get_currently_attached(made["second"]) or x.VIF.plug(made["second"]))
    do("move", lambda x: x.VIF.move(made["second"], made["other network"]))
    given = [d["nics"] for d in world.domains(host.sim) if d["state"] != "dying"]
    if [{place: card[1] for place, card in cards.items()} for cards in given] != [{0: "xapi0", 1: "xapi1"}]:
        owner.say(f"after the move: {given}")
    do("unplug", lambda x: x.VIF.get_currently_attached(made["second"]) and x.VIF.unplug(made["second"]))
    do("stop", lambda x: x.VM.hard_shutdown(made["vm"]))
    do("end of the VLAN", lambda x: made["vlan"] not in x.VLAN.get_all() or x.VLAN.destroy(made["vlan"]))
    do("unplug the PIF", lambda x: x.PIF.unplug(made["pif"]))
    if not soon(lambda: not any(" " in text for text in networks.bridges(host).values())):
        owner.say(f"after the unplug: {networks.bridges(host)}")
    do("end", lambda x: x.network.destroy(made["network"]))
    do("end of the other", lambda x: x.network.destroy(made["other network"]))
    if owner.insist(lambda: owner.x.VIF.get_all()):
        owner.say("the card is left")
    return owner.wrong


def life_of_addresses(host):
    """One that cuts the administrator off, who gets it back; and one that does not."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)

    def pifs():
        return {record["device"]: ref for ref, record in owner.x.PIF.get_all_records().items()}

    def carried(bridge):
        """By this bridge, while it is there."""
        file = configparser.ConfigParser()
        file.read(host.sim / "addresses")
        return dict(file[bridge]) if bridge in networks.bridges(host) and bridge in file else {}

    def reconfigure(x, *arguments):
        try:
            x.PIF.reconfigure_ip(*arguments)
        except Failure as failure:
            if failure.code != "PIF_CONFIGURATION_ERROR":
                raise
            time.sleep(0.3)

    def kept():
        file = configparser.ConfigParser()
        file.read(host.sim / "interfaces")
        return file["eth0"].get("addresses", "")

    networks.interfaces(host, {**networks.CARDS, "eth0": {**networks.CARDS["eth0"], "addresses": "10.0.0.5/24", "dynamic": "false"}})
    until_done(owner, pifs, lambda x: x.PIF.scan(x.host.get_all()[0]), "PIF.scan")
    first, second = (owner.insist(pifs)[name] for name in ("eth0", "eth1"))
    if not soon(lambda: owner.insist(lambda: owner.x.PIF.get_management(first))):
        owner.say("there is no management PIF")
    until_done(owner, lambda: owner.x.PIF.get_managed(first),
               lambda x: reconfigure(x, first, "Static", "10.0.9.5", "255.255.255.0", "10.0.9.1", "10.0.9.1"), "PIF.reconfigure_ip")
    if not soon(lambda: not owner.insist(lambda: owner.x.PIF.get_managed(first)) and kept() == "10.0.0.5/24" and not carried("xenbr0")):
        owner.say(f"the administrator's card is not as it was: {kept()} {carried('xenbr0')}")
    until_done(owner, lambda: owner.x.PIF.get_currently_attached(second), lambda x: x.PIF.plug(second), "PIF.plug")
    for mode, ip, mask, wanted in ("Static", "10.1.0.5", "255.255.0.0", {"address": "10.1.0.5/16"}), ("None", "", "", {}):
        until_done(owner, lambda: owner.x.PIF.get_ip_configuration_mode(second) == mode and carried("xenbr1") == wanted,
                   lambda x: reconfigure(x, second, mode, ip, mask, "", ""), f"PIF.reconfigure_ip to {mode}")
    until_done(owner, lambda: not owner.x.PIF.get_currently_attached(second), lambda x: x.PIF.unplug(second), "PIF.unplug")
    return owner.wrong


def life_of_a_bond(host):
    """Of two cards, one of which has a VLAN with a guest on it."""
    owner, made, do = owner_of(host)
    networks.interfaces(host, {**networks.CARDS, "eth2": {"mac": "52:54:00:00:00:03"}})

    def lead_out(bonds, what):
        if not soon(lambda: networks.led_out(host) == bonds):
            owner.say(f"after {what}: {networks.bridges(host)}")
        if len(owner.insist(lambda: owner.x.PIF.get_all())) != 4 + len(owner.insist(lambda: owner.x.Bond.get_all())):
            owner.say(f"after {what}: other PIFs than are told of")

    def card(x, device):
        return next(ref for ref, record in x.PIF.get_all_records().items()
                    if record["device"] == device and record["VLAN"] == "-1")
    do("scan", lambda x: x.PIF.scan(x.host.get_all()[0]))
    do("cards", lambda x: [card(x, device) for device in ("eth1", "eth2")])
    do("plug", lambda x: x.PIF.plug(made["cards"][0]))
    do("office", networks.new_network)
    do("vlan", lambda x: (x.PIF.get_VLAN_slave_of(made["cards"][0]) or [x.VLAN.create(made["cards"][0], "10", made["office"])])[0])
    do("vm", lambda x: x.VM.create(GUEST))
    do("vif", lambda x: networks.new_vif(x, made["vm"], made["office"]))
    do("start", lambda x: x.VM.get_power_state(made["vm"]) == "Running" or x.VM.start(made["vm"], False, False))
    do("network", networks.new_network)
    office, lan = (owner.insist(lambda: owner.x.network.get_bridge(made[name])) for name in ("office", "network"))
    lead_out({"xenbr1": "1500 eth1", office: "1500 eth1 10"}, "the VLAN")
    do("bond", lambda x: (x.Bond.get_all() or [x.Bond.create(made["network"], made["cards"], "", "active-backup", {})])[0])
    lead_out({lan: "1500 bond0=eth1+eth2 active-backup", office: "1500 bond0 10"}, "Bond.create")
    do("mode", lambda x: x.Bond.set_mode(made["bond"], "lacp"))
    lead_out({lan: "1500 bond0=eth1+eth2 lacp", office: "1500 bond0 10"}, "Bond.set_mode")
    do("end of the bond", lambda x: made["bond"] not in x.Bond.get_all() or x.Bond.destroy(made["bond"]))
    lead_out({"xenbr1": "1500 eth1", office: "1500 eth1 10"}, "Bond.destroy")
    if not owner.insist(lambda: owner.x.VIF.get_currently_attached(made["vif"])):
        owner.say("the guest has lost its card")
    do("stop", lambda x: x.VM.hard_shutdown(made["vm"]))
    return owner.wrong

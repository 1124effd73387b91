#!/usr/bin/python3
"""Scenarios of test-network.sh: network.py SCENARIO NAME ADDRESS PASSWORD."""
from api import client, console, dom0, domids, guest, run_scenario, says, type_in, until
from host import fails
from networks import new_network, new_vif
from storage import device_model, whole_machine


def connected(name, x, kind, address, network):
    """A guest with one card, and an address of its own there."""
    vm = x.VM.create(guest(f"at-{address}", kind, f"console=hvc0 lab.count=0 lab.ip={address}/24"))
    vif = new_vif(x, vm, network)
    x.VM.start(vm, False, False)
    uuid = x.VM.get_uuid(vm)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    assert x.VIF.get_currently_attached(vif)
    return vm, vif


def answers(name, x, vm, address, seconds=60):
    """How many of three packets to an address are answered."""
    uuid = x.VM.get_uuid(vm)
    before = console(name, uuid).count("packets received")
    type_in(name, domids(name)[uuid], f"ping -c 3 -w 8 {address}")
    until(lambda: console(name, uuid).count("packets received") > before, "end of the ping", seconds)
    return int(console(name, uuid).split(" packets received")[-2].rsplit(" ", 1)[-1])


def reached(name, x, vm, address):
    until(lambda: answers(name, x, vm, address) == 3, f"answer of {address}")


def links(name):
    """The interfaces of dom0 that are in bridges: name to bridge."""
    lines = dom0(name, "ip -o link show").splitlines()
    words = [line.split() for line in lines]
    return {word[1].rstrip(":"): word[word.index("master") + 1] for word in words if "master" in word}


def end(name, x, vms):
    for vm in vms:
        x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)


def exchange(kind, name, address, password):
    """Guests of one network reach each other, those of two do not, nor does dom0 answer them."""
    x = client(address, password)
    one, other = new_network(x), new_network(x)
    bridges = [x.network.get_bridge(network) for network in (one, other)]
    first, vif = connected(name, x, kind, "10.9.0.1", one)
    second, _ = connected(name, x, kind, "10.9.0.2", one)
    third, _ = connected(name, x, kind, "10.9.0.3", other)
    domid = x.VM.get_domid(first)
    assert links(name)[f"vif{domid}.0"] == bridges[0], links(name)
    assert sorted(links(name).values()) == sorted([bridges[0], bridges[0], bridges[1]]), links(name)
    # The guest's card is the record's.
    uuid = x.VM.get_uuid(first)
    type_in(name, domid, "cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu")
    until(lambda: x.VIF.get_MAC(vif) in console(name, uuid) and "\n1500" in console(name, uuid), "its address")
    reached(name, x, first, "10.9.0.2")
    reached(name, x, second, "10.9.0.1")
    assert answers(name, x, first, "10.9.0.3") == 0 and answers(name, x, third, "10.9.0.1") == 0
    dom0(name, "ip address add 10.9.0.99/24 dev lo")
    try:
        assert answers(name, x, first, "10.9.0.99") == 0, "dom0 answers on a network of guests"
    finally:
        dom0(name, "ip address del 10.9.0.99/24 dev lo")
    assert fails("NETWORK_CONTAINS_VIF", x.network.destroy, one).code
    x.VM.hard_reboot(second)
    until(lambda: console(name, x.VM.get_uuid(second)).count("LAB-GUEST-UP"), "guest")
    reached(name, x, first, "10.9.0.2")
    end(name, x, [first, second, third])
    assert links(name) == {}, links(name)
    for network in one, other:
        x.network.destroy(network)
    until(lambda: "xapi" not in dom0(name, "ip -o link show type bridge"), "end of the bridges")


def exchange_pv(*host):
    exchange("pv", *host)


def exchange_pvh(*host):
    exchange("pvh", *host)


def suspended(name, address, password):
    """A guest that was suspended has its card again."""
    x = client(address, password)
    network = new_network(x, MTU="1400")
    first, _ = connected(name, x, "pv", "10.9.0.1", network)
    second, vif = connected(name, x, "pv", "10.9.0.2", network)
    reached(name, x, first, "10.9.0.2")
    x.VM.suspend(second)
    assert not x.VIF.get_currently_attached(vif) and len(links(name)) == 1
    assert answers(name, x, first, "10.9.0.2") == 0
    x.VM.resume(second, False, False)
    assert x.VIF.get_currently_attached(vif) and len(links(name)) == 2
    reached(name, x, first, "10.9.0.2")
    end(name, x, [first, second])
    x.network.destroy(network)


def machine(name, address, password):
    """A whole machine has Xen's card and the emulated one on the bridge, though its QEMU is confined."""
    x = client(address, password)
    dom0(name, "id xen-qemuuser-range-base >/dev/null 2>&1 || "
               "useradd -r -u 200000 -M -d /nonexistent -s /usr/sbin/nologin xen-qemuuser-range-base")
    network = new_network(x)
    bridge, vm = x.network.get_bridge(network), whole_machine(x, "machine")
    vif = new_vif(x, vm, network, "2")
    x.VM.start(vm, False, False)
    domid = x.VM.get_domid(vm)
    assert links(name) == {f"vif{domid}.2": bridge, f"vif{domid}.2-emu": bridge}, links(name)
    assert device_model(name, domid)[1] != "0"
    other = new_network(x)
    x.VIF.move(vif, other)
    bridge = x.network.get_bridge(other)
    assert links(name) == {f"vif{domid}.2": bridge, f"vif{domid}.2-emu": bridge}, links(name)
    for call in x.VIF.unplug, x.VIF.unplug_force:
        assert fails("DEVICE_DETACH_REJECTED", call, vif).params[:2] == ["VIF", vif]
    assert x.VIF.get_currently_attached(vif) and len(links(name)) == 2
    end(name, x, [vm])
    assert links(name) == {}, links(name)
    for one in network, other:
        x.network.destroy(one)


def come_and_go(name, x, vm, device="0"):
    """A guest that runs and has no card finds one that is plugged, and gets packets through; it is moved to another
    network and back while the guest keeps its address; unplugged, it is gone."""
    dom0(name, "ip link add br7 type bridge; ip link set br7 up; ip address add 10.9.0.7/24 dev br7")
    theirs, inside = new_network(x, bridge="br7", managed=False), new_network(x)
    interface, bridge = f"vif{x.VM.get_domid(vm)}.{device}", x.network.get_bridge(inside)
    vif = new_vif(x, vm, theirs, device)
    for unplug in x.VIF.unplug, x.VIF.unplug_force:
        x.VIF.plug(vif)
        assert links(name) == {interface: "br7"} and x.VIF.get_currently_attached(vif), links(name)
        says(name, x, vm, "cat /sys/class/net/eth0/address", x.VIF.get_MAC(vif))
        says(name, x, vm, "ip link set eth0 up; ip addr add 10.9.0.1/24 dev eth0; ip -o addr", "10.9.0.1/24")
        reached(name, x, vm, "10.9.0.7")
        x.VIF.move(vif, inside)
        assert links(name) == {interface: bridge} and x.VIF.get_network(vif) == inside, links(name)
        assert answers(name, x, vm, "10.9.0.7") == 0
        x.VIF.move(vif, theirs)
        reached(name, x, vm, "10.9.0.7")
        unplug(vif)
        assert links(name) == {} and not x.VIF.get_currently_attached(vif), links(name)
        says(name, x, vm, "ls /sys/class/net | grep -c eth; echo GO\"\"NE", "0\nGONE")
    x.VIF.destroy(vif)
    for network in theirs, inside:
        x.network.destroy(network)
    dom0(name, "ip link del br7")


def plugging(kind, name, address, password):
    x = client(address, password)
    vm = x.VM.create(guest("plugging", kind, "console=hvc0 lab.count=0"))
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, x.VM.get_uuid(vm)), "guest")
    come_and_go(name, x, vm)
    end(name, x, [vm])


def plugging_pv(*host):
    plugging("pv", *host)


def plugging_pvh(*host):
    plugging("pvh", *host)


def killed(name, address, password):
    """A worker that dies while it plugs leaves the card whole, or nothing."""
    x = client(address, password)
    dom0(name, "ip link add br7 type bridge; ip link set br7 up; ip address add 10.9.0.7/24 dev br7")
    network = new_network(x, bridge="br7", managed=False)
    vm = x.VM.create(guest("killed", "pvh", "console=hvc0 lab.count=0"))
    uuid, vif = x.VM.get_uuid(vm), new_vif(x, vm, network)
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    domid, outcomes = x.VM.get_domid(vm), []
    for delay in ("0.0", "0.05", "0.1", "0.2", "0.3"):
        if x.VIF.get_currently_attached(vif):
            x.VIF.unplug(vif)
        task = x.Async.VIF.plug(vif)
        dom0(name, f"sleep {delay}; pkill -9 domains-worker || true")
        record = x.wait_task(task, 120)
        outcomes.append(record["status"])
        attached = record["status"] == "success"
        assert x.VIF.get_currently_attached(vif) == attached, record
        assert links(name) == ({f"vif{domid}.0": "br7"} if attached else {}), (record, links(name))
        keys = dom0(name, f"xenstore-ls /local/domain/0/backend/vif/{domid} 2>/dev/null || true")
        assert bool(keys.strip()) == attached, (record, keys)
        if attached:
            says(name, x, vm, "ip link set eth0 up; ip addr add 10.9.0.1/24 dev eth0; ip -o addr", "10.9.0.1/24")
            reached(name, x, vm, "10.9.0.7")
    print(f"# a worker killed in a plug: {' '.join(outcomes)}")
    end(name, x, [vm])
    x.network.destroy(network)
    dom0(name, "ip link del br7")


def administrators(name, address, password):
    """A bridge that the administrator made is used and left; what bears one of our names is not touched."""
    x = client(address, password)
    dom0(name, "ip link add br7 type bridge; ip link set br7 up; ip link add xapi0 type bridge")
    theirs, squatted = new_network(x, bridge="br7", managed=False), new_network(x)
    vm, _ = connected(name, x, "pv", "10.9.0.1", theirs)
    dom0(name, "ip address add 10.9.0.7/24 dev br7")
    reached(name, x, vm, "10.9.0.7")
    end(name, x, [vm])
    vm = x.VM.create(guest("squatted", "pv"))
    new_vif(x, vm, squatted)
    assert fails("BRIDGE_NOT_AVAILABLE", x.VM.start, vm, False, False).params == ["xapi0"]
    x.VM.destroy(vm)
    for network in theirs, squatted:
        x.network.destroy(network)
    assert x.network.get_all() == []
    there = dom0(name, "ip -o link show type bridge")
    assert "br7" in there and "xapi0" in there, there
    dom0(name, "ip link del br7; ip link del xapi0")


if __name__ == "__main__":
    run_scenario(globals())

#!/usr/bin/python3
"""Scenarios of test-network.sh: network.py SCENARIO NAME ADDRESS PASSWORD."""
import os
import time

from api import client, console, dom0, domids, guest, run_scenario, sample, says, type_in, until
from happened import programs
from host import fails
from networks import new_network, new_vif
from storage import device_model, whole_machine

NIC_HOTPLUG = "/usr/local/libexec/xapid/nic-hotplug"


def connected(name, x, kind, address, network):
    """A guest with one card, and an address of its own there.  Its start executes the program of the card, and no other."""
    vm = x.VM.create(guest(f"at-{address}", kind, f"console=hvc0 lab.count=0 lab.ip={address}/24"))
    vif = new_vif(x, vm, network)
    executed = programs(name, lambda: x.VM.start(vm, False, False))
    # The kernel may load a module, once.
    assert [program for program in executed if program != "/sbin/modprobe"] == [NIC_HOTPLUG], executed
    uuid = x.VM.get_uuid(vm)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    assert x.VIF.get_currently_attached(vif)
    return vm, vif


def answers(name, x, vm, address, seconds=60, ping="-c 3 -w 8"):
    """How many packets to an address are answered, of three."""
    uuid = x.VM.get_uuid(vm)
    before = console(name, uuid).count("packets received")
    type_in(name, domids(name)[uuid], f"ping {ping} {address}")
    until(lambda: console(name, uuid).count("packets received") > before, "end of the ping", seconds)
    return int(console(name, uuid).split(" packets received")[-2].rsplit(" ", 1)[-1])


def reached(name, x, vm, address):
    until(lambda: answers(name, x, vm, address) == 3, f"answer of {address}")


def unanswered(name, x, vm, address):
    return answers(name, x, vm, address, ping="-c 2 -w 3") == 0


def links(name):
    """The interfaces of dom0 that are in bridges, of Linux or of Open vSwitch: name to bridge."""
    lines = dom0(name, "ip -o link show").splitlines()
    words = [line.split() for line in lines]
    masters = {word[1].rstrip(":").partition("@")[0]: word[word.index("master") + 1] for word in words if "master" in word}
    switched = [link for link, master in masters.items() if master == "ovs-system"]
    bridges = dom0(name, "; ".join(f"ovs-vsctl iface-to-br {link}" for link in switched)).split() if switched else []
    return {**masters, **dict(zip(switched, bridges, strict=True))}


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


def gone(name, x, vm):
    says(name, x, vm, "ls /sys/class/net | grep -c eth; echo GO\"\"NE", "0\nGONE")


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
        assert unanswered(name, x, vm, "10.9.0.7")
        x.VIF.move(vif, theirs)
        reached(name, x, vm, "10.9.0.7")
        unplug(vif)
        assert links(name) == {} and not x.VIF.get_currently_attached(vif), links(name)
        gone(name, x, vm)
    x.VIF.destroy(vif)
    for network in theirs, inside:
        x.network.destroy(network)
    dom0(name, "ip link del br7")


def killed(name, x, vm):
    """A worker that dies while it plugs leaves the card whole, or nothing."""
    dom0(name, "ip link add br7 type bridge; ip link set br7 up; ip address add 10.9.0.7/24 dev br7")
    network = new_network(x, bridge="br7", managed=False)
    vif, domid, outcomes = new_vif(x, vm, network), x.VM.get_domid(vm), []
    for delay in sample("workers killed in a plug", ("0.0", "0.05", "0.1", "0.2", "0.3"), 2):
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
    if x.VIF.get_currently_attached(vif):
        x.VIF.unplug(vif)
    x.VIF.destroy(vif)
    x.network.destroy(network)
    dom0(name, "ip link del br7")


def plugging(name, address, password):
    """A PVH guest's card comes and goes, whatever becomes of who brings it."""
    x = client(address, password)
    vm = x.VM.create(guest("plugging", "pvh", "console=hvc0 lab.count=0"))
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, x.VM.get_uuid(vm)), "guest")
    come_and_go(name, x, vm)
    killed(name, x, vm)
    end(name, x, [vm])


def locks(name, address, password):
    """Real packets of a guest under each lock, from its first one on."""
    x = client(address, password)
    dom0(name, "ip link add br7 type bridge; ip link set br7 up; ip address add 10.9.0.7/24 dev br7; "
               "ip address add fd09::7/64 dev br7 nodad")
    network = new_network(x, bridge="br7", managed=False)
    vm = x.VM.create(guest("locks", "pv", "console=hvc0 lab.count=0 lab.ip=10.9.0.2/24"))
    uuid = x.VM.get_uuid(vm)
    vif = new_vif(x, vm, network, locking_mode="locked", ipv4_allowed=["10.9.0.1"], ipv6_allowed=["fd09::1"])
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")

    def seen():
        return dom0(name, "ip neigh show dev br7")
    assert unanswered(name, x, vm, "10.9.0.7") and "10.9.0.2" not in seen(), seen()
    x.VIF.add_ipv4_allowed(vif, "10.9.0.2")
    reached(name, x, vm, "10.9.0.7")
    assert "10.9.0.2" in seen(), seen()
    x.VIF.remove_ipv4_allowed(vif, "10.9.0.2")
    assert unanswered(name, x, vm, "10.9.0.7")
    says(name, x, vm, "ip addr add 10.9.0.1/24 dev eth0; ip addr add fd09::1/64 dev eth0; ip -o addr", "10.9.0.1/24")
    assert unanswered(name, x, vm, "-I 10.9.0.2 10.9.0.7")
    until(lambda: answers(name, x, vm, "-I 10.9.0.1 10.9.0.7") == 3, "answer to the address that is allowed")
    until(lambda: answers(name, x, vm, "-6 -I fd09::1 fd09::7") == 3, "answer to IPv6")
    x.VIF.remove_ipv6_allowed(vif, "fd09::1")
    assert unanswered(name, x, vm, "-6 -I fd09::1 fd09::7")
    # Another card's address, and a VLAN's tag.
    says(name, x, vm, "ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:09; ip link set eth0 up; ip -o link",
         "02:00:00:00:00:09")
    assert unanswered(name, x, vm, "-I 10.9.0.1 10.9.0.7")
    x.VIF.set_locking_mode(vif, "unlocked")
    until(lambda: answers(name, x, vm, "10.9.0.7") == 3, "answer without a lock")
    x.VIF.set_locking_mode(vif, "disabled")
    assert unanswered(name, x, vm, "10.9.0.7")
    x.VIF.set_locking_mode(vif, "unlocked")
    until(lambda: answers(name, x, vm, "10.9.0.7") == 3, "answer without a lock")
    limited(name, x, vm, vif)
    end(name, x, [vm])
    x.network.destroy(network)
    dom0(name, "ip link del br7")


def sends(name, x, vm, kib):
    """KiB a second that reach dom0 of so many."""
    dom0(name, "rm -f /root/rate; setsid sh -c 'timeout 300 socat -u TCP-LISTEN:9000,reuseaddr - | { "
               "head -c 1024 >/dev/null; cut -d\" \" -f1 /proc/uptime >/root/rate.part; cat >/dev/null; "
               "cut -d\" \" -f1 /proc/uptime >>/root/rate.part; mv /root/rate.part /root/rate; }' </dev/null >/dev/null 2>&1 &")
    until(lambda: dom0(name, "grep -i :2328 /proc/net/tcp* || true"), "listener")  # 9000
    type_in(name, x.VM.get_domid(vm), f"head -c {kib}k /dev/zero | nc 10.9.0.7 9000")
    until(lambda: "there" in dom0(name, "[ -e /root/rate ] && echo there || true"), "all of it", 200)
    first, last = map(float, dom0(name, "cat /root/rate").split())
    return kib / max(last - first, 0.01)


def limited(name, x, vm, vif):
    """Without a limit, and with one of 20 KiB a second."""
    free = sends(name, x, vm, 400)
    x.VIF.set_qos_algorithm_params(vif, {"kbps": "20"})
    x.VIF.set_qos_algorithm_type(vif, "ratelimit")
    x.VIF.unplug(vif)
    gone(name, x, vm)
    x.VIF.plug(vif)
    says(name, x, vm, "ip link set eth0 up; ip addr add 10.9.0.1/24 dev eth0; ip -o addr", "10.9.0.1/24")
    reached(name, x, vm, "10.9.0.7")
    held = sends(name, x, vm, 400)
    print(f"# KiB a second that a guest sends: {free:.0f}, with a limit of 20: {held:.1f}")
    assert held < 30 and free > 2 * held, (free, held)


def administrators(name, address, password):
    """A bridge that the administrator made is used and left; what bears one of our names is not touched."""
    x = client(address, password)
    before = x.network.get_all()
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
    assert x.network.get_all() == before
    there = dom0(name, "ip -o link show type bridge")
    assert "br7" in there and "xapi0" in there, there
    dom0(name, "ip link del br7; ip link del xapi0")


def card(name, x):
    """What stands for dom0's own card: it carries the address by which this test talks to the daemon."""
    own = dom0(name, "ip -o -4 addr show dev eth0").split()[3]
    until(lambda: any(record["device"] == "eth0" and record["IP"] for record in x.PIF.get_all_records().values()), "PIF")
    pif = next(ref for ref, record in x.PIF.get_all_records().items() if record["device"] == "eth0")
    record = x.PIF.get_record(pif)
    assert f"{record['IP']}/" in own and not record["managed"] and record["physical"] and record["currently_attached"], record
    assert x.PIF_metrics.get_carrier(record["metrics"])
    return pif, own


def vlans(name, address, password):
    """Guests of one VLAN reach each other and what is behind the wire, those of two do not; the card by which dom0
    is managed can have VLANs, and is never touched itself."""
    x = client(address, password)
    eth0, own = card(name, x)
    here = x.host.get_all()[0]
    # Behind the wire: an address on VLAN 10, and later, in its place, one without a tag.
    dom0(name, "ip link add wire type veth peer name wall; ip link set wire up; ip link set wall up; "
               "ip link add link wall name wall.10 type vlan id 10; ip link set wall.10 up; ip addr add 10.9.0.50/24 dev wall.10")
    pif = x.PIF.introduce(here, "", "wire")
    x.PIF.plug(pif)
    one, other, beside = new_network(x), new_network(x), new_network(x)
    x.VLAN.create(pif, "10", one)
    x.VLAN.create(pif, "11", other)
    second_on_eth0 = x.VLAN.create(eth0, "10", beside)
    (first, _), (second, _), (third, _) = (connected(name, x, "pv", f"10.9.0.{number}", network)
                                           for number, network in ((1, one), (2, one), (3, other)))
    fourth, _ = connected(name, x, "pv", "10.9.0.4", x.PIF.get_network(pif))
    reached(name, x, first, "10.9.0.2")
    reached(name, x, second, "10.9.0.50")
    assert unanswered(name, x, first, "10.9.0.3") and unanswered(name, x, third, "10.9.0.50")
    assert unanswered(name, x, fourth, "10.9.0.1")
    # What carries no tag is on the network of the interface itself.
    dom0(name, "ip addr del 10.9.0.50/24 dev wall.10; ip addr add 10.9.0.60/24 dev wall")
    reached(name, x, fourth, "10.9.0.60")
    assert unanswered(name, x, first, "10.9.0.60")
    dom0(name, "ip addr del 10.9.0.60/24 dev wall; ip addr add 10.9.0.50/24 dev wall.10")
    # The programs go and come, and the interface goes down and up under them.
    dom0(name, "kill -9 $(pidof xapid-host); ip link set wire down; ip link set wire up")
    until(lambda: links(name).get("wire"), "bridge of the interface")
    reached(name, x, first, "10.9.0.50")
    assert unanswered(name, x, third, "10.9.0.1")
    assert dom0(name, "ip -o -4 addr show dev eth0").split()[3] == own and "eth0" not in links(name), links(name)
    for call in x.PIF.plug, x.PIF.unplug:
        assert fails("PIF_UNMANAGED", call, eth0).code
    dom0(name, "ip addr add 10.9.8.1/24 dev wall")
    taken = x.PIF.introduce(here, "", "wall")
    assert not x.PIF.get_managed(taken) and fails("PIF_UNMANAGED", x.PIF.plug, taken).code
    end(name, x, [first, second, third, fourth])
    for vlan in x.VLAN.get_all():
        x.VLAN.destroy(vlan)
    x.PIF.unplug(pif)
    for ref in pif, taken:
        x.PIF.forget(ref)
    assert links(name) == {} and second_on_eth0 not in x.VLAN.get_all(), links(name)
    for network in x.network.get_all():
        if not x.network.get_PIFs(network):
            x.network.destroy(network)
    until(lambda: dom0(name, "ip -o link show type bridge; ip -o link show group 2019651689").strip() == "", "end of the bridges")
    dom0(name, "ip link del wire")
    assert dom0(name, "ip -o -4 addr show dev eth0").split()[3] == own


def many(name, address, password):
    """Many VLANs, also when xapid-host ends and sees them all anew."""
    x = client(address, password)
    dom0(name, "ip link add wire type veth peer name wall; ip link set wire up")
    pif = x.PIF.introduce(x.host.get_all()[0], "", "wire")
    x.PIF.plug(pif)
    count = 800 if "XAPID_LAB_WHOLE" in os.environ else 40
    networks = [new_network(x) for _ in range(count)]
    begin = time.monotonic()
    for tag, network in enumerate(networks):
        x.VLAN.create(pif, str(tag + 1), network)
    print(f"# seconds for {count} VLANs: {time.monotonic() - begin:.1f}")
    assert len(links(name)) == count + 1, len(links(name))
    begin = time.monotonic()
    dom0(name, "kill -9 $(pidof xapid-host)")
    until(lambda: dom0(name, "pidof xapid-host || true").strip(), "xapid-host")
    assert len(links(name)) == count + 1, len(links(name))
    for vlan in x.VLAN.get_all():
        x.VLAN.destroy(vlan)
    until(lambda: len(links(name)) == 1, "end of the VLANs")
    x.PIF.unplug(pif)
    x.PIF.forget(pif)
    for network in networks:
        x.network.destroy(network)
    dom0(name, "ip link del wire")


if __name__ == "__main__":
    run_scenario(globals())

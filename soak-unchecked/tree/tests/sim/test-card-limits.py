#!/usr/bin/python3
"""What guests may send by their network cards, on a simulated host: locks to addresses, and limits of rate."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
import world
from covers import covers
from host import GUEST, Host, fails
from networks import cards, new_network, new_vif

MANY = [f"10.0.0.{i}" for i in range(1, 33)]


def limits(host, x, vm):
    """What the hypervisor has: device to (lock, KiB a second)."""
    uuid = x.VM.get_uuid(vm)
    return next(d["limits"] for d in world.domains(host.sim) if d["uuid"] == uuid)


def started(x, network, **fields):
    vm = x.VM.create(GUEST)
    vif = new_vif(x, vm, network, **fields)
    x.VM.start(vm, False, False)
    return vm, vif


@covers("VIF.set_locking_mode")
def test_modes():
    with Host() as host:
        x = host.client()
        network = new_network(x)
        vm, vif = started(x, network, locking_mode="locked", ipv4_allowed=["10.0.0.1"], ipv6_allowed=["FD00:0::1"])
        assert limits(host, x, vm) == {0: ("locked 10.0.0.1 fd00::1", 0)}
        for mode in ("disabled", "unlocked", "locked"):
            x.VIF.set_locking_mode(vif, mode)
            assert x.VIF.get_locking_mode(vif) == mode and limits(host, x, vm)[0][0].split()[0] == mode
        x.VIF.set_locking_mode(vif, "network_default")
        assert limits(host, x, vm) == {0: ("unlocked", 0)}
        fails("HANDLE_INVALID", x.VIF.set_locking_mode, network, "locked")
        x.VIF.set_locking_mode(vif, "locked")
        x.VM.hard_reboot(vm)
        assert limits(host, x, vm) == {0: ("locked 10.0.0.1 fd00::1", 0)}
        x.VM.hard_shutdown(vm)
        x.VIF.set_locking_mode(vif, "disabled")
        x.VM.start(vm, False, False)
        assert limits(host, x, vm) == {0: ("disabled", 0)}
        x.VIF.unplug(vif)
        x.VIF.set_locking_mode(vif, "locked")
        x.VIF.plug(vif)
        assert limits(host, x, vm) == {0: ("locked 10.0.0.1 fd00::1", 0)}
        x.VM.hard_shutdown(vm)
        assert (left := settled.check(host)) == [], left


@covers("VIF.set_ipv4_allowed", "VIF.add_ipv4_allowed", "VIF.remove_ipv4_allowed")
def test_ipv4():
    with Host() as host:
        x = host.client()
        vm, vif = started(x, new_network(x), locking_mode="locked")
        assert limits(host, x, vm) == {0: ("locked", 0)}
        x.VIF.add_ipv4_allowed(vif, "10.0.0.1")
        x.VIF.add_ipv4_allowed(vif, "10.0.0.2")
        x.VIF.add_ipv4_allowed(vif, "10.0.0.1")
        assert sorted(x.VIF.get_ipv4_allowed(vif)) == ["10.0.0.1", "10.0.0.2"]
        x.VIF.remove_ipv4_allowed(vif, "10.0.0.1")
        x.VIF.remove_ipv4_allowed(vif, "10.0.0.9")
        assert limits(host, x, vm) == {0: ("locked 10.0.0.2", 0)}
        for bad in ("10.0.0", "10.0.0.256", "10.0.0.0/24", "fd00::1", "", "0.0.0.0", "127.0.0.1", "224.0.0.1", "$(reboot)",
                    "10.0.0.1 10.0.0.2", "010.0.0.1"):
            for call, value in ((x.VIF.add_ipv4_allowed, bad), (x.VIF.set_ipv4_allowed, [bad])):
                assert fails("INVALID_IP_ADDRESS_SPECIFIED", call, vif, value).params == ["ipv4_allowed"], bad
        fails("HANDLE_INVALID", x.VIF.remove_ipv4_allowed, vm, "10.0.0.1")
        assert limits(host, x, vm) == {0: ("locked 10.0.0.2", 0)}
        x.VIF.set_ipv4_allowed(vif, MANY)
        assert set(x.VIF.get_ipv4_allowed(vif)) == set(MANY)
        assert fails("INVALID_VALUE", x.VIF.add_ipv4_allowed, vif, "10.0.0.33").params[0] == "ipv4_allowed"
        x.VIF.set_ipv4_allowed(vif, ["10.0.0.7"])
        x.VM.hard_shutdown(vm)
        x.VIF.add_ipv4_allowed(vif, "10.0.0.8")
        x.VM.start(vm, False, False)
        assert limits(host, x, vm) == {0: ("locked 10.0.0.7 10.0.0.8", 0)}
        fails("INVALID_IP_ADDRESS_SPECIFIED", lambda: new_vif(x, vm, new_network(x), "1", ipv4_allowed=["10.0.0"]))


@covers("VIF.set_ipv6_allowed", "VIF.add_ipv6_allowed", "VIF.remove_ipv6_allowed")
def test_ipv6():
    with Host() as host:
        x = host.client()
        vm, vif = started(x, new_network(x), locking_mode="locked")
        x.VIF.set_ipv6_allowed(vif, ["FD00:0:0:0::1", "fd00::1"])
        assert x.VIF.get_ipv6_allowed(vif) == ["fd00::1"]
        x.VIF.add_ipv6_allowed(vif, "fe80::1")
        assert limits(host, x, vm) == {0: ("locked fd00::1 fe80::1", 0)}
        x.VIF.remove_ipv6_allowed(vif, "fd00::1")
        assert limits(host, x, vm) == {0: ("locked fe80::1", 0)}
        for bad in ("10.0.0.1", "fd00::1/64", "fe80::1%eth0", "::", "::1", "ff02::1", "fd00:::1"):
            for call, value in ((x.VIF.add_ipv6_allowed, bad), (x.VIF.set_ipv6_allowed, [bad])):
                assert fails("INVALID_IP_ADDRESS_SPECIFIED", call, vif, value).params == ["ipv6_allowed"], bad
        fails("HANDLE_INVALID", x.VIF.remove_ipv6_allowed, vm, "fd00::1")
        assert limits(host, x, vm) == {0: ("locked fe80::1", 0)}


@covers("network.set_default_locking_mode")
def test_defaults_of_networks():
    with Host() as host:
        x = host.client()
        closed, opened = new_network(x), new_network(x)
        vm, vif = started(x, closed)
        assert fails("VIF_IN_USE", x.network.set_default_locking_mode, closed, "disabled").params == [closed, vif]
        x.VM.hard_shutdown(vm)
        x.network.set_default_locking_mode(closed, "disabled")
        assert x.network.get_default_locking_mode(closed) == "disabled"
        x.VM.start(vm, False, False)
        assert limits(host, x, vm) == {0: ("disabled", 0)}
        x.VIF.move(vif, opened)
        assert limits(host, x, vm) == {0: ("unlocked", 0)} and cards(host, x, vm)[0][1] == x.network.get_bridge(opened)
        x.VIF.set_locking_mode(vif, "unlocked")
        x.network.set_default_locking_mode(opened, "disabled")
        assert limits(host, x, vm) == {0: ("unlocked", 0)}


def test_rates():
    with Host() as host:
        x = host.client()
        vm, vif = started(x, new_network(x), qos_algorithm_type="ratelimit", qos_algorithm_params={"kbps": "100"})
        assert limits(host, x, vm) == {0: ("unlocked", 100)}
        for bad in ("0", "-1", "10000001", "fast", "1.5", ""):
            refused = fails("INVALID_VALUE", x.VIF.set_qos_algorithm_params, vif, {"kbps": bad})
            assert refused.params == ["qos_algorithm_params:kbps", bad]
            vals = {"qos_algorithm_type": "ratelimit", "qos_algorithm_params": {"kbps": bad}}
            fails("INVALID_VALUE", lambda: new_vif(x, vm, x.VIF.get_network(vif), "1", **vals))
        x.VIF.set_qos_algorithm_params(vif, {"kbps": "200"})
        x.VIF.unplug(vif)
        x.VIF.plug(vif)
        assert limits(host, x, vm) == {0: ("unlocked", 200)}
        x.VIF.set_qos_algorithm_type(vif, "")
        x.VM.hard_reboot(vm)
        assert limits(host, x, vm) == {0: ("unlocked", 0)}


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""The host's own address, on interfaces and bridges of the kernel: a whole host in a network namespace, whose cards
are plugged into another one.  There is the administrator, behind the gateway.  What cuts the administrator off
comes back by itself.  XAPID_CHANGES=50: that many bad changes; else a sample, of the seed."""
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from host import Host, fails

INSIDE = "XAPID_TEST_INSIDE"
SECONDS, LONG = 1, 60  # then what nobody confirmed is undone
CHANGES, SAMPLE = 50, 3
SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
THEIRS, OURS, GATEWAY, BEYOND, MASK = "10.77.0.5", "10.77.0.6", "10.77.0.1", "10.88.0.1", "255.255.255.0"
CALL = """
import http.client, json, sys
address, port, source, method, *params = json.loads(sys.argv[1])
connection = http.client.HTTPConnection(address, port, timeout=2, source_address=(source, 0))
connection.request("POST", "/jsonrpc", json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}),
                   {"Content-Type": "application/json"})
sys.exit("result" not in json.loads(connection.getresponse().read()))
"""


def run(command):
    subprocess.run(command.split(), check=True)


class Far:
    """The other end of the wires."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
        here = os.readlink("/proc/self/ns/net")
        tap.wait_until(lambda: os.readlink(f"/proc/{self.process.pid}/ns/net") != here, "namespace")
        run("ip link set lo up")
        for number in range(2):
            run(f"ip link add name card{number} type veth peer name far{number}")
            run(f"ip link set far{number} netns {self.process.pid}")
            run(f"ip link set card{number} up")
            self.run(f"ip link set far{number} up")
            self.run(f"ip addr add 10.{77 + number * 2}.0.1/24 dev far{number}")
        self.run(f"ip addr add {BEYOND}/32 dev lo")
        self.run("ip link set lo up")
        run(f"ip addr add {THEIRS}/24 dev card0")
        run(f"ip route add default via {GATEWAY}")

    def run(self, command, check=True):
        return subprocess.run(["nsenter", "-t", str(self.process.pid), "-n", *command.split()], check=check).returncode == 0

    def reaches(self, host, session, address, source=BEYOND):
        """Does a call with the session arrive there, and its answer here?"""
        arguments = json.dumps([address, host.http_port, source, "PIF.get_all", session])
        return subprocess.run(["nsenter", "-t", str(self.process.pid), "-n", sys.executable, "-c", CALL, arguments],
                              stderr=subprocess.DEVNULL).returncode == 0

    def close(self):
        self.process.kill()
        self.process.wait()


def addresses(interface):
    """Those of IPv4, and global ones of IPv6."""
    told = json.loads(subprocess.run(["ip", "-j", "addr", "show", "dev", interface], capture_output=True, check=True).stdout)
    return sorted(f"{one['local']}/{one['prefixlen']}" for one in told[0]["addr_info"] if one["scope"] == "global")


def routes():
    told = json.loads(subprocess.run(["ip", "-j", "route", "show", "default"], capture_output=True, check=True).stdout)
    return [(one["gateway"], one["dev"], one.get("metric", 0)) for one in told]


def new_host(seconds=SECONDS):
    host = Host(f"address={THEIRS}\nlisten=0.0.0.0\nconfirm_seconds={seconds}\nresync_seconds=1\nnetwork_backend=bridge",
                "\n[sim]\nreal_networks=1", plain=True)
    return host


def again(host, seconds):
    """The host after a new start, with that time."""
    host.stop()
    host.config.write_text(re.sub(r"confirm_seconds=\d+", f"confirm_seconds={seconds}", host.config.read_text()))
    return host.start().client()


def cut_off(host, change, end):
    """Makes the change, which nobody can confirm; the client of the host as it is then."""
    before = host.log.read_text(errors="replace").count("the change is undone")
    change()
    if end:
        host.kill(end)
        host.wait_up()
    tap.wait_until(lambda: host.log.read_text(errors="replace").count("the change is undone") > before, "end of the time", 60)
    return host.client()


def pifs(x):
    here = x.host.get_all()[0]
    for device in "card0", "card1":
        if device not in [record["device"] for record in x.PIF.get_all_records().values()]:
            x.PIF.introduce(here, "", device)
    found = {record["device"]: ref for ref, record in x.PIF.get_all_records().items()}
    tap.wait_until(lambda: x.PIF.get_management(found["card0"]), "facts")
    return found["card0"], found["card1"]


def is_there(name):
    return Path(f"/sys/class/net/{name}").exists()


def wait_reached(far, host, x, address, what):
    tap.wait_until(lambda: far.reaches(host, x.session_ref, address), f"call to {address}, {what}", 60)


@covers("PIF.reconfigure_ip", "PIF.reconfigure_ipv6", "host.management_reconfigure")
def test_changes():
    far = Far()
    count = int(os.environ.get("XAPID_CHANGES", SAMPLE))
    picked = random.Random(SEED)
    print(f"# seed {SEED}, sample/full: {count}/{CHANGES} bad changes", flush=True)
    try:
        with new_host() as host:
            changes(far, host, count, picked)
    finally:
        far.close()


def changes(far, host, count, picked):
    x = host.client()
    first, second = pifs(x)
    wait_reached(far, host, x, THEIRS, "at first")
    # The administrator's card, taken wrongly, and as it was again.
    assert not x.PIF.get_managed(first)
    fails("INVALID_IP_ADDRESS_SPECIFIED", x.PIF.reconfigure_ip, first, "Static", OURS, MASK, "10.78.0.1", "")
    for end in None, picked.choice(("xapid", "xapid-host")):
        x = cut_off(host, lambda: x.PIF.reconfigure_ip(first, "Static", "10.99.0.6", MASK, "10.99.0.1", ""), end)
        wait_reached(far, host, x, THEIRS, f"after a bad change of the administrator's card, with an end of {end}")
        tap.wait_until(lambda: not is_there("brcard0") and not x.PIF.get_managed(first), "end of the bridge", 30)
        assert (addresses("card0"), routes()) == ([THEIRS + "/24"], [(GATEWAY, "card0", 0)])
        tap.wait_until(lambda: x.PIF.get_IP(first) == THEIRS, "facts")
        wait_settled(x, first)
    # As it is to be.
    x = again(host, LONG)
    tap.wait_until(lambda: x.PIF.get_IP(first) == THEIRS, "facts")
    x.PIF.reconfigure_ip(first, "Static", OURS, MASK, GATEWAY, "")
    wait_reached(far, host, x, OURS, "after a good change")
    assert x.PIF.get_managed(first) and x.host.get_address(x.host.get_all()[0]) == OURS
    assert (addresses("card0"), addresses("brcard0"), routes()) == ([], [OURS + "/24"], [(GATEWAY, "brcard0", 100)])
    x.PIF.reconfigure_ipv6(first, "Static", "fd77::6/64", "", "")
    wait_reached(far, host, x, OURS, "with IPv6, too")
    assert addresses("brcard0") == [OURS + "/24", "fd77::6/64"]
    fails("INVALID_CIDR_ADDRESS_SPECIFIED", x.PIF.reconfigure_ipv6, first, "Static", "fd77::6", "", "")
    x.PIF.plug(second)
    fails("PIF_HAS_NO_NETWORK_CONFIGURATION", x.host.management_reconfigure, second)
    x.PIF.reconfigure_ip(second, "Static", "10.66.0.6", MASK, "10.66.0.1", "")
    assert addresses("brcard1") == ["10.66.0.6/24"] and routes() == [(GATEWAY, "brcard0", 100)]
    bad = {"wrong card": lambda: x.host.management_reconfigure(second),
           "wrong address": lambda: x.PIF.reconfigure_ip(first, "Static", "10.99.0.6", MASK, "10.99.0.1", ""),
           "wrong gateway": lambda: x.PIF.reconfigure_ip(first, "Static", OURS, MASK, "10.77.0.99", ""),
           "no gateway": lambda: x.PIF.reconfigure_ip(first, "Static", OURS, MASK, "", ""),
           "wrong netmask": lambda: x.PIF.reconfigure_ip(first, "Static", OURS, "255.255.255.252", "", "")}
    before = (addresses("brcard0"), addresses("brcard1"), routes())
    x = again(host, SECONDS)
    for turn in range(count):
        name, change = list(bad.items())[turn % len(bad)]
        end = picked.choice((None, "xapid", "xapid-host"))
        x = cut_off(host, change, end)
        wait_reached(far, host, x, OURS, f"after {name}, with an end of {end}")
        tap.wait_until(lambda: (addresses("brcard0"), addresses("brcard1"), routes()) == before, f"return from {name}: {before}", 30)
        tap.wait_until(lambda: x.PIF.get_management(first) and x.PIF.get_IP(first) == OURS, f"rows after {name}", 30)
        wait_settled(x, first)
    print(f"# {count} bad changes, each came back", flush=True)


def wait_settled(x, pif):
    def is_settled():
        try:
            x.PIF.set_primary_address_type(pif, "IPv4")
            return True
        except Exception as failure:
            assert getattr(failure, "code", "") == "OTHER_OPERATION_IN_PROGRESS", failure
            return False
    tap.wait_until(is_settled, "end of the change", 60)


if INSIDE not in os.environ:
    probe = subprocess.run(["unshare", "--net", "ip", "link", "add", "name", "probe", "type", "bridge"], stderr=subprocess.DEVNULL)
    if probe.returncode:
        print("1..0 # SKIP needs root, for a network namespace, and bridges of the kernel")
        sys.exit(0)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, __file__])
tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

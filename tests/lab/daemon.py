#!/usr/bin/python3
"""Scenarios of test-daemon.sh: daemon.py SCENARIO NAME ADDRESS PASSWORD."""
import statistics
import sys
import time

from api import client, connect, console, dom0, domids, guest, until
from host import Client, Failure


def life(kind, name, address, password):
    """From its record to its end, each state read back from xl too."""
    x = client(address, password)
    vm = x.VM.create(guest(f"lab-{kind}", kind))
    uuid = x.VM.get_uuid(vm)
    began = time.monotonic()
    x.VM.start(vm, True, False)
    print(f"# {kind}: built in {time.monotonic() - began:.1f} s")
    assert x.VM.get_power_state(vm) == "Paused"
    assert domids(name)[uuid] == int(x.VM.get_domid(vm))
    x.VM.unpause(vm)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "line from the guest")
    x.VM.pause(vm)
    ticks = console(name, uuid).count("TICK")
    time.sleep(2)
    assert console(name, uuid).count("TICK") <= ticks + 5, "a paused guest goes on"
    x.VM.unpause(vm)
    first = x.VM.get_domid(vm)
    x.VM.clean_reboot(vm)
    assert x.VM.get_power_state(vm) == "Running" and x.VM.get_domid(vm) != first
    assert domids(name)[uuid] == int(x.VM.get_domid(vm))
    until(lambda: console(name, uuid).count("LAB-GUEST-UP") >= 2, "second boot")
    x.VM.clean_shutdown(vm)
    assert x.VM.get_power_state(vm) == "Halted" and uuid not in domids(name)
    x.VM.start(vm, False, False)
    x.VM.hard_reboot(vm)
    x.VM.hard_shutdown(vm)
    assert uuid not in domids(name)
    x.VM.destroy(vm)
    try:
        x.VM.get_record(vm)
        raise AssertionError("the record is still there")
    except Failure as failure:
        assert failure.code == "HANDLE_INVALID", failure


def pv(*args):
    life("pv", *args)


def pvh(*args):
    life("pvh", *args)


def alone(name, address, password):
    """Guests that halt, reboot or crash by themselves are seen by event."""
    x = client(address, password)
    delays = []
    for how in ("poweroff", "reboot", "poweroff"):
        vm = x.VM.create(guest("lab-alone", "pv"))
        uuid = x.VM.get_uuid(vm)
        x.VM.start(vm, False, False)
        until(lambda: "LAB-GUEST-UP" in console(name, uuid), "line from the guest")
        domid = x.VM.get_domid(vm)
        token = x.call("event.from", ["vm"], "", 0.0)["token"]
        dom0(name, f"xl {'reboot' if how == 'reboot' else 'shutdown'} {domid}")
        gone = until(lambda: domids(name).get(uuid) != int(domid) and time.monotonic(), "end of the domain")
        want = "Running" if how == "reboot" else "Halted"
        until(lambda: x.VM.get_power_state(vm) == want and x.VM.get_domid(vm) != domid, want)
        delays.append(time.monotonic() - gone)
        events = x.call("event.from", ["vm"], token, 5.0)["events"]
        assert any(e["ref"] == vm for e in events), events
        if how == "reboot":
            x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)
    print(f"# from the end of the domain to the record: median {statistics.median(delays):.2f} s")
    vm = x.VM.create(guest("lab-behind", "pv"))
    x.VM.start(vm, False, False)
    dom0(name, f"xl destroy {x.VM.get_domid(vm)}")
    until(lambda: x.VM.get_power_state(vm) == "Halted", "Halted after xl destroy", 10)
    x.VM.destroy(vm)


def kills(name, address, password):
    """Killing any of our programs disturbs no guest."""
    x = client(address, password)
    vm = x.VM.create(guest("lab-kills", "pv"))
    uuid = x.VM.get_uuid(vm)
    x.VM.start(vm, False, False)
    until(lambda: "TICK" in console(name, uuid), "ticks")
    domid = x.VM.get_domid(vm)
    secret = x.session_ref
    for program in ("xapid-domains", "xapid-host", "xapid"):
        pid = dom0(name, f"pidof {program}").split()
        dom0(name, f"kill -9 {' '.join(pid)}")
        before = console(name, uuid).count("TICK")

        def answers():
            try:
                y = Client(None, connect=lambda: connect(address))
                y.session_ref = secret
                return y.VM.get_power_state(vm) == "Running" and y
            except OSError:
                return False
        x = until(answers, f"answer after {program} was killed")
        assert x.VM.get_domid(vm) == domid == str(domids(name)[uuid])
        until(lambda: console(name, uuid).count("TICK") > before, "further ticks")
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)


def addresses(name, address, password):
    """What the API gives out as an address opens from here."""
    x = client(address, password)
    assert x.host.get_address(x.host.get_all()[0]) == address
    vm = x.VM.create(guest("lab-address", "pv"))
    x.VM.start(vm, True, False)
    location = x.console.get_location(x.VM.get_consoles(vm)[0])
    assert location.startswith(f"https://{address}/"), location
    connection = connect(address)
    connection.request("GET", location.removeprefix(f"https://{address}"))
    status = connection.getresponse().status
    assert status == 501, status  # the stream itself is not there yet
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)


globals()[sys.argv[1]](*sys.argv[2:])

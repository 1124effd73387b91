#!/usr/bin/python3
"""Scenarios of test-daemon.sh: daemon.py SCENARIO NAME ADDRESS PASSWORD."""
import http.client
import re
import socket
import statistics
import subprocess
import threading
import time
import urllib.parse

from api import (KILL_WORKERS, LAB, WAIT, answering, client, connect, console, dom0, domids, guest, prompted, run_scenario, sample,
                 ticks, type_in, until)
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


def type_at_prompt(name, x, vm, command, prompt="/ # "):
    """Gives the shell on the guest's console a command; what it got before its prompt is lost."""
    prompted(name, x.VM.get_uuid(vm), prompt)
    type_in(name, x.VM.get_domid(vm), command)


def started(x, kind, **fields):
    vm = x.VM.create({**guest(f"lab-{kind}", kind, "console=hvc0 lab.count=0"), **fields})
    x.VM.start(vm, False, False)
    return vm, x.VM.get_uuid(vm)


class Releases:
    """When domains end, as xenstored tells it in dom0: times at which its watch fired."""

    def __init__(self, name):
        self.times = []
        self.process = subprocess.Popen(
            [LAB / "run-in-dom0", name, "timeout 900 xenstore-watch @releaseDomain"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        threading.Thread(target=self.read, daemon=True).start()
        until(lambda: self.times, "first line of the watch")

    def read(self):
        for _ in self.process.stdout:
            self.times.append(time.monotonic())

    def first_since(self, moment):
        return until(lambda: [t for t in self.times if t > moment], "end of a domain")[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def event_of(x, token, vm, wanted):
    """Follows events of VMs until one of `vm` is as wanted; returns its time and the new token."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        batch = x.call("event.from", ["vm"], token, 10.0)
        token = batch["token"]
        for event in batch["events"]:
            if event["ref"] == vm and wanted(event["snapshot"]):
                return time.monotonic(), token
    raise AssertionError("no such event")


def delay(name, address, password):
    """From the end of a domain to the event that tells it; GRUB is the guest, which starts quickly."""
    x = client(address, password)
    vm = x.VM.create({**guest("lab-delay", "pvh"), "PV_kernel": "grub-pvh.bin", "PV_ramdisk": "",
                      "memory_static_max": str(64 << 20)})
    uuid = x.VM.get_uuid(vm)
    token = x.call("event.from", ["vm"], "", 0.0)["token"]
    delays = []
    with Releases(name) as releases:
        for _ in range(5):
            dom0(name, f"rm -f /var/log/xen/console/guest-{uuid}.log")
            x.VM.start(vm, False, False)
            moment = time.monotonic()
            type_at_prompt(name, x, vm, "halt", "grub> ")
            seen, token = event_of(x, token, vm, lambda r: r["power_state"] == "Halted")
            delays.append(seen - releases.first_since(moment))
    x.VM.destroy(vm)
    assert statistics.median(delays) < 2, f"seen by asking now and then, not by an event: {delays}"
    print(f"# from the end of a domain to the event of Halted: median {statistics.median(delays):.2f} s, "
          f"{min(delays):.2f} to {max(delays):.2f}, of {len(delays)}")


def alone(name, address, password):
    """Guests that reboot, halt or crash by themselves are seen by event, and the actions follow."""
    x = client(address, password)
    for kind in sample("kinds of guests that end by themselves", ("pv", "pvh"), 1):
        vm, uuid = started(x, kind, actions_after_crash="restart")
        for boot, command, state in (
                (2, "reboot -f", "Running"), (3, "echo c > /proc/sysrq-trigger", "Running"),
                (3, "poweroff -f", "Halted")):
            domid = x.VM.get_domid(vm)
            token = x.call("event.from", ["vm"], "", 0.0)["token"]
            type_at_prompt(name, x, vm, command)
            event_of(x, token, vm, lambda r: r["power_state"] == state and r["domid"] != domid)
            assert console(name, uuid).count("LAB-GUEST-UP") <= boot
            assert domids(name).get(uuid, -1) == int(x.VM.get_domid(vm))
            if state == "Running":
                until(lambda: console(name, uuid).count("LAB-GUEST-UP") == boot, "next boot")
        x.VM.destroy(vm)
    vm, uuid = started(x, "pv", actions_after_shutdown="restart", actions_after_crash="destroy")
    token = x.call("event.from", ["vm"], "", 0.0)["token"]
    domid = x.VM.get_domid(vm)
    type_at_prompt(name, x, vm, "poweroff -f")
    event_of(x, token, vm, lambda r: r["power_state"] == "Running" and r["domid"] != domid)
    until(lambda: console(name, uuid).count("LAB-GUEST-UP") == 2, "next boot")
    type_at_prompt(name, x, vm, "echo c > /proc/sysrq-trigger")
    event_of(x, token, vm, lambda r: r["power_state"] == "Halted")
    x.VM.start(vm, False, False)
    token = x.call("event.from", ["vm"], "", 0.0)["token"]
    dom0(name, f"xl destroy {x.VM.get_domid(vm)}")
    event_of(x, token, vm, lambda r: r["power_state"] == "Halted")
    x.VM.destroy(vm)


PROGRAMS = "xapid-domains", "xapid-host", "xapid", "domains-events", "xapid-launch"


def kill(name, program):
    """Kills it, and starts again what only systemd would; returns what waits for its successor."""
    old = dom0(name, f"old=$(pgrep -x {program}) && kill -9 $old && echo $old").split()
    if program == "xapid-launch":
        until(lambda: not dom0(name, "pgrep -x xapid || true"), "end of what it started")
        dom0(name, "sh /root/launch")
    return lambda: until(
        lambda: dom0(name, f"pgrep -x {program} || true").split() not in ([], old), program)


def kills(name, address, password):
    """Killing any of our programs disturbs no guest."""
    x = client(address, password)
    guests = []
    for kind in ("pv", "pvh"):
        vm = x.VM.create(guest(f"lab-{kind}", kind))
        x.VM.start(vm, False, False)
        guests.append((vm, x.VM.get_uuid(vm), x.VM.get_domid(vm)))
    for _, uuid, _ in guests:
        until(lambda: ticks(name, uuid), "ticks")
    session = x.session_ref
    for program in PROGRAMS:
        successor = kill(name, program)
        before = [len(ticks(name, uuid)) for _, uuid, _ in guests]
        x = answering(address, session, lambda y: all(
            y.VM.get_power_state(vm) == "Running" for vm, _, _ in guests))
        successor()
        now = domids(name)
        for (vm, uuid, domid), count in zip(guests, before):
            assert x.VM.get_domid(vm) == domid == str(now[uuid])
            until(lambda: len(ticks(name, uuid)) > count, "further ticks")
    for vm, uuid, _ in guests:
        seen = ticks(name, uuid)
        assert [n for n, _ in seen] == list(range(1, len(seen) + 1)), "ticks are missing"
        assert console(name, uuid).count("LAB-GUEST-UP") == 1, "it booted again"
        gaps = [b[1] - a[1] for a, b in zip(seen, seen[1:])]
        print(f"# {x.VM.get_name_label(vm)}: {len(seen)} ticks, longest gap {max(gaps):.2f} s")
        x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)


def builds(name, address, password):
    """Workers are killed somewhere in a build: VM.start tells the truth, and nothing stays behind."""
    x = client(address, password)
    outcomes = []
    moments = [("pvh", "0.0"), ("pv", "0.1"), ("pvh", "0.2"), ("pv", "0.3"), ("pvh", "0.5"), ("pv", "0.7"), ("pvh", "0.9")]
    for kind, delay in sample("workers killed in a build", moments, 3):
        vm = x.VM.create(guest("lab-build", kind))
        uuid = x.VM.get_uuid(vm)
        task = x.Async.VM.start(vm, False, False)
        killed = dom0(name, f"sleep {delay}; {KILL_WORKERS}")
        assert killed == "killed\n", killed
        record = x.wait_task(task, WAIT)
        state, domid = x.VM.get_power_state(vm), int(x.VM.get_domid(vm))
        outcomes.append(record["status"] if not record["error_info"] else record["error_info"][0])
        if record["status"] == "success":
            assert state == "Running" and domids(name)[uuid] == domid, (state, domid)
            until(lambda: "LAB-GUEST-UP" in console(name, uuid), "line from the guest")
        else:
            assert record["status"] == "failure" and state == "Halted" and domid == -1, record
            until(lambda: uuid not in domids(name), "end of what was half built", 20)
            x.VM.start(vm, False, False)
            assert domids(name)[uuid] == int(x.VM.get_domid(vm))
        x.VM.hard_shutdown(vm)
        assert uuid not in domids(name)
        left = dom0(name, f"xenstore-ls -f / | grep {uuid} || true")
        assert not left, left
        x.VM.destroy(vm)
    print(f"# {len(outcomes)} builds whose worker was killed: {' '.join(outcomes)}")


def crashes(name, address, password):
    """Programs are killed in a build: it is finished or undone."""
    x = client(address, password)
    outcomes = []
    pairs = [(kind, program) for kind in ("pv", "pvh") for program in PROGRAMS]
    for kind, program in sample("programs killed in a build", pairs, 5):
        vm = x.VM.create(guest("lab-crash", kind))
        uuid = x.VM.get_uuid(vm)
        x.Async.VM.start(vm, False, False)
        successor = kill(name, program)
        x = answering(address, x.session_ref, lambda y: not y.VM.get_current_operations(vm))
        successor()
        state, domid = x.VM.get_power_state(vm), int(x.VM.get_domid(vm))
        outcomes.append(f"{program} {state}")
        if state == "Running":
            assert domids(name)[uuid] == domid
            until(lambda: "LAB-GUEST-UP" in console(name, uuid), "line from the guest")
            x.VM.hard_shutdown(vm)
        assert x.VM.get_power_state(vm) == "Halted" and uuid not in domids(name)
        left = dom0(name, f"xenstore-ls -f / | grep {uuid} || true")
        assert not left, left
        x.VM.destroy(vm)
    print(f"# {len(outcomes)} builds beside which a program was killed: {' '.join(outcomes)}")


def strings(value):
    """Every text within a value of the API."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def opens(text):
    for port in (80, 443):
        socket.create_connection((text, port), timeout=WAIT).close()


def coordinator(address, password):
    """A client, of the coordinator if this host is none, at the address that it gives then."""
    try:
        return client(address, password)
    except Failure as failure:
        assert failure.code == "HOST_IS_SLAVE", failure
        opens(failure.params[0])
        return client(failure.params[0], password)


def get(url, address, hops=3):
    """The status of a GET, where a Location leads if there is one."""
    kind, _, rest = url.partition("://")
    where, _, path = rest.partition("/")
    assert where == address, f"{url} does not open from here"
    connection = connect(where) if kind == "https" else http.client.HTTPConnection(where, timeout=WAIT)
    connection.request("GET", f"/{path}")
    reply = connection.getresponse()
    if reply.getheader("Location") is None:
        return reply.status
    assert hops, f"too many redirections: {url}"
    return get(urllib.parse.urljoin(url, reply.getheader("Location")), address, hops - 1)


def addresses(name, address, password):
    """What the API gives out as an address opens from here."""
    x = coordinator(address, password)
    assert x.host.get_address(x.host.get_all()[0]) == address
    vm = x.VM.create(guest("lab-address", "pv"))
    x.VM.start(vm, True, False)
    location = x.console.get_location(x.VM.get_consoles(vm)[0])
    assert location.startswith(f"https://{address}/"), location
    texts = [text for event in x.call("event.from", ["*"], "", 0.0)["events"]
             for text in strings(event["snapshot"])]
    assert location in texts and address in texts
    for url in {url for text in texts for url in re.findall(r"https?://[^\s\"'<>]+", text)}:
        status = get(url, address)
        assert status in (200, 401) and (url != location or status == 401), (url, status)
    for path in ("", "console", "import", "export"):
        for kind in ("http", "https"):
            assert get(f"{kind}://{address}/{path}", address) in (200, 401, 405), path
    for text in texts:
        if re.fullmatch(r"(\d{1,3}\.){3}\d{1,3}", text):
            opens(text)
    plain = http.client.HTTPConnection(address, timeout=WAIT)
    assert "VM.start" in Client(None, connect=lambda: plain).raw("system.listMethods")
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)


run_scenario(globals())

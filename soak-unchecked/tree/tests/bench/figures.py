"""What is measured: a function a figure, and all of them in FIGURES.  README.md tells how, and what for."""
import contextlib
import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import clients
from clients import Rounds, Storm, body, calls
from fill import QUIET, VM, filled, libvirt_config
from host import GUEST, Host
from libvirtd import Libvirtd

DROPPED = 3  # while caches fill
ROUNDS = 23
FEW = 13  # of what takes seconds
KIB_A_MIB = 1024
PVH = {name: GUEST[name] for name in ("PV_kernel", "domain_type", "memory_static_max")}


def in_turn(rounds, *ways):
    """What each of the ways returned, round by round; their order is turned around each time."""
    found = [[] for _ in ways]
    for turn in range(rounds):
        order = list(enumerate(ways))
        for number, way in order if turn % 2 else reversed(order):
            result = way()
            if turn >= DROPPED:
                found[number].append(result)
    return found


def each(rounds, name):
    return [figures[name] for figures in rounds]


def per_second(rounds):
    return [figures["calls"] / figures["seconds"] for figures in rounds]


def guests(x, count, **fields):
    return [x.VM.create({**VM, "name_label": f"guest-{n:05}", **fields}) for n in range(count)]


def cheap_calls(report):
    with Host(QUIET) as host, Libvirtd() as libvirt:
        x = host.client()
        vm, = guests(x, 1)
        with calls(host, [body("VM.get_power_state", x.session_ref, vm)]) as ours, libvirt.load("state") as theirs:
            ours, theirs = in_turn(ROUNDS, lambda: ours(2000), lambda: theirs(2000))
    report.pair("VM.get_power_state, calls a second", per_second(ours), per_second(theirs), "1/s")
    report.pair("VM.get_power_state, p99", each(ours, "p99"), each(theirs, "p99"), "ms")


def lists(report):
    for count, rounds in (1000, ROUNDS), (10000, FEW):
        with filled(count) as host, Libvirtd(count) as libvirt:
            session = host.client().session_ref
            pid = host.child("xapid")
            clients.forget_peak(pid)
            before = clients.status(pid, "VmRSS")
            with calls(host, [body("VM.get_all_records", session)]) as ours, libvirt.load("xml") as theirs:
                found = in_turn(rounds, lambda: ours(1), lambda: theirs(1))
            growth = clients.status(pid, "VmHWM") - before
            with calls(host, [body("VM.get_all", session)]) as ours, libvirt.load("list") as theirs:
                few = in_turn(rounds, lambda: ours(1), lambda: theirs(1))
        sizes = [rounds[0]["bytes"] / 1e6 for rounds in found]
        report.pair(f"{count} records of VMs, {sizes[0]:.1f} MB; XML of domains, {sizes[1]:.1f} MB",
                    *(each(rounds, "seconds") for rounds in found), "ms", "0.1 x")
        report.pair(f"{count} references of VMs; domains", *(each(rounds, "seconds") for rounds in few), "ms")
        report.value(f"growth while {count} records are read", growth / KIB_A_MIB, "MiB", "4")


def host_memory(report, host, what, goal):
    pid = host.child("xapid")
    report.value(f"{what}: xapid", clients.status(pid, "VmRSS") / KIB_A_MIB, "MiB", goal)
    report.value(f"{what}: all our programs, with their part of what is shared",
                 sum(map(clients.shared_out, clients.family(host.process.pid))) / KIB_A_MIB, "MiB")


def libvirt_memory(report, libvirt, what):
    report.value(f"{what}: libvirtd", clients.status(libvirt.process.pid, "VmRSS") / KIB_A_MIB, "MiB")


def idle_processor(host, seconds=30):
    def used():
        return sum(map(clients.processor_seconds, clients.family(host.process.pid)))
    before = used()
    time.sleep(seconds)
    return 100 * (used() - before) / seconds


def memory(report):
    with Host(QUIET) as host, Libvirtd() as libvirt:
        time.sleep(5)
        report.value("idle: processor, all our programs", idle_processor(host), "%", "0.1")
        host_memory(report, host, "idle", "24")
        libvirt_memory(report, libvirt, "idle")
    many = "1,000 VMs, 16,000 disks"
    with filled(1000, 16000) as host:
        host_memory(report, host, many, "64")
        x = host.client()
        with calls(host, [body(f"{cls}.get_all_records", x.session_ref) for cls in ("VM", "VBD", "VDI")]) as reader:
            reader(6)
        host_memory(report, host, f"{many}, read twice", "64")
        report.value(f"{many}: processor, all our programs", idle_processor(host), "%", "0.1")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.xml"
        libvirt_config(config, 1000, 16000)
        with Libvirtd(config=config) as libvirt, libvirt.load("volumes") as holder:
            holder(1)
            libvirt_memory(report, libvirt, many)


def cold_start(report):
    vdis = 15000
    with filled(-(-vdis // 16), vdis) as host, tempfile.TemporaryDirectory() as folder:
        session = host.client().session_ref
        config = Path(folder) / "config.xml"
        libvirt_config(config, -(-vdis // 16), vdis)
        libvirt = Libvirtd(config=config)

        def ours():
            host.stop()
            Path(host.socket).unlink(missing_ok=True)
            began = time.monotonic()
            host.spawn()
            clients.wait_for(Path(host.socket), host.process)
            with calls(host, [body("VDI.get_all", session)]) as client:
                client(1)
            return time.monotonic() - began

        def theirs():
            began = time.monotonic()
            libvirt.spawn()
            with libvirt.load("volumes") as client:
                client(1)
            seconds = time.monotonic() - began
            libvirt.stop()
            return seconds

        with contextlib.closing(libvirt):
            found = in_turn(FEW, ours, theirs)
    report.pair(f"start until the first answer, {vdis} disks", *found, "ms")


def commits(report):
    for count, turns in (1, 256), (64, 16):
        with Host(QUIET) as host:
            x = host.client()
            vms = guests(x, count)
            bodies = [body("VM.set_name_description", x.session_ref, vm, text) for text in ("one", "another") for vm in vms]
            host.stop()  # to look into its database
            with contextlib.closing(sqlite3.connect(host.dir / "state/xapid.db")) as database:
                size, = database.execute("SELECT max(length(fields)) FROM row WHERE class = 'VM'").fetchone()
            host.start()
            with calls(host, bodies, count) as ours, \
                    Rounds("load-sqlite", host.dir / "peer.db", size, count) as theirs:
                ours, theirs = in_turn(ROUNDS, lambda: ours(turns), lambda: theirs(turns))
        report.pair(f"durable commits a second, {count} clients", per_second(ours), per_second(theirs), "1/s",
                    "at least 0.8 x" if count == 1 else "at least 5 x")


def events(report):
    for count, pause in (1, 100), (100, 100), (1000, 200), (100, 5):
        with Host(QUIET) as host, Libvirtd() as libvirt:
            x = host.client()
            vm, = guests(x, 1)
            with Rounds("told-xapid", host.socket, x.session_ref, vm, count) as ours, \
                    Rounds("told-libvirt", libvirt.uri, count) as theirs:
                ours, theirs = in_turn(FEW, lambda: ours(10, pause), lambda: theirs(10, pause))
        what = f"a change every {pause} ms, told to {count}"
        report.pair(f"{what}, p99", each(ours, "p99"), each(theirs, "p99"), "ms", "5 ms" if (count, pause) == (100, 100) else "")
        report.pair(f"{what}, median", each(ours, "p50"), each(theirs, "p50"), "ms")


class Follower(threading.Thread):
    """A client that hears of everything, and counts: bytes, replies, events, and what it would be if each field
    that changed had sent its whole object."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.x, self.known, self.token, self.ended = host.client(), {}, "", False
        self.take(0.0)
        self.bytes = self.replies = self.events = self.whole = 0
        self.start()

    def take(self, seconds):
        _, data = self.x.post(body("event.from", self.x.session_ref, ["*"], self.token, seconds))
        batch = clients.value(data)
        self.token, events = batch["token"], batch["events"]
        objects = [event.get("snapshot", {}) for event in events]
        fields = [sum(self.known.get(event["ref"], new).get(name) != value for name, value in new.items())
                  for event, new in zip(events, objects, strict=True)]
        self.known |= {event["ref"]: new for event, new in zip(events, objects, strict=True)}
        if not events or seconds == 0.0:
            return
        sizes = [len(str(new)) for new in objects]  # of each beside the others: its part of the reply
        self.bytes += len(data)
        self.replies += 1
        self.events += len(events)
        self.whole += sum(max(count, 1) * len(data) * size / sum(sizes) for count, size in zip(fields, sizes, strict=True))

    def run(self):
        while not self.ended:
            self.take(0.5)


def bytes_of_a_start(report):
    with Host(QUIET) as host:
        x = host.client()
        vm, = guests(x, 1, **PVH)
        found = []
        for _ in range(FEW):
            follower = Follower(host)
            x.VM.start(vm, False, False)
            time.sleep(1.5)  # until all has been told
            follower.ended = True
            follower.join()
            found.append(follower)
            x.VM.hard_shutdown(vm)
    found = found[DROPPED:]
    report.pair("bytes to one who follows a start; a whole object a changed field", [f.bytes for f in found],
                [f.whole for f in found], "B", "0.05 x")
    report.value("of a start: replies of event.from", median(f.replies for f in found), "")
    report.value("of a start: events in them", median(f.events for f in found), "")


def storm(report):
    vms, pollers, ended = 100, 50, 20
    with Host(QUIET) as host, Libvirtd(vms) as libvirt, contextlib.ExitStack() as stack:
        x = host.client()
        refs = guests(x, vms, **PVH)
        start, shutdown = (stack.enter_context(calls(host, [body(f"VM.{what}", x.session_ref, vm, *more) for vm in refs[:ended]]))
                           for what, more in (("start", (False, False)), ("clean_shutdown", ())))
        destroy, create = (stack.enter_context(libvirt.load(what)) for what in ("shutdown", "create"))

        def storm_of_ours():
            return calls(host, [body("VM.get_all_records", x.session_ref)], pollers, Storm)

        def storm_of_theirs():
            return libvirt.load("xml", pollers, kind=Storm)

        def ours(storm):
            start(ended)
            with storm():
                time.sleep(0.5)
                return shutdown(ended)

        def theirs(storm):
            with storm():
                time.sleep(0.5)
                figures = destroy(ended)
            create(ended)
            return figures

        found = in_turn(FEW, lambda: ours(contextlib.nullcontext), lambda: ours(storm_of_ours),
                        lambda: theirs(contextlib.nullcontext), lambda: theirs(storm_of_theirs))
    quiet, stormy, their_quiet, their_stormy = (each(rounds, "p95") for rounds in found)
    report.pair(f"VM.clean_shutdown, p95: with {pollers} pollers of {vms} records; without", stormy, quiet, "ms", "1.5 x")
    report.pair("virDomainShutdown, p95: with such pollers; without", their_stormy, their_quiet, "ms")


def parallel(report):
    at_once, build_ms = 8, 50
    with Host(QUIET, sim_conf=f"[host]\ncreate_ms={build_ms}\n") as host, contextlib.ExitStack() as stack:
        x = host.client()
        refs = guests(x, at_once, **PVH)
        starts = [body("VM.start", x.session_ref, vm, False, False) for vm in refs]
        together, alone, end = (stack.enter_context(calls(host, bodies, count)) for bodies, count in (
            (starts, at_once), (starts, 1), ([body("VM.hard_shutdown", x.session_ref, vm) for vm in refs], at_once)))

        def round_of(way, count):
            figures = way(count)
            end(1)
            return figures
        found = in_turn(ROUNDS, lambda: round_of(together, 1), lambda: round_of(alone, at_once))
    report.pair(f"starts a second, {at_once} at once; one after the other ({build_ms} ms in the simulator each)",
                *map(per_second, found), "1/s", "at least 3 x")


FIGURES = (cheap_calls, lists, memory, cold_start, commits, events, bytes_of_a_start, storm, parallel)

#!/usr/bin/python3
"""start.py NAME ADDRESS PASSWORD OUT: in the lab host NAME, starts and ends the same guests by `xl create`, by
VM.start, and by `xtool vm-start`, in turn; prints medians and ratios, and writes every figure to OUT as JSON."""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "lab"), str(HERE)]
from api import client, dom0, until
from happened import happened
from networks import new_network, new_vif
from ratio import ratio
from storage import MIB, SR_FOLDER, disk, drive, repository

ROUNDS = int(os.environ.get("XAPID_BENCH_ROUNDS", "23"))
DROPPED = 3  # while caches fill
KERNELS = "/var/lib/xcp/guest"
BRIDGE = "bench"
CROWDS = 0, 4, 8  # guests that run beside the one that is started
AT_ONCE = 8


class Guest(NamedTuple):
    kind: str
    kernel: str
    ramdisk: str
    memory: int  # MiB
    disks: int = 0
    cards: int = 0
    ahead: bool = False  # the API's start takes a domain that was built before it


# What is built of GRUB is small; of a Linux, the larger part is to load it.  The whole machine boots a sector that prints.
GUESTS = {"PVH, GRUB": Guest("pvh", "grub-pvh.bin", "", 32), "PV, GRUB": Guest("pv", "grub-pv.bin", "", 32),
          "PVH, Linux": Guest("pvh", "vmlinux", "initrd", 128),
          "PVH, GRUB, built ahead": Guest("pvh", "grub-pvh.bin", "", 32, ahead=True),
          "PVH, Linux, built ahead": Guest("pvh", "vmlinux", "initrd", 128, ahead=True),
          "PVH, Linux, a disk": Guest("pvh", "vmlinux", "initrd", 128, disks=1),
          "PVH, Linux, a disk and a card": Guest("pvh", "vmlinux", "initrd", 128, disks=1, cards=1),
          "HVM, a disk": Guest("hvm", "", "", 32, disks=1)}
# Prints the microseconds that a command took in dom0.
TIMED = 't() { s=$(date +%s%N); "$@" >/dev/null 2>/tmp/bench.err || { cat /tmp/bench.err >&2; exit 1; }; e=$(date +%s%N);' \
        ' echo $(((e - s) / 1000)); }; '


def seconds(name, command):
    return int(dom0(name, TIMED + f"t {command}")) / 1e6


def record(guest):
    """The VM of a guest, and as xl's configuration file has it."""
    vm = {"name_label": "bench", "domain_type": guest.kind, "memory_static_max": str(guest.memory * MIB),
          "VCPUs_max": "1", "VCPUs_at_startup": "1"}
    config = f'name = "by-xl"\ntype = "{guest.kind}"\nmemory = {guest.memory}\nvcpus = 1\n'
    if guest.kind == "hvm":
        return {**vm, "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "c"}}, config + 'serial = "pty"\nvnc = 0\n'
    kernel, ramdisk = (path and f"{KERNELS}/{path}" for path in (guest.kernel, guest.ramdisk))
    config += f'kernel = "{kernel}"\ncmdline = "console=hvc0"\n' + (f'ramdisk = "{ramdisk}"\n' if ramdisk else "")
    return {**vm, "PV_kernel": kernel, "PV_ramdisk": ramdisk, "PV_args": "console=hvc0"}, config


class Ways:
    """The three of them, each with a start and an end; both take seconds."""

    def __init__(self, name, address, password, guest):
        self.name, self.x = name, client(address, password)
        fields, config = record(guest)
        self.vm = self.x.VM.create({**fields, "other_config": {"ready_domain": "true"}} if guest.ahead else fields)
        self.uuid, self.ahead = self.x.VM.get_uuid(self.vm), guest.ahead
        self.vdis = [self.add_disk(guest) for _ in range(guest.disks)]
        self.networks = [self.add_card() for _ in range(guest.cards)]
        if guest.disks:
            device = "hda" if guest.kind == "hvm" else "xvda"
            config += f'disk = ["format=raw, vdev={device}, access=rw, target={self.file(self.vdis[0])}"]\n'
        if guest.cards:
            config += f'vif = ["bridge={BRIDGE}"]\n'
        dom0(name, f"printf %s '{config}' >/tmp/bench.cfg")

    def file(self, vdi):
        return f"{SR_FOLDER}/{self.x.VDI.get_uuid(vdi)}.raw"

    def add_disk(self, guest):
        """Both ways have the same file, in turn."""
        vdi = disk(self.x, repository(self.name, self.x), "raw", 64 * MIB)
        drive(self.x, self.vm, vdi)
        if guest.kind == "hvm":
            dom0(self.name, f"dd if=/srv/guest/hvm.img of={self.file(vdi)} conv=notrunc 2>/dev/null")
        return vdi

    def add_card(self):
        """On a bridge of the administrator's, which both ways use."""
        dom0(self.name, f"ip link show {BRIDGE} >/dev/null 2>&1 || {{ ip link add {BRIDGE} type bridge; ip link set {BRIDGE} up; }}")
        network = new_network(self.x, bridge=BRIDGE, managed=False)
        new_vif(self.x, self.vm, network)
        return network

    def clear(self):
        self.x.VM.destroy(self.vm)
        for vdi in self.vdis:
            self.x.VDI.destroy(vdi)
        for network in self.networks:
            self.x.network.destroy(network)

    def called(self, message, *args):
        """From outside, over TLS: what the way there takes is ours, too."""
        began = time.monotonic()
        message(self.vm, *args)
        return time.monotonic() - began

    def xl(self):
        return seconds(self.name, "xl create -q /tmp/bench.cfg"), seconds(self.name, "xl destroy by-xl")

    def settled(self):
        """What is built ahead is there before the start is timed: its making is no part of it."""
        if self.ahead:  # a domain that is being built is listed, and has no record yet
            record = f"/var/lib/xen/userdata-?.*.{self.uuid}.xapid"
            until(lambda: "ready-" in dom0(self.name, f"cat {record} 2>/dev/null || true"), "domain that is built ahead")
            time.sleep(1)  # dom0 is done with the asking, too

    def api(self):
        self.settled()
        return self.called(self.x.VM.start, False, False), self.called(self.x.VM.hard_shutdown)

    def xtool(self):
        self.settled()
        return seconds(self.name, f"xtool vm-start uuid={self.uuid}"), \
            seconds(self.name, f"xtool vm-shutdown uuid={self.uuid} force=true")


def requests(name, act):
    """How many requests xenstored got while `act` ran."""
    dom0(name, "rm -f /tmp/bench.trace; xenstore-control logfile /tmp/bench.trace >/dev/null 2>&1; xenstore-control log on >/dev/null 2>&1")
    act()
    return int(dom0(name, "xenstore-control log off >/dev/null 2>&1; grep -c '^IN ' /tmp/bench.trace || true"))


def count(name, ways):
    """Of one start and end, without what the counting itself does."""
    clocks = happened(name, lambda: [seconds(name, ":") for _ in range(2)])  # one for each of xl's two commands
    nothing = happened(name, lambda: None)
    return {way.__name__: {**{what: number - without[what] for what, number in happened(name, way).items()},
                           "requests of xenstore": requests(name, way)}
            for way, without in ((ways.xl, clocks), (ways.api, nothing))}


def in_turn(*ways):
    """What each way, a function, took in each round that counts: {its name: [figures]}."""
    lists = {way.__name__: [] for way in ways}
    for turn in range(ROUNDS):
        for way in ways if turn % 2 else reversed(ways):
            figures = way()
            if turn >= DROPPED:
                lists[way.__name__].append(figures)
    return lists


def compared(lists, part):
    """In words: the ways beside the first one."""
    first, *others = lists
    theirs = [figures[part] for figures in lists[first]]
    words = [f"{first} {median(theirs):.3f} s"]
    for way in others:
        ours = [figures[part] for figures in lists[way]]
        middle, (low, high) = ratio(ours, theirs)
        words.append(f"{way} {median(ours):.3f} s = {middle:.2f} x ({low:.2f} to {high:.2f})")
    return f"{', '.join(words)}, {len(theirs)} pairs"


def measure(name, address, password, label, guest):
    ways = Ways(name, address, password, guest)
    lists = in_turn(ways.xl, ways.api, ways.xtool)
    counts = count(name, ways)
    ways.clear()
    for part, what in enumerate(("start", "end")):
        print(f"{label}: {what}: {compared(lists, part)}", flush=True)
    print(f"{label}: counts of a start and an end: {json.dumps(counts)}", flush=True)
    return {"seconds": lists, "counts": counts}


def among(name, address, password):
    """A start beside ever more guests that run."""
    x, found, others = client(address, password), {}, []
    guest = GUESTS["PVH, GRUB"]
    fields, _ = record(guest)
    for number in CROWDS:
        while len(others) < number:
            others.append(x.VM.create({**fields, "name_label": f"other {len(others)}"}))
            x.VM.start(others[-1], False, False)
        ways = Ways(name, address, password, guest)
        found[number] = in_turn(ways.xl, ways.api)
        ways.clear()
        print(f"PVH, GRUB: start beside {number} guests: {compared(found[number], 0)}", flush=True)
    for way in "xl", "api":
        first, last = (median(figures[0] for figures in found[number][way]) for number in (CROWDS[0], CROWDS[-1]))
        print(f"PVH, GRUB: {way}: beside {CROWDS[-1]} guests {last / first:.2f} x of {CROWDS[0]}", flush=True)
    for vm in others:
        x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)
    return {"seconds": found}


def at_once(name, address, password):
    """Starts of several guests, one by one and at once."""
    x = client(address, password)
    fields, _ = record(GUESTS["PVH, GRUB"])
    clients = [client(address, password) for _ in range(AT_ONCE)]
    vms = [x.VM.create({**fields, "name_label": f"one of {AT_ONCE}"}) for _ in clients]

    def timed(start):
        began = time.monotonic()
        start()
        seconds = time.monotonic() - began
        for vm in vms:
            x.VM.hard_shutdown(vm)
        return seconds,

    def one_by_one():
        return timed(lambda: [x.VM.start(vm, False, False) for vm in vms])

    def together():
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return timed(lambda: list(pool.map(lambda one, vm: one.VM.start(vm, False, False), clients, vms)))

    lists = in_turn(one_by_one, together)
    for vm in vms:
        x.VM.destroy(vm)
    print(f"PVH, GRUB: {AT_ONCE} starts: {compared(lists, 0)}", flush=True)
    return {"seconds": lists}


def main(name, address, password, out):
    wanted = os.environ.get("XAPID_BENCH_GUESTS")
    figures = {label: lambda label=label, guest=guest: measure(name, address, password, label, guest)
               for label, guest in GUESTS.items()}
    figures["among"] = lambda: among(name, address, password)
    figures["at once"] = lambda: at_once(name, address, password)
    found = {}
    for label, figure in figures.items():
        if not wanted or label in wanted.split(";"):
            found[label] = figure()
            Path(out).write_text(json.dumps(found, indent=1))


main(*sys.argv[1:])

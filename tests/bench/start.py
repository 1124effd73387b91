#!/usr/bin/python3
"""start.py NAME ADDRESS PASSWORD OUT: in the lab host NAME, starts and ends the same guests by `xl create`, by
VM.start, and by `xtool vm-start`, in turn; prints medians and ratios, and writes every figure to OUT as JSON."""
import json
import os
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "lab"), str(HERE)]
from api import client, dom0
from ratio import ratio

ROUNDS = int(os.environ.get("XAPID_BENCH_ROUNDS", "23"))
DROPPED = 3  # while caches fill
KERNELS = "/var/lib/xcp/guest"
DISK = "/srv/bench.img"
# What is built of GRUB is small; of a Linux, the larger part is to load it.  Kernel, ramdisk, memory in MiB, disks.
GUESTS = {"PVH, GRUB": ("pvh", "grub-pvh.bin", "", 32, 0), "PV, GRUB": ("pv", "grub-pv.bin", "", 32, 0),
          "PVH, Linux": ("pvh", "vmlinux", "initrd", 128, 0), "PVH, Linux, one disk": ("pvh", "vmlinux", "initrd", 128, 1)}
XL_CONFIG = """name = "by-xl"
type = "{kind}"
kernel = "{kernels}/{kernel}"
{ramdisk}
cmdline = "console=hvc0"
memory = {memory}
vcpus = 1
"""
# Prints the microseconds that a command took in dom0.
TIMED = 't() { s=$(date +%s%N); "$@" >/dev/null 2>/tmp/bench.err || { cat /tmp/bench.err >&2; exit 1; }; e=$(date +%s%N);' \
        ' echo $(((e - s) / 1000)); }; '


def seconds(name, command):
    return int(dom0(name, TIMED + f"t {command}")) / 1e6


class Ways:
    """The three of them, each with a start and an end; both take seconds."""

    def __init__(self, name, address, password, kind, kernel, ramdisk, memory, disks):
        self.name, self.x = name, client(address, password)
        config = XL_CONFIG.format(kind=kind, kernels=KERNELS, kernel=kernel, memory=memory,
                                  ramdisk=f'ramdisk = "{KERNELS}/{ramdisk}"' if ramdisk else "")
        if disks:
            dom0(name, f"truncate -s 64M {DISK}")
            config += f'disk = ["format=raw, vdev=xvda, access=rw, target={DISK}"]\n'
        dom0(name, f"printf %s '{config}' >/tmp/bench.cfg")
        self.vm = self.x.VM.create({
            "name_label": "bench", "domain_type": kind, "memory_static_max": str(memory << 20),
            "PV_kernel": f"{KERNELS}/{kernel}", "PV_ramdisk": ramdisk and f"{KERNELS}/{ramdisk}",
            "PV_args": "console=hvc0", "VCPUs_max": "1", "VCPUs_at_startup": "1"})
        self.uuid = self.x.VM.get_uuid(self.vm)
        self.sr = None
        if disks:
            self.add_disk()

    def add_disk(self):
        x = self.x
        dom0(self.name, "mkdir -m 700 -p /srv/bench")
        self.sr = x.SR.create(x.host.get_all()[0], {"location": "/srv/bench"}, "0", "bench", "", "file", "user", False, {})
        vdi = x.VDI.create({"name_label": "bench", "name_description": "", "SR": self.sr, "virtual_size": str(64 << 20),
                            "type": "user", "sharable": False, "read_only": False, "other_config": {},
                            "sm_config": {"image-format": "raw"}})
        x.VBD.create({"VM": self.vm, "VDI": vdi, "userdevice": "0", "bootable": False, "mode": "RW", "type": "Disk",
                      "empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})

    def clear(self):
        x = self.x
        vdis = [x.VBD.get_VDI(vbd) for vbd in x.VM.get_VBDs(self.vm)]
        x.VM.destroy(self.vm)
        for vdi in vdis:
            x.VDI.destroy(vdi)
        if self.sr:
            for pbd in x.SR.get_PBDs(self.sr):
                x.PBD.unplug(pbd)
            x.SR.destroy(self.sr)

    def called(self, message, *args):
        """From outside, over TLS: what the way there takes is ours, too."""
        began = time.monotonic()
        message(self.vm, *args)
        return time.monotonic() - began

    def xl(self):
        return seconds(self.name, "xl create -q /tmp/bench.cfg"), seconds(self.name, "xl destroy by-xl")

    def api(self):
        return self.called(self.x.VM.start, False, False), self.called(self.x.VM.hard_shutdown)

    def xtool(self):
        return seconds(self.name, f"xtool vm-start uuid={self.uuid}"), \
            seconds(self.name, f"xtool vm-shutdown uuid={self.uuid} force=true")


def processes(name):
    """How many there have been in dom0, threads too."""
    return int(dom0(name, "grep ^processes /proc/stat").split()[1])


# What begins to write a trace in dom0, what ends it, and what is counted in it.
REQUESTS = ("xenstore-control logfile /tmp/bench.trace >/dev/null 2>&1; xenstore-control log on >/dev/null 2>&1",
            "xenstore-control log off >/dev/null 2>&1 || true", "^IN ")
SYNCS = ("strace -f -qq -o /tmp/bench.trace -e trace=fsync,fdatasync -p $(pidof xapid) >/dev/null 2>&1 & "
         "echo $! >/tmp/bench.strace; sleep 1", "kill $(cat /tmp/bench.strace); sleep 1", "sync(")


def traced(name, act, trace):
    """How many of what `trace` counts there were while `act` ran."""
    begin, end, counted = trace
    dom0(name, f"rm -f /tmp/bench.trace; {begin}")
    act()
    dom0(name, end)
    return int(dom0(name, f"grep -c '{counted}' /tmp/bench.trace || true"))


def begun(name, act):
    """How many processes and threads began in dom0 while `act` ran, with those of two looks at their number."""
    before = processes(name)
    act()
    return processes(name) - before


def count(name, ways):
    """Of one start and end: processes without those of the counting, requests, waits for the disk."""
    nothing = begun(name, lambda: None)
    clocks = begun(name, lambda: [seconds(name, ":") for _ in range(2)])  # one for each of xl's two commands
    return {"xl": {"processes": begun(name, ways.xl) - clocks,
                   "requests of xenstore": traced(name, ways.xl, REQUESTS)},
            "api": {"processes": begun(name, ways.api) - nothing,
                    "requests of xenstore": traced(name, ways.api, REQUESTS),
                    "syncs": traced(name, ways.api, SYNCS)}}


def measure(name, address, password, label, *guest):
    ways = Ways(name, address, password, *guest)
    order, lists = ["xl", "api", "xtool"], {"xl": [], "api": [], "xtool": []}
    for turn in range(ROUNDS):
        for way in order if turn % 2 else reversed(order):
            figures = getattr(ways, way)()
            if turn >= DROPPED:
                lists[way].append(figures)
    counts = count(name, ways)
    ways.clear()
    for part, what in enumerate(("start", "end")):
        xl = [figures[part] for figures in lists["xl"]]
        words = [f"xl {median(xl):.3f} s"]
        for way in "api", "xtool":
            ours = [figures[part] for figures in lists[way]]
            middle, (low, high) = ratio(ours, xl)
            words.append(f"{way} {median(ours):.3f} s = {middle:.2f} x ({low:.2f} to {high:.2f})")
        print(f"{label}: {what}: {', '.join(words)}, {len(xl)} pairs", flush=True)
    print(f"{label}: counts of a start and an end: {json.dumps(counts)}", flush=True)
    return {"seconds": lists, "counts": counts}


def main(name, address, password, out):
    wanted = os.environ.get("XAPID_BENCH_GUESTS")
    found = {label: measure(name, address, password, label, *guest) for label, guest in GUESTS.items()
             if not wanted or label in wanted.split(";")}
    Path(out).write_text(json.dumps(found, indent=1))


main(*sys.argv[1:])

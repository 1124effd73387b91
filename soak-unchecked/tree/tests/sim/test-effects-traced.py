#!/usr/bin/python3
"""What strace tells of operations: each call by which a program of ours, or one that it started, changes something
stands between two fault points of one effect, NAME.before and NAME.after or other ends of one NAME.  So the kernel
says the same as tests/effects.py, which reads the sources.  Needs a build without sanitizers, which bear no strace."""
import re
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import disks
import networks
import tap
from host import GUEST, Host
from traced import STRACE, Trace

# What the simulator does in xapid-domains is what a hypervisor does in the host's; shared memory is of a process.
HOSTS_OWN = re.compile(r'ftruncate\(\d+</memfd:|"(world|guests|control|dmesg|violations)"|/sim/(world|guests|control|dmesg|violations)'
                       r'|/dev/shm/')




def operations(host, x):
    """(name, what it does), one after the other."""
    made = {}

    def keep(name, value):
        made[name] = value

    yield "SR.create", lambda: keep("sr", disks.new_sr(host, x))
    yield "VDI.create", lambda: keep("vdi", disks.new_vdi(x, made["sr"], disks.MIB))
    yield "VDI.resize", lambda: x.VDI.resize(made["vdi"], str(2 * disks.MIB))
    yield "VDI.copy", lambda: keep("copy", x.VDI.copy(made["vdi"], made["sr"]))
    yield "VDI.destroy", lambda: x.VDI.destroy(made["copy"])
    yield "VM.create", lambda: keep("vm", x.VM.create(GUEST))
    yield "VBD.create", lambda: keep("vbd", disks.new_vbd(x, made["vm"], made["vdi"]))
    yield "network.create", lambda: keep("network", networks.new_network(x))
    yield "VIF.create", lambda: networks.new_vif(x, made["vm"], made["network"])
    yield "VM.start", lambda: x.VM.start(made["vm"], False, False)
    yield "VBD.unplug", lambda: x.VBD.unplug(made["vbd"])
    yield "VBD.plug", lambda: x.VBD.plug(made["vbd"])
    yield "VM.suspend", lambda: x.VM.suspend(made["vm"])
    yield "VM.resume", lambda: x.VM.resume(made["vm"], False, False)
    yield "VM.clean_reboot", lambda: x.VM.clean_reboot(made["vm"])
    yield "VM.hard_shutdown", lambda: x.VM.hard_shutdown(made["vm"])
    yield "VM.destroy", lambda: x.VM.destroy(made["vm"])
    yield "network.destroy", lambda: x.network.destroy(made["network"])


def test_what_is_found():
    def told(*calls):
        found = Trace("".join(f"{thread} 1.5 {call}\n" for thread, call in calls))
        return sorted(found.between), [call.split("(")[0] for _, call, _, _ in found.bare]

    before, after, sync = (1, 'write(-1, "a.before", 8) = -1'), (1, 'write(-1, "a.after", 7) = -1'), (1, "fsync(3) = 0")
    assert told(before, sync, after) == (["a"], [])
    assert told(sync, after) == told(before, sync) == told(before, after, sync) == ([], ["fsync"])
    assert told(before, sync, (1, 'write(-1, "b.after", 7) = -1')) == ([], ["fsync"])
    # Of a thread that has its own points, and of one that has none.
    assert told(before, (2, 'write(-1, "b.before", 8) = -1'), (2, "fsync(3) = 0"), after) == ([], ["fsync"])
    assert told(before, (1, "vfork( <unfinished ...>"), (2, 'execve("/bin/x") = 0'), (1, "<... vfork resumed>) = 2"), (2, "fsync(3) = 0"),
                after) == (["a"], [])
    assert told((1, "vfork() = 2"), (2, "fsync(3) = 0"), after) == ([], ["fsync"])


def test_effects_stand_between_points():
    host = Host(environment={"XAPID_FAULT": "trace"}, sim_conf="[host]\nshutdown_ms=5\n")
    trace = host.dir / "trace"
    host.under = [*STRACE, trace]
    windows = {}
    with host:
        x = host.client()
        disks.drivers_known(x)
        began = time.time()
        for name, do in operations(host, x):
            start = time.time()
            do()
            windows[name] = (start, time.time())
        x.session.logout()
        end = time.time()
        host.stop()
        found = Trace(trace.read_text(errors="replace"), HOSTS_OWN)
    wrong = [line for line in found.bare if began <= line[0] <= end]
    told = [call for calls in found.between.values() for at, call in calls if began <= at <= end]
    kinds = sorted({call.split("(")[0] for call in told})
    print(f"# {len(windows)} operations, {len(told)} effects ({', '.join(kinds)}) between the points of {len(found.between)} names, "
          f"{len(wrong)} bare, {found.points} points passed")
    for name, (start, stop) in windows.items():
        within = found.within(start, stop)
        print(f"# {name}: {', '.join(within)}")
        assert within, f"{name} changed nothing"
    assert not wrong, "\n".join(f"{call} after {before}, before {after}" for _, call, before, after in wrong)
    assert {"rename", "renameat", "unlinkat", "fsync", "fdatasync", "execve"} <= set(kinds), kinds


tap.run(test_what_is_found, test_effects_stand_between_points)

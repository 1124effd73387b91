#!/usr/bin/python3
"""Scenario of effects.sh: effects.py traced NAME ADDRESS PASSWORD."""
import re
import shlex
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "sim"))
from api import answering, client, connect, dom0, guest, run_scenario, until
from host import Client
from storage import MIB, disk, drive, repository
from traced import STRACE, Trace

# Shared memory is a process's own, and the lock of libxl goes with whoever reads.
LOCKS = re.compile(r"/dev/shm/|-userdata-lock\"")
CALL_SECONDS = 900  # strace makes an emulated machine slow
LAUNCH = "/usr/local/sbin/xapid-launch --config /etc/xapid.conf"


def operations(name, x):
    """(name, what it does), one after the other."""
    made = {}

    def keep(key, value):
        made[key] = value

    yield "SR.create", lambda: keep("sr", repository(name, x))
    yield "VDI.create", lambda: keep("vdi", disk(x, made["sr"], "raw", MIB))
    yield "VM.create", lambda: keep("vm", x.VM.create(guest("lab-traced", "pvh")))
    yield "VBD.create", lambda: drive(x, made["vm"], made["vdi"])
    yield "VM.start", lambda: x.VM.start(made["vm"], False, False)
    yield "VM.suspend", lambda: x.VM.suspend(made["vm"])
    yield "VM.resume", lambda: x.VM.resume(made["vm"], False, False)
    yield "VM.hard_shutdown", lambda: x.VM.hard_shutdown(made["vm"])
    yield "VM.destroy", lambda: x.VM.destroy(made["vm"])
    yield "VDI.destroy", lambda: x.VDI.destroy(made["vdi"])


def now(name):
    return float(dom0(name, "date +%s.%N"))


def traced(name, address, password):
    """What strace sees our programs change while a guest lives is what the fault points say."""
    session = client(address, password).session_ref
    dom0(name, "kill $(pidof xapid-launch)")
    until(lambda: not dom0(name, "pgrep -x 'xapid.*' || true"), "end of the programs")
    strace = shlex.join([*STRACE, "/root/trace"])
    dom0(name, f"XAPID_FAULT=trace setsid {strace} {LAUNCH} >>/var/log/xapid.log 2>&1 </dev/null &")
    answering(address, session, lambda x: x.SM.get_all())
    x = Client(None, connect=lambda: connect(address, CALL_SECONDS)).resume(session)
    moments = [("", now(name))]
    for operation, do in operations(name, x):
        do()
        moments.append((operation, now(name)))
    dom0(name, "kill $(pidof xapid-launch)")
    until(lambda: not dom0(name, "pgrep -x 'xapid.*|strace' || true"), "end of the programs")
    found = Trace(dom0(name, "grep -v 'write([0-9]' /root/trace"), LOCKS)
    began, end = moments[0][1], moments[-1][1]
    wrong = [line for line in found.bare if began <= line[0] <= end]
    for (_, start), (operation, stop) in zip(moments, moments[1:]):
        within = found.within(start, stop)
        print(f"# {operation}: {', '.join(within)}")
        assert within, f"{operation} changed nothing"
    print(f"# {sum(map(len, found.between.values()))} effects between the points of {len(found.between)} names, "
          f"{len(wrong)} bare, {found.points} points passed")
    assert not wrong, "\n".join(f"{call} after {before}, before {after}" for _, call, before, after in wrong)


if __name__ == "__main__":
    run_scenario(globals())

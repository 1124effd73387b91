#!/usr/bin/python3
"""kill -9 of the daemon's programs at random moments under load: what was acknowledged is there after
each restart, what was not is whole or absent, what was in flight ends, no guest runs twice, and the
records say what the hypervisor has.

XAPID_KILLS: how many (40); `make soak` does 1,000.  XAPID_SEED repeats the choices of a run."""
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from disks import drivers_known, new_sr
from host import Host
from owner import SETTLE, Gate, Owner

FULL = 1000
KILLS = int(os.environ.get("XAPID_KILLS", "40"))
SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
PROGRAMS = ("xapid", "xapid-domains", "xapid-host")
LAUNCH = ("xapid-launch",)  # and with it all of them
WORKER = ("a worker",)  # or another child of xapid-domains
WEIGHTS = {("xapid",): 50, ("xapid-domains",): 15, ("xapid-host",): 5, ("xapid", "xapid-domains"): 5,
           PROGRAMS: 10, LAUNCH: 5, WORKER: 10}
CLIENTS = 5
SLOWNESS = ("[host]\ncreate_ms=6\ndestroy_ms=4\npause_ms=2\nunpause_ms=2\nshutdown_ms=8\n")


def kill_together(host, names):
    old = {name: host.child(name) for name in names}
    for pid in old.values():
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    end = time.monotonic() + SETTLE
    while any(host.child(name) in (None, old[name]) for name in names):
        assert time.monotonic() < end, f"{names} did not come back\n{host.tail()}"
        time.sleep(0.005)


def kill_worker(host, chance):
    parent = host.child("xapid-domains")
    if parent:
        workers = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if workers:
            os.kill(int(chance.choice(workers)), signal.SIGKILL)


def kill(host, chance):
    names = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    if names == LAUNCH:
        host.process.kill()
        host.process.wait()
        host.start()
    elif names == WORKER:
        kill_worker(host, chance)
    else:
        kill_together(host, names)
    return names


def round_of_kill(host, chance, gate, owners):
    time.sleep(chance.choice([chance.uniform(0, 0.03), chance.uniform(0.03, 0.3)]))
    names = kill(host, chance)
    if chance.random() < 0.2:
        return  # again at once, while the last one is being got over
    gate.close()
    for owner in owners:
        if owner.crash:
            raise owner.crash
        owner.insist(owner.check)
    wrong = [line for owner in owners for line in owner.wrong] + settled.check(host)
    assert not wrong, "\n".join([f"after killing {names}:", *wrong])
    gate.open()


def test_killed_under_load():
    print(f"# seed {SEED}, sample/full: {KILLS}/{FULL} kills", flush=True)
    chance = random.Random(SEED)
    with Host(sim_conf=SLOWNESS, launch_options=("--backoff-max", "10")) as host:
        gate = Gate(CLIENTS)
        owners = [Owner(host, number, SEED, gate) for number in range(CLIENTS)]
        x = host.client()
        drivers_known(x)
        owners[0].sr = owners[1].sr = new_sr(host, x)  # the others' VMs have no disks
        for owner in owners:
            owner.start()
        for number in range(KILLS):
            try:
                round_of_kill(host, chance, gate, owners)
            except Exception:
                print(f"# kill {number + 1} of {KILLS}, seed {SEED}")
                raise
        gate.close()
        wrong = settled.check(host)
        assert not wrong, "\n".join(wrong)
        for owner in owners:
            owner.stop = True
        gate.open()
        for owner in owners:
            owner.join(SETTLE)
        wrong = [line for owner in owners for line in owner.wrong]
        assert not wrong, "\n".join(wrong)
        done, broken = (sum(getattr(owner, what) for owner in owners) for what in ("done", "broken"))
        print(f"# {KILLS} kills, {done} acknowledged calls, {broken} broken ones, 0 violations",
              flush=True)
        assert done > 2 * KILLS and broken > KILLS // 10, "hardly any load"


tap.run(test_killed_under_load)

#!/usr/bin/python3
"""Every fault point of xapid and xapid-domains: the program dies there, or the step fails, or it takes
200 ms longer, once, while a VM is made, started, paused, rebooted, shut down and destroyed.
Afterwards nothing acknowledged is lost, nothing is left over, and the VM's life can go on.

XAPID_FAULTS: all, or a sample of one way a point (default).  XAPID_SEED repeats the choices.
XAPID_FAULT_ONLY=point=way for one of them."""
import os
import random
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from host import BUILDDIR, Failure, Host
from owner import AFTER, GONE, POSSIBLE, Gate, Owner

SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
AT_ONCE = 3  # hosts; most of the time they wait
TRIES = 40  # in 12 s: a database that could not be written is tried every 2 s
WAYS = ("kill", "error", "delay:200")
LIFE = ("start", "pause", "unpause", "clean_reboot", "hard_reboot", "clean_shutdown", "start_paused",
        "unpause", "hard_shutdown", "destroy")
# What else must go wrong before such a point is reached.
BEFORE = {"ops.undo.before": "unpause.before=error", "recover.before-destroy": "create.after-build=kill",
          "store.probe": "store.commit.before=error@12"}
# Copies of the database are for calls that are not there yet; tests/unit/test-store reaches these.
WITHOUT_CALLER = {"store.backup.step", "store.backup.rename"}


def points():
    found = []
    for program in ("xapid/xapid", "xapid-domains"):
        listed = subprocess.run([BUILDDIR / program, "--fault-points"], check=True,
                                capture_output=True, text=True).stdout
        found += [line.split()[0] for line in listed.splitlines()]
    assert WITHOUT_CALLER <= set(found), "a point that was without a caller is no more"
    return [point for point in found if point not in WITHOUT_CALLER]


def step(owner, verb):
    """Tries until it is done, as a user would who is told of a failure."""
    for _ in range(TRIES):
        if owner.state == AFTER[verb]:
            return
        if verb not in POSSIBLE[owner.state]:
            # An earlier failure left the VM elsewhere: on the shortest way to where it can be.
            verb_now = {"Halted": "start", "Paused": "unpause", "Running": "hard_shutdown"}[owner.state]
        else:
            verb_now = verb
        before = owner.done
        name, args = verb_now, [owner.vm]
        if verb_now.startswith("start"):
            name, args = "start", [owner.vm, verb_now == "start_paused", False]
        owner.attempt(lambda: getattr(owner.x.VM, name)(*args), verb_now, states={AFTER[verb_now]})
        if owner.done > before and verb_now == verb:
            return
        time.sleep(0.3 if owner.done == before else 0)
    owner.say(f"{verb} cannot be done any more; {owner.state}")


def reboot(owner, verb):
    """Like step, for verbs that begin and end in the same state."""
    for _ in range(TRIES):
        step(owner, "start" if owner.state == "Halted" else "unpause")
        before = owner.done
        owner.attempt(lambda: getattr(owner.x.VM, verb)(owner.vm), verb, states={"Running"})
        if owner.done > before:
            return
        time.sleep(0.3)
    owner.say(f"{verb} cannot be done any more; {owner.state}")


def create(owner):
    try:
        owner.create()
    except Failure as failure:
        if failure.code != "INTERNAL_ERROR":
            owner.say(f"create: {failure}")
        time.sleep(0.3)


def live(owner):
    owner.insist(owner.connect)
    for _ in range(20):
        if owner.vm is not None:
            break
        owner.insist(lambda: create(owner))
    for verb in LIFE:
        owner.insist(lambda: (reboot if "reboot" in verb else step)(owner, verb))
    if owner.state != GONE:
        owner.say(f"{owner.state} at the end of its life")


def one_fault(point, way):
    """What is wrong after it."""
    spec = f"{point}={way}"
    if point in BEFORE:
        spec = f"{BEFORE[point]},{spec}"
    host = Host(launch_options=("--backoff-max", "50"), sim_conf="[host]\nshutdown_ms=5\n")
    marks = host.dir / "faults"
    marks.mkdir()
    marks.chmod(0o777)
    host.environment.update(XAPID_FAULT=spec, XAPID_TEST_FAULT_DIR=str(marks))
    with host:
        owner = Owner(host, 0, SEED, Gate(1))
        live(owner)
        wrong = owner.wrong + settled.check(host)
        if not (marks / point).exists():
            wrong.append("never reached")
        return [f"{spec}: {line}" for line in wrong]


def attempt(point, way):
    try:
        return one_fault(point, way)
    except Exception:
        return [f"{point}={way}: {line}" for line in traceback.format_exc().splitlines()]


def test_every_fault_point():
    only = os.environ.get("XAPID_FAULT_ONLY")
    every = [(point, way) for point in points() for way in WAYS]
    chance = random.Random(SEED)
    if only:
        chosen = [tuple(only.split("=", 1))]
    elif os.environ.get("XAPID_FAULTS") == "all":
        chosen = every
    else:
        chosen = [(point, chance.choice(WAYS[:2])) for point in points()]
    print(f"# seed {SEED}, sample/full: {len(chosen)}/{len(every)} faults", flush=True)
    wrong, reached = [], set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for (point, _), found in zip(chosen, pool.map(lambda fault: attempt(*fault), chosen)):
            wrong += found
            if not any("never reached" in line for line in found):
                reached.add(point)
            for line in found:
                print(f"# {line}", flush=True)
    missed = len({point for point, _ in chosen} - reached)
    print(f"# {len(chosen)} faults, {len(reached)} points reached, {missed} points missed, "
          f"{len(wrong)} violations", flush=True)
    assert not wrong, f"{len(wrong)} things wrong"


tap.run(test_every_fault_point)

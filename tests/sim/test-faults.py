#!/usr/bin/python3
"""Every fault point of every program: the program dies there, or the step fails, or it takes 200 ms
longer, once, while a VM lives through all that it can do; or while passwords are checked and changed;
or while the database is copied.  Afterwards nothing acknowledged is lost, nothing is left over, and
life can go on.

XAPID_FAULTS: all, or one way at so many points (80).  XAPID_SEED repeats the choices.
XAPID_FAULT_ONLY=point=way for one of them."""
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from accounts import Accounts
from host import BUILDDIR, Host
from life import SEED
from life_archive import life_of_an_archive
from life_console import life_of_a_console, life_of_a_picture, life_of_a_text_console
from life_disk import life_of_a_cd, life_of_a_disk
from life_host import life_of_a_name, life_of_a_password, life_of_the_database, life_of_the_log, life_of_the_power
from life_network import life_of_a_bond, life_of_a_network, life_of_addresses
from life_stream import life_of_a_stream
from life_vm import life_of_a_ready_domain, life_of_a_vm
from marks import acted

FAULTS = os.environ.get("XAPID_FAULTS", "80")
AT_ONCE = 5  # hosts; most of the time they wait
# A process of a host with accounts takes one of the 62 folders that libpam-wrapper has on a machine.
WITH_ACCOUNTS = threading.Semaphore(2)
PROGRAMS = ("xapid/xapid", "xapid-domains", "xapid-host", "xapid-launch", "xapid-stream", "storage-repos/file/file")
WAYS = ("kill", "error", "delay:200")
# What else must go wrong before such a point is reached.
BEFORE = {"continue.before": "destroy.before=error", "ops.undo.before": "unpause.before=error", "recover.destroy.before": "create.after-build=kill",
          "recover.destroy.after": "create.after-build=kill", "continue.after": "destroy.before=error",
          "recover.finish.before": "sim.destroy.dying=kill", "recover.finish.after": "sim.destroy.dying=kill",
          "save.undo.before": "save.after=error", "save.undo.after": "save.after=error",
          "stream.lengthen.before": "stream.empty.cut=error", "stream.lengthen.after": "stream.empty.cut=error",
          "store.probe": "store.commit.before=error@12",
          **{f"launch.{what}": "ops.step.before=kill@3" for what in ("start.before", "start.after", "connect.before", "send.before")}}
# Points that a simulated host has not: tests/unit/test-ovs, and test-bonds-linux.
ELSEWHERE = ("host.ovs.", "host.bond.")
# The first time that xapid-launch does it for an xapid that died, when all are up and connected; the first call of a
# driver that is not about itself.
NTH = {"host.driver.before": 3, "host.driver.after": 3, "launch.start.before": 4, "launch.start.after": 4, "launch.connect.before": 3, "launch.send.before": 6}


def points_of(program):
    listed = subprocess.run([BUILDDIR / program, "--fault-points"], check=True, capture_output=True,
                            text=True).stdout
    return [line.split()[0] for line in listed.splitlines() if not line.startswith(ELSEWHERE)]


class Manager(threading.Thread):
    """Starts xapid-launch again when it ends, as systemd does."""

    def __init__(self, host):
        super().__init__()
        self.host, self.over = host, threading.Event()
        host.comes_again = True

    def run(self):
        while not self.over.wait(0.02):
            if self.host.process and self.host.process.poll() is not None:
                self.host.spawn()

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.over.set()
        self.join()


class Life(NamedTuple):
    """What hits the points that begin so, and what kind of host it takes."""
    run: Callable
    starts: tuple = ()
    options: str = ""
    streams: bool = False    # clients come by each kind of connection
    passwords: bool = False


OF_A_VM = Life(life_of_a_vm)  # and the points of no other
LIVES = (
    Life(life_of_a_disk, ("file.", "host.handle.", "host.driver.", "plug.", "unplug.", "hold.", "follow.", "release.")),
    Life(life_of_a_cd, ("medium.",)),
    Life(life_of_a_stream, ("host.transfer.", "storage.lend.", "stream."), streams=True),
    Life(life_of_an_archive, ("host.order.", "storage.fill.", "stream.records."), streams=True),
    Life(life_of_a_network, ("host.bridge.", "host.networks.", "nic.")),
    Life(life_of_a_bond, ("bond.",)),
    Life(life_of_addresses, ("host.addresses.", "host.interface.", "host.resolv."), "confirm_seconds=2\n"),
    Life(life_of_a_ready_domain, ("ready.",), "ready_domains=1\n"),
    Life(life_of_a_console, ("console.",)),
    Life(life_of_a_text_console, ("terminal.",)),
    Life(life_of_a_picture, ("picture.",)),
    Life(life_of_the_power, ("host.power.",)),
    Life(life_of_the_log, ("host.syslog.", "host.restart.")),
    Life(life_of_a_name, ("host.initiator.",)),
    Life(life_of_the_database, ("store.prepare.", "store.restore.")),
    Life(life_of_a_password, ("host.authenticate.", "host.change-password.", "host.child.", "hostd."), passwords=True))


def life_for(point):
    """That of the longest beginning."""
    fitting = [(len(start), life) for life in LIVES for start in life.starts if point.startswith(start)]
    return max(fitting, key=lambda of: of[0], default=(0, OF_A_VM))[1]


def fault_of_a_host(point, spec, marks):
    life = life_for(point)
    recorder = BUILDDIR / "tests/unit/pam-recorder.so"
    accounts = Accounts({"root": (0, "secret")}, recorder=recorder) if life.passwords else None
    host = Host(life.options + "resync_seconds=1",
                launch_options=("--backoff-max", "50"), sim_conf="[host]\nshutdown_ms=5\n",
                https=life.streams or life.passwords or point.startswith("certificate."), plain=life.streams,
                accounts=accounts)
    if point in BEFORE:
        spec = f"{BEFORE[point]},{spec}"
    host.environment.update(XAPID_FAULT=spec, XAPID_TEST_FAULT_DIR=str(marks))
    if point.startswith(("certificate.", "launch.folder.")):
        shutil.rmtree(host.dir / "state", ignore_errors=True)  # all is made anew
    with contextlib.ExitStack() as stack:
        if life.passwords:
            stack.enter_context(WITH_ACCOUNTS)
        stack.push(host)
        stack.enter_context(Manager(host))
        host.start()
        return life.run(host) + settled.check(host)


def fault_of_a_copy(point, way, marks):
    """No call copies the database yet: a program of the store's own test does."""
    done = subprocess.run([BUILDDIR / "tests/unit/test-store-kill", "--fault", point, way],
                          capture_output=True, text=True,
                          env={**os.environ, "XAPID_TEST_FAULT_DIR": str(marks)})
    return [*done.stderr.splitlines(), f"status {done.returncode}"] if done.returncode else []


def one_fault(point, way):
    """What is wrong after it."""
    spec = f"{point}={way}@{NTH[point]}" if point in NTH else f"{point}={way}"
    with tempfile.TemporaryDirectory(prefix="xapid-test-") as marks:
        marks = Path(marks)
        marks.chmod(0o777)
        if point.startswith("store.backup."):
            wrong = fault_of_a_copy(point, way, marks)
        else:
            wrong = fault_of_a_host(point, spec, marks)
        if point not in acted(marks):
            wrong.append("never reached")
    return [f"{spec}: {line}" for line in wrong]


def attempt(point, way):
    try:
        return one_fault(point, way)
    except Exception:
        return [f"{point}={way}: {line}" for line in traceback.format_exc().splitlines()]


def test_every_fault_point():
    only = os.environ.get("XAPID_FAULT_ONLY")
    programs = {program: points_of(program) for program in PROGRAMS}
    points = [point for of_one in programs.values() for point in of_one]
    every = [(point, way) for point in points for way in WAYS]
    chance = random.Random(SEED)
    if only:
        chosen = [tuple(only.split("=", 1))]
    elif FAULTS == "all":
        chosen = every
    else:
        some = chance.sample(points, min(int(FAULTS), len(points)))
        chosen = [(point, chance.choice(WAYS[:2])) for point in some]
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
    for program, of_one in programs.items():
        print(f"# {Path(program).name}: {len(reached.intersection(of_one))} of {len(of_one)} points reached")
    print(f"# {len(chosen)} faults, {len(points)} points listed, {len(reached)} points reached, "
          f"{missed} points missed, {len(wrong)} violations", flush=True)
    assert not wrong, f"{len(wrong)} things wrong"


tap.run(test_every_fault_point)

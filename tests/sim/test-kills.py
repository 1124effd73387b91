#!/usr/bin/python3
"""kill -9 of the daemon's programs at random moments under load: what was acknowledged is there after
each restart, what was not is whole or absent, and no guest runs twice.

XAPID_KILLS: how many (20); the full count is 1,000.  XAPID_SEED repeats a run."""
import http.client
import os
import random
import sys
import threading
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import GUEST, Client, Failure, Host

KILLS = int(os.environ.get("XAPID_KILLS", "20"))
SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
AFTER = {"start": "Running", "pause": "Paused", "unpause": "Running", "hard_shutdown": "Halted",
         "clean_shutdown": "Halted", "hard_reboot": "Running", "clean_reboot": "Running"}
POSSIBLE = {"Halted": ["start"], "Paused": ["unpause", "hard_shutdown"],
            "Running": ["pause", "hard_shutdown", "clean_shutdown", "hard_reboot", "clean_reboot"]}
BROKEN = (OSError, http.client.HTTPException)


class Owner(threading.Thread):
    """One client with one VM: knows what was acknowledged, and after a break what may be."""

    def __init__(self, host, number, stop):
        super().__init__()
        self.host, self.number, self.stop = host, number, stop
        self.random = random.Random(SEED + number)
        self.wrong, self.done = [], 0
        self.secret = None
        self.vm = None
        self.state, self.note = "Halted", ""  # acknowledged

    def connect(self):
        while True:
            try:
                x = Client(self.host, timeout=30)
                if self.secret:
                    x.session_ref = self.secret
                    x.pool.get_all()
                else:
                    self.secret = x.login().session_ref
                return x
            except BROKEN:
                if self.stop.is_set():
                    raise
                time.sleep(0.02)

    def check(self, x, states, notes, after=""):
        """The record must be one of what it may be; settles on what it is."""
        end = time.monotonic() + 20
        while x.VM.get_current_operations(self.vm) and time.monotonic() < end:
            time.sleep(0.02)
        record = x.VM.get_record(self.vm)
        if record["current_operations"]:
            self.wrong.append(f"{self.vm}: {record['current_operations']} goes on")
        if record["power_state"] not in states:
            self.wrong.append(f"{self.vm}: {record['power_state']}, not one of {states} after {after}")
        if record["name_description"] not in notes:
            self.wrong.append(f"{self.vm}: note {record['name_description']!r}, not one of {notes}")
        self.state, self.note = record["power_state"], record["name_description"]

    def act(self, x):
        if self.vm is None:
            name = f"vm-{self.number}"
            known = x.VM.get_by_name_label(name)
            self.vm = known[0] if known else x.VM.create({**GUEST, "name_label": name})
            return
        states, notes, verb = {self.state}, {self.note}, "set_name_description"
        try:
            if self.random.random() < 0.3:
                note = str(self.random.random())
                notes.add(note)
                x.VM.set_name_description(self.vm, note)
                notes = {note}
            else:
                verb = self.random.choice(POSSIBLE[self.state])
                states.add(AFTER[verb])
                if "reboot" in verb or "shutdown" in verb:
                    states.add("Halted")
                getattr(x.VM, verb)(self.vm, *((False, False) if verb == "start" else ()))
                states = {AFTER[verb]}
            self.done += 1
            self.state, self.note = next(iter(states)), next(iter(notes))
        except BROKEN:
            self.check(self.connect(), states, notes, f"{verb} (broken)")
            raise
        except Failure as failure:
            # A program died under it; what it says must still be true of a whole VM.
            if failure.code not in ("INTERNAL_ERROR", "OTHER_OPERATION_IN_PROGRESS", "VM_BAD_POWER_STATE"):
                self.wrong.append(f"{self.vm}: {failure}")
            self.check(x, states | {"Halted"}, notes, f"{verb}: {failure}")

    def run(self):
        x = self.connect()
        while not self.stop.is_set():
            try:
                self.act(x)
            except BROKEN:
                try:
                    x = self.connect()
                except BROKEN:
                    return


def test_killed_under_load():
    print(f"# seed {SEED}, {KILLS}/1000 kills", flush=True)
    chance = random.Random(SEED)
    with Host(sim_conf="") as host:
        stop = threading.Event()
        owners = [Owner(host, number, stop) for number in range(4)]
        for owner in owners:
            owner.start()
        try:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.05, 0.6))
                host.kill(chance.choice(["xapid", "xapid", "xapid", "xapid-domains", "xapid-host"]))
            host.wait_up()
            time.sleep(1)
        finally:
            stop.set()
        for owner in owners:
            owner.join(60)
            assert not owner.is_alive(), "a client hangs"
        x = host.client()
        for owner in owners:
            owner.check(x, {owner.state}, {owner.note})
        wrong = [line for owner in owners for line in owner.wrong]
        assert not wrong, "\n".join(wrong)
        assert not host.violations(), host.violations()
        done = sum(owner.done for owner in owners)
        print(f"# {done} acknowledged calls, none lost", flush=True)
        assert done > KILLS, "hardly any load"
        open_tasks = [r for r in x.task.get_all_records().values() if r["status"] == "pending"]
        assert not open_tasks, open_tasks


tap.run(test_killed_under_load)

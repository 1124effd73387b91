"""A client thread that owns one VM: it knows what was acknowledged to it and, when a call ended in
anything but its answer, what may be; after every break it looks and says what is wrong."""
import http.client
import random
import threading
import time

import world
from disks import MIB, new_vbd, new_vdi
from host import GUEST, Client, Failure

BROKEN = (OSError, http.client.HTTPException)
SETTLE = 20  # seconds within which what was in flight is finished or undone
GONE = "(gone)"
AFTER = {"start": "Running", "start_paused": "Paused", "pause": "Paused", "unpause": "Running",
         "hard_shutdown": "Halted", "clean_shutdown": "Halted", "hard_reboot": "Running",
         "clean_reboot": "Running", "destroy": GONE, "guest_halt": "Halted",
         "guest_crash": "Running", "suspend": "Suspended", "resume": "Running", "vcpus": "Running",
         "sysrq": "Running"}
POSSIBLE = {
    "Halted": ["start"] * 6 + ["start_paused", "destroy"],
    "Paused": ["unpause", "unpause", "hard_shutdown", "hard_reboot"],
    "Running": ["pause", "hard_shutdown", "clean_shutdown", "hard_reboot", "clean_reboot",
                "guest_halt", "guest_crash", "suspend", "vcpus", "sysrq"],
    "Suspended": ["resume", "resume", "hard_shutdown"]}
# What a call may answer when one of our programs died under it; the VM is whole all the same.
EXCUSES = ("INTERNAL_ERROR", "OTHER_OPERATION_IN_PROGRESS", "SR_BACKEND_FAILURE")


class Gate:
    """Owners pass it between two calls; closed, it gathers them."""

    def __init__(self, owners):
        self.changed = threading.Condition()
        self.owners, self.inside, self.closed = owners, 0, False

    def wait(self):
        with self.changed:
            self.inside += 1
            self.changed.notify_all()
            while self.closed:
                self.changed.wait()
            self.inside -= 1

    def close(self, seconds=60):
        with self.changed:
            self.closed = True
            if not self.changed.wait_for(lambda: self.inside == self.owners, seconds):
                raise AssertionError("a client hangs")

    def open(self):
        with self.changed:
            self.closed = False
            self.changed.notify_all()


class Owner(threading.Thread):
    def __init__(self, host, number, seed, gate):
        super().__init__(daemon=True)
        self.host, self.number, self.gate = host, number, gate
        self.random = random.Random(f"{seed}/{number}")
        self.wrong, self.done, self.broken, self.made = [], 0, 0, 0
        self.crash = None
        self.stop = False
        self.secret = self.x = self.vm = self.uuid = None
        self.sr = None  # when its VMs have a disk there
        self.disks = []  # of VMs that are gone
        self.crashes = 0
        # Acknowledged:
        self.state, self.note, self.key = GONE, "", None

    def say(self, text):
        self.wrong.append(f"{self.vm} ({self.uuid}): {text}")

    def connect(self):
        end = time.monotonic() + SETTLE
        while True:
            try:
                x = Client(self.host, timeout=30)
                if not self.secret:
                    self.secret = x.login().session_ref
                x.session_ref = self.secret  # an acknowledged login outlives the daemon
                x.pool.get_all()
                self.x = x
                return
            except (*BROKEN, Failure) as error:
                if isinstance(error, Failure) and error.code != "INTERNAL_ERROR":
                    raise  # that one: the database cannot be written just now
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def insist(self, function):
        """function (), which may be repeated, until it gets through: connections break, and while the
        database cannot be written even a read may fail."""
        end = time.monotonic() + SETTLE
        while True:
            try:
                return function()
            except BROKEN:
                self.connect()
            except Failure as failure:
                if failure.code != "INTERNAL_ERROR" or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    # --- looking ---

    def settle(self):
        """What was in flight is over within SETTLE; the record then, or None."""
        end = time.monotonic() + SETTLE
        while True:
            try:
                record = self.x.VM.get_record(self.vm)
            except Failure as failure:
                if failure.code != "HANDLE_INVALID":
                    raise
                return None
            if not record["current_operations"]:
                return record
            if time.monotonic() > end:
                self.say(f"{record['current_operations']} goes on")
                return record
            time.sleep(0.01)

    def check(self, states=(), notes=(), keys=(), after="all was quiet"):
        """The record is what was acknowledged or, of each, one of what else may be; it becomes what
        is known.  With nothing in flight it is so at once."""
        if self.vm is None:
            return
        record = self.settle()
        states, notes = {self.state, *states}, {self.note, *notes}
        keys = {self.key, *keys}
        state = record["power_state"] if record else GONE
        # A domain that just ended is told by an event.
        end = time.monotonic() + SETTLE
        while state not in states and len(states) > 1 and time.monotonic() < end:
            time.sleep(0.02)
            record = self.settle()
            state = record["power_state"] if record else GONE
        if state not in states:
            self.say(f"{state}, not one of {states}, after {after}")
        self.state = state
        if state == GONE:
            self.vm = None
            return
        self.note, self.key = record["name_description"], record["other_config"].get("test")
        if self.note not in notes:
            self.say(f"note {self.note!r}, not one of {notes}, after {after}")
        if self.key not in keys:
            self.say(f"key {self.key!r}, not one of {keys}, after {after}")

    # --- acting ---

    def create(self):
        """Made or not; when it is there it is whole."""
        self.made += 1
        name = f"vm-{self.number}-{self.made}"
        try:
            self.vm = self.x.VM.create({**GUEST, "name_label": name, "memory_static_max": "67108864",
                                        "VCPUs_max": "2", "actions_after_crash": "coredump_and_restart"})
        except BROKEN:
            self.broken += 1
            self.connect()
            known = self.insist(lambda: self.x.VM.get_by_name_label(name))
            if not known:
                return
            self.vm = known[0]
        record = self.insist(lambda: self.x.VM.get_record(self.vm))
        self.state, self.note, self.key = "Halted", "", None
        self.uuid, self.crashes = record["uuid"], 0
        if (record["power_state"], record["name_label"], record["PV_kernel"]) != (
                "Halted", name, "vmlinux") or "mac_seed" not in record["other_config"]:
            self.say(f"made by halves: {record}")
        if self.insist(lambda: self.x.VM_metrics.get_record(record["metrics"])) is None:
            self.say("without metrics")
        self.done += 1
        if self.sr:
            self.add_disk(name)

    def once(self, there, make):
        """What there () finds, after make () when it finds nothing, whatever breaks."""
        end = time.monotonic() + SETTLE
        while True:
            found = self.insist(there)
            if found:
                return found[0]
            try:
                make()
                self.done += 1
            except BROKEN:
                self.broken += 1
                self.connect()
            except Failure as failure:
                if failure.code not in EXCUSES or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def settled_disks(self, name):
        """Disks of that name, none of them on its way."""
        end = time.monotonic() + SETTLE
        while True:
            found = [(vdi, record) for vdi, record in self.x.VDI.get_all_records().items()
                     if record["name_label"] == name]
            if time.monotonic() > end or all(
                    record["managed"] and not record["current_operations"] for _, record in found):
                return [vdi for vdi, _ in found]
            time.sleep(0.01)

    def add_disk(self, name):
        vdi = self.once(lambda: self.settled_disks(name),
                        lambda: new_vdi(self.x, self.sr, MIB, name_label=name))
        self.once(lambda: self.x.VDI.get_VBDs(vdi), lambda: new_vbd(self.x, self.vm, vdi))
        self.disks.append(name)

    def remove_disks(self):
        """Those of VMs that are gone."""
        for name in self.disks:
            self.once(lambda: [] if self.settled_disks(name) else [True],
                      lambda: [self.x.VDI.destroy(vdi) for vdi in self.x.VDI.get_by_name_label(name)])
        self.disks = []

    def write_note(self):
        note = str(self.random.random())
        self.attempt(lambda: self.x.VM.set_name_description(self.vm, note), "set_name_description",
                     notes={note})

    def write_key(self):
        value, record = str(self.random.random()), None
        if self.key is None:
            self.attempt(lambda: self.x.VM.add_to_other_config(self.vm, "test", value),
                         "add_to_other_config", keys={value})
        elif self.random.random() < 0.3:
            self.attempt(lambda: self.x.VM.remove_from_other_config(self.vm, "test"),
                         "remove_from_other_config", keys={None})
        else:
            record = {"mac_seed": "4ae1a9f2-9d2d-4b8f-9f7e-7a3f3c0a5b01", "test": value}
            self.attempt(lambda: self.x.VM.set_other_config(self.vm, record), "set_other_config",
                         keys={value})

    def attempt(self, call, what, states=(), notes=(), keys=()):
        """One call: answered, its effect is the one thing there may be; else either."""
        try:
            call()
        except BROKEN:
            self.broken += 1
            self.connect()
            self.insist(lambda: self.check(states, notes, keys, f"{what} (broken)"))
            return
        except Failure as failure:
            if failure.code not in EXCUSES:
                self.say(f"{what}: {failure}, while {self.state}")
            reason = f"{what}: {failure}"
            self.insist(lambda: self.check({*states, "Halted"}, notes, keys, reason))
            return
        self.done += 1
        self.state = next(iter(states), self.state)
        self.note, self.key = next(iter(notes), self.note), next(iter(keys), self.key)
        if self.state == GONE:
            self.vm = None
        elif self.random.random() < 0.3:
            self.insist(lambda: self.check(after=what))

    def wait_for_task(self, task, what, states):
        """An acknowledged task is there and ends, whatever dies; what it says is true."""
        end = time.monotonic() + SETTLE
        while True:
            record = self.insist(lambda: self.x.task.get_record(task))
            if record["status"] not in ("pending", "cancelling"):
                break
            if time.monotonic() > end:
                self.say(f"{what}: the task does not end: {record}")
                return
            time.sleep(0.01)
        if record["status"] == "success":
            self.done += 1
            self.state = next(iter(states))
            self.insist(lambda: self.check(after=f"task of {what}"))
        else:
            if record["error_info"][0] not in EXCUSES:
                self.say(f"{what}: {record['error_info']}, while {self.state}")
            self.insist(lambda: self.check({*states, "Halted"}, after=f"{what}: {record['error_info']}"))

    def message(self, verb):
        """The name and arguments of the call behind a verb."""
        if verb.startswith("start"):
            return "start", [self.vm, verb == "start_paused", False]
        if verb == "resume":
            return "resume", [self.vm, False, False]
        if verb == "vcpus":
            return "set_VCPUs_number_live", [self.vm, self.random.choice("12")]
        if verb == "sysrq":
            return "send_sysrq", [self.vm, "h"]
        return verb, [self.vm]

    def change_state(self):
        verb = self.random.choice(POSSIBLE[self.state])
        states = {AFTER[verb]}
        if verb.startswith("guest_"):
            self.guest_acts(verb.removeprefix("guest_"))
            return
        between = ["Halted"] if "reboot" in verb else ["Paused"] if verb == "start" else []
        name, args = self.message(verb)
        if verb == "destroy" or self.random.random() < 0.6:
            before = self.state
            self.attempt(lambda: getattr(self.x.VM, name)(*args), verb, states=states)
            if self.state != before and self.state in between:
                self.say(f"{verb} stopped half way: {self.state}")
            return
        try:
            task = getattr(self.x.Async.VM, name)(*args)
        except BROKEN:
            self.broken += 1
            self.connect()
            self.insist(lambda: self.check(states, after=f"Async {verb} (broken)"))
            return
        self.wait_for_task(task, verb, states)

    def domain(self):
        return [d for d in world.domains(self.host.sim)
                if d["uuid"] == self.uuid and d["state"] != "dying"]

    def guest_acts(self, word):
        """The guest ends by itself; what the VM's actions say follows, by event."""
        if word == "crash":
            if self.crashes == 2:
                return  # a third one would wait, as it should
            self.crashes += 1
        before = self.domain()
        if not before:
            self.say(f"no domain while {self.state}")
            return
        try:
            self.host.guest(f"{word} {self.uuid}")
        except OSError:
            return  # nobody hears it now
        time.sleep(0.02)
        if [d for d in self.domain() if d == before[0]]:
            return  # the one who heard it died
        end = time.monotonic() + SETTLE
        wanted = "Halted" if word == "halt" else "Running"
        while True:
            record = self.insist(self.settle)
            if record["power_state"] == wanted and (
                    word == "halt" or int(record["domid"]) != before[0]["domid"]):
                break
            if time.monotonic() > end:
                self.say(f"{record['power_state']} (domid {record['domid']}) after the guest did {word}")
                break
            time.sleep(0.02)
        self.state = record["power_state"]
        self.done += 1

    def act(self):
        if self.vm is None:
            self.remove_disks()
            self.create()
            return
        if self.state == "Halted":
            self.crashes = 0
        chance = self.random.random()
        if chance < 0.2:
            self.write_note()
        elif chance < 0.35:
            self.write_key()
        else:
            self.change_state()

    def run(self):
        try:
            self.connect()
            while True:
                self.gate.wait()
                if self.stop:
                    return
                try:
                    self.act()
                except BROKEN:
                    self.connect()
        except Exception as error:  # told by the test: a thread's own traceback is lost
            self.crash = error
            with self.gate.changed:
                self.gate.inside += 1
                self.gate.changed.notify_all()

#!/usr/bin/python3
"""Every fault point of every program: the program dies there, or the step fails, or it takes 200 ms
longer, once, while a VM lives through all that it can do; or while passwords are checked and changed;
or while the database is copied.  Afterwards nothing acknowledged is lost, nothing is left over, and
life can go on.

XAPID_FAULTS: all, or one way at so many points (80).  XAPID_SEED repeats the choices.
XAPID_FAULT_ONLY=point=way for one of them."""
import contextlib
import http.client
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
import consoles
import disks
import networks
import world
from accounts import Accounts
from host import BUILDDIR, GUEST, Client, Failure, Host, UnixConnection
from owner import AFTER, BROKEN, EXCUSES, GONE, POSSIBLE, Gate, Owner

SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
FAULTS = os.environ.get("XAPID_FAULTS", "80")
AT_ONCE = 5  # hosts; most of the time they wait
# A process of a host with accounts takes one of the 62 folders that libpam-wrapper has on a machine.
WITH_ACCOUNTS = threading.Semaphore(2)
TRIES = 40  # in 12 s: a database that could not be written is tried every 2 s
PROGRAMS = ("xapid/xapid", "xapid-domains", "xapid-host", "xapid-launch", "storage-repos/file/file")
WAYS = ("kill", "error", "delay:200")
LIFE = ("start", "suspend", "resume", "vcpus", "sysrq", "guest_crash", "pause", "unpause",
        "clean_reboot", "hard_reboot", "clean_shutdown", "start_paused", "unpause", "hard_shutdown",
        "destroy")
STAYS = ("clean_reboot", "hard_reboot", "vcpus", "sysrq")
# What else must go wrong before such a point is reached.
BEFORE = {"continue.before": "destroy.before=error", "ops.undo.before": "unpause.before=error", "recover.destroy.before": "create.after-build=kill",
          "recover.destroy.after": "create.after-build=kill", "continue.after": "destroy.before=error",
          "recover.finish.before": "sim.destroy.dying=kill", "recover.finish.after": "sim.destroy.dying=kill",
          "save.undo.before": "save.after=error", "save.undo.after": "save.after=error",
          "store.probe": "store.commit.before=error@12",
          **{f"launch.{what}": "ops.step.before=kill@3" for what in ("start.before", "start.after", "connect.before", "send.before")}}
# Calls that cannot be undone: what failed half-way is ended by the next one.
ONE_WAY = ("VDI.destroy", "VBD.unplug")
# The first time that xapid-launch does it for an xapid that died, when all are up and connected; the first call of a
# driver that is not about itself.
NTH = {"host.driver.before": 3, "host.driver.after": 3, "launch.start.before": 4, "launch.start.after": 4, "launch.connect.before": 3, "launch.send.before": 6}


def points_of(program):
    listed = subprocess.run([BUILDDIR / program, "--fault-points"], check=True, capture_output=True,
                            text=True).stdout
    return [line.split()[0] for line in listed.splitlines()]


def nothing_left(owner, what):
    """After a call that failed the host is as the records say; a drive may be out of a guest that runs."""
    if what in ONE_WAY or owner.wrong:  # it is said once
        return
    for line in owner.insist(lambda: settled.wait(owner.host, owner.x, "is attached: False, its VM is Running")):
        owner.say(f"after a failed {what}: {line}")


def step(owner, verb):
    """Tries until it is done, as a user would who is told of a failure."""
    for _ in range(TRIES):
        if owner.state == AFTER[verb]:
            return
        if verb not in POSSIBLE[owner.state]:
            # An earlier failure left the VM elsewhere: on the shortest way to where it can be.
            verb_now = {"Halted": "start", "Paused": "unpause", "Suspended": "resume",
                        "Running": "hard_shutdown"}[owner.state]
        else:
            verb_now = verb
        before = owner.done
        name, args = owner.message(verb_now)
        owner.attempt(lambda: getattr(owner.x.VM, name)(*args), verb_now, states={AFTER[verb_now]})
        if owner.done > before and verb_now == verb:
            return
        if owner.done == before:
            nothing_left(owner, verb_now)
        time.sleep(0.3 if owner.done == before else 0)
    owner.say(f"{verb} cannot be done any more; {owner.state}")


def run(owner):
    step(owner, {"Halted": "start", "Suspended": "resume"}.get(owner.state, "unpause"))


def stay(owner, verb):
    """Like step, for verbs that begin and end in the same state."""
    for _ in range(TRIES):
        run(owner)
        before = owner.done
        name, args = owner.message(verb)
        owner.attempt(lambda: getattr(owner.x.VM, name)(*args), verb, states={"Running"})
        if owner.done > before:
            return
        time.sleep(0.3)
    owner.say(f"{verb} cannot be done any more; {owner.state}")


def crash(owner):
    for _ in range(TRIES):
        run(owner)
        before, owner.crashes = owner.done, 0
        owner.guest_acts("crash")
        if owner.done > before:
            return
        time.sleep(0.3)
    owner.say("its guest cannot crash any more")


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
        if verb == "guest_crash":
            owner.insist(lambda: crash(owner))
        else:
            owner.insist(lambda: (stay if verb in STAYS else step)(owner, verb))
    if owner.state != GONE:
        owner.say(f"{owner.state} at the end of its life")


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


def life_of_a_vm(host):
    owner = Owner(host, 0, SEED, Gate(1))
    live(owner)
    return owner.wrong


def until_done(owner, so, do, what):
    """What is so, once it is; until then it is done, again when it failed."""
    for _ in range(TRIES):
        if found := owner.insist(so):
            return found
        try:
            do(owner.x)
        except BROKEN:
            owner.connect()
        except Failure as failure:
            if failure.code not in EXCUSES:
                owner.say(f"{what}: {failure}")
            nothing_left(owner, what)
            time.sleep(0.3)
    owner.say(f"{what} cannot be done any more")
    return None


def life_of_a_disk(host):
    """From its repository's beginning to its end, with a guest that has it meanwhile."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    folder = host.folder()
    (Path(folder) / ".00000000-0000-0000-0000-000000000000.raw.part").write_text("left over")

    def until_so(so, do, what):
        until_done(owner, so, do, what)

    def all_of(cls, quiet=True):
        """Records of a class once nothing goes on with them."""
        end = time.monotonic() + 20
        while True:
            found = getattr(owner.x, cls).get_all_records()
            found = {ref: record for ref, record in found.items() if not record.get("is_control_domain") and not record.get("is_default_template")}
            if not quiet or time.monotonic() > end or not any(
                    record.get("current_operations") or record.get("managed") is False
                    for record in found.values()):
                return found
            time.sleep(0.02)

    def only(cls):
        return next(iter(all_of(cls)))

    def attached():
        return [record["currently_attached"] for record in all_of("PBD").values()]

    tap.wait_until(lambda: owner.insist(lambda: "file" in owner.x.SR.get_supported_types()), "drivers")
    until_so(lambda: all_of("SR") and attached() == [True], lambda x: disks.new_sr(host, x, location=folder), "SR.create")
    for plugged in (False, True):
        until_so(lambda: attached() == [plugged], lambda x: (x.PBD.plug if plugged else x.PBD.unplug)(only("PBD")), "PBD.plug")
    until_so(lambda: all_of("VDI"), lambda x: disks.new_vdi(x, only("SR"), disks.MIB), "VDI.create")
    until_so(lambda: all_of("VDI")[only("VDI")]["virtual_size"] == str(2 * disks.MIB),
             lambda x: x.VDI.resize(only("VDI"), str(2 * disks.MIB)), "VDI.resize")
    source, = all_of("VDI")
    owner.insist(lambda: disks.write(host, owner.x, source, "write -P 7 64k 300k"))
    sent = []
    until_so(lambda: sent, lambda x: sent.append(disks.exported(host, x, source)), "an export")
    if sent != [owner.insist(lambda: disks.contents(host, owner.x, source))]:
        owner.say("what was exported is another disk")
    for call in ("copy", "snapshot"):
        until_so(lambda: len(all_of("VDI")) == 2,
                 lambda x: x.VDI.copy(source, only("SR")) if call == "copy" else x.VDI.snapshot(source), f"VDI.{call}")
        until_so(lambda: not host.handles(), lambda x: time.sleep(0.1), f"the end of VDI.{call}")
        copy, = set(all_of("VDI")) - {source}
        found = {owner.insist(lambda: disks.contents(host, owner.x, vdi)) for vdi in (source, copy)}
        if len(found) > 1:
            owner.say(f"the {call} is another disk")
        until_so(lambda: list(all_of("VDI")) == [source], lambda x: x.VDI.destroy(copy), "VDI.destroy")
        if disks.orphans(folder):
            owner.say(f"after the end of the {call} nobody has {disks.orphans(folder)}")
    until_so(lambda: all_of("VM"), lambda x: x.VM.create(GUEST), "VM.create")
    until_so(lambda: all_of("VBD"), lambda x: disks.new_vbd(x, only("VM"), only("VDI")), "VBD.create")
    until_so(lambda: [r["parent"] != disks.NULL for r in all_of("VM").values() if r["is_a_snapshot"]],
             lambda x: x.VM.snapshot(only("VM"), "as it was"), "VM.snapshot")
    snapshot, = (vm for vm, record in all_of("VM").items() if record["is_a_snapshot"])
    before = owner.insist(lambda: disks.contents(host, owner.x, source))
    until_so(lambda: not host.handles(), lambda x: time.sleep(0.1), "the end of VM.snapshot")
    owner.insist(lambda: disks.write(host, owner.x, source, "write -P 9 0 1m"))
    until_so(lambda: owner.insist(lambda: disks.contents(host, owner.x, source)) == before,
             lambda x: x.VM.revert(snapshot), "VM.revert")
    until_so(lambda: len(all_of("VDI")) == 2 and not disks.orphans(folder), lambda x: time.sleep(0.1), "the end of VM.revert")
    kept, = set(all_of("VDI")) - {source}
    until_so(lambda: len(all_of("VM")) == 1, lambda x: x.VM.destroy(snapshot), "VM.destroy")
    until_so(lambda: list(all_of("VDI")) == [source], lambda x: x.VDI.destroy(kept), "VDI.destroy")
    for verb, state in (("start", "Running"), ("hard_shutdown", "Halted")):
        until_so(lambda: all_of("VM")[only("VM")]["power_state"] == state,
                 lambda x: x.VM.start(only("VM"), False, False) if verb == "start" else x.VM.hard_shutdown(only("VM")),
                 verb)
        tap.wait_until(lambda: len(host.handles()) == (verb == "start"), f"the disk after {verb}")
        for call in ("unplug", "plug") if verb == "start" else ():
            until_so(lambda: all_of("VBD")[only("VBD")]["currently_attached"] == (call == "plug"),
                     lambda x: getattr(x.VBD, call)(only("VBD")), f"VBD.{call}")
            uuid = all_of("VM")[only("VM")]["uuid"]
            given = [d["disks"] for d in world.domains(host.sim) if d["uuid"] == uuid]
            if len(host.handles()) != (call == "plug") or [len(d) for d in given] != [call == "plug"]:
                owner.say(f"after VBD.{call}: {given}, {host.handles()}")
    until_so(lambda: not all_of("VM"), lambda x: x.VM.destroy(only("VM")), "VM.destroy")
    until_so(lambda: not all_of("VDI"), lambda x: x.VDI.destroy(only("VDI")), "VDI.destroy")
    until_so(lambda: attached() == [False], lambda x: x.PBD.unplug(only("PBD")), "PBD.unplug")
    until_so(lambda: not all_of("SR"), lambda x: x.SR.destroy(only("SR")), "SR.destroy")
    left = os.listdir(folder)
    if left:
        owner.say(f"left in the folder: {left}")
    return owner.wrong


def soon(so):
    """Is it so within a time in which all is put right that went wrong?"""
    try:
        tap.wait_until(so, "it")
        return True
    except AssertionError:
        return False


def life_of_a_network(host):
    """With a guest that has a card on it meanwhile."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    made = {}

    def do(what, call):
        for _ in range(TRIES):
            try:
                made[what] = owner.insist(lambda: call(owner.x))
                return
            except Failure as failure:
                if failure.code not in (*EXCUSES, "PIF_CONFIGURATION_ERROR"):
                    owner.say(f"{what}: {failure}")
                time.sleep(0.3)
        owner.say(f"{what} cannot be done any more")

    networks.interfaces(host)
    do("scan", lambda x: x.PIF.scan(x.host.get_all()[0]))
    do("pif", lambda x: next(ref for ref, record in x.PIF.get_all_records().items() if record["device"] == "eth1"))
    do("plug the PIF", lambda x: x.PIF.plug(made["pif"]))
    do("network", networks.new_network)
    do("vlan", lambda x: (x.PIF.get_VLAN_slave_of(made["pif"]) or [x.VLAN.create(made["pif"], "10", made["network"])])[0])
    led_out = {"xenbr1": "1500 eth1", "xapi0": "1500 eth1 10"}
    if not soon(lambda: networks.bridges(host) == led_out):
        owner.say(f"after VLAN.create: {networks.bridges(host)}")
    do("vm", lambda x: x.VM.create(GUEST))
    do("vif", lambda x: networks.new_vif(x, made["vm"], made["network"]))
    do("start", lambda x: x.VM.get_power_state(made["vm"]) == "Running" or x.VM.start(made["vm"], False, False))
    given = [d["nics"] for d in world.domains(host.sim) if d["state"] != "dying"]
    if [len(cards) for cards in given] != [1] or networks.bridges(host) != led_out:
        owner.say(f"after the start: {given}, {networks.bridges(host)}")
    if not owner.insist(lambda: owner.x.VIF.get_currently_attached(made["vif"])):
        owner.say("the card is not attached")
    do("second", lambda x: networks.new_vif(x, made["vm"], made["network"], "1"))
    do("other network", networks.new_network)
    do("plug", lambda x: x.VIF.get_currently_attached(made["second"]) or x.VIF.plug(made["second"]))
    do("move", lambda x: x.VIF.move(made["second"], made["other network"]))
    given = [d["nics"] for d in world.domains(host.sim) if d["state"] != "dying"]
    if [{place: card[1] for place, card in cards.items()} for cards in given] != [{0: "xapi0", 1: "xapi1"}]:
        owner.say(f"after the move: {given}")
    do("unplug", lambda x: x.VIF.get_currently_attached(made["second"]) and x.VIF.unplug(made["second"]))
    do("stop", lambda x: x.VM.hard_shutdown(made["vm"]))
    do("end of the VLAN", lambda x: made["vlan"] not in x.VLAN.get_all() or x.VLAN.destroy(made["vlan"]))
    do("unplug the PIF", lambda x: x.PIF.unplug(made["pif"]))
    if not soon(lambda: not any(" " in text for text in networks.bridges(host).values())):
        owner.say(f"after the unplug: {networks.bridges(host)}")
    do("end", lambda x: x.network.destroy(made["network"]))
    do("end of the other", lambda x: x.network.destroy(made["other network"]))
    if owner.insist(lambda: owner.x.VIF.get_all()):
        owner.say("the card is left")
    return owner.wrong


def life_of_a_cd(host):
    """Put into the drive of a guest that runs, and taken out."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    folder = Path(host.folder("isos"))
    (folder / "disc.iso").write_bytes(bytes(disks.MIB))
    made = {}

    def do(what, there, call):
        made[what] = until_done(owner, lambda: there(owner.x), call, what)

    def first(refs):
        return refs[0] if refs else None

    def given():
        return [disk for d in world.domains(host.sim) for disk in d["disks"].values() if disk]

    tap.wait_until(lambda: owner.insist(lambda: "iso" in owner.x.SR.get_supported_types()), "drivers")
    do("SR.create", lambda x: first([pbd for pbd, r in x.PBD.get_all_records().items() if r["currently_attached"]]),
       lambda x: disks.new_sr(host, x, "iso", location=str(folder)))
    do("the disc", lambda x: first([vdi for vdi, r in x.VDI.get_all_records().items() if r["name_label"] == "disc.iso"]),
       lambda x: x.SR.scan(x.SR.get_all()[0]))
    do("VM.create", lambda x: first(x.VM.get_by_name_label(GUEST["name_label"])), lambda x: x.VM.create(GUEST))
    do("VBD.create", lambda x: first(x.VBD.get_all()), lambda x: disks.new_vbd(x, made["VM.create"], disks.NULL, type="CD", mode="RO"))
    vm, vbd, disc = made["VM.create"], made["VBD.create"], made["the disc"]
    do("VM.start", lambda x: x.VM.get_power_state(vm) == "Running", lambda x: x.VM.start(vm, False, False))
    do("VBD.insert", lambda x: x.VBD.get_currently_attached(vbd), lambda x: x.VBD.insert(vbd, disc))
    if given() != [owner.insist(lambda: owner.x.VBD.get_uuid(vbd))]:
        owner.say(f"after VBD.insert: {given()}")
    do("VBD.eject", lambda x: not x.VBD.get_currently_attached(vbd), lambda x: x.VBD.eject(vbd))
    if given():
        owner.say(f"after VBD.eject: {given()}")
    do("VM.hard_shutdown", lambda x: x.VM.get_power_state(vm) == "Halted", lambda x: x.VM.hard_shutdown(vm))
    return owner.wrong


def life_of_a_ready_domain(host):
    """Built ahead, taken by a start, built ahead again, of another config, and wanted no more."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)

    def do(what, there, call):
        return until_done(owner, lambda: there(owner.x), call, what)

    def built(other_than=None):
        found = lambda: world.ready(host.sim).get(uuid, {}).get("op_id")
        tap.wait_until(lambda: found() not in (None, other_than), "domain that was built ahead", 60)
        return found()

    vm = do("VM.create", lambda x: x.VM.get_by_name_label(GUEST["name_label"]),
            lambda x: x.VM.create({**GUEST, "other_config": {"ready_domain": "true"}}))[0]
    uuid = owner.insist(lambda: owner.x.VM.get_uuid(vm))
    first = built()
    do("VM.start", lambda x: x.VM.get_power_state(vm) == "Running", lambda x: x.VM.start(vm, False, False))
    do("VM.hard_shutdown", lambda x: x.VM.get_power_state(vm) == "Halted", lambda x: x.VM.hard_shutdown(vm))
    if built() != first:
        owner.say("another one of the same config")
    do("VM.set_PV_args", lambda x: x.VM.get_PV_args(vm) == "other", lambda x: x.VM.set_PV_args(vm, "other"))
    built(first)
    do("VM.set_other_config", lambda x: not x.VM.get_other_config(vm).get("ready_domain"), lambda x: x.VM.set_other_config(vm, {}))
    tap.wait_until(lambda: not world.ready(host.sim), "end of it", 60)
    return owner.wrong


def life_of_a_password(host):
    """Each step fails at most once and says so; what is written is what was acknowledged."""
    wrong = []
    written = host.dir / "accounts" / "new-password"
    for last in (False, True):
        try:
            x = Client(host, connect=host.tls).login("root", "secret")
            break
        except Failure as failure:
            if last or failure.code != "SESSION_AUTHENTICATION_FAILED":
                raise
    for last in (False, True):
        try:
            x.session.change_password("", "changed")
            break
        except Failure as failure:
            if last or failure.code != "CHANGE_PASSWORD_REJECTED":
                raise
            if written.exists():
                wrong.append(f"{failure}, and it was changed")
    if written.read_text() != "changed":
        wrong.append("the password was not changed")
    return wrong


def life_of_the_power(host):
    """What was asked may be done although its answer was lost: it is asked again."""
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    here = owner.insist(lambda: owner.x.host.get_all()[0])
    owner.insist(lambda: owner.x.host.disable(here))
    for _ in range(TRIES):
        try:
            owner.x.host.reboot(here)
            break
        except Failure as failure:
            if failure.code not in EXCUSES:
                owner.say(f"host.reboot: {failure}")
        time.sleep(0.3)
    if (host.sim / "power").read_text() != "reboot":
        owner.say("it was not rebooted")
    return owner.wrong


def life_of_the_database(host):
    """Restored from its own dump, and asked for that until the one before lies beside it."""
    dump = b""
    for _ in range(TRIES):
        if list((host.dir / "state").glob("xapid.db.before-*")):
            host.wait_up()
            return []
        try:
            connection = UnixConnection(host.socket, 20)
            connection.request("PUT" if dump else "GET", "/pool/xmldbdump", dump or None)
            answer = connection.getresponse().read()
            dump = dump or answer
        except (OSError, http.client.HTTPException):
            pass  # it was ended, and comes again
        time.sleep(0.3)
    return ["the database was not restored"]


def looked(host, uuid):
    """A console that is open, or False: something was ended meanwhile."""
    with contextlib.suppress(OSError, AssertionError):
        sock = consoles.unix(host)
        return consoles.connect(sock, uuid)[0] == 200 and sock
    return False


def life_of_a_console(host, text=False):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    vm = owner.insist(lambda: consoles.machine(owner.x))
    uuid = owner.insist(lambda: owner.x.console.get_uuid(owner.x.VM.get_consoles(vm)[text]))
    with (consoles.tty_of if text else consoles.echo_of)(host, owner.x, vm) as guest:
        sock = tap.wait_until(lambda: looked(host, uuid), "a console")
        sock.sendall(b"x")
        while text and guest.read(1) != b"x" or not text and not guest.accept().recv(1):
            pass  # one that was given up
        owner.insist(lambda: owner.x.VM.hard_shutdown(vm))
        return owner.wrong + ([] if consoles.ended(sock) else ["the console goes on"])


def life_of_a_text_console(host):
    return life_of_a_console(host, text=True)


# What the points that begin so are hit by; the others, by a VM's.
LIVES = {"file.": life_of_a_disk, "host.handle.": life_of_a_disk, "host.driver.": life_of_a_disk, "host.transfer.": life_of_a_disk,
         "storage.lend.": life_of_a_disk, "plug.": life_of_a_disk,
         "unplug.": life_of_a_disk, "medium.": life_of_a_cd, "host.power.": life_of_the_power,
         "ready.": life_of_a_ready_domain, "host.bridge.": life_of_a_network, "host.networks.": life_of_a_network, "nic.": life_of_a_network, "console.": life_of_a_console,
         "terminal.": life_of_a_text_console, "store.prepare.": life_of_the_database, "store.restore.": life_of_the_database,
         "host.authenticate.": life_of_a_password, "host.change-password.": life_of_a_password,
         "host.child.": life_of_a_password, "hostd.": life_of_a_password}


def fault_of_a_host(point, spec, marks):
    life = next((life for start, life in LIVES.items() if point.startswith(start)), life_of_a_vm)
    passwords = life is life_of_a_password
    recorder = BUILDDIR / "tests/unit/pam-recorder.so"
    accounts = Accounts({"root": (0, "secret")}, recorder=recorder) if passwords else None
    host = Host("ready_domains=1\nresync_seconds=1" if life is life_of_a_ready_domain else "resync_seconds=1",
                launch_options=("--backoff-max", "50"), sim_conf="[host]\nshutdown_ms=5\n",
                https=passwords or point.startswith("certificate."), accounts=accounts)
    if point in BEFORE:
        spec = f"{BEFORE[point]},{spec}"
    host.environment.update(XAPID_FAULT=spec, XAPID_TEST_FAULT_DIR=str(marks))
    if point.startswith(("certificate.", "launch.folder.")):
        shutil.rmtree(host.dir / "state", ignore_errors=True)  # all is made anew
    with contextlib.ExitStack() as stack:
        if passwords:
            stack.enter_context(WITH_ACCOUNTS)
        stack.push(host)
        stack.enter_context(Manager(host))
        host.start()
        return life(host) + settled.check(host)


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

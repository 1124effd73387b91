#!/usr/bin/python3
"""Scenarios of test-installed.sh: installed.py SCENARIO NAME ADDRESS PASSWORD.  `starts` makes the guests, and writes
down what they are; those after it find these again."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from api import LAB, WAIT, answering, client, console, dom0, domids, guest, ticks, until
from host import fails
from hvm import serial
from storage import MIB, SR_FOLDER, device_model, disk, drive, repository, whole_machine

STATE = Path(os.environ["LAB_HOSTS"]) / "guests.json"
FOREIGN = """name = "other"
type = "pvh"
kernel = "/srv/guest/vmlinux"
ramdisk = "/srv/guest/initrd"
memory = 128
extra = "console=hvc0"
"""


def start_other(name):
    """One of xl's."""
    subprocess.run([LAB / "run-in-dom0", name, "cat >/root/other.cfg && xl create -q /root/other.cfg"],
                   input=FOREIGN.encode(), check=True, timeout=WAIT)


def before_reboot(name, address, password):
    """A guest that starts with its host, one that does not, and one of xl's."""
    x = client(address, password)
    x.pool.add_to_other_config(x.pool.get_all()[0], "auto_poweron", "true")
    vms = [x.VM.create({**guest("lab-again", "pv"), "other_config": {"auto_poweron": "true"}}),
           x.VM.create(guest("lab-once", "pvh"))]
    uuids = [x.VM.get_uuid(vm) for vm in vms]
    for vm in vms:
        x.VM.start(vm, False, False)
    start_other(name)
    until(lambda: all(ticks(name, known) for known in [*uuids, "other"]), "ticks of all guests")
    STATE.write_text(json.dumps({"vms": vms, "uuids": uuids}))


def after_reboot(name, address, password):
    """Each guest of ours has shut down by itself; the one that starts with the host does.  Debian's xendomains has
    kept the one of xl's, and no other."""
    x, state = client(address, password), json.loads(STATE.read_text())
    again, once = state["vms"]
    said = dom0(name, "journalctl -b -1 -u xapid-guests -o cat --no-pager")
    for uuid in state["uuids"]:
        assert f"({uuid}) is asked to shut down" in said and f"({uuid}) did not" not in said, said
    until(lambda: x.VM.get_power_state(again) == "Running", "the guest that starts with the host")
    until(lambda: console(name, state["uuids"][0]).count("LAB-GUEST-UP") == 2, "its second boot")
    assert x.VM.get_power_state(once) == "Halted"
    until(lambda: {row[2] for row in domains(name)} & set(state["uuids"]) == {state["uuids"][0]}, "no other guest of ours")
    until(lambda: "other" in [row[0] for row in domains(name)], "the guest that xendomains has kept")
    numbers = [number for number, _ in ticks(name, "other")]
    assert numbers == list(range(1, len(numbers) + 1)), "ticks of it are missing"
    x.VM.hard_shutdown(again)
    for vm in state["vms"]:
        x.VM.destroy(vm)
    dom0(name, "xl destroy other; rm /var/log/xen/console/guest-other.log")  # the next one of that name counts anew


def starts(name, address, password):
    """A PV guest, a guest with a QEMU and a disk, and one of xl's."""
    fails("SESSION_AUTHENTICATION_FAILED", client, address, password + "x")
    x = client(address, password)
    vms = [x.VM.create(guest("lab-pv", "pv")), whole_machine(x, "lab-hvm")]
    vdi = disk(x, repository(name, x), "raw", MIB)
    dom0(name, f"dd if=/srv/guest/hvm.img of={SR_FOLDER}/{x.VDI.get_uuid(vdi)}.raw conv=notrunc 2>/dev/null")
    drive(x, vms[1], vdi)
    x.VM.start(vms[0], False, False)
    x.VM.start(vms[1], True, False)
    uuids = [x.VM.get_uuid(vm) for vm in vms]
    serial(name, domids(name)[uuids[1]])
    x.VM.unpause(vms[1])
    start_other(name)
    pid, uid = device_model(name, domids(name)[uuids[1]])
    assert int(uid) > 200000, f"QEMU runs as {uid}"
    state = {"session": x.session_ref, "vms": vms, "uuids": uuids, "domains": domains(name), "qemu": pid}
    assert len(state["domains"]) == 3, state
    STATE.write_text(json.dumps(state))
    until(lambda: all(counts(name, state)), "word of each guest")
    undisturbed(name, address, password)


def domains(name):
    """What xl has of each guest: its name, domid and uuid."""
    rows = (line.split() for line in dom0(name, "xl list -v").splitlines()[1:])
    return sorted([row[0], int(row[1]), row[6]] for row in rows if row[1] != "0")


def counts(name, state):
    """How often each guest has said something since it began."""
    hvm = next(domid for _, domid, uuid in state["domains"] if uuid == state["uuids"][1])
    return [int(n) for n in dom0(
        name, f"grep -c TICK /var/log/xen/console/guest-{state['uuids'][0]}.log /var/log/xen/console/guest-other.log | "
              f"sed 's/.*://'; grep -c HVM-BOOT /root/serial-{hvm}; true").split()]


def undisturbed(name, *_):
    """Each guest is the domain that it was, and goes on."""
    state = json.loads(STATE.read_text())
    before = counts(name, state)
    assert domains(name) == state["domains"], (domains(name), state["domains"])
    until(lambda: all(now > then for now, then in zip(counts(name, state), before)), f"more than {before}")
    for known in state["uuids"][0], "other":
        numbers = [number for number, _ in ticks(name, known)]
        assert numbers == list(range(1, len(numbers) + 1)), f"ticks of {known} are missing"
    assert device_model(name, next(d for _, d, u in state["domains"] if u == state["uuids"][1]))[0] == state["qemu"]


def resumed(address, state):
    """The session of before, once the daemon answers and has the guests as running."""
    return answering(address, state["session"], lambda x: all(
        x.VM.get_power_state(vm) == "Running" and int(x.VM.get_domid(vm)) == domid
        for vm, uuid in zip(state["vms"], state["uuids"])
        for _, domid, found in state["domains"] if found == uuid))


def kills(name, address, password):
    """Each program of ours is killed; it, or systemd, starts anew."""
    state = json.loads(STATE.read_text())
    for program in ("xapid", "xapid-host", "xapid-domains", "domains-events", "domains-guests", "domains-worker",
                    "xs-guestd", "xapid-launch"):
        began = time.monotonic()
        old = dom0(name, f"old=$(pgrep -x {program}) && kill -9 $old && echo $old").split()
        until(lambda: set(dom0(name, f"pgrep -x {program} || true").split()) - set(old), program)
        resumed(address, state)
        print(f"# {program}: {time.monotonic() - began:.1f} s")
    undisturbed(name)
    assert dom0(name, "systemctl show xapid -P NRestarts").strip() == "1"


def restarts(name, address, password):
    state = json.loads(STATE.read_text())
    old = dom0(name, "pgrep -x xapid-launch")
    dom0(name, "systemctl restart xapid")
    assert dom0(name, "pgrep -x xapid-launch") != old
    resumed(address, state)
    undisturbed(name)


def goes_on(name, address, password):
    """They are xapid's as before: they are paused, and go on."""
    state = json.loads(STATE.read_text())
    x = resumed(address, state)
    undisturbed(name)
    for vm in state["vms"]:
        x.VM.pause(vm)
        x.VM.unpause(vm)
    undisturbed(name)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

"""The lives of a disk and of a CD, as test-faults.py has them."""
import os
import time
from pathlib import Path

import disks
import tap
import world
from host import GUEST
from life import SEED, soon, until_done
from owner import Gate, Owner


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
    until_so(lambda: "coalesce" not in all_of("SR")[only("SR")]["other_config"],
             lambda x: x.SR.remove_from_other_config(only("SR"), "coalesce"), "SR.remove_from_other_config")
    until_so(lambda: list(all_of("VDI")) == [source], lambda x: x.VDI.destroy(kept), "VDI.destroy")

    def alone():
        return len(disks.files(folder)) == 2 and not disks.orphans(folder)

    def snapshot_again(x):
        """Its end is a reason to look again, after a look that failed."""
        for vdi in set(x.VDI.get_all()) - {source}:
            x.VDI.destroy(vdi)
        x.VDI.destroy(x.VDI.snapshot(source))
        soon(alone)

    def snapshot_as_it_runs(vm):
        """Taken, and destroyed; the guest goes on where the disk's record says."""
        until_so(lambda: len(all_of("VM")) > 1,
                 lambda x: x.VM.snapshot(vm, "as it runs"), "VM.snapshot")
        for row in set(all_of("VM")) - {vm}:
            until_so(lambda: row not in all_of("VM"), lambda x: x.VM.destroy(row), "VM.destroy")
        until_so(lambda: all_of("VM")[vm]["power_state"] == "Running", lambda x: time.sleep(0.1), "a guest that goes on")
        for vdi in set(all_of("VDI")) - {source}:
            if owner.insist(lambda: disks.contents(host, owner.x, vdi)) != before:
                owner.say("the snapshot of a guest is another disk")
            until_so(lambda: vdi not in all_of("VDI"), lambda x: x.VDI.destroy(vdi), "VDI.destroy")
        goes_on, = [d["paths"] for d in world.domains(host.sim) if d["uuid"] == all_of("VM")[vm]["uuid"]]
        path, _ = owner.insist(lambda: disks.image(host, owner.x, source))
        if list(goes_on.values()) != [world.path_hash(str(path))]:
            owner.say(f"after VM.snapshot the guest does not write to {path}")

    soon(alone)
    until_so(alone, snapshot_again, "SR.coalesce")
    if owner.insist(lambda: disks.contents(host, owner.x, source)) != before:
        owner.say("the disk is another one after SR.coalesce")
    for verb, state in (("start", "Running"), ("hard_shutdown", "Halted")):
        until_so(lambda: all_of("VM")[only("VM")]["power_state"] == state,
                 lambda x: x.VM.start(only("VM"), False, False) if verb == "start" else x.VM.hard_shutdown(only("VM")),
                 verb)
        tap.wait_until(lambda: len(host.handles()) == (verb == "start"), f"the disk after {verb}")
        if verb == "start":
            snapshot_as_it_runs(only("VM"))
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

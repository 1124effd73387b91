#!/usr/bin/python3
"""Snapshots of VMs that have a guest, on a simulated host whose storage drivers are the real ones: all of its disks are of one
moment, and it goes on, each disk where its record says.

XAPID_FAULTS=all: what fails at every step, else at some.  XAPID_SEED repeats the choice."""
import os
import random
import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
import world
from disks import MIB, connected, contents, files, image, leftovers, new_sr, new_vbd, new_vdi, orphans, write
from host import GUEST, Host, fails
from owner import BROKEN
from settled import insist

SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
SOME = 5  # steps, of those that a snapshot has


def machine(host, x, state):
    """A VM with two images, in a repository each, in that state."""
    vm = x.VM.create({**GUEST, "name_label": "web"})
    srs = [new_sr(host, x), new_sr(host, x, name="other")]
    disks = [new_vdi(x, sr, 4 * MIB) for sr in srs]
    for number, vdi in enumerate(disks):
        write(host, x, vdi, f"write -P {number + 1} 0 64k")
        new_vbd(x, vm, vdi)
    if state != "Halted":
        x.VM.start(vm, state == "Paused", False)
    if state == "Suspended":
        x.VM.suspend(vm)
    return vm, disks, srs


def drives(x, vm):
    return sorted(x.VM.get_VBDs(vm), key=x.VBD.get_userdevice)


def sums(host, x, vm):
    return [contents(host, x, x.VBD.get_VDI(vbd)) for vbd in drives(x, vm)]


def astray(host, x, vm):
    """Disks that the guest does not have where their records say."""
    domain, = (d for d in world.domains(host.sim) if d["uuid"] == x.VM.get_uuid(vm))
    assert domain["state"] == x.VM.get_power_state(vm).lower(), domain
    return [x.VBD.get_device(vbd) for vbd in drives(x, vm) if x.VBD.get_currently_attached(vbd)
            and domain["paths"][x.VBD.get_device(vbd)] != world.path_hash(str(image(host, x, x.VBD.get_VDI(vbd))[0]))]


def end(x, *vms):
    for vm in vms:
        disks = [x.VBD.get_VDI(vbd) for vbd in x.VM.get_VBDs(vm)]
        x.VM.destroy(vm)
        for vdi in disks:
            x.VDI.destroy(vdi)


def test_in_any_state():
    for state in ("Running", "Paused", "Suspended"):
        with Host() as host:
            x = connected(host)
            vm, disks, _ = machine(host, x, state)
            assert "snapshot" in x.VM.get_allowed_operations(vm)
            taken, held = [], []
            for n in range(3):
                held.append(sums(host, x, vm))
                taken.append(x.VM.snapshot(vm, f"number {n}"))
                record = x.VM.get_record(taken[-1])
                assert (record["power_state"], record["snapshot_info"]["power-state-at-snapshot"]) == ("Halted", state), record
                assert x.VM.get_power_state(vm) == state and leftovers(host, x) == [], leftovers(host, x)
                if state != "Suspended":
                    assert astray(host, x, vm) == []
                for vdi in disks:
                    write(host, x, vdi, f"write -P {n + 7} {n * 64}k 64k")
            assert [sums(host, x, snapshot) for snapshot in taken] == held
            # One in the middle goes; the guest's disks stand on what is left, and are joined when it has ended.
            end(x, taken.pop(1))
            held.pop(1)
            now = sums(host, x, vm)
            assert [sums(host, x, snapshot) for snapshot in taken] == held and x.VM.get_parent(taken[1]) == taken[0]
            x.VM.hard_shutdown(vm)
            assert sums(host, x, vm) == now
            x.VM.revert(taken[1])
            assert sums(host, x, vm) == held[1]
            x.VM.start(vm, False, False)
            x.VM.revert(taken[0])
            assert sums(host, x, vm) == held[0] and leftovers(host, x) == [] and not host.violations(), host.violations()
            end(x, vm, *taken)
            assert files(host.dir / "sr") == files(host.dir / "other") == []


def test_what_cannot_be_shared():
    """A disk that would have to be copied is refused, and the guest, and its other disks, are as they were."""
    with Host() as host:
        x = connected(host)
        vm, disks, srs = machine(host, x, "Halted")
        raw = new_vdi(x, srs[0], MIB, sm_config={"image-format": "raw"})
        vbd = new_vbd(x, vm, raw)
        x.VM.start(vm, False, False)
        before = sums(host, x, vm)
        rows = {cls: set(getattr(x, cls).get_all()) for cls in ("VM", "VBD", "VDI")}
        for _ in range(2):
            assert x.VDI.get_uuid(raw) in fails("OPERATION_NOT_ALLOWED", x.VM.snapshot, vm, "x").params[0]
            assert {cls: set(getattr(x, cls).get_all()) for cls in rows} == rows
            assert astray(host, x, vm) == [] and sums(host, x, vm) == before and leftovers(host, x) == [], leftovers(host, x)
        some = x.VM.snapshot(vm, "without it", [raw])
        assert sums(host, x, some) == before[:2] and astray(host, x, vm) == []
        x.VBD.unplug(vbd)
        assert sums(host, x, x.VM.snapshot(vm, "while nobody writes to it")) == before and astray(host, x, vm) == []
        shared = new_vdi(x, srs[1], MIB, sharable=True)
        new_vbd(x, vm, shared)
        x.VBD.plug(x.VDI.get_VBDs(shared)[0])
        assert fails("VDI_IN_USE", x.VM.snapshot, vm, "x").params == [shared, "snapshot"]
        # What the guest reads alone is shared with whoever reads it.
        x.VBD.unplug(x.VDI.get_VBDs(shared)[0])
        x.VBD.destroy(x.VDI.get_VBDs(shared)[0])
        x.VM.hard_shutdown(vm)
        x.VBD.set_mode(drives(x, vm)[1], "RO")
        x.VM.start(vm, False, False)
        assert sums(host, x, x.VM.snapshot(vm, "one is read", [raw])) == before[:2] and not host.violations(), host.violations()


def test_the_guest_ends_meanwhile():
    """What becomes of it waits; one that is gone before its turn has no snapshot."""
    with Host(environment={"XAPID_FAULT": "file.vdi.clone.made=delay:1500"}) as host:
        x = connected(host)
        vm, disks, _ = machine(host, x, "Running")
        uuid, before = x.VM.get_uuid(vm), sums(host, x, vm)
        task = x.Async.VM.snapshot(vm, "as it was")
        tap.wait_until(lambda: [d["state"] for d in world.domains(host.sim) if d["uuid"] == uuid] == ["paused"], "a guest that stands still")
        for call in (x.VM.unpause, x.VM.hard_shutdown, x.VM.clean_shutdown):
            fails("OTHER_OPERATION_IN_PROGRESS", call, vm)
        record = x.wait_task(task)
        assert record["status"] == "success" and x.VM.get_power_state(vm) == "Running", record
        snapshot, = x.VM.get_snapshots(vm)
        assert sums(host, x, snapshot) == before and astray(host, x, vm) == []
        task = x.Async.VM.snapshot(vm, "never")
        tap.wait_until(lambda: [d["state"] for d in world.domains(host.sim) if d["uuid"] == uuid] == ["paused"], "a guest that stands still")
        x.task.cancel(task)
        assert x.wait_task(task)["error_info"][0] == "TASK_CANCELLED"
        assert x.VM.get_snapshots(vm) == [snapshot] and x.VM.get_power_state(vm) == "Running"
        assert astray(host, x, vm) == [] and leftovers(host, x) == [] and not host.violations(), host.violations()


def joined(host, x, vm, srs):
    """Has the images of a VM that runs become one again."""
    x.VM.hard_shutdown(vm)
    for sr in srs:
        x.SR.remove_from_other_config(sr, "coalesce")
    end(x, x.VM.snapshot(vm, "a reason to look"))
    tap.wait_until(lambda: len(files(host.dir / "sr")) == len(files(host.dir / "other")) == 2, "one image each", 30)
    for sr in srs:
        x.SR.add_to_other_config(sr, "coalesce", "false")
    x.VM.start(vm, False, False)


def test_joined_when_it_has_ended():
    """What a guest goes on with stands on what deleted snapshots leave: that stays as it is as long as the guest has it."""
    with Host() as host:
        x = connected(host)
        vm, sr = x.VM.create(GUEST), new_sr(host, x, coalesce=True)
        vdi = new_vdi(x, sr, MIB)
        write(host, x, vdi, "write -P 1 0 64k")
        new_vbd(x, vm, vdi)
        x.VM.start(vm, False, False)
        taken = []
        for n in range(2):
            taken.append(x.VM.snapshot(vm, str(n)))
            write(host, x, vdi, f"write -P {n + 2} {n}k 64k")
        now = contents(host, x, vdi)
        end(x, *taken)
        there, again = files(host.dir / "sr"), x.VM.snapshot(vm, "later")
        end(x, again)
        assert len(there) == 4 and set(there) < set(files(host.dir / "sr")) and astray(host, x, vm) == []
        x.VM.hard_shutdown(vm)
        tap.wait_until(lambda: len(files(host.dir / "sr")) == 2, "one image", 30)
        assert contents(host, x, vdi) == now and leftovers(host, x) == [] and not host.violations(), host.violations()


def test_all_or_nothing():
    """Each step fails, or whoever does it dies there: the guest goes on, and there is a snapshot of all disks, or none."""
    chance = random.Random(SEED)
    last = 12
    every = [(way, n) for way in ("ops.step.before=error", "ops.step.before=kill", "ops.step.after=kill", "host.driver.before=kill",
                                  "host.driver.after=kill") for n in range(1, last + 1)]
    every += [(f"{point}.{where}={way}", 1) for point in ("hold", "follow", "release") for where in ("before", "after")
              for way in ("kill", "error")]
    chosen = every if os.environ.get("XAPID_FAULTS") == "all" else chance.sample(every, SOME)
    print(f"# seed {SEED}, sample/full: {len(chosen)}/{len(every)} faults", flush=True)
    with Host(launch_options=("--backoff-max", "50")) as host:
        x = connected(host)
        vm, disks, srs = machine(host, x, "Running")
        ends = []
        for way, n in chosen:
            with tempfile.TemporaryDirectory(prefix="xapid-test-") as marks:
                Path(marks).chmod(0o777)
                before = sums(host, x, vm)
                host.stop()
                host.environment.update(XAPID_FAULT=f"{way}@{n}", XAPID_TEST_FAULT_DIR=marks)
                host.start()
                x = connected(host)
                try:
                    x.wait_task(x.Async.VM.snapshot(vm, "as it was"))
                except BROKEN as failure:
                    print(f"# {way}@{n}: {failure}", flush=True)
                x = insist(host, vm)
                tap.wait_until(lambda: leftovers(host, x) == [], f"peace after {way}@{n}: {leftovers(host, x)}", 30)
                tap.wait_until(lambda: x.VM.get_power_state(vm) == "Running", f"a guest that goes on after {way}@{n}", 30)
                taken = x.VM.get_snapshots(vm)
                assert astray(host, x, vm) == [] and sums(host, x, vm) == before, (way, n)
                assert len(taken) <= 1 and len(x.VDI.get_all()) == 2 + 2 * len(taken), (way, n)
                ends.append(len(taken))
                for snapshot in taken:
                    assert sums(host, x, snapshot) == before, (way, n)
                    end(x, snapshot)
                write(host, x, disks[0], f"write -P {len(ends)} 1m 64k")
                assert not host.violations(), (way, n, host.violations())
                if len(ends) % 4 == 0:  # before more than images may stand on each other
                    joined(host, x, vm, srs)
        print(f"# {sum(ends)} of {len(ends)} were taken", flush=True)
        x.VM.hard_shutdown(vm)
        end(x, vm)
        assert not orphans(host.dir / "sr") and not orphans(host.dir / "other")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

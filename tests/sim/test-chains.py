#!/usr/bin/python3
"""Images of disks that become one again when snapshots are gone, on a simulated host, whose storage drivers are the real ones.

XAPID_KILLS: so many kills (1), and each fault.  XAPID_SEED repeats the choices."""
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import connected, contents, files, new_sr, new_vbd, new_vdi, orphans, write
from host import GUEST, Host
from marks import acted

POINTS = [f"file.sr.coalesce.{where}" for where in ("before", "written", "place", "renamed")]
SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
CHANCE = random.Random(SEED)


def images(host):
    return [name for name in files(host.dir / "sr") if not name.endswith(".json")]


def coalescing(x):
    """Tasks that join images, by status."""
    tasks = x.task.get_all_records()
    return {ref: record["status"] for ref, record in tasks.items() if record["name_label"] == "SR.coalesce"}


def joined(host, x, count):
    """When so many images are left, and nothing is under way."""
    tap.wait_until(lambda: len(images(host)) == count and "pending" not in coalescing(x).values() and
                   not orphans(host.dir / "sr"), f"{count} images")


def with_snapshots(host, x, count):
    """A disk, what it holds, and snapshots of it, each of something else."""
    vdi, snapshots = new_vdi(x, new_sr(host, x, coalesce=True)), []
    for number in range(count):
        write(host, x, vdi, f"write -P {number + 1} {number}m 2m")
        snapshots.append(x.VDI.snapshot(vdi))
    write(host, x, vdi, "write -P 9 1m 4m")
    return vdi, snapshots


def test_what_snapshots_leave():
    """Goes with them, by a task that everybody sees, and the SR's figures follow; also what lies between other snapshots."""
    with Host() as host:
        x = connected(host)
        vdi, snapshots = with_snapshots(host, x, 3)
        kept = {disk: contents(host, x, disk) for disk in (vdi, snapshots[2])}
        for snapshot in snapshots[:2]:
            x.VDI.destroy(snapshot)
        joined(host, x, 3)
        assert {disk: contents(host, x, disk) for disk in kept} == kept
        x.VDI.destroy(snapshots[2])
        joined(host, x, 1)
        assert contents(host, x, vdi) == kept[vdi]
        assert set(coalescing(x).values()) == {"success"}, x.task.get_all_records()
        vm = x.VM.create(GUEST)
        new_vbd(x, vm, vdi)
        x.VM.start(vm, False, False)
        x.VM.hard_shutdown(vm)
        x.VDI.destroy(vdi)
        assert files(host.dir / "sr") == []


def test_disks_in_use():
    """Keep their images until they are let go, and other disks do not wait for that."""
    with Host() as host:
        x = connected(host)
        vdi, snapshots = with_snapshots(host, x, 2)
        other = new_vdi(x, x.VDI.get_SR(vdi))
        its = x.VDI.snapshot(other)
        vm = x.VM.create(GUEST)
        new_vbd(x, vm, vdi)
        x.VM.start(vm, False, False)
        expected = contents(host, x, vdi)
        for snapshot in (*snapshots, its):
            x.VDI.destroy(snapshot)
        joined(host, x, 4)
        host.kill("xapid")  # which knew that some wait
        tap.wait_until(host.client, "the daemon")
        x = host.client()
        x.VM.hard_shutdown(vm)
        joined(host, x, 2)
        assert contents(host, x, vdi) == expected and not host.violations()


def test_nobody_waits_for_it():
    """A snapshot, a start, an unplug end while images would be joined for minutes; it goes on afterwards, and can be cancelled.
    Other disks of the SR do not break it off."""
    with tempfile.TemporaryDirectory(prefix="xapid-test-") as once:
        with Host(environment={"XAPID_FAULT": "file.sr.coalesce.before=delay:600000", "XAPID_TEST_FAULT_DIR": once}) as host:
            x = connected(host)
            vdi, snapshots = with_snapshots(host, x, 1)
            sr = x.VDI.get_SR(vdi)
            expected = contents(host, x, vdi)

            def set_acted(number):
                with open(Path(once, POINTS[0]), "r+b") as mark:
                    mark.write(number.to_bytes(4, sys.byteorder))

            def begun():
                """It stands still."""
                tap.wait_until(lambda: acted(once), "the fault")
                set_acted(0)
                assert "pending" in coalescing(x).values()

            other = new_vdi(x, sr)
            x.VDI.destroy(snapshots[0])
            begun()
            x.VDI.destroy(x.VDI.snapshot(other))
            vm = x.VM.create(GUEST)
            new_vbd(x, vm, other)
            x.VM.start(vm, False, False)
            x.VM.hard_shutdown(vm)
            x.VM.destroy(vm)
            x.VDI.destroy(other)
            assert not acted(once), "it was begun anew"
            snapshot = x.VDI.snapshot(vdi)
            begun()
            vm = x.VM.create(GUEST)
            new_vbd(x, vm, vdi)
            x.VM.start(vm, False, False)
            x.VM.hard_shutdown(vm)
            x.VM.destroy(vm)
            x.VDI.destroy(snapshot)
            begun()
            task, = [task for task, status in coalescing(x).items() if status == "pending"]
            assert "cancel" in x.task.get_allowed_operations(task)
            x.task.cancel(task)
            assert x.wait_task(task)["status"] == "cancelled"
            x.VDI.destroy(x.VDI.snapshot(vdi))
            begun()
            pbd, = x.SR.get_PBDs(sr)
            x.PBD.unplug(pbd)
            tap.wait_until(lambda: "pending" not in coalescing(x).values(), "the end of it")
            set_acted(1)
            x.PBD.plug(pbd)
            joined(host, x, 1)
            assert contents(host, x, vdi) == expected


def test_repositories_that_are_left_alone():
    """By SR.other_config."""
    with Host() as host:
        x = connected(host)
        vdi, snapshots = with_snapshots(host, x, 2)
        sr = x.VDI.get_SR(vdi)
        x.SR.add_to_other_config(sr, "coalesce", "false")
        other = new_vdi(x, new_sr(host, x, name="other", coalesce=True))
        its = x.VDI.snapshot(other)
        for snapshot in (*snapshots, its):
            x.VDI.destroy(snapshot)
        tap.wait_until(lambda: "success" in coalescing(x).values(), "the other repository's")
        assert len(images(host)) == 3 and len(coalescing(x)) == 1
        x.SR.remove_from_other_config(sr, "coalesce")
        x.VDI.destroy(x.VDI.snapshot(vdi))
        joined(host, x, 1)


def test_kills():
    """Whoever dies, wherever: the disks hold what they held, and it is done in the end."""
    programs, rounds = ("xapid", "xapid-host"), int(os.environ.get("XAPID_KILLS", "1"))
    with Host(environment={"XAPID_FAULT": ",".join(f"{point}=delay:300" for point in POINTS)}) as host:
        x = connected(host)
        vdi, snapshots = with_snapshots(host, x, 2)
        for number in range(rounds):
            before = contents(host, x, vdi)
            known = set(coalescing(x))
            for snapshot in snapshots:
                x.VDI.destroy(snapshot)
            tap.wait_until(lambda: set(coalescing(x)) - known, "the task")
            time.sleep(CHANCE.uniform(0, 1))
            host.kill(CHANCE.choice(programs))
            tap.wait_until(host.client, "the daemon")
            x = host.client()
            joined(host, x, 1)
            assert contents(host, x, vdi) == before
            snapshots = []
            for its in range(2):
                snapshots.append(x.VDI.snapshot(vdi))
                write(host, x, vdi, f"write -P {2 * number % 200 + its} {number % 16}m 1m")
        print(f"# {rounds} kills")


def test_what_fails():
    """The driver is killed, or fails, at a point: the task tells, the disks are as they were, and the next reason does it."""
    every = [(point, way) for way in ("kill", "error") for point in POINTS]
    chosen = every if "XAPID_KILLS" in os.environ else [CHANCE.choice(every)]
    print(f"# seed {SEED}, sample/full: {len(chosen)}/{len(every)} faults")
    for ways in filter(None, ([fault for fault in chosen if fault[1] == way] for way in ("kill", "error"))):
        faults = ",".join(f"{point}={way}" for point, way in ways)
        with tempfile.TemporaryDirectory(prefix="xapid-test-") as once:
            with Host(environment={"XAPID_FAULT": faults, "XAPID_TEST_FAULT_DIR": once}) as host:
                x = connected(host)
                vdi, snapshots = with_snapshots(host, x, 1)
                before = contents(host, x, vdi)
                for _ in ways:
                    known = set(coalescing(x))
                    x.VDI.destroy(snapshots.pop())
                    tap.wait_until(lambda: set(coalescing(x)) - known, "the task")
                    task, = set(coalescing(x)) - known
                    assert x.wait_task(task)["status"] == "failure"
                    assert contents(host, x, vdi) == before
                    snapshots.append(x.VDI.snapshot(vdi))
                assert acted(once) == {point for point, _ in ways}
                x.VDI.destroy(snapshots.pop())
                joined(host, x, 1)
                assert contents(host, x, vdi) == before
                x.VDI.destroy(vdi)
                assert files(host.dir / "sr") == []


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""What becomes of storage, guests and the host's own state when the machine is rebooted."""
import contextlib
import sqlite3
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from covers import covers
from disks import drivers_known, new_sr, new_vbd, new_vdi
from host import GUEST, Client, Failure, Host, fails
from marks import acted


def attached(x, srs):
    return [x.PBD.get_currently_attached(x.SR.get_PBDs(sr)[0]) for sr in srs]


def with_disk(host, x, name):
    """A repository, and a guest that runs on a disk of it."""
    drivers_known(x)
    sr, vm = new_sr(host, x, name=name), x.VM.create(GUEST)
    vbd = new_vbd(x, vm, new_vdi(x, sr))
    x.VM.start(vm, False, False)
    return sr, vm, vbd


def logged(host, words):
    return [line for line in host.log.read_text(errors="replace").splitlines() if words in line]


def test_storage_and_guests():
    with Host() as host:
        x = host.client()
        sr, vm, vbd = with_disk(host, x, "stays")
        lost, lost_vm, lost_vbd = with_disk(host, x, "lost")
        unplugged = new_sr(host, x, name="unplugged")
        x.PBD.unplug(x.SR.get_PBDs(unplugged)[0])
        paused, suspended = x.VM.create(GUEST), x.VM.create(GUEST)
        x.VM.start(paused, True, False)
        x.VM.start(suspended, False, False)
        x.VM.suspend(suspended)

        host.reboot(lambda: (host.dir / "lost").rename(host.dir / "away"))
        x = host.client()
        tap.wait_until(lambda: {x.VM.get_power_state(ref) for ref in (vm, lost_vm, paused)} == {"Halted"},
                       "no guest runs")
        tap.wait_until(lambda: logged(host, f"{lost} stays unplugged after the reboot"), "a line in the log")
        tap.wait_until(lambda: attached(x, [sr, lost, unplugged]) == [True, False, False],
                       "the repository that is there")
        assert not x.VBD.get_currently_attached(vbd) and not x.VBD.get_currently_attached(lost_vbd)
        assert x.VM.get_power_state(suspended) == "Suspended"
        fails("SR_NOT_ATTACHED", x.VM.start, lost_vm, False, False)
        x.VM.start(vm, False, False)
        x.VM.resume(suspended, False, False)

        (host.dir / "away").rename(host.dir / "lost")
        tap.wait_until(lambda: attached(x, [sr, lost, unplugged]) == [True, True, False], "the one that came late")
        x.VM.start(lost_vm, False, False)
        assert not settled.check(host)
        host.stop()  # xapid alone: nothing is another's
        host.start()
        x = host.client()
        assert attached(x, [sr, lost, unplugged]) == [True, True, False]
        assert [x.VM.get_power_state(ref) for ref in (vm, lost_vm)] == ["Running"] * 2
        assert len(logged(host, "the host was rebooted")) == 1
        assert not settled.check(host)


def test_what_the_reboot_broke_off():
    with Host() as host:
        x = host.client()
        sr, vm, vbd = with_disk(host, x, "sr")
        other = new_sr(host, x, name="other")
        slow = "#!/bin/sh\nexec sleep 60\n"
        driver = host.bindir / "storage" / "file"
        whole = driver.read_bytes()
        driver.unlink()
        driver.write_text(slow)
        driver.chmod(0o755)
        scan, unplug = x.Async.SR.scan(sr), x.Async.PBD.unplug(x.SR.get_PBDs(other)[0])
        tap.wait_until(lambda: x.SR.get_current_operations(other) and x.SR.get_current_operations(sr), "both begun")

        def repair():
            driver.unlink()
            driver.write_bytes(whole)
            driver.chmod(0o755)
        host.reboot(repair)
        x = host.client()
        x.wait_task(scan)
        assert x.wait_task(unplug)["status"] == "success"
        tap.wait_until(lambda: attached(x, [sr]) == [True], "the repository again")
        assert attached(x, [other]) == [False]
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Halted", "no guest runs")
        assert not settled.check(host)


def may_write(host):
    try:
        x = host.client()
        x.pool.set_name_description(x.pool.get_all()[0], str(uuid.uuid4()))
        return True
    except Failure as failure:
        assert failure.code == "INTERNAL_ERROR", failure


def reboot_with_fault(number):
    """That commit fails; whether it was the one that records the boot."""
    with Host() as host:
        x = host.client()
        sr, vm, _ = with_disk(host, x, "sr")
        here, = x.host.get_all()
        x.host.disable(here)
        marks = host.dir / "marks"
        marks.mkdir()
        marks.chmod(0o777)
        host.environment.update(XAPID_FAULT=f"store.commit.before=error@{number}", XAPID_TEST_FAULT_DIR=str(marks))
        host.reboot()
        x = Client(host).resume(x.session_ref)

        def over():
            try:
                return attached(x, [sr]) == [True] and x.host.get_enabled(here) \
                    and x.VM.get_power_state(vm) == "Halted"
            except Failure as failure:
                assert failure.code == "INTERNAL_ERROR", failure
        tap.wait_until(over, "end of the reboot")
        # The fault may be still to come, to the next commit.
        tap.wait_until(lambda: may_write(host) and acted(marks) and may_write(host),
                       "database that can be written")
        assert not settled.check(host)
        return bool(logged(host, "recording the boot, again soon: INTERNAL_ERROR [fault"))


def test_a_database_that_cannot_be_written():
    """Whichever commit fails; which one is the boot's differs from start to start."""
    with ThreadPoolExecutor(3) as pool:
        met = sum(pool.map(reboot_with_fault, range(1, 9)))
    print(f"# a fault met the boot's own commit {met} times")


def is_enabled(host, x):
    """Once the boot is known: before, no storage driver is asked anything."""
    drivers_known(x)
    new_sr(host, x, name=f"sr{len(x.SR.get_all())}")
    here, = x.host.get_all()
    return x.host.get_enabled(here), "vm_start" in x.host.get_allowed_operations(here)


def test_a_disabled_host():
    with Host() as host:
        x = host.client()
        here = x.host.get_all()[0]
        x.host.disable(here)
        host.kill("xapid")
        host.wait_up()
        assert is_enabled(host, host.client()) == (False, False)
        host.reboot()
        assert is_enabled(host, host.client()) == (True, True)
        for auto_enable in False, True:
            host.client().host.disable(here, auto_enable)
            host.reboot()
            assert is_enabled(host, host.client()) == (auto_enable, auto_enable)
        x = host.client()
        x.host.disable(here, False)
        x.host.enable(here)  # forgets it
        x.host.disable(here)
        host.reboot()
        assert is_enabled(host, host.client()) == (True, True)


def ordered(host):
    """What was asked of the simulated machine."""
    file = host.sim / "power"
    return file.read_text() if file.exists() else None


@covers("host.reboot", "host.shutdown", "host.enable")
def test_power():
    with Host(sim_conf="[host]\ncreate_ms=300\n") as host:
        x = host.client()
        here, vm = x.host.get_all()[0], x.VM.create(GUEST)
        for call in x.host.reboot, x.host.shutdown:
            fails("HANDLE_INVALID", call, "OpaqueRef:none")
            fails("HOST_NOT_DISABLED", call, here)
            task = x.Async.VM.start(vm, False, False)
            x.host.disable(here)
            assert fails("OTHER_OPERATION_IN_PROGRESS", call, here).params[:3] == ["VM", vm, "start"]
            x.wait_task(task)
            assert fails("HOST_HAS_RESIDENT_VMS", call, here).params == [here]
            x.VM.hard_shutdown(vm)
            assert ordered(host) is None, "a call that failed did it"
            x.host.enable(here)
        x.host.disable(here)
        (host.sim / "power").mkdir()
        for call in x.host.reboot, x.host.shutdown:
            fails("INTERNAL_ERROR", call, here)
        (host.sim / "power").rmdir()
        x.host.enable(here)  # it did not come to that
        for word in "reboot", "shutdown":
            x.host.disable(here)
            getattr(x.host, word)(here)
            assert ordered(host) == word
            for _ in "now", "and with another xapid":
                assert fails("HOST_DISABLED_UNTIL_REBOOT", x.host.enable, here).params == [here]
                assert set(x.host.get_allowed_operations(here)) == {"reboot", "shutdown"}
                fails("HOST_DISABLED", x.VM.start, vm, False, False)
                host.kill("xapid")
                host.wait_up()
                x = host.client()
            host.reboot()
            assert is_enabled(host, host.client()) == (True, True)
            x = host.client()
        x.host.disable(here, False)
        x.host.reboot(here)
        host.reboot()
        assert is_enabled(host, host.client()) == (False, False)
        x = host.client()
        assert "enable" in x.host.get_allowed_operations(here)
        x.host.enable(here)
        x.VM.start(vm, False, False)


def starts_with_host(x, **fields):
    return x.VM.create({**GUEST, "other_config": {"auto_poweron": "true"}, **fields})


def noted(host):
    """The VMs that are still to be started, as the store has them."""
    with contextlib.closing(sqlite3.connect(f"file:{host.dir}/state/xapid.db?mode=ro", uri=True)) as store:
        return store.execute("SELECT key FROM journal WHERE key LIKE 'starts/%'").fetchall()


def test_vms_that_start_with_the_host():
    with Host() as host:
        x = host.client()
        drivers_known(x)
        here, away = new_sr(host, x, name="here"), new_sr(host, x, name="away")
        late = starts_with_host(x, order="2")
        first, never, other, suspended = starts_with_host(x), starts_with_host(x), x.VM.create(GUEST), starts_with_host(x)
        for vm, sr in (first, here), (never, away):
            new_vbd(x, vm, new_vdi(x, sr))
        snapshot = x.VM.snapshot(late, "of one that starts")
        x.VM.set_is_a_template(snapshot, False)
        for vm in first, other, suspended:
            x.VM.start(vm, False, False)
        x.VM.suspend(suspended)
        states = lambda: [x.VM.get_power_state(vm) for vm in (first, late, other, never, suspended)]

        host.reboot(lambda: (host.dir / "away").rename(host.dir / "gone"))
        x = host.client()
        tap.wait_until(lambda: states() == ["Halted"] * 4 + ["Suspended"], "a pool that says nothing of it")
        x.pool.add_to_other_config(x.pool.get_all()[0], "auto_poweron", "true")

        host.reboot()
        x = host.client()
        tap.wait_until(lambda: states() == ["Running", "Running", "Halted", "Halted", "Suspended"], "the two that can start")
        assert int(x.VM.get_domid(first)) < int(x.VM.get_domid(late))
        tap.wait_until(lambda: logged(host, f"{never} does not start with its host: SR_NOT_ATTACHED"), "a line in the log")
        assert not logged(host, f"{snapshot} does not start"), "it is no VM"
        x.VM.hard_shutdown(first)
        host.stop()
        assert not noted(host), "it would be started again, with no reboot between"


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""The disk of the state folder fails, or takes no writes: changes are refused and say why, reads, logins and events
go on, and once it works again changes do, too, without a restart.  A library makes xapid's own calls fail."""
import errno
import os
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
import world
from host import BUILDDIR, GUEST, Client, Host
from unwritable import refused, writable
from waiting import events

LIBRARY = BUILDDIR / "tests/sim/disk-errors.so"


class BrokenDisk(Host):
    """A host with a disk that does as it is told."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        self.told = self.dir / "disk-errors"
        self.environment.update(LD_PRELOAD=str(LIBRARY), XAPID_TEST_DISK_ERRORS=str(self.told),
                                ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")

    def break_disk(self, error, calls=""):
        partial = self.told.with_suffix(".partial")
        partial.write_text(f"{error} {calls}\n")
        partial.rename(self.told)

    def mend_disk(self):
        self.told.unlink()


def disk_fails(error, calls):
    host = BrokenDisk("resync_seconds=1", sim_conf="[host]\nmemory=8589934592\n")
    why = os.strerror(error)
    with host:
        x = host.client()
        running, ends, idle = (x.VM.create({**GUEST, "name_label": name}) for name in ("running", "ends", "idle"))
        for vm in running, ends:
            x.VM.start(vm, False, False)
        pid = host.child("xapid")
        token = events(x, ["vm"], "", 0.0)["token"]
        x.VM.set_name_description(idle, "acknowledged")
        host.break_disk(error, calls)
        for call, *args in (x.VM.set_name_label, idle, "another"), (x.VM.start, idle, False, False), \
                (x.VM.hard_shutdown, running), (x.VM.destroy, idle), (x.VM.create, {**GUEST, "name_label": "new"}):
            assert refused(call, *args, why=why), call.name
        # Whoever reads notices nothing.
        labels = {record["name_label"] for record in x.VM.get_all_records().values()}
        assert labels >= {"running", "ends", "idle"} and not labels & {"another", "new"}, labels
        assert x.VM.get_power_state(idle) == "Halted" and x.VM.get_power_state(running) == "Running"
        assert idle in {event["ref"] for event in events(x, ["vm"], token, 5.0)["events"]}
        late = host.client(json_rpc=True)
        assert late.VM.get_name_description(idle) == "acknowledged"
        domains = {domain["uuid"] for domain in world.domains(host.sim)}
        assert domains == {x.VM.get_uuid(running), x.VM.get_uuid(ends)}, domains
        host.guest(f"halt {x.VM.get_uuid(ends)}")
        host.mend_disk()
        tap.wait_until(lambda: writable(x, idle), "changes are taken again", 30)
        tap.wait_until(lambda: x.VM.get_power_state(ends) == "Halted", "the guest's end", 30)
        x.VM.start(idle, False, False)
        assert host.child("xapid") == pid, "it was restarted"
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        assert x.VM.get_name_description(idle) == "room again", "what was acknowledged is lost"
        assert {x.VM.get_power_state(vm) for vm in (running, idle)} == {"Running"}
        wrong = settled.check(host)
        assert not wrong, wrong


def test_a_disk_whose_syncs_fail():
    disk_fails(errno.EIO, "sync")


def test_a_disk_that_fails():
    disk_fails(errno.EIO, "")


def test_a_disk_that_becomes_read_only():
    disk_fails(errno.EROFS, "")


def test_a_start_on_a_disk_that_fails():
    """It comes again until the disk works, and has all that was acknowledged."""
    host = BrokenDisk(launch_options=("--backoff-max", "50"))
    with host:
        x = host.client()
        vm = x.VM.create({**GUEST, "name_label": "kept"})
        host.break_disk(errno.EIO)
        assert refused(x.VM.set_name_label, vm, "another", why=os.strerror(errno.EIO))
        host.kill("xapid")
        tap.wait_until(lambda: f"xapid.db cannot be opened ({os.strerror(errno.EIO)})" in host.log.read_text(),
                       "word of why it does not start", 30)
        host.mend_disk()
        host.wait_up(30)
        x = Client(host).resume(x.session_ref)
        assert x.VM.get_name_label(vm) in ("kept", "another")
        assert writable(x, vm)
        wrong = settled.check(host)
        assert not wrong, wrong


tap.run(test_a_disk_whose_syncs_fail, test_a_disk_that_fails, test_a_disk_that_becomes_read_only,
        test_a_start_on_a_disk_that_fails)

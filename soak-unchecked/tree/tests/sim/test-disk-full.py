#!/usr/bin/python3
"""The disk of the state folder is full: changes are refused and say why, reads go on, no guest is lost or run
twice, and with room again all goes on without a restart.  A mount namespace of its own holds the small disk."""
import http.client
import os
import subprocess
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
import world
from host import GUEST, Client, Failure, Host, fails
from unwritable import refused, writable
from waiting import events

INSIDE = "XAPID_TEST_MOUNTS"
SIZE = 8 << 20


class SmallDisk:
    """Under the state folder of a host that has not begun."""

    def __init__(self, host):
        self.state, self.filler = host.dir / "state", host.dir / "state" / "filler"
        certificate = host.certificate.read_bytes() if host.certificate.exists() else None
        self.state.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700,uid=65534,gid=65534", "small", self.state],
                       check=True)
        if certificate:
            host.certificate.write_bytes(certificate)
            os.chown(host.certificate, 65534, 65534)

    def fill(self):
        with open(self.filler, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 12))
            except OSError:
                pass

    def make_room(self):
        self.filler.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        subprocess.run(["umount", "-l", self.state], check=True)


def use_up(x):
    """Changes until one is refused; labels of those that were taken."""
    taken = []
    for n in range(10000):
        label = f"vm {n} " + "x" * 4000
        if refused(x.VM.create, {**GUEST, "name_label": label}):
            return taken
        taken.append(label)
    raise AssertionError("the disk does not fill up")


def test_a_full_disk():
    host = Host("resync_seconds=1", sim_conf="[host]\nmemory=8589934592\n")
    with SmallDisk(host) as disk, host:
        x = host.client()
        running, ends, idle = (x.VM.create({**GUEST, "name_label": name}) for name in ("running", "ends", "idle"))
        for vm in running, ends:
            x.VM.start(vm, False, False)
        pid = host.child("xapid")
        token = events(x, ["vm"], "", 0.0)["token"]
        disk.fill()
        taken = use_up(x)
        # Whoever reads notices nothing.
        labels = {record["name_label"] for record in x.VM.get_all_records().values()}
        assert labels >= {*taken, "running", "ends", "idle"}, "what was acknowledged is not there"
        late = host.client(json_rpc=True)  # who wants to see what is wrong gets in
        assert late.VM.get_power_state(running) == "Running"
        told = {event["ref"] for event in events(x, ["vm"], token, 5.0)["events"]}
        assert len(told) >= len(taken), (len(told), len(taken))
        # Nothing is begun that could not be written down.
        for call, *args in (x.VM.start, idle, False, False), (x.VM.hard_shutdown, running), (x.VM.destroy, idle), \
                (x.VM.set_name_label, idle, "another"), (x.VM.add_to_other_config, idle, "key", "value"):
            assert refused(call, *args), call.name
        assert x.VM.get_name_label(idle) == "idle" and x.VM.get_power_state(idle) == "Halted"
        domains = {domain["uuid"] for domain in world.domains(host.sim)}
        assert domains == {x.VM.get_uuid(running), x.VM.get_uuid(ends)}, domains
        # A guest that ends meanwhile is seen once there is room.
        host.guest(f"halt {x.VM.get_uuid(ends)}")
        assert refused(x.VM.start, idle, False, False)
        disk.make_room()
        tap.wait_until(lambda: writable(x, idle), "changes are taken again", 30)
        tap.wait_until(lambda: x.VM.get_power_state(ends) == "Halted", "the guest's end", 30)
        x.VM.start(idle, False, False)
        assert host.child("xapid") == pid, "it was restarted"
        # What was acknowledged outlives a kill.
        host.kill("xapid")
        host.wait_up()
        assert Client(host).resume(x.session_ref).VM.get_all(), "the session that was written is lost"
        fails("SESSION_INVALID", Client(host).resume(late.session_ref).VM.get_all)
        x = host.client()
        labels = {record["name_label"] for record in x.VM.get_all_records().values()}
        assert labels >= {*taken, "running", "ends", "idle"}, "what was acknowledged is lost"
        assert {x.VM.get_power_state(vm) for vm in (running, idle)} == {"Running"}
        wrong = settled.check(host)
        assert not wrong, wrong


def test_a_first_start_that_cannot_be_written():
    host = Host(launch_options=("--backoff-max", "50"))
    marks = host.dir / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    host.environment.update(XAPID_FAULT="store.commit.before=error", XAPID_TEST_FAULT_DIR=str(marks))
    with host:
        def serves():
            try:
                return host.client().host.get_all()
            except (Failure, OSError, http.client.HTTPException):
                return None
        tap.wait_until(serves, "a host that serves")
        log = host.log.read_text()
        assert "own rows could not be written" in log and "was ended by signal" not in log, log[-3000:]


if os.environ.get(INSIDE):
    tap.run(test_a_full_disk, test_a_first_start_that_cannot_be_written)
else:
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])

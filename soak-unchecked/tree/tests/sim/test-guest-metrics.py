#!/usr/bin/python3
"""VM_guest_metrics follow what guests write into xenstore, whatever that is, on a simulated host."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from guests import LATENCY, NULL, XenStore, metrics, processes, shown, started, written
from host import BUILDDIR, Host, fails


def test_from_keys_to_the_row_and_its_events():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        assert metrics(x, vm) is None and x.VM_guest_metrics.get_all() == []
        first = x.raw("event.from", x.session_ref, ["VM_guest_metrics", "VM"], "", 1.0)
        store.write_all({
            "data/os_name": "Debian GNU/Linux 12", "data/os_uname": "6.1.0", "data/os_distro": "debian",
            "data/os_majorver": "12", "data/os_minorver": "8", "attr/PVAddons/MajorVersion": "9",
            "attr/PVAddons/MinorVersion": "3", "attr/PVAddons/BuildVersion": "5",
            "attr/vif/0/ipv4/0": "10.0.0.7", "attr/vif/0/ipv6/0": "fe80::7", "control/feature-balloon": "1",
            "data/host_name_dns": "web", "data/service/sql/port": "5432", "feature/hotplug/vbd": "1",
            "device/vbd/51712/state": "4", "data/secret": "x", "control/shutdown": ""})
        row = shown(x, vm, os_version={"name": "Debian GNU/Linux 12", "uname": "6.1.0", "distro": "debian",
                                       "major": "12", "minor": "8"},
                    PV_drivers_version={"major": "9", "minor": "3", "micro": "-1", "build": "5"},
                    networks={"0/ip": "10.0.0.7", "0/ipv4/0": "10.0.0.7", "0/ipv6/0": "fe80::7"},
                    other={"feature-balloon": "1"}, netbios_name={"host_name": "web"},
                    services={"sql/port": "5432"}, can_use_hotplug_vbd="yes", can_use_hotplug_vif="unspecified",
                    PV_drivers_detected=True, PV_drivers_up_to_date=True, live=True, memory={}, disks={})
        assert abs(time.time() - time.mktime(time.strptime(str(row["last_updated"]), "%Y%m%dT%H:%M:%SZ"))
                   + time.timezone) < 60, row["last_updated"]
        ref = x.VM.get_guest_metrics(vm)
        events = x.raw("event.from", x.session_ref, ["VM_guest_metrics", "VM"], first["token"], 5.0)["events"]
        assert {("vm_guest_metrics", "add", ref), ("vm", "mod", vm)} <= {
            (e["class"].lower(), e["operation"], e["ref"]) for e in events}, events
        changed = x.raw("event.from", x.session_ref, ["VM_guest_metrics"], "", 1.0)["token"]
        store.write_all({"attr/vif/0/ipv4/0": "10.0.0.8"})
        store.remove("data/host_name_dns")
        events = x.raw("event.from", x.session_ref, ["VM_guest_metrics"], changed, 10.0)["events"]
        assert [(e["operation"], e["ref"]) for e in events] == [("mod", ref)], events
        shown(x, vm, netbios_name={}, networks={"0/ip": "10.0.0.8", "0/ipv4/0": "10.0.0.8", "0/ipv6/0": "fe80::7"})


def test_the_row_goes_with_the_guest():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        store.write(data__os_name="first")
        shown(x, vm, os_version={"name": "first"})
        ref = x.VM.get_guest_metrics(vm)
        x.VM.hard_reboot(vm)  # another domain, in which nobody has said anything
        shown(x, vm, os_version={}, live=False)
        assert x.VM.get_guest_metrics(vm) == ref
        store = XenStore(host, x.VM.get_uuid(vm))
        store.write(data__os_name="second")
        shown(x, vm, os_version={"name": "second"}, live=True)
        x.VM.suspend(vm)
        assert metrics(x, vm)["live"] is False
        x.VM.hard_shutdown(vm)
        assert x.VM.get_guest_metrics(vm) == NULL and x.VM_guest_metrics.get_all() == []
        fails("HANDLE_INVALID", x.VM_guest_metrics.get_record, ref)
        x.VM.start(vm, False, False)
        XenStore(host, x.VM.get_uuid(vm)).write(data__os_name="third")
        shown(x, vm, os_version={"name": "third"})
        x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)
        assert x.VM_guest_metrics.get_all() == []


def test_guests_of_others_are_left_alone():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        uuid = "bbbbbbbb-0000-4000-8000-000000000001"
        host.guest(f"xl-create {uuid} other")
        XenStore(host, uuid).write(data__os_name="not ours")
        store.write(data__os_name="ours")
        shown(x, vm, os_version={"name": "ours"})
        time.sleep(LATENCY)
        assert len(x.VM_guest_metrics.get_all()) == 1


def test_bytes_that_are_no_text():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        store.write_all({"data/os_name": b"a\xff\xfe\x1b[2J<&>\xed\xa0\x80", "data/os_uname": b"\0" * 1024,
                         "attr/vif/0/ipv4/0": b"\xff\xff\xff\xff", "data/os_distro": "Zoë ✓ \U0001f427"})
        bad = "\ufffd"
        row = shown(x, vm, networks={}, os_version={"name": f"a{bad * 3}[2J<&>{bad * 3}", "distro": "Zoë ✓ \U0001f427"})
        assert host.client(json_rpc=True).VM_guest_metrics.get_os_version(x.VM.get_guest_metrics(vm)) == \
            row["os_version"]


def test_one_transaction_a_second():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        store.write(data__os_name="begin")
        shown(x, vm, os_version={"name": "begin"})
        token, seen, began = "", 0, time.monotonic()
        token = x.raw("event.from", x.session_ref, ["VM_guest_metrics"], "", 1.0)["token"]
        number = 0
        while time.monotonic() < began + 5:
            store.write(data__os_name=f"name {number}")
            number += 1
            answer = x.raw("event.from", x.session_ref, ["VM_guest_metrics"], token, 0.05)
            token, seen = answer["token"], seen + len(answer["events"])
        assert 1 <= seen <= 6, f"{seen} changes of a row within 5 s"


def test_kills():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        store.write(data__os_name="0")
        row = shown(x, vm, os_version={"name": "0"})
        for number, name in enumerate(("xs-guestd", "domains-guests", "xapid-domains", "xapid"), 1):
            if name.startswith("xapid"):
                host.kill(name)
            else:
                pid, = processes(host, name)
                os.kill(pid, signal.SIGKILL)
                tap.wait_until(lambda: processes(host, name) not in ([], [pid]), name)
            if name == "xapid":
                tap.wait_until(lambda: host.client(), "the daemon")
                x = host.client()
            shown(x, vm, os_version={"name": str(number - 1)}, live=True)
            store = XenStore(host, x.VM.get_uuid(vm))
            tap.wait_until(lambda: processes(host, "domains-guests"), "the guests process")
            tap.wait_until(lambda: written(store, str(number)), "a watch")
            shown(x, vm, os_version={"name": str(number)}, uuid=row["uuid"])


def test_a_hung_parser_is_replaced():
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        store.write(data__os_name="0")
        shown(x, vm, os_version={"name": "0"})
        pid, = processes(host, "xs-guestd")
        os.kill(pid, signal.SIGSTOP)
        end, number = time.monotonic() + 120, 0
        # Until its socket is full, nobody notices; so it is filled.
        while processes(host, "xs-guestd") == [pid]:
            assert time.monotonic() < end, "nobody noticed"
            number += 1
            written(store, f"{number} " + "x" * 1000)
            for part in range(30):
                store.put(f"data/service/s/{part}", f"{number} " + "y" * 950)
            time.sleep(0.5)
        tap.wait_until(lambda: written(store, "last"), "a watch", 20)
        shown(x, vm, 20, os_version={"name": "last"})


def lone_parser(*packets):
    """xs-guestd with packets for it, and nothing more: its status and its log."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    records, out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = f"exec 3<&{its.fileno()} 4>&{out.fileno()} {BUILDDIR}/xs-guestd"
    with tempfile.TemporaryDirectory(prefix="xs-guestd-") as place, ours, its, records, out:
        process = subprocess.Popen(["/bin/bash", "-c", script], cwd=place, stderr=subprocess.PIPE,
                                   pass_fds=(its.fileno(), out.fileno()))
        for packet in packets:
            ours.send(packet)
        its.close()
        ours.close()
        log = process.communicate(timeout=20)[1].decode()
        return process.returncode, log


def test_packets_that_are_none():
    """It ends with a word about it, not by a call that it must not make: gcov's, at its end, is one."""
    status_at_end = -signal.SIGSYS if b".gcda" in (BUILDDIR / "xs-guestd").read_bytes() else 1
    for packet in (b"garbage" * 100, b"\xff" * 64, b"x"):
        status, log = lone_parser(packet)
        if "AddressSanitizer" not in log and "LeakSanitizer" not in log:
            assert status == status_at_end, (status, log)
        assert "a message is malformed" in log, log


def test_a_liar_in_its_place():
    """What is no record ends it; xapid-domains goes on, and so does the guest's row with a good one."""
    with Host() as host:
        x = host.client()
        vm, store = started(host, x)
        program = host.bindir / "xs-guestd"
        program.rename(host.bindir / "good")
        program.write_text("#!/usr/bin/python3\nimport socket\n"
                           "socket.socket(fileno=4).send(b'\\xff' * 1000)\nsocket.socket(fileno=3).recv(1)\n")
        program.chmod(0o755)
        pid, domains = processes(host, "xs-guestd")[0], host.child("xapid-domains")
        os.kill(pid, signal.SIGKILL)
        tap.wait_until(lambda: host.log.read_text().count("xs-guestd: INTERNAL_ERROR") >= 2
                       or host.log.read_text().count("a message is malformed") >= 2, "word of the liar", 20)
        x.VM.pause(vm)
        x.VM.unpause(vm)
        (host.bindir / "good").rename(program)
        tap.wait_until(lambda: processes(host, "xs-guestd") and written(store, "honest"), "a watch", 20)
        shown(x, vm, 20, os_version={"name": "honest"})
        assert host.child("xapid-domains") == domains


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

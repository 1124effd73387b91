#!/usr/bin/python3
"""Pictures of screens over HTTP, GET /vncsnapshot: of a simulated machine's QEMU, of a text console, and of what is none."""
import base64
import contextlib
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from accounts import Accounts
from consoles import echo_of, machine, tty_of
from host import GUEST, Host, UnixConnection, sanitized
from qemu import LINE, Screen
from rfb import Picture

ACCOUNTS = Accounts({"root": (0, "secret"), "olga": (1500, "olga's"), "rita": (1501, "rita's")})
BRIGHT = 255  # of red, green and blue together: a letter; less is what JPEG makes of black beside one


def get(connection, query, headers=()):
    connection.request("GET", f"/vncsnapshot?{query}", headers=dict(headers))
    reply = connection.getresponse()
    return reply, reply.read()


def picture(host, uuid):
    reply, body = get(UnixConnection(host.socket, timeout=60), f"uuid={uuid}")
    assert reply.status == 200, (reply.status, body)
    assert reply.headers["Content-Type"] == "image/jpeg" and reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-cache, no-store"
    return decoded(body)


def decoded(jpeg):
    pnm = subprocess.run(["djpeg", "-pnm"], input=jpeg, capture_output=True, check=True).stdout
    kind, size, depth, data = pnm.split(b"\n", 3)
    assert (kind, depth) == (b"P6", b"255"), pnm[:20]
    width, height = map(int, size.split())
    pixels = b"".join(b"\xff\xff\xff\xff" if sum(data[at:at + 3]) > BRIGHT else bytes(4) for at in range(0, len(data), 3))
    return Picture(width, height, pixels)


def hello(width, height):
    """What an RFB server says that asks for no password, and what it is answered; then it has a screen."""
    return b"RFB 003.003\n" + struct.pack(">I", 1), struct.pack(">HH", width, height) + struct.pack(
        ">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0) + struct.pack(">I", 4) + b"name"


def test_of_a_screen_and_of_a_text_console():
    with Host() as host:
        x = host.client()
        vm, pvh = machine(x), x.VM.create(GUEST)
        console, _ = (x.console.get_record(ref) for ref in x.VM.get_consoles(vm))
        with Screen(host.sim / f"screen-{x.VM.get_uuid(vm)}"):
            for uuid in console["uuid"], x.VM.get_uuid(vm):
                tap.wait_until(lambda: picture(host, uuid).shows(LINE), "line of the boot sector", 60)
        x.VM.start(pvh, False, False)
        with tty_of(host, x, pvh) as guest:
            guest.write(b"a bad cab\r\n")
            tap.wait_until(lambda: picture(host, x.VM.get_uuid(pvh)).shows("a bad cab"), "text of the guest", 60)
        assert not host.running("xapid-picture")


def test_who_may_see_it():
    with Host(https=True, accounts=ACCOUNTS) as host:
        root = host.client(password="secret")
        for user, uid, role in (("olga", 1500, "vm-operator"), ("rita", 1501, "read-only")):
            subject = root.subject.create({"subject_identifier": f"u{uid}", "other_config": {"subject-name": user}})
            root.subject.add_to_roles(subject, root.role.get_by_name_label(role)[0])
        pvh = root.VM.create(GUEST)
        root.VM.start(pvh, False, False)
        uuid = root.VM.get_uuid(pvh)
        control = root.VM.get_uuid(next(ref for ref, vm in root.VM.get_all_records().items() if vm["is_control_domain"]))
        halted = root.VM.get_uuid(root.VM.create(GUEST))
        olga, rita = (host.client(user=user, password=f"{user}'s", connect=host.tls) for user in ("olga", "rita"))
        password = {"Authorization": "Basic " + base64.b64encode(b"olga:olga's").decode()}
        with tty_of(host, root, pvh):
            for query, headers, expected in (
                    (f"uuid={uuid}", {}, 401), (f"uuid={uuid}&session_id=OpaqueRef:none", {}, 401),
                    (f"uuid={uuid}&session_id={rita.session_ref}", {}, 403), (f"uuid={uuid}", {"Cookie": f"session_id={rita.session_ref}"}, 403),
                    (f"uuid={uuid}&session_id={olga.session_ref}", {}, 200), (f"ref={pvh}", {"Cookie": f"session_id={olga.session_ref}"}, 200),
                    (f"uuid={uuid}", password, 200), (f"uuid={control}&session_id={olga.session_ref}", {}, 403),
                    (f"uuid={control}&session_id={root.session_ref}", {}, 501), (f"uuid={halted}&session_id={olga.session_ref}", {}, 409),
                    (f"uuid=none&session_id={olga.session_ref}", {}, 404), (f"session_id={olga.session_ref}", {}, 400)):
                reply, body = get(host.tls(), query, headers)
                assert reply.status == expected, (query, headers, reply.status, body)
        reply, body = get(host.tls(), f"uuid={uuid}&session_id={olga.session_ref}")  # there is no terminal device any more
        assert reply.status in (200, 503), (reply.status, body)


def test_a_screen_that_does_harm():
    """What is no RFB, is too large, is promised and does not come, or is more than was asked for."""
    begin, size = hello(16, 16)
    update = struct.pack(">BxH", 0, 1) + struct.pack(">HHHHi", 0, 0, 16, 16, 0)
    with Host() as host:
        x = host.client()
        vm = machine(x)
        uuid = x.VM.get_uuid(vm)
        with echo_of(host, x, vm) as echo:
            def shown(*said, end=True):
                """The answer when the screen says that, a piece for each that it is told."""
                answer = []
                asks = threading.Thread(target=lambda: answer.append(get(UnixConnection(host.socket, timeout=60), f"uuid={uuid}")))
                asks.start()
                peer = echo.accept()
                with contextlib.suppress(ConnectionError):
                    for part in said:
                        peer.sendall(part)
                    if end:
                        peer.shutdown(1)
                asks.join(60)
                assert answer, "it was not answered"
                reply, body = answer[0]
                return reply.status, body

            status, body = shown(begin, size, update + b"\xff\xff\xff\0" * 256, end=False)
            assert status == 200 and decoded(body).width == 16, (status, body)
            for said in ([b"SSH-2.0-none\r\n"], [b""], [begin], [begin, size], [begin, hello(0, 16)[1]], [begin, hello(65535, 65535)[1]],
                         [begin, size, update], [begin, size, update.replace(b"\x00\x10\x00\x10", b"\x01\x00\x01\x00") + b"\xff" * (1 << 18)],
                         [begin, size, struct.pack(">BxH", 0, 1) + struct.pack(">HHHHi", 0, 0, 16, 16, 7) + b"\xff" * 4096],
                         [begin, size, b"\xff" * 4096], [begin, size, struct.pack(">BxxxI", 3, (1 << 32) - 1) + b"x" * 4096]):
                status, body = shown(*said)
                assert status == 503, (said[-1][:40], status, body[:40])
            tap.wait_until(lambda: not host.running("xapid-picture"), "end of all makers", 60)


def test_a_maker_holds_nothing_and_there_are_few():
    """No uid of anybody's, no files, no network, no other descriptors, and not for ever; beyond eight at once one is refused."""
    with Host() as host:
        x = host.client()
        vm = machine(x)
        uuid = x.VM.get_uuid(vm)
        with echo_of(host, x, vm) as echo:
            answers = []

            def ask():
                asked = threading.Thread(target=lambda: answers.append(get(UnixConnection(host.socket, timeout=60), f"uuid={uuid}")[0].status))
                asked.start()
                return asked

            asks = [ask() for _ in range(8)]
            peers = [echo.accept() for _ in asks]
            pids = tap.wait_until(lambda: len(host.running("xapid-picture")) == 8 and host.running("xapid-picture"), "eight makers", 60)

            def status(pid):
                return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)

            def is_confined(pid):
                return status(pid)["NoNewPrivs"] == "1" and (sanitized(pid) or status(pid)["Seccomp"] == "2")
            tap.wait_until(lambda: all(map(is_confined, pids)), "confinement of all", 60)
            for pid in pids:
                assert status(pid)["Uid"].split() == ["65534"] * 4, status(pid)
                assert not os.listdir(f"/proc/{pid}/root"), "it sees files"
                assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
                assert {*os.listdir(f"/proc/{pid}/fd")} <= {"0", "1", "2", "3", "4"}, os.listdir(f"/proc/{pid}/fd")
            reply, body = get(UnixConnection(host.socket, timeout=60), f"uuid={uuid}")
            assert reply.status == 503 and b"too many pictures" in body, (reply.status, body)
            for pid in pids[:4]:
                os.kill(pid, signal.SIGKILL)
            for peer in peers:
                peer.close()
            for each in asks:
                each.join(60)
            assert answers == [503] * 8, answers
            asked = ask()
            with echo.accept():  # and says nothing for longer than one waits for a picture
                asked.join(60)
            assert answers == [503] * 9, answers
            assert x.VM.get_power_state(vm) == "Running"


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

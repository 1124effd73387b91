#!/usr/bin/python3
"""Consoles of guests over HTTP: CONNECT /console, and websockets."""
import base64
import contextlib
import os
import random
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
import websocket
from accounts import Accounts
from consoles import answer, connect, echo_of, ended, machine, tls, tty_of, unix
from host import GUEST, Host, sanitized
from qemu import LINE, Screen
from rfb import Rfb

ACCOUNTS = Accounts({"root": (0, "secret"), "olga": (1500, "olga's"), "rita": (1501, "rita's")})


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def upgrade(sock, uuid, headers=(), query=""):
    status, head = answer(sock, websocket.handshake(f"/console?uuid={uuid}{query}", headers))
    return status, head


@contextlib.contextmanager
def screen_of(host, x, vm):
    with Screen(host.sim / f"screen-{x.VM.get_uuid(vm)}") as screen:
        yield screen


def test_a_screen_is_read_and_typed_at():
    """By a cookie and HTTP/1.0 as XenCenter, by a session in the query and HTTP/1.1, and by a websocket as browsers."""
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = host.client(password="secret")
        vm = machine(x)
        console, _ = (x.console.get_record(ref) for ref in x.VM.get_consoles(vm))
        assert console["protocol"] == "rfb", console
        cookie = {"Cookie": f"session_id={x.session_ref}"}
        with screen_of(host, x, vm):
            sock = tls(host)
            status, head = connect(sock, console["uuid"], cookie)
            assert status == 200, head
            first = Rfb(sock)
            first.until(lambda: first.shows(LINE), "line of the boot sector")
            sock = unix(host)
            status, head = connect(sock, x.VM.get_uuid(vm), query=f"&session_id={x.session_ref}", version="1.1")
            assert status == 200, head
            second = Rfb(sock, b"RFB 003.003\n")
            second.until(lambda: second.shows(LINE), "the same line")
            sock = tls(host)
            status, head = upgrade(sock, console["uuid"], cookie)
            assert status == 101 and "\r\nSec-WebSocket-Protocol: binary\r\n" in head, head
            third = Rfb(websocket.Websocket(sock))
            third.until(lambda: third.shows(LINE), "the same line")
            third.type("dada")
            first.until(lambda: first.shows("dada"), "letters that another one typed")


def test_who_may_look():
    with Host(https=True, accounts=ACCOUNTS) as host:
        root = host.client(password="secret")
        for user, uid, role in (("olga", 1500, "vm-operator"), ("rita", 1501, "read-only")):
            subject = root.subject.create({"subject_identifier": f"u{uid}", "other_config": {"subject-name": user}})
            root.subject.add_to_roles(subject, root.role.get_by_name_label(role)[0])
        vm = machine(root)
        uuid = root.VM.get_uuid(vm)
        olga, rita = (host.client(user=user, password=f"{user}'s", connect=host.tls) for user in ("olga", "rita"))
        with echo_of(host, root, vm) as echo:
            for headers, expected in (({}, 401), ({"Cookie": "session_id=OpaqueRef:unknown"}, 401),
                                      (basic("root", "wrong"), 401), (basic("rita", "rita's"), 403),
                                      ({"Cookie": f"session_id={rita.session_ref}"}, 403)):
                for status, head in (connect(tls(host), uuid, headers), upgrade(tls(host), uuid, headers)):
                    assert status == expected, (headers, head)
            for headers in (basic("olga", "olga's"), {"Cookie": f"session_id={olga.session_ref}"}):
                sock = tls(host)
                assert connect(sock, uuid, headers)[0] == 200
                peer = echo.accept()
                sock.sendall(b"up")
                assert peer.recv(2) == b"up"
                peer.sendall(b"down")
                assert sock.recv(4) == b"down"
            # A browser sends cookies and passwords along for a page of anybody's; not what is in a query.
            cookie = {"Cookie": f"session_id={olga.session_ref}"}
            for origin, more, query, expected in (
                    ("https://evil.example", cookie, "", 403), ("null", cookie, "", 403),
                    ("https://evil.example", basic("olga", "olga's"), "", 403), ("https://localhost", cookie, "", 101),
                    ("https://xo.example", {}, f"&session_id={olga.session_ref}", 101)):
                status, head = upgrade(tls(host), uuid, {"Origin": origin, **more}, query)
                assert status == expected, (origin, head)
        control = root.VM.get_uuid(next(ref for ref, vm in root.VM.get_all_records().items() if vm["is_control_domain"]))
        status, head = connect(tls(host), control, {"Cookie": f"session_id={olga.session_ref}"})
        assert status == 403, head
        status, head = connect(tls(host), control, {"Cookie": f"session_id={root.session_ref}"})
        assert status == 501, head


def test_it_ends_with_what_it_hangs_on():
    """With the session, with the role, with the VM, with its screen, and with the client."""
    with Host(https=True, accounts=ACCOUNTS) as host:
        root = host.client(password="secret")
        subject = root.subject.create({"subject_identifier": "u1500", "other_config": {"subject-name": "olga"}})
        role = root.role.get_by_name_label("vm-operator")[0]
        vm = machine(root)
        uuid = root.VM.get_uuid(vm)

        def look(echo, headers, websockets=False):
            sock = tls(host)
            status, head = (upgrade if websockets else connect)(sock, uuid, headers)
            assert status == (101 if websockets else 200), head
            return sock, echo.accept()

        with echo_of(host, root, vm) as echo:
            for end in ("session", "role", "screen", "client", "password"):
                root.subject.add_to_roles(subject, role)
                olga = host.client(user="olga", password="olga's", connect=host.tls)
                headers = basic("olga", "olga's") if end == "password" else {"Cookie": f"session_id={olga.session_ref}"}
                pairs = [look(echo, headers, websockets) for websockets in (False, True)]
                if end == "session":
                    olga.session.logout()
                elif end == "role":
                    root.subject.remove_from_roles(subject, role)
                elif end == "password":
                    root.session.logout_subject_identifier("u1500")
                for sock, peer in pairs:
                    if end == "client":
                        sock.close()
                        assert ended(peer)
                    elif end == "screen":
                        peer.close()
                        assert ended(sock)
                    else:
                        assert ended(sock) and ended(peer), end
                if end != "role":
                    root.subject.remove_from_roles(subject, role)
            # Who came with a password has a session as long as his console, and no longer.
            root.subject.add_to_roles(subject, role)
            sock, peer = look(echo, basic("olga", "olga's"))
            assert root.session.get_all_subject_identifiers() == ["u1500"]
            sock.close()
            tap.wait_until(lambda: not root.session.get_all_subject_identifiers(), "end of the session")
            sock, peer = look(echo, {"Cookie": f"session_id={root.session_ref}"})
            root.VM.hard_shutdown(vm)
            assert ended(sock) and ended(peer)
        status, head = connect(tls(host), uuid, {"Cookie": f"session_id={root.session_ref}"})
        assert status == 409, head


def test_limits():
    """Of consoles of one VM, of idleness, of what waits for a client who reads nothing."""
    with Host() as host:
        x = host.client()
        vm = machine(x)
        uuid, pool = x.VM.get_uuid(vm), x.pool.get_all()[0]
        with echo_of(host, x, vm) as echo:
            many = []
            for _ in range(16):
                many.append(unix(host))
                assert connect(many[-1], uuid)[0] == 200
                echo.accept()
            assert connect(unix(host), uuid)[0] == 503
            many.pop().close()
            tap.wait_until(lambda: connect(unix(host), uuid)[0] == 200, "room for another one")
            echo.accept()
            x.pool.set_limit_console_sessions(pool, True)
            assert connect(unix(host), uuid)[0] == 503
            for sock in many:
                sock.close()

            def only_one():
                many.append(unix(host))
                return connect(many[-1], uuid)[0] == 200

            tap.wait_until(only_one, "room for the only one")
            echo.accept()
            assert connect(unix(host), uuid)[0] == 503
            x.pool.set_limit_console_sessions(pool, False)
            x.pool.set_vm_console_idle_timeout(pool, 1)
            assert ended(many[-1])
            x.pool.set_vm_console_idle_timeout(pool, 0)
            # Who reads nothing holds up his own console, and not what it takes of memory.
            sock = unix(host)
            assert connect(sock, uuid)[0] == 200
            peer, sent = echo.accept(), 0
            peer.settimeout(2)
            with contextlib.suppress(TimeoutError):
                while sent < 64 << 20:
                    sent += peer.send(bytes(1 << 16))
            assert sent < 8 << 20, sent
            assert x.VM.get_power_state(vm) == "Running"
            left = sent
            while left:
                left -= len(sock.recv(1 << 20))


def test_websockets():
    """What is cut into frames is a stream; pings are answered; what is wrong ends it, or is never begun."""
    with Host() as host:
        x = host.client()
        vm = machine(x)
        uuid = x.VM.get_uuid(vm)
        with echo_of(host, x, vm) as echo:
            def look(headers=()):
                sock = unix(host)
                status, head = upgrade(sock, uuid, headers)
                assert status == 101, head
                return websocket.Websocket(sock), echo.accept()

            client, peer = look()
            sent, got = os.urandom(300_000), b""
            for at in range(0, len(sent), 70_001):
                client.frame(websocket.BINARY, sent[at:at + 30_000], last=False)
                client.frame(websocket.PING, b"still there?")
                client.frame(websocket.CONTINUED, sent[at + 30_000:at + 70_001])
                while len(got) < min(at + 70_001, len(sent)):
                    got += peer.recv(65536)
            assert got == sent
            threading.Thread(target=peer.sendall, args=(sent,), daemon=True).start()
            got = b""
            while len(got) < len(sent):
                got += client.recv(65536)
            assert got == sent and client.pongs == [b"still there?"] * 5, client.pongs
            client.frame(websocket.CLOSE, struct.pack(">H", 1000))
            assert client.recv(1) == b"" and client.closed == 1000 and ended(peer)
            client, peer = look({"Sec-WebSocket-Protocol": None})
            peer.close()
            assert client.recv(1) == b"" and client.closed == 1000
            for frame in (b"\x82\x02ab",               # not masked
                          b"\xf2\x80abcd",             # bits that nobody has agreed on
                          b"\x83\x80abcd",             # of an unknown kind
                          b"\x80\x80abcd",             # goes on with nothing
                          b"\x89\xfe\x00\x7eabcd",     # a ping that is too long
                          b"\x09\x80abcd",             # a ping in pieces
                          b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffabcd",
                          b"\x81\x81\0\0\0\0a"):       # text
                client, peer = look()
                client.sock.sendall(frame)
                assert client.recv(1) == b"" and ended(peer), frame
            for headers in ({"Upgrade": None}, {"Connection": "close"}, {"Sec-WebSocket-Key": None},
                            {"Sec-WebSocket-Key": "short"}, {"Sec-WebSocket-Key": "=" * 24},
                            {"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Protocol": "base64"}):
                status, head = upgrade(unix(host), uuid, headers)
                assert status == 400 and "Sec-WebSocket-Version: 13" in head, (headers, head)


def test_what_is_not_there():
    with Host() as host:
        x = host.client()
        vm = machine(x)
        uuid = x.VM.get_uuid(vm)
        assert connect(unix(host), "no-such-uuid")[0] == 404
        status, head = answer(unix(host), b"CONNECT /console HTTP/1.0\r\n\r\n")
        assert status == 400, head
        status, head = connect(unix(host), uuid)  # there is no QEMU
        assert status == 503 and "the console cannot be opened" in head, head
        with echo_of(host, x, vm) as echo:
            host.kill("xapid-domains")
            tap.wait_until(lambda: connect(unix(host), uuid)[0] == 200, "xapid-domains again")
            echo.accept()
            for path in f"/console?uuid={x.console.get_uuid(x.VM.get_consoles(vm)[0])}", f"/console?ref={vm}":
                sock = unix(host)
                status, head = answer(sock, f"CONNECT {path} HTTP/1.0\r\n\r\nahead".encode())
                assert status == 200 and echo.accept().recv(5) == b"ahead", head
        pvh = x.VM.create(GUEST)
        x.VM.start(pvh, False, False)
        status, head = connect(unix(host), x.VM.get_uuid(pvh))  # there is no terminal device
        assert status == 503 and "the guest's text console" in head, head
        (host.sim / f"text-{x.VM.get_uuid(pvh)}").symlink_to("/dev/null")  # and this is none of a guest's
        assert connect(unix(host), x.VM.get_uuid(pvh))[0] == 503


def text_guest(x):
    """(its VM, the uuids of its consoles: screen and text)"""
    vm = x.VM.create(GUEST)
    x.VM.start(vm, False, False)
    found = [x.console.get_record(ref) for ref in x.VM.get_consoles(vm)]
    assert [console["protocol"] for console in found] == ["rfb", "vt100"], found
    return vm, [console["uuid"] for console in found]


def look(host, uuid):
    sock = unix(host)
    status, head = connect(sock, uuid)
    assert status == 200, head
    return sock


def look_again(host, uuid):
    """Once the terminal that was there has gone: who comes to it in its last moment sees it end."""
    def attempt():
        with contextlib.suppress(EOFError, ConnectionError):
            return Rfb(look(host, uuid))
        return None
    return tap.wait_until(attempt, "a screen")


def test_a_text_console_as_a_screen_and_as_text():
    with Host() as host:
        x = host.client()
        vm, (screen, text) = text_guest(x)
        with tty_of(host, x, vm) as guest:
            guest.write(b"a bad cab\r\nname: ")  # before anybody looks
            first, second = Rfb(look(host, screen)), Rfb(look(host, x.VM.get_uuid(vm)), b"RFB 003.003\n")
            for rfb in first, second:
                rfb.until(lambda: rfb.shows("a bad cab") and rfb.shows("name: "), "text of the guest")
            first.type("ada\n")
            assert guest.read(4) == b"ada\r"
            reader = look(host, text)
            reader.sendall(b"?")
            assert guest.read(1) == b"?"  # so its terminal has it
            guest.write(b"\r\n\x1b[31mfeed\x1b[0m\r\n\xe2\x94\x80\xe2\x94\x80")
            assert reader.recv(11, socket.MSG_WAITALL) == b"\r\n\x1b[31mfeed"
            second.until(lambda: second.shows("feed"), "coloured text")
            reader.sendall(b"\x03bye")
            assert guest.read(4) == b"\x03bye"
            second.key(0xff52)  # up
            assert guest.read(3) == b"\x1b[A"
            assert len(host.running("xapid-terminal")) == 1
            for looker in first.stream, second.stream, reader:
                looker.close()
            # What nobody looks at is left to whoever else reads the console; the screen is kept.
            tap.wait_until(lambda: guest.write(b"-") is None and guest.left() == b"-", "end of reading")
            guest.write(b"\r\nstill here")
            again = Rfb(look(host, screen))
            again.until(lambda: again.shows("a bad cab") and again.shows("still here"), "both texts")
            assert len(host.running("xapid-terminal")) == 1
            guest.end()
            assert ended(again.stream)
            tap.wait_until(lambda: not host.running("xapid-terminal"), "end of the terminal")
        with tty_of(host, x, vm) as guest:  # as after a reboot
            guest.write(b"a new begin")
            after = look_again(host, screen)
            after.until(lambda: after.shows("a new begin"), "text of the next domain")
            assert not after.shows("a bad cab")
            host.kill("xapid-domains")
            assert ended(after.stream)
            tap.wait_until(lambda: not host.running("xapid-terminal"), "end of the terminal")


def test_a_terminal_holds_nothing():
    """No uid of anybody's, no files, no network, no other descriptors; what a guest writes to it does no harm."""
    with Host() as host:
        x = host.client()
        vm, (screen, text) = text_guest(x)
        with tty_of(host, x, vm) as guest:
            rfb = Rfb(look(host, screen))
            pid, = host.running("xapid-terminal")
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            assert status["Uid"].split() == ["65534"] * 4 and status["NoNewPrivs"] == "1", status
            assert not os.listdir(f"/proc/{pid}/root"), "it sees files"
            assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
            if not sanitized(pid):
                assert status["Seccomp"] == "2", status
            chance = random.Random(os.environ.get("XAPID_SEED", "7"))
            parts = (b"\x1b[", b"\x1b]", b"\x1bP", b"\x9b", b"9999999999", b";", b"h", b"l", b"r", b"L", b"@", b"\x07", b"\xf4\x8f\xbf\xbf",
                     b"\x1b[?1049h", b"\x1b[6n", b"\xcc\x81" * 9)
            feeder = threading.Thread(target=lambda: [guest.write(
                chance.randbytes(600) + b"".join(chance.choices(parts, k=400))) for _ in range(60)])
            feeder.start()
            while feeder.is_alive():
                with contextlib.suppress(BlockingIOError):
                    os.set_blocking(guest.master, False)
                    os.read(guest.master, 4096)  # what its terminal answered
                os.set_blocking(guest.master, True)
                rfb.update(incremental=False)
            guest.write(b"\x18\x1b\\\x1bcan accede")
            rfb.until(lambda: rfb.shows("an accede"), "text after all that")
            assert host.running("xapid-terminal") == [pid]
            # Who takes nothing of his text is let go, and the others go on.
            slow = look(host, text)
            for _ in range(400):
                guest.write(b"x" * 4000)
                rfb.update(incremental=False)
            guest.write(b"\x1bcan end")
            rfb.until(lambda: rfb.shows("an end"), "text for others")
            assert ended(slow)
            os.kill(pid, signal.SIGKILL)
            assert ended(rfb.stream)
            guest.write(b"a bead")
            rfb = look_again(host, screen)
            rfb.until(lambda: rfb.shows("a bead"), "text by another terminal")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

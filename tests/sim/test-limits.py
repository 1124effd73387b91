#!/usr/bin/python3
"""The limits of xapid.conf, each made small: what happens at it, and that the rest goes on.

covers: session.login_with_password task.create event.from event.next"""
import concurrent.futures
import http.client
import ssl
import sys
import time
import xmlrpc.client
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import GUEST, Client, Failure, Host, UnixConnection, fails, free_port
from waiting import Loop, Waiting, events


def exists(x, session):
    try:
        return bool(x.session.get_uuid(session))
    except Failure as failure:
        assert failure.code == "HANDLE_INVALID", failure
        return False


def log_in(host, user="root", originator="test"):
    x = Client(host)
    x.session_ref = x.raw("session.login_with_password", user, "", "2.21", originator)
    return x


def test_sessions_of_a_user():
    with Host(limits="max_sessions_per_user=3") as host:
        first, second, third = (log_in(host, "ann", f"program {n}") for n in range(3))
        other = log_in(host, "ben")
        waiting = Waiting(host, first.session_ref)
        fourth = log_in(host, "ann", "program 4")
        assert waiting.end() == "SESSION_INVALID", waiting.code
        fails("SESSION_INVALID", first.VM.get_all)
        for x in (second, third, fourth, other):
            assert x.VM.get_all()


def test_sessions_of_an_originator():
    with Host(limits="max_sessions_per_originator=2") as host:
        first, second = log_in(host, "ann", "script"), log_in(host, "ben", "script")
        other, nameless = log_in(host, "ann", "console"), [log_in(host, "ann", "") for _ in range(3)]
        third = log_in(host, "cid", "script")
        fails("SESSION_INVALID", first.VM.get_all)
        for x in (second, third, other, *nameless):
            assert x.VM.get_all()


def test_idle_sessions():
    with Host(limits="session_idle_seconds=2") as host:
        idle, owner = log_in(host), log_in(host)
        task = owner.task.create("mine", "")
        waiting = Waiting(host, idle.session_ref)
        busy = log_in(host)
        while not waiting.code:  # used, it stays
            busy.VM.get_all()
            time.sleep(0.2)
        assert waiting.code == "SESSION_INVALID", waiting.code
        fails("SESSION_INVALID", idle.VM.get_all)
        # The owner of an open task has been idle for as long, and longer still:
        for _ in range(20):
            busy.VM.get_all()
            time.sleep(0.2)
        assert busy.session.get_tasks(owner.session_ref) == [task]
        busy.task.set_status(task, "success")
        end = time.monotonic() + 20
        while exists(busy, owner.session_ref):
            assert time.monotonic() < end, "the session does not end"
            time.sleep(0.2)
        fails("SESSION_INVALID", owner.VM.get_all)
        assert busy.task.get_status(task) == "success"


def test_a_restart_makes_nobody_idle():
    with Host() as host:
        x = host.client()
        before = x.session.get_last_active(x.session_ref)
        host.kill("xapid")
        host.wait_up()
        assert str(host.client().session.get_last_active(x.session_ref)) >= str(before)


def when_there_is_room(x):
    """A new task, as soon as there may be one."""
    end = time.monotonic() + 20
    while True:
        try:
            return x.task.create("one more", "")
        except Failure as failure:
            assert failure.code == "TOO_MANY_PENDING_TASKS" and time.monotonic() < end, failure
            time.sleep(0.1)


def test_tasks():
    with Host(limits="max_tasks=100") as host:
        x, loop = host.client(), Loop(host, pause=1.5)
        tasks = [x.task.create(f"task {n}", "") for n in range(100)]
        fails("TOO_MANY_PENDING_TASKS", x.task.create, "one more", "")
        fails("TOO_MANY_PENDING_TASKS", x.Async.VM.start, x.VM.get_all()[0], False, False)
        x.task.set_status(tasks[7], "success")
        x.task.set_status(tasks[3], "failure")
        fails("TOO_MANY_PENDING_TASKS", x.task.create, "too soon", "")
        for _ in range(2):
            tasks.append(when_there_is_room(x))
        left = set(x.task.get_all())
        assert left == set(tasks) - {tasks[3], tasks[7]}, len(left)
        for task, status in ((tasks[7], "success"), (tasks[3], "failure")):
            tap.wait_until(lambda: loop.told[task][-1][0] == "del", "the end of a task")
            assert loop.told[task][-2][1] == status, loop.told[task]


def test_waiting_calls():
    with Host(limits="max_parked_calls=16") as host:
        x = host.client()
        waiting = [Waiting(host, x.session_ref) for _ in range(20)]
        tap.wait_until(lambda: [w.code for w in waiting].count("TOO_BUSY") == 4, "refusal of four")
        assert x.VM.get_all() and events(x, [], "", 0.0), "what need not wait is refused"
        fails("TOO_BUSY", x.VM.start, x.VM.create(GUEST), False, False)
        host.client().session.logout()
        x.task.create("wakes them", "")
        codes = [w.end() for w in waiting]
        assert codes.count("answered") == 16, codes
        x.VM.start(x.VM.create(GUEST), False, False)


def refused(connection):
    """Whether the server says 503 as it is there, and ends it."""
    connection.connect()
    reply = b""
    while data := connection.sock.recv(4096):
        reply += data
    connection.close()
    return reply.startswith(b"HTTP/1.1 503 ") and b"Connection: close" in reply


def test_connections_in_all():
    port = free_port()
    with Host(f"http_port={port}", "max_connections=16\nreserved_connections=3", https=True) as host:
        x = host.client()
        others = [UnixConnection(host.socket, 20) if n % 2 else http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                  for n in range(15)]
        for connection in others:
            connection.connect()
        assert x.VM.get_all(), "who is there is served"
        assert refused(http.client.HTTPConnection("127.0.0.1", port, timeout=20))
        root = [host.client() for _ in range(3)]  # the reserve
        assert all(y.VM.get_all() for y in root), "root on the host is not served"
        assert refused(UnixConnection(host.socket, 20))
        try:
            host.tls(20).connect()  # before TLS there is no way to say 503
            raise AssertionError("one connection too many")
        except (ssl.SSLError, ConnectionError):
            pass
        for y in root:
            y._connection.close()
        others.pop().close()
        tap.wait_until(lambda: is_alive(host.tls(20)), "room for one more")
        assert x.VM.get_all()


def test_descriptors():
    """A system that allows few: they do not end before the connections do, and root has his."""
    port = free_port()
    host = Host(f"http_port={port}")
    host.under = ["prlimit", "--nofile=1000:1000"]
    with host:
        assert "of which the system allows 1000" in host.log.read_text()
        others = []
        while len(others) < 1000:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            others.append(connection)
            if not is_alive(connection):
                break
        print(f"# {len(others)} connections with 1,000 descriptors", flush=True)
        assert 16 < len(others) < 1000 - 256, len(others)
        root = [host.client() for _ in range(64)]
        assert all(y.VM.get_all() for y in root), "root on the host is not served"
        vm = root[0].VM.create(GUEST)
        root[0].VM.start(vm, False, False)
        assert root[0].VM.get_power_state(vm) == "Running"


def test_bodies_in_all():
    port = free_port()
    with Host(f"http_port={port}", "max_bodies_total=1M") as host:
        x = host.client()
        held = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(2)]
        ask = xmlrpc.client.dumps((x.session_ref, ["task"], events(x, [], "", 0.0)["token"], 60.0), "event.from")
        for connection, kib in zip(held, (700, 324)):  # each waits for an event, and its request is kept
            connection.request("POST", "/", ask.ljust(kib << 10))
        tap.wait_until(lambda: not is_alive(http.client.HTTPConnection("127.0.0.1", port, timeout=20)), "refusal")
        assert x.VM.get_all() and host.client().VM.get_all(), "root on the host is not served"
        for connection in held:
            connection.close()
        tap.wait_until(lambda: is_alive(http.client.HTTPConnection("127.0.0.1", port, timeout=20)), "room for a body")


def is_alive(connection):
    """Whether the server listens to this connection."""
    try:
        reply, body = Client(None, connect=lambda: connection).post(
            xmlrpc.client.dumps(("yes",), "system.isAlive"))
        return reply.status == 200 and b"yes" in body
    except (ssl.SSLError, ConnectionError):
        return False


def test_connections_that_ask_nothing_more():
    with Host(limits="keep_alive_seconds=1") as host:
        idle, busy = host.client(), host.client()
        waiting = Waiting(host, busy.session_ref)
        opened, end = busy._connection.sock, time.monotonic() + 4
        idle._connection.sock.settimeout(20)
        while time.monotonic() < end:
            assert busy.VM.get_all()
            time.sleep(0.3)
        assert idle._connection.sock.recv(1) == b"", "it stays"
        assert busy._connection.sock is opened, "a connection in use was closed"
        assert waiting.is_alive(), waiting.code
        busy.task.create("wakes it", "")
        assert waiting.end() == "answered", waiting.code


def test_deletions_that_are_remembered():
    with Host() as host:
        x, deleting = host.client(), [host.client() for _ in range(16)]

        def forget(y):
            for _ in range(270):
                y.task.destroy(y.task.create("", ""))

        x.event.register(["task"])
        first = x.task.create("told", "")
        assert [e["ref"] for e in x.event.next()] == [first]
        with concurrent.futures.ThreadPoolExecutor(len(deleting)) as pool:
            for done in [pool.submit(forget, y) for y in deleting]:  # 4,320 of them; 4,096 are known
                done.result()
        fails("EVENTS_LOST", x.event.next)
        second = x.task.create("told again", "")
        assert [e["ref"] for e in x.event.next()] == [second]


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

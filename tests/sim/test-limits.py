#!/usr/bin/python3
"""The limits of xapid.conf, each made small: what happens at it, and that the rest goes on.

covers: session.login_with_password task.create event.from"""
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import GUEST, Client, Failure, Host, fails
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


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

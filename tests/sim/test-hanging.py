#!/usr/bin/python3
"""Workers of xapid-domains that stand still, as they do when libxl or xenstored hangs: soon it is logged, and clients
see it in the host's other_config, until they go on or others do their work.

covers: host.get_other_config"""
import os
import signal
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
from host import GUEST, Host

BOUND = 60  # seconds, of a machine that others use, too


def workers(host):
    """pids, in the order of their start: those that run operations, and the one that answers questions."""
    domains = host.child("xapid-domains")
    children = Path(f"/proc/{domains}/task/{domains}/children").read_text().split()
    return [int(pid) for pid in children if b"--worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


def send(number, pids):
    for pid in pids:
        os.kill(pid, number)


def hangs(x):
    """What clients see."""
    return x.host.get_other_config(x.host.get_all()[0]).get("hypervisor_hangs", "")


def until_told(x, what, word=""):
    began = time.monotonic()
    tap.wait_until(lambda: hangs(x) and word in hangs(x), what, BOUND)
    print(f"# {what}: {time.monotonic() - began:.1f} s", flush=True)


def until_over(x):
    tap.wait_until(lambda: not hangs(x), "end of what hung", BOUND)


def test_nothing_is_asked():
    """As when xenstored hangs on a host where nobody does anything."""
    with Host() as host:
        x = host.client()
        stopped = workers(host)
        send(signal.SIGSTOP, stopped)
        until_told(x, "sign of an idle worker that hangs")
        assert "a worker has been silent for" in host.log.read_text()
        host.kill("xapid")  # the next one is told, too
        host.wait_up()
        x = host.client()
        assert hangs(x) and x.VM.get_all()
        send(signal.SIGCONT, stopped)
        until_over(x)
        assert "a worker goes on" in host.log.read_text()


def test_an_operation_hangs():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        uuid = x.VM.get_uuid(vm)
        *operating, answers = workers(host)
        send(signal.SIGSTOP, operating)
        task = x.Async.VM.start(vm, False, False)
        until_told(x, "sign of a start that hangs", uuid)
        assert x.task.get_status(task) == "pending" and answers not in operating
        send(signal.SIGCONT, operating)
        until_over(x)
        assert x.wait_task(task, BOUND)["status"] == "success"
        x.VM.hard_shutdown(vm)
        assert not settled.check(host)


def test_another_worker_takes_its_place():
    with Host() as host:
        x = host.client()
        stopped = workers(host)
        send(signal.SIGSTOP, stopped)
        until_told(x, "sign of an idle worker that hangs")
        send(signal.SIGKILL, stopped)
        until_over(x)
        assert not set(workers(host)) & set(stopped)


tap.run(test_nothing_is_asked, test_an_operation_hangs, test_another_worker_takes_its_place)

#!/usr/bin/python3
"""Debian's python3-os-xenapi: the XenAPI module that scripts vendor, over TLS and the local socket."""
import ssl
import sys
import xmlrpc.client
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "sim"), str(HERE.parent / "unit")]
import tap
from accounts import Accounts
from host import GUEST, Host
from os_xenapi.client import XenAPI

ssl._create_default_https_context = ssl._create_unverified_context  # the host's own certificate


class LocalTransport(XenAPI.UDSTransport):
    """Debian's copy has not followed a change of send_request () in Python 3; the original will do."""

    send_request = xmlrpc.client.Transport.send_request
    accept_gzip_encoding = False


def refused(code, function, *args):
    try:
        function(*args)
    except XenAPI.Failure as failure:
        assert failure.details[0] == code, failure.details
        return failure.details
    raise AssertionError(f"succeeded instead of {code}")


def cached(x):
    """Everything, as a client that keeps a copy of the pool asks for it, and the token to go on from."""
    batch = x.event_from(["*"], "", 0.0)
    cache = {}
    for event in batch["events"]:
        assert event["operation"] == "add" and (event["class"], event["ref"]) not in cache, event
        cache[event["class"], event["ref"]] = event["snapshot"]
    for name, count in batch["valid_ref_counts"].items():
        assert sum(cls == name for cls, _ in cache) in (0, int(count)), name  # sessions and their like tell nothing
    return cache, batch["token"]


def follow(x, cache, token):
    batch = x.event_from(["*"], token, 0.0)
    for event in batch["events"]:
        if event["operation"] == "del":
            cache.pop((event["class"], event["ref"]), None)
        else:
            cache[event["class"], event["ref"]] = event["snapshot"]
    return batch["token"]


def life_in_a_cache(session):
    """start paused, reboots and the hard forms; the cache says what the calls say."""
    x = session.xenapi
    cache, token = cached(x)
    assert {"host", "pool", "vm", "host_metrics"} <= {cls for cls, _ in cache}
    vm = x.VM.create(GUEST)
    x.VM.start(vm, True, False)
    token = follow(x, cache, token)
    assert cache["vm", vm]["power_state"] == x.VM.get_power_state(vm) == "Paused"
    x.VM.unpause(vm)
    domid = x.VM.get_domid(vm)
    for verb in (x.VM.clean_reboot, x.VM.hard_reboot):
        verb(vm)
        token = follow(x, cache, token)
        assert cache["vm", vm]["power_state"] == "Running" and cache["vm", vm]["domid"] not in (domid, "-1")
        domid = cache["vm", vm]["domid"]
    x.VM.hard_shutdown(vm)
    token = follow(x, cache, token)
    assert cache["vm", vm]["power_state"] == "Halted"
    x.VM.start_on(vm, x.host.get_all()[0], False, False)
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)
    follow(x, cache, token)
    assert ("vm", vm) not in cache


def life(session):
    x = session.xenapi
    assert [int(session.API_version.split(".")[0])] == [2], session.API_version
    pool = x.pool.get_all()[0]
    assert x.pool.get_master(pool) in x.host.get_all()
    vm = x.VM.create(GUEST)
    assert x.VM.get_by_name_label("guest") == [vm]
    assert x.VM.get_by_name_label("nobody") == []
    token = x.event_from(["VM"], "", 0.0)["token"]
    task = x.Async.VM.start(vm, False, False)
    tap.wait_until(lambda: x.task.get_status(task) != "pending", "end of the task")
    assert x.task.get_status(task) == "success", x.task.get_error_info(task)
    x.task.destroy(task)
    events = x.event_from(["VM"], token, 5.0)["events"]
    assert any(e["ref"] == vm and e["snapshot"]["power_state"] == "Running" for e in events), events
    record = x.VM.get_record(vm)
    assert record["memory_static_max"] == str(128 << 20)
    assert refused("VM_BAD_POWER_STATE", x.VM.start, vm, False, False)[1:] == [vm, "halted", "running"]
    x.VM.pause(vm)
    x.VM.unpause(vm)
    x.VM.clean_shutdown(vm)
    assert x.VM.get_power_state(vm) == "Halted"
    x.VM.destroy(vm)
    refused("HANDLE_INVALID", x.VM.get_record, vm)
    refused("UUID_INVALID", x.VM.get_by_uuid, "nonsense")
    refused("MESSAGE_PARAMETER_COUNT_MISMATCH", x.VM.start, vm)
    session.xenapi.session.logout()


def test_over_tls():
    with Host(https=True, accounts=Accounts({"root": (0, "secret")})) as host:
        session = XenAPI.Session(f"https://127.0.0.1:{host.https_port}")
        refused("SESSION_AUTHENTICATION_FAILED", session.login_with_password, "root", "wrong")
        session.login_with_password("root", "secret", "2.21", "test")
        life_in_a_cache(session)
        life(session)


def test_over_the_local_socket():
    with Host() as host:
        transport = LocalTransport()
        session = XenAPI.Session("http://" + host.socket.replace("/", "_"), transport)
        session.login_with_password("", "")
        life(session)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""What changed, told to clients that wait: event.from, and the older register and next."""
import sys
import threading
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from host import GUEST, Host, fails


def events_from(x, classes, token, seconds=5.0):
    batch = x.call("event.from", classes, token, seconds)
    return [(e["class"], e["operation"], e["ref"]) for e in batch["events"]], batch["token"]


@covers("event.from", "event.inject")
def test_from():
    with Host() as host:
        x = host.client()
        first, _ = events_from(x, ["*"], "")
        assert len(first) == len(set(first)) and {operation for _, operation, _ in first} == {"add"}
        vm = x.VM.create(GUEST)
        mine, token = [f"VM/{vm}"], events_from(x, ["*"], "")[1]
        assert events_from(x, mine, token, 0.1)[0] == [], "events from before the token"
        x.VM.set_name_label(vm, "renamed")
        for classes in (mine, ["VM"], ["vm"], ["vM", "no_such_class"], ["*"]):
            seen, later = events_from(x, classes, token)
            assert ("vm", "mod", vm) in seen, (classes, seen)
        assert events_from(x, ["no_such_class"], token, 0.1)[0] == []
        assert events_from(x, mine, later, 0.1)[0] == [], "the same event twice"
        x.VM.destroy(vm)
        assert events_from(x, mine, later)[0] == [("vm", "del", vm)]
        fails("EVENT_FROM_TOKEN_PARSE_FAILURE", x.call, "event.from", ["*"], "a token", 0.0)
        fails("EVENT_SUBSCRIPTION_PARSE_FAILURE", x.call, "event.from", ["vm/"], "", 0.0)

        task = x.task.create("to be looked at", "")
        token = x.event.inject("task", task)
        assert events_from(x, ["task"], token)[0] == [("task", "mod", task)]
        fails("HANDLE_INVALID", x.event.inject, "task", vm)
        fails("HANDLE_INVALID", x.event.inject, "no_such_class", task)


def test_counts_are_exact():
    with Host() as host:
        x = host.client()
        tasks = [x.task.create(f"{i}", "") for i in range(3)]
        vm = x.VM.create(GUEST)
        counts = x.call("event.from", ["task"], "", 0.0)["valid_ref_counts"]
        assert (counts["task"], counts["vm"], counts["host"]) == (3, len(x.VM.get_all()), 1), counts
        x.task.destroy(tasks[0])
        x.VM.destroy(vm)
        counts = x.call("event.from", ["task"], "", 0.0)["valid_ref_counts"]
        assert (counts["task"], counts["vm"]) == (2, len(x.VM.get_all())), counts


def test_a_waiting_call_hears_at_once():
    with Host() as host:
        x, waiting = host.client(), host.client()
        x.network.create({"name_label": "there", "other_config": {}})  # of a class in which nothing happens by itself
        token = x.call("event.from", ["network"], "", 0.0)["token"]
        heard = []
        thread = threading.Thread(
            target=lambda: heard.extend(events_from(waiting, ["network"], token, 30.0)[0]))
        thread.start()
        network = x.network.create({"name_label": "new", "other_config": {}})
        thread.join(10)
        assert heard == [("network", "add", network)], heard


@covers("event.register", "event.unregister", "event.next", "event.get_current_id")
def test_register_and_next():
    with Host() as host:
        x = host.client()
        fails("SESSION_NOT_REGISTERED", x.event.next)
        fails("EVENT_SUBSCRIPTION_PARSE_FAILURE", x.event.register, ["vm/"])
        fails("SESSION_INVALID", x.raw, "event.unregister", "OpaqueRef:none", ["vm"])
        fails("SESSION_INVALID", x.raw, "event.get_current_id", "OpaqueRef:none")
        # What is told of the host and of dom0 at the start comes before.
        control = x.host.get_control_domain(x.host.get_all()[0])
        tap.wait_until(lambda: int(x.VM.get_memory_target(control)), "facts")
        before = int(x.event.get_current_id())
        x.event.register(["vm", "task"])
        vm = x.VM.create(GUEST)
        assert int(x.event.get_current_id()) > before
        assert [(e["class"], e["operation"], e["ref"]) for e in x.event.next()] == [("vm", "add", vm)]
        x.event.unregister(["vm"])
        x.VM.destroy(vm)
        task = x.task.create("after", "")
        assert [(e["class"], e["ref"]) for e in x.event.next()] == [("task", task)]


@covers("message.get_all", "message.get_all_records", "message.get_all_records_where",
        "message.get_since", "message.get")
def test_there_are_no_messages():
    with Host() as host:
        x = host.client()
        assert x.message.get_all() == [] and x.message.get_all_records() == {}
        assert x.message.get_all_records_where('field "name" = "ALARM"') == {}
        fails("INVALID_VALUE", x.message.get_all_records_where, "field name")
        here = x.host.get_uuid(x.host.get_all()[0])
        since = "20260101T00:00:00Z"
        assert x.message.get_since(since) == {} and x.message.get("Host", here, since) == {}
        fails("INVALID_VALUE", x.message.get_since, "yesterday")
        fails("INVALID_VALUE", x.message.get, "Planet", here, since)
        for method in ("message.get_all", "message.get_all_records"):
            fails("SESSION_INVALID", x.raw, method, "OpaqueRef:none")
        assert not [e for e in events_from(x, ["message"], "", 0.0)[0]]


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

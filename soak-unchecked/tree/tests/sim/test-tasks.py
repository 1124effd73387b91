#!/usr/bin/python3
"""Tasks that clients make for themselves, and cancelling."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from host import GUEST, Host, fails
from waiting import Loop

NONE = "OpaqueRef:none"


@covers("task.create", "task.destroy", "task.set_status", "task.set_progress", "task.set_result",
        "task.set_error_info")
def test_a_free_task():
    with Host() as host:
        x = host.client()
        task = x.task.create("upload", "of an image")
        record = x.task.get_record(task)
        assert (record["name_label"], record["status"], record["progress"]) == ("upload", "pending", 0.0)
        assert record["resident_on"] == x.host.get_all()[0]
        fails("SESSION_INVALID", x.raw, "task.create", NONE, "upload", "")
        x.task.set_progress(task, 0.5)
        assert x.task.get_progress(task) == 0.5
        for progress in (1.5, -0.1, float("nan")):
            fails("INVALID_VALUE", x.task.set_progress, task, progress)
        x.task.set_result(task, "<value>42</value>")
        x.task.set_error_info(task, ["SR_FULL", "1", "2"])
        record = x.task.get_record(task)
        assert record["result"] == "<value>42</value>" and record["error_info"] == ["SR_FULL", "1", "2"]
        fails("HANDLE_INVALID", x.task.set_result, NONE, "")
        fails("HANDLE_INVALID", x.task.set_error_info, NONE, [])
        x.task.set_status(task, "failure")
        record = x.task.get_record(task)
        assert record["status"] == "failure" and record["allowed_operations"] == []
        assert str(record["finished"]) > "2020", record["finished"]
        fails("INVALID_VALUE", x.task.set_status, task, "pending")  # it ends once
        assert x.task.get_status(task) == "failure"
        x.task.destroy(task)
        fails("HANDLE_INVALID", x.task.get_record, task)
        fails("HANDLE_INVALID", x.task.destroy, task)


@covers("task.set_other_config", "task.add_to_other_config", "task.remove_from_other_config")
def test_marks_on_a_task():
    with Host() as host:
        x = host.client()
        task = x.task.create("mine", "")
        x.task.set_other_config(task, {"a": "1"})
        x.task.add_to_other_config(task, "XenCenterUUID", "17")
        assert x.task.get_other_config(task) == {"a": "1", "XenCenterUUID": "17"}
        fails("MAP_DUPLICATE_KEY", x.task.add_to_other_config, task, "a", "2")
        x.task.remove_from_other_config(task, "a")
        assert x.task.get_other_config(task) == {"XenCenterUUID": "17"}
        fails("HANDLE_INVALID", x.task.set_other_config, NONE, {})
        fails("HANDLE_INVALID", x.task.remove_from_other_config, NONE, "a")


def test_the_task_of_an_operation_is_told_by_it():
    with Host(sim_conf="[host]\ncreate_ms=1000\n") as host:
        x = host.client()
        task = x.Async.VM.start(x.VM.create(GUEST), False, False)
        for name, value in (("status", "success"), ("progress", 1.0), ("result", "x"), ("error_info", [])):
            fails("OPERATION_NOT_ALLOWED", x.call, f"task.set_{name}", task, value)
        assert x.wait_task(task)["status"] == "success"


def test_progress_is_seen():
    with Host(sim_conf="[host]\ncreate_ms=1000\ndestroy_ms=1000\n") as host:
        x, loop = host.client(), Loop(host)
        vm = x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        for operation in ("hard_reboot", "suspend"):  # a step that must not be done twice, and one of 1 s after it
            task = x.call(f"Async.VM.{operation}", vm)
            assert x.wait_task(task)["status"] == "success"
            tap.wait_until(lambda: loop.told[task][-1][1] == "success", f"the end of {operation}")
            progress = [seen for _, status, seen in loop.told[task] if status == "pending"]
            assert progress == sorted(progress) and any(0 < seen < 0.9 for seen in progress), (operation, progress)
            assert loop.told[task][-1] == ("mod", "success", 1.0), loop.told[task]


@covers("task.cancel")
def test_cancelling():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        host.guest(f"refuse-shutdown {x.VM.get_uuid(vm)}")
        task = x.Async.VM.clean_shutdown(vm)
        tap.wait_until(lambda: x.task.get_allowed_operations(task) == ["cancel"], "cancel")
        x.task.cancel(task)
        record = x.wait_task(task, 5)
        assert record["status"] == "cancelled", record
        assert record["error_info"] == ["TASK_CANCELLED", task], record["error_info"]
        assert x.VM.get_power_state(vm) == "Running"
        fails("OPERATION_NOT_ALLOWED", x.task.cancel, task)
        fails("HANDLE_INVALID", x.task.cancel, NONE)
        free = x.task.create("free", "")
        x.task.cancel(free)
        x.task.cancel(free)
        assert x.task.get_status(free) == "cancelling"


def test_results_and_failures_of_asynchronous_calls():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        tap.wait_until(lambda: x.VM.get_possible_hosts(vm), "the host's free memory is known")
        task = x.Async.VM.get_possible_hosts(vm)
        record = x.wait_task(task)
        here = x.host.get_all()[0]
        assert record["result"] == f"<value><array><data><value>{here}</value></data></array></value>", record
        assert record["progress"] == 1.0 and record["status"] == "success"
        failure = fails("Fault", x.call, "Async.VM.get_all")
        assert failure.params == ["No async mode for this operation (rpc: Async.VM.get_all)"], failure.params


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""What becomes of guests and operations when our programs, guests or other toolstacks end things."""
import os
import signal
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import settled
import tap
import world
from host import GUEST, Host, fails

FAST = ("--backoff-max", "20")


def running(x, **fields):
    vm = x.VM.create({**GUEST, **fields})
    x.VM.start(vm, False, False)
    return vm, x.VM.get_uuid(vm), x.VM.get_domid(vm)


def becomes(x, vm, state, not_domid=None, seconds=10):
    def there():
        record = x.VM.get_record(vm)
        return record["power_state"] == state and record["domid"] != not_domid \
            and not record["current_operations"]
    tap.wait_until(there, f"{state} of {vm}", seconds)


def test_the_supervisor_is_killed():
    with Host() as host:
        x = host.client()
        vm, uuid, domid = running(x)
        host.process.kill()
        host.process.wait()
        host.start()
        x = host.client()
        assert (x.VM.get_power_state(vm), x.VM.get_domid(vm)) == ("Running", domid)
        x.VM.clean_shutdown(vm)
        assert not settled.check(host)


def test_actions_after_the_end_of_a_guest():
    with Host() as host:
        x = host.client()
        for word, field, action, state in (
                ("halt", "actions_after_shutdown", "destroy", "Halted"),
                ("halt", "actions_after_shutdown", "restart", "Running"),
                ("reboot", "actions_after_reboot", "destroy", "Halted"),
                ("reboot", "actions_after_reboot", "restart", "Running"),
                ("crash", "actions_after_crash", "destroy", "Halted"),
                ("crash", "actions_after_crash", "coredump_and_destroy", "Halted"),
                ("crash", "actions_after_crash", "coredump_and_restart", "Running"),
                ("crash", "actions_after_crash", "rename_restart", "Running")):
            vm, uuid, domid = running(x, **{field: action})
            host.guest(f"{word} {uuid}")
            becomes(x, vm, state, domid)
        vm, uuid, domid = running(x, actions_after_crash="preserve")
        host.guest(f"crash {uuid}")
        time.sleep(0.3)
        assert (x.VM.get_power_state(vm), x.VM.get_domid(vm)) == ("Running", domid)
        assert [d["state"] for d in world.domains(host.sim) if d["uuid"] == uuid] == ["shutdown"]
        x.VM.hard_shutdown(vm)
        assert len(list((host.sim / "cores").iterdir())) == 2
        assert not settled.check(host)


def test_a_guest_ends_while_nobody_looks():
    with Host(launch_options=FAST) as host:
        x = host.client()
        halts, crashes = running(x), running(x)
        os.kill(host.child("xapid"), signal.SIGSTOP)
        host.guest(f"halt {halts[1]}")
        host.guest(f"crash {crashes[1]}")
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        becomes(x, halts[0], "Halted")
        becomes(x, crashes[0], "Running", crashes[2])
        assert not settled.check(host)


def test_a_crashing_guest_is_slowed_down():
    with Host() as host:
        x = host.client()
        vm, uuid, domid = running(x)
        for number in range(3):
            before = time.monotonic()
            host.guest(f"crash {uuid}")
            if number < 2:
                becomes(x, vm, "Running", domid, 4)
                domid = x.VM.get_domid(vm)
        time.sleep(max(0, before + 4 - time.monotonic()))
        assert x.VM.get_domid(vm) == domid, "the third restart in a row does not wait"
        becomes(x, vm, "Running", domid)
        domid = x.VM.get_domid(vm)
        host.guest(f"crash {uuid}")  # the next one waits longer, and holds nobody up
        time.sleep(0.3)
        assert x.VM.get_domid(vm) == domid
        host.kill("xapid")  # nor does a new daemon begin to count anew
        host.wait_up()
        x = host.client()
        time.sleep(2)
        assert x.VM.get_domid(vm) == domid
        x.VM.hard_shutdown(vm)
        x.VM.start(vm, False, False)
        domid = x.VM.get_domid(vm)
        host.guest(f"crash {uuid}")  # forgotten: the user ended it
        becomes(x, vm, "Running", domid, 4)
        assert not settled.check(host)


def test_another_toolstack_ends_a_domain():
    with Host() as host:
        x = host.client()
        vm, uuid, _ = running(x)
        host.guest(f"xl-destroy {uuid}")
        becomes(x, vm, "Halted")
        assert x.VM.get_resident_on(vm) == "OpaqueRef:NULL" and x.VM.get_consoles(vm) == []
        x.VM.start(vm, False, False)
        assert not settled.check(host)


def test_an_operation_outlives_the_daemon():
    with Host(launch_options=FAST) as host:
        x = host.client()
        vm, uuid, domid = running(x)
        host.guest(f"refuse-shutdown {uuid}")
        task = x.Async.VM.clean_shutdown(vm)
        tap.wait_until(lambda: x.VM.get_current_operations(vm), "current_operations")
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        assert x.VM.get_current_operations(vm) == {task: "clean_shutdown"}
        assert x.task.get_allowed_operations(task) == ["cancel"]
        assert "hard_shutdown" in x.VM.get_allowed_operations(vm)
        fails("OTHER_OPERATION_IN_PROGRESS", x.VM.pause, vm)
        x.task.cancel(task)
        assert x.wait_task(task)["status"] == "cancelled"
        assert (x.VM.get_power_state(vm), x.VM.get_domid(vm)) == ("Running", domid)
        assert x.VM.get_current_operations(vm) == {}
        # The same, ended by a hard one; then by a guest that obeys at last.
        task = x.Async.VM.clean_shutdown(vm)
        tap.wait_until(lambda: x.VM.get_current_operations(vm), "current_operations")
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        x.VM.hard_shutdown(vm)
        assert x.wait_task(task)["status"] == "cancelled"
        x.VM.start(vm, False, False)
        host.guest(f"refuse-shutdown {uuid}")
        task = x.Async.VM.clean_reboot(vm)
        tap.wait_until(lambda: x.VM.get_current_operations(vm), "current_operations")
        domid = x.VM.get_domid(vm)
        host.kill("xapid-domains")
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        host.guest(f"reboot {uuid}")
        assert x.wait_task(task)["status"] == "success"
        assert x.VM.get_domid(vm) != domid and x.VM.get_power_state(vm) == "Running"
        assert not settled.check(host)


def test_metrics_follow():
    with Host(launch_options=FAST) as host:
        x = host.client()

        def memory_free():
            metrics = x.host.get_metrics(x.host.get_all()[0])
            return int(x.host_metrics.get_record(metrics)["memory_free"])
        free = tap.wait_until(memory_free, "memory_free")
        before = time.time()
        vm, uuid, _ = running(x, VCPUs_max="2", VCPUs_at_startup="2")

        def facts():
            record = x.VM_metrics.get_record(x.VM.get_metrics(vm))
            return (record["state"], int(record["VCPUs_number"]), int(record["memory_actual"]),
                    record["current_domain_type"])
        live = (["running"], 2, 128 << 20, "pvh")
        assert facts() == live, facts()
        start = str(x.VM_metrics.get_start_time(x.VM.get_metrics(vm)))
        assert abs(time.mktime(time.strptime(start, "%Y%m%dT%H:%M:%SZ")) - time.timezone - before) < 5
        tap.wait_until(lambda: memory_free() == free - (128 << 20),
                       "memory_free less")
        host.kill("xapid")  # what is not kept on disk is read again
        host.wait_up()
        x = host.client()
        tap.wait_until(lambda: facts() == live, "facts after a restart")
        assert str(x.VM_metrics.get_start_time(x.VM.get_metrics(vm))) == start
        x.VM.pause(vm)
        assert facts()[0] == ["paused"]
        x.VM.hard_shutdown(vm)
        assert facts() == ([], 0, 0, "unspecified"), facts()
        tap.wait_until(lambda: memory_free() == free,
                       "memory_free back")


def test_the_control_domain():
    """It has what the hypervisor gave it; its kernel sees less."""
    with Host(sim_conf=f"[host]\nmemory={4 << 30}\ndom0_memory={512 << 20}\ncpus=3\n",
              launch_options=FAST) as host:
        x = host.client()
        dom0 = x.host.get_control_domain(x.host.get_all()[0])

        def facts():
            record = x.VM.get_record(dom0)
            metrics = x.VM_metrics.get_record(record["metrics"])
            return ({record[field] for field in ("memory_static_max", "memory_dynamic_min",
                                                 "memory_dynamic_max", "memory_target")},
                    record["VCPUs_max"], record["VCPUs_at_startup"], metrics["memory_actual"],
                    metrics["VCPUs_number"], metrics["state"], metrics["current_domain_type"])
        memory = str(512 << 20)
        expected = ({memory}, "3", "3", memory, "3", ["running"], "pv")
        tap.wait_until(lambda: facts() == expected, "facts of dom0")

        def cpus():
            return sorted((cpu["number"], bool(cpu["modelname"])) for cpu in x.host_cpu.get_all_records().values())
        every = [(str(number), True) for number in range(3)]
        tap.wait_until(lambda: cpus() == every, "CPUs")
        boot_time = x.host.get_other_config(x.host.get_all()[0])["boot_time"]
        started = str(x.VM_metrics.get_start_time(x.VM.get_metrics(dom0)))
        assert time.mktime(time.strptime(started, "%Y%m%dT%H:%M:%SZ")) - time.timezone == float(boot_time)
        (host.sim / "host.conf").write_text(f"[host]\nmemory={4 << 30}\ndom0_memory={512 << 20}\ncpus=2\n")
        host.kill("xapid")
        host.wait_up()
        x = host.client()
        tap.wait_until(lambda: cpus() == every[:2], "CPUs")


def slow_to_start(host, first, name="xapid-host"):
    """Puts a program before it that does `first` and then becomes it."""
    program = host.bindir / name
    program.rename(host.bindir / "real")
    program.write_text(f"#!/bin/sh\n{first}\nexec '{host.bindir}/real' \"$@\"\n")
    program.chmod(0o755)


def facts_are_there(x):
    record = next(iter(x.host.get_all_records().values()))
    return record["cpu_info"].get("modelname") and record["other_config"].get("boot_time") \
        and record["host_CPUs"]


def test_facts_of_the_machine_come_late():
    for first in ("sleep 1", "[ -e '{0}' ] || { >'{0}'; kill -9 $$; }"):
        host = Host(launch_options=FAST)
        slow_to_start(host, first.replace("{0}", str(host.dir / "was-killed")))
        with host:
            x = host.client()
            assert x.auth.get_subject_identifier("root") == "u0"  # a question waits
            tap.wait_until(lambda: facts_are_there(x), "facts")


def test_memory_that_is_not_known_yet_refuses_nothing():
    host = Host(launch_options=FAST)
    told = host.dir / "told"
    slow_to_start(host, f"until [ -e '{told}' ]; do sleep 0.1; done", "xapid-domains")
    with host:
        x = host.client()
        here = x.host.get_all()[0]
        assert x.host_metrics.get_record(x.host.get_metrics(here))["memory_total"] == "0"
        vm = x.VM.create(GUEST)
        x.VM.assert_can_boot_here(vm, here)
        assert x.VM.get_possible_hosts(vm) == [here]
        told.touch()
        x.VM.start(vm, False, False)
        x.VM.hard_shutdown(vm)
        x.VM.set_memory_limits(vm, "0", str(1 << 40), str(1 << 40), str(1 << 40))
        fails("HOST_NOT_ENOUGH_FREE_MEMORY", x.VM.assert_can_boot_here, vm, here)


def test_facts_are_asked_for_again():
    with Host(launch_options=FAST) as host:
        x = host.client()
        tap.wait_until(lambda: facts_are_there(x), "facts")
        this = x.host.get_all()[0]
        x.host.remove_from_other_config(this, "boot_time")
        host.kill("xapid-host")
        tap.wait_until(lambda: facts_are_there(x), "facts")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

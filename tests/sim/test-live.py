#!/usr/bin/python3
"""What can be done with a VM while it runs, on a simulated host: VCPUs, memory, scheduling, events,
suspending and resuming."""
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
import world
from covers import covers
from host import GUEST, Host, fails

MIB = 1 << 20


def running(x, **fields):
    vm = x.VM.create({**GUEST, **fields})
    x.VM.start(vm, False, False)
    return vm


def domain(host, x, vm):
    """The VM's domain as the hypervisor has it, or None."""
    uuid = x.VM.get_uuid(vm)
    found = [d for d in world.domains(host.sim) if d["uuid"] == uuid and d["state"] != "dying"]
    return found[0] if found else None


@covers("VM.set_VCPUs_number_live", "VM.add_to_VCPUs_params_live")
def test_vcpus():
    with Host() as host:
        x = host.client()
        vm = running(x, VCPUs_max="4", VCPUs_at_startup="2", VCPUs_params={"weight": "300", "cap": "50"})
        assert domain(host, x, vm)["weight"] == 300 and domain(host, x, vm)["cap"] == 50
        x.VM.set_VCPUs_number_live(vm, "3")
        assert domain(host, x, vm)["vcpus"] == 3
        assert x.VM.get_VCPUs_at_startup(vm) == "3"
        tap.wait_until(lambda: x.VM_metrics.get_VCPUs_number(x.VM.get_metrics(vm)) == "3", "VCPUs_number")
        fails("INVALID_VALUE", x.VM.set_VCPUs_number_live, vm, "5")
        fails("INVALID_VALUE", x.VM.set_VCPUs_number_live, vm, "0")
        x.VM.add_to_VCPUs_params_live(vm, "weight", "77")
        assert domain(host, x, vm)["weight"] == 77
        assert x.VM.get_VCPUs_params(vm) == {"weight": "77", "cap": "50"}
        x.VM.add_to_VCPUs_params_live(vm, "mask", "0, 2")
        for key, value in (("weight", "0"), ("weight", "x"), ("cap", "-1"), ("mask", ""), ("mask", "0-3"),
                           ("color", "red")):
            fails("INVALID_VALUE", x.VM.add_to_VCPUs_params_live, vm, key, value)
        assert x.VM.get_VCPUs_params(vm)["weight"] == "77"
        x.VM.hard_shutdown(vm)
        fails("VM_BAD_POWER_STATE", x.VM.set_VCPUs_number_live, vm, "2")
        fails("VM_BAD_POWER_STATE", x.VM.add_to_VCPUs_params_live, vm, "weight", "1")
        x.VM.set_VCPUs_params(vm, {"weight": "heavy"})
        fails("INVALID_VALUE", x.VM.start, vm, False, False)
        x.VM.set_VCPUs_params(vm, {"color": "red"})
        x.VM.start(vm, False, False)
        machine = running(x, domain_type="hvm", PV_kernel="", PV_args="", VCPUs_max="4", VCPUs_at_startup="2")
        x.VM.set_VCPUs_number_live(machine, "3")
        fails("OPERATION_NOT_ALLOWED", x.VM.set_VCPUs_number_live, machine, "2")
        assert domain(host, x, machine)["vcpus"] == 3 and x.VM.get_VCPUs_at_startup(machine) == "3"


@covers("VM.set_memory_dynamic_range", "VM.set_memory_target_live", "VM.wait_memory_target_live")
def test_memory():
    with Host() as host:
        x = host.client()
        vm = running(x, memory_static_max=str(512 * MIB), memory_dynamic_max=str(256 * MIB),
                     memory_dynamic_min=str(128 * MIB))
        assert domain(host, x, vm)["memory"] == 256 * MIB
        x.VM.set_memory_dynamic_range(vm, str(128 * MIB), str(512 * MIB))
        assert domain(host, x, vm)["memory"] == 512 * MIB
        assert x.VM.get_memory_target(vm) == str(512 * MIB)
        assert x.VM.get_memory_dynamic_max(vm) == str(512 * MIB)
        x.VM.wait_memory_target_live(vm)
        x.VM.set_memory_target_live(vm, str(192 * MIB))
        assert domain(host, x, vm)["memory"] == 192 * MIB
        tap.wait_until(lambda: x.VM_metrics.get_memory_actual(x.VM.get_metrics(vm)) == str(192 * MIB),
                       "memory_actual")
        fails("MEMORY_CONSTRAINT_VIOLATION", x.VM.set_memory_dynamic_range, vm, "0", str(1024 * MIB))
        fails("MEMORY_CONSTRAINT_VIOLATION", x.VM.set_memory_target_live, vm, str(1024 * MIB))
        fails("VM_BAD_POWER_STATE", x.VM.set_memory_limits, vm, "0", str(512 * MIB), "0", str(512 * MIB))
        assert x.VM.get_memory_dynamic_max(vm) == str(192 * MIB)
        x.VM.hard_shutdown(vm)
        x.VM.set_memory_dynamic_range(vm, str(128 * MIB), str(512 * MIB))
        assert x.VM.get_memory_dynamic_max(vm) == str(512 * MIB)
        fails("VM_BAD_POWER_STATE", x.VM.set_memory_target_live, vm, str(128 * MIB))
        fails("VM_BAD_POWER_STATE", x.VM.wait_memory_target_live, vm)


def test_memory_that_the_host_lacks():
    with Host(sim_conf=f"[host]\nmemory={1024 * MIB}\ndom0_memory={512 * MIB}\n") as host:
        x = host.client()
        vm = running(x, memory_static_max=str(600 * MIB), memory_dynamic_max=str(256 * MIB),
                     memory_dynamic_min=str(128 * MIB))
        fails("HOST_NOT_ENOUGH_FREE_MEMORY", x.VM.set_memory_dynamic_range, vm, "0", str(600 * MIB))
        assert x.VM.get_memory_dynamic_max(vm) == str(256 * MIB)
        assert domain(host, x, vm)["memory"] == 256 * MIB


@covers("VM.compute_memory_overhead", "VM.maximise_memory", "VM.get_boot_record", "host.compute_memory_overhead")
def test_what_a_guest_costs():
    each, own = 3 * MIB + 4096, 20 * MIB
    conf = f"[host]\nmemory={1024 * MIB}\ndom0_memory={512 * MIB}\noverhead={own}\nvcpu_overhead={each}\n"
    with Host(sim_conf=conf) as host:
        x = host.client()
        here, = x.host.get_all()
        vm = x.VM.create({**GUEST, "VCPUs_max": "4", "VCPUs_at_startup": "1"})
        overhead = int(x.VM.compute_memory_overhead(vm))
        assert overhead == 4 * each and int(x.host.compute_memory_overhead(here)) == own

        # It is what a start reserves: of so much one fits, of one MiB more none.
        free = int(x.host.compute_free_memory(here))
        most = int(x.VM.maximise_memory(vm, str(free), False))
        assert most % MIB == 0 and most + overhead <= free < most + MIB + overhead, (most, overhead, free)
        assert 0 < int(x.VM.maximise_memory(vm, str(free), True)) < most, "for 64 VCPUs"
        x.VM.set_memory_limits(vm, "0", str(most + MIB), str(most + MIB), str(most + MIB))
        fails("HOST_NOT_ENOUGH_FREE_MEMORY", x.VM.start, vm, False, False)
        x.VM.set_memory_limits(vm, "0", str(most), str(most), str(most))
        x.VM.start(vm, False, False)
        assert int(x.host.compute_free_memory(here)) == free - most - overhead
        assert int(x.host.compute_memory_overhead(here)) == own + overhead
        assert int(x.VM.compute_memory_overhead(vm)) == overhead, "of one that runs, too"
        booted = x.VM.get_boot_record(vm)
        assert booted == x.VM.get_record(vm) and booted["memory_static_max"] == str(most)

        assert x.VM.maximise_memory(vm, str(4 * each), False) == "0", "no guest is that small"
        assert x.VM.maximise_memory(vm, str(4 * each + 4 * MIB), False) == str(4 * MIB)
        for total in ("0", "-1"):
            fails("INVALID_VALUE", x.VM.maximise_memory, vm, total, False)
        control, = (ref for ref, record in x.VM.get_all_records().items() if record["is_control_domain"])
        fails("OPERATION_NOT_ALLOWED", x.VM.compute_memory_overhead, control)
        fails("HANDLE_INVALID", x.VM.get_boot_record, here)
        fails("HANDLE_INVALID", x.host.compute_memory_overhead, vm)


@covers("VM.send_sysrq", "VM.send_trigger")
def test_events_for_the_guest():
    with Host() as host:
        x = host.client()
        vm = running(x)
        x.VM.send_sysrq(vm, "h")
        assert domain(host, x, vm)["sysrq"] == "h"
        x.VM.send_trigger(vm, "nmi")
        assert domain(host, x, vm)["signal"] == 2
        fails("INVALID_VALUE", x.VM.send_sysrq, vm, "hh")
        fails("INVALID_VALUE", x.VM.send_trigger, vm, "$(reboot)")
        domid = x.VM.get_domid(vm)
        x.VM.send_trigger(vm, "reset")
        tap.wait_until(lambda: x.VM.get_domid(vm) != domid and x.VM.get_power_state(vm) == "Running",
                       "restart after a reset")
        x.VM.pause(vm)
        fails("VM_BAD_POWER_STATE", x.VM.send_sysrq, vm, "h")
        fails("VM_BAD_POWER_STATE", x.VM.send_trigger, vm, "nmi")


@covers("VM.suspend", "VM.resume", "VM.resume_on")
def test_suspend_and_resume():
    with Host() as host:
        x = host.client()
        vm = running(x)
        uuid, first = x.VM.get_uuid(vm), int(x.VM.get_domid(vm))
        assert "suspend" in x.VM.get_allowed_operations(vm)
        fails("VM_BAD_POWER_STATE", x.VM.resume, vm, False, False)
        x.VM.suspend(vm)
        record = x.VM.get_record(vm)
        assert record["power_state"] == "Suspended" and record["domid"] == "-1", record
        assert record["resident_on"] == "OpaqueRef:NULL" and record["consoles"] == []
        assert {"resume", "resume_on", "hard_shutdown"} <= set(record["allowed_operations"])
        assert "start" not in record["allowed_operations"]
        assert domain(host, x, vm) is None and (host.sim / "images" / uuid).exists()
        fails("VM_BAD_POWER_STATE", x.VM.suspend, vm)
        fails("VM_BAD_POWER_STATE", x.VM.destroy, vm)
        fails("VM_BAD_POWER_STATE", x.VM.start, vm, False, False)
        x.VM.resume(vm, True, False)
        assert x.VM.get_power_state(vm) == "Paused"
        assert not (host.sim / "images" / uuid).exists(), "the image outlives its guest's return"
        x.VM.unpause(vm)
        assert domain(host, x, vm)["domid"] > first
        x.VM.suspend(vm)
        x.VM.resume_on(vm, x.host.get_all()[0], False, False)
        assert x.VM.get_power_state(vm) == "Running"
        fails("VM_BAD_POWER_STATE", x.VM.resume_on, vm, x.host.get_all()[0], False, False)
        x.VM.suspend(vm)
        x.VM.hard_shutdown(vm)
        assert x.VM.get_power_state(vm) == "Halted" and not list((host.sim / "images").iterdir())
        x.VM.start(vm, False, False)
        assert not host.violations()


def test_suspend_that_fails_leaves_the_guest_running():
    with Host(sim_conf="[host]\nsave_ms=3000\n") as host:
        x = host.client()
        vm = running(x)
        uuid = x.VM.get_uuid(vm)
        host.guest(f"refuse-shutdown {uuid}")
        fails("VM_FAILED_SUSPEND_ACKNOWLEDGMENT", x.VM.suspend, vm)
        assert x.VM.get_power_state(vm) == "Running"
        host.guest(f"obey-shutdown {uuid}")
        task = x.Async.VM.suspend(vm)
        tap.wait_until(lambda: domain(host, x, vm)["state"] == "shutdown", "suspend under way")
        x.task.cancel(task)
        assert x.wait_task(task)["status"] == "cancelled"
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Running", "the guest going on")
        assert domain(host, x, vm)["state"] == "running"
        assert not list((host.sim / "images").iterdir())


def test_suspended_over_restarts_and_kills():
    with Host(sim_conf="[host]\nsave_ms=500\ncreate_ms=500\n") as host:
        x = host.client()
        vm = running(x)
        for name in ("xapid", "xapid-domains"):
            for verb in ("suspend", "resume"):
                args = (vm,) if verb == "suspend" else (vm, False, False)
                task = getattr(x.Async.VM, verb)(*args)
                time.sleep(0.2)
                host.kill(name)
                tap.wait_until(lambda: host.client(), "the daemon") if name == "xapid" else None
                x = host.client()
                record = x.wait_task(task)
                state = x.VM.get_power_state(vm)
                expected = {"suspend": "Suspended", "resume": "Running"}[verb]
                other = {"suspend": "Running", "resume": "Suspended"}[verb]
                assert state == (expected if record["status"] == "success" else other), (verb, state, record)
                there = domain(host, x, vm)
                assert (there is not None and there["state"] == "running") == (state == "Running"), there
                if state != expected:
                    getattr(x.VM, verb)(*args)
        assert not host.violations()


def test_a_core_of_a_crashed_guest():
    with Host() as host:
        x = host.client()
        for action, state in (("coredump_and_restart", "Running"), ("coredump_and_destroy", "Halted")):
            vm = running(x, actions_after_crash=action)
            uuid, domid = x.VM.get_uuid(vm), x.VM.get_domid(vm)
            host.guest(f"crash {uuid}")
            tap.wait_until(lambda: x.VM.get_domid(vm) != domid and x.VM.get_power_state(vm) == state, state)
            assert (host.sim / "cores" / uuid).exists()


def test_a_hard_shutdown_ends_what_is_slow():
    with Host(sim_conf="[host]\nsave_ms=20000\n") as host:
        x = host.client()
        vm = running(x, actions_after_crash="coredump_and_restart")
        begun = time.monotonic()
        task = x.Async.VM.suspend(vm)
        tap.wait_until(lambda: domain(host, x, vm)["state"] == "shutdown", "suspend under way")
        assert "hard_shutdown" in x.VM.get_allowed_operations(vm)
        x.VM.hard_shutdown(vm)
        assert x.VM.get_power_state(vm) == "Halted" and x.wait_task(task)["status"] == "cancelled"
        assert domain(host, x, vm) is None and not list((host.sim / "images").iterdir())
        x.VM.start(vm, False, False)
        host.guest(f"crash {x.VM.get_uuid(vm)}")
        tap.wait_until(lambda: "hard_reboot" in x.VM.get_current_operations(vm).values(), "a core being written")
        fails("OTHER_OPERATION_IN_PROGRESS", x.VM.hard_reboot, vm)
        x.VM.hard_shutdown(vm)
        assert x.VM.get_power_state(vm) == "Halted" and domain(host, x, vm) is None
        assert time.monotonic() - begun < 20, "somebody waited for the image or the core"


@covers("VM.power_state_reset")
def test_power_state_reset():
    with Host() as host:
        x = host.client()
        vm = running(x)
        fails("VM_BAD_POWER_STATE", x.VM.power_state_reset, vm)
        assert domain(host, x, vm)
        x.VM.suspend(vm)
        x.VM.power_state_reset(vm)
        assert x.VM.get_power_state(vm) == "Halted" and not list((host.sim / "images").iterdir())
        x.VM.power_state_reset(vm)
        assert x.VM.get_power_state(vm) == "Halted"


def test_a_lost_image_is_not_resumed():
    with Host() as host:
        x = host.client()
        vm = running(x)
        x.VM.suspend(vm)
        (host.sim / "images" / x.VM.get_uuid(vm)).write_bytes(b"cut short")
        fails("SUSPEND_IMAGE_NOT_ACCESSIBLE", x.VM.resume, vm, False, False)
        assert x.VM.get_power_state(vm) == "Suspended" and domain(host, x, vm) is None
        (host.sim / "images" / x.VM.get_uuid(vm)).unlink()
        fails("SUSPEND_IMAGE_NOT_ACCESSIBLE", x.VM.resume, vm, False, False)
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Halted", "the end of a VM without an image")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

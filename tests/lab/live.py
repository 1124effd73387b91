#!/usr/bin/python3
"""Scenarios of test-live.sh: live.py SCENARIO NAME ADDRESS PASSWORD."""
import time

from api import KILL_WORKERS, UP, WAIT, client, console, dom0, domids, guest, run_scenario, ticks, until, xl_row
from host import fails

MIB = 1 << 20


def started(name, x, kind, **fields):
    vm = x.VM.create({**guest(f"lab-{kind}", kind), **fields})
    x.VM.start(vm, False, False)
    uuid = x.VM.get_uuid(vm)
    until(lambda: ticks(name, uuid), "ticks of the guest", UP)
    return vm, uuid


def end(x, vm):
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)


RESOURCES = {"VCPUs_max": "2", "memory_static_max": str(256 * MIB), "VCPUs_params": {"weight": "300"}}


def change_shares_and_memory(name, x, vm, low=128, high=160):
    """Of a guest that runs, which began with RESOURCES; low and high in MiB."""
    domid = x.VM.get_domid(vm)
    shares = lambda: dom0(name, f"xl sched-credit2 -d {domid}").split()[-2:]
    assert shares() == ["300", "0"], shares()
    x.VM.add_to_VCPUs_params_live(vm, "weight", "77")
    x.VM.add_to_VCPUs_params_live(vm, "cap", "90")
    assert shares() == ["77", "90"], shares()
    x.VM.add_to_VCPUs_params_live(vm, "cap", "0")
    assert shares() == ["77", "0"], shares()
    x.VM.add_to_VCPUs_params_live(vm, "mask", "0")
    fails("INVALID_VALUE", x.VM.add_to_VCPUs_params_live, vm, "mask", "1")  # the host has CPU 0 alone
    assert x.VM.get_VCPUs_params(vm)["mask"] == "0"
    for target in low, high:
        x.VM.set_memory_dynamic_range(vm, str(low * MIB), str(target * MIB))
        x.VM.wait_memory_target_live(vm)
        assert abs(xl_row(name, domid)[0] - target) <= 4, xl_row(name, domid)
    until(lambda: abs(int(x.VM_metrics.get_memory_actual(x.VM.get_metrics(vm))) - high * MIB) <= 4 * MIB,
          "memory_actual")


def two_vcpus(name, x, vm):
    """Both run, as Xen has it."""
    online = lambda: [row.split()[3] for row in dom0(name, f"xl vcpu-list {x.VM.get_domid(vm)}").splitlines()[1:]]
    until(lambda: len(online()) == 2 and "-" not in online(), "second VCPU")


def add_vcpu(name, x, vm):
    x.VM.set_VCPUs_number_live(vm, "2")
    two_vcpus(name, x, vm)
    assert x.VM.get_VCPUs_at_startup(vm) == "2"


def resources(kind, name, address, password):
    x = client(address, password)
    vm = x.VM.create({**guest("lab-nowhere", kind), "VCPUs_params": {"mask": "1"}})
    assert fails("INVALID_VALUE", x.VM.start, vm, False, False).params[0] == "cpus"
    x.VM.destroy(vm)
    vm, _ = started(name, x, kind, **RESOURCES, memory_dynamic_min=str(128 * MIB), memory_dynamic_max=str(160 * MIB))
    add_vcpu(name, x, vm)
    change_shares_and_memory(name, x, vm)
    end(x, vm)


def race(name, address, password):
    """Of two guests that take all there is, whoever comes first is started: as much as is told to be most fits once."""
    x = client(address, password)
    here, = x.host.get_all()
    vms = [x.VM.create(guest(f"lab-race-{number}", kind)) for number, kind in enumerate(("pv", "pvh"))]
    free = int(x.host.compute_free_memory(here))
    overheads = [int(x.VM.compute_memory_overhead(vm)) for vm in vms]
    print(f"# {free // MIB} MiB are free; beyond its memory needs a PV guest {overheads[0] >> 10} KiB, a PVH guest "
          f"{overheads[1] >> 10} KiB, and the host {int(x.host.compute_memory_overhead(here)) >> 10} KiB")
    for vm in vms:
        most = int(x.VM.maximise_memory(vm, str(free), False))
        assert 0 < int(x.VM.maximise_memory(vm, str(free), True)) <= most < free
        x.VM.set_memory(vm, str(most + MIB))
        fails("HOST_NOT_ENOUGH_FREE_MEMORY", x.VM.start, vm, True, False)
        x.VM.set_memory(vm, str(most))
    ends = [x.wait_task(task, WAIT) for task in [x.Async.VM.start(vm, True, False) for vm in vms]]
    assert sorted(end["status"] for end in ends) == ["failure", "success"], ends
    assert [end["error_info"][0] for end in ends if end["error_info"]] == ["HOST_NOT_ENOUGH_FREE_MEMORY"], ends
    winner = vms[[end["status"] for end in ends].index("success")]
    assert x.VM.get_power_state(winner) == "Paused" and x.VM.get_uuid(winner) in domids(name)
    x.VM.hard_shutdown(winner)
    for vm in vms:
        x.VM.destroy(vm)


def signals(kind, name, address, password):
    x = client(address, password)
    vm, uuid = started(name, x, kind, PV_args="console=hvc0 sysrq_always_enabled")
    x.VM.send_sysrq(vm, "h")
    until(lambda: "sysrq: HELP" in console(name, uuid), "the guest's answer to SysRq")
    x.VM.send_trigger(vm, "nmi")
    until(lambda: "NMI" in console(name, uuid), "the guest's word of an NMI")
    count = len(ticks(name, uuid))
    until(lambda: len(ticks(name, uuid)) > count, "further ticks")
    end(x, vm)


def continues(name, uuid, suspends):
    """The guest goes on counting where it was, in one boot.  What was in its console's ring at each of its
    suspends may be lost to the log."""
    count = len(ticks(name, uuid))
    until(lambda: len(ticks(name, uuid)) > count, "further ticks")
    numbers = [number for number, _ in ticks(name, uuid)]
    steps = [b - a for a, b in zip(numbers, numbers[1:]) if b - a != 1]
    assert all(1 < step <= 10 for step in steps) and len(steps) <= suspends, f"it counts in steps of {steps}"
    assert console(name, uuid).count("LAB-GUEST-UP") == 1, "it booted again"


def suspend(kind, name, address, password):
    x = client(address, password)
    vm, uuid = started(name, x, kind)
    image = f"/var/lib/xapid-domains/images/{uuid}"
    for paused in (False, True):
        began = time.monotonic()
        x.VM.suspend(vm)
        print(f"# {kind}: suspended in {time.monotonic() - began:.1f} s")
        assert x.VM.get_power_state(vm) == "Suspended" and uuid not in domids(name)
        size = int(dom0(name, f"stat -c %s {image}"))
        assert size > 64 * MIB and dom0(name, f"stat -c %a {image}").strip() == "600"
        began = time.monotonic()
        x.VM.resume(vm, paused, False)
        print(f"# {kind}: resumed in {time.monotonic() - began:.1f} s")
        assert domids(name)[uuid] == int(x.VM.get_domid(vm))
        if paused:
            assert x.VM.get_power_state(vm) == "Paused"
            x.VM.unpause(vm)
        assert not dom0(name, "ls /var/lib/xapid-domains/images").split(), "the image is still there"
        continues(name, uuid, 1 + paused)
    x.VM.clean_reboot(vm)
    until(lambda: console(name, uuid).count("LAB-GUEST-UP") == 2, "second boot")
    fails("VM_BAD_POWER_STATE", x.VM.power_state_reset, vm)
    x.VM.suspend(vm)
    end(x, vm)
    assert not dom0(name, "ls /var/lib/xapid-domains/images").split(), "the image outlives its VM"


def core(kind, name, address, password):
    """A guest that crashes leaves a core and is started again."""
    x = client(address, password)
    vm, uuid = started(name, x, kind, PV_args="console=hvc0 sysrq_always_enabled",
                       actions_after_crash="coredump_and_restart")
    began, domid = time.monotonic(), x.VM.get_domid(vm)
    x.VM.send_sysrq(vm, "c")
    until(lambda: x.VM.get_domid(vm) not in (domid, "-1") and x.VM.get_power_state(vm) == "Running",
          "restart after a crash", 900)  # an emulated machine takes minutes to write its memory page by page
    assert int(dom0(name, f"stat -c %s /var/lib/xapid-domains/cores/{uuid}")) > 64 * MIB
    assert dom0(name, f"head -c 4 /var/lib/xapid-domains/cores/{uuid} | tail -c 3") == "ELF"
    print(f"# it is started again {time.monotonic() - began:.0f} s after its crash")
    end(x, vm)


def kills(name, address, password):
    """Workers are killed somewhere in a suspend or a resume: the guest is there once, whatever comes."""
    x = client(address, password)
    vm, uuid = started(name, x, "pvh")
    outcomes, suspends = [], 0
    for verb, delay in (("suspend", "0.1"), ("suspend", "0.6"), ("resume", "0.1"), ("resume", "0.5"),
                        ("suspend", "1.2"), ("resume", "0.9")):
        state = x.VM.get_power_state(vm)
        wanted = "Running" if verb == "suspend" else "Suspended"
        if state != wanted:
            x.VM.resume(vm, False, False) if wanted == "Running" else x.VM.suspend(vm)
        args = (vm,) if verb == "suspend" else (vm, False, False)
        task = getattr(x.Async.VM, verb)(*args)
        suspends += 2  # one at most before the operation, and one in it
        assert dom0(name, f"sleep {delay}; {KILL_WORKERS}") == "killed\n"
        record = x.wait_task(task, WAIT)
        outcomes.append(f"{verb} {record['status'] if not record['error_info'] else record['error_info'][0]}")
        until(lambda: x.VM.get_power_state(vm) in ("Running", "Suspended"), "end of the operation")
        state = x.VM.get_power_state(vm)
        until(lambda: (uuid in domids(name)) == (state == "Running"), f"what {state} means in xl list")
        if state == "Running":
            continues(name, uuid, suspends)
    print(f"# a worker killed in a suspend or resume: {', '.join(outcomes)}")
    end(x, vm)


for scenario in (resources, signals, suspend, core):
    for its_kind in ("pv", "pvh"):
        globals()[f"{scenario.__name__}_{its_kind}"] = (
            lambda *args, scenario=scenario, kind=its_kind: scenario(kind, *args))
if __name__ == "__main__":
    run_scenario(globals())

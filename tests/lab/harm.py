#!/usr/bin/python3
"""Scenarios of test-harm.sh: harm.py SCENARIO NAME ADDRESS PASSWORD.  What xapid stands on hangs or dies (SIGSTOP
and SIGKILL): reads go on, and soon after its return what is recorded is what Xen has; how soon is printed."""
import time
from statistics import median

from api import client, console, dom0, domids, guest, run_scenario, ticks, until
from storage import whole_machine


def signal(name, number, pids):
    dom0(name, f"kill -{number} {' '.join(pids)}")


def pids_of(name, pattern):
    return dom0(name, f"pgrep -f '{pattern}' || true").split()


def model(name, domid):
    """The device model of a domain."""
    return pids_of(name, f"^[^ ]*qemu-system.*-xen-domid {domid} ")


def timed(condition, what):
    began = time.monotonic()
    until(condition, what)
    print(f"# {what}: {time.monotonic() - began:.1f} s")


def reads(x, vm, state, seconds):
    """The API answers at once, for so long."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert x.VM.get_power_state(vm) == state
        took.append(time.monotonic() - began)
        time.sleep(0.1)
    print(f"# {len(took)} reads: median {median(took) * 1000:.0f} ms, {max(took) * 1000:.0f} ms at most")
    assert median(took) < seconds / 30, took


def agree(name, x, vms):
    """Each record has what Xen has of it."""
    found = domids(name)
    return all(found.get(x.VM.get_uuid(vm), -1) == int(x.VM.get_domid(vm)) and
               (x.VM.get_power_state(vm) != "Halted") == (x.VM.get_uuid(vm) in found) for vm in vms)


def hangs(x):
    """What the host tells of that does."""
    return x.host.get_other_config(x.host.get_all()[0]).get("hypervisor_hangs", "")


def ticking(name, uuid):
    """The guest goes on."""
    before = len(ticks(name, uuid))
    until(lambda: len(ticks(name, uuid)) > before, "tick")


def device_model(name, address, password):
    """A guest whose QEMU has died stands still: it is one that crashed, and what its record wants then happens."""
    x = client(address, password)
    vm = whole_machine(x, "a machine", actions_after_crash="restart")
    x.VM.start(vm, False, False)
    domid = x.VM.get_domid(vm)
    qemu = model(name, domid)
    assert len(qemu) == 1, qemu
    signal(name, "KILL", qemu)
    timed(lambda: x.VM.get_domid(vm) not in (domid, "-1") and x.VM.get_power_state(vm) == "Running",
          "it is started again")
    again = x.VM.get_domid(vm)
    assert domids(name)[x.VM.get_uuid(vm)] == int(again) and model(name, again) and not model(name, domid)
    x.VM.set_actions_after_crash(vm, "destroy")
    # While nobody watches, too.
    watcher = pids_of(name, "^/proc/self/exe --events")
    signal(name, "STOP", watcher)
    signal(name, "KILL", model(name, again))
    time.sleep(1)
    signal(name, "KILL", watcher)
    timed(lambda: x.VM.get_power_state(vm) == "Halted", "it is ended")
    assert x.VM.get_uuid(vm) not in domids(name)
    # Ended by us or by xl, nothing is said to have crashed.
    dom0(name, "cp /var/log/xapid.log /root/before")
    x.VM.start(vm, False, False)
    x.VM.hard_shutdown(vm)
    x.VM.start(vm, False, False)
    dom0(name, f"xl destroy {x.VM.get_domid(vm)}")
    timed(lambda: x.VM.get_power_state(vm) == "Halted", "its end by xl is seen")
    time.sleep(3)
    log = dom0(name, "tail -c +$(($(stat -c %s /root/before) + 1)) /var/log/xapid.log")
    assert "device model" not in log, log
    x.VM.destroy(vm)


def xenstored_hangs(name, address, password):
    """Operations wait for it or fail; none does half of its work."""
    x, y = client(address, password), client(address, password)
    stays, ends, starts = (x.VM.create(guest(f"lab-{word}", "pvh")) for word in ("stays", "ends", "starts"))
    for vm in stays, ends:
        x.VM.start(vm, False, False)
    uuid = x.VM.get_uuid(stays)
    until(lambda: ticks(name, uuid), "ticks")
    daemon = pids_of(name, "^[^ ]*xenstored")
    signal(name, "STOP", daemon)
    try:
        timed(lambda: hangs(x), "a xenstored that hangs is told of")
        tasks = [y.Async.VM.start(starts, False, False), y.Async.VM.hard_shutdown(ends)]
        reads(x, stays, "Running", 15)
    finally:
        signal(name, "CONT", daemon)
    timed(lambda: all(x.task.get_status(task) in ("success", "failure") for task in tasks), "its operations end")
    timed(lambda: not hangs(x), "nothing is told of any more")
    timed(lambda: agree(name, x, (stays, ends, starts)), "records and Xen agree")
    print("#", *(x.task.get_status(task) for task in tasks))
    ticking(name, uuid)
    for vm in stays, ends, starts:
        if x.VM.get_power_state(vm) != "Halted":
            x.VM.hard_shutdown(vm)
        x.VM.destroy(vm)


def a_call_hangs(name, address, password):
    """A worker stands still in the middle of a start: it is ended when the task is cancelled, and what it built is
    removed; others work meanwhile."""
    x = client(address, password)
    vm, other = (x.VM.create(guest(f"lab-{word}", "pvh")) for word in ("hangs", "other"))
    workers = pids_of(name, "^/proc/self/exe --worker")
    task = x.Async.VM.start(vm, False, False)
    # The worker that has the kernel open, once there is a domain.
    dom0(name, f"""i=0; until xenstore-exists /vm/{x.VM.get_uuid(vm)}; do i=$((i + 1)); [ $i -lt 2000 ]; done
        for pid in {' '.join(workers)}; do ls -l /proc/$pid/fd | grep -q /guest/vmlinux && kill -STOP $pid && exit; done; false""")
    timed(lambda: x.VM.get_uuid(vm) in hangs(x), "a call that hangs is told of")
    x.VM.start(other, False, False)
    x.VM.hard_shutdown(other)
    assert x.task.get_status(task) == "pending"
    x.task.cancel(task)
    timed(lambda: x.task.get_status(task) == "cancelled", "the cancelled start ends")
    timed(lambda: not hangs(x), "nothing is told of any more")
    timed(lambda: agree(name, x, (vm,)) and x.VM.get_power_state(vm) == "Halted", "nothing is left of it")
    x.VM.start(vm, False, False)
    until(lambda: "LAB-GUEST-UP" in console(name, x.VM.get_uuid(vm)), "line from the guest")
    x.VM.hard_shutdown(vm)
    for left in vm, other:
        x.VM.destroy(left)


def xenstored_dies(name, address, password):
    """Nothing can be started any more, and it is said; reads and guests go on.  Nobody survives it in dom0, so this
    is the host's last scenario."""
    x, y = client(address, password), client(address, password)
    stays, starts = (x.VM.create(guest(f"lab-{word}", "pvh")) for word in ("stays", "starts"))
    x.VM.start(stays, False, False)
    uuid = x.VM.get_uuid(stays)
    until(lambda: ticks(name, uuid), "ticks")
    signal(name, "KILL", pids_of(name, "^[^ ]*xenstored"))
    task = y.Async.VM.start(starts, False, False)
    reads(x, stays, "Running", 15)
    x.VM.set_name_description(stays, "written")
    ticking(name, uuid)
    print("# a start then:", x.task.get_status(task), *x.task.get_error_info(task))
    assert x.task.get_status(task) != "success"


run_scenario(globals())

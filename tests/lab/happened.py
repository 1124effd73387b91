"""What dom0's kernel did, by its own trace: of everybody, while something ran."""
import re

from api import dom0

# Where it is, and which of its events are what is counted.
TRACING = "/sys/kernel/tracing"
EVENTS = {"processes and threads": ["sched/sched_process_fork"], "programs": ["sched/sched_process_exec"],
          "syncs": [f"syscalls/sys_enter_{call}" for call in ("fsync", "fdatasync", "syncfs", "sync")]}


def traced(name, act):
    """The trace of all EVENTS in dom0 from before `act` until after it."""
    every = [event for events in EVENTS.values() for event in events]
    switch = "".join(f"echo $on >{TRACING}/events/{event}/enable; " for event in every)
    dom0(name, f"mountpoint -q {TRACING} || mount -t tracefs tracefs {TRACING}; echo >{TRACING}/trace; on=1; {switch}")
    act()
    return dom0(name, f"on=0; {switch}cat {TRACING}/trace")


def happened(name, act):
    """How often each of EVENTS happened while `act` ran."""
    trace = traced(name, act)
    # A line of a system call has its name without "sys_enter", one of another event the event's own.
    return {what: sum(trace.count(f" {event.split('/')[1].replace('sys_enter_', 'sys_')}{'(' if 'sys_enter' in event else ':'}")
                      for event in events) for what, events in EVENTS.items()}


def programs(name, act):
    """The paths of the programs that were executed while `act` ran, without those that trace."""
    without = traced(name, lambda: None)
    path = re.compile(r" sched_process_exec: filename=(\S+)")
    found = path.findall(traced(name, act))
    for traces in path.findall(without):
        if traces in found:
            found.remove(traces)
    return found

#!/usr/bin/python3
"""Scenarios of test-guest.sh: guest.py SCENARIO NAME ADDRESS PASSWORD."""
import http.client
import re
import time

from api import client, console, dom0, domids, guest, prompted, run_scenario, sample, type_in, until

NULL = "OpaqueRef:NULL"


def started(name, x, kind, label="", **fields):
    vm = x.VM.create({**guest(label or f"lab-{kind}", kind, "console=hvc0 lab.count=0"), **fields})
    x.VM.start(vm, False, False)
    uuid = x.VM.get_uuid(vm)
    prompted(name, uuid)
    return vm, uuid


def writes(name, x, vm, uuid, **keys):
    """The guest itself writes keys: xswrite runs in it."""
    before = console(name, uuid).count("XSWRITE done")
    pairs = " ".join(f"{path.replace('__', '/')} {value}" for path, value in keys.items())
    type_in(name, x.VM.get_domid(vm), f"xswrite {pairs}")
    until(lambda: console(name, uuid).count("XSWRITE done") > before, f"word of the guest's xswrite {pairs}")


def row(x, vm):
    ref = x.VM.get_guest_metrics(vm)
    return x.VM_guest_metrics.get_record(ref) if ref != NULL else {}


def shown(x, vm, seconds=60, **fields):
    until(lambda: all(row(x, vm).get(field) == value for field, value in fields.items()),
          f"{fields} in {row(x, vm)}", seconds)
    return row(x, vm)


def end(x, vm):
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)


def metrics(kind, name, address, password):
    x = client(address, password)
    vm, uuid = started(name, x, kind)
    # What Linux says by itself, without an agent.
    until(lambda: row(x, vm).get("other", {}).get("feature-poweroff") == "1", "word of the guest's kernel")
    print(f"# {kind}: the kernel alone says {row(x, vm)['other']}")
    began = time.monotonic()
    writes(name, x, vm, uuid, data__os_name="labux", data__os_majorver="12", attr__vif__0__ipv4__0="10.0.0.7",
           attr__vif__0__ipv6__0="fe80::7", attr__PVAddons__MajorVersion="9", attr__PVAddons__MinorVersion="1",
           data__host_name_dns="guest", feature__hotplug__vif="1", data__secret="x")
    record = shown(x, vm, os_version={"name": "labux", "major": "12"},
                   networks={"0/ip": "10.0.0.7", "0/ipv4/0": "10.0.0.7", "0/ipv6/0": "fe80::7"},
                   PV_drivers_version={"major": "9", "minor": "1", "micro": "-1"},
                   netbios_name={"host_name": "guest"}, can_use_hotplug_vif="yes", live=True)
    print(f"# {kind}: from the guest's writing to the API in {time.monotonic() - began:.1f} s")
    assert "secret" not in str(record)
    # No text: dom0 writes in the guest's stead, whose shell has no such bytes.
    domid = x.VM.get_domid(vm)
    dom0(name, f"xenstore-write /local/domain/{domid}/data/os_name \"$(printf 'a\\377\\033b')\"")
    shown(x, vm, os_version={"name": "a\ufffd\ufffdb", "major": "12"})
    x.VM.hard_reboot(vm)
    until(lambda: "name" not in row(x, vm)["os_version"], "a new domain's word")
    x.VM.hard_shutdown(vm)
    assert x.VM.get_guest_metrics(vm) == NULL and x.VM_guest_metrics.get_all() == []
    x.VM.destroy(vm)


def sockets(name, address, password):
    """A guest sees its CPUs in the sockets that the record says, and another number of them after another start."""
    x = client(address, password)
    vm = x.VM.create({**guest("lab-sockets", "pvh", "console=hvc0 lab.count=0"), "VCPUs_max": "4", "VCPUs_at_startup": "4",
                      "platform": {"cores-per-socket": "2"}})
    uuid = x.VM.get_uuid(vm)
    for cores, wanted in sample("arrangements of CPUs", [("2", "0 0 1 1"), ("4", "0 0 0 0"), ("1", "0 1 2 3")], 1):
        x.VM.set_platform(vm, {"cores-per-socket": cores})
        x.VM.start(vm, False, False)
        prompted(name, uuid)
        type_in(name, x.VM.get_domid(vm), "echo SOCK''ETS $(grep physical.id /proc/cpuinfo | cut -d: -f2) OF $(grep cpu.cores /proc/cpuinfo | cut -d: -f2) END")
        seen = until(lambda: re.search(r"SOCKETS ([\d ]+) OF ([\d ]+) END", console(name, uuid)), "answer of the guest")
        print(f"# {cores} cores a socket: CPUs in sockets {seen[1]}, with cores {seen[2]}")
        assert seen[1] == wanted and set(seen[2].split()) == {cores}, seen[0]
        x.VM.hard_shutdown(vm)
        dom0(name, f"rm -f /var/log/xen/console/guest-{uuid}.log")
    x.VM.destroy(vm)


def ahead(name, address, password):
    """A domain that was built ahead is not seen, never runs before its start, and is what the start takes, unless its kernel
    has changed since."""
    x = client(address, password)
    vm = x.VM.create({**guest("lab-ahead", "pvh", "console=hvc0 lab.count=0"), "other_config": {"ready_domain": "true"}})
    uuid = x.VM.get_uuid(vm)
    paused = lambda: dom0(name, "xl list").count(" --p---")
    built = lambda: paused() and domids(name).get(uuid)
    domid = until(built, "domain that is built ahead")
    record = x.VM.get_record(vm)
    assert (record["power_state"], record["domid"]) == ("Halted", "-1"), record
    began = time.monotonic()
    x.VM.start(vm, False, False)
    taken = time.monotonic() - began
    assert int(x.VM.get_domid(vm)) == domid and domids(name)[uuid] == domid
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "word of the guest")
    x.VM.hard_shutdown(vm)
    domid = until(lambda: (found := built()) != domid and found, "another one")
    dom0(name, "touch /var/lib/xcp/guest/initrd")
    began = time.monotonic()
    x.VM.start(vm, False, False)
    print(f"# PVH Linux: a start that takes what was built ahead {taken:.2f} s; one that removes it and builds {time.monotonic() - began:.2f} s")
    assert int(x.VM.get_domid(vm)) != domid and len(domids(name)) == 2, domids(name)
    x.VM.set_other_config(vm, {})
    end(x, vm)
    assert uuid not in domids(name)


def pid(name, process):
    return int(dom0(name, f"pgrep -x {process}").split()[0])


def memory(name, process):
    """KiB that are the process's own: the pages of its program come and go as dom0 lacks memory."""
    return int(dom0(name, f"sed -n 's/^RssAnon:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/{pid(name, process)}/status"))


def confined(name, address, password):
    client(address, password)
    proc = f"/proc/{pid(name, 'xs-guestd')}"
    status = dict(line.split(":\t", 1) for line in dom0(name, f"cat {proc}/status").splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split() + status["Gid"].split(), status
    assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    descriptors = dom0(name, f"cd {proc}/fd && for i in *; do echo $i $(readlink $i); done").splitlines()
    assert [line.split()[0] for line in descriptors] == ["0", "1", "2", "3", "4"], descriptors
    assert all("socket:" in line for line in descriptors[3:]), descriptors
    assert dom0(name, f"readlink {proc}/ns/net") != dom0(name, "readlink /proc/self/ns/net")
    assert dom0(name, f"readlink {proc}/root").strip().endswith("(deleted)")
    assert dom0(name, f"ls -A {proc}/root") == ""
    interfaces = [line.split(":")[0].strip() for line in dom0(name, f"cat {proc}/net/dev").splitlines()[2:]]
    assert set(interfaces) <= {"lo"}, interfaces
    print(f"# xs-guestd: uid {status['Uid'].split()[0]}, {len(descriptors)} descriptors, "
          f"{memory(name, 'xs-guestd')} KiB of its own")


def flood(name, address, password):
    """dom0 floods as one guest's stand-in: it may write what xenstored's quota keeps guests from."""
    x = client(address, password)
    vm, uuid = started(name, x, "pv", "lab-honest")
    bad, _ = started(name, x, "pv", "lab-flooder")
    number = 0

    def latency():
        nonlocal number
        number += 1
        writes(name, x, vm, uuid, data__os_name=f"n{number}")
        began = time.monotonic()
        shown(x, vm, os_version={"name": f"n{number}"})
        return time.monotonic() - began

    processes = ("xs-guestd", "domains-guests", "xapid-domains", "xapid")
    idle = max(latency() for _ in range(3))
    before = [memory(name, process) for process in processes]
    there = f"/local/domain/{x.VM.get_domid(bad)}"
    dom0(name, "cat >/tmp/flood <<'END'\n#!/bin/bash\nn=0\nwhile :; do\n"
               f"keys=; for ((i = 0; i < 40; i++)); do keys+=\" {there}/data/service/s$((n % 50))/$i v$n\"; done\n"
               f"xenstore-write {there}/data/os_name flood$n $keys; n=$((n + 1)); echo $n >/tmp/flooded\n"
               "done\nEND\nchmod +x /tmp/flood; setsid /tmp/flood >/dev/null 2>&1 </dev/null & echo $! >/tmp/flood.pid")
    try:
        began = time.monotonic()
        flooded = max(latency() for _ in range(3))
        seconds = time.monotonic() - began
        keys = int(dom0(name, "cat /tmp/flooded")) * 41
    finally:
        dom0(name, "kill $(pgrep -x flood)")
    grown = [memory(name, process) - old for process, old in zip(processes, before)]
    print(f"# {keys / seconds:.0f} writes a second for {seconds:.0f} s: another guest's word shows after "
          f"{flooded:.1f} s at most, {idle:.1f} s without; KiB grown: "
          + ", ".join(f"{process} {size}" for process, size in zip(processes, grown)))
    assert keys / seconds > 10, "that was no flood"
    assert flooded < 20, flooded
    assert all(size <= 1024 for size in grown), grown
    assert len(row(x, bad)["services"]) <= 256
    assert dom0(name, "grep -c 'xenstore keys than are looked at' /var/log/xapid.log").strip() == "1"
    end(x, bad)
    end(x, vm)


def again(address, password):
    try:
        return client(address, password)
    except (OSError, http.client.HTTPException):
        return None


def kills(name, address, password):
    x = client(address, password)
    vm, uuid = started(name, x, "pvh")
    for number, process in enumerate(("xs-guestd", "domains-guests", "xapid-domains", "xapid")):
        writes(name, x, vm, uuid, data__os_name=f"before{number}")
        shown(x, vm, os_version={"name": f"before{number}"})
        old = pid(name, process)
        dom0(name, f"kill -9 {old}")
        until(lambda: dom0(name, f"pgrep -x {process} || true").split() not in ([], [str(old)]), f"new {process}")
        if process == "xapid":
            x = until(lambda: again(address, password), "daemon")
        writes(name, x, vm, uuid, data__os_name=f"after{number}")
        shown(x, vm, os_version={"name": f"after{number}"}, live=True)
    end(x, vm)


for its_kind in ("pv", "pvh"):
    globals()[f"metrics_{its_kind}"] = lambda *args, kind=its_kind: metrics(kind, *args)
if __name__ == "__main__":
    run_scenario(globals())

#!/usr/bin/python3
"""Scenarios of test-facts.sh: facts.py SCENARIO NAME ADDRESS PASSWORD.  What Xen says, xl tells."""
import re
from datetime import datetime, timezone

from api import client, console, dom0, domids, guest, run_scenario, type_in, until, xl_row
from host import fails

MIB = 1 << 20


def xl_info(name):
    lines = (line.partition(":") for line in dom0(name, "xl info").splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def clock(name):
    """Of dom0, in seconds since 1970."""
    return int(dom0(name, "date +%s"))


def metrics(x, vm):
    return x.VM_metrics.get_record(x.VM.get_metrics(vm))


def feature_sets(name):
    """Name -> words as the API has them, by Xen's own tool."""
    found = re.findall(r"^(\S[^:\n]*?)\s+((?:[0-9a-f]{8}:)+[0-9a-f]{8})\s*$", dom0(name, "xen-cpuid"), re.M)
    return {what.replace(" Default", ""): words.replace(":", "-") for what, words in found}


def host(name, address, password):
    x = client(address, password)
    xl = xl_info(name)
    ref, = x.host.get_all()
    record = until(lambda: (lambda r: r["cpu_info"].get("modelname") and r)(x.host.get_record(ref)), "facts")
    figures = x.host_metrics.get_record(record["metrics"])
    assert int(figures["memory_total"]) // MIB == int(xl["total_memory"]), (figures, xl)
    assert abs(int(figures["memory_free"]) // MIB - int(xl["free_memory"])) <= 1, (figures, xl)
    assert figures["live"] is True
    assert record["cpu_info"]["cpu_count"] == xl["nr_cpus"] == str(len(record["host_CPUs"]))
    assert record["cpu_info"]["threads_per_core"] == xl["threads_per_core"]
    assert record["software_version"]["xen"] == f"{xl['xen_major']}.{xl['xen_minor']}{xl['xen_extra']}"
    assert record["capabilities"] == xl["xen_caps"].split()
    assert record["hostname"] == xl["host"]
    cpuinfo = dom0(name, "cat /proc/cpuinfo")
    for cpu in map(x.host_cpu.get_record, record["host_CPUs"]):
        for field in ("modelname", "vendor", "stepping", "model", "family"):
            assert f": {cpu[field]}\n" in cpuinfo, (field, cpu)
    sets = feature_sets(name)
    info = until(lambda: (lambda i: "features" in i and i)(x.host.get_cpu_info(ref)), "features")
    for key, what in (("features", "Host"), ("features_pv", "PV"), ("features_hvm", "HVM"),
                      ("features_pv_host", "PV"), ("features_hvm_host", "HVM")):
        assert info[key] == sets[what], (key, info[key], sets)
    assert {cpu["features"] for cpu in x.host_cpu.get_all_records().values()} == {sets["Raw"]}, sets
    flags = next(line for line in cpuinfo.splitlines() if line.startswith("flags")).partition(":")[2].split()
    assert info["flags"].split() == flags and len(flags) > 10, info
    control = x.VM.get_record(record["control_domain"])
    memory, vcpus = xl_row(name, 0)
    for field in ("memory_static_max", "memory_dynamic_min", "memory_dynamic_max", "memory_target"):
        assert int(control[field]) // MIB == memory, (field, control[field], memory)
    assert (control["domid"], control["power_state"]) == ("0", "Running")
    assert int(control["VCPUs_max"]) == vcpus
    figures = metrics(x, record["control_domain"])
    assert (int(figures["memory_actual"]) // MIB, int(figures["VCPUs_number"])) == (memory, vcpus)
    assert record_time(figures["last_updated"]) > record_time(figures["start_time"]) > 0, figures


def says_as_xl(name, text):
    """Whether Xen printed nothing between the two."""
    said = dom0(name, "xl dmesg").split()
    return text.split() == said and said


def dmesg(name, address, password):
    x = client(address, password)
    ref, = x.host.get_all()
    said = until(lambda: says_as_xl(name, x.host.dmesg(ref)), "the same of xl dmesg")
    assert "(XEN)" in said and "Xen" in said, said[:40]
    cleared = x.host.dmesg_clear(ref).split()
    assert cleared[:len(said)] == said, "not what was there before"
    left = dom0(name, "xl dmesg").split()
    assert "version" not in left and len(left) < len(said) // 2, left
    until(lambda: dom0(name, "xl dmesg").split() == x.host.dmesg(ref).split(), "the same once it was cleared")


def power(name, address, password):
    """The lab's dom0 has no systemd: a script in its place notes how it was called.  The host is not to be
    used afterwards."""
    x = client(address, password)
    ref, = x.host.get_all()
    x.host.disable(ref)
    assert "/usr/bin/systemctl" in " ".join(fails("INTERNAL_ERROR", x.host.reboot, ref).params)
    for script in "exit 1", 'echo "$# $*" >>/run/power':
        dom0(name, f"printf '%s\\n' '#!/bin/sh' '{script}' >/usr/bin/systemctl; chmod 755 /usr/bin/systemctl")
        if script == "exit 1":
            fails("INTERNAL_ERROR", x.host.shutdown, ref)
            x.host.enable(ref)
            x.host.disable(ref)
    x.host.reboot(ref)
    x.host.shutdown(ref)
    assert dom0(name, "cat /run/power") == "1 reboot\n1 poweroff\n"
    fails("HOST_DISABLED_UNTIL_REBOOT", x.host.enable, ref)


def record_time(value):
    """Seconds since 1970 of a time of the API."""
    text = str(value)
    return datetime.strptime(text, "%Y%m%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


def elsewhere(name, address, password):
    """What xl does to a guest is seen, though no event tells."""
    x = client(address, password)
    vm = x.VM.create(guest("lab-elsewhere", "pvh"))
    x.VM.start(vm, False, False)
    domid = x.VM.get_domid(vm)
    for verb, state in (("pause", "Paused"), ("unpause", "Running"), ("pause", "Paused")):
        dom0(name, f"xl {verb} {domid}")
        until(lambda: x.VM.get_power_state(vm) == state, f"{state} after xl {verb}")
    x.VM.unpause(vm)
    until(lambda: "LAB-GUEST-UP" in console(name, x.VM.get_uuid(vm)), "line from the guest")
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)


def foreign(kind, name, address, password):
    """A guest that xl made has a record as xl has it, is touched by no call, and ends as xl says."""
    x = client(address, password)
    config = f'name = "by-xl"\ntype = "{kind}"\nkernel = "/var/lib/xcp/guest/vmlinux"\n' \
             'ramdisk = "/var/lib/xcp/guest/initrd"\ncmdline = "console=hvc0"\nmemory = 160\nvcpus = 1\n'
    dom0(name, f"printf %s '{config}' >/tmp/by-xl.cfg; xl create -q /tmp/by-xl.cfg")
    domid = dom0(name, "xl domid by-xl").strip()
    uuid = next(uuid for uuid, its in domids(name).items() if its == int(domid))
    vm = until(lambda: next(iter(x.VM.get_by_name_label("by-xl")), None), "record of it")
    until(lambda: int(x.VM.get_memory_target(vm)) >= 159 * MIB and x.VM.get_power_state(vm) == "Running", "its state")
    record = x.VM.get_record(vm)
    assert (record["uuid"], record["domid"], record["domain_type"]) == (uuid, domid, kind), record
    memory, vcpus = xl_row(name, domid)
    figures = metrics(x, vm)
    assert (int(figures["memory_actual"]) // MIB, int(figures["VCPUs_number"])) == (memory, vcpus), figures
    assert record["allowed_operations"] == [], record
    assert 160 <= int(record["memory_static_max"]) / MIB <= 161, record["memory_static_max"]  # xl allows a little more
    for verb in "clean_shutdown", "hard_shutdown", "hard_reboot", "pause", "destroy":
        fails("OPERATION_NOT_ALLOWED", getattr(x.VM, verb), vm)
    assert domids(name)[uuid] == int(domid)
    dom0(name, f"xl pause {domid}")
    until(lambda: x.VM.get_power_state(vm) == "Paused", "xl pause")
    dom0(name, f"xl destroy {domid}")
    until(lambda: not x.VM.get_by_name_label("by-xl"), "end of its record")


def busy(name, address, password):
    """A guest that may have half of the host's CPU and takes all it gets is shown so."""
    x = client(address, password)
    vm = x.VM.create({**guest("lab-busy", "pvh", "console=hvc0 lab.count=0"), "VCPUs_params": {"cap": "50"}})
    x.VM.start(vm, False, False)
    uuid = x.VM.get_uuid(vm)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "line from the guest")
    usage = lambda: metrics(x, vm)["VCPUs_utilisation"].get("0", -1)
    until(lambda: 0 <= usage() < 0.15, "rest")
    type_in(name, domids(name)[uuid], "while :; do :; done")
    until(lambda: 0.25 < usage() < 0.65, "work")
    rows = [line.split() for line in dom0(name, "xtool top -b -i 1").splitlines()]
    row, = (row for row in rows if row and row[0] == "lab-busy")
    assert 25 < float(row[3]) < 65, rows
    x.VM.pause(vm)
    until(lambda: usage() == 0, "rest of one that is paused")
    x.VM.hard_shutdown(vm)
    assert metrics(x, vm)["VCPUs_utilisation"] == {}
    x.VM.destroy(vm)


def guests(kind, name, address, password):
    x = client(address, password)
    ref, = x.host.get_all()
    memory_free = lambda: int(x.host_metrics.get_record(x.host.get_metrics(ref))["memory_free"])
    free = memory_free()
    vm = x.VM.create({**guest(f"lab-{kind}", kind), "is_a_template": True})
    fails("VM_IS_TEMPLATE", x.VM.start, vm, False, False)
    x.VM.provision(vm)
    uuid = x.VM.get_uuid(vm)
    x.VM.set_PV_kernel(vm, "/etc/passwd")
    fails("INVALID_VALUE", x.VM.start, vm, False, False)
    assert uuid not in domids(name)
    x.VM.set_PV_kernel(vm, guest("", kind)["PV_kernel"])
    began = clock(name)
    task = x.Async.VM.start_on(vm, ref, True, False)
    record = until(lambda: (lambda r: r["current_operations"] and r)(x.VM.get_record(vm)), "operation")
    assert record["current_operations"] == {task: "start_on"}, record
    assert "start" not in record["allowed_operations"]
    assert x.wait_task(task, 120)["status"] == "success"
    record = x.VM.get_record(vm)
    assert record["current_operations"] == {} and record["resident_on"] == ref
    assert {"unpause", "hard_shutdown"} <= set(record["allowed_operations"]), record["allowed_operations"]
    assert not {"start", "pause", "destroy"} & set(record["allowed_operations"]), record["allowed_operations"]
    x.VM.unpause(vm)
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "line from the guest")
    assert {"pause", "clean_shutdown", "suspend"} <= set(x.VM.get_allowed_operations(vm))
    domid = x.VM.get_domid(vm)
    memory, vcpus = xl_row(name, domid)
    figures = metrics(x, vm)
    assert (int(figures["memory_actual"]) // MIB, int(figures["VCPUs_number"])) == (memory, vcpus), figures
    assert (figures["state"], figures["current_domain_type"]) == (["running"], kind), figures
    info = x.host.get_cpu_info(ref)
    features = info["features_pv" if kind == "pv" else "features_hvm"]
    assert x.VM.get_last_boot_CPU_flags(vm) == {"vendor": info["vendor"], "features": features}, features
    assert began <= record_time(figures["start_time"]) <= clock(name), figures
    until(lambda: memory_free() < free, "less memory")
    x.VM.hard_reboot(vm)
    assert x.VM.get_domid(vm) != domid and domids(name)[uuid] == int(x.VM.get_domid(vm))
    until(lambda: console(name, uuid).count("LAB-GUEST-UP") == 2, "second boot")
    x.VM.hard_shutdown(vm)
    assert uuid not in domids(name) and metrics(x, vm)["state"] == []
    x.VM.destroy(vm)


for scenario in guests, foreign:
    for its_kind in "pv", "pvh":
        globals()[f"{scenario.__name__}_{its_kind}"] = (
            lambda *args, scenario=scenario, kind=its_kind: scenario(kind, *args))
run_scenario(globals())

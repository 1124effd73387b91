#!/usr/bin/python3
"""Messages of the host, and of its pool of one."""
import contextlib
import datetime
import re
import shutil
import sqlite3
import ssl
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from covers import covers
from host import GUEST, Host, fails

NONE = "OpaqueRef:none"
MACHINE = {"HVM_boot_policy": "BIOS order", "PV_kernel": "", "PV_args": "", "platform": {"nested-virt": "true"}}


def seconds(moment):
    """Since 1970, of a date as the API has it, taken as UTC."""
    return datetime.datetime.strptime(f"{moment}+0000", "%Y%m%dT%H:%M:%SZ%z").timestamp()


@covers("host.get_servertime", "host.get_server_localtime")
def test_clocks():
    with Host() as host:
        x = host.client()
        here = x.host.get_all()[0]
        before = int(time.time())
        server, local = x.host.get_servertime(here), x.host.get_server_localtime(here)
        after = time.time()
        assert before <= seconds(server) <= after, server
        offset = time.localtime().tm_gmtoff
        assert before + offset <= seconds(local) <= after + offset, local
        fails("HANDLE_INVALID", x.host.get_servertime, NONE)
        fails("HANDLE_INVALID", x.host.get_server_localtime, NONE)


@covers("host.enable", "host.disable")
def test_enabling():
    with Host() as host:
        x = host.client()
        here, vm = x.host.get_all()[0], x.VM.create(GUEST)
        token = x.call("event.from", ["host"], "", 0.0)["token"]
        x.host.disable(here)
        events = x.call("event.from", ["host"], token, 5.0)["events"]
        assert [e["snapshot"]["enabled"] for e in events] == [False], events
        assert set(x.host.get_allowed_operations(here)) == {"enable", "reboot", "shutdown"}
        assert fails("HOST_DISABLED", x.VM.start, vm, False, False).params == [here]
        x.host.enable(here)
        assert x.host.get_enabled(here) is True and "vm_start" in x.host.get_allowed_operations(here)
        x.VM.start(vm, False, False)
        fails("HANDLE_INVALID", x.host.enable, NONE)
        fails("HANDLE_INVALID", x.host.disable, NONE)


@covers("host.list_methods")
def test_methods():
    with Host() as host:
        x = host.client()
        names = x.host.list_methods()
        assert {name for name in x.raw("system.listMethods")
                if not name.startswith(("system.", "Async."))} == set(names)
        fails("SESSION_INVALID", x.raw, "host.list_methods", NONE)


@covers("host.restart_agent")
def test_the_agent_restarts():
    with Host() as host:
        x = host.client()
        here, vm = x.host.get_all()[0], x.VM.create(GUEST)
        x.VM.start(vm, False, False)
        old, started = host.child("xapid"), x.host.get_other_config(here)["agent_start_time"]
        time.sleep(1)  # agent_start_time has whole seconds
        fails("HANDLE_INVALID", x.host.restart_agent, NONE)
        x.host.restart_agent(here)
        tap.wait_until(lambda: host.child("xapid") not in (None, old), "new xapid")
        host.wait_up()
        x = host.client()
        assert float(x.host.get_other_config(here)["agent_start_time"]) > float(started)
        assert x.VM.get_power_state(vm) == "Running" and not host.violations()


@covers("host.get_server_certificate")
def test_the_certificate():
    with Host(https=True) as host:
        x = host.client()
        here = x.host.get_all()[0]
        told = x.host.get_server_certificate(here)
        with contextlib.closing(host.tls()) as connection:
            connection.connect()
            shown = connection.sock.getpeercert(binary_form=True)
        assert ssl.PEM_cert_to_DER_cert(told) == shown and "PRIVATE" not in told, told
        fails("HANDLE_INVALID", x.host.get_server_certificate, NONE)


@covers("host.set_ssl_legacy", "pool.disable_ssl_legacy")
def test_old_versions_of_tls():
    with Host() as host:
        x = host.client()
        here, pool = x.host.get_all()[0], x.pool.get_all()[0]
        x.host.set_ssl_legacy(here, False)
        x.pool.disable_ssl_legacy(pool)
        assert fails("VALUE_NOT_SUPPORTED", x.host.set_ssl_legacy, here, True).params[:2] == ["value", "true"]
        assert x.host.get_ssl_legacy(here) is False
        fails("MESSAGE_REMOVED", x.pool.enable_ssl_legacy, pool)
        fails("HANDLE_INVALID", x.pool.disable_ssl_legacy, NONE)


@covers("host.syslog_reconfigure")
def test_where_the_log_goes():
    with Host() as host:
        x, file = host.client(), host.sim / "60-xapid-forward.conf"
        here = x.host.get_all()[0]

        def sent_to():
            return re.findall('target="(.*)" port="(.*)" protocol', file.read_text()) if file.exists() else []
        x.host.syslog_reconfigure(here)
        assert sent_to() == []
        for destination, told in (("log.example.com", ("log.example.com", "514")), ("[fd00::5]:77", ("fd00::5", "77"))):
            x.host.set_logging(here, {"syslog_destination": destination, "other": "kept"})
            x.host.syslog_reconfigure(here)
            assert sent_to() == [told]
        x.host.set_logging(here, {"syslog_destination": 'x" target="y'})
        failure = fails("INVALID_VALUE", x.host.syslog_reconfigure, here)
        assert failure.params == ["logging:syslog_destination", 'x" target="y'] and sent_to() == [told]
        for off in {"syslog_destination": ""}, {}:
            x.host.set_logging(here, {"syslog_destination": "10.0.0.5"})
            x.host.syslog_reconfigure(here)
            assert sent_to() == [("10.0.0.5", "514")]
            x.host.set_logging(here, off)
            x.host.syslog_reconfigure(here)
            assert sent_to() == []
        x.host.set_logging(here, {"syslog_destination": "10.0.0.5"})
        file.mkdir()  # it cannot be written
        fails("INTERNAL_ERROR", x.host.syslog_reconfigure, here)
        fails("HANDLE_INVALID", x.host.syslog_reconfigure, NONE)


@covers("host.set_iscsi_iqn")
def test_the_name_to_targets():
    with Host() as host:
        x, file = host.client(), host.sim / "initiatorname.iscsi"
        here = x.host.get_all()[0]
        assert x.host.get_iscsi_iqn(here) == ""
        for name in "iqn.2026-11.example:one", "eui.02004567A425678D":
            x.host.set_iscsi_iqn(here, name)
            assert x.host.get_iscsi_iqn(here) == name and file.read_text().splitlines()[1:] == [f"InitiatorName={name}"]
            assert file.stat().st_mode & 0o777 == 0o600
        for wrong in "", "iqn", "2026-11.example:one", "iqn.a b", "iqn.a\nInitiatorName=iqn.b", "iqn.;id", "iqn." + "a" * 197:
            assert fails("INVALID_VALUE", x.host.set_iscsi_iqn, here, wrong).params == ["value", wrong]
        assert x.host.get_iscsi_iqn(here) == name and name in file.read_text()
        # An administrator writes it, too.
        file.write_text("## a comment\nInitiatorName=iqn.2026-11.example:by-hand\nInitiatorAlias=x\n")
        host.kill("xapid-host")
        tap.wait_until(lambda: x.host.get_iscsi_iqn(here) == "iqn.2026-11.example:by-hand", "what the file says")
        file.unlink()
        file.mkdir()  # it cannot be written
        fails("INTERNAL_ERROR", x.host.set_iscsi_iqn, here, name)
        fails("HANDLE_INVALID", x.host.set_iscsi_iqn, NONE, name)


@covers("host.set_numa_affinity_policy")
def test_numa():
    with Host() as host:
        x = host.client()
        here, vm = x.host.get_all()[0], x.VM.create(GUEST)
        assert x.host.get_numa_affinity_policy(here) == "default_policy"
        for policy in "any", "best_effort", "default_policy":
            x.host.set_numa_affinity_policy(here, policy)
            assert x.host.get_numa_affinity_policy(here) == policy
            x.VM.start(vm, False, False)
            # What the hypervisor does not tell has its default.
            figures = x.VM_metrics.get_record(x.VM.get_metrics(vm))
            assert (figures["numa_optimised"], figures["numa_nodes"], figures["numa_node_memory"]) == (False, "0", {})
            x.VM.hard_shutdown(vm)
        fails("HANDLE_INVALID", x.host.set_numa_affinity_policy, NONE, "any")
        fails("INVALID_VALUE", x.host.set_numa_affinity_policy, here, "some")


@covers("host.compute_free_memory")
def test_free_memory():
    with Host() as host:
        x = host.client()
        here, vm = x.host.get_all()[0], x.VM.create(GUEST)
        free = int(x.host.compute_free_memory(here))
        x.VM.start(vm, False, False)
        assert int(x.host.compute_free_memory(here)) <= free - (128 << 20)
        x.VM.hard_shutdown(vm)
        assert int(x.host.compute_free_memory(here)) == free
        fails("HANDLE_INVALID", x.host.compute_free_memory, NONE)


def test_what_the_cpus_can_do():
    """As the simulator has it: the host's, PV guests' and whole machines' features differ."""
    with Host() as host:
        x = host.client()
        ref, = x.host.get_all()
        info = tap.wait_until(lambda: (lambda i: "vendor" in i and "features" in i and i)(x.host.get_cpu_info(ref)), "facts")
        words = {key: info[key].split("-") for key in info if key.startswith("features")}
        assert set(words) == {"features", "features_pv", "features_hvm", "features_pv_host", "features_hvm_host"}, info
        assert all(re.fullmatch("[0-9a-f]{8}", word) for key in words for word in words[key]), words
        assert info["features_pv"] != info["features_hvm"] and info["features_pv"] == info["features_pv_host"], info
        for key in "family", "model", "stepping":
            assert info[key].isdigit(), info
        pool, = x.pool.get_all_records().values()
        for key in ("vendor", "cpu_count", "socket_count", "features_pv", "features_hvm"):
            assert pool["cpu_info"][key] == info[key], pool["cpu_info"]
        raw = {cpu["features"] for cpu in x.host_cpu.get_all_records().values()}
        assert len(raw) == 1 and len(raw.pop().split("-")) == len(words["features"]), raw
        for kind, key, fields in (("pvh", "features_hvm", {}), ("pv", "features_pv", {}), ("hvm", "features_hvm", MACHINE),
                                  ("unspecified", "features_hvm", MACHINE)):
            vm = x.VM.create({**GUEST, **fields, "domain_type": kind})
            assert x.VM.get_last_boot_CPU_flags(vm) == {}
            x.VM.start(vm, False, False)
            assert x.VM.get_last_boot_CPU_flags(vm) == {"vendor": info["vendor"], "features": info[key]}, kind
            figures = x.VM_metrics.get_record(x.VM.get_metrics(vm))
            assert figures["nested_virt"] is bool(fields), figures
            assert figures["current_domain_type"] == ("hvm" if fields else kind), figures
            x.VM.hard_shutdown(vm)
            assert not x.VM_metrics.get_nested_virt(x.VM.get_metrics(vm))


@covers("host.dmesg", "host.dmesg_clear")
def test_the_hypervisors_console():
    with Host() as host:
        x = host.client()
        here, file = x.host.get_all()[0], host.sim / "dmesg"
        assert x.host.dmesg(here).startswith("(XEN) Xen version")
        text = "".join(f"(XEN) [{number:8}] Zeile für Zeile\n" for number in range(60000))  # over a megabyte
        file.write_text(text)
        assert x.host.dmesg(here) == x.host.dmesg(here) == text
        assert x.host.dmesg_clear(here) == text
        assert x.host.dmesg(here) == x.host.dmesg_clear(here) == ""
        file.write_bytes(b"(XEN) d1: \xff\x00\x1b[2J\n")
        assert x.host.dmesg(here) == "(XEN) d1: \ufffd\ufffd\ufffd[2J\n"
        for call in x.host.dmesg, x.host.dmesg_clear:
            fails("HANDLE_INVALID", call, NONE)
        file.unlink()
        file.mkdir()
        for call in x.host.dmesg, x.host.dmesg_clear:
            fails("INTERNAL_ERROR", call, here)


@covers("host.get_vms_which_prevent_evacuation", "host.assert_can_evacuate", "host.evacuate")
def test_guests_that_cannot_leave():
    with Host() as host:
        x = host.client()
        here = x.host.get_all()[0]
        vms = [x.VM.create(GUEST) for _ in range(3)]
        x.VM.start(vms[2], False, False)
        x.VM.suspend(vms[2])  # it needs no host
        x.host.disable(here)
        assert x.host.get_vms_which_prevent_evacuation(here) == {}
        x.host.assert_can_evacuate(here)
        x.host.evacuate(here)
        x.host.enable(here)
        for vm, paused in zip(vms, (False, True)):
            x.VM.start(vm, paused, False)
        reasons = {vm: ["NO_HOSTS_AVAILABLE", vm] for vm in vms[:2]}
        assert x.host.get_vms_which_prevent_evacuation(here) == reasons
        said, = fails("CANNOT_EVACUATE_HOST", x.host.assert_can_evacuate, here).params
        assert sorted(said.split("|")) == sorted(",".join(reason) for reason in reasons.values()), said
        assert fails("NO_HOSTS_AVAILABLE", x.host.evacuate, here).params[0] in reasons
        assert [x.VM.get_power_state(vm) for vm in vms] == ["Running", "Paused", "Suspended"]
        fails("INVALID_VALUE", x.host.evacuate, here, "OpaqueRef:NULL", "-1")
        fails("HANDLE_INVALID", x.host.evacuate, here, NONE)
        for call in x.host.get_vms_which_prevent_evacuation, x.host.assert_can_evacuate, x.host.evacuate:
            fails("HANDLE_INVALID", call, NONE)


def on_disk(host, folder, vm):
    """Whether the database that is on disk now names a VM."""
    shutil.copytree(host.dir / "state", folder)
    rows = sqlite3.connect(folder / "xapid.db").iterdump()
    return any(vm in row for row in rows)


@covers("pool.sync_database", "pool.is_slave")
def test_the_pool_of_one():
    with Host() as host:
        x = host.client()
        vm = x.VM.create(GUEST)
        x.pool.sync_database()
        assert on_disk(host, host.dir / "copy", vm)
        fails("SESSION_INVALID", x.raw, "pool.sync_database", NONE)
        master = x.pool.get_master(x.pool.get_all()[0])
        assert x.pool.is_slave(master) is False
        fails("HANDLE_INVALID", x.pool.is_slave, NONE)


def test_what_only_pools_of_more_need_is_not_pretended():
    with Host() as host:
        x = host.client()
        for method in ("pool.recover_slaves", "host.is_in_emergency_mode", "host.local_assert_healthy"):
            assert fails("NOT_IMPLEMENTED", x.call, method).params == [method]


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""What XenCenter sends when it connects, byte for byte, and what it needs of the answers.

Its nine steps, then heartbeat and event loop: 60 seconds of them when XAPID_XENCENTER_SECONDS says
so (make soak), else the same in less."""
import datetime
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "sim"), str(HERE.parent / "unit")]
import facts
import tap
from accounts import Accounts
from host import BUILDDIR, GUEST, Host

SECONDS = float(os.environ.get("XAPID_XENCENTER_SECONDS", "6"))
HEARTBEAT, EVENTS = SECONDS / 4, SECONDS / 2  # 15 and 30 s of a minute
ACCOUNTS = Accounts({"root": (0, "secret"), "alice": (5001, "wonder")})
CLASSES = {cls.name.lower(): cls for cls in facts.load()}
# The restrictions that it reads, and of those the ones that do not hold here.
RESTRICTIONS = """
    ad batch_hotfix_apply cbt certificate_verification checkpoint cifs corosync cpu_masking dmc dr email_alerting
    export_resource_data gpu health_check historical_performance hotfix_apply igmp_snooping
    integrated_gpu_passthrough live_patching management_on_vlan netapp network_sriov pci_device_for_auto_update
    pool_attached_storage pool_secret_rotation pool_size pooling pvs_proxy rbac read_caching rpu
    set_vcpus_number_live ssl_legacy_switch storage_xen_motion usb_passthrough vgpu vmss vss vswitch_controller
    vtpm wlb xcm xen_motion""".split()
# What is lifted once all of these are there.
LIFTED_BY = {"rbac": ["session.get_rbac_permissions", "subject.add_to_roles"],
             "dmc": ["VM.set_memory_dynamic_range"],
             "set_vcpus_number_live": ["VM.set_VCPUs_number_live"],
             "checkpoint": ["VM.checkpoint"], "xen_motion": ["VM.pool_migrate"], "cbt": ["VDI.enable_cbt"],
             "storage_xen_motion": ["VDI.pool_migrate"], "vswitch_controller": ["SDN_controller.introduce"]}
IMPLEMENTED = set(subprocess.run([BUILDDIR / "xapid/xapid", "--implemented"], check=True, capture_output=True,
                                 text=True).stdout.split()) | {"session.get_rbac_permissions"}  # a field's reading
LIFTED = {key for key, messages in LIFTED_BY.items() if IMPLEMENTED.issuperset(messages)}


class Connection:
    """One of its connections: requests as its JSON client writes them, numbered from 1."""

    def __init__(self, host, timeout=20):
        self.tls = host.tls(timeout)
        self.tls.connect()
        self.stream = self.tls.sock.makefile("rb")
        self.authority, self.id = f"127.0.0.1:{host.https_port}", 0

    def send(self, method, params):
        """params: the JSON text of the array."""
        self.id += 1
        body = f'{{"jsonrpc":"2.0","id":{self.id},"method":"{method}","params":{params}}}'.encode()
        head = (f"POST /jsonrpc HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
                f"User-Agent: XenAPI/2.20\r\nHost: {self.authority}\r\nContent-Length: {len(body)}\r\n"
                f"Connection: Keep-Alive\r\n\r\n")
        self.tls.sock.sendall(head.encode() + body)

    def receive(self):
        status = self.stream.readline()
        headers = {}
        while (line := self.stream.readline()) != b"\r\n":
            name, _, value = line.decode().rstrip("\r\n").partition(":")
            headers[name.lower()] = value.strip()
        assert status == b"HTTP/1.1 200 OK\r\n", status  # for failures of the API too
        assert headers["content-type"] == "application/json", headers
        assert headers.get("connection", "keep-alive").lower() == "keep-alive", headers
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.stream.readline(), 16):
                body += self.stream.read(size)
                self.stream.readline()
            self.stream.readline()
        else:
            body = self.stream.read(int(headers["content-length"]))
        return json.loads(body)

    def call(self, method, *params):
        text = ",".join(param if isinstance(param, Raw) else json.dumps(param, separators=(",", ":"))
                        for param in params)
        self.send(method, f"[{text}]")
        answer = self.receive()
        assert answer["jsonrpc"] == "2.0" and answer["id"] == self.id, answer
        assert set(answer) == {"jsonrpc", "id", "result"}, answer  # no "error", not even null
        return answer["result"]

    def refused(self, method, *params):
        self.send(method, json.dumps(params, separators=(",", ":")))
        answer = self.receive()
        assert set(answer) == {"jsonrpc", "id", "error"} and answer["id"] == self.id, answer
        error = answer["error"]
        assert isinstance(error["code"], int) and isinstance(error["message"], str), error
        assert isinstance(error["data"], list) and all(isinstance(each, str) for each in error["data"]), error
        return [error["message"], *error["data"]]


class Raw(str):
    """JSON as it is: 30.0 stays 30.0."""


def check_value(where, kind, value):
    """As its bindings read a value of this type without harm."""
    outer, _, inner = kind.partition("<")
    inner = facts.split(inner[:-1])
    if outer == "ref":  # an empty one becomes null, and then a crash
        assert value.startswith("OpaqueRef:"), (where, value)
    elif outer == "datetime":  # anything else becomes year 1
        assert re.fullmatch(r"\d{8}T\d\d:\d\d:\d\dZ", value), (where, value)
    elif outer == "enum":
        assert value in facts.ENUMS[inner[0]], (where, value)
    elif outer == "set":
        assert isinstance(value, list), (where, value)
        for each in value:
            check_value(where, inner[0], each)
    elif outer == "map":
        assert isinstance(value, dict), (where, value)
        for key, each in value.items():
            check_value(where, inner[0], key)
            check_value(where, inner[1], each)
    else:
        kinds = {"bool": bool, "int": int, "float": (int, float)}.get(outer, str)
        assert isinstance(value, kinds) or isinstance(value, str) and value.lstrip("-").isdigit(), (where, value)


def check_record(cls, record):
    assert set(record) == set(cls.fields), (cls.name, set(record) ^ set(cls.fields))
    for name, (kind, _) in cls.fields.items():
        check_value(f"{cls.name}.{name}", kind, record[name])


def check_master(record, metrics):
    assert (record["API_version_major"], record["API_version_minor"]) == (2, 21)
    version = record["software_version"]
    for key in ("product_brand", "product_version", "product_version_text", "build_number"):
        assert version[key], version
    for key in ("platform_version", "xapi", "product_version"):
        assert re.fullmatch(r"\d+(\.\d+)+", version[key]), (key, version)
    licence = record["license_params"]
    told = {key.removeprefix("restrict_"): value for key, value in licence.items() if key.startswith("restrict_")}
    assert set(RESTRICTIONS) <= set(told), set(RESTRICTIONS) - set(told)
    for key in RESTRICTIONS:
        assert told[key] == ("false" if key in LIFTED else "true"), key
    assert licence["enable_xha"] == "false" and record["edition"]
    years = datetime.datetime.strptime(licence["expiry"], "%Y%m%dT%H:%M:%SZ").year - time.gmtime().tm_year
    assert years > 10, licence["expiry"]
    for key in ("cpu_count", "socket_count", "vendor", "modelname", "speed", "flags"):
        assert record["cpu_info"][key], record["cpu_info"]
    now = time.time()
    for key in ("boot_time", "agent_start_time"):
        assert 0 < float(record["other_config"][key]) <= now, record["other_config"]
    assert metrics["live"] is True and metrics["memory_total"] > metrics["memory_free"] > 0, metrics


class XenCenter:
    """Its nine steps."""

    def __init__(self, host, user="root", password="secret"):
        self.main = main = Connection(host)
        self.session = main.call("session.login_with_password", user, password, "2.20", "XenAPI/2.20")
        pools = main.call("pool.get_all_records", self.session)
        self.pool, pool = next(iter(pools.items()))
        self.master = pool["master"]
        self.record = main.call("host.get_record", self.session, self.master)
        self.superuser = main.call("session.get_is_local_superuser", self.session, self.session)
        if not self.superuser:
            subject = main.call("session.get_subject", self.session, self.session)
            self.sid = main.call("session.get_auth_user_sid", self.session, self.session)
            assert main.call("subject.get_record", self.session, subject)["subject_identifier"] == self.sid
        self.permissions = main.call("session.get_rbac_permissions", self.session, self.session)
        roles = main.call("role.get_all_records", self.session)
        self.roles = {role["name_label"] for role in roles.values()
                      if role["subroles"] and role["name_label"] in self.permissions}
        assert main.call("role.get_all_records", self.session) == roles
        for role in roles.values():
            check_record(CLASSES["role"], role)
        began = time.monotonic()
        batch = main.call("event.from", self.session, ["*"], "", Raw("30.0"))
        assert time.monotonic() - began < 15, "the cache waits for something to happen"
        self.token, self.cache = batch["token"], {}
        for event in batch["events"]:
            cls = CLASSES[event["class"].lower()]
            assert event["operation"] == "add" and isinstance(event["id"], (int, str)), event
            assert (cls.name, event["ref"]) not in self.cache, "an object comes twice"
            check_record(cls, event["snapshot"])
            self.cache[cls.name, event["ref"]] = event["snapshot"]
        assert [ref for name, ref in self.cache if name == "pool"] == [self.pool]
        master = self.cache["host", self.cache["pool", self.pool]["master"]]
        check_master(master, self.cache["host_metrics", master["metrics"]])
        self.heartbeats, self.events = Connection(host), Connection(host, EVENTS + 20)
        self.heartbeat()

    def heartbeat(self):
        began = time.time()
        text = self.heartbeats.call("host.get_servertime", self.session, self.master)
        check_value("host.get_servertime", "datetime", text)
        there = datetime.datetime.strptime(f"{text}+0000", "%Y%m%dT%H:%M:%SZ%z").timestamp()
        assert int(began) <= there <= time.time(), text

    def next_events(self, seconds):
        batch = self.events.call("event.from", self.session, ["*"], self.token, Raw(f"{seconds:.1f}"))
        self.token = batch["token"]
        assert set(batch["valid_ref_counts"]) == {name for name, cls in CLASSES.items() if cls.in_database}
        return [(e["class"], e["operation"], e["ref"], e.get("snapshot")) for e in batch["events"]]


def settled(host):
    x = host.client()
    tap.wait_until(lambda: "vendor" in x.host.get_cpu_info(x.host.get_all()[0]) and
                   int(x.host_metrics.get_memory_total(x.host_metrics.get_all()[0])), "facts of the host")
    return x


def test_connecting():
    with Host(https=True, accounts=ACCOUNTS) as host:
        settled(host)
        center = XenCenter(host)
        assert center.superuser is True
        assert center.main.refused("host.get_record", center.session, "OpaqueRef:none") == [
            "HANDLE_INVALID", "host", "OpaqueRef:none"]
        assert center.main.refused("session.login_with_password", "root", "wrong", "2.20", "XenAPI/2.20")[:2] == [
            "SESSION_AUTHENTICATION_FAILED", "root"]
        assert center.main.refused("VM.get_all", "OpaqueRef:none") == ["SESSION_INVALID", "OpaqueRef:none"]


def test_connecting_as_a_subject():
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = settled(host)
        alice = x.subject.create({"subject_identifier": "u5001", "other_config": {"subject-name": "alice"}})
        x.subject.add_to_roles(alice, x.role.get_by_name_label("vm-admin")[0])
        center = XenCenter(host, "alice", "wonder")
        assert center.superuser is False and center.sid == "u5001"
        assert center.roles == {"vm-admin"}, center.roles
        assert "vm.create" in center.permissions and "subject.create" not in center.permissions


def test_a_minute_of_heartbeat_and_events():
    with Host(https=True, accounts=ACCOUNTS) as host:
        settled(host)
        center, failures = XenCenter(host), []
        ends = time.monotonic() + SECONDS

        def beat():
            try:
                while time.monotonic() < ends:
                    center.heartbeat()
                    time.sleep(HEARTBEAT)
            except Exception as error:
                failures.append(error)
        beats = threading.Thread(target=beat)
        beats.start()
        while time.monotonic() < ends:  # nothing happens: it answers none the less, in time
            began = time.monotonic()
            quiet = center.next_events(EVENTS)
            took = time.monotonic() - began
            assert took < EVENTS + 5 and (quiet or took > EVENTS - 0.2), took
        beats.join()
        assert not failures and center.heartbeats.id >= 4, failures
        print(f"# XenCenter's heartbeat and event loop, sample/full: {SECONDS:.0f}/60 s")
        print(f"# {center.heartbeats.id} heartbeats in {SECONDS:.0f} s")


def test_buttons_follow_by_events():
    """allowed_operations, current_operations and tasks: nothing else says what can be clicked."""
    with Host(https=True, accounts=ACCOUNTS) as host:
        settled(host)
        center = XenCenter(host)
        call = center.main.call
        vm = call("VM.create", center.session, GUEST)
        seen = {}

        def follow(done, what):
            def look():
                for name, operation, ref, snapshot in center.next_events(5.0):
                    seen.setdefault((name, ref), []).append(snapshot)
                    assert (operation == "del") == (snapshot is None)
                return done()
            tap.wait_until(look, what)
        follow(lambda: ("vm", vm) in seen, "event of the VM")
        assert "start" in seen["vm", vm][-1]["allowed_operations"]
        task = call("Async.VM.start", center.session, vm, False, False)
        follow(lambda: seen["vm", vm][-1] and seen["vm", vm][-1]["power_state"] == "Running", "Running")
        assert {"pause", "clean_shutdown"} <= set(seen["vm", vm][-1]["allowed_operations"])
        call("task.add_to_other_config", center.session, task, "XenCenterUUID", "17")
        host.guest(f"refuse-shutdown {seen['vm', vm][-1]['uuid']}")
        slow = call("Async.VM.clean_shutdown", center.session, vm)
        follow(lambda: seen["vm", vm][-1]["current_operations"] == {slow: "clean_shutdown"}, "the operation")
        follow(lambda: ("task", slow) in seen and seen["task", slow][-1]["allowed_operations"] == ["cancel"], "cancel")
        assert 0 <= seen["task", slow][-1]["progress"] <= 1
        assert "start" not in seen["vm", vm][-1]["allowed_operations"]
        call("task.cancel", center.session, slow)
        follow(lambda: seen["task", slow][-1]["status"] == "cancelled", "the end of the task")
        follow(lambda: seen["vm", vm][-1]["current_operations"] == {}, "no operation")
        done = call("task.get_record", center.session, task)
        assert done["status"] == "success" and done["progress"] == 1 and done["result"] == "<value></value>", done
        call("task.destroy", center.session, task)
        assert center.main.refused("task.get_record", center.session, task) == ["HANDLE_INVALID", "task", task]


def test_a_pool_is_known_again():
    """By its reference, and its host by the certificate."""
    with Host(https=True, accounts=ACCOUNTS) as one, Host(https=True, accounts=ACCOUNTS) as other:
        settled(one), settled(other)
        center = XenCenter(one)
        before = center.pool, center.master, center.main.tls.sock.getpeercert(True)
        assert center.main.tls.sock.version() in ("TLSv1.2", "TLSv1.3")
        assert XenCenter(other).pool != center.pool
        one.stop()
        one.start()
        settled(one)
        again = XenCenter(one)
        assert (again.pool, again.master, again.main.tls.sock.getpeercert(True)) == before
        context = ssl._create_unverified_context()  # .NET's default
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with context.wrap_socket(socket.create_connection(("127.0.0.1", one.https_port))) as old:
            assert old.version() == "TLSv1.2"


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

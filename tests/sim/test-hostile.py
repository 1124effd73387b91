#!/usr/bin/python3
"""Strings that are commands, paths, options and formats, wherever the API takes a string: each is data.  strace
tells which programs were started: ours, the drivers, qemu-img and mount.nfs, and never a shell.

Needs a build without sanitizers, which bear no strace.  XAPID_PAYLOADS: how many of the sixty (3);
`make soak` takes all.  XAPID_SEED repeats the choice."""
import os
import random
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import facts
import tap
from accounts import Accounts
from disks import MIB, drivers_known, new_sr, new_vbd, new_vdi
from host import BUILDDIR, GUEST, Client, Failure, Host
from networks import new_network, new_vif
from payloads import payloads

SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
CLASSES = [cls for cls in facts.load() if cls.in_database]
PROGRAMS = "xapid", "xapid-domains", "xapid-host"
DRIVERS = "file", "iso", "ext", "lvm", "nfs"
DRIVER_PATHS = [f"storage/{name}" for name in DRIVERS]
BRIDGE_NAME_MAX = 15
# They end the session or the host, or what they take is a password.
LEFT_OUT = re.compile(r"session\.|host\.(reboot|shutdown|restart_agent)$")
MESSAGES = [message for cls in facts.load() for message in cls.custom
            if not message.removed and not LEFT_OUT.match(message.name)]
STRINGS = re.compile(r"(string|secret|option<string>|set<string>|map<string,.*>)$")


def value(kind, payload, rows):
    """Of a type: the payload wherever a string may be, and a row that there is."""
    outer, _, inner = kind.partition("<")
    inner = facts.split(inner[:-1])
    if outer in ("string", "secret"):
        return payload
    if outer == "option":
        return value(inner[0], payload, rows)
    if outer == "set":
        return [value(inner[0], payload, rows)]
    if outer == "map":
        key = value(inner[0], payload, rows)
        return {str(key): value(inner[1], payload, rows)}
    if outer == "ref":
        return next(iter(rows.get(inner[0], ())), facts.NULL)
    return facts.values(kind)[0]


class Attack:
    """One client; counts what was taken and what was refused."""

    def __init__(self, host):
        self.host, self.x = host, host.client(json_rpc=True)
        self.taken = self.refused = 0
        self.internal = set()

    def call(self, name, *args):
        try:
            answer = self.x.call(name, *args)
            self.taken += 1
            return answer
        except Failure as failure:
            self.refused += 1
            if failure.code == "INTERNAL_ERROR":
                self.internal.add(f"{name}: {' '.join(failure.params)[:200]}")
            return None

    def rows(self):
        return {cls.name: self.x.call(f"{cls.name}.get_all") for cls in CLASSES
                if "get_all" in cls.generic and f"{cls.name}.get_all" not in cls.removed}

    def set_fields(self, payload):
        rows = self.rows()
        for cls in CLASSES:
            for name, (kind, verbs) in cls.fields.items():
                if not STRINGS.match(kind):
                    continue
                for row in rows.get(cls.name, [])[:2]:
                    if "set" in verbs:
                        self.call(cls.verb("set", name), row, value(kind, payload, rows))
                    if "add" in verbs:
                        self.call(cls.verb("remove", name), row, payload)
                        self.call(cls.verb("add", name), row, payload, *[payload] * kind.startswith("map"))

    def call_messages(self, payload):
        rows = self.rows()
        for message in MESSAGES:
            if "string" in "".join(message.params):
                self.call(message.name, *[value(kind, payload, rows) for kind in message.params])

    def device_configs(self, payload):
        """Driver -> what each key of its own may be: the payload alone, and where it passes the first looks at it."""
        names = payload, f"{self.host.dir}/{payload}"
        locations = [{"location": name, payload: payload} for name in names]
        devices = [{"device": name} for name in (*names, f"/dev/{payload}", f"/dev/null,{payload}")]
        exports = [{"server": payload, "serverpath": "/disks"}, {"server": "127.0.0.1", "serverpath": payload},
                   {"server": "127.0.0.1", "serverpath": f"/{payload}"},
                   {"server": "127.0.0.1", "serverpath": "/disks", "nfsversion": payload}]
        return {"file": locations, "iso": locations, "ext": devices, "lvm": devices, "nfs": exports, payload: locations}

    def use_networks(self, payload):
        """Bridges of such names, as far as there may be some, and a card on each."""
        x = self.x
        for name in dict.fromkeys((payload, payload[:BRIDGE_NAME_MAX], f"br{payload}"[:BRIDGE_NAME_MAX])):
            for managed in True, False:
                try:
                    network = new_network(x, bridge=name, managed=managed, name_label=payload)
                    self.taken += 1
                except Failure as failure:
                    assert failure.code in ("INVALID_VALUE", "BRIDGE_NAME_EXISTS"), failure
                    self.refused += 1
                    continue
                vm = self.call("VM.create", GUEST)
                new_vif(x, vm, network)
                self.call("VM.start", vm, False, False)
                self.call("VM.hard_shutdown", vm)
                self.call("VM.destroy", vm)
                self.call("network.destroy", network)

    def use_storage(self, payload):
        """Repositories whose folders and disks have such names."""
        x, folder = self.x, self.host.dir / "named"
        here = x.host.get_all()[0]
        for kind, configs in self.device_configs(payload).items():
            for config in configs:
                self.call("SR.probe", here, config, kind, {payload: payload})
                self.call("SR.create", here, config, "0", payload, payload, kind, payload, False, {payload: payload})
        if "/" in payload or len(payload) > 200 or payload in (".", ".."):
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        location = folder / payload
        location.mkdir(mode=0o700, exist_ok=True)
        sr = self.call("SR.create", x.host.get_all()[0], {"location": str(location)}, "0", payload, payload, "file",
                       payload, False, {})
        if sr is None:
            return
        vdi = self.call("VDI.create", {"name_label": payload, "name_description": payload, "SR": sr, "type": "user",
                                       "virtual_size": str(MIB), "sharable": False, "read_only": False,
                                       "other_config": {}, "sm_config": {}})
        vm = self.call("VM.create", {**GUEST, "name_label": payload, "PV_args": payload})
        if vdi and vm:
            new_vbd(x, vm, vdi)
            self.call("VM.start", vm, False, False)
            for path in "data/os_name", "attr/PVAddons/MajorVersion", "control/feature-suspend":
                if "\n" not in payload:
                    self.host.guest(f"write {x.VM.get_uuid(vm)} {path} {payload}"[:500])
            self.call("VM.send_sysrq", vm, payload)
            self.call("VM.send_trigger", vm, payload)
            self.call("VM.hard_shutdown", vm)
            self.call("VM.destroy", vm)
            self.call("VDI.destroy", vdi)
        for pbd in x.SR.get_PBDs(sr):
            self.call("PBD.unplug", pbd)
        self.call("SR.destroy", sr)


def log_in(host, payload):
    for user, password in (payload, "secret"), ("root", payload), (payload, payload):
        try:
            Client(host, connect=host.tls).login(user, password)
        except Failure:
            continue
        raise AssertionError(f"{user!r} logged in with {password!r}")


def programs(trace):
    """Path -> arguments of each start."""
    started = {}
    for line in trace.read_text(errors="replace").splitlines():
        words = re.findall(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?', line)
        if re.search(r"execve(at)?\(", line) and words:
            started.setdefault(words[0][0], []).append([word for word, _ in words[1:]])
    return started


def test_strings_are_data():
    mark = Path("/tmp") / f"xapid-hostile-{os.getpid()}"
    every = payloads(mark)
    chosen = random.Random(SEED).sample(every, min(int(os.environ.get("XAPID_PAYLOADS", "3")), len(every)))
    print(f"# seed {SEED}, sample/full: {len(chosen)}/{len(every)} payloads", flush=True)
    host = Host(accounts=Accounts({"root": (0, "secret")}), sim_conf="[host]\nshutdown_ms=5\n", https=True)
    trace = host.dir / "trace"
    for name in DRIVERS:
        shutil.copy(BUILDDIR / "storage-repos" / name / name, host.bindir / "storage" / name)
    host.under = ["strace", "-D", "-f", "-qq", "-s", "4096", "-e", "trace=execve,execveat", "-o", trace]
    with host:
        pids = {name: host.child(name) for name in PROGRAMS}
        attack = Attack(host)
        drivers_known(attack.x, DRIVERS)
        new_vdi(attack.x, new_sr(host, attack.x, name="kept"))
        attack.x.VM.create(GUEST)
        with ThreadPoolExecutor(8) as pool:
            logins = [pool.submit(log_in, host, payload) for payload in chosen]
            for payload in chosen:
                attack.use_storage(payload)
                attack.use_networks(payload)
                attack.set_fields(payload)
                attack.call_messages(payload)
            for login in logins:
                login.result()
        assert host.client().pool.get_all()
        assert {name: host.child(name) for name in PROGRAMS} == pids, "a program ended"
        started = programs(trace)
        allowed = {str(host.bindir / name) for name in
                   ("xapid-launch", *PROGRAMS, "xs-guestd", *DRIVER_PATHS)}
        allowed |= {"/proc/self/exe", "/usr/bin/qemu-img", "/usr/sbin/mount.nfs"}
        told = sum(map(len, started.values()))
        print(f"# {len(chosen)} payloads, {attack.taken} calls taken, {attack.refused} refused, {told} programs started, "
              f"of {len(started)} kinds", flush=True)
        assert set(started) <= allowed, set(started) - allowed
        calls = {name: len(started.get(str(host.bindir / name), ())) for name in DRIVER_PATHS}
        print(f"# calls of drivers: {calls}", flush=True)
        assert all(calls.values()) and attack.taken > attack.refused / 10, calls
        options = [words for of_one in started.values() for words in of_one
                   for word in words if word.startswith("-") and word in chosen]
        assert not options, options
        assert not attack.internal, "\n".join(sorted(attack.internal))
    assert not mark.exists(), f"{mark} was made"


tap.run(test_strings_are_data)

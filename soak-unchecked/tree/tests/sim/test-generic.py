#!/usr/bin/python3
"""Every class, field and message of the model, as facts.txt has them: what is served for all alike
works for each, and what is not there says so."""
import subprocess
import sys
import uuid
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import disks
import facts
import tap
from host import BUILDDIR, GUEST, Failure, Host, fails

CLASSES = facts.load()
STORED = [cls for cls in CLASSES if cls.in_database]
UNKNOWN, NO_UUID = "OpaqueRef:unknown", "00000000-0000-0000-0000-000000000000"
REGISTERED = set(subprocess.run([BUILDDIR / "xapid/xapid", "--implemented"], check=True,
                                capture_output=True, text=True).stdout.split())


def test_the_facts_are_whole():
    messages = sum(len(cls.generic) + len(cls.custom) + sum(len(verbs) for _, verbs in cls.fields.values())
                   for cls in CLASSES)
    assert (len(CLASSES), len(STORED), messages) == (73, 65, 2258)
    with Host() as host:
        names = {name for name in host.client().raw("system.listMethods")
                 if not name.startswith(("system.", "Async."))}
        ours = {f"{cls.name}.{name}" for cls in CLASSES for name in cls.generic}
        ours |= {message.name for cls in CLASSES for message in cls.custom}
        ours |= {cls.verb(verb, name) for cls in CLASSES for name, (_, verbs) in cls.fields.items()
                 for verb in verbs}
        assert names == ours, sorted(names ^ ours)[:20]


def test_looking_up():
    with Host() as host:
        x = host.client(json_rpc=True)
        for cls in STORED:
            def call(name, *params):
                method = f"{cls.name}.{name}"
                if method not in cls.removed:
                    return x.call(method, *params)
                fails("MESSAGE_REMOVED", x.call, method, *params)
                return None
            for ref in (UNKNOWN, facts.NULL, ""):
                if f"{cls.name}.get_record" not in cls.removed:
                    failure = fails("HANDLE_INVALID", call, "get_record", ref)
                    assert failure.params == [cls.name, ref or facts.NULL], (cls.name, failure)
            if f"{cls.name}.get_by_uuid" not in cls.removed:
                failure = fails("UUID_INVALID", call, "get_by_uuid", NO_UUID)
                assert failure.params == [cls.name, NO_UUID], failure
            if "get_by_name_label" in cls.generic:
                assert call("get_by_name_label", "nobody of this name") in ([], None), cls.name
            if "get_all" in cls.generic:
                refs, records = call("get_all"), call("get_all_records")
                assert sorted(refs or []) == sorted(records or {}), cls.name
                assert call("get_all_where", "true") == refs, cls.name
                assert call("get_all_records_where", "true") == records, cls.name
                assert call("get_all_records_where", "false") in ({}, None), cls.name
                if f"{cls.name}.get_all_records_where" not in cls.removed:
                    fails("INVALID_VALUE", call, "get_all_records_where", "field")


# What of a type's values a field takes, where that is not all.
LIMITED = {"network.set_MTU": [1400, 9000]}


class Rows:
    """A row of each class that can have one: those that are there, and those that create makes."""

    def __init__(self, host, x):
        self.x, self.of = x, {"session": x.session_ref}
        disks.drivers_known(x)
        self.of["SR"] = disks.new_sr(host, x)
        elsewhere = x.SR.introduce(str(uuid.uuid4()), "elsewhere", "", "file", "user", False, {})
        vdi = disks.new_vdi(x, self.of["SR"])
        # Of what rows of these classes must be, beyond any value of the fields' types.
        self.particular = {
            "subject": {"subject_identifier": "u4711"},
            "VDI": {"SR": self.of["SR"], "virtual_size": str(disks.MIB)},
            "VBD": {"VDI": vdi, "userdevice": "autodetect", "type": "Disk", "mode": "RW"},
            "VIF": {"device": "0", "MAC": "", "MTU": "1500"},
            "PBD": {"SR": elsewhere, "host": x.host.get_all()[0], "device_config": {}}}
        self.of["task"] = x.task.create("a task", "")
        vm = x.VM.create({**GUEST, "platform": {}})
        x.VM.start(vm, False, False)  # for its console and metrics
        for cls in STORED:
            if cls.name not in self.of and "get_all" in cls.generic and f"{cls.name}.get_all" not in cls.removed:
                self.of.update({cls.name: ref for ref in x.call(f"{cls.name}.get_all")})
        self.of["VM"] = self.particular["VBD"]["VM"] = x.VM.create(GUEST)
        self.made = {}
        for cls in (cls for cls in STORED if "create" in cls.generic and cls.name != "VM" and
                    f"{cls.name}.create" not in cls.removed):
            self.of[cls.name] = self.made[cls.name] = self.create(cls)

    def create(self, cls):
        fields = {name: self.values(cls.fields[name][0])[0] for name in cls.required}
        return self.x.call(f"{cls.name}.create", {**fields, **self.particular.get(cls.name, {})})

    def values(self, kind):
        cls = kind.partition("ref<")[2].partition(">")[0]
        return facts.values(kind, [self.of[cls]] if cls in self.of and cls != "session" else [])

    def classes(self):
        return [(cls, self.of[cls.name]) for cls in STORED if cls.name in self.of]


def test_records_and_fields():
    with Host() as host:
        x = host.client(json_rpc=True)
        rows = Rows(host, x)
        assert len(rows.of) >= 25, sorted(rows.of)
        for cls, ref in rows.classes():
            record = x.call(f"{cls.name}.get_record", ref)
            assert set(record) == set(cls.fields), (cls.name, set(record) ^ set(cls.fields))
            for name, (kind, _) in cls.fields.items():
                method = cls.verb("get", name)
                if method in cls.removed:
                    fails("MESSAGE_REMOVED", x.call, method, ref)
                    continue
                assert x.call(method, ref) == record[name] or name in ("last_active", "last_updated"), method
                assert not kind.startswith("ref<") or record[name].startswith("OpaqueRef:"), (method, record)
                fails("HANDLE_INVALID", x.call, method, UNKNOWN)
            if record["uuid"]:
                found = x.call(f"{cls.name}.get_by_uuid", record["uuid"])
                assert found == ref or cls.name == "session", cls.name
            if "get_by_name_label" in cls.generic:
                assert ref in x.call(f"{cls.name}.get_by_name_label", record["name_label"])


def same_set(a, b):
    return sorted(map(str, a)) == sorted(map(str, b))


def try_writing(x, rows, cls, ref, name):
    """Sets, adds and removes come back as they were given."""
    kind, verbs = cls.fields[name]
    get, setting = cls.verb("get", name), cls.verb("set", name)
    for value in LIMITED.get(setting) or rows.values(kind):
        assert x.call(setting, ref, value) in ("", None)
        now = x.call(get, ref)
        assert same_set(now, value) if isinstance(value, list) else now == value, (setting, value, now)
    fails("HANDLE_INVALID", x.call, setting, UNKNOWN, rows.values(kind)[0])
    if "add" not in verbs:
        return
    adding, removing = cls.verb("add", name), cls.verb("remove", name)
    for value in rows.values(kind)[:1]:
        entries = list(value.items()) if isinstance(value, dict) else [(each,) for each in value]
        x.call(setting, ref, type(value)())
        for entry in entries:
            x.call(adding, ref, *entry)
        now = x.call(get, ref)
        assert same_set(now, value) if isinstance(value, list) else now == value, (adding, value, now)
        if entries and isinstance(value, dict):
            failure = fails("MAP_DUPLICATE_KEY", x.call, adding, ref, *entries[0])
            shown = failure.params[2] if cls.name == "session" else ref  # a secret is not shown
            assert failure.params == [cls.name, name, shown, entries[0][0]], failure
        for entry in [*entries, *entries]:  # the second time there is nothing to remove
            x.call(removing, ref, entry[0])
        assert x.call(get, ref) == type(value)(), removing


def test_writing_fields():
    with Host() as host:
        x = host.client(json_rpc=True)
        rows, tried = Rows(host, x), 0
        all_setters = sum("set" in verbs and cls.verb("set", name) not in cls.removed
                          for cls in STORED for name, (_, verbs) in cls.fields.items())
        for cls, ref in rows.classes():
            for name, (_, verbs) in cls.fields.items():
                if "set" in verbs and cls.verb("set", name) not in cls.removed:
                    try_writing(x, rows, cls, ref, name)
                    tried += 1
        # The others are of classes of which no row can be made yet.
        print(f"# {tried} of {all_setters} setters tried, of {len(rows.of)} of {len(STORED)} classes")
        assert tried >= 102, tried
        host.kill("xapid")
        host.wait_up()
        assert host.client().VM.get_all(), "the database is read back"


def test_creating_and_destroying():
    with Host() as host:
        x = host.client(json_rpc=True)
        rows = Rows(host, x)
        # A drive goes with its disk, so it goes first.
        for cls in sorted((cls for cls in STORED if cls.name in rows.made), key=lambda cls: cls.name):
            for name in cls.required:
                fields = {other: rows.values(cls.fields[other][0])[0]
                          for other in cls.required if other != name}
                failure = fails("INVALID_VALUE", x.call, f"{cls.name}.create", fields)
                assert failure.params[0] == name, failure
            ref = rows.made[cls.name]
            x.call(f"{cls.name}.destroy", ref)
            fails("HANDLE_INVALID", x.call, f"{cls.name}.get_record", ref)
            fails("HANDLE_INVALID", x.call, f"{cls.name}.destroy", ref)


def test_what_is_not_there_says_so():
    with Host() as host:
        x = host.client(json_rpc=True)
        missing = 0
        for cls in CLASSES:
            for message in cls.custom:
                params = [UNKNOWN if kind.startswith("ref<") else facts.values(kind)[0] for kind in message.params]
                call = x.call if message.session else x.raw
                if message.removed:
                    fails("MESSAGE_REMOVED", call, message.name, *params)
                    fails("MESSAGE_REMOVED", call, message.name)
                elif message.name not in REGISTERED:
                    failure = fails("NOT_IMPLEMENTED", call, message.name, *params)
                    assert failure.params == [message.name], failure
                    missing += 1
        assert missing > 400, missing


def test_nonsense_gets_a_clear_error():
    """Wrong numbers and types of parameters, to every message of the model."""
    with Host() as host:
        x = host.client(json_rpc=True)
        clear = {"MESSAGE_PARAMETER_COUNT_MISMATCH", "MESSAGE_REMOVED", "NOT_IMPLEMENTED", "INVALID_VALUE",
                 "HANDLE_INVALID", "UUID_INVALID", "SESSION_NOT_REGISTERED"}
        for method in x.raw("system.listMethods"):
            if method.startswith("system.") or method in ("session.logout", "session.local_logout"):
                continue
            for params in ([[]] * 9, [{}], [[]], [{"a": []}, 1.5, [], {}], [None, None]):
                call = x.raw if "login" in method else x.call
                try:
                    call(method, *params)
                except Failure as failure:
                    assert failure.code in clear or failure.code == "Fault", (method, params, failure)
        assert x.VM.get_all() and not host.violations()


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

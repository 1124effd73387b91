#!/usr/bin/python3
"""Who may call what: every message of the model and every key of a map that has a role of its own, each
asked for by a subject of each role.  What they need is what the published model says (facts.txt)."""
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import disks
import facts
import tap
from accounts import Accounts
from host import GUEST, Client, Failure, Host

ROLES = ("read-only", "vm-operator", "vm-admin", "vm-power-admin", "pool-operator", "pool-admin")
ACCOUNTS = Accounts({role: (5001 + i, "secret") for i, role in enumerate(ROLES)})
CLASSES = facts.load()


def subjects(host, root):
    """A client of each role, strongest last."""
    for i, role in enumerate(ROLES):
        subject = root.subject.create({"subject_identifier": f"u{5001 + i}"})
        root.subject.add_to_roles(subject, root.role.get_by_name_label(role)[0])
    found = {}
    for role in ROLES:
        found[role] = Client(host, json_rpc=True)
        found[role].session_ref = Client(host, connect=host.tls).login(role, "secret").session_ref
    return found


def allowed(needed):
    return ROLES[ROLES.index(needed):] if needed in ROLES else ()


def denied(client, method, *params):
    """The permission that is missing; None if it succeeds or fails of something else."""
    try:
        client.call(method, *params)
    except Failure as failure:
        assert failure.code not in ("SESSION_INVALID", "MESSAGE_PARAMETER_COUNT_MISMATCH", "MESSAGE_METHOD_UNKNOWN",
                                    "FIELD_TYPE_ERROR", "INTERNAL_ERROR"), f"{method}: {failure}"
        return failure.params[0] if failure.code == "RBAC_PERMISSION_DENIED" else None
    return None


def differences(clients, needed, method, *params):
    """Who may call it and should not, or the other way."""
    may = [role for role in ROLES if denied(clients[role], method, *params) is None]
    return [] if may == list(allowed(needed)) else [f"{method} {params}: {may} instead of {needed}"]


def test_every_message():
    with Host(https=True, accounts=ACCOUNTS) as host:
        clients, wrong, asked = subjects(host, host.client()), [], 0
        for cls in CLASSES:
            for method, params in facts.calls(cls).items():
                wrong += differences(clients, cls.roles[method], method, *params)
                asked += 1
        assert not wrong, "\n".join(wrong)
        print(f"# {asked} messages")
        assert asked > 2100, asked
        # And a table that errs by one role is told from the right one.
        for needed, false in (("vm-admin", "vm-operator"), ("vm-admin", "vm-power-admin"), ("vm-admin", "pool")):
            assert not differences(clients, needed, "VM.destroy", facts.UNKNOWN)
            assert differences(clients, false, "VM.destroy", facts.UNKNOWN), false


GOOD = {"pci": "0/0000:00:00.0", "hvm_serial": "pty"}  # other values of these keys are refused, whoever asks


class Map:
    """A map of the row that is there for each role, seen by root, and written by that role."""

    def __init__(self, root, clients, cls, refs, name):
        self.root, self.clients, self.cls, self.refs, self.name = root, clients, cls, refs, name
        self.before = self.now(refs[ROLES[0]])

    def method(self, verb):
        return self.cls.verb(verb, self.name)

    def now(self, ref):
        return self.root.call(self.method("get"), ref)

    def needed(self, verb, key):
        """add and remove ask for the key's role in place of their own, set for both."""
        of_key = [role for pattern, role in self.cls.key_roles[self.name].items()
                  if key == pattern or pattern[-1] == "*" and key.startswith(pattern[:-1])]
        own = self.cls.roles[self.method(verb)]
        return max(*of_key, own, key=ROLES.index) if verb == "set" and of_key else (of_key or [own])[0]

    def written_by(self, role, key, verb, begin, *params):
        """Whether it changed the map from `begin`; a denial must leave it as it was."""
        ref = self.refs[role]
        if self.now(ref) != begin:
            self.root.call(self.method("set"), ref, begin)
        missing = denied(self.clients[role], self.method(verb), ref, *params)
        changed = self.now(ref) != begin
        assert changed == (missing is None), f"{role}: {self.method(verb)} {params}: {missing}, {changed}"
        return changed

    def differences(self, key):
        value, wrong = GOOD.get(key, "x"), []
        base, more = {**self.before}, {**self.before, key: value}
        assert key not in base, base
        for verb, begin, params in (("add", base, (key, value)), ("remove", more, (key,)),
                                    ("set", base, (more,)), ("set", more, (base,))):
            may = tuple(role for role in ROLES if self.written_by(role, key, verb, begin, *params))
            if may != tuple(allowed(self.needed(verb, key))):
                wrong.append(f"{self.method(verb)} {params}: {may} instead of {self.needed(verb, key)}")
        return wrong


def rows(host, root, clients):
    """A row of each class that has such maps, for each role: of tasks its own, others are not for all."""
    disks.drivers_known(root)
    repository = disks.new_sr(host, root)
    of = {"pool": root.pool.get_all()[0],
          "VM": root.VM.create({**GUEST, "platform": {}}), "host": root.host.get_all()[0],
          "network": root.network.create({"name_label": "n", "MTU": "1500", "other_config": {}, "tags": []}),
          "SR": repository, "VDI": disks.new_vdi(root, repository)}
    return {"task": {role: clients[role].task.create("a task", "") for role in ROLES},
            **{cls: dict.fromkeys(ROLES, ref) for cls, ref in of.items()}}


def test_every_key_of_a_map():
    with Host(https=True, accounts=ACCOUNTS) as host:
        root, wrong, asked = host.client(json_rpc=True), [], 0
        clients = subjects(host, root)
        of = rows(host, root, clients)
        keyed = [(cls, name) for cls in CLASSES for name in cls.key_roles]
        assert {cls.name for cls, _ in keyed} == set(of), keyed
        for cls, name in keyed:
            these = Map(root, clients, cls, of[cls.name], name)
            for pattern in (*cls.key_roles[name], "any other"):
                wrong += these.differences(pattern.replace("*", "mine"))
                asked += 1
        assert not wrong, "\n".join(wrong)
        print(f"# {asked} keys")
        # A key of which the table has a wrong role is noticed, too.
        these = Map(root, clients, cls, of[cls.name], name)
        these.cls.key_roles[name]["folder"] = "vm-power-admin"
        assert these.differences("folder")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""Who may do what: every message of the model in each of its forms, every key of a map that has a role of its own,
also in new records, and every action of HTTP, each asked for by a subject of each role.  What they need is what the
published model says (facts.txt)."""
import base64
import contextlib
import os
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import disks
import facts
import tap
from accounts import Accounts
from host import GUEST, Client, Failure, Host, UnixConnection, fails

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


def forms(host, clients):
    """What to call a message, and by whose clients, in each of the forms that it has: a function of its name."""
    xml = {role: Client(host).resume(client.session_ref) for role, client in clients.items()}
    listed = set(host.client().raw("system.listMethods"))

    def of(method):
        yield method, clients
        yield method, xml
        yield method.replace(".", "_"), clients
        if f"Async.{method}" in listed:
            yield f"Async.{method}", xml

    return of


def test_every_message():
    with Host(https=True, accounts=ACCOUNTS) as host:
        clients, wrong, messages, asked = subjects(host, host.client()), [], 0, 0
        of = forms(host, clients)
        for cls in CLASSES:
            for method, params in facts.calls(cls).items():
                messages += 1
                for form, its in of(method):
                    wrong += differences(its, cls.roles[method], form, *params)
                    asked += 1
        assert not wrong, "\n".join(wrong)
        print(f"# {messages} messages in {asked} forms")
        assert messages > 2100 and asked > 3.2 * messages, (messages, asked)
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
        right, cls.key_roles[name] = cls.key_roles[name], {**cls.key_roles[name], "folder": "vm-power-admin"}
        assert these.differences("folder")
        cls.key_roles[name] = right


def records(root):
    """A record that create takes, of each class of which keys have roles."""
    return {"VM": {**GUEST, "platform": {}}, "network": {"name_label": "n", "MTU": "1500", "other_config": {}, "tags": []},
            "VDI": {"name_label": "a disk", "name_description": "", "SR": root.SR.get_all()[0], "virtual_size": str(1 << 20),
                    "type": "user", "sharable": False, "read_only": False, "other_config": {}}}


def creators(root, clients, cls, record, name, key):
    """Who can make an object with that key; nothing may be left of what is denied."""
    may, method = [], f"{cls.name}.create"
    given = {**record, name: {**record.get(name, {}), key: GOOD.get(key, "x")}}
    for role in ROLES:
        before = set(root.call(f"{cls.name}.get_all"))
        missing = denied(clients[role], method, given)
        made = set(root.call(f"{cls.name}.get_all")) - before
        assert len(made) == (missing is None), f"{role}: {method} with {key}: {missing}, {made}"
        for ref in made:
            root.call(f"{cls.name}.destroy", ref)
            may.append(role)
    return may


def test_every_key_of_a_new_record():
    with Host(https=True, accounts=ACCOUNTS) as host:
        root, wrong, asked = host.client(json_rpc=True), [], 0
        clients = subjects(host, root)
        disks.drivers_known(root)
        disks.new_sr(host, root)
        of = records(root)
        takes_record = {cls.name for cls in CLASSES if cls.key_roles and
                        ("create" in cls.generic or [m for m in cls.custom if m.name == f"{cls.name}.create" and "record" in m.params[0]])}
        assert takes_record == set(of), takes_record
        for cls in CLASSES:
            for name in cls.key_roles if cls.name in of else ():
                for pattern, role in (*cls.key_roles[name].items(), ("any other", ROLES[0])):
                    needed = max(role, cls.roles[f"{cls.name}.create"], key=ROLES.index)
                    may = creators(root, clients, cls, of[cls.name], name, pattern.replace("*", "mine"))
                    asked += 1
                    if may != list(allowed(needed)):
                        wrong.append(f"{cls.name}.create with {name}:{pattern}: {may} instead of {needed}")
        assert not wrong, "\n".join(wrong)
        print(f"# {asked} keys")
        assert asked > 10, asked


def request(connection, action, session=None, headers=()):
    """The status and text of an action's answer."""
    path = action.path + (f"?session_id={session}" if session else "")
    connection.request(action.method, path, None if action.method in ("GET", "CONNECT") else b"", dict(headers))
    reply = connection.getresponse()
    return reply.status, reply.read().decode()


def credentials(client, role, by_password):
    """Each way to say who one is."""
    yield {"session": client.session_ref}
    yield {"headers": {"Cookie": f"session_id={client.session_ref}"}}
    if by_password:
        yield {"headers": {"Authorization": "Basic " + base64.b64encode(f"{role}:secret".encode()).decode()}}


def askers(host, clients, action, by_password):
    """Who may do it, of the roles: a session counts more than that root asks, as it is at this socket."""
    may = []
    for role in ROLES:
        answers = [request(UnixConnection(host.socket), action, **who) for who in credentials(clients[role], role, by_password)]
        assert 401 not in dict(answers), (action, role, answers)
        refused = [f"http/{action.name}" in text for status, text in answers if status == 403]
        assert len(refused) in (0, len(answers)) and all(refused), (action, role, answers)
        if not refused:
            may.append(role)
    return may


def test_every_http_action():
    with Host(https=True, accounts=ACCOUNTS) as host:
        root = host.client()
        clients, wrong, known = subjects(host, root), [], set()
        actions = facts.http_actions()
        for action in actions:
            status = request(host.tls(), action)[0], request(host.tls(), action, "OpaqueRef:unknown")[0]
            if not action.role:
                assert not {*status} & {401, 403}, (action, status)
                continue
            assert status == (401, 401), (action, status)
            may = askers(host, clients, action, by_password=action.role not in known)  # which takes longest
            known.add(action.role)
            if may != list(allowed(action.role)):
                wrong.append(f"{action}: {may}")
            status, text = request(UnixConnection(host.socket), action)
            assert status not in (401, 403), f"{action}, to root: {status} {text}"
        assert not wrong, "\n".join(wrong)
        print(f"# {len(actions)} actions")
        assert len(actions) == 57, len(actions)


@contextlib.contextmanager
def somebody_else(host):
    """This program as a user who is not root, and whom the socket lets in."""
    os.chmod(host.socket, 0o666)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_only_root_needs_no_password_at_the_socket():
    with Host(https=True, accounts=ACCOUNTS) as host:
        dump = next(action for action in facts.http_actions() if action.name == "get_pool_xml_db_sync")
        assert request(UnixConnection(host.socket), dump)[0] == 200
        session = subjects(host, host.client())["pool-admin"].session_ref
        with somebody_else(host):
            assert request(UnixConnection(host.socket), dump)[0] == 401
            assert request(UnixConnection(host.socket), dump, session)[0] == 200
            fails("SESSION_AUTHENTICATION_FAILED", Client(host).login)


def test_tasks_of_others():
    """Whoever made one may do all to it; to those of others a role of its own is needed."""
    with Host(https=True, accounts=ACCOUNTS) as host:
        root = host.client(json_rpc=True)
        clients = subjects(host, root)
        for method, *params in (("task.set_status", "success"), ("task.set_progress", 0.5), ("task.set_result", "x"),
                                ("task.set_error_info", ["x"]), ("task.set_other_config", {"x": "y"}),
                                ("task.add_to_other_config", "x", "y"), ("task.remove_from_other_config", "x"),
                                ("task.cancel",), ("task.destroy",)):
            for others in True, False:
                may = []
                for role in ROLES:
                    task = (root if others else clients[role]).task.create("a task", "")
                    missing = denied(clients[role], method, task, *params)
                    assert missing in (None, "task.destroy/any"), (method, role, missing)
                    may += [role] * (missing is None)
                assert may == list(allowed("pool-operator") if others else ROLES), f"{method}, others {others}: {may}"


TESTS = {name.removeprefix("test_"): function for name, function in list(globals().items()) if name.startswith("test_")}
tap.run(*[TESTS[name] for name in sys.argv[1:] or TESTS])

#!/usr/bin/python3
"""Logins by password, local users and groups as subjects, and what their roles allow."""
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from accounts import Accounts
from covers import covers
from host import GUEST, Client, Failure, Host, fails
from waiting import Waiting, events

ACCOUNTS = Accounts({"root": (0, "secret"), "alice": (5001, "wonder"), "bob": (5002, "builder")},
                    {"operators": (5100, ["bob"])})
ROLES = ("read-only", "vm-operator", "vm-admin", "vm-power-admin", "pool-operator", "pool-admin")


def over_tls(host, user, password):
    return Client(host, connect=host.tls).login(user, password)


def role(x, name):
    return x.role.get_by_name_label(name)[0]


def test_passwords():
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = over_tls(host, "root", "secret")
        assert x.session.get_is_local_superuser(x.session_ref) is True
        began = time.monotonic()
        fails("SESSION_AUTHENTICATION_FAILED", over_tls, host, "root", "wrong")
        assert time.monotonic() - began > 3, "a wrong password is answered at once"
        fails("SESSION_AUTHENTICATION_FAILED", over_tls, host, "root", "")
        fails("SESSION_AUTHENTICATION_FAILED", over_tls, host, "nobody-such", "x")
        fails("SESSION_AUTHORIZATION_FAILED", over_tls, host, "alice", "wonder")
        x.session.logout()
        fails("SESSION_INVALID", x.VM.get_all)


@covers("auth.get_subject_identifier", "auth.get_subject_information_from_identifier",
        "auth.get_group_membership", "subject.create", "subject.add_to_roles",
        "subject.remove_from_roles", "subject.get_permissions_name_label",
        "session.get_all_subject_identifiers", "session.logout_subject_identifier")
def test_subjects_and_roles():
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = host.client()
        assert x.auth.get_subject_identifier("alice") == "u5001"
        assert x.auth.get_subject_identifier("operators") == "g5100"
        fails("SUBJECT_CANNOT_BE_RESOLVED", x.auth.get_subject_identifier, "carol")
        info = x.auth.get_subject_information_from_identifier("u5001")
        assert info["subject-name"] == "alice" and info["subject-is-group"] == "false", info
        fails("SUBJECT_CANNOT_BE_RESOLVED", x.auth.get_subject_information_from_identifier, "u9")
        assert "g5100" in x.auth.get_group_membership("u5002")
        fails("SUBJECT_CANNOT_BE_RESOLVED", x.auth.get_group_membership, "nonsense")

        alice = x.subject.create({"subject_identifier": "u5001", "other_config": {}})
        assert x.subject.get_roles(alice) == []
        fails("SUBJECT_ALREADY_EXISTS", x.subject.create, {"subject_identifier": "u5001"})
        fails("SESSION_AUTHORIZATION_FAILED", over_tls, host, "alice", "wonder")
        x.subject.add_to_roles(alice, role(x, "read-only"))
        fails("ROLE_ALREADY_EXISTS", x.subject.add_to_roles, alice, role(x, "read-only"))
        a = over_tls(host, "alice", "wonder")
        assert a.VM.get_all()
        failure = fails("RBAC_PERMISSION_DENIED", a.VM.create, GUEST)
        assert failure.params[0] == "vm.create", failure.params
        assert "vm.get_all" in x.subject.get_permissions_name_label(alice)
        fails("HANDLE_INVALID", x.subject.get_permissions_name_label, "OpaqueRef:none")
        x.subject.add_to_roles(alice, role(x, "vm-admin"))
        vm = a.VM.create(GUEST)  # as the roles are now, without a new login
        a.VM.add_to_other_config(vm, "folder", "/x")
        fails("RBAC_PERMISSION_DENIED", a.VM.add_to_other_config, vm, "pci", "0/0000:00:00.0")
        fails("RBAC_PERMISSION_DENIED", a.VM.set_other_config, vm, {"pci": "0/0000:00:00.0"})
        failure = fails("RBAC_PERMISSION_DENIED", a.VM.create, {**GUEST, "platform": {"hvm_serial": "pty"}})
        assert failure.params[0] == "vm.create/key:hvm_serial", failure.params
        fails("RBAC_PERMISSION_DENIED", a.host.disable, x.host.get_all()[0])
        x.subject.remove_from_roles(alice, role(x, "vm-admin"))
        fails("ROLE_NOT_FOUND", x.subject.remove_from_roles, alice, role(x, "vm-admin"))
        fails("RBAC_PERMISSION_DENIED", a.VM.destroy, vm)
        assert x.session.get_all_subject_identifiers() == ["u5001"]
        fails("SESSION_INVALID", a.raw, "session.get_all_subject_identifiers", "OpaqueRef:none")
        fails("RBAC_PERMISSION_DENIED", a.session.logout_subject_identifier, "u5001")
        x.session.logout_subject_identifier("u5001")
        fails("SESSION_INVALID", a.VM.get_all)


def test_the_end_of_a_session_wakes_its_calls():
    with Host(https=True, accounts=ACCOUNTS) as host:
        root = host.client()
        subject = root.subject.create({"subject_identifier": "u5001"})
        root.subject.add_to_roles(subject, role(root, "read-only"))
        alice = over_tls(host, "alice", "wonder")
        hers, mine = Waiting(host, alice.session_ref), Waiting(host, root.session_ref)
        root.session.logout_subject_identifier("u5001")
        assert hers.end() == "SESSION_INVALID", hers.code
        assert mine.is_alive()
        root.session.logout()
        assert mine.end() == "SESSION_INVALID", mine.code


# Facts of the XenAPI: of all that can be read, these alone take a stronger role than read-only.
POOL_OPERATOR_READS = {"secret": {"get_all", "get_all_where", "get_all_records", "get_by_uuid",
                                  "get_all_records_where", "get_record", "get_uuid", "get_value"}}


def test_what_the_weakest_role_reads():
    with Host(https=True, accounts=ACCOUNTS) as host:
        root = host.client()
        subject = root.subject.create({"subject_identifier": "u5001"})
        root.subject.add_to_roles(subject, role(root, "read-only"))
        secret = root.secret.create({"value": "hunter2", "other_config": {}})
        uuid = root.secret.get_uuid(secret)
        a = over_tls(host, "alice", "wonder")
        arguments = {"get_all": (), "get_all_records": (), "get_by_uuid": (uuid,),
                     "get_all_where": ('field "value" = "hunter2"',),
                     "get_all_records_where": ('field "value" = "hunter2"',)}
        for name in POOL_OPERATOR_READS["secret"]:
            call = getattr(root.secret, name), arguments.get(name, (secret,))
            assert call[0](*call[1]), f"secret.{name}"
            failure = fails("RBAC_PERMISSION_DENIED", getattr(a.secret, name), *call[1])
            assert failure.params[0] == f"secret.{name}", failure.params
        assert a.secret.get_other_config(secret) == {}
        seen = [events(a, ["*"], "", 0.0)]
        assert "secret" not in {event["class"] for event in seen[0]["events"]}
        classes = [method.split(".")[0] for method in root.raw("system.listMethods")
                   if method.endswith(".get_all_records") and not method.startswith("Async.")]
        for cls in set(classes) - set(POOL_OPERATOR_READS):
            try:
                records = getattr(a, cls).get_all_records()
            except Failure as failure:
                assert failure.code in ("MESSAGE_REMOVED", "NOT_IMPLEMENTED"), f"{cls}: {failure}"
                continue
            assert getattr(a, cls).get_all_records_where("true").keys() == records.keys(), cls
            seen.append(records)
        assert len(seen) > 50 and "hunter2" not in repr(seen), len(seen)


def test_groups():
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = host.client()
        group = x.subject.create({"subject_identifier": "g5100"})
        x.subject.add_to_roles(group, role(x, "vm-operator"))
        b = over_tls(host, "bob", "builder")
        assert b.session.get_auth_user_sid(b.session_ref) == "u5002"
        vm = x.VM.create(GUEST)
        b.VM.start(vm, False, False)
        fails("RBAC_PERMISSION_DENIED", b.VM.destroy, vm)
        fails("SESSION_AUTHORIZATION_FAILED", over_tls, host, "alice", "wonder")


def test_sessions_survive_a_restart_and_are_kept_as_digests():
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = over_tls(host, "root", "secret")
        secret = x.session_ref
        host.kill("xapid")
        host.wait_up()
        y = Client(host).resume(secret)
        assert y.VM.get_all()
        database = b"".join(p.read_bytes() for p in (host.dir / "state").glob("xapid.db*"))
        assert secret.removeprefix("OpaqueRef:").encode() not in database


@covers("role.get_permissions", "role.get_permissions_name_label", "role.get_by_permission",
        "role.get_by_permission_name_label")
def test_the_role_table():
    with Host() as host:
        x = host.client()
        records = x.role.get_all_records()
        roles = {r["name_label"]: r for r in records.values() if r["subroles"]}
        assert set(ROLES) <= set(roles), set(roles)
        assert roles["pool-admin"]["uuid"] == "0165f154-ba3e-034e-6b27-5d271af109ba"
        sizes = [len(roles[name]["subroles"]) for name in ROLES]
        assert sizes == sorted(sizes) and sizes[0] > 1000, sizes
        start = role(x, "vm.start")
        holders = {records[r]["name_label"] for r in x.role.get_by_permission(start)}
        assert "vm-operator" in holders and "read-only" not in holders, holders
        assert set(x.role.get_by_permission_name_label("vm.start")) == set(x.role.get_by_permission(start))
        admin = role(x, "pool-admin")
        assert len(x.role.get_permissions(admin)) == len(x.role.get_permissions_name_label(admin))
        fails("HANDLE_INVALID", x.role.get_permissions, "OpaqueRef:none")
        fails("HANDLE_INVALID", x.role.get_permissions_name_label, "OpaqueRef:none")
        fails("HANDLE_INVALID", x.role.get_by_permission, "OpaqueRef:none")
        fails("SESSION_INVALID", x.raw, "role.get_by_permission_name_label", "OpaqueRef:none", "vm.start")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

#!/usr/bin/python3
"""Logins and their end, root's password, and switching logins of local users off and on."""
import os
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from accounts import Accounts
from covers import covers
from host import BUILDDIR, Client, Host, UnixConnection, fails

ACCOUNTS = Accounts({"root": (0, "secret"), "alice": (5001, "wonder")})


def over_tls(host, user, password):
    return Client(host, connect=host.tls).login(user, password)


@covers("session.login_with_password", "session.logout",
        "session.slave_local_login_with_password", "session.local_logout")
def test_login_and_logout():
    with Host(https=True, accounts=ACCOUNTS) as host:
        login = Client(host, connect=host.tls)
        for method, end in (("session.login_with_password", "session.logout"),
                            ("session.slave_local_login_with_password", "session.local_logout")):
            fails("SESSION_AUTHENTICATION_FAILED", login.raw, method, "root", "wrong")
            x = Client(host)
            x.session_ref = login.raw(method, "root", "secret")
            assert x.session.get_auth_user_name(x.session_ref) == "root"
            x.call(end)
            fails("SESSION_INVALID", x.VM.get_all)
            fails("SESSION_INVALID", x.call, end)


def connected_as(host, uid):
    """A connection to the unix socket of this user's, who is whom the kernel tells of."""
    connection = UnixConnection(host.socket, 60)
    os.seteuid(uid)
    try:
        connection.connect()
    finally:
        os.seteuid(0)
    connection.auto_open = 0  # never anew, as somebody else
    return connection


def test_only_root_needs_no_password():
    with Host(accounts=ACCOUNTS) as host:
        try:
            connected_as(host, 65534)
            raise AssertionError("anybody may connect")
        except PermissionError:
            os.chmod(host.socket, 0o666)  # as an administrator may
        root, nobody = (Client(host, connect=lambda uid=uid: connected_as(host, uid)) for uid in (0, 65534))
        assert root.login("root", "").VM.get_all()
        fails("SESSION_AUTHENTICATION_FAILED", nobody.raw, "session.login_with_password", "root", "")
        fails("SESSION_AUTHENTICATION_FAILED", nobody.raw, "session.slave_local_login_with_password", "root", "wrong")
        assert nobody.login("root", "secret").VM.get_all()


class Wrong(threading.Thread):
    """A login with a wrong password on a connection of its own: how long its answer took, or what came instead."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host, self.outcome = host, None

    def run(self):
        try:
            # Not all opened beforehand: one that says nothing for a while is closed.
            connection = self.host.tls()
            connection.connect()
            began = time.monotonic()
            fails("SESSION_AUTHENTICATION_FAILED", Client(self.host, connect=lambda: connection).login, "root", "wrong")
            self.outcome = time.monotonic() - began
        except Exception as error:
            self.outcome = error


def test_wrong_passwords_hold_nothing_up():
    with Host(https=True, accounts=ACCOUNTS) as host:
        wrong, right = [Wrong(host) for _ in range(20)], []
        for thread in wrong:
            thread.start()
        while any(thread.is_alive() for thread in wrong):
            began = time.monotonic()
            x = over_tls(host, "root", "secret")
            assert x.VM.get_all()
            right.append(time.monotonic() - began)
            x.session.logout()
        taken = [thread.outcome for thread in wrong]
        assert all(isinstance(outcome, float) for outcome in taken), taken
        print(f"# wrong: {min(taken):.1f} to {max(taken):.1f} s; {len(right)} right ones: "
              f"{median(right):.3f} s, {max(right):.3f} s at most")
        assert median(right) < median(taken) / 2, "right ones wait as wrong ones do"


@covers("session.change_password")
def test_changing_roots_password():
    accounts = Accounts({"root": (0, "secret")}, recorder=BUILDDIR / "tests/unit/pam-recorder.so")
    with Host(https=True, accounts=accounts) as host:
        x = over_tls(host, "root", "secret")
        fails("CHANGE_PASSWORD_REJECTED", x.session.change_password, "secret", "")
        assert not accounts.new_password.exists()
        x.session.change_password("secret", "better")
        assert accounts.new_password.read_text() == "better"


@covers("host.enable_external_auth", "host.disable_external_auth")
def test_external_auth():
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = host.client()
        here = x.host.get_all()[0]
        alice = x.subject.create({"subject_identifier": "u5001"})
        x.subject.add_to_roles(alice, x.role.get_by_name_label("read-only")[0])
        before = over_tls(host, "alice", "wonder")
        assert before.VM.get_all()
        fails("AUTH_ALREADY_ENABLED", x.host.enable_external_auth, here, {}, "local", "PAM")
        x.host.disable_external_auth(here)
        fails("HANDLE_INVALID", x.host.disable_external_auth, "OpaqueRef:none")
        assert x.host.get_external_auth_type(here) == ""
        fails("SESSION_AUTHENTICATION_FAILED", over_tls, host, "alice", "wonder")
        fails("RBAC_PERMISSION_DENIED", before.VM.get_all)  # nor does a session from before help
        assert over_tls(host, "root", "secret").VM.get_all(), "root is nobody's guest"
        fails("AUTH_UNKNOWN_TYPE", x.host.enable_external_auth, here, {}, "corp", "AD")
        x.host.enable_external_auth(here, {}, "local", "PAM")
        assert over_tls(host, "alice", "wonder").VM.get_all()


@covers("pool.enable_external_auth", "pool.disable_external_auth")
def test_external_auth_of_the_pool():
    with Host(https=True, accounts=ACCOUNTS) as host:
        x = host.client()
        here, pool = x.host.get_all()[0], x.pool.get_all()[0]
        x.subject.add_to_roles(x.subject.create({"subject_identifier": "u5001"}), x.role.get_by_name_label("read-only")[0])
        assert fails("POOL_AUTH_ALREADY_ENABLED", x.pool.enable_external_auth, pool, {}, "local", "PAM").params == [here]
        fails("HANDLE_INVALID", x.pool.disable_external_auth, "OpaqueRef:none")
        x.pool.disable_external_auth(pool)
        fails("SESSION_AUTHENTICATION_FAILED", over_tls, host, "alice", "wonder")
        fails("AUTH_UNKNOWN_TYPE", x.pool.enable_external_auth, pool, {}, "corp", "AD")
        x.pool.enable_external_auth(pool, {"a": "b"}, "local", "PAM")
        assert over_tls(host, "alice", "wonder").VM.get_all()
        record = x.host.get_record(here)
        assert (record["external_auth_type"], record["external_auth_service_name"], record["external_auth_configuration"]) == \
            ("PAM", "local", {"a": "b"}), record


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

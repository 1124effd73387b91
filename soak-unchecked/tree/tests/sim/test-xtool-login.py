#!/usr/bin/python3
"""xtool over TLS: passwords, certificates, and what users with few rights may do."""
import hashlib
import os
import pty
import re
import select
import ssl
import subprocess
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from accounts import Accounts
from host import Host
from xtool import XTOOL, Tool

ACCOUNTS = Accounts({"root": (0, "secret"), "alice": (5001, "wonder")})


def test_passwords_and_certificates():
    with Host(https=True, accounts=ACCOUNTS) as host:
        pem = ssl.get_server_certificate(("127.0.0.1", host.https_port))
        print_of = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        known = host.dir / "home" / "config" / "xapid" / "known_hosts"
        port = ["-p", str(host.https_port)]
        root = ["-u", "root", "-pw", "secret"]
        trusting = [*port, "--fingerprint", print_of]
        plain = Tool(host, "127.0.0.1")

        said = plain.fails(3, "host-list", *port, *root)
        assert print_of in said and "--trust" in said and not known.exists(), said
        other = print_of[:-1] + ("0" if print_of[-1] != "0" else "1")
        assert "another fingerprint" in plain.fails(3, "host-list", *port, *root, "--fingerprint",
                                                    other)
        plain.fails(2, "host-list", *port, *root, "--fingerprint", "abc")
        assert plain("host-list", *trusting, *root)
        colons = ":".join(re.findall("..", print_of.upper()))
        assert plain("host-list", *port, *root, f"fingerprint={colons}")

        assert plain("host-list", *port, *root, "--trust")
        assert known.read_text() == f"127.0.0.1:{host.https_port} {print_of}\n"
        assert known.stat().st_mode & 0o777 == 0o600
        assert plain("host-list", *port, *root), "it is remembered"
        known.write_text(f"127.0.0.1:{host.https_port} {other}\n")
        said = plain.fails(3, "host-list", *port, *root, "--trust")
        assert "is not the one that is remembered" in said and str(known) in said, said
        known.unlink()

        said = plain.fails(1, "host-list", *trusting, "-u", "root", "-pw", "wrong")
        assert "user name or the password is wrong" in said, said
        assert "No password" in plain.fails(2, "host-list", *trusting, "-u", "root")
        file = host.dir / "pwf"
        file.write_text("root\nsecret\n")
        assert plain("host-list", *trusting, "-pwf", str(file))
        plain.fails(2, "host-list", *trusting, "-pwf", str(host.dir / "nowhere"))
        (plain.home / ".xe").write_text(f"username=root\npassword=secret\nport={host.https_port}\n")
        assert plain("host-list", "--fingerprint", print_of)
        plain.environment["XE_EXTRA_ARGS"] = f"fingerprint={print_of}"
        assert plain("host-list")
        plain.environment["XTOOL_SERVER"] = "127.0.0.1"
        plain.before = []
        assert plain("host-list")


def test_an_unknown_server_may_be_trusted_on_a_terminal():
    with Host(https=True, accounts=ACCOUNTS) as host:
        t = Tool(host, "127.0.0.1", "-p", str(host.https_port), "-u", "root")
        known = t.home / "config" / "xapid" / "known_hosts"
        for answer, status in (("no", 3), ("yes", 0)):
            master, slave = pty.openpty()
            tool = subprocess.Popen([XTOOL, *t.before, "-pw", "secret", "host-list", "--minimal"],
                                    stdin=slave, stdout=subprocess.PIPE, stderr=slave,
                                    env=t.environment)
            os.close(slave)
            seen = b""
            while b"(yes/no)?" not in seen:
                assert select.select([master], [], [], 30)[0], seen
                seen += os.read(master, 4096)
            os.write(master, answer.encode() + b"\n")
            tool.communicate(timeout=30)
            os.close(master)
            assert tool.returncode == status, tool.returncode
            assert known.exists() == (status == 0)
        # And the password is asked for without an echo.
        master, slave = pty.openpty()
        tool = subprocess.Popen([XTOOL, *t.before, "host-list", "--minimal"], stdin=slave,
                                stdout=subprocess.PIPE, stderr=slave, env=t.environment)
        os.close(slave)
        seen = b""
        while b"Password of root" not in seen or not seen.endswith(b": "):
            assert select.select([master], [], [], 30)[0], seen
            seen += os.read(master, 4096)
        os.write(master, b"secret\n")
        out, _ = tool.communicate(timeout=30)
        while select.select([master], [], [], 0)[0]:
            try:
                seen += os.read(master, 4096)
            except OSError:
                break
        os.close(master)
        assert tool.returncode == 0 and len(out) == 37, out
        assert b"secret" not in seen, seen


def test_subjects_and_roles():
    with Host(https=True, accounts=ACCOUNTS) as host:
        t = Tool(host)
        t.create("web")
        subject = t("subject-add", "subject-name=alice").strip()
        assert t("subject-param-get", f"uuid={subject}", "param-name=subject-identifier") == "u5001\n"
        t("subject-role-add", f"uuid={subject}", "role-name=read-only")
        role = t("subject-param-get", f"uuid={subject}", "param-name=roles").strip()
        assert t("role-param-get", f"uuid={role}", "param-name=name") == "read-only\n"
        alice = Tool(host, "127.0.0.1", "-p", str(host.https_port), "-u", "alice", "-pw", "wonder",
                     "--trust")
        assert alice("vm-list", "--minimal")
        said = alice.fails(1, "vm-start", "vm=web")
        assert "role" in said and "subject-role-add" in said, said
        t("subject-role-remove", f"uuid={subject}", f"role-uuid={role}")
        t.fails(2, "subject-role-add", f"uuid={subject}")
        t("session-subject-identifier-logout-all")
        t("subject-remove", f"subject-uuid={subject}")
        assert t("subject-list", "--minimal") == "\n"


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

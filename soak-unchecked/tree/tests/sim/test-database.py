#!/usr/bin/python3
"""What an administrator does with the database of a simulated host: checks, dumps, restores."""
import base64
import os
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from accounts import Accounts
from disks import drivers_known, new_sr, new_vbd, new_vdi
from host import BUILDDIR, GUEST, Client, Host, UnixConnection, fails
from xtool import Tool

TEXTS = "one\ntwo\t'three' \"four\" \\ <five> & ü  six"  # all that could be lost on its way


FOREIGN = "cccccccc-0000-4000-8000-000000000001"


def path_of(host):
    return host.dir / "state" / "xapid.db"


def db(host, *arguments, dump=b"", status=0, text=True):
    """xapid-db; what it printed, on the standard error too when it fails."""
    done = subprocess.run([BUILDDIR / "xapid-db", "--config", host.config, *arguments], input=dump,
                          capture_output=True, timeout=60)
    assert done.returncode == status, (arguments, done.returncode, done.stdout[-500:], done.stderr)
    output = done.stdout + (done.stderr if status else b"")
    return output.decode() if text else output


def rows(dump):
    """class -> ref -> fields."""
    return {table.get("name"): {row.get("ref"): {name: value for name, value in row.attrib.items()
                                                 if not name.startswith("__")} for row in table}
            for table in xml.fromstring(dump).findall("table")}


def furnish(host):
    """A running guest with a disk, one that is halted, and words that are hard to write down."""
    x = host.client()
    drivers_known(x)
    sr = new_sr(host, x)
    disk = new_vdi(x, sr)
    vm = x.VM.create({**GUEST, "name_label": "running"})
    new_vbd(x, vm, disk)
    x.VM.start(vm, False, False)
    halted = x.VM.create({**GUEST, "name_label": "halted", "name_description": TEXTS})
    x.VM.set_other_config(halted, {"folder": TEXTS, "": "", "'": "\\'"})
    x.VM.set_tags(halted, ["a", "b ' c", ""])
    x.subject.create({"subject_identifier": "u5001", "other_config": {"subject-name": "alice"}})
    return x, vm, halted


def states(x):
    return {record["uuid"]: record["power_state"] for record in x.VM.get_all_records().values()}


def records(x):
    """What clients see of what outlives a restart, and does not change by itself."""
    found = {cls: getattr(x, cls).get_all_records()
             for cls in ("VM", "VBD", "VDI", "SR", "PBD", "pool", "subject")}
    for drive in found["VBD"].values():
        del drive["metrics"]
    return found


def tree(folder):
    return {path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes())
            for path in folder.rglob("*") if path.is_file()}


def test_fsck():
    with Host() as host:
        x, vm, halted = furnish(host)
        assert "stop xapid first" in db(host, "fsck", status=1)
        assert "stop xapid first" in db(host, "dump", status=1)
        host.kill("xapid")  # it is left as a crash leaves it
        host.stop()
        before = tree(host.dir / "state")
        assert db(host, "fsck") == f"{path_of(host)}: sound\n"
        assert db(host, "fsck", path_of(host)) == f"{path_of(host)}: sound\n"
        assert tree(host.dir / "state") == before, "a check changes nothing"
        with sqlite3.connect(path_of(host)) as open_database:
            fields, = open_database.execute("SELECT fields FROM row WHERE ref = ?", (halted,)).fetchone()
            assert b"halted" in fields
            open_database.execute("UPDATE row SET fields = ? WHERE ref = ?",
                                  (fields.replace(b"halted", b"walted"), halted))
            disk, = open_database.execute("SELECT ref FROM row WHERE class = 'VDI'").fetchone()
            open_database.execute("DELETE FROM row WHERE class = 'VDI'")
            drive, = open_database.execute("SELECT ref FROM row WHERE class = 'VBD'").fetchone()
        open_database.close()
        told = db(host, "fsck", status=1).splitlines()
        assert any(f"ref={drive} field=VDI: {disk} is not a VDI" in line for line in told), told
        assert any(line.startswith("VM uuid=") and halted in line and "checksum" in line for line in told), told
        assert told[-1].endswith(" faults"), told
        os.truncate(path_of(host), 5000)
        assert "damaged" in db(host, "fsck", status=1) or "faults" in db(host, "fsck", status=1)
        path_of(host).write_bytes(b"anything at all")
        db(host, "fsck", status=1)
        path_of(host).unlink()
        assert "No such file" in db(host, "fsck", status=1)


def test_round_trip():
    """Dumped, and restored: here after something was lost, and on a host that never ran."""
    with Host() as host, Host() as other:
        x, vm, halted = furnish(host)
        host.guest(f"xl-create {FOREIGN} by-xl")
        tap.wait_until(lambda: states(x).get(FOREIGN) == "Running", "a domain of another tool")
        foreign = x.VM.get_by_uuid(FOREIGN)
        before = records(x)
        host.stop()
        dump = db(host, "dump", text=False)
        assert set(rows(dump)) >= {"VM", "VBD", "VDI", "SR", "PBD", "host", "pool", "subject", "SM"}
        assert not {"session", "task", "role"} & set(rows(dump)), "what lives as long as a process"
        assert rows(dump)["VM"][halted]["name_description"] == TEXTS
        host.start()
        x = host.client()
        x.VM.destroy(halted)
        host.stop()
        changed = db(host, "dump", text=False)
        assert "it could be restored" in db(host, "--dry-run", "restore", dump=dump)
        assert rows(db(host, "dump", text=False)) == rows(changed), "--dry-run changes nothing"
        told = db(host, "restore", dump=dump)
        assert told.endswith(": sound\n"), told
        assert rows(db(host, "dump", text=False)) == rows(dump)
        old = Path(told.split(": ")[0])
        assert rows(db(host, "dump", old, text=False)) == rows(changed), "the one before is kept"
        status = path_of(host).stat()
        assert status.st_mode & 0o777 == 0o600 and status.st_uid == (host.dir / "state").stat().st_uid
        host.start()
        x = host.client()
        tap.wait_until(lambda: records(x) == before, "the same objects again")
        assert x.VM.get_power_state(vm) == "Running", "guests do not notice"
        fails("OPERATION_NOT_ALLOWED", x.VM.hard_shutdown, foreign)  # it is still that tool's

        other.stop()
        for path in (other.dir / "state").glob("xapid.db*"):
            path.unlink()
        db(other, "restore", dump=dump)
        assert rows(db(other, "dump", text=False)) == rows(dump)
        other.start()
        x = other.client()
        assert x.VM.get_name_description(halted) == TEXTS
        tap.wait_until(lambda: x.VM.get_power_state(vm) == "Halted", "an end of what runs on the other host")
        tap.wait_until(lambda: FOREIGN not in states(x), "no row of what is not there")


def test_refused():
    with Host() as host:
        furnish(host)
        assert "stop xapid first" in db(host, "restore", dump=b"", status=1)
        host.stop()
        dump = db(host, "dump", text=False)
        before = tree(host.dir / "state")
        for bad, told in (
                (b"", "malformed"), (dump[:-12], "malformed"), (dump[:len(dump) // 2], "line "),
                (dump.replace(b'value="xapid"', b'value="xapi"'), "not a dump of xapid"),
                (dump.replace(b'power_state="Halted"', b'power_state="Asleep"'), "Asleep"),
                (dump.replace(b' VM="OpaqueRef:', b' VM="OpaqueRef:0'), "is not a VM"),
                (dump.replace(b"</database>", b'<table name="session"><row ref="OpaqueRef:a" '
                              b'is_local_superuser="true"/></table></database>'), "table session")):
            assert bad != dump, told
            said = db(host, "restore", dump=bad, status=1)
            assert told in said and "line" in said, said
            assert tree(host.dir / "state") == before, "nothing is replaced by half"


PATH = "/pool/xmldbdump"
ACCOUNTS = Accounts({"root": (0, "secret"), "alice": (5001, "wonder")}, {})
ROLES = "read-only", "vm-operator", "vm-admin", "vm-power-admin", "pool-operator", "pool-admin"


def http(connection, method, path=PATH, body=None, headers=()):
    """status, body"""
    connection.request(method, path, body, dict(headers))
    reply = connection.getresponse()
    return reply.status, reply.read()


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_http_dump():
    """Over HTTP the same rows; who may not read them all gets none of them."""
    with Host(https=True, accounts=ACCOUNTS) as host:
        x, vm, halted = furnish(host)
        secret = x.secret.create({"value": "much-to-hide", "other_config": {}})
        x.subject.add_to_roles(x.subject.get_all()[0], x.role.get_by_name_label("read-only")[0])
        alice = Client(host, connect=host.tls).login("alice", "wonder")
        for role in ROLES:
            subject, = x.subject.get_all()
            for old in x.subject.get_roles(subject):
                x.subject.remove_from_roles(subject, old)
            x.subject.add_to_roles(subject, x.role.get_by_name_label(role)[0])
            for path, headers in ((f"{PATH}?session_id={alice.session_ref}", {}),
                                  (PATH, {"Cookie": f"a=b; session_id={alice.session_ref}"}),
                                  (PATH, basic("alice", "wonder"))):
                for method, body in ("GET", None), ("PUT", b"<database/>"):
                    status, reply = http(host.tls(), method, path, body, headers)
                    if role == "pool-admin":
                        assert status == (200 if method == "GET" else 400), (status, reply)
                    else:
                        assert status == 403 and b"http/" in reply and b"much-to-hide" not in reply, reply
        # Whose role has them reads secrets, but no session, and no password.
        status, dump = http(host.tls(), "GET", headers=basic("alice", "wonder"))
        assert status == 200 and rows(dump)["secret"][secret]["value"] == "much-to-hide"
        for hidden in alice.session_ref, x.session_ref, "wonder":
            assert hidden.encode() not in dump, hidden
        assert not {"session", "task"} & set(rows(dump))
        before = len(x.session.get_all_subject_identifiers())
        assert before == 1, "logins of these requests have ended"
        for headers in {}, {"Cookie": "session_id=OpaqueRef:none"}, basic("alice", "wrong"):
            for method, body in ("GET", None), ("PUT", dump):
                status, reply = http(host.tls(), method, PATH, body, headers)
                assert status == 401 and b"much-to-hide" not in reply, (status, reply)
        status, reply = http(UnixConnection(host.socket), "GET")
        assert status == 200 and rows(reply) == rows(dump), "root at the socket needs no password"
        x.session.logout()
        alice.session.logout()
        status, reply = http(host.tls(), "GET", f"{PATH}?session_id={alice.session_ref}")
        assert status == 401, reply
        host.stop()
        assert rows(db(host, "dump", text=False)) == rows(dump)


def test_http_restore():
    with Host() as host:
        x, vm, halted = furnish(host)
        before = records(x)
        _, dump = http(UnixConnection(host.socket), "GET")
        token = x.call("event.from", ["VM"], "", 0.0)["token"]
        x.VM.destroy(halted)
        for query, body, status, told in (
                ("?dry_run=perhaps", dump, 400, b"true or false"),
                ("", dump[:-12], 400, b"malformed"), ("?dry_run=true", dump[:-12], 400, b"malformed"),
                ("?dry_run=true", dump, 200, b"")):
            found, reply = http(UnixConnection(host.socket), "PUT", PATH + query, body)
            assert found == status and told in reply, (query, found, reply)
        assert halted not in x.VM.get_all(), "a dry run changes nothing"
        assert not list((host.dir / "state").glob("*.restore*"))
        pid = host.child("xapid")
        found, reply = http(UnixConnection(host.socket), "PUT", PATH, dump)
        assert found == 200, (found, reply)
        tap.wait_until(lambda: host.child("xapid") not in (None, pid), "restart")
        host.wait_up()
        fails("SESSION_INVALID", Client(host).resume(x.session_ref).VM.get_all)
        x = host.client()
        tap.wait_until(lambda: records(x) == before, "the objects of the dump")
        assert x.VM.get_power_state(vm) == "Running"
        # A client that goes on from where it was is told of everything.
        told = x.call("event.from", ["VM"], token, 5.0)
        assert {event["ref"] for event in told["events"]} >= {vm, halted}, told["events"]
        assert list((host.dir / "state").glob("xapid.db.before-*")), "the old one is kept"
        assert db(host, "fsck", next((host.dir / "state").glob("xapid.db.before-*"))).endswith(": sound\n")
        x.VM.destroy(halted)
        host.stop()
        assert db(host, "fsck").endswith(": sound\n")


def test_xtool():
    """The server's database and a stopped host's, as files."""
    with Host() as host:
        x, vm, halted = furnish(host)
        xtool, file, again = Tool(host), host.dir / "dump.xml", host.dir / "again.xml"
        xtool.environment["XTOOL_XAPID_DB"] = str(BUILDDIR / "xapid-db")
        assert xtool("pool-dump-database", f"file-name={file}") == ""
        dump = file.read_bytes()
        assert rows(dump)["VM"][halted]["name_description"] == TEXTS and file.stat().st_mode & 0o777 == 0o600
        assert "exists" in xtool.fails(1, "pool-dump-database", f"file-name={file}")
        assert rows(xtool("pool-dump-database", "file-name=-")) == rows(dump)
        xtool.before[1:2] = ["/nonexistent"]
        xtool.fails(3, "pool-dump-database", f"file-name={again}")
        xtool.before[1:2] = [host.socket]
        assert not list(host.dir.glob("again*")), "nothing is left of what failed"
        x.VM.destroy(halted)
        again.write_bytes(dump[:-20])
        assert "line " in xtool.fails(1, "pool-restore-database", f"file-name={again}", "--dry-run")
        assert xtool("pool-restore-database", f"file-name={file}", "dry-run=true") == ""
        assert halted not in x.VM.get_all()
        pid = host.child("xapid")
        assert xtool("pool-restore-database", f"file-name={file}") == ""
        tap.wait_until(lambda: host.child("xapid") not in (None, pid), "restart")
        host.wait_up()
        assert halted in host.client().VM.get_all()
        database = path_of(host)
        said = xtool.run("db-fsck", database, status=1)
        assert "stop xapid first" in said.stderr, said
        host.stop()
        assert xtool("db-fsck", database) == f"{database}: sound\n"
        again.unlink()
        assert xtool("db-dump", again, database) == ""
        for text in again.read_bytes(), xtool("db-dump", "-", database):
            assert rows(text)["VM"] == rows(dump)["VM"]
        assert "exists" in xtool.fails(1, "db-dump", again, database)
        database.write_bytes(b"this is no database" * 1000)
        assert "failed" in xtool.run("db-fsck", database, status=1).stderr
        assert "could be" in xtool("db-restore", "--dry-run", again, database)
        assert xtool("db-restore", again, database).endswith(": sound\n")
        xtool.fails(2, "db-restore")
        xtool.fails(2, "db-fsck", "a", "b")
        xtool.environment["XTOOL_XAPID_DB"] = "/nonexistent"
        assert "part of xapid" in xtool.fails(1, "db-fsck")
        host.start()
        assert halted in host.client().VM.get_all()


def test_broken_off():
    """Killed at any point of a restore: the old database or the new one, and the next start has it."""
    with Host() as host:
        x, vm, halted = furnish(host)
        host.stop()
        dump = db(host, "dump", text=False)
        host.start()
        host.client().VM.destroy(halted)
        host.stop()
        changed = db(host, "dump", text=False)
        points = [line.split()[0] for line in subprocess.check_output(
            [BUILDDIR / "xapid-db", "--fault-points"], text=True).splitlines()]
        points = [point for point in points if point.startswith(("store.prepare", "store.restore"))]
        assert len(points) >= 5, points
        for point in points:
            os.environ["XAPID_FAULT"] = f"{point}=kill"
            try:
                db(host, "restore", dump=dump, status=-9)
            finally:
                del os.environ["XAPID_FAULT"]
            assert rows(db(host, "dump", text=False)) in (rows(dump), rows(changed)), point
            host.start()
            there = halted in host.client().VM.get_all()
            host.stop()
            assert there == (point not in ("store.prepare.before", "store.prepare.filled")), point
            db(host, "restore", dump=changed)


tap.run(test_fsck, test_round_trip, test_refused, test_broken_off, test_http_dump, test_http_restore,
        test_xtool)

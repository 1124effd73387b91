#!/usr/bin/python3
"""What an administrator does with the database of a simulated host: checks, dumps, restores."""
import os
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import new_sr, new_vbd, new_vdi
from host import BUILDDIR, GUEST, Host

TEXTS = "one\ntwo\t'three' \"four\" \\ <five> & ü  six"  # all that could be lost on its way


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
    tap.wait_until(lambda: "file" in x.SR.get_supported_types(), "drivers")
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
        furnish(host)
        assert "stop xapid first" in db(host, "fsck", status=1)
        assert "stop xapid first" in db(host, "dump", status=1)
        host.kill("xapid")  # it is left as a crash leaves it
        host.stop()
        before = tree(host.dir / "state")
        assert db(host, "fsck") == f"{path_of(host)}: sound\n"
        assert db(host, "fsck", path_of(host)) == f"{path_of(host)}: sound\n"
        assert tree(host.dir / "state") == before, "a check changes nothing"
        with sqlite3.connect(path_of(host)) as open_database:
            open_database.execute("UPDATE row SET fields = replace(fields, 'halted', 'walted') "
                                  "WHERE class = 'VM'")
            disk, = open_database.execute("SELECT ref FROM row WHERE class = 'VDI'").fetchone()
            open_database.execute("DELETE FROM row WHERE class = 'VDI'")
            drive, = open_database.execute("SELECT ref FROM row WHERE class = 'VBD'").fetchone()
        open_database.close()
        told = db(host, "fsck", status=1).splitlines()
        assert any(f"ref={drive} field=VDI: {disk} is not a VDI" in line for line in told), told
        assert any(line.startswith("VM uuid=") and "checksum" in line for line in told), told
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

        other.stop()
        for path in (other.dir / "state").glob("xapid.db*"):
            path.unlink()
        db(other, "restore", dump=dump)
        assert rows(db(other, "dump", text=False)) == rows(dump)
        other.start()
        x = other.client()
        assert x.VM.get_name_description(halted) == TEXTS
        assert x.VM.get_power_state(vm) == "Halted", "it runs on the other host"


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
            assert there == (point != "store.prepare.filled"), point
            db(host, "restore", dump=changed)


tap.run(test_fsck, test_round_trip, test_refused, test_broken_off)

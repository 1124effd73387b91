#!/usr/bin/python3
"""The systemd units: what running guests depend on is there, and systemd understands it.  Run from
the build folder."""
import configparser
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

UNIT = pathlib.Path("docs/systemd/xapid.service")
GUESTS = pathlib.Path("docs/systemd/xapid-guests.service")


def read(path):
    unit = configparser.ConfigParser(interpolation=None, comment_prefixes="#")
    unit.optionxform = str
    unit.read_string(path.read_text())
    return unit


def test_guests_outlive_the_unit():
    service = read(UNIT)["Service"]
    for key, value in (("Type", "notify"), ("KillMode", "process"), ("OOMPolicy", "continue"),
                       ("TasksMax", "infinity"), ("Restart", "always")):
        assert service[key] == value, (key, service[key])
    assert service["ExecStart"].startswith("/") and service["ExecStart"].endswith("/xapid-launch")
    namespaces = ("Private", "Protect", "ReadOnly", "ReadWrite", "Inaccessible", "Bind", "Root",
                  "MountFlags", "TemporaryFileSystem", "DynamicUser", "Memory")
    assert not [k for k in service if k.startswith(namespaces)]
    # Three programs of ten seconds each may have to be killed.
    assert int(service["TimeoutStopSec"]) > 3 * 10


def test_guests_shut_down_with_the_machine_alone():
    unit = read(GUESTS)
    assert unit["Unit"]["After"].split() == ["xapid.service", "xendomains.service"]
    assert not [key for key in unit["Unit"] if key in ("Requires", "BindsTo", "PartOf", "Upholds")]
    shell, dash_c, script = shlex.split(unit["Service"]["ExecStop"])
    xtool = shlex.split(script)[-3:]
    assert pathlib.Path(xtool[0]).name == "xtool" and int(xtool[2]) < int(unit["Service"]["TimeoutStopSec"]), xtool
    for state, wanted in ("running", ""), ("degraded", ""), ("stopping", "host-disable host=host-list --minimal\nshutdown-all 300\n"):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in ("systemctl", f"echo {state}"), ("xtool", 'echo "$*"'):
                program = pathlib.Path(folder) / name
                program.write_text(f"#!/bin/sh\n{text}\n")
                program.chmod(0o755)
            done = subprocess.run([shell, dash_c, script.replace(xtool[0], f"{folder}/xtool")], text=True, check=True,
                                  capture_output=True, timeout=60, env={"PATH": f"{folder}:{os.environ['PATH']}"})
            assert done.stdout == wanted, (state, done)


def test_systemd_understands_it():
    if not shutil.which("systemd-analyze"):
        raise tap.Skip("no systemd-analyze here")
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "xapid.service"
        lines = [f"ExecStart={os.path.abspath('xapid-launch')}" if line.startswith("ExecStart=")
                 else line for line in UNIT.read_text().splitlines()]
        copy.write_text("\n".join(lines) + "\n")
        guests = pathlib.Path(folder) / GUESTS.name
        shutil.copy(GUESTS, guests)
        result = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy), str(guests)],
                                capture_output=True, text=True, timeout=60, check=False)
        complaints = [line for line in result.stderr.splitlines() if "xapid" in line]
        assert result.returncode == 0 and not complaints, result.stderr


tap.run(test_guests_outlive_the_unit, test_guests_shut_down_with_the_machine_alone, test_systemd_understands_it)

#!/usr/bin/python3
"""The systemd unit: what running guests depend on is there, and systemd understands it.  Run from
the build folder."""
import configparser
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

UNIT = pathlib.Path("docs/systemd/xapid.service")


def test_guests_outlive_the_unit():
    unit = configparser.ConfigParser(interpolation=None, comment_prefixes="#")
    unit.optionxform = str
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    for key, value in (("Type", "notify"), ("KillMode", "process"), ("OOMPolicy", "continue"),
                       ("TasksMax", "infinity"), ("Restart", "always")):
        assert service[key] == value, (key, service[key])
    assert service["ExecStart"].startswith("/") and service["ExecStart"].endswith("/xapid-launch")
    namespaces = ("Private", "Protect", "ReadOnly", "ReadWrite", "Inaccessible", "Bind", "Root",
                  "MountFlags", "TemporaryFileSystem", "DynamicUser", "Memory")
    assert not [k for k in service if k.startswith(namespaces)]
    # Three programs of ten seconds each may have to be killed.
    assert int(service["TimeoutStopSec"]) > 3 * 10


def test_systemd_understands_it():
    if not shutil.which("systemd-analyze"):
        raise tap.Skip("no systemd-analyze here")
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "xapid.service"
        lines = [f"ExecStart={os.path.abspath('xapid-launch')}" if line.startswith("ExecStart=")
                 else line for line in UNIT.read_text().splitlines()]
        copy.write_text("\n".join(lines) + "\n")
        result = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)],
                                capture_output=True, text=True, timeout=60, check=False)
        complaints = [line for line in result.stderr.splitlines() if "xapid" in line]
        assert result.returncode == 0 and not complaints, result.stderr


tap.run(test_guests_outlive_the_unit, test_systemd_understands_it)

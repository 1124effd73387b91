#!/usr/bin/python3
"""./try --sim from outside: what it prints and leaves, hosts.json, --stop, interruptions."""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
import xmlrpc.client
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import bare
import tap
from host import BUILDDIR

TOP = Path(__file__).resolve().parents[2]
BOUND = 180
ENVIRONMENT = {**os.environ, "TRY_BUILDDIR": str(BUILDDIR)}


def start(*words, **environment):
    return subprocess.Popen([TOP / "try", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, env={**ENVIRONMENT, **environment},
                            start_new_session=True, preexec_fn=bare.heeds_interrupts)


def end(process):
    try:
        output, _ = process.communicate(timeout=BOUND)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError("./try did not end") from None
    return process.returncode, output


def run(*words, **environment):
    return end(start(*words, **environment))


def folder():
    return tempfile.TemporaryDirectory(prefix="try-")


def ours(place):
    """Processes that were started for this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            mounts = (entry / "mountinfo").read_text()
        except OSError:
            continue
        if int(entry.name) != os.getpid() and (str(place) in mounts or
                                               any(str(place) in word for word in words)):
            found.append(words)
    return found


def nothing_is_left(place):
    assert not place.exists() or not list(place.iterdir()), list(place.iterdir())
    tap.wait_until(lambda: not ours(place), f"end of {ours(place)}")


def rows(output):
    """The table's rows, as words."""
    lines = output.splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["name", "domain_type"])
    table = []
    for line in lines[head + 1:]:
        if not line:
            return table
        table.append(line.split())
    return table


def test_it_tells_what_it_did_and_leaves_nothing():
    with folder() as base:
        place = Path(base) / "hosts"
        status, output = run("--sim", "--dir", str(place))
        assert status == 0, output
        for word in ("release", "architecture", "user", "memory", "disk", "apt", "VM.create", "VM.pause",
                     "VM.unpause", "VM.clean_reboot", "VM.destroy", "xtool", "curl", "python3"):
            assert word in output, (word, output)
        table = rows(output)
        assert [row[0:2] for row in table] == [[f"host1-{kind}", kind] for kind in ("pv", "pvh", "hvm")], table
        for row in table:
            assert int(row[2]) > 0
            assert row[3:9] == "Halted Running Paused Running Running Halted".split(), row
        nothing_is_left(place)


def login(entry):
    """The API of an entry of hosts.json, once its certificate is the one that is named there."""
    address = entry["url"].removeprefix("https://")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, 443), timeout=20) as plain:
        with context.wrap_socket(plain) as tls:
            digest = hashlib.sha256(tls.getpeercert(True)).hexdigest()
    assert entry["ssl_fingerprint"].replace(":", "").lower() == digest
    api = xmlrpc.client.ServerProxy(entry["url"], context=context)
    reply = api.session.login_with_password(entry["user"], entry["password"])
    assert reply["Status"] == "Success", reply
    return api, reply["Value"]


def test_kept_hosts_are_reached_by_hosts_json():
    with folder() as base:
        place = Path(base) / "hosts"
        try:
            status, output = run("--sim", "--keep", "--hosts", "2", "--dir", str(place))
            assert status == 0 and len(rows(output)) == 6, output
            assert (place / "hosts.json").stat().st_mode & 0o777 == 0o600
            entries = json.loads((place / "hosts.json").read_text())
            assert [entry["name"] for entry in entries] == ["host1", "host2"]
            assert len({entry["url"] for entry in entries}) == 2
            assert entries[0]["password"] != entries[1]["password"]
            for entry in entries:
                api, session = login(entry)
                host = list(api.host.get_all_records(session)["Value"].values())[0]
                assert entry["url"] == f"https://{host['address']}"
                wrong = api.session.login_with_password("root", entries[0]["password"] + "x")
                assert wrong["ErrorDescription"][0] == "SESSION_AUTHENTICATION_FAILED"
            pages = [line.split()[3] for line in output.splitlines() if line.startswith("In a browser: ")]
            assert pages == [f"{entry['url']}/" for entry in entries], output
            for page in pages:
                with urllib.request.urlopen(page, context=ssl._create_unverified_context(), timeout=60) as reply:
                    assert b"<title>xapid</title>" in reply.read(), page
            # What it prints to paste next works as it is.
            for line in output.splitlines():
                if "curl -sk" in line or line.startswith("  python3 -c"):
                    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True,
                                          timeout=60)
                    assert done.returncode == 0 and ("OpaqueRef:" in done.stdout or
                                                        "Control domain" in done.stdout), (line, done)
            # No second run takes the same place, and its failure ends nothing.
            status, output = run("--sim", "--dir", str(place))
            assert status == 1 and "--stop" in output, output
            login(entries[0])
        finally:
            status, output = run("--stop", "--dir", str(place))
        assert status == 0, output
        nothing_is_left(place)


def test_two_at_once_take_different_addresses():
    with folder() as base:
        both = [start("--sim", "--dir", f"{base}/{n}") for n in (1, 2)]
        seen = []
        for status, output in [end(process) for process in both]:
            assert status == 0 and len(rows(output)) == 3, output
            seen += [line.split()[-1] for line in output.splitlines() if "xapid serves" in line]
        assert len(set(seen)) == 2, seen
        nothing_is_left(Path(base))


def test_stop_takes_no_folder_that_is_not_its_own():
    with folder() as base:
        precious = Path(base) / "precious"
        precious.write_text("mine")
        status, output = run("--stop", "--dir", base)
        assert status == 1 and "no hosts" in output, output
        status, output = run("--sim", "--dir", base)
        assert status == 1 and "not empty" in output, output
        assert precious.read_text() == "mine"


def test_interrupted_anywhere_it_leaves_nothing():
    chance = random.Random(77)
    # While it asks for packages, while Python begins (some of these meet that), and so on.
    moments = ("this machine",) * 3 + ("release",) + ("hosts and guests",) * 12 + (
        "host1: xapid serves", "host2: xapid serves", "VM.start", "VM.clean_reboot", "host2-hvm: VM.hard_shutdown")
    for i, moment in enumerate(moments):
        number = (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[i % 4]
        with folder() as base:
            place = Path(base) / "hosts"
            process = start("--sim", "--hosts", "2", "--dir", str(place))
            output = ""
            for line in process.stdout:
                output += line
                if moment in line:
                    break
            time.sleep(chance.uniform(0, 0.1 if moment == "hosts and guests" else 0.3))
            os.killpg(process.pid, number)
            time.sleep(0.02)
            if process.poll() is None:
                os.killpg(process.pid, number)  # the impatient press it twice
            status, rest = end(process)
            output += rest
            assert status in (1, 130) or moments[-1] in output, (moment, status, output)
            assert status == 0 or "interrupted" in output, (moment, status, output)
            assert "Traceback" not in output and "this failed" not in output, output
            assert "interrupted" not in output or "host1" not in output or "logs" in output, output
            nothing_is_left(place)


def test_a_failure_names_the_logs_and_leaves_nothing():
    with folder() as base, tempfile.TemporaryDirectory(prefix="try-broken-") as broken:
        place = Path(base) / "hosts"
        for program in ("xapid/xapid", "xapid-launch", "xapid-domains", "xapid-host", "xapid-stream", "xapid-terminal", "xapid-picture", "xs-guestd",
                        "storage-repos/file/file", "storage-repos/iso/iso"):
            target = Path(broken) / program
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(BUILDDIR / program)
        (Path(broken) / "xapid-launch").unlink()
        (Path(broken) / "xapid-launch").symlink_to("/bin/false")
        status, output = run("--sim", "--dir", str(place), TRY_BUILDDIR=broken)
        assert status == 1 and "xapid-launch ended" in output, output
        assert f"logs in {broken}/try-logs" in output and list(Path(broken, "try-logs").iterdir()), output
        nothing_is_left(place)


def test_a_guest_that_fails_is_no_row_and_no_success():
    with folder() as base:
        place = Path(base) / "hosts"
        status, output = run("--sim", "--dir", str(place), XAPID_FAULT="ops.step.before=error@1")
        assert status == 1 and "a row is missing" in output, output
        assert "host1-pv: failed: INTERNAL_ERROR fault ops.step.before" in output, output
        assert [row[0] for row in rows(output)] == ["host1-pvh", "host1-hvm"], output
        nothing_is_left(place)


def test_on_a_bare_machine_it_tells_and_installs():
    with folder() as base, bare.Machine() as machine:
        place = Path(base) / "hosts"
        status, output = run("--sim", "--dir", str(place), **machine.environment, TRY_BUILDDIR=str(BUILDDIR))
        assert status == 0 and len(rows(output)) == 3, output
        plan, _, rest = output.partition("\n== packages (")
        for word in ("libxen-dev", "curl", "newly installed", "Need to get 17 MB", "85 MB of additional disk"):
            assert word in plan, (word, output)
        assert "clang" not in plan and "qemu-system-x86" not in plan, plan
        calls = machine.calls()
        assert len(calls) == 2 and " libxen-dev " in calls[1] and rest, calls
        nothing_is_left(place)


def test_for_real_xen_it_tells_and_installs_more():
    with folder() as base, bare.Machine() as machine:
        lab = Path(base) / "lab"
        for mark, words in (("no-network", ("cannot be reached", "apt-update.log")),
                            ("broken", ("dpkg was interrupted", "apt.log"))):
            (machine.fake / mark).touch()
            status, output = run("--dir", f"{base}/hosts", **{**machine.environment, "TRY_BUILDDIR": base,
                                                              "XAPID_LAB_DIR": str(lab)})
            assert status == 1 and all(word in output for word in words), output
            assert "== hosts" not in output and not Path(base, "hosts").exists()
            (machine.fake / mark).unlink()
        assert "qemu-system-x86" in machine.calls()[-1], machine.calls()
        assert "170 MB more" in output and not lab.exists(), output


def test_where_it_cannot_run_it_says_what_to_do():
    with bare.Machine() as machine:
        machine.program("uname", "echo aarch64\n")
        machine.program("df", "echo head; echo /dev/x 1 1 99 1 /\n")
        (machine.fake / "sudo").unlink()
        sudo = shutil.which("sudo", path=machine.environment["PATH"])
        if sudo:
            machine.program("id", "echo 0\n")
        status, output = run("--sim", "--dir", f"{machine.dir}/hosts", **{**machine.environment, "FAKE_UID": "1000"})
        assert status == 1 and "aarch64\n" in output and "-> use an amd64 machine" in output, output
        assert "99 MB\n" in output and "-> make room for 1000 MB" in output, output
        assert sudo or "-> run it as root, or install sudo" in output, output
        assert "the lines with ->" in output and not machine.calls(), output
        machine.program("awk", "echo 6000\n")
        status, output = run("--hosts", "4", "--dir", f"{machine.dir}/hosts", **machine.environment)
        assert status == 1 and "-> 6500 MB are needed" in output, output


def test_bad_options():
    for words in (("--hosts", "0"), ("--hosts",), ("--what",), ("--stop", "--sim"), ("--dir", "")):
        status, output = run(*words)
        assert status == 2 and "--help" in output, (words, output)
    status, output = run("--help")
    assert status == 0 and "--keep" in output


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

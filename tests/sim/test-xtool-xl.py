#!/usr/bin/python3
"""xl's words that stand for no command of xe's, on a simulated host."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import consoles
import tap
from accounts import Accounts
from disks import drivers_known
from host import BUILDDIR, Host
from world import domains
from xtool import Tool


FOREIGN = "5d1ae5ac-0000-4000-8000-00000000f00d"  # a guest of xl's


def table(text):
    """Its cells, by the first line's titles; columns are two spaces apart."""
    rows = [re.split("  +", line.strip()) for line in text.splitlines()]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def domain(host, uuid):
    found, = (d for d in domains(host.sim) if d["uuid"] == uuid)
    return found


def test_names_and_numbers():
    with Host() as host:
        t = Tool(host)
        web, _ = t.create("web"), t.create("db")
        t("start", "web")
        number = t("domid", "web").strip()
        assert number == t("vm-param-get", f"uuid={web}", "param-name=dom-id").strip() == t("domid", web).strip()
        assert t("domname", number) == "web\n" and t("domname", "0").startswith("Control domain")
        assert t.fails(1, "domid", "db") == "error: db does not run.\n"
        assert "There is no domain 4711" in t.fails(1, "domname", "4711")
        for word in "web", "-1", "7x", "99999999999":
            t.fails(2, "domname", word)
        assert t.fails(2, "domname") == "error: usage: xtool domname ID\n"
        assert t.fails(2, "domid", "web", "db") == "error: usage: xtool domid NAME\n"
        assert "Unknown argument 'colour'" in t.fails(2, "domid", "web", "colour=red")
        t("rename", "web", "it's \"a\" web")
        assert t("vm-list", f"uuid={web}", "params=name-label", "--minimal") == "it's \"a\" web\n"
        assert "Xen version" in t("dmesg")


def test_where_and_how_much_a_vm_runs():
    with Host() as host:
        t = Tool(host)
        uuid = t.create("web")
        # Of a halted one, what it will have.
        t("vcpu-pin", "web", "all", "0-3,^2")
        t("vcpu-pin", "web", "all", "1-2")
        t("sched-credit2", "-d", "web", "-w", "512", "-c", "50")
        assert json.loads(t("vm-param-list", f"uuid={uuid}", "--json"))["VCPUs-params"] == \
            {"mask": "1,2", "weight": "512", "cap": "50"}
        t("vcpu-pin", "web", "all", "all")
        assert "no vm 'web' that runs" in t.fails(1, "vcpu-list", "web")
        assert "no VM 'web' that runs" in t.fails(1, "sched-credit2", "-d", "web")
        t("start", "web")
        row, = table(t("vcpu-list", "web"))
        assert (row["VCPUs"], row["Max"], row["Affinity"]) == ("1", "1", "-"), row
        row, = table(t("sched-credit2", "-d", "web"))
        assert (row["Weight"], row["Cap"]) == ("512", "50") and domain(host, uuid)["weight"] == 512, row
        # Of one that runs, at once.
        t("sched-credit2", "-d", "web", "-w", "100", "-c", "0")
        assert (domain(host, uuid)["weight"], domain(host, uuid)["cap"]) == (100, 0)
        t("vcpu-pin", "web", "all", "2")
        row, = table(t("vcpu-list", "web"))
        assert row["Affinity"] == "2", row
        t("vcpu-pin", "web", "all", "all")
        row, = table(t("vcpu-list", "web"))
        n = int(json.loads(t("host-list", "--json"))[0]["cpu_info"]["cpu_count"])
        assert row["Affinity"] == ",".join(map(str, range(n))), row
        assert {row["Name"] for row in table(t("sched-credit2"))} >= {"web"}
        for args in (("vcpu-pin", "web", "0", "all"), ("vcpu-pin", "web", "all", "0-"), ("vcpu-pin", "web", "all", ""),
                     ("vcpu-pin", "web", "all"), ("sched-credit2", "-w", "1"), ("sched-credit2", "-d", "web", "-w", "0"),
                     ("sched-credit2", "-d", "web", "-w", "65536"), ("sched-credit2", "-d", "web", "-c", "x"),
                     ("sched-credit2", "web"), ("sched-credit2", "-d")):
            t.fails(2, *args)
        assert domain(host, uuid)["weight"] == 100


def test_signals():
    with Host() as host:
        t = Tool(host)
        uuid = t.create("web")
        assert "halted" in t.fails(1, "trigger", "web", "nmi")
        t("start", "web")
        t("sysrq", "web", "h")
        assert domain(host, uuid)["sysrq"] == "h"
        before = domain(host, uuid)["signal"]
        t("trigger", "web", "nmi")
        assert domain(host, uuid)["signal"] not in (0, before)
        assert "'bang'" in t.fails(1, "trigger", "web", "bang")
        assert "'hh'" in t.fails(1, "sysrq", "web", "hh")
        t.fails(2, "sysrq", "web")


def test_drives():
    with Host() as host:
        t = Tool(host)
        drivers_known(host.client())
        folder, cds = host.folder(), host.folder("cds")
        sr = t("sr-create", "type=file", "name-label=disks", f"device-config:location={folder}").strip()
        for name in ("a.iso", "b.iso"):
            (Path(cds) / name).write_bytes(b"\0" * 2048)
        t("sr-create", "type=iso", "name-label=cds", "content-type=iso", f"device-config:location={cds}")
        disk = t("vdi-create", f"sr-uuid={sr}", "name-label=data", "virtual-size=1MiB", "sm-config:image-format=raw").strip()
        uuid = t.create("web")
        t("vbd-create", f"vm-uuid={uuid}", "device=hdc", "type=CD", "mode=RO")  # where a number would do, too
        t("start", "web")

        def drives():
            return [(row["Vdev"], row["Type"], row["Mode"], row["Attached"], row["Image"])
                    for row in table(t("block-list", "web"))]

        empty, = drives()
        assert empty[1:3] == ("CD", "RO") and empty[4] == "-", empty
        t("cd-insert", "web", "hdc", f"{cds}/a.iso")
        assert drives()[0][4] == "a.iso"
        t("cd-insert", "web", "2", "b.iso")
        assert drives()[0][4] == "b.iso"
        t("cd-eject", "web", "hdc")
        assert drives()[0][4] == "-"
        assert "no CD drive 'hdd'" in t.fails(1, "cd-eject", "web", "hdd")
        assert "is in no repository of CDs" in t.fails(1, "cd-insert", "web", "hdc", f"{cds}/c.iso")
        assert "no drive 'xvdx'" in t.fails(1, "block-detach", "web", "xvdx")
        if (BUILDDIR / "xtool-xl").exists():
            for spec in (f"vdev=xvdb,access=rw,target={folder}/{disk}.raw", f"{folder}/{disk}.raw,,xvdb,w"):
                t("block-attach", "web", spec)
                assert drives()[0] == ("xvdb", "Disk", "RW", "yes", "data"), drives()
                # What is there twice cannot be, and leaves nothing.
                assert t.fails(1, "block-attach", "web", spec) and len(drives()) == 2
                assert t.fails(1, "block-attach", "web", spec.replace("xvdb", "xvdd")) and len(drives()) == 2
                t("block-detach", "web", "xvdb")
                assert len(drives()) == 1 and not host.handles(), drives()
            t("block-attach", "web", f"{folder}/{disk}.raw,,xvdb,w")
            t("block-detach", "web", "xvdb", "--force")
            assert "none of xvda to xvdp" in t.fails(1, "block-attach", "web", f"{folder}/{disk}.raw,,xvdb1")
        assert "Which disk?" in t.fails(2, "block-attach", "web")
        assert host.violations() == ""


def test_console():
    with Host() as host:
        t = Tool(host)
        t.create("web")
        program = host.dir / "xenconsole"
        program.write_text("#!/bin/sh\nfor word; do echo \"<$word>\"; done\nexit 7\n")
        program.chmod(0o755)
        t.environment["XTOOL_XENCONSOLE"] = str(program)
        assert t.fails(1, "console", "web") == "error: web is halted, and has a console while it runs.\n"
        t("start", "web")
        number = t("domid", "web").strip()

        def words(*args):
            return re.findall("<(.*)>", t("console", *args, status=7))

        assert words("web") == [number, "--num", "0", "--type", "pv"]
        assert words("-t", "serial", "-n", "2", "web") == [number, "--num", "2", "--type", "serial"]
        t("vm-create", "name-label=machine", "domain-type=hvm", "HVM-boot-policy=BIOS order")
        t("start", "machine")
        assert words("machine")[1:] == ["--num", "0", "--type", "serial"]
        for args in (("-t", "x", "web"), ("-n", "x", "web"), ("-n", "-1", "web"), (), ("web", "machine"), ("-t",)):
            t.fails(2, "console", *args)
        t.environment["XTOOL_XENCONSOLE"] = "/nowhere/xenconsole"
        assert "/nowhere/xenconsole: No such file" in t.fails(1, "console", "web")


def test_console_of_another_host():
    with Host(https=True, accounts=Accounts({"root": (0, "secret")})) as host:
        local = Tool(host)
        local.create("web")
        local("start", "web")
        remote = Tool(host, "127.0.0.1", "-p", str(host.https_port), "-u", "root", "-pw", "secret", "--trust")
        remote.environment["XTOOL_XENCONSOLE"] = "/bin/echo"
        # The search for leaks now and then crashes by itself when a websocket has just been cut off.
        remote.environment["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"
        x = host.client(password="secret")
        vm, = x.VM.get_by_name_label("web")
        assert "HTTP 503" in remote.fails(1, "console", "web")  # it has none in this simulator
        remote.fails(2, "console", "-t", "pv", "web")
        with consoles.tty_of(host, x, vm) as guest:
            guest.write(b"name: ")
            for end in (b"\x1d", b"\x04", None):
                master, slave = pty.openpty()
                before = termios.tcgetattr(slave)
                process = subprocess.Popen([remote.name, *remote.before, "console", "web"], stdin=slave, stdout=slave, stderr=slave,
                                           env=remote.environment, start_new_session=True,
                                           preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
                seen = b""
                while b"name: " not in seen:
                    seen += os.read(master, 4096)
                os.write(master, b"\x03ada\r")  # to the guest, Ctrl-C too
                assert guest.read(5) == b"\x03ada\r"
                if end == b"\x04":  # the guest's, too
                    os.write(master, end)
                    assert guest.read(1) == end
                if end == b"\x1d":
                    os.write(master, b"bye" + end)
                    assert guest.read(3) == b"bye"
                elif end:
                    x.VM.hard_shutdown(vm)
                    x.VM.start(vm, False, False)
                else:
                    os.kill(host.running("xapid-terminal")[0], signal.SIGKILL)
                assert process.wait(30) == 0
                assert termios.tcgetattr(slave) == before, "the terminal is another one"
                os.close(master)
                os.close(slave)
                guest.write(b"name: ")
        x.VM.hard_shutdown(vm)
        assert remote.fails(1, "console", "web") == "error: web is halted, and has a console while it runs.\n"


def test_how_busy():
    """A simulated guest's CPU is busy whenever it runs, and one of two is half of both."""
    with Host("resync_seconds=1") as host:
        t = Tool(host)
        uuid, pair = t.create("web"), t.create("pair")
        t("vm-param-set", f"uuid={pair}", "VCPUs-max=2", "VCPUs-at-startup=2")
        t("start", "web")
        t("start", "pair")

        def busy(name):
            return next(row["CPU(%)"] for row in table(t("top", "-b", "-i", "1").split("\n\n")[1]) if row["NAME"] == name)
        tap.wait_until(lambda: busy("web") == busy("pair") == "100.0", "a figure", 60)
        shown = json.loads(t("vm-param-list", f"uuid={pair}", "--json"))["VCPUs-utilisation"]
        assert shown == {"0": 0.5, "1": 0.5}, shown
        t("pause", "web")
        tap.wait_until(lambda: busy("web") == "0.0", "a figure of one that is paused", 60)
        t("shutdown", f"uuid={uuid}", "--force")
        assert "web" not in t("top", "-b", "-i", "1")


def test_top():
    with Host() as host:
        t = Tool(host)
        t.create("web")
        t.create("db")
        t("start", "web")
        shown = t("top", "-b", "-i", "2", "-d", "0.1").split("\n\n")
        assert len(shown) == 5 and "1024M" not in shown[0], shown
        assert re.fullmatch(r"\d\d:\d\d:\d\d  2 running, 0 paused\. Memory: \d+M, \d+M free\.", shown[0]), shown
        for text in shown[1], shown[3]:
            rows = table(text)
            assert [row["NAME"] for row in rows][1:] == ["web"], rows
            web = rows[1]
            assert (web["ID"], web["STATE"], web["MEM(k)"], web["MAXMEM(k)"], web["VCPUS"]) == \
                (t("domid", "web").strip(), "running", "131072", "131072", "1"), web
            assert web["CPU(%)"] in ("-", "100.0"), web  # looked at once, or more often
            assert 0 < float(web["MEM(%)"]) < 100
        with open("/dev/full", "w") as full:
            done = subprocess.run([t.name, *t.before, "top", "-b"], env=t.environment, stdout=full, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.startswith("error: Standard output: No space left"), done
        done = subprocess.run(["sh", "-c", '"$@" | head -n 1', "sh", t.name, *t.before, "top", "-b", "-d", "0.1"],
                              env=t.environment, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=60)
        assert done.stdout.count("\n") == 1 and not done.stderr, done
        t("pause", "web")
        assert "1 running, 1 paused" in t("top", "-i", "1")
        for args in (("-d", "0"), ("-d", "x"), ("-d", "nan"), ("-d", "1e99"), ("-i", "0"), ("-i", "x"), ("web",), ("-i",),
                     ("colour=red",)):
            t.fails(2, "top", *args)


def test_top_on_a_terminal():
    with Host() as host:
        t = Tool(host)
        t.create("evil \x9b31mname")
        t("start", "evil \x9b31mname")
        for leave, status in ((b"q", 0), (b"\x03", 130)):
            master, slave = pty.openpty()
            before = termios.tcgetattr(slave)
            process = subprocess.Popen([t.name, *t.before, "top", "-d", "60"], stdin=slave, stdout=slave, stderr=slave,
                                       env={**t.environment, "NO_COLOR": "1"}, start_new_session=True,
                                       preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            seen = b""
            end = time.monotonic() + 30
            # The terminal gives single keys once the table stands there.
            while time.monotonic() < end and (b"name" not in seen or termios.tcgetattr(slave)[3] & termios.ICANON):
                if select.select([master], [], [], 0.05)[0]:
                    seen += os.read(master, 65536)
            assert seen.startswith(b"\x1b[H\x1b[2J") and b"evil \\x9b31mname" in seen, seen
            os.write(master, leave)
            assert process.wait(30) == status, (leave, process.returncode)
            assert termios.tcgetattr(slave) == before, leave
            os.close(slave)
            os.close(master)


def test_shutdown_of_all():
    with Host() as host:
        t = Tool(host)
        machines = {name: t.create(name) for name in ("halted", "runs", "paused", "deaf")}
        for name in "runs", "paused", "deaf":
            t("start", name)
        t("pause", "paused")
        host.guest(f"refuse-shutdown {machines['deaf']}")
        host.guest(f"xl-create {FOREIGN} of-xl")
        tap.wait_until(lambda: "of-xl" in t("list"), "the guest of another tool")
        said = t.run("shutdown-all", "5", quiet=False).stderr
        lines = sorted(line for line in said.splitlines())
        named = lambda name, what: f"{name} ({machines[name]}) {what}"
        ended = "did not shut down in time, and was ended"
        assert lines == sorted([named("runs", "is asked to shut down"), named("deaf", "is asked to shut down"),
                                named("deaf", ended), named("paused", ended)]), said
        assert {t.state(uuid) for uuid in machines.values()} == {"halted"}
        assert [d["uuid"] for d in domains(host.sim) if d["state"] != "dying"] == [FOREIGN]
        t("shutdown-all")
        for seconds in "soon", "86401":
            assert "SECONDS is a number from 0 to 86400" in t.fails(2, "shutdown-all", seconds)


def test_help_and_switches():
    with Host() as host:
        t = Tool(host)
        shown = t("help")
        for line in ("  create [-n] [-p] [-q] [-c] FILE: Makes a VM of a configuration file of xl's, and starts it.",
                     "  top [-b] [-d DELAY] [-i ITERATIONS]: ", "  vcpu-pin NAME VCPU CPUS: ", "  rename NAME NAME-LABEL "):
            assert line in shown, line
        assert "--leave-out=all" in t("help", "create") and "q leaves it." in t("help", "top")
        # A switch is the command's behind it alone.
        t("-p", "1", "top", "-b", "-i", "1")
        assert "Unknown switch -b" in t.fails(2, "-b", "top")
        assert "Unknown switch -b" in t.fails(2, "list", "-b")
        assert "Did you mean: " in t.fails(2, "vcpu-pi") and "vcpu-pin" in t.fails(2, "vcpu-pi")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

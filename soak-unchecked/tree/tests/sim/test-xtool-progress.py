#!/usr/bin/python3
"""The line by which xtool shows on a terminal how far a call is that takes its time: when it comes, and that it goes."""
import fcntl
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
import covers
import tap
from accounts import Accounts
from host import Host
from xtool import XTOOL, Tool

WIDTH = 60  # of the terminals
ACCOUNTS = Accounts({"root": (0, "secret")})
BAR = r"VM.clean_shutdown  \[[#.]+\] +%s%%  (\d+) s"


class Terminal:
    """A program on a terminal of its own, which it controls, and what it writes there."""

    def __init__(self, t, *args, command=(), **streams):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, WIDTH))
        self.seen = ""
        self.tool = subprocess.Popen([*command, t.name, *t.before, *args], env={**t.environment, "NO_COLOR": "1"},
                                     **{"stdin": slave, "stdout": slave, "stderr": slave, **streams},
                                     start_new_session=True,
                                     preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0))
        os.close(slave)

    def read(self, seconds):
        """False when nobody will write any more."""
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.master, 65536).decode()
            except OSError:
                return False
        return True

    def wait_for(self, pattern):
        """Until the last line is that."""
        end = time.monotonic() + covers.patience(30)
        while not (found := re.fullmatch(pattern, self.screen()[-1])):
            assert time.monotonic() < end and self.read(0.2), (pattern, self.seen)
        assert found.end() < WIDTH, found
        return found

    def end(self):
        """How it ends."""
        end = time.monotonic() + covers.patience(30)
        while self.read(0.2):
            assert time.monotonic() < end, self.seen
        os.close(self.master)
        return self.tool.wait(30)

    def screen(self):
        """The lines that are there now; the end of what was written may be missing yet."""
        lines, column = [""], 0
        for part in re.findall(r"\r|\n|\033\[K|[^\r\n\033]+|\033.", self.seen.removesuffix("\033[")):
            if part == "\r":
                column = 0
            elif part == "\n":
                lines.append("")
            elif part == "\033[K":
                lines[-1] = lines[-1][:column]
            else:
                assert part.isprintable(), self.seen
                lines[-1] = lines[-1][:column].ljust(column) + part + lines[-1][column + len(part):]
                column += len(part)
        return lines


def catches_interrupts(tool):
    """As from its login on."""
    caught, = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{tool.pid}/status").read_text(), re.M)
    return int(caught, 16) >> signal.SIGINT - 1 & 1


def refusing(host, t, *names):
    """New VMs that run and ignore that they are asked to shut down."""
    uuids = [t.create(name, "tags=shop") for name in names]
    for uuid in uuids:
        t("vm-start", f"uuid={uuid}")
        host.guest(f"refuse-shutdown {uuid}")
    return uuids


def test_it_comes_and_moves_and_goes():
    with Host(sim_conf="[host]\ndestroy_ms=6000\n") as host:
        t = Tool(host)
        uuid, = refusing(host, t, "web")
        terminal = Terminal(t, "vm-shutdown", "vm=web")
        seconds = terminal.wait_for(BAR % "0")[1]
        terminal.wait_for(rf"VM.*  0%  (?!{seconds} s)\d+ s")
        host.guest(f"halt {uuid}")
        terminal.wait_for(BAR % "[1-9][0-9]")
        assert terminal.end() == 0
        assert terminal.screen() == [""] and t.state(uuid) == "halted", terminal.seen


def test_which_of_several():
    with Host(https=True, accounts=ACCOUNTS) as host:
        t = Tool(host)
        first, second = refusing(host, t, "a", "b")
        tls = Tool(host, "127.0.0.1", "-p", str(host.https_port), "-u", "root", "-pw", "secret", "--trust")
        terminal = Terminal(tls, "vm-shutdown", "tags:contains=shop", "--multiple")
        terminal.wait_for("1 of 2: " + BAR % "0")
        host.guest(f"halt {first}")
        terminal.wait_for("2 of 2: " + BAR % "0")
        host.guest(f"halt {second}")
        assert terminal.end() == 0 and terminal.screen() == [""], terminal.seen
        assert t.state(first) == t.state(second) == "halted"


def test_nothing_but_for_people():
    """Not without a terminal, not for scripts, not as xe, and not over what another program has in front."""
    with Host() as host:
        t = Tool(host)
        xe = Tool(host)
        xe.name = host.dir / "xe"
        xe.name.symlink_to(XTOOL)
        wait = "event-wait", "class=vm", "name-label=web"
        with open(host.dir / "said", "w") as said:
            silent = [Terminal(t, *wait, stderr=said), Terminal(xe, *wait), Terminal(t, *wait, "--json"),
                      Terminal(t, *wait, "--minimal")]
        for terminal in silent:
            tap.wait_until(lambda: catches_interrupts(terminal.tool), "its login")
        silent.append(Terminal(t, *wait, command=("sh", "-c", 'set -m; "$@" & wait $!', "sh")))
        shown = Terminal(t, *wait)
        shown.wait_for(r"event\.from  ([3-9]|\d\d+) s")
        t.create("web")
        for terminal in [*silent, shown]:
            assert terminal.end() == 0 and terminal.screen() == [""], terminal.seen
        assert not any(terminal.seen for terminal in silent) and not (host.dir / "said").read_text()


def test_ctrl_c():
    with Host() as host:
        t = Tool(host)
        refusing(host, t, "web")
        terminal = Terminal(t, "vm-shutdown", "vm=web")
        terminal.wait_for(BAR % "0")
        os.write(terminal.master, b"\x03")
        assert terminal.end() == 130, terminal.seen
        task = t("task-list", "name-label=VM.clean_shutdown", "status=pending", "--minimal").strip()
        assert terminal.screen() == [
            "error: Interrupted.", f"VM.clean_shutdown goes on. 'xtool task-list uuid={task}' shows how far it is,",
            f"'xtool task-cancel uuid={task}' asks it to end.", ""], terminal.screen()
        t("task-cancel", f"uuid={task}")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

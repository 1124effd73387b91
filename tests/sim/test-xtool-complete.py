#!/usr/bin/python3
"""What bash offers while a command of xtool's is typed, on a simulated host."""
import os
import pty
import re
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import Host, free_port
from xtool import XTOOL, Tool

SCRIPT = Path(__file__).parents[2] / "xtool/bash-completion/xtool"
# What bash does at a TAB, as far as a function sees of it.
ASK = r"""
source "$SCRIPT"
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:' COMP_LINE=$1 COMP_POINT=${#1}
COMP_WORDS=($1) COMP_CWORD=${#COMP_WORDS[@]}
_xtool "$XTOOL"
printf '%s\n' "${COMPREPLY[@]}"
"""


class Shell:
    def __init__(self, tool):
        self.environment = {**tool.environment, "SCRIPT": str(SCRIPT), "XTOOL": str(tool.name),
                            "XTOOL_SERVER": tool.before[1]}

    def __call__(self, line):
        done = subprocess.run(["bash", "-c", ASK, "bash", line], env=self.environment, capture_output=True,
                              text=True, timeout=30)
        assert done.returncode == 0 and not done.stderr, done
        return [candidate for candidate in done.stdout.split("\n") if candidate]


def test_commands_and_arguments():
    with Host() as host:
        offered = Shell(Tool(host))
        assert offered("xtool vm-sta") == ["vm-start "] and "console " in offered("xtool consol")
        assert "vm-param-list " in offered("xtool vm-p") and "vm-pause " in offered("xtool vm-p")
        assert {"start ", "suspend ", "sr-create ", "sr-list ", "secret-list "} <= set(offered("xtool s"))
        assert len(offered("xtool ")) > 500
        assert offered("xtool help vm-sta") == offered("xtool -s x vm-sta") == ["vm-start "]
        assert "vm-migrate " not in offered("xtool vm-m"), "what xtool has no code for"
        assert set(offered("xtool vm-start ")) >= {"vm=", "uuid=", "on=", "force="}
        assert "on=" not in offered("xtool vm-start on=x o") and "other-config:" in offered("xtool vm-start on=x o")
        assert "name-label=" in offered("xtool vm-create ") and "memory-static-max=" in offered("xtool vm-create mem")
        assert "power-state=" not in offered("xtool vm-create p"), "what nobody can set"
        assert "params=" in offered("xtool vm-list ") and "power-state=" in offered("xtool vm-list ")
        assert "other-config:" in offered("xtool vm-list o")
        assert offered("xtool vm-param-get ") == ["uuid=", "param-name=", "param-key="]
        assert offered("xtool vm-param-get uuid=x param-n") == ["param-name="]
        assert "power-state" not in " ".join(offered("xtool vm-param-set uuid=x "))
        assert "name-label=" in offered("xtool vm-param-set uuid=x ")
        assert offered("xtool sr-create device-c") == ["device-config:"]
        assert offered("xtool vm-start --mu") == ["--multiple "]
        assert offered("xtool -s ") == offered("xtool nonsense ") == offered("xtool vm-start colour=") == []
        assert offered("xtool vm-start -Z") == [] and offered("xtool start '") == []


def test_values():
    with Host() as host:
        t = Tool(host)
        offered = Shell(t)
        assert offered("xtool vm-list params=power") == ["power-state"]
        assert "all " in offered("xtool vm-list params=")
        assert offered("xtool vm-list params=uuid,power") == ["uuid,power-state"]
        assert "name-label " in offered("xtool vm-param-get param-name=")
        assert "tags " in offered("xtool vm-param-add param-name=t")
        assert "power-state " not in offered("xtool vm-param-add param-name=")
        assert offered("xtool vm-list power-state=r") == ["running "]
        assert offered("xtool vbd-create mode=") == ["ro ", "rw "]
        assert offered("xtool vm-start paused=") == ["true ", "false "]
        assert "vm " in offered("xtool event-wait class=v")

        plain, spaced = t.create("web-1"), t.create("it's my $HOME")
        t.create("evil \x9b31m\nname")
        assert offered("xtool start ") == ["it\\'s\\ my\\ \\$HOME ", "web-1 "]
        assert offered("xtool vm-start vm=w") == ["web-1 "]
        assert offered('xtool start "it') == ["it's my \\$HOME"]
        assert offered("xtool start it\\'s") == ["it\\'s\\ my\\ \\$HOME "]
        assert {plain + " ", spaced + " "} < set(offered("xtool vm-destroy uuid="))
        assert offered(f"xtool vm-param-list uuid={plain[:20]}") == [plain + " "]
        assert offered("xtool vm-param-list uuid=web") == ["web-1 "]
        assert offered("xtool mem-set web-1 ") == [] and offered("xtool mem-set w") == ["web-1 "]
        assert "force=" in offered("xtool shutdown web-1 ")
        assert offered("xtool list w") == offered("xtool console w") == offered("xtool block-attach w") == ["web-1 "]
        assert offered("xtool vcpu-pin web-1 ") == offered("xtool domname ") == offered("xtool top w") == []
        host_uuid = t("host-list", "--minimal").strip()
        assert offered("xtool sr-create host-uuid=") == [host_uuid + " "]
        assert offered("xtool vm-start vm=web-1 on=") == [t("host-list", "params=name-label", "--minimal").strip() + " "]


def test_servers_that_do_not_answer():
    with Host() as host:
        t = Tool(host)
        t.create("web")
        assert Shell(Tool(host, str(host.dir / "nowhere")))("xtool start w") == []
        assert Shell(t)(f"xtool -s 127.0.0.1 -p {free_port()} start w") == []
        with socket.socket(socket.AF_UNIX) as silent:
            path = str(host.dir / "silent")
            silent.bind(path)
            silent.listen()
            before = time.monotonic()
            assert Shell(Tool(host, path))("xtool start w") == []
            assert time.monotonic() - before < 10
        assert Shell(Tool(host, str(host.dir / "nowhere")))(f"xtool -s {host.socket} start w") == ["web "]


def test_a_shell_at_a_terminal():
    """All of it: readline, the words, what is inserted."""
    with Host() as host:
        t = Tool(host)
        t.create("my web")
        (host.dir / "path").mkdir()
        (host.dir / "path" / "xtool").symlink_to(XTOOL)
        environment = {**t.environment, "XTOOL_SERVER": host.socket, "TERM": "dumb", "PS1": "> ",
                       "PATH": f"{host.dir}/path:{os.environ['PATH']}"}
        (host.dir / "web.cfg").write_text("")
        for typed, wanted in (("start my", "start my\\ web "), (f"create {host.dir}/web.c", f"create {host.dir}/web.cfg"),
                              ("vm-start vm=m", "vm-start vm=my\\ web "),
                              ("vm-list power-state=ru", "vm-list power-state=running "),
                              ("vm-sta", "vm-start "), ('start "my', 'start "my web"')):
            master, slave = pty.openpty()
            shell = subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=slave, stdout=slave, stderr=slave,
                                     env=environment, start_new_session=True)
            os.close(slave)
            seen = b""

            def read_until(text):
                nonlocal seen
                end = time.monotonic() + 20
                while text not in seen and time.monotonic() < end:
                    if select.select([master], [], [], 0.2)[0]:
                        seen += os.read(master, 65536)
                assert text in seen, (typed, seen)

            read_until(b"> ")
            os.write(master, f"bind 'set enable-bracketed-paste off'; source {SCRIPT}; echo rea''dy\n".encode())
            read_until(b"ready")
            seen = b""
            os.write(master, f"xtool {typed}\t".encode())
            read_until(f"xtool {wanted}".encode())
            shell.kill()
            shell.wait(30)
            os.close(master)


def test_the_script_is_sound():
    checked = subprocess.run(["bash", "-n", SCRIPT], capture_output=True)
    assert checked.returncode == 0 and not re.search(rb"\S", checked.stderr), checked


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

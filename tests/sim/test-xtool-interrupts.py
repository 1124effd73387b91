#!/usr/bin/python3
"""xtool interrupted, by who sits before it: what it says, what goes on, and what it leaves."""
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import Host
from xtool import XTOOL, Tool, sessions_left


def start(t, *args):
    return subprocess.Popen([t.name, *t.before, *args], env=t.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def catches_interrupts(tool):
    """As from its login on."""
    caught, = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{tool.pid}/status").read_text(), re.M)
    return int(caught, 16) >> signal.SIGINT - 1 & 1


def interrupt(tool):
    """What it says; how it ends."""
    tool.send_signal(signal.SIGINT)
    out, said = tool.communicate(timeout=30)
    assert out == "", out
    return said, tool.returncode


def test_ctrl_c():
    with Host() as host:
        t = Tool(host)
        uuids = [t.create(name, "tags=shop") for name in ("web", "db")]
        for uuid in uuids:
            t("vm-start", f"uuid={uuid}")
            host.guest(f"refuse-shutdown {uuid}")

        def pending():
            return t("task-list", "name-label=VM.clean_shutdown", "status=pending", "--minimal").strip()

        xe = Tool(host)
        xe.name = host.dir / "xe"
        xe.name.symlink_to(XTOOL)
        for tool, wanted in ((t, 130), (xe, 1)):
            waiting = start(tool, "vm-shutdown", "tags:contains=shop", "--multiple")
            task = tap.wait_until(pending, "task")
            said, status = interrupt(waiting)
            assert status == wanted, (said, status)
            assert said == (f"error: Interrupted.\nVM.clean_shutdown goes on. '{os.path.basename(tool.name)} task-list "
                            f"uuid={task}' shows how far it is,\n'{os.path.basename(tool.name)} task-cancel "
                            f"uuid={task}' asks it to end.\n"), said
            assert pending() == task, "it does not go on, or the second VM was asked too"
            assert "VM.clean_shutdown" in t("task-list", f"uuid={task}")
            t("task-cancel", f"uuid={task}")
            tap.wait_until(lambda: not pending(), "its end")
        waiting = start(t, "event-wait", "class=vm", "name-label=nobody")
        tap.wait_until(lambda: catches_interrupts(waiting), "its login")
        assert interrupt(waiting) == ("error: Interrupted.\n", 130)
        assert sessions_left(host) == 0


def test_ctrl_c_at_a_question():
    with Host() as host:
        t = Tool(host)
        uuid = t.create("web")
        master, slave = pty.openpty()
        asking = subprocess.Popen([XTOOL, *t.before, "vm-uninstall", "vm=web"], env=t.environment, stdin=slave,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.close(slave)
        tap.wait_until(lambda: "Type 'yes'" in asking.stderr.readline(), "the question")
        said, status = interrupt(asking)
        os.close(master)
        assert status == 130 and "nothing was destroyed" in said, (said, status)
        assert t.state(uuid) == "halted" and sessions_left(host) == 0


def test_ctrl_c_once_more():
    """A server that has stopped answering does not hold anybody."""
    with Host() as host, socket.socket(socket.AF_UNIX) as server:
        path = str(host.dir / "stuck")
        server.bind(path)
        server.listen()
        seen = []

        def serve():
            reply = b'{"jsonrpc":"2.0","result":"OpaqueRef:session","id":1}'
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                if not seen:
                    request = b""
                    while not request.endswith(b"}"):
                        request += connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" %
                                       (len(reply), reply))
                    connection.close()
                seen.append(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        waiting = start(Tool(host, path), "vm-list")
        tap.wait_until(lambda: len(seen) == 2, "the second call")
        assert catches_interrupts(waiting)
        waiting.send_signal(signal.SIGINT)
        tap.wait_until(lambda: "rror" in waiting.stderr.readline(), "what it says")
        assert waiting.poll() is None, "it does not log out"
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 130
        waiting.communicate()
        server.shutdown(socket.SHUT_RDWR)


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

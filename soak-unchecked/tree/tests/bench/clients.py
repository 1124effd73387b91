"""The programs that load a server (load.h, told.h), and what a process has used."""
import itertools
import json
import os
import re
import subprocess
import time
import xmlrpc.client
from pathlib import Path

BUILDDIR = Path(os.environ.get("BUILDDIR", ".")).resolve()
PROGRAMS = BUILDDIR / "tests" / "bench"
NUMBERS = itertools.count()


class Rounds:
    """A client program that waits for a line, and answers it with the figures of a round."""

    def __init__(self, program, *words):
        self.process = subprocess.Popen([PROGRAMS / program, *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __call__(self, *words):
        self.start(*words)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def start(self, *words):
        """A round whose figures nobody waits for."""
        print(*words, file=self.process.stdin, flush=True)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.process.kill()
        self.stop()


class Storm(Rounds):
    """One that goes on until it is killed."""

    def __init__(self, *words):
        super().__init__(*words)
        self.start(1 << 30)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def body(method, *params):
    return xmlrpc.client.dumps(params, method).replace("\n", "")


def value(reply):
    return xmlrpc.client.loads(reply)[0][0]["Value"]


def calls(host, bodies, clients=1, kind=Rounds):
    """Clients of a host that make calls whose bodies are given; see load-xapid.c."""
    path = host.dir / f"bodies-{next(NUMBERS)}"
    path.write_text("\n".join(bodies) + "\n")
    return kind("load-xapid", host.socket, path, clients)


def wait_for(path, process, seconds=20):
    """Until the process has made it."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end or process.poll() is not None:
            raise RuntimeError(f"{process.args} made no {path}")
        time.sleep(0.002)


def status(pid, name):
    """A figure of /proc/PID/status in KiB."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def forget_peak(pid):
    """VmHWM begins anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def shared_out(pid):
    """KiB of a process, with its part of what it shares."""
    return int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])


def family(pid):
    """pid and all below it."""
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

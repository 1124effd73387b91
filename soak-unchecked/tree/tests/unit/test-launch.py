#!/usr/bin/python3
"""xapid-launch with fake programs: what one of them does disturbs neither the listeners nor the
others.  Run from the build folder."""
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

LAUNCH = os.path.abspath("xapid-launch")
FAKE = os.path.abspath("tests/unit/fake-child")
PROGRAMS = ("xapid", "xapid-domains", "xapid-host")
ROOT = os.geteuid() == 0
if not os.path.exists(LAUNCH) or not os.path.exists(FAKE):
    sys.exit("Bail out! run this from the build folder, with xapid-launch and fake-child built")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Launcher:
    """A launcher in a folder of its own; leaves no process behind."""

    def __init__(self, extra_conf=""):
        self.dir = tempfile.mkdtemp(prefix="launch-")
        os.chmod(self.dir, 0o755)
        self.bin, self.out, self.run = (f"{self.dir}/{d}" for d in ("bin", "out", "run"))
        for d in (self.bin, self.out, self.run):
            os.mkdir(d)
        os.chmod(self.out, 0o777)
        self.empty_log()
        for name in PROGRAMS:
            shutil.copy(FAKE, f"{self.bin}/{name}")
        self.http, self.https = free_port(), free_port()
        self.unix, self.conf = f"{self.run}/xapi", f"{self.dir}/x.conf"
        pathlib.Path(self.conf).write_text(
            f"[xapid]\nhttp_port={self.http}\nhttps_port={self.https}\nlisten=127.0.0.1\n"
            f"unix_socket={self.unix}\nstate_dir={self.dir}/state\nuser=nobody\n{extra_conf}")
        self.process = self.notify = None
        self.known = set()

    def empty_log(self):
        """Every user writes to it."""
        pathlib.Path(f"{self.out}/log").write_text("")
        os.chmod(f"{self.out}/log", 0o666)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:
            print("".join(f"# {line}\n" for line in self.stderr().splitlines()), end="")
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(10)
            self.process.stderr_file.close()
        for pid in self.pids_alive():
            os.kill(pid, signal.SIGKILL)
        if self.notify:
            self.notify.close()
        shutil.rmtree(self.dir)

    def start(self, *args, wait=True):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("\0launch-test-%d-%d" % (os.getpid(), time.monotonic_ns()))
        self.notify.settimeout(5)
        environment = dict(os.environ, XAPID_TEST_DIR=self.out, XAPID_FAULT="none=error",
                           SECRET="not for children",
                           NOTIFY_SOCKET="@" + self.notify.getsockname()[1:].decode())
        errors = open(f"{self.dir}/stderr", "w+")
        self.process = subprocess.Popen(
            [LAUNCH, "--config", self.conf, "--bindir", self.bin, "--test-environment", *args],
            env=environment, stderr=errors)
        self.process.stderr_file = errors
        if wait:
            assert self.notify.recv(100) == b"READY=1"
            for name in PROGRAMS:
                tap.wait_until(lambda: self.pid(name), f"start of {name}")
            self.wait_linked()

    def stderr(self):
        return pathlib.Path(f"{self.dir}/stderr").read_text()

    def log(self, name=None, word=None):
        """Events: (time, program, pid, words)."""
        try:
            lines = pathlib.Path(f"{self.out}/log").read_text().splitlines()
        except FileNotFoundError:
            return []
        events = []
        for line in lines:
            fields = line.split(" ", 3)
            if len(fields) < 4:
                continue
            self.known.add(int(fields[2]))
            if name in (None, fields[1]) and (word is None or fields[3].split(" ")[0] == word):
                events.append((float(fields[0]), fields[1], int(fields[2]), fields[3]))
        return events

    def pid(self, name):
        starts = self.log(name, "start")
        return starts[-1][2] if starts else 0

    def pids(self):
        return {name: self.pid(name) for name in PROGRAMS}

    def pids_alive(self):
        self.log()
        return [p for p in self.known if self.is_ours(p)]

    def is_ours(self, pid):
        try:
            return os.readlink(f"/proc/{pid}/exe").startswith(self.bin)
        except OSError:
            return False

    def is_linked(self, a, b, message):
        """`a` got `message` and heard `b` at the other end, in their present lives."""
        return any(p == self.pid(a) and words == f"linked {message} {self.pid(b)}"
                   for _, _, p, words in self.log(a, "linked"))

    def wait_linked(self):
        for other, message in (("xapid-domains", "peer domains"), ("xapid-host", "peer host")):
            tap.wait_until(lambda: self.is_linked("xapid", other, message), f"link to {other}")
            tap.wait_until(lambda: self.is_linked(other, "xapid", "peer xapid"),
                           f"link from {other}")

    def tell(self, name, manner):
        pathlib.Path(f"{self.out}/{name}.{manner}").touch()

    def connect(self):
        """One connection to each listener; an OSError is a refused one."""
        answers = []
        for family, address in ((socket.AF_INET, ("127.0.0.1", self.http)),
                                (socket.AF_INET, ("127.0.0.1", self.https)),
                                (socket.AF_UNIX, self.unix)):
            s = socket.socket(family)
            s.settimeout(10)
            with s:
                s.connect(address)
                try:
                    answers.append(s.recv(100).decode())
                except ConnectionResetError:
                    answers.append("")  # accepted by a program that was killed
        return answers


def test_listeners_reach_xapid():
    with Launcher() as l:
        l.start()
        pid = l.pid("xapid")
        assert l.connect() == [f"listen http {pid}\n", f"listen https {pid}\n",
                               f"listen unix {pid}\n"]
        mode = os.stat(l.unix).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
        assert any("--kernels /var/lib/xcp/guest" in e[3] for e in l.log("xapid-domains", "args"))
        assert any(e[3] == f"args --config {l.conf}" for e in l.log("xapid", "args"))


def test_killed_program_returns_alone():
    with Launcher() as l:
        l.start()
        refused, answered, over = [], [], threading.Event()

        def knock():
            while not over.is_set():
                try:
                    answered.extend(a for a in l.connect() if a)
                except OSError as error:
                    refused.append(error)

        thread = threading.Thread(target=knock)
        thread.start()
        try:
            for name in PROGRAMS:
                before = l.pids()
                os.kill(before[name], signal.SIGKILL)
                tap.wait_until(lambda: l.pid(name) != before[name], f"restart of {name}")
                l.wait_linked()
                after = l.pids()
                assert all(after[n] == before[n] for n in PROGRAMS if n != name), (before, after)
                assert os.path.exists(f"/proc/{after[name]}")
        finally:
            over.set()
            thread.join(30)
        assert not refused, refused[:3]
        assert len(answered) > 10
        assert all(str(l.pid("xapid")) in a for a in l.connect())


def test_backoff_doubles_and_disturbs_nobody():
    with Launcher() as l:
        l.start()
        before = l.pids()
        l.tell("xapid-host", "crash")
        os.kill(before["xapid-host"], signal.SIGKILL)
        tap.wait_until(lambda: len(l.log("xapid-host", "start")) >= 6, "six starts", 20)
        starts = [e[0] for e in l.log("xapid-host", "start")][1:6]
        gaps = [b - a for a, b in zip(starts, starts[1:])]
        for gap, least in zip(gaps, (0.2, 0.4, 0.8, 1.6)):
            assert least * 0.95 < gap < least * 1.5 + 0.5, gaps
        os.unlink(f"{l.out}/xapid-host.crash")
        tap.wait_until(lambda: l.is_linked("xapid", "xapid-host", "peer host"), "return", 10)
        assert l.pid("xapid") == before["xapid"]
        assert l.pid("xapid-domains") == before["xapid-domains"]


def test_missing_program_is_tried_again():
    with Launcher() as l:
        os.rename(f"{l.bin}/xapid-host", f"{l.bin}/hidden")
        l.start(wait=False)
        assert l.notify.recv(100) == b"READY=1"
        tap.wait_until(lambda: "cannot start" in l.stderr(), "complaint")
        os.rename(f"{l.bin}/hidden", f"{l.bin}/xapid-host")
        tap.wait_until(lambda: l.pid("xapid-host"), "start of xapid-host")
        l.wait_linked()


def test_term_ends_all_in_order():
    with Launcher() as l:
        l.start()
        l.process.send_signal(signal.SIGTERM)
        assert l.process.wait(15) == 0
        assert l.notify.recv(100) == b"STOPPING=1"
        assert [e[1] for e in l.log(word="term")] == list(PROGRAMS)
        assert not l.pids_alive()
        assert not os.path.exists(l.unix)


def test_term_leaves_them_time_to_end():
    with Launcher() as l:
        l.start()
        for name in PROGRAMS:
            l.tell(name, "slow")
        l.process.send_signal(signal.SIGTERM)
        assert l.process.wait(15) == 0
        assert [e[1] for e in l.log(word="term")] == list(PROGRAMS)
        assert "signal 9" not in l.stderr()


def test_term_kills_who_does_not_end():
    with Launcher() as l:
        l.start()
        l.tell("xapid-domains", "stubborn")
        l.process.send_signal(signal.SIGTERM)
        assert l.process.wait(20) == 0
        assert [e[1] for e in l.log(word="term")] == ["xapid", "xapid-host"]
        assert not l.pids_alive()


def test_killed_launcher_takes_its_programs_along():
    with Launcher() as l:
        l.start()
        l.tell("xapid-domains", "deaf")
        l.process.kill()
        l.process.wait(10)
        tap.wait_until(lambda: not l.pids_alive(), "end of the programs")
        # Its ports and its socket, now stale, serve the next one.
        l.empty_log()
        l.process.stderr_file.close()
        l.start()
        assert all(a for a in l.connect())


def test_xapid_has_no_privileges():
    if not ROOT:
        raise tap.Skip("only root has privileges to drop")
    with Launcher() as l:
        l.start()
        status = dict(e[3].removeprefix("status ").split(":\t", 1)
                      for e in l.log("xapid", "status") if ":\t" in e[3])
        uid = str(__import__("pwd").getpwnam("nobody").pw_uid)
        assert status["Uid"].split() == [uid] * 4, status["Uid"]
        assert "0" not in status["Gid"].split() and "0" not in status["Groups"].split()
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[capabilities], 16) == 0, (capabilities, status[capabilities])
        assert status["NoNewPrivs"] == "1"
        root = dict(e[3].removeprefix("status ").split(":\t", 1)
                    for e in l.log("xapid-domains", "status") if ":\t" in e[3])
        assert root["Uid"].split() == ["0"] * 4
        assert os.stat(f"{l.dir}/state").st_uid == int(uid)
        assert stat.S_IMODE(os.stat(f"{l.dir}/state").st_mode) == 0o700


def test_programs_inherit_nothing_else():
    with Launcher() as l:
        spare = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(spare, True)
        l.start()
        os.close(spare)
        for name in PROGRAMS:
            assert [e[3] for e in l.log(name, "fds")] == ["fds 0 1 2 3"], l.log(name, "fds")
            names = {e[3].split(" ", 1)[1].split("=")[0] for e in l.log(name, "env")}
            assert "XAPID_FAULT" in names and "PATH" in names
            assert not names & {"SECRET", "NOTIFY_SOCKET", "HOME"}, names


def test_unix_socket_is_taken_safely():
    with Launcher() as l:
        pathlib.Path(l.unix).write_text("precious")
        l.start(wait=False)
        assert l.process.wait(10) == 1
        assert l.unix in l.stderr() and pathlib.Path(l.unix).read_text() == "precious"
        l.process.stderr_file.close()
        os.unlink(l.unix)
        os.chmod(l.run, 0o777)
        l.start(wait=False)
        assert l.process.wait(10) == 1
        assert "folder" in l.stderr()
        l.process.stderr_file.close()
        os.chmod(l.run, 0o755)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(l.unix)
            other.listen()
            l.start(wait=False)
            assert l.process.wait(15) == 1
            assert "another program" in l.stderr()
        l.process.stderr_file.close()
        assert not l.log(), "a program was started all the same"


def test_bad_start_is_explained():
    with Launcher("htpp_port=1\n") as l:
        l.start(wait=False)
        assert l.process.wait(10) == 1
        assert l.conf in l.stderr() and "[xapid]" in l.stderr() and "htpp_port" in l.stderr()
    if ROOT:
        with Launcher() as l:
            conf = pathlib.Path(l.conf)
            for user in ("root", "no-such-user"):
                conf.write_text(conf.read_text() + f"user={user}\n")
                l.start(wait=False)
                assert l.process.wait(10) == 1
                assert user in l.stderr()
                l.process.stderr_file.close()
    for option, status in (("--help", 0), ("--version", 0), ("--nonsense", 2), ("word", 2)):
        assert subprocess.run([LAUNCH, option], capture_output=True, timeout=10,
                              check=False).returncode == status


def test_sim_goes_to_the_root_programs():
    with Launcher() as l:
        l.start("--sim", f"{l.dir}/world")
        for name in ("xapid-domains", "xapid-host"):
            assert any(f"--sim {l.dir}/world" in e[3] for e in l.log(name, "args")), name
        assert not any("--sim" in e[3] for e in l.log("xapid", "args"))


tap.run(test_listeners_reach_xapid, test_killed_program_returns_alone,
        test_backoff_doubles_and_disturbs_nobody, test_missing_program_is_tried_again,
        test_term_ends_all_in_order, test_term_leaves_them_time_to_end, test_term_kills_who_does_not_end,
        test_killed_launcher_takes_its_programs_along, test_xapid_has_no_privileges,
        test_programs_inherit_nothing_else, test_unix_socket_is_taken_safely,
        test_bad_start_is_explained, test_sim_goes_to_the_root_programs)

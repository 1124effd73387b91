"""A whole host for tests: xapid-launch with the simulator, and XenAPI clients to it.

Uses the build tree it is run from (environment BUILDDIR, else the current folder) and nothing of the
system.  Everything lives in one temporary folder and ends with the test."""
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import termios
import time
import uuid
import xmlrpc.client
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "unit"))
import covers

BUILDDIR = Path(os.environ.get("BUILDDIR", ".")).resolve()
# The first host's, for the next ones: making a key takes longer than the rest of a start.
CERTIFICATE = BUILDDIR / "test-host.pem"
PAGE = Path(__file__).resolve().parent.parent.parent / "xapid" / "page"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sanitized(pid):
    """Is it built with sanitizers, which keep freed memory for a while?"""
    return "libasan" in Path(f"/proc/{pid}/maps").read_text()


class Failure(Exception):
    """A failure of the API: its code and parameters."""

    def __init__(self, description):
        super().__init__(" ".join(description))
        self.code, self.params = description[0], description[1:]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=None):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """x.VM.start (...) calls with the session; raw: everything as given."""

    def __init__(self, host, json_rpc=False, timeout=60, connect=None):
        self._json = json_rpc
        self._connection = connect() if connect else UnixConnection(host.socket, timeout)
        self.session_ref = None

    def post(self, body, path=None, headers=()):
        path = path or ("/jsonrpc" if self._json else "/")
        kind = "application/json" if self._json else "text/xml"
        body = body if isinstance(body, bytes) else body.encode()
        self._connection.request("POST", path, body, {"Content-Type": kind, **dict(headers)})
        reply = self._connection.getresponse()
        return reply, reply.read()

    def raw(self, method, *params):
        return covers.observed(method, lambda: self._send(method, *params))

    def _send(self, method, *params):
        if self._json:
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            reply, body = self.post(json.dumps(request))
            assert reply.status == 200, (reply.status, body)
            answer = json.loads(body)
            if "error" in answer:
                raise Failure([answer["error"]["message"], *answer["error"]["data"]])
            return answer["result"]
        reply, body = self.post(xmlrpc.client.dumps(params, method, allow_none=True).encode())
        assert reply.status == 200, (reply.status, body)
        answer = xmlrpc.client.loads(body)[0][0]
        if not isinstance(answer, dict) or "Status" not in answer:
            return answer
        if answer["Status"] != "Success":
            raise Failure(answer["ErrorDescription"])
        return answer["Value"]

    def login(self, user="root", password=""):
        self.session_ref = self.raw("session.login_with_password", user, password, "2.21", "test")
        return self

    def resume(self, session):
        """On with a session of another client's."""
        self.session_ref = session
        return self

    def call(self, method, *params):
        return self.raw(method, self.session_ref, *params)

    def __getattr__(self, name):
        if name.startswith("_") or name == "session_ref":
            raise AttributeError(name)
        return Namespace(self, name)

    def wait_task(self, task, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            record = self.task.get_record(task)
            if record["status"] not in ("pending", "cancelling"):
                return record
            time.sleep(0.02)
        raise AssertionError(f"task {task} did not end: {record}")


class Namespace:
    def __init__(self, client, name):
        self.client, self.name = client, name

    def __getattr__(self, name):
        return Namespace(self.client, f"{self.name}.{name}")

    def __call__(self, *params):
        return self.client.call(self.name, *params)


class Host:
    """A simulated host.  `options` are further lines of xapid.conf's [xapid], `limits` of [limits];
    https: serve TLS too, on self.https_port of 127.0.0.1; plain: and TCP without it, on self.http_port; accounts: who may log in by password;
    launch_options: more arguments of xapid-launch."""

    def __init__(self, options="", limits="", environment=(), sim_conf="", https=False, plain=False,
                 accounts=None, launch_options=()):
        # No underscore in it: XenAPI.py writes the path of a socket with them in place of slashes.
        with tempfile.TemporaryDirectory(prefix="xapid-test-") as unique:
            self.dir = Path(unique.replace("_", "-") + "-host")
        self.dir.mkdir()
        self.dir.chmod(0o755)
        self.bindir = self.dir / "bin"
        self.bindir.mkdir()
        for name, program in (("xapid", "xapid/xapid"), ("xapid-launch", "xapid-launch"),
                              ("xapid-domains", "xapid-domains"),
                              ("xapid-host", "xapid-host"), ("xapid-stream", "xapid-stream"), ("xs-guestd", "xs-guestd"),
                              ("xapid-terminal", "xapid-terminal"), ("xapid-picture", "xapid-picture"),
                              ("xapid-db", "xapid-db")):
            shutil.copy(BUILDDIR / program, self.bindir / name)  # where any user may read it
        (self.bindir / "storage").mkdir(mode=0o755)
        for name in ("file", "iso"):
            shutil.copy(BUILDDIR / "storage-repos" / name / name, self.bindir / "storage" / name)
        shutil.copytree(PAGE, self.dir / "page")
        self.socket = str(self.dir / "xapi.sock")
        self.disks = self.dir / "disks"
        self.sim = self.dir / "sim"
        self.sim.mkdir()
        if sim_conf:
            (self.sim / "host.conf").write_text(sim_conf)
        self.config = self.dir / "xapid.conf"
        self.log = self.dir / "log"
        # To look for what was lost takes as long as the rest of an end: test-leaks.py does it.
        self.environment = {"ASAN_OPTIONS": "detect_leaks=0", **dict(environment)}
        self.launch_options = launch_options
        self.under = []  # a program that runs it all
        if accounts:
            self.environment.update(accounts.write(self.dir / "accounts"))
        self.https_port, self.http_port = (free_port() if wanted else 0 for wanted in (https, plain))
        self.config.write_text(
            f"[xapid]\nuser=nobody\nhttp_port={self.http_port}\nhttps_port={self.https_port}\nlisten=127.0.0.1\naddress=127.0.0.1\n"
            f"unix_socket={self.socket}\nstate_dir={self.dir}/state\n"
            f"guest_kernels={self.dir}/kernels\nstorage_drivers={self.bindir}/storage\npage_dir={self.dir}/page\n"
            f"disk_handles={self.disks}\nlog_level=debug\n{options}\n[limits]\n{limits}\n")
        self.certificate = self.dir / "state" / "xapid-ssl.pem"
        if CERTIFICATE.exists():
            self.certificate.parent.mkdir(mode=0o700)
            shutil.copy(CERTIFICATE, self.certificate)
            for path in self.certificate.parent, self.certificate:
                shutil.chown(path, "nobody", "nogroup")
        (self.dir / "kernels").mkdir()
        (self.dir / "kernels" / "vmlinux").write_bytes(b"\x7fELF")
        self.process = None
        self.comes_again = False  # somebody starts it whenever it ends

    def spawn(self):
        command = [*self.under, self.bindir / "xapid-launch", "--config", self.config, "--sim", self.sim,
                   "--bindir", self.bindir, "--test-environment", *self.launch_options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, stdout=log,
                                            env={**os.environ, **self.environment})

    def start(self):
        self.spawn()
        self.wait_up()
        return self

    def wait_up(self, seconds=20):
        end = time.monotonic() + seconds
        while True:
            try:
                return Client(self, timeout=5).raw("system.listMethods")
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() > end or (self.process.poll() is not None and not self.comes_again):
                    raise AssertionError(f"the daemon does not answer: {error}\n{self.tail()}")
                time.sleep(0.02)

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def child(self, name):
        """pid of one of xapid-launch's programs, or None."""
        wanted = str(self.bindir / name)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in children.split():
            try:
                if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode() == wanted:
                    return int(pid)
            except OSError:
                continue
        return None

    def running(self, name):
        """pids of all processes of one of our programs, whoever started them."""
        wanted, found = str(self.bindir / name).encode(), []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.read_bytes().split(b"\0")[0] == wanted:
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def kill(self, name):
        """SIGKILLs a program and waits until another one stands in its place."""
        old = self.child(name)
        if old:
            os.kill(old, signal.SIGKILL)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            new = self.child(name)
            if new and new != old:
                return new
            time.sleep(0.005)
        raise AssertionError(f"{name} did not come back\n{self.tail()}")

    def guest(self, command):
        """What a simulated guest does by itself: "halt UUID", "crash UUID" ..."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control:
            control.connect(str(self.sim / "control"))
            control.send(command.encode())
            left = bytearray(4)
            for _ in range(1000):  # until the simulator has taken it
                fcntl.ioctl(control, termios.TIOCOUTQ, left)
                if not int.from_bytes(left, sys.byteorder):
                    break
                time.sleep(0.005)
            time.sleep(0.02)  # and done it

    def folder(self, name="sr"):
        """A new folder of this host, as storage repositories of the types file and iso want it."""
        path = self.dir / name
        path.mkdir(mode=0o700)
        return str(path)

    def handles(self):
        """The uuids of the drives whose disks are attached."""
        return {path.name for path in self.disks.iterdir() if not path.name.startswith(".")}

    def violations(self):
        path = self.sim / "violations"
        return path.read_text() if path.exists() else ""

    def client(self, json_rpc=False, user="root", password="", **options):
        return Client(self, json_rpc, **options).login(user, password)

    def tls(self, timeout=60):
        """A connection over TLS, for Client's `connect`; its certificate is not checked."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # whoever does not suppress_ragged_eofs is told of one
        return http.client.HTTPSConnection("127.0.0.1", self.https_port, timeout=timeout,
                                           context=context)

    def tcp(self, timeout=60):
        """The same without TLS."""
        return http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)

    def keep_certificate(self):
        if self.certificate.exists() and not CERTIFICATE.exists():
            with tempfile.NamedTemporaryFile(dir=BUILDDIR, delete=False) as copy:
                copy.write(self.certificate.read_bytes())
            os.rename(copy.name, CERTIFICATE)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def reboot(self, meanwhile=lambda: None):
        """The whole machine: what lived in memory, or in /run, is gone.  meanwhile is done to its disks."""
        self.stop()
        for name in "world", "dmesg":
            (self.sim / name).unlink(missing_ok=True)
        for path in self.disks.iterdir():
            path.unlink()
        shutil.rmtree(self.sim / "bridges", ignore_errors=True)
        (self.sim / "boot_id").write_text(str(uuid.uuid4()))
        meanwhile()
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind and not covers.is_dull():
            print("# --- the host's log:", *self.tail().splitlines(), sep="\n# ", flush=True)
        self.keep_certificate()
        shutil.rmtree(self.dir, ignore_errors=True)


def fails(code, function, *args):
    """The Failure with which function (*args) fails; it must be of that code."""
    try:
        function(*args)
    except Failure as failure:
        assert failure.code == code, f"{failure} instead of {code}"
        return failure
    raise AssertionError(f"succeeded instead of {code}")


GUEST = {"name_label": "guest", "memory_static_max": str(128 << 20), "memory_static_min": "0",
         "PV_kernel": "vmlinux", "PV_args": "quiet", "domain_type": "pvh", "VCPUs_max": "1",
         "VCPUs_at_startup": "1", "actions_after_shutdown": "destroy",
         "actions_after_reboot": "restart", "actions_after_crash": "restart"}

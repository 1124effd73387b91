#!/usr/bin/python3
"""The hosts and guests of ./try: starts hosts, takes guests through their life by the API, tells.

hosts.py [--sim] [--keep] [--hosts N] --dir DIR       hosts.py --stop --dir DIR"""
import argparse
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LAB = TOP / "tests/lab"
sys.path += [str(TOP / "tests/sim"), str(TOP / "tests/unit")]
from accounts import Accounts
from host import Client, Failure

BUILDDIR = Path(os.environ["BUILDDIR"]).resolve()
PREFIX = "127.0.77."
STARTED = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - STARTED:6.1f}s] {text}", flush=True)


def tls(address, fingerprint=None, timeout=120):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address, 443, timeout=timeout, context=context)


def wait(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise RuntimeError(f"no {what} within {seconds} s")
        time.sleep(0.1)


class Host:
    """What real and simulated hosts share: an address, a password, a folder."""

    def __init__(self, directory, number):
        self.name = f"host{number}"
        self.dir = directory / self.name
        self.password = secrets.token_urlsafe(12)
        self.address = None

    def free_address(self):
        for last in range(1, 65):
            address = f"{PREFIX}{last}"
            with socket.socket() as probe:
                try:
                    probe.bind((address, 443))
                    return address
                except OSError:
                    continue
        raise RuntimeError(f"no free address in {PREFIX}1-64")

    def client(self):
        return Client(None, connect=lambda: tls(self.address)).login("root", self.password)

    def serves(self):
        connection = tls(self.address, timeout=5)
        connection.request("OPTIONS", "/")
        return connection.getresponse().status == 200

    def entry(self):
        pem = ssl.get_server_certificate((self.address, 443))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        fingerprint = ":".join(digest[i:i + 2] for i in range(0, 64, 2))
        return {"name": self.name, "url": f"https://{self.address}", "user": "root",
                "password": self.password, "ssl_fingerprint": fingerprint}


class SimHost(Host):
    def start(self):
        self.address = self.free_address()
        self.dir.mkdir(parents=True)
        self.dir.chmod(0o755)
        (self.dir / "bin").mkdir()
        for program in ("xapid/xapid", "xapid-launch", "xapid-domains", "xapid-host"):
            shutil.copy(BUILDDIR / program, self.dir / "bin")
        for folder in ("sim", "kernels"):
            (self.dir / folder).mkdir()
        (self.dir / "kernels/vmlinux").write_bytes(b"\x7fELF")
        config = self.dir / "xapid.conf"
        config.write_text(f"[xapid]\nuser=nobody\naddress={self.address}\nlisten={self.address}\n"
                          f"unix_socket={self.dir}/xapi\nstate_dir={self.dir}/state\n"
                          f"guest_kernels={self.dir}/kernels\n")
        environment = Accounts({"root": (0, self.password)}).write(self.dir / "accounts")
        with open(self.dir / "log", "ab") as log:
            process = subprocess.Popen(
                [self.dir / "bin/xapid-launch", "--config", config, "--sim", self.dir / "sim",
                 "--bindir", self.dir / "bin", "--test-environment"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **environment})
        (self.dir / "pid").write_text(str(process.pid))
        wait(self.serves, f"answer of {self.name} (log: {self.dir}/log)")

    def stop(self):
        stop_sim(self.dir)

    def console(self, uuid):
        return []

    def domids(self):
        return None  # there is no xl on a simulated host


def stop_sim(folder):
    """Ends the launcher whose pid the folder holds, when it still runs from there."""
    try:
        pid = int((folder / "pid").read_text())
        if os.readlink(f"/proc/{pid}/exe").startswith(str(folder)):
            os.kill(pid, signal.SIGTERM)
            for _ in range(150):
                os.readlink(f"/proc/{pid}/exe")
                time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass


class LabHost(Host):
    def __init__(self, directory, number, keep):
        super().__init__(directory, number)
        self.environment = {**os.environ, "LAB_HOSTS": str(directory),
                            "LAB_TIMEOUT": "0" if keep else "3600"}

    def lab(self, program, *args, timeout=300, **options):
        done = subprocess.run([LAB / program, *args], env=self.environment, timeout=timeout,
                              capture_output=True, text=True,
                              **({} if "input" in options else {"stdin": subprocess.DEVNULL}), **options)
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def dom0(self, command, **options):
        return self.lab("run-in-dom0", self.name, command, **options)

    def start(self):
        self.lab("boot-host", self.name, "-r", "base")
        self.address = (self.dir / "addr").read_text().strip()
        stage = self.dir / "stage"
        subprocess.run(["make", "-s", "-C", BUILDDIR, "install", f"DESTDIR={stage}"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        (stage / "etc/pam.d").mkdir(parents=True)
        shutil.copy(TOP / "docs/pam.d/xapid", stage / "etc/pam.d/xapid")
        (stage / "etc/xapid.conf").write_text(f"[xapid]\naddress={self.address}\nlisten=0.0.0.0\n"
                                              "state_dir=/var/lib/xapid\n")
        with subprocess.Popen(["tar", "-C", stage, "--owner=0", "--group=0", "-c", "."],
                              stdout=subprocess.PIPE) as tar:
            subprocess.run([LAB / "run-in-dom0", self.name,
                            "tar -C / -x -m --keep-directory-symlink && ldconfig"], check=True,
                           stdin=tar.stdout, env=self.environment, timeout=120)
        shutil.rmtree(stage)
        self.dom0("chpasswd", input=f"root:{self.password}\n")
        self.dom0("mkdir -p /var/lib/xcp; setsid /usr/local/sbin/xapid-launch --config "
                  "/etc/xapid.conf >/var/log/xapid.log 2>&1 </dev/null &")
        wait(self.serves, f"answer of {self.name}")

    def stop(self):
        self.lab("stop-host", self.name)

    def console(self, uuid):
        text = self.dom0(f"cat /var/log/xen/console/guest-{uuid}.log 2>/dev/null || true")
        return [line for line in text.splitlines() if "LAB-GUEST-UP" in line or "TICK" in line]

    def domids(self):
        lines = self.dom0("xl list -v").splitlines()[1:]
        return {line.split()[6]: int(line.split()[1]) for line in lines if len(line.split()) > 6}


class Guest:
    """One row of the table: a guest and the states it was seen in."""

    def __init__(self, host, kind, sim):
        self.host, self.kind, self.sim = host, kind, sim
        self.name = f"{host.name}-{kind}"
        self.states, self.domid, self.seconds = [], None, 0.0

    def seen(self, x):
        self.states.append(x.VM.get_power_state(self.vm))

    def live(self, x):
        began = time.monotonic()
        record = {"name_label": self.name, "domain_type": self.kind,
                  "memory_static_max": str(160 << 20), "PV_kernel": "vmlinux",
                  "PV_ramdisk": "" if self.sim else "initrd", "PV_args": "console=hvc0",
                  "VCPUs_max": "1", "VCPUs_at_startup": "1", "actions_after_shutdown": "destroy",
                  "actions_after_reboot": "restart", "actions_after_crash": "restart"}
        self.vm = x.VM.create(record)
        uuid = x.VM.get_uuid(self.vm)
        self.seen(x)
        x.VM.start(self.vm, False, False)
        self.seen(x)
        say(f"{self.name}: started in {time.monotonic() - began:.1f} s")
        if not self.sim:
            for line in wait(lambda: self.host.console(uuid), "line of the guest's console", 120)[:3]:
                say(f"{self.name}: console: {line}")
        x.VM.pause(self.vm)
        self.seen(x)
        x.VM.unpause(self.vm)
        x.VM.clean_reboot(self.vm)
        self.seen(x)
        self.domid = int(x.VM.get_domid(self.vm))
        known = self.host.domids()
        if known is not None and known.get(uuid) != self.domid:
            raise RuntimeError(f"{self.name}: the API says domid {self.domid}, xl {known.get(uuid)}")
        say(f"{self.name}: paused, unpaused, rebooted; domid {self.domid}")
        x.VM.hard_shutdown(self.vm)
        self.seen(x)
        x.VM.destroy(self.vm)
        say(f"{self.name}: shut down and destroyed")
        self.seconds = time.monotonic() - began

    def row(self):
        return (self.name, self.kind, str(self.domid), " ".join(self.states), f"{self.seconds:.1f}")


def table(guests):
    rows = [("name", "domain_type", "domid", "power states", "seconds")] + [g.row() for g in guests]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def next_lines(entry):
    url, password = entry["url"], entry["password"]
    body = ("<methodCall><methodName>session.login_with_password</methodName><params><param><value>root"
            f"</value></param><param><value>{password}</value></param></params></methodCall>")
    address = url.removeprefix("https://")
    print(f"\nTo paste next:\n  xtool -s {address} -u root -pw '{password}' --fingerprint {entry['ssl_fingerprint']} vm-list"
          f"\n  curl -sk {url}/ -H 'Content-Type: text/xml' -d '{body}'"
          f"\n  python3 -c \"import ssl,xmlrpc.client as x; p=x.ServerProxy('{url}',"
          f"context=ssl._create_unverified_context()); print(p.session.login_with_password('root','{password}'))\"")


def run(options):
    directory = Path(options.dir)
    if directory.exists() and any(directory.iterdir()):
        sys.exit(f"try: {directory} is not empty; end its hosts with ./try --stop --dir {directory}")
    directory.mkdir(parents=True, exist_ok=True)
    hosts, ok = [], False
    try:
        for number in range(1, options.hosts + 1):
            host = SimHost(directory, number) if options.sim else LabHost(directory, number, options.keep)
            hosts.append(host)
            host.start()
            say(f"{host.name}: xapid serves at https://{host.address}")
        entries = [host.entry() for host in hosts]
        descriptor = os.open(directory / "hosts.json", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(entries, file, indent=1)
        guests = [Guest(host, kind, options.sim) for host in hosts for kind in ("pv", "pvh")]
        for guest in guests:
            guest.live(guest.host.client())
        table(guests)
        ok = all(guest.domid is not None for guest in guests)
        if options.keep:
            next_lines(entries[0])
            print(f"\nThe hosts run until: ./try --stop --dir {directory}")
        else:
            print("\nWith --keep the hosts go on, and hosts.json says how to reach them.")
    except (RuntimeError, Failure, OSError, subprocess.SubprocessError) as error:
        logs = TOP / "build/try-failed"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        for host in hosts:
            for name in ("log", "console", "qemu.log"):
                if (host.dir / name).exists():
                    shutil.copy(host.dir / name, logs / f"{host.name}.{name}")
        print(f"try: {error}\ntry: logs are in {logs}", file=sys.stderr)
    finally:
        if not (ok and options.keep):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for host in hosts:
                host.stop()
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if ok else 1)


def stop(options):
    directory = Path(options.dir)
    if not directory.is_dir():
        sys.exit(f"try: there is no {directory}")
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        if (folder / "bin").exists():
            stop_sim(folder)
        else:
            subprocess.run([LAB / "stop-host", folder.name], check=False,
                           env={**os.environ, "LAB_HOSTS": str(directory)}, timeout=60)
    shutil.rmtree(directory)
    print(f"{directory}: all hosts ended")


parser = argparse.ArgumentParser()
parser.add_argument("--sim", action="store_true")
parser.add_argument("--keep", action="store_true")
parser.add_argument("--stop", action="store_true")
parser.add_argument("--hosts", type=int, default=1)
parser.add_argument("--dir", required=True)
arguments = parser.parse_args()
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    stop(arguments) if arguments.stop else run(arguments)
except KeyboardInterrupt:
    sys.exit("try: interrupted; nothing of it is left")

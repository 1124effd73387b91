"""The two kinds of host that ./try starts: real Xen in QEMU (tests/lab), and a simulated one."""
import contextlib
import crypt
import hashlib
import http.client
import os
import secrets
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import processes
import world
from host import Client
from processes import Trouble

TOP = Path(__file__).resolve().parents[2]
LAB = TOP / "tests/lab"
ADDRESSES = [f"127.0.77.{last}" for last in range(1, 65)]
SERVE_SECONDS = 90  # until the daemon answers, on an emulated machine


class Machine:
    """A host: its address, root's password there, and the folder that holds it."""

    def __init__(self, directory, name, builddir=None):
        self.name, self.dir, self.builddir = name, directory / name, builddir
        self.password = secrets.token_hex(10)
        self.address = None

    def tls(self, seconds=120):
        context = ssl.create_default_context()
        context.check_hostname = False  # the certificate was made a moment ago; see fingerprint ()
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self.address, 443, timeout=seconds, context=context)

    def client(self):
        return Client(None, connect=self.tls).login("root", self.password)

    def answers(self):
        return "VM.start" in Client(None, connect=lambda: self.tls(5)).raw("system.listMethods")

    def wait_until_it_answers(self):
        processes.wait(self.answers_or_not, f"answer of xapid on {self.name}", SERVE_SECONDS)

    def answers_or_not(self):
        with contextlib.suppress(http.client.HTTPException):
            return self.answers()

    def fingerprint(self):
        certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((self.address, 443)))
        digest = hashlib.sha256(certificate).hexdigest().upper()
        return ":".join(digest[i:i + 2] for i in range(0, len(digest), 2))

    def entry(self):
        return {"name": self.name, "url": f"https://{self.address}", "user": "root",
                "password": self.password, "ssl_fingerprint": self.fingerprint()}

    def repository(self, x):
        """An SR of disks as files, made by the API."""
        self.make_folder()
        processes.wait(lambda: "file" in x.SR.get_supported_types(), "storage driver", SERVE_SECONDS)
        return x.SR.create(x.host.get_all()[0], {"location": self.DISKS}, "0", "disks", "", "file", "user", False, {})

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def is_free(address):
    for port in (443, 80):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


@contextlib.contextmanager
def claimed(address):
    """Whether no other ./try claims the address at this moment."""
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0xapid-try {address}")
        except OSError:
            yield False
            return
        yield True


# Run by sh with the host's folder as $0: shows it as /mnt/host, and its accounts in place of the
# machine's, to "$@" and its children alone.  These mounts end with them.
PRIVATE_PLACE = """set -e
mount -n -t tmpfs -o mode=755 try /mnt
mkdir /mnt/host
mount -n --bind "$0" /mnt/host
for name in passwd group shadow nsswitch.conf pam.d; do mount -n --bind "$0/etc/$name" "/etc/$name"; done
exec "$@"
"""
HOME = Path("/mnt/host")


class SimMachine(Machine):
    """xapid with its simulator, on this machine, in a mount namespace of its own: the machine's
    accounts and PAM are neither asked nor changed, and xapid's user finds its files."""

    KIND = "sim"
    RAMDISK = ""
    HYPERVISOR = "the simulator"
    DISKS = f"{HOME}/disks-of-guests"
    known = None  # the launcher's identity

    def write(self):
        for folder in (".", "bin", "bin/storage", "sim", "kernels", "etc", "etc/pam.d"):
            (self.dir / folder).mkdir(mode=0o755)
        for program in ("xapid/xapid", "xapid-launch", "xapid-domains", "xapid-host", "xapid-stream", "xapid-terminal", "xapid-picture", "xs-guestd"):
            shutil.copy(self.builddir / program, self.dir / "bin")
        for driver in ("file", "iso"):
            shutil.copy(self.builddir / "storage-repos" / driver / driver, self.dir / "bin/storage")
        shutil.copytree(TOP / "xapid/page", self.dir / "page")
        (self.dir / "kernels/vmlinux").write_bytes(b"\x7fELF")  # never run
        etc = self.dir / "etc"
        (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n"
                                    "nobody:x:65534:65534::/:/usr/sbin/nologin\n")
        (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
        secret = crypt.crypt(self.password, crypt.mksalt(crypt.METHOD_SHA512))
        (etc / "shadow").touch(0o600)
        (etc / "shadow").write_text(f"root:{secret}:19700:0:99999:7:::\n")
        shutil.copy(TOP / "docs/pam.d/xapid", etc / "pam.d")
        for kind in ("auth", "account", "password"):
            (etc / f"pam.d/common-{kind}").write_text(f"{kind} required pam_unix.so\n")

    def start(self, say):
        self.write()
        for address in ADDRESSES:
            with claimed(address) as is_ours:
                if is_ours and is_free(address) and self.started_at(address):
                    return
        raise Trouble(f"ports 443 and 80 are in use on all of {ADDRESSES[0]} to {ADDRESSES[-1]}")

    def started_at(self, address):
        """False when another program has taken the address meanwhile."""
        self.address = address
        (self.dir / "xapid.conf").write_text(
            f"[xapid]\nuser=nobody\naddress={address}\nlisten={address}\n"
            f"unix_socket={HOME}/xapi\nstate_dir={HOME}/state\nguest_kernels={HOME}/kernels\n"
            f"storage_drivers={HOME}/bin/storage\npage_dir={HOME}/page\ndisk_handles={HOME}/disks\n")
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATE_PLACE, self.dir,
                   HOME / "bin/xapid-launch", "--config", HOME / "xapid.conf", "--sim", HOME / "sim",
                   "--bindir", HOME / "bin"]
        with open(self.dir / "log", "ab") as log, processes.undisturbed():
            process = processes.popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
            self.known = processes.identity(process.pid)
        if self.known:
            (self.dir / "pid").write_text(" ".join(map(str, self.known)))
        processes.wait(lambda: process.poll() is not None or self.answers_or_not(),
                       f"answer of xapid on {self.name}", SERVE_SECONDS)
        if process.poll() is None:
            return True
        if is_free(address):
            raise Trouble(f"xapid-launch ended: {(self.dir / 'log').read_text()[-500:]}")
        return False

    def stop(self):
        with contextlib.suppress(OSError, ValueError):
            pid, started = (self.dir / "pid").read_text().split()
            self.known = [int(pid), started]
        if self.known:
            processes.end(self.known)

    def make_folder(self):
        (self.dir / Path(self.DISKS).name).mkdir(mode=0o700)

    def fill_disk(self, uuid):
        """A simulated guest reads nothing."""

    def console(self, uuid):
        return ["(a simulated guest prints nothing)"]

    def domids(self):
        return {domain["uuid"]: domain["domid"] for domain in world.domains(self.dir / "sim")}

    def logs(self):
        return {"log": (self.dir / "log").read_text(errors="replace")}


class LabMachine(Machine):
    """Xen and dom0 in QEMU, with our programs put into dom0."""

    KIND = "lab"
    RAMDISK = "initrd"
    HYPERVISOR = "xl list"
    DISKS = "/srv/disks"
    keep = False

    def environment(self):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("LAB_")}
        # Bounded, should everything else fail, unless it is to stay.
        return {**clean, "LAB_HOSTS": str(self.dir.parent), "LAB_TIMEOUT": "0" if self.keep else "3600"}

    def lab(self, program, *words, seconds=120, **options):
        return processes.run([str(LAB / program), *words], seconds, env=self.environment(), **options)

    def dom0(self, command, **options):
        return self.lab("run-in-dom0", self.name, command, **options)

    def start(self, say):
        say(f"{self.name}: starting Xen and dom0 from the frozen host")
        self.lab("boot-host", self.name, "-r", "base")
        self.address = (self.dir / "addr").read_text().strip()
        say(f"{self.name}: installing xapid in dom0")
        self.install()
        self.dom0("chpasswd", text=f"root:{self.password}\n")
        self.dom0("mkdir -p /var/lib/xcp; setsid /usr/local/sbin/xapid-launch --config "
                  "/etc/xapid.conf >/var/log/xapid.log 2>&1 </dev/null &")
        self.wait_until_it_answers()

    def install(self):
        """What "make install" installs, and what the system's administrator would add."""
        stage, archive = self.dir / "stage", self.dir / "stage.tar"
        processes.run(["make", "-s", "-C", str(self.builddir), "install", f"DESTDIR={stage}"], 300)
        (stage / "etc/pam.d").mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / "docs/pam.d/xapid", stage / "etc/pam.d/xapid")
        (stage / "etc/xapid.conf").write_text(f"[xapid]\naddress={self.address}\nlisten=0.0.0.0\n"
                                              "state_dir=/var/lib/xapid\n")
        processes.run(["tar", "-C", str(stage), "--owner=0", "--group=0", "-cf", str(archive), "."], 60)
        with open(archive, "rb") as file:
            self.dom0("tar -C / -x -m --keep-directory-symlink && ldconfig", stdin=file)
        shutil.rmtree(stage)
        archive.unlink()

    def make_folder(self):
        """The folder of an SR, and what QEMU runs as (README.md)."""
        self.dom0(f"mkdir -m 700 {self.DISKS}; useradd -r -u 200000 -M -s /usr/sbin/nologin xen-qemuuser-range-base")

    def fill_disk(self, uuid):
        """A Linux, and the words for its kernel."""
        file = f"{self.DISKS}/{uuid}.raw"
        self.dom0(f"dd if=/srv/guest/linux.img of={file} bs=1M conv=notrunc && printf '%s\\0' 'console=hvc0 quiet nokaslr' | "
                  f"dd of={file} bs=512 seek=17 conv=notrunc")

    def stop(self):
        try:
            self.lab("stop-host", self.name)
        finally:
            processes.end_all_in(self.dir)

    def console(self, uuid):
        """The guest's first lines, once it has told that it is up and counts."""
        log = self.dom0(f"cat /var/log/xen/console/guest-{uuid}.log 2>/dev/null || true")
        ours = [line[line.index(word):] for line in log.splitlines()
                for word in ("LAB-GUEST-UP", "TICK ") if word in line]
        return ours[:3] if len(ours) >= 3 else []

    def domids(self):
        """uuid -> domid, as xl has it."""
        rows = [line.split() for line in self.dom0("xl list -v").splitlines()[1:]]
        return {row[6]: int(row[1]) for row in rows if len(row) > 6}

    def logs(self):
        found = {name: (self.dir / name).read_text(errors="replace")
                 for name in ("console", "qemu.log") if (self.dir / name).exists()}
        with contextlib.suppress(Trouble, OSError):
            found["xapid.log"] = self.dom0("cat /var/log/xapid.log", seconds=20)
        return found


KINDS = {kind.KIND: kind for kind in (SimMachine, LabMachine)}

#!/usr/bin/python3
"""docs/admin-guide.md, networking.md and xtool.md: their blocks, run in their order as an administrator would on an installed
host, and the figures of the first, compared with the constants.  What goes wrong in it is made to go wrong before."""
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from document import TOP, Document, assert_printed, fill, run, split
from host import GUEST, Client, fails
from installed import STATE, Installed, alone
from networks import CARDS, bridges, interfaces

PASSWORD = "wonderland"
GUIDE = Document("docs/admin-guide.md", {
    "apt install xen-system": "tests/deb/test-deb.sh", "apt remove": "tests/deb/test-deb.sh",
    "xtool sr-create type=lvm": "tests/lab/test-storage.sh", "xtool sr-create type=nfs": "tests/lab/test-storage.sh",
    "xtool sr-create type=iso name-label=library": "tests/lab/test-shares.sh",
    "xtool sr-probe type=lvmoiscsi": "tests/lab/test-targets.sh",
    "journalctl -u xapid -p": "systemd's", "journalctl -u xapid --since": "systemd's"})
ON_A_DEVICE = ("xtool sr-create type=ext", "xtool sr-probe type=ext", "xtool vdi-destroy uuid=scratch")
LOOPS = Path("/dev/loop-control").exists()
if not LOOPS:
    GUIDE.elsewhere.update(dict.fromkeys(ON_A_DEVICE, "tests/lab/test-storage.sh"))
NETWORKING = Document("docs/networking.md", {"# /etc/network/interfaces": "ifupdown's", "xtool pif-plug uuid=$pif": "tests/sim/test-addresses.py",
                                             "xtool -s 10.1.0.5": "tests/sim/test-addresses.py"})
XTOOL = Document("docs/xtool.md", {"  vdi=$(xtool vdi-create": "tests/sim/test-xtool-create.py"})


class Reader:
    """Who goes through the guide: a folder to be in, and a host."""

    def __init__(self, host, folder):
        self.host, self.folder = host, folder

    def bash(self, code, status=0):
        return run(["bash", "-ec", code], self.folder, status, **self.host.environment_of_commands())

    def xtool(self, words):
        return self.bash(f"xtool {words}").strip()

    def state(self, name):
        return self.xtool(f"vm-list name-label={name} params=power-state --minimal")

    def read(self, document, blanks=(), before=(), after=(), failing=()):
        """Its blocks, each as it is pasted, all but these to their end.  By their first words: what is to be filled in,
        and what is done before and after."""
        blocks = document.here()
        for start in {*blanks, *before, *after, *failing}:
            assert any(code.startswith(start) for code in blocks), f"no block begins with {start}"

        def of(table, code, default):
            return next((value for start, value in dict(table).items() if code.startswith(start)), default)

        for code in blocks:
            of(before, code, nothing)(self)
            command, shown = split(code)
            said = self.bash(fill(command, of(blanks, code, {})), 1 if code.startswith(tuple(failing)) else 0)
            if shown:
                assert_printed(shown, said)
            of(after, code, nothing)(self)

    def drivers_known(self):
        return set(self.xtool("sm-list params=type --minimal").split(",")) == {"ext", "file", "iso"}

    def device(self):
        """One that is empty."""
        Path("/srv/device").touch()
        os.truncate("/srv/device", 1 << 30)
        return self.bash("losetup --find --show /srv/device").strip()

    def prepare(self):
        """What the guide takes for granted: files in this folder, and a user."""
        for name, content in (("vmlinux", b"\x7fELF"), ("initrd", b"\0"), ("debian.iso", bytes(2048)),
                              ("old.img", b"an old disk" * 1000)):
            (self.folder / name).write_bytes(content)
        self.bash("""
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 1
            openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 1
            cat ca.crt >>server.crt""")
        self.bash(f"useradd alice; printf '%s:{PASSWORD}\\n' root alice | chpasswd")
        for user in "root", "alice":
            (self.folder / user).write_text(f"{user}\n{PASSWORD}\n")
        tap.wait_until(self.drivers_known, "drivers")


# ---- what happens before and after a block ----

def nothing(reader):
    """Of most blocks."""


def a_user_elsewhere(reader):
    """The certificate is looked at, and the user is one with a role."""
    said = reader.bash("xtool -s 127.0.0.1 -u alice -pwf alice list", status=3)
    assert "certificate" in said, said


def trusted(reader):
    assert "web" in reader.xtool("-s 127.0.0.1 -u alice -pwf alice list")


def new_certificate(reader):
    """With that of its authority."""
    served = reader.bash("openssl s_client -connect 127.0.0.1:443 -showcerts </dev/null 2>/dev/null | "
                         "sed -n '/BEGIN CERT/,/END CERT/p'")
    assert served == (reader.folder / "server.crt").read_text(), served
    assert reader.state("web") == "running"


def on_a_device(reader):
    sr = reader.xtool("sr-list name-label=fast --minimal")
    assert f"/run/xapid/sr/{sr} ext4 " in Path("/proc/mounts").read_text()
    device = reader.xtool("pbd-param-get param-name=device-config param-key=device uuid=$(xtool pbd-list sr-name-label=fast --minimal)")
    assert sr in reader.xtool(f"sr-probe type=ext device-config:device={device}")


def device_is_free(reader):
    """As it was before."""
    device = reader.bash("losetup --noheadings --output NAME --associated /srv/device").strip()
    assert f"{device} " not in Path("/proc/mounts").read_text() and reader.bash(f"wipefs --noheadings {device}") == ""
    assert reader.xtool("sr-list name-label=fast --minimal") == ""


def taken_over(reader):
    vdi = reader.xtool("vbd-list vm-name-label=old params=vdi-uuid --minimal")
    with open(f"/srv/disks/{vdi}.raw", "rb") as disk:
        assert disk.read(11) == b"an old disk" and disk.seek(0, 2) == 1 << 30
    assert reader.state("old") == "running"


def debug(reader):
    """Much is written, but no secret."""
    assert " debug: " in reader.host.log.read_text() and reader.state("web") == "running"
    alice = Client(reader.host, connect=reader.host.tls).login("alice", PASSWORD)
    alice.VM.create(GUEST)
    fails("RBAC_PERMISSION_DENIED", alice.pool.sync_database)
    text = reader.host.log.read_text()
    assert PASSWORD not in text and alice.session_ref not in text


def rebooted(reader):
    tap.wait_until(lambda: (reader.host.sim / "power").read_text() == "reboot", "a reboot")
    reader.xtool("vm-list power-state=running is-control-domain=false --minimal")
    reader.host.reboot()
    tap.wait_until(lambda: reader.xtool("host-list params=enabled --minimal") == "true", "an enabled host")
    tap.wait_until(lambda: reader.xtool("pbd-list params=currently-attached --minimal") == "true,true", "repositories")
    assert reader.state("web") == "halted"


def starts_with_host(reader):
    reader.host.reboot()
    tap.wait_until(lambda: reader.state("web") == "running", "a guest that starts with its host")
    reader.xtool("shutdown web --force")


def damage(reader):
    """One row of the database changes under the host, which then does not start."""
    reader.host.stop()
    with sqlite3.connect(STATE / "xapid.db") as database:
        ref, fields = database.execute("SELECT ref, fields FROM row WHERE class = 'VM' AND instr(fields, 'web')").fetchone()
        database.execute("UPDATE row SET fields = ? WHERE ref = ?", (fields.replace(b"web", b"wet"), ref))
    database.close()
    reader.host.spawn()
    tap.wait_until(lambda: "cannot start: " in reader.host.log.read_text(), "a line that says why")


def restored(reader):
    assert reader.state("web") == "running", "a guest noticed"


def new_machine(reader):
    """Another one: nothing of the old one's but the folders of its disks."""
    reader.host.stop()
    for path in STATE.iterdir():
        path.unlink()
    shutil.rmtree(reader.host.sim)
    reader.host.sim.mkdir()
    for path in reader.host.disks.iterdir():
        path.unlink()
    reader.host.start()
    tap.wait_until(reader.drivers_known, "drivers")
    assert reader.xtool("sr-list --minimal") == ""


def moved(reader):
    tap.wait_until(lambda: reader.xtool("pbd-list params=currently-attached --minimal") == "true,true", "repositories")
    tap.wait_until(lambda: reader.state("web") == "halted", "a guest that a reboot ended")
    reader.xtool("start web")
    reader.xtool("shutdown web --force")


def a_host_anew(reader):
    """The machine is another one, and so is its certificate."""
    assert "is not the one that is remembered" in reader.bash("xtool -s 127.0.0.1 -u root -pwf root list", status=3)
    (reader.host.dir / "home/.config/xapid/known_hosts").unlink()


def files_of_xl(reader):
    for name, more in ("web", ""), ("old", 'vif = ["bridge=br0"]\nvnc = 1\n'):
        (reader.folder / f"{name}.cfg").write_text(
            f'name = "{name} of xl"\ntype = "pvh"\nkernel = "vmlinux"\nmemory = 64\n{more}')


THREE_CARDS = {**CARDS, "eth2": {"mac": "52:54:00:00:00:03"}}


def with_cards(reader):
    assert set(reader.xtool("pif-list params=device --minimal").split(",")) == set(THREE_CARDS)


def plugged(reader):
    assert bridges(reader.host)["xenbr1"] == "1500 eth1"


def test_the_admin_guide():
    damaged = "systemctl stop xapid\nxtool db-fsck"
    moving = "systemctl stop xapid\nxtool db-restore"
    with Installed() as host, tempfile.TemporaryDirectory(prefix="guide-") as folder, ExitStack() as stack:
        reader = Reader(host, Path(folder))
        reader.prepare()
        blanks, after = {"xtool -s HOST": {"HOST": "127.0.0.1", "FILE": "alice"}}, {}
        if LOOPS:
            device = reader.device()
            stack.callback(reader.bash, f"losetup --detach {device}")
            blanks |= dict.fromkeys(ON_A_DEVICE[:2], {"DEVICE": device})
            after = dict(zip((ON_A_DEVICE[0], ON_A_DEVICE[2]), (on_a_device, device_is_free)))
        reader.read(GUIDE, blanks,
                    {"xtool -s HOST": a_user_elsewhere, damaged: damage, moving: new_machine, "sr=$(grep": new_machine},
                    {"xtool -s HOST": trusted, "cat server.key": new_certificate, "sed -i": debug,
                     "xtool vm-create name-label=old": taken_over, "xtool shutdown-all": rebooted, "xtool pool-param-set": starts_with_host,
                     **after,
                     "xtool db-restore": restored, moving: moved},
                    (damaged,))
        # And the other pages on what that left.
        interfaces(host, THREE_CARDS)
        reader.read(NETWORKING, after={"xtool pif-list": with_cards, "pif=$(": plugged})
        assert bridges(host) == {}
        reader.read(XTOOL, {"xtool -s HOST": {"HOST": "127.0.0.1", "FILE": "root"}}, {"xtool -s HOST": a_host_anew, "xtool create -n": files_of_xl})
        assert not host.violations()


# ---- what the guide says besides ----

def test_what_documents_lead_to_is_there():
    links = [link for path in (TOP / "docs").glob("*.md") for link in Document(path.relative_to(TOP), {}).links()]
    assert len(links) > 10 and all(link.exists() for link in links), links


UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "s": 1, "ms": 1}


def limits():
    """(names, figures) of each row of the table."""
    table = GUIDE.text.partition("## Limits")[2].partition("\n## ")[0]
    for line in re.findall(r"^\| (.*) \|$", table, re.M):
        cells = line.split(" | ")
        if len(cells) == 4 and "`" in cells[2]:
            figures = [int(number.replace(",", "")) * UNITS.get(unit, 1)
                       for number, unit in re.findall(r"([\d,]*\d) ?(\w+)?", cells[1])]
            yield re.findall(r"`(\w+)`", cells[2]), figures


def constant(name):
    """What the sources define it as."""
    found = {match[1] for folder in ("lib", "xapid", "storage-repos") for path in (TOP / folder).rglob("*.[ch]")
             for match in re.finditer(rf"^#define {name} (.+?)(?:\s*/\*.*)?$", path.read_text(), re.M)}
    text, = found
    return eval(re.sub(r"\(\w+\)(?=\d|\()|(?<=\d)[uUlL]+", "", text), {})


def test_limits_are_those_of_the_code():
    settings, constants = set(), 0
    sample = (TOP / "docs/xapid.conf.sample").read_text().partition("[limits]")[2].partition("[sim]")[0]
    for names, figures in limits():
        if names[0].islower():
            assert not figures, names
            settings |= {*names}
        else:
            assert {constant(name) for name in names} == set(figures), (names, figures, list(map(constant, names)))
            constants += len(names)
    assert settings == set(re.findall(r"^#(\w+)=", sample, re.M)), settings
    assert constants > 30, constants


alone()
tap.run(test_what_documents_lead_to_is_there, test_limits_are_those_of_the_code, test_the_admin_guide)

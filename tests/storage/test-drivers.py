#!/usr/bin/python3
"""What every storage driver does, of docs/storage-driver.md: ours, and the sample.

test-drivers.py [PROGRAM DEVICE_CONFIG]: another one, with the device_config (JSON) of a new, empty place.
test-drivers.py PROGRAM [TEST...]: one of ours, on devices that the test makes (nfs: XAPID_EXPORT; lvmoiscsi: XAPID_TARGET and
XAPID_TARGET_FILE; lvmohba: XAPID_DISK).  XAPID_KILLS: so many of its faults (all of one driver that is named, else all of
`file` and eight of each other)."""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "unit")]
import tap

BUILDDIR = Path(os.environ.get("BUILDDIR", "."))
MIB = 1 << 20
BOUND = 300  # seconds, of a call, as xapid-host has it
CAN_ALL = {"SR_CREATE", "SR_DELETE", "SR_SCAN", "SR_STATS", "VDI_CREATE", "VDI_DELETE", "VDI_RESIZE", "VDI_ATTACH",
           "VDI_DETACH"}


class Refused(Exception):
    pass


class Folder:
    """Where a driver of files has its repository."""
    unit, formats, many, holds_one = MIB, ("raw", "qcow2"), 20, True
    elsewhere = ()  # fault points that a disk's life does not come by

    def __init__(self, config):
        self.config = config

    def check(self, driver):
        """Each file of the folder is a record, or of one."""
        folder = Path(self.config["location"])
        there, expected = set(os.listdir(folder)), {"xapid-sr.json"}
        for name in there - expected:
            if name.endswith(".json"):
                record = json.loads((folder / name).read_text())
                expected |= {name, record["file"], *record.get("bases", [])}
        assert there == expected, (there, expected)

    def check_empty(self):
        there = os.listdir(self.config["location"])
        assert not there, there

    def disturb(self, driver, vdi):
        """A file is always there."""


def loop_devices(folder, count):
    """Loop devices of new files."""
    made = []
    for number in range(count):
        path = Path(folder, f"device-{number}")
        path.touch()
        os.truncate(path, 128 * MIB)
        made.append(said("losetup", "--find", "--show", path).strip())
    return made


class FileSystem:
    """Where the driver ext has its repository: one device."""
    unit, formats, many, holds_one = MIB, ("raw", "qcow2"), 20, True
    elsewhere = ()  # fault points that a disk's life does not come by

    def __init__(self, folder):
        self.devices = loop_devices(folder, 1)
        self.config = {"device": self.devices[0]}

    def mounts(self):
        """Where the device is mounted."""
        lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        return [line[1] for line in lines if line[0] == self.devices[0]]

    def end(self):
        for path in self.mounts():
            said("umount", path)
            os.rmdir(path)
        said("losetup", "--detach", self.devices[0])

    def check(self, driver):
        folder, = self.mounts()
        if Path(folder, "lost+found").exists():
            os.rmdir(Path(folder, "lost+found"))
        Folder({"location": folder}).check(driver)

    def check_empty(self):
        assert not self.mounts() and not said("wipefs", "--noheadings", self.devices[0])

    def disturb(self, driver, vdi):
        """A file is always there."""


class Export:
    """Where the driver nfs has its repository: a folder that this machine exports to itself, for XAPID_EXPORT says so."""
    unit, formats, many, holds_one = MIB, ("raw", "qcow2"), 4, False
    elsewhere = ()

    def __init__(self, _):
        self.path = Path(os.environ["XAPID_EXPORT"])
        self.config = {"server": "127.0.0.1", "serverpath": str(self.path)}

    def mounts(self):
        return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()
                if line.startswith(f"127.0.0.1:{self.path} ")]

    def end(self):
        for path in self.mounts():
            said("umount", path)
            os.rmdir(path)
        for path in self.path.iterdir():
            shutil.rmtree(path)

    def check(self, driver):
        Folder({"location": self.path / driver.sr}).check(driver)

    def check_empty(self):
        assert not self.mounts() and not os.listdir(self.path), (self.mounts(), os.listdir(self.path))

    def disturb(self, driver, vdi):
        """A file is always there."""


class Group:
    """Where the driver lvm has its repository: two devices."""
    unit, formats, many, holds_one = 4 * MIB, ("raw",), 4, True
    elsewhere = ()

    def __init__(self, folder):
        self.devices = loop_devices(folder, 2)
        self.config = {"device": ",".join(self.devices)}

    def where(self):
        """As LVM takes devices."""
        return self.config["device"]

    def end(self):
        names = said("vgs", "--devices", self.where(), "--noheadings", "-o", "vg_name").split()
        for name in names:
            said("vgremove", "--force", "--yes", "--devices", self.where(), name)
        for device in self.devices:
            said("losetup", "--detach", device)

    def mapped(self):
        """The volumes that the kernel has."""
        return {name.partition("-vdi--")[2].replace("--", "-") for name in os.listdir("/dev/mapper")
                if name.startswith("xapid--") and "-pool" not in name}

    def check(self, driver):
        """Each volume is a disk's, and each mapping a volume's."""
        rows = said("lvs", "--devices", self.where(), "--noheadings", "-o", "lv_name", f"xapid-{driver.sr}").split()
        disks = {f"vdi-{uuid}" for uuid in driver.volumes()}
        assert set(rows) == disks | {"pool"}, (rows, disks)
        assert self.mapped() == set(driver.volumes()), self.mapped()

    def check_empty(self):
        for device in self.devices:
            assert not said("wipefs", "--noheadings", device), device
        there = [name for name in os.listdir("/dev/mapper") if name.startswith("xapid--")]
        assert not there, there

    def disturb(self, driver, vdi):
        """An administrator deactivated it."""
        said("lvchange", "--activate", "n", "--devices", self.where(), f"xapid-{driver.sr}/vdi-{vdi}")


def disk_that_says(identity):
    """Its name in /dev, by what a SCSI disk says of itself; "" when there is none."""
    for path in Path("/sys/block").glob("sd*/device/wwid"):
        if path.read_text().strip() == identity.replace("3", "naa.", 1):
            return f"/dev/{path.parent.parent.name}"
    return ""


class ScsiDisk(Group):
    """Where the driver lvmohba has its repository: the disk of the kernel's scsi_debug, whose SCSIid XAPID_DISK says."""

    def __init__(self, _):
        self.config = {"SCSIid": os.environ["XAPID_DISK"]}
        self.devices = [self.where()]

    def where(self):
        return disk_that_says(self.config["SCSIid"])

    def end(self):
        for name in said("vgs", "--devices", self.where(), "--noheadings", "-o", "vg_name").split():
            said("vgremove", "--force", "--yes", "--devices", self.where(), name)
        said("wipefs", "--all", self.where())


class Target(ScsiDisk):
    """Where the driver lvmoiscsi has its repository: the first disk of a target whose device_config XAPID_TARGET says, which
    keeps it in the file XAPID_TARGET_FILE."""
    elsewhere = ("iscsi.discovery", "iscsi.rescan", "mount.end")

    def __init__(self, _):
        self.config = json.loads(os.environ["XAPID_TARGET"])
        self.file, self.devices = os.environ["XAPID_TARGET_FILE"], []

    def sessions(self):
        return os.listdir("/sys/class/iscsi_session")

    def end(self):
        if self.where():
            for name in said("vgs", "--devices", self.where(), "--noheadings", "-o", "vg_name").split():
                said("vgchange", "--activate", "n", "--devices", self.where(), name)
        if self.sessions():
            said("iscsiadm", "-m", "node", "--logoutall=all")
        subprocess.run(["iscsiadm", "-m", "node", "-o", "delete"], capture_output=True, check=False)  # there may be none
        shutil.rmtree("/run/xapid/iscsi", ignore_errors=True)
        said("wipefs", "--all", self.file)

    def check_empty(self):
        assert not self.sessions(), self.sessions()
        assert not said("wipefs", "--noheadings", self.file) and not self.mapped()
        assert not list(Path("/run/xapid/iscsi").glob("*/ours")) and not list(Path("/etc/iscsi/nodes").glob("*"))


def said(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Driver:
    def __init__(self, program, config, place=None):
        self.program, self.config, self.sr = program, config, str(uuid.uuid4())
        self.place = place or Folder(config)

    def run(self, text, fault=None):
        return subprocess.run([self.program], input=text, capture_output=True, text=True, timeout=BOUND, cwd="/",
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C", **({"XAPID_FAULT": fault} if fault else {})})

    def call(self, name, fault=None, **args):
        request = {"call": name, "args": {"sr": self.sr, "device_config": self.config, **args}}
        done = self.run(json.dumps(request), fault)
        if done.returncode < 0:
            raise ProcessLookupError(f"{name} ended by signal {-done.returncode}")
        assert done.returncode == 0, (name, done)
        answer = json.loads(done.stdout.splitlines()[-1])
        if "error" in answer:
            error = answer["error"]
            assert error["code"].isupper() and all(isinstance(param, str) for param in error["params"]), error
            raise Refused(error["code"], *error["params"])
        assert set(answer) == {"result"}, answer
        return answer["result"]

    def create(self, vdi=None, size=8 * MIB, fault=None, **more):
        vdi = vdi or str(uuid.uuid4())
        return self.call("vdi.create", fault, vdi=vdi, name_label="a disk", name_description="of words", type="user",
                         virtual_size=size, sm_config={}, **more)

    def volumes(self):
        return {volume["uuid"]: volume for volume in self.call("sr.scan")["volumes"]}


def opened(where):
    """What vdi.attach answered, as QEMU's tools take it, with the images below said."""
    if where["format"] == "raw":
        protocol = "host_device" if where["kind"] == "block" else "file"
        return "json:" + json.dumps({"driver": "raw", "file": {"driver": protocol, "filename": where["path"]}})
    node = None
    for path in (where["path"], *where.get("bases", []))[::-1]:
        node = {"driver": "qcow2", "file": {"driver": "file", "filename": path}, "backing": node}
    return "json:" + json.dumps(node)


def contents(where):
    """A checksum of what a guest would read."""
    with tempfile.NamedTemporaryFile(prefix="xapid-test-") as raw:
        subprocess.run(["qemu-img", "convert", "-O", "raw", opened(where), raw.name], check=True)
        return hashlib.sha256(Path(raw.name).read_bytes()).hexdigest()


def qemu_io(where, *commands):
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", *words, opened(where)], capture_output=True, text=True, check=True)
    assert "failed" not in done.stdout + done.stderr, done


def refuses(code, function, *args, **fields):
    try:
        function(*args, **fields)
    except Refused as refused:
        assert code is None or refused.args[0] == code, refused
        return
    raise AssertionError(f"it was done, instead of {code}")


def attached(driver):
    driver.call("sr.create", size=0)
    driver.call("sr.create", size=0)
    driver.call("sr.attach")
    driver.call("sr.attach")
    return driver


def tells_what_it_can(driver):
    told = driver.call("query")
    assert {"name_label", "vendor", "version", "required_api_version", "capabilities", "configuration"} <= set(told)
    assert isinstance(told["configuration"], dict) and set(told["capabilities"]) & {"VDI_ATTACH"}, told
    refuses("SR_OPERATION_NOT_SUPPORTED", driver.call, "vdi.fly", vdi=str(uuid.uuid4()))
    nowhere = Driver(driver.program, {})
    refuses(None, nowhere.call, "sr.attach")


def disks_from_beginning_to_end(driver):
    attached(driver)
    assert driver.volumes() == {}
    stat = driver.call("sr.stat")
    assert stat["physical_size"] >= stat["physical_utilisation"] >= 0, stat
    made = driver.create()
    vdi = made["uuid"]
    assert driver.create(vdi)["virtual_size"] == made["virtual_size"] >= 8 * MIB
    volume = driver.volumes()[vdi]
    assert (volume["name_label"], volume["name_description"], volume["type"]) == ("a disk", "of words", "user"), volume
    grown = driver.call("vdi.resize", vdi=vdi, virtual_size=16 * MIB)
    assert grown["virtual_size"] >= 16 * MIB
    driver.call("vdi.resize", vdi=vdi, virtual_size=16 * MIB)
    refuses("VDI_TOO_SMALL", driver.call, "vdi.resize", vdi=vdi, virtual_size=MIB)
    other = str(uuid.uuid4())
    for name in ("vdi.resize", "vdi.attach"):
        refuses("VDI_MISSING", driver.call, name, vdi=other, virtual_size=32 * MIB, handle=other, read_only=False)
    for _ in range(2):
        where = driver.call("vdi.attach", vdi=vdi, handle=other, read_only=False, sharable=False)
        assert where["kind"] in ("file", "block") and where["format"] in ("raw", "qcow2"), where
        assert os.path.isabs(where["path"]) and os.path.exists(where["path"]), where
    for _ in range(2):
        driver.call("vdi.detach", vdi=vdi, handle=other)
    refuses("SR_NOT_EMPTY", driver.call, "sr.destroy")
    stranger = Driver(driver.program, driver.config)
    if driver.place.holds_one:
        refuses(None, stranger.call, "sr.create", size=0)
    refuses(None, stranger.call, "sr.attach")
    for _ in range(2):
        driver.call("vdi.destroy", vdi=vdi)
    assert driver.volumes() == {}
    for name in ("sr.detach", "sr.detach", "sr.destroy", "sr.destroy"):
        driver.call(name)


def many_disks(driver):
    attached(driver)
    made = {driver.create(size=MIB * (1 + i))["uuid"] for i in range(driver.place.many)}
    assert set(driver.volumes()) == made
    for vdi in made:
        driver.call("vdi.destroy", vdi=vdi)
    driver.call("sr.destroy")


def nonsense_is_refused(driver):
    for text in ("", "{", "[]", "null", '{"call": 1}', '{"call": "sr.scan"}', '{"call": "sr.scan", "args": []}'):
        done = driver.run(text)
        assert done.returncode != 0 or "error" in json.loads(done.stdout), (text, done)
    for vdi in ("", "..", "../../etc/passwd", "a b", "-rf"):
        refuses(None, driver.create, vdi)
    for size in (0, -1, 1 << 60):
        refuses(None, driver.create, None, size)


def life(driver, image_format, fault):
    """A disk's whole life, in which each call meets the fault once and is made again.  Was it met?"""
    met = []

    def insist(name, **args):
        try:
            return driver.call(name, fault, **args)
        except (ProcessLookupError, Refused) as error:
            met.append(error)
            return driver.call(name, **args)

    def begin(name, **args):
        """Half made, then given up."""
        try:
            driver.call(name, fault, **args)
        except (ProcessLookupError, Refused):
            pass
        driver.call("vdi.destroy", vdi=args["vdi"])

    unit, place = driver.place.unit, driver.place
    vdi, other, third, half, changed = (str(uuid.uuid4()) for _ in range(5))
    made = {"name_label": "n", "name_description": "", "type": "user", "virtual_size": unit,
            "sm_config": {"image-format": image_format}}
    insist("sr.create", size=0)
    insist("sr.attach")
    insist("vdi.create", vdi=vdi, **made)
    begin("vdi.create", vdi=half, **made)
    insist("vdi.resize", vdi=vdi, virtual_size=2 * unit)
    place.disturb(driver, vdi)
    source = insist("vdi.attach", vdi=vdi, handle=str(uuid.uuid4()), read_only=True, sharable=False)
    qemu_io(source, "write -P 7 64k 300k")
    copy = {**made, "virtual_size": 2 * unit, "source": source}
    insist("vdi.copy", vdi=other, **copy)
    begin("vdi.copy", vdi=half, **copy)
    if "VDI_EXCHANGE" in driver.call("query")["capabilities"]:
        insist("vdi.copy", vdi=changed, **copy)
        qemu_io(attach(driver, changed), "write -P 5 64k 300k")
        for back in (False, True, False):
            insist("vdi.exchange", vdi=other, **{"with": changed, "back": back})
            qemu_io(attach(driver, other), f"read -P {7 if back else 5} 64k 300k")
            qemu_io(attach(driver, changed), f"read -P {5 if back else 7} 64k 300k")
        insist("vdi.destroy", vdi=changed)
        place.check(driver)
        qemu_io(attach(driver, other), "read -P 5 64k 300k", "write -P 7 64k 300k")
    clone = {**made, "virtual_size": 2 * unit, "source": vdi}
    begin("vdi.clone", vdi=half, **clone)
    place.check(driver)
    expected, reads = {vdi, other}, ("read -P 0 0 64k", "read -P 7 64k 300k", f"read -P 0 364k {2 * unit // 1024 - 364}k")
    qemu_io(attach(driver, vdi), *reads)
    if insist("vdi.clone", vdi=third, **clone):
        expected.add(third)
    sizes = {uuid: volume["virtual_size"] for uuid, volume in driver.volumes().items()}
    assert sizes == dict.fromkeys(expected, 2 * unit), sizes
    place.check(driver)
    insist("sr.detach")
    insist("sr.attach")
    qemu_io(attach(driver, vdi), *reads, "write -P 8 64k 300k")
    insist("vdi.destroy", vdi=vdi)
    place.check(driver)
    expected.remove(vdi)
    for copied in expected:
        qemu_io(attach(driver, copied), *reads)
        insist("vdi.destroy", vdi=copied)
        place.check(driver)
    insist("sr.detach")
    insist("sr.destroy")
    place.check_empty()
    return bool(met)


def kills(driver):
    """Killed, or failing, at each of its fault points, a call that is made again ends well."""
    points = [line.split()[0] for line in said(driver.program, "--fault-points").splitlines()]
    faults = [(f"{point}={way}", image_format) for point in points if not point.startswith(driver.place.elsewhere)
              for way in ("kill", "error")
              for image_format in driver.place.formats
              # A raw file is copied, and shares nothing.
              if image_format != "raw" or not point.startswith(("file.vdi.clone.", "file.leftover."))]
    number = len(faults) if len(sys.argv) > 1 or isinstance(driver.place, Folder) else 8
    chosen = random.sample(faults, min(len(faults), int(os.environ.get("XAPID_KILLS", number))))
    print(f"# {len(chosen)} faults of {Path(driver.program).name}, of {len(faults)}")
    for fault, image_format in chosen:
        assert life(driver, image_format, fault), f"{fault} was not reached"


def attach(driver, vdi):
    return driver.call("vdi.attach", vdi=vdi, handle=str(uuid.uuid4()), read_only=True, sharable=False)


def copies(driver):
    """From each format to each, and from another repository: the same contents, and no more space than they need."""
    attached(driver)
    folder = tempfile.mkdtemp(prefix="xapid-test-")
    try:
        other = attached(Driver(driver.program, {"location": folder}))
        for there in (driver, other):
            for source_format in ("raw", "qcow2"):
                made = there.call("vdi.create", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user",
                                  virtual_size=64 * MIB, sm_config={"image-format": source_format})
                source = attach(there, made["uuid"])
                qemu_io(source, "write -P 1 0 64k", "write -P 2 33m 1m")
                for wanted in ("raw", "qcow2", None):
                    vdi, config = str(uuid.uuid4()), {"image-format": wanted} if wanted else {}
                    for _ in range(2):
                        copy = driver.call("vdi.copy", vdi=vdi, name_label="copy", name_description="", type="user",
                                           virtual_size=64 * MIB, sm_config=config, source=source)
                        assert copy["virtual_size"] == 64 * MIB and copy["physical_utilisation"] < 4 * MIB, copy
                    is_now = attach(driver, vdi)
                    assert is_now["format"] == (wanted or source_format), is_now
                    assert contents(is_now) == contents(source)
                    driver.call("vdi.destroy", vdi=vdi)
        fields = {"name_label": "", "name_description": "", "type": "user", "virtual_size": 64 * MIB, "sm_config": {}}
        for nonsense in (None, {}, {"path": "relative.raw", "format": "raw"}, {**source, "format": "vmdk"}):
            refuses("INVALID_VALUE", driver.call, "vdi.copy", vdi=str(uuid.uuid4()), source=nonsense, **fields)
        refuses("SR_BACKEND_FAILURE_78", driver.call, "vdi.copy", vdi=str(uuid.uuid4()),
                source={"path": folder + "/none", "format": "raw"}, **fields)
        # What looks like an image that names another file is what a guest wrote into a raw disk.
        trap = Path(folder) / "trap"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/hostname", trap, "1M"], check=True)
        os.truncate(trap, MIB)
        vdi = driver.call("vdi.copy", vdi=str(uuid.uuid4()), source={"path": str(trap), "format": "raw"},
                          **{**fields, "virtual_size": MIB})["uuid"]
        assert Path(attach(driver, vdi)["path"]).read_bytes() == trap.read_bytes()
    finally:
        shutil.rmtree(folder)


def clone(driver, source, vdi=None, **more):
    fields = {"name_label": "clone", "name_description": "", "type": "user", "virtual_size": MIB, "sm_config": {}, **more}
    return driver.call("vdi.clone", vdi=vdi or str(uuid.uuid4()), source=source, **fields)


def clones_share(driver):
    """What disks have in common is there once, whoever of them goes first, and each writes for itself."""
    attached(driver)
    for first in ("source", "clone"):
        source = driver.create()["uuid"]
        qemu_io(attach(driver, source), "write -P 1 0 4m")
        alone = contents(attach(driver, source))
        copy = clone(driver, source)
        assert copy["virtual_size"] == 8 * MIB and copy["physical_utilisation"] < MIB, copy
        assert clone(driver, source, copy["uuid"]) == copy
        copy, again = copy["uuid"], clone(driver, copy["uuid"])["uuid"]
        assert len(attach(driver, source)["bases"]) == 1 and len(attach(driver, again)["bases"]) == 2
        sizes = [volume["physical_utilisation"] for volume in driver.volumes().values()]
        assert len(sizes) == 3 and sum(sizes) < MIB, sizes
        for number, vdi in enumerate((source, copy)):
            assert contents(attach(driver, vdi)) == alone
            qemu_io(attach(driver, vdi), f"write -P {number + 2} 0 64k")
        assert contents(attach(driver, again)) == alone
        for number, vdi in enumerate((source, copy)):
            qemu_io(attach(driver, vdi), f"read -P {number + 2} 0 64k", "read -P 1 64k 1m")
        full = driver.call("vdi.copy", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user",
                           virtual_size=8 * MIB, sm_config={}, source=attach(driver, again))["uuid"]
        assert attach(driver, full)["bases"] == [] and contents(attach(driver, full)) == alone
        driver.call("vdi.resize", vdi=again, virtual_size=16 * MIB)
        qemu_io(attach(driver, again), "read -P 1 0 4m", "read -P 0 4m 12m", "write -P 9 15m 1m")
        for vdi in (source, copy) if first == "source" else (copy, source):
            driver.call("vdi.destroy", vdi=vdi)
            driver.place.check(driver)
            qemu_io(attach(driver, again), "read -P 1 0 4m", "read -P 9 15m 1m")
        for vdi in (again, full):
            driver.call("vdi.destroy", vdi=vdi)
        assert os.listdir(driver.config["location"]) == ["xapid-sr.json"]


def clones_that_share_nothing(driver):
    """Raw disks, other formats, chains that are as long as they may be: the caller copies."""
    attached(driver)
    raw = driver.call("vdi.create", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user",
                      virtual_size=MIB, sm_config={"image-format": "raw"})["uuid"]
    image = driver.create()["uuid"]
    assert clone(driver, raw) == {} and clone(driver, image, sm_config={"image-format": "raw"}) == {}
    assert set(driver.volumes()) == {raw, image}
    qemu_io(attach(driver, image), "write -P 1 0 64k")
    for length in range(1, 16):
        assert clone(driver, image) and len(attach(driver, image)["bases"]) == length
    assert clone(driver, image) == {} and len(driver.volumes()) == 17
    qemu_io(attach(driver, image), "read -P 1 0 64k", "write -P 2 0 64k")
    refuses("VDI_MISSING", clone, driver, str(uuid.uuid4()))
    refuses("INVALID_VALUE", clone, driver, "../" + image)
    for vdi in driver.volumes():
        driver.call("vdi.destroy", vdi=vdi)
    assert os.listdir(driver.config["location"]) == ["xapid-sr.json"]


def exchange(driver, vdi, other, back=False):
    return driver.call("vdi.exchange", vdi=vdi, **{"with": other, "back": back})


def disks_change_places(driver):
    """Each has the other's contents, size and format, once, however often it is said; and whoever of them goes takes its own."""
    attached(driver)

    def made(image_format, size, pattern):
        vdi = driver.call("vdi.create", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user", virtual_size=size,
                          sm_config={"image-format": image_format})["uuid"]
        qemu_io(attach(driver, vdi), f"write -P {pattern} 0 64k")
        return vdi

    for formats in (("raw", "raw"), ("raw", "qcow2"), ("qcow2", "raw"), ("qcow2", "qcow2")):
        vdi, other = made(formats[0], MIB, 1), made(formats[1], 2 * MIB, 2)
        below = clone(driver, vdi)  # then it stands on a base that this one has, too
        for _ in range(2):
            assert exchange(driver, vdi, other)["virtual_size"] == 2 * MIB
            assert (attach(driver, vdi)["format"], attach(driver, other)["format"]) == (formats[1], formats[0])
            qemu_io(attach(driver, vdi), "read -P 2 0 64k")
            qemu_io(attach(driver, other), "read -P 1 0 64k")
        for _ in range(2):
            assert exchange(driver, vdi, other, True)["virtual_size"] == MIB
            qemu_io(attach(driver, vdi), "read -P 1 0 64k")
        exchange(driver, vdi, other)
        driver.call("vdi.destroy", vdi=other)
        driver.place.check(driver)
        exchange(driver, vdi, other, True)  # it is gone: there is no way back, and none is missed
        qemu_io(attach(driver, vdi), "read -P 2 0 64k")
        for kept in (below["uuid"], clone(driver, below["uuid"])["uuid"]) if below else ():
            qemu_io(attach(driver, kept), "read -P 1 0 64k")
            driver.call("vdi.destroy", vdi=kept)
        third = clone(driver, vdi)
        assert bool(third) == (formats[1] == "qcow2")
        driver.call("vdi.destroy", vdi=vdi)
        if third:
            qemu_io(attach(driver, third["uuid"]), "read -P 2 0 64k")
            driver.call("vdi.destroy", vdi=third["uuid"])
        assert os.listdir(driver.config["location"]) == ["xapid-sr.json"]
    vdi = made("qcow2", MIB, 1)
    refuses("VDI_MISSING", exchange, driver, vdi, str(uuid.uuid4()))
    refuses("VDI_MISSING", exchange, driver, str(uuid.uuid4()), vdi)
    refuses("INVALID_VALUE", exchange, driver, vdi, "../" + vdi)


def many_clones_at_once(driver):
    """Of one disk, while others go."""
    attached(driver)
    source = driver.create()["uuid"]
    qemu_io(attach(driver, source), "write -P 1 0 1m")
    for _ in range(3):
        with ThreadPoolExecutor(4) as threads:
            made = [answer["uuid"] for answer in threads.map(lambda _: clone(driver, source), range(4))]
            gone, kept = made[:3], made[3:]
            list(threads.map(lambda vdi: driver.call("vdi.destroy", vdi=vdi), gone))
        driver.place.check(driver)
        for vdi in (source, *kept):
            qemu_io(attach(driver, vdi), "read -P 1 0 1m")


def headers_are_not_believed(driver):
    """What an image names is what its record says, or nobody opens it."""
    attached(driver)
    plain, source = driver.create()["uuid"], driver.create()["uuid"]
    above = clone(driver, source)["uuid"]
    secret = tempfile.NamedTemporaryFile(prefix="xapid-test-")
    secret.write(b"secret" * 20000)
    secret.flush()
    base = attach(driver, source)["bases"][0]

    def rebased(vdi, *words):
        path, header = attach(driver, vdi)["path"], None
        header = Path(path).read_bytes()[:65536]
        subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", *words, path], check=True)
        return path, header

    for vdi, words in ((plain, ["-b", secret.name, "-F", "raw"]), (above, ["-b", secret.name, "-F", "raw"]), (above, ["-b", ""]),
                       (plain, ["-b", base, "-F", "qcow2"]), (above, ["-b", os.path.basename(base), "-F", "raw"]),
                       (above, ["-b", "./" + os.path.basename(base), "-F", "qcow2"])):
        path, header = rebased(vdi, *words)
        refuses("SR_BACKEND_FAILURE_65", attach, driver, vdi)
        refuses("SR_BACKEND_FAILURE_65", clone, driver, vdi)
        refuses("SR_BACKEND_FAILURE_65", driver.call, "vdi.resize", vdi=vdi, virtual_size=16 * MIB)
        with open(path, "r+b") as file:
            file.write(header)
        attach(driver, vdi)
    path = Path(attach(driver, plain)["path"])
    whole = path.read_bytes()
    for at, value in ((0, b"X"), (7, b"\4"), (79, b"\4"), (8, b"\xff" * 8), (100, b"\xff" * 4), (0, whole[:50])):
        path.write_bytes(whole[:at] + value + whole[at + len(value):] if value != whole[:50] else value)
        refuses("SR_BACKEND_FAILURE_65", attach, driver, plain)
    path.write_bytes(whole)
    # A copy is told what is below its source, and asks no header.
    rebased(plain, "-b", secret.name, "-F", "raw")
    copy = driver.call("vdi.copy", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user",
                       virtual_size=8 * MIB, sm_config={"image-format": "raw"},
                       source={"kind": "file", "path": str(path), "format": "qcow2", "bases": []})["uuid"]
    qemu_io(attach(driver, copy), "read -P 0 0 8m")


def what_is_left_goes(driver):
    """When the repository is attached: what no disk has, unless a record that may need it cannot be read."""
    attached(driver)
    folder = Path(driver.config["location"])
    source = driver.create()["uuid"]
    kept = clone(driver, source)["uuid"]
    driver.call("vdi.destroy", vdi=source)
    before = sorted(os.listdir(folder))
    one, two = (str(uuid.uuid4()) for _ in range(2))
    left = [f"{one}.qcow2", f"{one}.raw", f"{one}.{two}.qcow2", f".{one}.qcow2.part", f".{one}.json.gone"]
    strange = ["notes", f"{one}.iso", f"{one}.{two}.raw", ".hidden"]
    for name in left + strange:
        (folder / name).write_text("")
    record = folder / f"{kept}.json"
    text = record.read_text()
    for broken in ("{", json.dumps({**json.loads(text), "bases": ["../secret"]}), json.dumps({**json.loads(text), "bases": [1]}),
                   json.dumps({**json.loads(text), "file": "/etc/hostname"})):
        record.write_text(broken)
        driver.call("sr.attach")
        assert {*before, *left[:3], *strange} == set(os.listdir(folder)), os.listdir(folder)
        refuses("SR_BACKEND_FAILURE_65", attach, driver, kept)
    record.write_text(text)
    driver.call("sr.attach")
    assert {*before, *strange} == set(os.listdir(folder)), os.listdir(folder)
    attach(driver, kept)


def devices_that_are_taken(driver):
    """By a file system, a partition table, a volume group, another repository, or whoever has it open: it is refused, and
    stays as it is.  What is there already is found."""
    first, last = driver.place.devices[0], driver.place.devices[-1]
    whole = driver.config["device"]

    def of(device):
        return Driver(driver.program, {"device": device}, driver.place)

    def partitioned():
        entry = bytes((0, 0, 0, 0, 0x83, 0, 0, 0)) + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
        with open(last, "r+b") as device:
            device.write(bytes(446) + entry.ljust(64, b"\0") + b"\x55\xaa")

    kinds = [(lambda: said("mkfs.ext4", "-q", last), "ext4"), (partitioned, "dos")]
    if shutil.which("vgcreate"):
        kinds.append((lambda: said("vgcreate", "--yes", "alien", last), "alien" if first != last else "LVM2_member"))
    for make, word in kinds:
        make()
        before = Path(last).read_bytes()
        for config in {last, whole}:
            try:
                of(config).call("sr.create", size=0)
                raise AssertionError("it was made")
            except Refused as refused:
                assert refused.args[0] == "SR_BACKEND_FAILURE_56" and word in refused.args[2], refused
        assert Path(last).read_bytes() == before and (first == last or not said("wipefs", "--noheadings", first))
        assert of(last).call("sr.probe") == {"repositories": []}
        said("wipefs", "--all", last)
    taken = os.open(last, os.O_RDONLY | os.O_EXCL)
    refuses("SR_DEVICE_IN_USE", driver.call, "sr.create", size=0)
    os.close(taken)
    for wrong in ("/dev/null", "/etc/hostname", "relative", f"{first},{first}", f"{first},", "", "/dev/../etc/hostname",
                  f"{first};reboot", "--help", ",".join([first] * 40)):
        refuses("SR_BACKEND_FAILURE_94" if not wrong else "SR_BACKEND_FAILURE_91", of(wrong).call, "sr.create", size=0)
    refuses("SR_BACKEND_FAILURE_47", of("/dev/not-there").call, "sr.create", size=0)
    one = attached(of(first))
    assert of(first).call("sr.probe")["repositories"] == [{"uuid": one.sr, "location": first}]
    for config in {first, whole}:
        refuses("SR_BACKEND_FAILURE_42", of(config).call, "sr.create", size=0)
        for call in ("sr.attach", "sr.scan"):
            refuses("SR_BACKEND_FAILURE_47", of(config).call, call)
    vdi = one.create()["uuid"]
    with open(attach(one, vdi)["path"], "rb"):
        refuses("SR_DEVICE_IN_USE", one.call, "sr.detach")
    one.call("vdi.destroy", vdi=vdi)
    for call in ("sr.detach", "sr.destroy"):
        one.call(call)
    driver.place.check_empty()


def a_file_system_is_mounted(driver):
    """While the repository is attached; what is in it comes back with it, and with another call for it."""
    attached(driver)
    path, = driver.place.mounts()
    assert os.stat(path).st_dev != os.stat(Path(path).parent).st_dev and os.stat(Path(path).parent).st_mode & 0o777 == 0o700
    vdi = driver.create()["uuid"]
    qemu_io(attach(driver, vdi), "write -P 5 0 1m")
    before = driver.volumes()
    stat = driver.call("sr.stat")
    assert 64 * MIB < stat["physical_size"] <= 128 * MIB, stat
    for _ in range(2):
        driver.call("sr.detach")
        assert not driver.place.mounts() and not os.path.exists(path)
    for call in ("sr.scan", "sr.stat"):
        refuses("SR_BACKEND_FAILURE_47", driver.call, call)
    refuses("SR_NOT_EMPTY", driver.call, "sr.destroy")
    assert not driver.place.mounts()
    driver.call("sr.attach")
    assert driver.volumes() == before
    qemu_io(attach(driver, vdi), "read -P 5 0 1m")
    with open(Path(path, "filling"), "wb") as filling:
        try:
            filling.write(b"x" * 128 * MIB)
            filling.flush()
        except OSError:
            pass
        fields = {"name_label": "", "name_description": "", "type": "user", "virtual_size": 8 * MIB, "sm_config": {}}
        refuses("SR_BACKEND_FAILURE_44", driver.call, "vdi.copy", vdi=str(uuid.uuid4()), source=attach(driver, vdi), **fields)
    os.unlink(Path(path, "filling"))
    driver.call("vdi.destroy", vdi=vdi)
    driver.call("sr.attach")
    driver.place.check(driver)


def exports(driver):
    """Of each version; what is no name of a server or an export is refused; what is there already is found."""
    server, path = driver.config["server"], driver.config["serverpath"]
    for config in ({"server": "-o"}, {"server": "a b"}, {"server": "a;reboot"}, {"server": "a,b"}, {"server": "x" * 2000},
                   {"serverpath": "relative"}, {"serverpath": "/a/../b"}, {"serverpath": "/a\nb"}, {"serverpath": "/$(reboot)"}):
        refuses("SR_BACKEND_FAILURE_91", Driver(driver.program, {**driver.config, **config}).call, "sr.create", size=0)
    refuses("SR_BACKEND_FAILURE_72", Driver(driver.program, {**driver.config, "nfsversion": "3,exec"}).call, "sr.create", size=0)
    refuses("SR_BACKEND_FAILURE_73", Driver(driver.program, {**driver.config, "serverpath": "/nothing"}).call, "sr.create", size=0)
    made = []
    for version in ("3", "4", "4.1"):
        one = Driver(driver.program, {**driver.config, "nfsversion": version}, driver.place)
        attached(one)
        line, = [line for line in Path("/proc/mounts").read_text().splitlines() if f"/run/xapid/sr/{one.sr} " in line]
        assert f"vers={version}" in line and ",soft," in line and "nosuid,nodev,noexec" in line, line
        vdi = one.create()["uuid"]
        qemu_io(attach(one, vdi), "write -P 5 0 1m")
        one.call("sr.detach")
        one.call("sr.attach")
        qemu_io(attach(one, vdi), "read -P 5 0 1m")
        made.append((one, vdi))
    found = driver.call("sr.probe")["repositories"]
    assert sorted(sr["uuid"] for sr in found) == sorted(one.sr for one, _ in made), found
    assert {sr["location"] for sr in found} == {f"{server}:{path}"}, found
    for one, vdi in made:
        refuses("SR_NOT_EMPTY", one.call, "sr.destroy")
        one.call("vdi.destroy", vdi=vdi)
        for call in ("sr.detach", "sr.destroy"):
            one.call(call)
    driver.place.check_empty()


def servers_that_are_gone(driver):
    """Each call ends with an error that names what does not answer, or the driver can be killed; it goes on when the server
    is there again."""
    attached(driver)
    vdi = driver.create()["uuid"]
    said("rpc.nfsd", "0")
    try:
        for call in ("sr.scan", "sr.stat", "sr.create", "sr.probe"):
            refuses(None, driver.call, call, size=0)
    finally:
        said("rpc.nfsd", "2")
    assert set(driver.volumes()) == {vdi}
    qemu_io(attach(driver, vdi), "write -P 5 0 1m", "read -P 5 0 1m")


def document(code, function, *args, **fields):
    """What a refusal tells there is: the elements of its document, in their order."""
    try:
        function(*args, **fields)
    except Refused as refused:
        assert refused.args[0] == code, refused
        return ElementTree.fromstring(refused.args[3])
    raise AssertionError(f"it was done, instead of {code}")


def without(config, *names):
    return {name: value for name, value in config.items() if name not in names}


def targets(driver):
    """Who does not say which target, or which disk, is told; nonsense is refused; a session ends with its last user, and one
    that was there stays."""
    place, config = driver.place, driver.config

    def of(**other):
        return Driver(driver.program, {**config, **other}, place)
    for call in ("sr.probe", "sr.create"):
        told = document("SR_BACKEND_FAILURE_96", Driver(driver.program, without(config, "targetIQN", "SCSIid")).call, call, size=0)
        assert [(one.findtext("IPAddress"), one.findtext("TargetIQN")) for one in told] == [(config["target"], config["targetIQN"])]
        told = document("SR_BACKEND_FAILURE_107", Driver(driver.program, without(config, "SCSIid")).call, call, size=0)
        assert told.tag == "iscsi-target" and told[0].findtext("SCSIid") == config["SCSIid"], ElementTree.tostring(told)
        assert int(told[0].findtext("size")) == os.path.getsize(place.file) and told[0].findtext("LUNid") == "1"
    place.check_empty()
    refuses(None, Driver(driver.program, without(config, "targetIQN")).call, "sr.probe", fault="iscsi.discovery.before=error")
    for code, other in (("95", {"target": "-o"}), ("95", {"target": "a b"}), ("95", {"target": "a;reboot"}), ("95", {"target": "x" * 300}),
                        ("140", {"target": "nobody.invalid"}), ("142", {"port": "0"}), ("142", {"port": "65536"}), ("142", {"port": "3260 "}),
                        ("106", {"targetIQN": "disks"}), ("106", {"targetIQN": "iqn.a\nb"}), ("106", {"targetIQN": "iqn.$(reboot)"}),
                        ("106", {"targetIQN": "iqn." + "x" * 200}), ("91", {"chappassword": ""}), ("91", {"chappassword": "a\nnode.startup=automatic"}),
                        ("91", {"chapuser": "x" * 256}), ("68", {"chappassword": "wrongwrong12"}), ("68", {"targetIQN": "iqn.none"}),
                        ("68", {"port": "1"}), ("47", {"SCSIid": "3000"}), ("107", {"SCSIid": "a b"})):
        refuses(f"SR_BACKEND_FAILURE_{code}", of(**other).call, "sr.create", size=0)
    place.check_empty()
    attached(driver)
    assert len(place.sessions()) == 1
    refuses(None, of().call, "sr.attach")  # no repository of that uuid is there
    refuses("SR_BACKEND_FAILURE_42", of().call, "sr.create", size=0)
    assert [sr["uuid"] for sr in of().call("sr.probe")["repositories"]] == [driver.sr]
    assert len(place.sessions()) == 1
    for fault in ("iscsi.rescan.after=kill", "iscsi.rescan.before=error"):
        try:
            driver.call("sr.attach", fault)
            raise AssertionError(f"{fault} was not reached")
        except (ProcessLookupError, Refused):
            driver.call("sr.attach")
    vdi = driver.create()["uuid"]
    qemu_io(attach(driver, vdi), "write -P 5 0 1m")
    driver.call("sr.detach")
    assert not place.sessions() and not list(Path("/etc/iscsi/nodes").glob("*"))
    node = ("iscsiadm", "-m", "node", "-T", config["targetIQN"], "-p", config["target"])
    said(*node, "-o", "new")
    for name, value in (("authmethod", "CHAP"), ("username", config["chapuser"]), ("password", config["chappassword"])):
        said(*node, "-o", "update", "-n", f"node.session.auth.{name}", "-v", value)
    said(*node, "--login")
    driver.call("sr.attach")
    qemu_io(attach(driver, vdi), "read -P 5 0 1m")
    driver.call("vdi.destroy", vdi=vdi)
    for call in ("sr.detach", "sr.destroy"):
        driver.call(call)
    assert len(place.sessions()) == 1
    said(*node, "--logout")


def targets_that_are_gone(driver):
    """Each call ends with an error, or the driver can be killed; it goes on when the target is there again."""
    attached(driver)
    vdi = driver.create()["uuid"]
    servers = said("pgrep", "-x", "tgtd").split()
    said("kill", "-STOP", *servers)
    try:
        for call in ("sr.scan", "sr.stat", "sr.detach", "sr.attach", "sr.probe"):
            began = time.monotonic()
            refuses(None, driver.call, call, size=0)
            print(f"# {call} of a target that is gone: refused after {time.monotonic() - began:.0f} s")
    finally:
        said("kill", "-CONT", *servers)
    tap.wait_until(lambda: Path("/sys/class/iscsi_session", driver.place.sessions()[0], "state").read_text() == "LOGGED_IN\n",
                   "the session again", 120)
    assert set(driver.volumes()) == {vdi}
    qemu_io(attach(driver, vdi), "write -P 5 0 1m", "read -P 5 0 1m")
    driver.call("vdi.destroy", vdi=vdi)
    for call in ("sr.detach", "sr.destroy"):
        driver.call(call)
    driver.place.check_empty()


def disks_of_buses(driver):
    """Who does not say which disk is told; what is no name of one is refused; one that is taken stays as it is."""
    for call in ("sr.probe", "sr.create"):
        told = document("SR_BACKEND_FAILURE_107", Driver(driver.program, {}).call, call, size=0)
        device, = [one for one in told if one.findtext("SCSIid") == driver.config["SCSIid"]]
        assert told.tag == "Devlist" and device.findtext("path") == driver.place.where(), ElementTree.tostring(told)
        assert int(device.findtext("size")) > MIB and device.findtext("hba").startswith("host")
    for code, identity in (("107", "a b"), ("107", "x" * 300), ("107", "3\n"), ("47", "30000")):
        refuses(f"SR_BACKEND_FAILURE_{code}", Driver(driver.program, {"SCSIid": identity}).call, "sr.create", size=0)
    said("mkfs.ext4", "-q", driver.place.where())
    refuses("SR_BACKEND_FAILURE_56", driver.call, "sr.create", size=0)
    said("wipefs", "--all", driver.place.where())
    attached(driver)
    stranger = Driver(driver.program, driver.config)
    refuses("SR_BACKEND_FAILURE_42", stranger.call, "sr.create", size=0)
    assert [sr["uuid"] for sr in stranger.call("sr.probe")["repositories"]] == [driver.sr]
    for call in ("sr.detach", "sr.destroy"):
        driver.call(call)
    driver.place.check_empty()


def volumes_share(driver):
    """Clones take no room for what they have in common, what was never written reads as zeros, and long names stay."""
    attached(driver)
    words = {"name_label": "ÄÖ, \"=" * 40, "name_description": "x" * 9000}
    source = driver.call("vdi.create", vdi=str(uuid.uuid4()), type="user", virtual_size=64 * MIB, sm_config={}, **words)["uuid"]
    told = driver.volumes()[source]
    assert {name: told[name] for name in words} == words, told
    refuses("INVALID_VALUE", driver.call, "vdi.create", vdi=str(uuid.uuid4()), type="user", virtual_size=MIB, sm_config={},
            name_label="", name_description="x" * 20000)
    refuses("INVALID_VALUE", driver.call, "vdi.create", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user",
            virtual_size=MIB, sm_config={"image-format": "qcow2"})
    refuses("VDI_MISSING", clone, driver, str(uuid.uuid4()))
    qemu_io(attach(driver, source), "write -P 1 0 32m")
    before = driver.call("sr.stat")["physical_utilisation"]
    copy = clone(driver, source)
    assert clone(driver, source, copy["uuid"]) == copy and copy["virtual_size"] == 64 * MIB
    again = clone(driver, copy["uuid"])["uuid"]
    assert driver.call("sr.stat")["physical_utilisation"] - before < 4 * MIB
    qemu_io(attach(driver, copy["uuid"]), "read -P 1 0 32m", "write -P 2 0 1m")
    driver.call("vdi.destroy", vdi=source)
    qemu_io(attach(driver, again), "read -P 1 0 32m", "read -P 0 32m 32m")
    full = driver.call("vdi.copy", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user", sm_config={},
                       virtual_size=64 * MIB, source=attach(driver, copy["uuid"]))
    assert full["physical_utilisation"] <= 40 * MIB, full
    qemu_io(attach(driver, full["uuid"]), "read -P 2 0 1m", "read -P 1 1m 31m")
    for vdi in driver.volumes():
        driver.call("vdi.destroy", vdi=vdi)
    fresh = driver.create(size=64 * MIB)["uuid"]
    qemu_io(attach(driver, fresh), "read -P 0 0 64m")
    # More than there is: the pool says so at once, and what is there stays.
    huge = driver.create(size=1 << 40)["uuid"]
    with open(attach(driver, huge)["path"], "rb"):
        refuses("SR_BACKEND_FAILURE_80", driver.call, "vdi.destroy", vdi=huge)
    with open(attach(driver, huge)["path"], "r+b", buffering=0) as device:
        try:
            for _ in range(1000):
                device.write(b"x" * MIB)
                os.fsync(device)
            raise AssertionError("more was written than there is")
        except OSError:
            pass
    try:
        driver.call("vdi.copy", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user", sm_config={},
                    virtual_size=1 << 40, source=attach(driver, huge))
        raise AssertionError("there was room for a copy")
    except Refused as refused:
        assert refused.args[0] == "SR_BACKEND_FAILURE_44", refused
    driver.call("vdi.destroy", vdi=huge)
    driver.call("sr.attach")
    driver.place.check(driver)
    qemu_io(attach(driver, fresh), "write -P 3 0 1m", "read -P 3 0 1m")


def copies_that_are_ended(driver):
    """Killed anywhere in the middle: the tool, even one that stands still, ends with its driver, and nothing of the
    copy stays."""
    attached(driver)
    source = attach(driver, driver.create(size=1 << 40)["uuid"])
    qemu_io(source, "write -P 1 0 256m")
    before = sorted(os.listdir(driver.config["location"]))
    for wait in (None, 0, 0.01, 0.05, 0.1, 0.2):
        vdi = str(uuid.uuid4())
        request = {"call": "vdi.copy", "args": {
            "sr": driver.sr, "device_config": driver.config, "vdi": vdi, "name_label": "", "name_description": "",
            "type": "user", "virtual_size": 1 << 40, "sm_config": {}, "source": source}}
        running = subprocess.Popen([driver.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.stdin.write(json.dumps(request))
        running.stdin.close()
        if wait is None:
            tool = tap.wait_until(lambda: tools_at(vdi), "a tool")[0]
            os.kill(int(tool), signal.SIGSTOP)
        else:
            time.sleep(wait)
        running.kill()
        running.wait()
        running.stdout.close()
        try:
            tap.wait_until(lambda: not tools_at(vdi), "end of the tool")
        except AssertionError:
            for tool in tools_at(vdi):
                os.kill(int(tool), signal.SIGKILL)
            raise
        driver.call("vdi.destroy", vdi=vdi)
        assert sorted(os.listdir(driver.config["location"])) == before


def tools_at(word):
    """Processes that have the word among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            pass  # it ended
    return found


def on(program, test, config=None, place=None):
    """The test, in a new folder when no place is named; place: a class of those that are made of devices."""
    def run():
        folder = tempfile.mkdtemp(prefix="xapid-test-")
        made = place and place(folder)
        try:
            test(Driver(program, made.config if made else config or {"location": folder}, made))
        finally:
            if made:
                made.end()
            shutil.rmtree(folder)
    run.__name__ = f"test_{Path(program).name}_{test.__name__}"
    return run


def on_devices(program):
    only = sys.argv[2:]
    where, its = {"ext": (FileSystem, (devices_that_are_taken, a_file_system_is_mounted)),
                  "lvm": (Group, (devices_that_are_taken, volumes_share)),
                  "lvmohba": (ScsiDisk, (disks_of_buses,)),
                  "lvmoiscsi": (Target, (targets, targets_that_are_gone)),
                  "nfs": (Export, (exports, servers_that_are_gone))}[Path(program).name]
    return [on(program, test, place=where) for test in (*GENERAL, nonsense_is_refused, *its, kills)
            if not only or test.__name__ in only]


GENERAL = (tells_what_it_can, disks_from_beginning_to_end, many_disks)
if len(sys.argv) == 3 and sys.argv[2].startswith("{"):
    tests = [on(sys.argv[1], test, json.loads(sys.argv[2])) for test in GENERAL]
elif len(sys.argv) > 1:
    tests = on_devices(os.path.abspath(sys.argv[1]))
else:
    ours = BUILDDIR.resolve() / "storage-repos/file/file"
    tests = [on(program, test) for program in (ours, HERE / "sample") for test in GENERAL]
    tests += [on(ours, test) for test in (nonsense_is_refused, copies, clones_share, clones_that_share_nothing, disks_change_places,
                                          many_clones_at_once, headers_are_not_believed, what_is_left_goes,
                                          copies_that_are_ended, kills)]
    tests += [on(BUILDDIR.resolve() / "storage-repos/iso/iso", tells_what_it_can)]
    if os.geteuid() == 0 and Path("/dev/loop-control").exists():
        tests += on_devices(BUILDDIR.resolve() / "storage-repos/ext/ext")
tap.run(*tests)

"""Where drivers have their repositories in tests: made before one, and ended behind it.  `unit`: what sizes of disks are
multiples of; `formats` of disks; `many` disks, of a test of many; `holds_one` repository at a time; `elsewhere`: the fault points
that a disk's life does not come by begin so."""
import json
import os
import shutil
import subprocess
from pathlib import Path

MIB = 1 << 20


def said(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Folder:
    """Where a driver of files has its repository."""
    unit, formats, many, holds_one = MIB, ("raw", "qcow2"), 20, True
    elsewhere = ()

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
    elsewhere = ("mount.aside", "mount.leave")

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


class Served:
    """Where a driver has its repository on a server that is this machine: a folder of `path`, mounted from `source`."""
    unit, formats, many, holds_one = MIB, ("raw", "qcow2"), 4, False
    elsewhere = ("mount.leave", "file.vdi.exchange")  # of servers that are gone; what these cannot

    def mounts(self):
        return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()
                if line.startswith(f"{self.source} ")]

    def end(self):
        for path in self.mounts():
            said("umount", path)
            os.rmdir(path)
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def check(self, driver):
        Folder({"location": self.path / driver.sr}).check(driver)

    def check_empty(self):
        assert not self.mounts() and not os.listdir(self.path), (self.mounts(), os.listdir(self.path))

    def disturb(self, driver, vdi):
        """A file is always there."""


class Export(Served):
    """Of the driver nfs: XAPID_EXPORT."""

    def __init__(self, _):
        self.path = Path(os.environ["XAPID_EXPORT"])
        self.source = f"127.0.0.1:{self.path}"
        self.config = {"server": "127.0.0.1", "serverpath": str(self.path)}

    @staticmethod
    def freeze(frozen):
        said("nft", "add table inet gone; add chain inet gone in { type filter hook input priority 0; }; add rule inet gone in tcp dport 2049 drop"
             if frozen else "delete table inet gone")


class Share(Served):
    """A share of Samba's, whose device_config XAPID_SHARE says, and which is the folder XAPID_SHARE_PATH."""

    def __init__(self, _):
        self.path = Path(os.environ["XAPID_SHARE_PATH"])
        self.config = json.loads(os.environ["XAPID_SHARE"])
        self.source = self.config["server"].replace("\\", "/")


class Images(Served):
    """Of the driver iso: both of these, in the words that there are for them."""

    def __init__(self, _):
        export, share = Export(_), Share(_)
        self.path, self.shared = export.path, share.path
        user = {"username": share.config["username"]}
        password = share.config["password"]
        nfs, smb = f"127.0.0.1:{self.path}", share.source
        self.sources = (nfs, smb)
        said("mount", "--bind", str(self.path), str(self.shared))
        self.configs = ({"location": nfs}, {"location": nfs, "type": "nfs_iso", "nfsversion": "3", "options": "-o ro,nolock"},
                        {"location": smb, **user, "cifspassword": password},
                        {"location": smb.replace("/", "\\"), "type": "cifs", **user, "cifspassword": password, "vers": "3.0"},
                        {"location": smb, "type": "smb", **user, "password": password, "options": "seal"})
        self.config = self.configs[0]

    def mounts(self):
        return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.startswith(self.sources)]

    def end(self):
        said("umount", str(self.shared))
        super().end()


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
    elsewhere = ("iscsi.discovery", "iscsi.rescan", "mount.end", "mount.leave")

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

    def check_gone(self):
        """Nobody uses the target, whatever is on it."""
        there = [name for name in os.listdir("/dev/mapper") if name.startswith("xapid--")]
        assert not self.sessions() and not there, (self.sessions(), there)
        assert not list(Path("/run/xapid/iscsi").glob("*/ours")) and not list(Path("/etc/iscsi/nodes").glob("*"))

    def check_empty(self):
        self.check_gone()
        assert not said("wipefs", "--noheadings", self.file)

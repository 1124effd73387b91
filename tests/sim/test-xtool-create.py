#!/usr/bin/python3
"""xtool create: xl's configuration files and the VMs that they become."""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import drivers_known
from host import BUILDDIR, Host
from xtool import XTOOL, Tool

MIB = 1 << 20
READER = BUILDDIR / "xtool-xl"
PVH = 'name="web"\ntype="pvh"\nmemory=128\nkernel="vmlinux"\n'
HVM = 'name="web"\ntype="hvm"\nmemory=128\n'
# What each VM has that a file does not speak of.
PLAIN = {"name_label": "web", "domain_type": "pvh", "PV_kernel": "vmlinux", "memory_static_max": 128 * MIB,
         "memory_dynamic_max": 128 * MIB, "memory_dynamic_min": 128 * MIB, "actions_after_shutdown": "destroy",
         "actions_after_reboot": "restart", "actions_after_crash": "destroy"}
MACHINE = {**PLAIN, "domain_type": "hvm", "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "cd"},
           "platform": {"vga": "cirrus"}}
del MACHINE["PV_kernel"]


def needs_xen():
    if not READER.exists():
        raise tap.Skip("built without Xen")


class Files:
    """Runs create on a file of this text, without a server."""

    def __init__(self):
        needs_xen()
        self.folder = tempfile.TemporaryDirectory(prefix="xapid-test-")  # goes with this
        self.path = Path(self.folder.name) / "web.cfg"
        self.environment = {**os.environ, "XTOOL_XL": str(READER), "HOME": self.folder.name, "LC_ALL": "C.UTF-8"}

    def run(self, text, *args, **environment):
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = subprocess.run([XTOOL, "-s", "/nowhere/at/all", "create", str(self.path), *args],
                              env={**self.environment, **environment}, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60)
        assert done.returncode >= 0, (text, done)
        return done.returncode, done.stdout.decode(), done.stderr.decode(errors="surrogateescape")

    def becomes(self, text, *args, **environment):
        """(VM, VBDs, what stands on stderr)"""
        status, out, err = self.run(text, "-n", "--json", *args, **environment)
        assert status == 0, (text, err)
        made = json.loads(out)
        return made["VM"], made["VBDs"], err

    def refuses(self, text, *args, status=1):
        got, out, err = self.run(text, "-n", *args)
        assert (got, out) == (status, ""), (text, got, out, err)
        return err.replace(str(self.path), "web.cfg")


# Lines after those of a PVH guest, and what they add to its record.
OF_PVH = {
    "": {},
    "# type='hvm'\n": {},
    "vcpus=2": {"VCPUs_max": 2, "VCPUs_at_startup": 2},
    "vcpus=2\nmaxvcpus=4": {"VCPUs_max": 4, "VCPUs_at_startup": 2},
    "maxvcpus=4": {"VCPUs_max": 4, "VCPUs_at_startup": 1},
    "memory='256'": {"memory_static_max": 256 * MIB, "memory_dynamic_max": 256 * MIB, "memory_dynamic_min": 256 * MIB},
    "maxmem=0x100": {"memory_static_max": 256 * MIB},
    "cpus='all'": {},
    "cpus='2'": {"VCPUs_params": {"mask": "2"}},
    "cpus='0-3,^2'": {"VCPUs_params": {"mask": "0,1,3"}},
    "cpus=['1-2', '1-2']": {"VCPUs_params": {"mask": "1,2"}},
    "cpu_weight=512\ncap=50": {"VCPUs_params": {"weight": "512", "cap": "50"}},
    "ramdisk='initrd'\ncmdline='quiet splash'": {"PV_ramdisk": "initrd", "PV_args": "quiet splash"},
    "root='/dev/xvda1 ro'\nextra='4 # no comment'": {"PV_args": "root=/dev/xvda1 ro 4 # no comment"},
    "extra = \"a 'b' \\\"c\\\"\"": {"PV_args": "a 'b' \"c\""},
    "on_poweroff='restart'\non_reboot='destroy'\non_crash='coredump-restart'\non_watchdog='restart'": {
        "actions_after_shutdown": "restart", "actions_after_reboot": "destroy",
        "actions_after_crash": "coredump_and_restart"},
    "on_crash='preserve'": {"actions_after_crash": "preserve"},
    "on_crash='rename-restart'": {"actions_after_crash": "rename_restart"},
    # What xl reads of HVM guests alone.
    "boot='dc'; pae=1; nx=0; viridian=1; vga='stdvga'; hap=0; serial='pty'; usb=1; videoram=8": {},
    "viridian=['base']": {},
    "acpi=1": {},
    # What says no more than what xapid does.
    "vif=[]\npci=[ ]\nvnc=0\nsdl=0\nnestedhvm=0\nlocaltime=0\nrtc_timeoffset=0\npool='Pool-0'\nvncpasswd=''": {},
    "disk=[]": {},
    "name='a; b=[1] # c'": {"name_label": "a; b=[1] # c"},
    "name='\u0416 web'": {"name_label": "\u0416 web"},
    "type='pv'": {"domain_type": "pv"},
    "memory=256;memory=64": {"memory_static_max": 64 * MIB, "memory_dynamic_max": 64 * MIB,
                             "memory_dynamic_min": 64 * MIB},
}
OF_HVM = {
    "": {},
    "boot='dcn'": {"HVM_boot_params": {"order": "dcn"}},
    "acpi=1\nacpi_s3=0\nacpi_s4=0\napic=1\nnx=1\npae=0\nviridian=1": {
        "platform": {"vga": "cirrus", "acpi": "1", "acpi_s3": "0", "acpi_s4": "0", "apic": "1", "nx": "1", "pae": "0",
                     "viridian": "1"}},
    "stdvga=1\nvideoram=32": {"platform": {"vga": "std", "videoram": "32"}},
    "stdvga=0": {},
    "vga='stdvga'": {"platform": {"vga": "std"}},
    "vga='none'": {"platform": None},
    "rtc_timeoffset='-3600'": {"platform": {"vga": "cirrus", "timeoffset": "-3600"}},
    "localtime=1\nrtc_timeoffset=60": {"platform": {"vga": "cirrus", "timeoffset": str(5 * 3600 + 1800 + 60)}},
    "kernel='/usr/lib/xen-4.17/boot/hvmloader'\nhap=1\nserial='pty'\nusb=0\nbios='seabios'\nfirmware='bios'\n"
    "device_model_version='qemu-xen'\nxen_platform_pci=1": {},
}


def test_records():
    file = Files()
    for start, table, plain in ((PVH, OF_PVH, PLAIN), (HVM, OF_HVM, MACHINE)):
        for text, wanted in table.items():
            vm, drives, err = file.becomes(start + text, TZ="XXX-5:30")
            wanted = {key: value for key, value in {**plain, **wanted}.items() if value is not None}
            assert (vm, drives, err) == (wanted, [], ""), (text, vm, wanted, err)
    vm, _, _ = file.becomes('name="old"\nbuilder="hvm"\nmemory=64')
    assert vm["domain_type"] == "hvm"
    vm, _, _ = file.becomes('name="old"\nbuilder="generic"\nmaxmem=64\nkernel="vmlinux"')
    assert (vm["domain_type"], vm["memory_dynamic_max"]) == ("pv", 64 * MIB)


def test_disks():
    file = Files()

    def drive(number, target, kind="Disk", mode="RW"):
        return {"userdevice": str(number), "type": kind, "mode": mode, "target": target}

    for entry, wanted in {
            "file:/srv/a.img,xvda,w": drive(0, "/srv/a.img"),
            "phy:/dev/vg/lv,hdb,r": drive(1, "/dev/vg/lv", mode="RO"),
            "tap:qcow2:/srv/a.qcow2,sdc,w": drive(2, "/srv/a.qcow2"),
            "/srv/a.img,raw,xvdp,rw": drive(15, "/srv/a.img"),
            "/srv/a.img,,xvda": drive(0, "/srv/a.img"),
            "format=qcow2, vdev=xvdb, access=rw, target=/srv/a,b = c.qcow2": drive(1, "/srv/a,b = c.qcow2"),
            "vdev=d3,target=a name": drive(3, "a name"),
            "/isos/a.iso,,hdc,cdrom": drive(2, "/isos/a.iso", "CD", "RO"),
            "file:/isos/a.iso,hdd:cdrom,r": drive(3, "/isos/a.iso", "CD", "RO"),
            ",hdd:cdrom,r": drive(3, "", "CD", "RO"),
            "backendtype=qdisk,vdev=xvda,target=/srv/a": drive(0, "/srv/a"),
    }.items():
        _, drives, err = file.becomes(PVH + f"disk=['{entry}']")
        assert (drives, err) == ([wanted], ""), (entry, drives, err)
    _, drives, _ = file.becomes(PVH + "disk=['/a,,xvda',\n  '/b,,xvdb', # not this one: '/c,,xvdc'\n]")
    assert [d["target"] for d in drives] == ["/a", "/b"]
    for entry, said in {
            "/srv/a.img": "no vdev",
            "/srv/a,,xvda1": "'xvda1' is none of xvda to xvdp",
            "/srv/a,,xvdq": "'xvdq' is none of xvda to xvdp",
            "/srv/a,,xvda,x": "web.cfg: config parsing error in disk specification",
            ",,xvda": "without a target",
            "script=block-iscsi,vdev=xvda,target=iqn.x": "disk:script: a repository's driver",
            "backend=storage,vdev=xvda,target=/a": "disk:backend: disks come from",
            "discard,vdev=xvda,target=/a": "disk:discard: ",
            "direct-io-safe,vdev=xvda,target=/a": "disk:direct-io-safe: ",
    }.items():
        err = file.refuses(PVH + f"disk=['{entry}']")
        assert said in err, (entry, err)
    _, drives, err = file.becomes(PVH + "disk=['discard,vdev=xvda,target=/a']", "--leave-out=disk:discard")
    assert drives == [drive(0, "/a")] and err == "note: left out: disk:discard\n", (drives, err)


# A file's lines after those of the guest, and what is said of them.
REFUSED = {
    "vif=['bridge=xenbr0']": "  vif: vif-create makes a card, once the VM is there\nhint: --leave-out=vif makes it without that.\n",
    "vfb=['vnc=1']": "  vfb: a screen shows",
    "pci=['01:00.0']": "  pci: no devices of the host",
    "uuid='5e5d2bd5-8a3c-4a19-a1a3-6c1b6f5d3c11'": "  uuid: the server gives a VM its uuid",
    "bootloader='pygrub'": "  bootloader: a PV or PVH guest starts from the file that kernel names",
    "colour='red'": "  colour: xtool does not know it",
    "tsc_mode='native'": "  tsc_mode: ",
    "localtime=1": "  localtime: the clock of an HVM guest alone",
    "acpi=0": "  acpi: a PVH guest always has ACPI",
    "memory='much'": "  memory: it is a whole number from 1 to ",
    "memory=0": "  memory: it is a whole number from 1 to ",
    "memory=99999999999999999999": "  memory: it is a whole number from 1 to ",
    "memory=['128']": "  memory: it is a whole number",
    "maxmem=64": "  maxmem: it is less than memory",
    "vcpus=4;maxvcpus=2": "  maxvcpus: it is less than vcpus",
    "cpus='all,^0'": "  cpus: 'all,^0' is no list like",
    "cpus='3-1'": "  cpus: '3-1' is no list",
    "cpus='4096'": "  cpus: ",
    "cpus='0-99999999999999999999'": "  cpus: ",
    "cpus=''": "  cpus: ",
    "cpus='^1'": "  cpus: ",
    "cpus=['1','2']": "  cpus: all CPUs of a VM run on the same ones",
    "cpus_soft='1'": "  cpus_soft: there is one list",
    "cpu_weight=0": "  cpu_weight: it is a whole number from 1 to 65535",
    "on_reboot='preserve'": "  on_reboot: it is destroy or restart, not 'preserve'",
    "on_crash='soft-reset'": "  on_crash: 'soft-reset' is nothing that can be done",
    "on_watchdog='restart'": "  on_watchdog: it is as on_poweroff, 'destroy'",
    "type='pv'\nbuilder='hvm'": "  builder: type says 'pv'",
    "type='xen'": "  type: it is pv, pvh or hvm",
    "builder='linux'": "  builder: it is hvm or generic",
    "name=''": "  name: a VM must have one",
    "name=['a']": "  name: it is one text, and no list",
    "name='\\a'": "  name: it has bytes that no text has",
    "cmdline='a'\nroot='b'": "  root: there is cmdline",
    "disk='/a,,xvda'": "  disk: it is a list",
    "disk=[['/a,,xvda']]": "  disk: its entry 1 is no text",
    "viridian='x'\ntype='hvm'\nkernel='x/hvmloader'": "  viridian: it is 0 or 1",
    "type='hvm'": "  kernel: a whole machine boots from its disks",
    "type='hvm'\nvga='qxl'\nboot='a'\nbios='ovmf'": "  boot: it is made of c (disk), d (CD) and n (network)\n",
}


def test_what_cannot_be_had_is_named():
    file = Files()
    for text, said in REFUSED.items():
        err = file.refuses(PVH + text)
        assert err.startswith("error: web.cfg asks for what a VM cannot have:\n") and said in err, (text, err)
    err = file.refuses(PVH + "vif=['']\nvnc=1\nvncpasswd='secret'\nfrob=1")
    assert err == ("error: web.cfg asks for what a VM cannot have:\n  vif: vif-create makes a card, once the VM is there\n"
                   "  vnc: a screen shows in clients of the API alone\n  vncpasswd: a screen shows in clients of the API alone\n"
                   "  frob: xtool does not know it\nhint: --leave-out=vif,vnc,vncpasswd,frob makes it without that.\n"), err
    for leave in (), ("--leave-out=all",), ("--leave-out=name",):
        assert file.refuses("memory=12\nkernel='x'", *leave) == \
            "error: web.cfg asks for what a VM cannot have:\n  name: a VM must have one\n"
    assert "memory: it says how many MiB" in file.refuses("name='x'\nkernel='x'")
    assert "kernel: a PV or PVH guest starts from one" in file.refuses("name='x'\nmemory=12")


def test_leaving_out():
    file = Files()
    text = PVH + "vif=['']\nvnc=1\nfrob=1\ncpus='all,^0'\ndisk=['script=x,vdev=xvda,target=/a']\n"
    assert "vnc" in file.refuses(text, "--leave-out=vif")
    for names in ("vif,vnc,frob,cpus,disk:script", "all"):
        vm, drives, err = file.becomes(text, f"--leave-out={names}")
        assert vm == PLAIN and len(drives) == 1, (vm, drives)
        left = err.removeprefix("note: left out: ").strip().split(", ")
        assert sorted(left) == ["cpus", "disk:script", "frob", "vif", "vnc"], err
    assert "--leave-out=all everything" in file.refuses(text, "--leave-out", status=2)
    _, drives, err = file.becomes(text, "--leave-out=vif,vnc,frob,cpus,disk", "-q")
    assert (drives, err) == ([], ""), err
    assert "name: a VM must have one" in file.refuses("name=''\nmemory=1\nkernel='x'", "--leave-out=vif")


def test_arguments_count_instead_of_the_files():
    file = Files()
    for args, key, wanted in (
            (("memory=64",), "memory_static_max", 64 * MIB), (("memory=0x40",), "memory_dynamic_max", 64 * MIB),
            (("name=other",), "name_label", "other"), (('name="other"',), "name_label", "other"),
            (("name='a # b'",), "name_label", "a # b"), (("name=it's \"a\\b",), "name_label", "it's \"a\\b"),
            (("name=7th",), "name_label", "7th"), (("name=a;memory=1",), "name_label", "a;memory=1"),
            (("extra=a=b c",), "PV_args", "a=b c"), (("cpus=['1', '1']",), "VCPUs_params", {"mask": "1"}),
            (("name=a", "name=b"), "name_label", "b"), (("name=\u0416",), "name_label", "\u0416")):
        vm, _, _ = file.becomes(PVH, *args)
        assert vm[key] == wanted, (args, vm)
    assert "frob: xtool does not know it" in file.refuses(PVH, "frob=1")
    assert "no key of a configuration" in file.refuses(PVH, "Frob=1", status=2)
    assert "no key of a configuration" in file.refuses(PVH, "a b=1", status=2)
    assert "config parsing error" in file.refuses(PVH, "name='open")
    assert file.refuses(PVH, "more", status=2).startswith("error: usage: xtool create ")


def test_what_is_no_configuration():
    file = Files()
    for text, said in ((b"name=", "web.cfg:"), (b"memory 12", "web.cfg:1: config parsing error near"),
                       (PVH.encode() + b"x = [ 'a'", "web.cfg:"), (b"\x00", "has a zero byte"),
                       (b"name='\xff'", "has bytes that no text has"), (b"#" * (1 << 16) + b"\n\n", "is too long"),
                       (b"\x1b[31m=1", "has bytes that no text has"), (b"(" * 1000, "web.cfg:1:"),
                       (b"name='\\x'\n", "web.cfg:1:"), (b"name='\\x41'\n", "web.cfg:1:"), (b"a=" + b"[" * 20000, "web.cfg:"),
                       (PVH.encode() + b"".join(b"k%d=1\n" % i for i in range(6000)), "  k5999: xtool does not know it")):
        err = file.refuses(text)
        assert err.startswith("error: ") and said in err and "\x1b" not in err, (text[:40], err)
    assert "\x1b" not in file.refuses(PVH + "vga=1\nfrob=1\non_crash='\\x1b[31m'")
    file.path.unlink()
    file.path.mkdir()
    done = subprocess.run([XTOOL, "create", str(file.path)], env=file.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "not a plain file" in done.stderr, done
    file.path.rmdir()
    done = subprocess.run([XTOOL, "create", str(file.path)], env=file.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "No such file" in done.stderr, done


def test_its_own_reader():
    file = Files()
    for program, said in (("/nowhere/xtool-xl", "--without-xen"), ("/bin/false", "/bin/false failed"),
                          ("/bin/echo", "is of another version")):
        file.environment["XTOOL_XL"] = program
        assert said in file.refuses(PVH), program
    for args in ((), ("vm",), ("disk",), ("x", "y", "z")):
        done = subprocess.run([READER, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        assert done.returncode == 0 and b"usage: xtool-xl" in done.stdout, done


def test_a_vm_of_a_file():
    needs_xen()
    with Host() as host:
        t = Tool(host)
        cfg = host.dir / "web.cfg"
        cfg.write_text(PVH + "vcpus=2\nextra='quiet'\n")
        uuid = t("create", str(cfg)).strip()
        record = json.loads(t("vm-param-list", f"uuid={uuid}", "--json"))
        assert (record["name-label"], record["power-state"], record["PV-args"], record["VCPUs-number"]) == \
            ("web", "Running", "quiet", 2), record
        err = t.fails(1, "create", str(cfg))
        assert err == f"error: There is a VM 'web' already, {uuid}, which is running.\n", err
        t("destroy", "web")
        assert f"'xtool start {uuid}' starts this one" in t.fails(1, "create", str(cfg))
        t("start", uuid)
        assert t("create", "-q", str(cfg), "name=quiet") == ""
        t("create", "-p", str(cfg), "name=paused")
        assert [t.state(t("vm-list", f"name-label={name}", "--minimal").strip()) for name in ("quiet", "paused")] == \
            ["running", "paused"]
        t("create", "-n", str(cfg), "name=dry")
        assert t("vm-list", "name-label=dry", "--minimal") == "\n"

        cfg.write_text(HVM + "name='machine'\nboot='d'\nlocaltime=0\nvcpus=2\ndisk=[',hdc:cdrom,r']\n")
        uuid = t("create", str(cfg)).strip()
        record = json.loads(t("vm-param-list", f"uuid={uuid}", "--json"))
        assert (record["power-state"], record["HVM-boot-params"], record["platform"]) == \
            ("Running", {"order": "d"}, {"vga": "cirrus"}), record
        cfg.write_text(PVH)

        # What does not start is not there.
        for kernel in ("/boot/vmlinuz", "../vmlinux"):
            err = t.fails(1, "create", str(cfg), "name=none", f"kernel={kernel}")
            assert err.startswith(f"error: The host has no such kernel for guests: {kernel}.\nhint: ") and \
                "/var/lib/xcp/guest" in err, err
        assert "memory free" in t.fails(1, "create", str(cfg), "name=none", "memory=70000")
        assert "VCPUs cannot be" in t.fails(1, "create", str(cfg), "name=none", "vcpus=65")
        assert t("vm-list", "name-label=none", "--minimal") == "\n"


def test_disks_are_found_or_it_is_said_what_to_do():
    needs_xen()
    with Host() as host:
        t = Tool(host)
        drivers_known(host.client())
        folder, cds = host.folder(), host.folder("cds")
        sr = t("sr-create", "type=file", "name-label=disks", f"device-config:location={folder}/").strip()
        (Path(cds) / "a b.iso").write_bytes(b"\0" * 2048)
        t("sr-create", "type=iso", "name-label=cds", "content-type=iso", f"device-config:location={cds}")

        def make(name, *more):
            return t("vdi-create", f"sr-uuid={sr}", f"name-label={name}", "virtual-size=1MiB", *more).strip()

        raw, cow = make("raw disk", "sm-config:image-format=raw"), make("cow")
        cfg = host.dir / "web.cfg"
        cfg.write_text(PVH + f"disk=['{folder}/{raw}.raw,raw,xvda,rw', 'tap:qcow2:{folder}//{cow}.qcow2,xvdb,r', "
                             f"'{cds}/a b.iso,,hdc,cdrom', ',hdd:cdrom,r']")
        uuid = t("create", str(cfg)).strip()
        drives = json.loads(t("vbd-list", f"vm-uuid={uuid}", "--json"))
        assert sorted((d["userdevice"], d["vdi-name-label"], d["mode"], d["type"]) for d in drives) == \
            [("0", "raw disk", "RW", "Disk"), ("1", "cow", "RO", "Disk"), ("2", "a b.iso", "RO", "CD"),
             ("3", None, "RO", "CD")], drives
        table = [re.split("  +", line) for line in t("block-list", "web").splitlines()]
        assert table[0] == ["Vdev", "Type", "Mode", "Attached", "Image", "UUID"] and len(table) == 5, table
        assert table[1][:5] == ["xvda", "Disk", "RW", "yes", "raw disk"] and table[4][4] == "-", table
        t("vm-uninstall", "vm=web", "--force")

        disk = make("by name")
        for target in ("by name", disk):
            t("create", str(cfg), f"disk=['vdev=xvda,target={target}']")
            assert t("vbd-list", "params=vdi-uuid", "--minimal").strip() == disk
            t("vm-shutdown", "vm=web", "--force")
            t("vm-destroy", f"uuid={t('vm-list', 'name-label=web', '--minimal').strip()}")
        for entry, said in {"/srv/web.img,,xvda": "/srv/web.img is no disk of a repository, and guests get no others.\nhint: ",
                            "phy:/dev/vg/web,xvda,w": "/dev/vg/web is no disk of a repository",
                            f"{folder}/xapid-sr.json,,xvda": "is no disk of a repository",
                            f"{folder}/{disk},,xvda": None,
                            f"{folder}/{disk}.vhd,,xvda": "is no disk of a repository",
                            "/srv/isos/b.iso,,hdc,cdrom": "/srv/isos/b.iso is in no repository of CDs.\nhint: ",
                            f"{cds}/b.iso,,hdc,cdrom": "is in no repository of CDs",
                            "vdev=xvda,target=nobody": "There is no VDI 'nobody'.",
                            f"vdev=xvda,target={disk}', '{folder}/{disk}.raw,,xvda": ""}.items():
            if said is None:
                t("create", str(cfg), f"disk=['{entry}']")
                t("vm-shutdown", "vm=web", "--force")
                t("vm-destroy", f"uuid={t('vm-list', 'name-label=web', '--minimal').strip()}")
                continue
            assert said in t.fails(1, "create", str(cfg), f"disk=['{entry}']"), entry
            assert t("vm-list", "name-label=web", "--minimal") == t("vbd-list", "--minimal") == "\n", entry
        assert not host.handles() and host.violations() == ""


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

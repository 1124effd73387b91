#!/usr/bin/python3
"""Scenarios of test-xl-files.sh: xlfiles.py SCENARIO NAME ADDRESS PASSWORD."""
import json
import subprocess

from api import LAB, WAIT, console, dom0, domids, run_scenario, until

PVH = """name = "web"
type = "pvh"
kernel = "/var/lib/xcp/guest/vmlinux"
ramdisk = '/var/lib/xcp/guest/initrd'
memory = 160
extra = "console=hvc0 quiet lab.count=0"   # and no root
on_crash = "destroy"
"""
# Files of which xl and xtool make the same; a guest without anything to boot from does nothing.
FILES = {
    "a PVH guest": PVH + "vcpus = 2\nmaxvcpus = 3\nmaxmem = 192\ncpu_weight = 512\ncap = 50\ncpus = '0'\n",
    "a PV guest": PVH.replace("pvh", "pv") + "root = '/dev/ram0 ro'\n",
    "an HVM guest": """name = "machine"
builder = "hvm"
memory = 64
boot = "dc"
acpi = 1
acpi_s3 = 0
apic = 1
nx = 1
pae = 1
viridian = 1
stdvga = 1
videoram = 16
rtc_timeoffset = "3600"
serial = "pty"
hap = 1
vnc = 0
disk = [ ',hdc:cdrom,r' ]
""",
    "an HVM guest that says nothing": "name='plain'\ntype='hvm'\nmemory=64\nvnc=0\nvif=[]\n",
}
# What of a domain's configuration must be alike, as `xl list -l` tells it.
ALIKE = ("max_vcpus", "avail_vcpus", "max_memkb", "target_memkb", "cmdline", "sched_params", "rtc_timeoffset", "apic", "acpi")
# What libxl takes where nothing is said; but xapid has no floppy, and a serial port always.
DEFAULTS = {"max_vcpus": 1, "avail_vcpus": [0], "apic": "True", "acpi": "True", "acpi_s3": "True", "acpi_s4": "True",
            "nx": "True", "pae": "True", "viridian": "False", "boot": "cd", "vga": {"kind": "cirrus"}, "serial": "pty"}
ALIKE_HVM = ("pae", "apic", "acpi", "acpi_s3", "acpi_s4", "nx", "viridian", "boot", "vga", "serial")


def write(name, text):
    subprocess.run([LAB / "run-in-dom0", name, "cat > /root/guest.cfg"], input=text.encode(), check=True, timeout=WAIT)


def built(name, domid):
    """What libxl has of the domain's building."""
    found, = (d["config"] for d in json.loads(dom0(name, "xl list -l")) if d["domid"] == domid)
    build = found["b_info"]
    machine = build.get("type.hvm", {})
    return {"type": found["c_info"]["type"], **{key: build.get(key) or DEFAULTS.get(key) for key in ALIKE},
            "affinity": build.get("vcpu_hard_affinity"),
            **{f"hvm.{key}": machine.get(key) or DEFAULTS.get(key) for key in ALIKE_HVM}}


def alike(name, address, password):
    """xl and xtool make the same guest of a file."""
    unlike = {}
    for what, text in FILES.items():
        write(name, text)
        dom0(name, "xl create -q -e /root/guest.cfg")
        domid = max(domids(name).values())
        by_xl = built(name, domid)
        dom0(name, f"xl destroy {domid}")
        until(lambda: "another tool" not in dom0(name, "xtool vm-list params=name-description"), "end of its record")
        uuid = dom0(name, "xtool create /root/guest.cfg").strip()
        by_xtool = built(name, domids(name)[uuid])
        dom0(name, f"xtool destroy {uuid} && xtool vm-destroy uuid={uuid}")
        print(f"# {what}: {sum(value is not None for value in by_xl.values())} values that xl has")
        unlike |= {(what, key): (by_xl[key], by_xtool[key]) for key in by_xl if by_xl[key] != by_xtool[key]}
    assert not unlike, unlike


def console_of_it(name, address, password):
    """A guest of a file runs, and xtool goes to its console, from which Ctrl-] leaves."""
    write(name, PVH)
    uuid = dom0(name, "xtool create /root/guest.cfg").strip()
    until(lambda: "LAB-GUEST-UP" in console(name, uuid), "guest")
    assert "web" in dom0(name, "xtool list") and " web " in dom0(name, "xtool top -b -i 1").replace("\n", " ")
    assert dom0(name, "xtool domid web").strip() == str(domids(name)[uuid])
    # On a terminal, as xenconsole wants one; what the guest said before stands there, too.
    said = dom0(name, r"(sleep 15; printf '\035') | timeout 90 socat -t 30 - 'EXEC:xtool console web,pty,setsid,ctty,raw,echo=0'")
    assert "LAB-GUEST-UP" in said, said
    assert "already" in dom0(name, "xtool create /root/guest.cfg 2>&1 || true")
    dom0(name, "xtool destroy web")
    assert "while it runs" in dom0(name, "xtool console web 2>&1 || true")
    dom0(name, f"xtool vm-destroy uuid={uuid}")


if __name__ == "__main__":
    run_scenario(globals())

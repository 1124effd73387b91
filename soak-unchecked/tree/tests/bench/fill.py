"""Hosts with many rows.  What one VM and one disk have in the database, made by the API, is multiplied in a dump
of it, which is restored: drivers would take an hour to make 16,000 disks."""
import contextlib
import re
import subprocess
import uuid

from disks import drivers_known, new_sr, new_vbd, new_vdi
from host import BUILDDIR, GUEST, Host

DISKS_OF_A_VM = 16
QUIET = "log_level=warning"  # of a host
VM = {**GUEST, "name_description": "A guest like many others", "PV_args": "root=/dev/xvda1 console=hvc0",
      "memory_static_max": str(2 << 30), "VCPUs_max": "2", "other_config": {"folder": "/racks/7", "auto_poweron": "false"},
      "platform": {"acpi": "1", "apic": "true", "nx": "true", "pae": "true"}}


def database(host, *words, text=None):
    done = subprocess.run([BUILDDIR / "xapid-db", "--config", host.config, *words], input=text, text=True,
                          capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


class Copies:
    """Of rows, with names of their own."""

    def __init__(self, rows):
        self.rows = rows
        self.names = sorted({name for row in rows for name in re.findall(r' (?:ref|uuid)="([^"]+)"', row)})

    def one(self, **instead):
        """Another copy; instead: text by the text it comes in place of."""
        words = {name: name[:-36] + str(uuid.uuid4()) for name in self.names} | instead
        pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
        return [pattern.sub(lambda found: words[found[0]], row) for row in self.rows], words


def multiplied(dump, vms, vdis):
    """The dump with so many of the VM and the disk that it has one of."""
    tables, table = {}, None
    for line in dump.splitlines():
        if found := re.match(r'<table name="(\w+)"', line):
            table = tables.setdefault(found[1], [])
        elif line.startswith("<row "):
            table.append(line)
    vm, = (row for row in tables["VM"] if 'name_label="the-vm"' in row)
    metrics = re.search(r' metrics="([^"]+)"', vm)[1]
    of_vm = [vm] + [row for row in tables["VM_metrics"] if f'ref="{metrics}"' in row]
    vm_ref = re.search(r' ref="([^"]+)"', vm)[1]
    of_disk = [*tables.get("VDI", []), *tables.get("VBD", [])]
    made = {"VM": [], "VM_metrics": [], "VDI": [], "VBD": []}
    refs = [vm_ref]
    copies = Copies(of_vm)
    for n in range(1, vms):
        rows, words = copies.one(**{"the-vm": f"guest-{n:05}"})
        made["VM"].append(rows[0])
        made["VM_metrics"] += rows[1:]
        refs.append(words[vm_ref])
    copies = Copies(of_disk)
    for n in range(1, vdis):
        device = n % DISKS_OF_A_VM
        rows, _ = copies.one(**{vm_ref: refs[n // DISKS_OF_A_VM], "the-disk": f"disk-{n:05}",
                                'userdevice="0"': f'userdevice="{device}"', 'device="xvda"': f'device="xvd{chr(97 + device)}"'})
        made["VDI"].append(rows[0])
        made["VBD"] += rows[1:]
    for name, rows in made.items():
        dump = dump.replace(f'<table name="{name}">\n', f'<table name="{name}">\n' + "".join(row + "\n" for row in rows))
    return dump


@contextlib.contextmanager
def filled(vms, vdis=0):
    """A host with so many VMs, and disks: 16 a VM at most."""
    with Host(QUIET) as host:
        x = host.client()
        vm = x.VM.create({**VM, "name_label": "the-vm"})
        if vdis:
            drivers_known(x)
            sr = new_sr(host, x)
            new_vbd(x, vm, new_vdi(x, sr, name_label="the-disk"))
            pbd, = x.SR.get_PBDs(sr)
            x.PBD.unplug(pbd)  # nobody looks whether their files are there
        host.stop()
        database(host, "restore", text=multiplied(database(host, "dump"), vms, vdis))
        host.start()
        x = host.client()
        others = x.call("VM.get_all_records_where", 'field "is_default_template" = "true" or field "is_control_domain" = "true"')
        found = len(x.VM.get_all()) - len(others), len(x.VDI.get_all())
        if found != (vms, vdis):
            raise RuntimeError(f"{found} VMs and disks, not {vms} and {vdis}")
        yield host


def libvirt_config(path, domains, volumes):
    """The same for libvirt's test driver, as a file of its."""
    names = [f"guest-{n:05}" for n in range(domains)]
    path.write_text(
        "<node><pool type='dir'><name>disks</name><target><path>/disks</path></target>" +
        "".join(f"<volume type='file'><name>disk-{n:05}</name><capacity>67108864</capacity><allocation>65536</allocation>"
                f"<target><path>/disks/disk-{n:05}</path><format type='qcow2'/></target></volume>" for n in range(volumes)) +
        "</pool>" + "".join(
            f"<domain type='test'><name>{name}</name><memory>2097152</memory><vcpu>2</vcpu><os><type>hvm</type>"
            "<kernel>/vmlinuz</kernel><cmdline>root=/dev/xvda1 console=hvc0</cmdline></os><devices>" + "".join(
                f"<disk type='file' device='disk'><source file='/disks/disk-{at:05}'/><target dev='xvd{chr(97 + d)}'/></disk>"
                for d in range(DISKS_OF_A_VM) if (at := n * DISKS_OF_A_VM + d) < volumes) + "</devices></domain>"
            for n, name in enumerate(names)) + "</node>")

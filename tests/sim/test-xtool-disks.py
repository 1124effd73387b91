#!/usr/bin/python3
"""xtool's commands on disks, CDs and what else belongs to a VM, on a simulated host."""
import json
import re
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import Host
from xtool import XTOOL, Tool


def storage(host, t):
    """A repository of disks and one of CDs with two images."""
    tap.wait_until(lambda: {"file", "iso"} <= set(t("sm-list", "params=type", "--minimal").strip().split(",")), "drivers")
    sr = t("sr-create", "type=file", "name-label=disks", f"device-config:location={host.folder()}").strip()
    cds = host.folder("cds")
    for name in ("first.iso", "second.iso"):
        (Path(cds) / name).write_bytes(b"\0" * 2048)
    t("sr-create", "type=iso", "name-label=cds", "content-type=iso", f"device-config:location={cds}")
    return sr


def names(t, cls, *filters):
    return t(f"{cls}-list", *filters, "params=name-label", "--minimal").strip()


def test_disks_of_a_vm():
    with Host() as host:
        t = Tool(host)
        sr, vm = storage(host, t), t.create("web")
        said = t.fails(2, "vm-disk-add", "vm=web", "device=0", "disk-size=64MiB")
        assert "no default SR" in said, said
        t("pool-param-set", f"uuid={t('pool-list', '--minimal').strip()}", f"default-SR={sr}")
        assert t("vm-disk-add", "vm=web", "device=0", "disk-size=64MiB") == ""
        t("vm-disk-add", f"uuid={vm}", "device=10", "disk-size=1GiB", "sr-uuid=disks")
        t("vm-disk-add", "vm=web", "device=2", "disk-size=67108864", f"sr-uuid={sr}")
        drives = json.loads(t("vm-disk-list", "vm=web", "--json"))
        assert [d["vbd"]["userdevice"] for d in drives] == ["0", "2", "10"], drives
        assert [d["vdi"]["virtual-size"] for d in drives] == [64 << 20, 64 << 20, 1 << 30], drives
        assert drives[0]["vbd"]["other-config"] == {"owner": ""}
        assert drives[0]["vdi"]["sm-config"]["vmhint"] == vm
        first = drives[0]
        shown = t("vm-disk-list", "vm=web")
        assert shown.startswith(f"Disk 0 VBD:\nuuid ( RO)             : {first['vbd']['uuid']}\n"
                                "    vm-name-label ( RO): web\n       userdevice ( RW): 0\n\n\n"
                                f"Disk 0 VDI:\nuuid ( RO)             : {first['vdi']['uuid']}\n"
                                "       name-label ( RW): Created by xe\n    sr-name-label ( RO): disks\n"
                                "     virtual-size ( RO): 67108864\n\n\nDisk 1 VBD:\n"), shown
        assert t("vm-disk-list", "vm=web", "vbd-params=userdevice", "vdi-params=virtual-size",
                 "--minimal") == f"{1 << 30},10,{64 << 20},2,{64 << 20},0\n"
        assert "Unknown field" in t.fails(2, "vm-disk-list", "vm=web", "vbd-params=colour")
        assert "no disk of the number '7'" in t.fails(1, "vm-disk-remove", "vm=web", "device=7")
        t("vm-disk-remove", "vm=web", "device=2")
        drives = json.loads(t("vm-disk-list", "vm=web", "--json"))
        assert [d["vbd"]["userdevice"] for d in drives] == ["0", "10"], drives
        assert len(t("vdi-list", "name-label=Created by xe", "--minimal").split(",")) == 2

        # A drive that cannot be: the disk that was made for it goes again.
        t.fails(1, "vm-disk-add", "vm=web", "device=0", "disk-size=64MiB")
        assert len(t("vdi-list", "name-label=Created by xe", "--minimal").split(",")) == 2
        t.fails(2, "vm-disk-add", "vm=web", "device=1", "disk-size=much")
        t.fails(2, "vm-disk-add", "vm=web", "device=1", "disk-size=64MiB", "colour=red")

        t("vm-start", "vm=web")
        done = t.run("vm-disk-add", "vm=web", "device=3", "disk-size=64MiB", quiet=False)
        assert done.stderr == "" or "after its next start" in done.stderr, done.stderr
        t("vm-uninstall", "vm=web", "--force")
        assert names(t, "vdi", "name-label=Created by xe") == "" and "web" not in names(t, "vm")


def test_cds():
    with Host() as host:
        t = Tool(host)
        storage(host, t)
        t.create("web")
        table = t("cd-list").splitlines()
        assert [line.split()[1] for line in table] == ["name-label", "first.iso", "second.iso"], table
        assert t("cd-list", "params=name-label", "--minimal") == "first.iso,second.iso\n"
        assert "location ( RO): first.iso\n" in t("cd-list", "params=all")
        t("vm-cd-add", "vm=web", "cd-name=first.iso", "device=3")
        assert t("vm-cd-list", "vm=web", "vbd-params=userdevice,mode,type", "vdi-params=name-label").count("first.iso") == 1
        assert "There is no CD 'third.iso'" in t.fails(1, "vm-cd-add", "vm=web", "cd-name=third.iso", "device=4")
        t("vm-cd-eject", "vm=web")
        cd, = json.loads(t("vm-cd-list", "vm=web", "--json"))
        assert cd["vdi"] is None and cd["vbd"]["empty"] is True, cd
        assert t("vm-cd-list", "vm=web").count("VDI:") == 0
        t("vm-cd-insert", "vm=web", "cd-name=second.iso")
        cd, = json.loads(t("vm-cd-list", "vm=web", "--json"))
        assert cd["vdi"]["name-label"] == "second.iso", cd
        assert "VM_NO_EMPTY_CD_VBD" in t.fails(1, "vm-cd-insert", "vm=web", "cd-name=first.iso")
        t("vm-cd-add", "vm=web", "cd-name=first.iso", "device=4")
        assert "several CD drives" in t.fails(1, "vm-cd-eject", "vm=web")
        for drive in t("vbd-list", "type=CD", "--minimal").strip().split(","):
            t("vbd-eject", f"uuid={drive}")
        assert "several empty CD drives" in t.fails(1, "vm-cd-insert", "vm=web", "cd-name=first.iso")
        t("vm-cd-remove", "vm=web", "cd-name=<EMPTY>")
        t("vm-cd-insert", "vm=web", "cd-name=first.iso")
        assert "no CD 'second.iso'" in t.fails(1, "vm-cd-remove", "vm=web", "cd-name=second.iso")
        t("vm-cd-remove", "vm=web", "cd-name=first.iso")
        assert t("vbd-list", "--minimal") == "\n"
        assert "no CD drive" in t.fails(1, "vm-cd-eject", "vm=web")
        t.fails(1, "vm-cd-insert", "vm=web", "cd-name=first.iso")
        assert t("vm-disk-list", "vm=web") == ""
        assert len(names(t, "vdi").split(",")) == 2, "an image went with its drive"


def test_what_hosts_and_pools_say():
    with Host() as host:
        t = Tool(host)
        uuid = t("host-list", "--minimal").strip()
        info = t("host-cpu-info", f"uuid={uuid}")
        assert t("host-cpu-info") == info and re.search(r"^ *cpu_count *: \d+$", info, re.MULTILINE), info
        record = json.loads(t("host-param-list", f"uuid={uuid}", "--json"))
        for key, value in record["cpu_info"].items():
            assert re.search(f"^ *{key} *: {re.escape(value)}$", info, re.MULTILINE), (key, info)
        assert json.loads(t("host-cpu-info", "--json")) == record["cpu_info"]
        shown = [line.split(":")[0].strip() for line in t("host-get-cpu-features").splitlines() if line]
        wanted = [key for key in ("features_pv", "features_hvm", "features_pv_host", "features_hvm_host")
                  if key in record["cpu_info"]]
        assert shown == wanted, (shown, wanted)
        t("pool-get-cpu-features")
        t("host-license-view")
        assert t("host-all-editions", f"host-uuid={uuid}") == "".join(e + "\n" for e in record["editions"])


def test_snapshots_and_templates():
    with Host() as host:
        t = Tool(host)
        storage(host, t)
        t.create("web")
        template = t.create("shape", "is-a-template=true")
        for command in ("snapshot-disk-list", "snapshot-uninstall", "snapshot-revert", "snapshot-destroy"):
            assert "snapshot-uuid=" in t.fails(2, command), command
        assert "--force" in t.fails(2, "snapshot-reset-powerstate", "uuid=web")
        assert "no snapshot" in t.fails(1, "snapshot-disk-list", "uuid=web")
        assert "no snapshot" in t.fails(1, "snapshot-uninstall", "snapshot-uuid=web", "--force")
        assert "no template" in t.fails(1, "template-uninstall", "template-uuid=web", "--force")
        assert "--force" in t.fails(2, "template-uninstall", f"template-uuid={template}")
        t("template-uninstall", f"template-uuid={template}", "--force")
        assert "shape" not in names(t, "template") and "web" in names(t, "vm")


def test_vifs_and_bios_strings():
    with Host() as host:
        t = Tool(host)
        uuid = t.create("web")
        t.create("db")
        assert t("vm-vif-list", "--json") == "[]\n"
        assert t("vm-vif-list").split() == ["uuid", "vm-name-label", "device", "MAC", "network-uuid",
                                            "network-name-label"]
        network = t("network-create", "name-label=lan", "MTU=1400").strip()
        assert names(t, "network") == "lan"
        vif = t("vif-create", f"vm-uuid={uuid}", f"network-uuid={network}", "device=0").strip()
        t("vif-create", f"vm-uuid={uuid}", f"network-uuid={network}", "device=1", "mac=00:16:3e:12:34:56")
        assert "already has a device" in t.fails(1, "vif-create", f"vm-uuid={uuid}", f"network-uuid={network}", "device=1")
        shown = sorted(json.loads(t("vm-vif-list", "vm=web", "--json")), key=lambda card: card["device"])
        assert [(card["device"], card["network-name-label"]) for card in shown] == [("0", "lan"), ("1", "lan")], shown
        assert shown[1]["MAC"] == "00:16:3e:12:34:56"
        t("vif-destroy", f"uuid={vif}")
        assert vif not in t("vif-list", "--minimal")
        assert t("vif-list", "device=1", "params=MTU", "--minimal").strip() == "1400"
        t("network-destroy", f"uuid={network}")
        assert names(t, "network") == "" and t("vif-list", "--minimal").strip() == ""
        assert "not yet been set" in t("vm-is-bios-customized", "vm=web")
        x = host.client()
        for vendor, word in (("Xen", "generic"), ("Acme", "customized")):
            x.VM.set_bios_strings(x.VM.get_by_uuid(t.create(vendor)), {"bios-vendor": vendor})
            assert t("vm-is-bios-customized", f"vm={vendor}") == f"This VM is BIOS-{word}.\n"
        t.fails(2, "vm-is-bios-customized", f"uuid={uuid}", "colour=red")


def test_diagnostics():
    with Host() as host:
        t = Tool(host)
        sr, vm = storage(host, t), t.create("web")
        t("vm-disk-add", "vm=web", "device=0", "disk-size=64MiB", f"sr-uuid={sr}")
        drive, = json.loads(t("vm-disk-list", "vm=web", "--json"))
        disk = f"uuid={drive['vdi']['uuid']}"
        shown = t("diagnostic-vdi-status", disk)
        assert "no active VBDs.\ninactive VBDs:\nuuid ( RO)" in shown and drive["vbd"]["uuid"] in shown, shown
        name = t("host-list", "params=name-label", "--minimal").strip()
        shown = t("diagnostic-vm-status", f"uuid={vm}")
        assert re.search(r"possible-hosts \(SRO\): [0-9a-f-]{36}\n", shown), shown
        assert drive["vdi"]["uuid"] in shown and re.search(f"^{name} *: OK$", shown, re.M), shown
        assert re.search("VM is not agile because: .*HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED.*\n$", shown), shown
        t("vm-start", "vm=web")
        assert "active VBDs:\nuuid" in t("diagnostic-vdi-status", disk)
        t("host-disable", f"host={name}")
        assert re.search(rf"^{name} *: Cannot start here \[.*disabled", t("diagnostic-vm-status", "uuid=web"), re.M)
        assert "There is no VDI" in t.fails(1, "diagnostic-vdi-status", "uuid=x")
        t.fails(2, "diagnostic-vm-status", "uuid=web", "colour=red")


def test_a_record_with_what_was_selected():
    with Host() as host:
        t = Tool(host)
        sr, host_uuid = storage(host, t), t("host-list", "--minimal").strip()
        assert "There is no PVS_site" in t.fails(1, "pvs-cache-storage-create", f"sr-uuid={sr}", "pvs-site-uuid=x", "size=1GiB")
        uuid = t("pvs-cache-storage-create", f"host={host_uuid}", f"sr-uuid={sr}", "pvs-site-uuid=", "size=1GiB").strip()
        record, = json.loads(t("pvs-cache-storage-list", "--json"))
        assert [record[key] for key in ("uuid", "host-uuid", "sr-uuid", "size")] == [uuid, host_uuid, sr, 1 << 30], record


def test_observers_and_rate_limits():
    with Host() as host:
        t = Tool(host)
        host_uuid = t("host-list", "--minimal").strip()
        uuid = t("observer-create", "name-label=x", f"host-uuids={host_uuid}", "attributes:a=b").strip()
        record, = json.loads(t("observer-list", "--json"))
        assert (record["uuid"], record["host-uuids"], record["endpoints"], record["attributes"]) == \
            (uuid, [host_uuid], ["bugtool"], {"a": "b"}), record
        t("rate-limit-create", "burst-size=1.5", "fill-rate=2")
        assert json.loads(t("rate-limit-list", "--json"))[0]["burst-size"] == 1.5
        assert "caller-uuids" in t.fails(2, "rate-limit-create", "burst-size=1", "fill-rate=2", "caller-uuids=x")


def test_called_xe_it_prints_as_xe():
    with Host() as host:
        t = Tool(host)
        storage(host, t)
        xe = Tool(host)
        xe.name = host.dir / "xe"
        xe.name.symlink_to(XTOOL)
        uuids = [t("vdi-list", f"name-label={name}", "--minimal").strip() for name in ("first.iso", "second.iso")]
        assert xe("cd-list") == (f"uuid ( RO)          : {uuids[0]}\n    name-label ( RW): first.iso\n\n\n"
                                 f"uuid ( RO)          : {uuids[1]}\n    name-label ( RW): second.iso\n\n\n")


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

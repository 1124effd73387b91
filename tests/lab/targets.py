#!/usr/bin/python3
"""Scenarios of test-targets.sh: targets.py SCENARIO NAME ADDRESS PASSWORD."""
from xml.etree import ElementTree

from api import client, dom0, guest, run_scenario
from devices import guest_says, kernel_has, repository_on, up
from host import fails
from hvm import READ, WRITE
from storage import disk, drive, handles

# As tests/lab/drivers.sh serves it.
PORTAL = {"target": "127.0.0.1"}
CHAP = {"chapuser": "chap-user", "chappassword": "$(reboot);chap-1"}


def told(code, x, kind, config):
    """What a probe that does not say enough tells there is."""
    failure = fails(f"SR_BACKEND_FAILURE_{code}", x.SR.probe, x.host.get_all()[0], config, kind, {})
    return ElementTree.fromstring(failure.params[2])


def target_config(x):
    """As a client finds its way to a disk."""
    iqn, = (one.findtext("TargetIQN") for one in told(96, x, "lvmoiscsi", PORTAL))
    fails("SR_BACKEND_FAILURE_68", x.SR.probe, x.host.get_all()[0], {**PORTAL, "targetIQN": iqn}, "lvmoiscsi", {})
    secret = x.secret.create({"value": CHAP["chappassword"], "other_config": {}})
    whose = {**PORTAL, "targetIQN": iqn, "chapuser": CHAP["chapuser"], "chappassword_secret": x.secret.get_uuid(secret)}
    lun, = told(107, x, "lvmoiscsi", whose)
    x.secret.destroy(secret)
    return {**PORTAL, **CHAP, "targetIQN": iqn, "SCSIid": lun.findtext("SCSIid")}


def bus_config(x):
    """The disk of scsi_debug."""
    identity, = (one.findtext("SCSIid") for one in told(107, x, "lvmohba", {}) if one.findtext("vendor") == "Linux")
    return {"SCSIid": identity}


def sessions(name):
    return dom0(name, "ls /sys/class/iscsi_session").split()


def kept(name, address, password):
    """A guest's disks on a target of iSCSI and on a bus: it writes, the repositories are forgotten and found, and it reads.
    A password is nobody's to read, and a session is there while a repository is."""
    x = client(address, password)
    me = x.host.get_all()[0]
    configs = {"lvmoiscsi": target_config(x), "lvmohba": bus_config(x)}
    assert not sessions(name)
    srs = {kind: repository_on(x, kind, config) for kind, config in configs.items()}
    assert len(sessions(name)) == 1
    pbd, = x.SR.get_PBDs(srs["lvmoiscsi"])
    assert "chappassword" not in x.PBD.get_device_config(pbd) and len(x.secret.get_all()) == 1
    vdis = [disk(x, sr, "raw") for sr in srs.values()]
    vm = x.VM.create(guest("on targets", "pvh", "console=hvc0 lab.count=0"))
    for vdi in vdis:
        drive(x, vm, vdi)
    uuid = x.VM.get_uuid(vm)
    x.VM.start(vm, False, False)
    up(name, uuid)
    guest_says(name, uuid, f"{WRITE} of=/dev/xvda && {WRITE} of=/dev/xvdb", "WRITTEN")
    for sr in srs.values():
        fails("VDI_IN_USE", x.PBD.unplug, x.SR.get_PBDs(sr)[0])
    x.VM.hard_shutdown(vm)
    assert not handles(name)
    snapshot = x.VDI.snapshot(vdis[0])
    uuids = {kind: x.SR.get_uuid(sr) for kind, sr in srs.items()}
    there = {x.VDI.get_uuid(vdi) for vdi in (*vdis, snapshot)}
    numbers = {x.VDI.get_uuid(vdi): number for number, vdi in enumerate(vdis)}
    x.VM.destroy(vm)
    for sr in srs.values():
        x.PBD.unplug(x.SR.get_PBDs(sr)[0])
        x.SR.forget(sr)
    assert kernel_has(name) == (set(), []) and not sessions(name) and not x.secret.get_all(), kernel_has(name)
    for kind, config in configs.items():
        found = ElementTree.fromstring(x.SR.probe(me, config, kind, {}))
        assert [one.findtext("UUID") for one in found] == [uuids[kind]], ElementTree.tostring(found)
        srs[kind] = x.SR.introduce(uuids[kind], kind, "", kind, "user", False, {})
        x.PBD.plug(x.PBD.create({"host": me, "SR": srs[kind], "device_config": config}))
    assert {x.VDI.get_uuid(vdi) for sr in srs.values() for vdi in x.SR.get_VDIs(sr)} == there
    vm = x.VM.create(guest("on targets again", "pvh", "console=hvc0 lab.count=0"))
    for one in sorted(numbers, key=numbers.get):
        drive(x, vm, x.VDI.get_by_uuid(one))
    uuid = x.VM.get_uuid(vm)
    x.VM.start(vm, False, False)
    up(name, uuid)
    guest_says(name, uuid, f"( {READ} /dev/xvda ) && ( {READ} /dev/xvdb )", "READ-AGAIN")
    x.VM.hard_shutdown(vm)
    x.VM.destroy(vm)
    for sr in srs.values():
        for vdi in x.SR.get_VDIs(sr):
            x.VDI.destroy(vdi)
        x.PBD.unplug(x.SR.get_PBDs(sr)[0])
        x.SR.destroy(sr)
    assert kernel_has(name) == (set(), []) and not sessions(name), kernel_has(name)


if __name__ == "__main__":
    run_scenario(globals())

"""What the drivers lvmoiscsi and lvmohba do with the disks of targets and of buses."""
import os
import time
from pathlib import Path
from xml.etree import ElementTree

import tap
from driver import Driver, Refused, attach, attached, document, qemu_io, refuses
from places import MIB, said


def without(config, *names):
    return {name: value for name, value in config.items() if name not in names}


def targets_that_are_none(driver):
    """What is no name of a server, a port, a target or a user is refused, wherever it is said."""
    whole = {"target": "127.0.0.1", "targetIQN": "iqn.2026-01.org.xapid:none", "SCSIid": "3000", "chapuser": "user", "chappassword": "password"}
    for number, wrong in (("95", {"target": "-o"}), ("95", {"target": "a b"}), ("95", {"target": "a;reboot"}), ("95", {"target": "x" * 300}),
                          ("142", {"port": "0"}), ("142", {"port": "65536"}), ("142", {"port": "3260 "}),
                          ("106", {"targetIQN": "disks"}), ("106", {"targetIQN": "iqn.a\nb"}), ("106", {"targetIQN": "iqn.$(reboot)"}),
                          ("106", {"targetIQN": "iqn." + "x" * 200}),
                          ("91", {"chappassword": ""}), ("91", {"chappassword": "a\nnode.startup=automatic"}), ("91", {"chapuser": "x" * 256})):
        for call in ("sr.create", "sr.probe", "sr.attach"):
            refuses(f"SR_BACKEND_FAILURE_{number}", Driver(driver.program, {**whole, **wrong}).call, call, size=0)


def targets(driver):
    """Who does not say which target, or which disk, is told; a session ends with its last user, and one that was there
    stays."""
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
    for code, other in (("140", {"target": "nobody.invalid"}), ("68", {"chappassword": "wrongwrong12"}), ("68", {"targetIQN": "iqn.none"}),
                        ("68", {"port": "1"}), ("47", {"SCSIid": "3000"}), ("107", {"SCSIid": "a b"})):
        refuses(f"SR_BACKEND_FAILURE_{code}", of(**other).call, "sr.create", size=0)
    place.check_empty()
    driver.call("sr.create", size=0)
    place.check_gone()
    attached(driver)
    sessions = place.sessions()
    assert len(sessions) == 1
    refuses(None, of().call, "sr.attach")  # no repository of that uuid is there
    refuses("SR_BACKEND_FAILURE_42", of().call, "sr.create", size=0)
    assert [sr["uuid"] for sr in of().call("sr.probe")["repositories"]] == [driver.sr]
    assert place.sessions() == sessions
    for fault in ("iscsi.rescan.after=kill", "iscsi.rescan.before=error"):
        try:
            driver.call("sr.attach", fault)
            raise AssertionError(f"{fault} was not reached")
        except (ProcessLookupError, Refused):
            assert place.sessions() == sessions
            driver.call("sr.attach")
    vdi = driver.create()["uuid"]
    qemu_io(attach(driver, vdi), "write -P 5 0 1m")
    driver.call("sr.detach")
    place.check_gone()
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


def disks_that_are_none(driver):
    for number, identity in (("107", "a b"), ("107", "x" * 300), ("107", "3\n"), ("47", "30000")):
        for call in ("sr.create", "sr.probe", "sr.attach"):
            refuses(f"SR_BACKEND_FAILURE_{number}", Driver(driver.program, {"SCSIid": identity}).call, call, size=0)


def disks_of_buses(driver):
    """Who does not say which disk is told; one that is taken stays as it is."""
    for call in ("sr.probe", "sr.create"):
        told = document("SR_BACKEND_FAILURE_107", Driver(driver.program, {}).call, call, size=0)
        device, = [one for one in told if one.findtext("SCSIid") == driver.config["SCSIid"]]
        assert told.tag == "Devlist" and device.findtext("path") == driver.place.where(), ElementTree.tostring(told)
        assert int(device.findtext("size")) > MIB and device.findtext("hba").startswith("host")
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

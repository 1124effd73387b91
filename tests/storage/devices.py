"""What the drivers ext and lvm do with devices."""
import os
import shutil
import uuid
from pathlib import Path

from driver import Driver, Refused, attach, attached, qemu_io, refuses
from places import MIB, said


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

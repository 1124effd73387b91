"""What drivers of files do with images that nobody needs any more: they become one with those below."""
import os
import random
import subprocess
import time
import uuid
from pathlib import Path

from driver import attach, attached, clone, contents, qemu_io, refuses
from places import MIB


def images(driver):
    """How many there are."""
    return len([name for name in os.listdir(driver.config["location"]) if name.endswith(".qcow2")])


def join(driver, rate=0):
    """As xapid does: what is next, until there is nothing."""
    for _ in range(100):
        told = driver.call("sr.chains", attached=[])
        if "disks" not in told:
            assert told == {"in_use": False}
            return
        driver.call("sr.coalesce", rate=rate, attached=[], disks=told["disks"])
    raise AssertionError(told)


def chains_become_short(driver):
    """Whichever snapshots of a disk go: what is left reads the same, and nothing is kept that nobody needs; in any order, with
    disks that grew meanwhile and clones of snapshots."""
    attached(driver)
    folder = Path(driver.config["location"])
    ways = ((0,), (1,), (3,), (0, 1), (1, 2), (2, 3), (0, 1, 2, 3), (3, 1))
    chosen = random.sample(ways, min(len(ways), max(2, int(os.environ.get("XAPID_KILLS", "0")) // 100)))
    print(f"# snapshots that go, sample/full: {len(chosen)}/{len(ways)}: {chosen}")
    for gone in chosen:
        vdi, snapshots = driver.create()["uuid"], []
        for number in range(4):
            qemu_io(attach(driver, vdi), f"write -P {number + 1} {number} 2m", f"discard {number * 64}k 64k", f"write -z {4 + number}m 64k")
            snapshots.append(clone(driver, vdi)["uuid"])
        driver.call("vdi.resize", vdi=vdi, virtual_size=16 * MIB)
        qemu_io(attach(driver, vdi), "write -P 9 15m 1m")
        other = clone(driver, snapshots[2])["uuid"]
        qemu_io(attach(driver, other), "write -P 10 1m 1m")
        left = [vdi, other, *(snapshot for number, snapshot in enumerate(snapshots) if number not in gone)]
        before = {disk: contents(attach(driver, disk)) for disk in left}
        for number in gone:
            driver.call("vdi.destroy", vdi=snapshots[number])
        assert set(driver.call("sr.chains", attached=[])["disks"]) <= set(left)
        join(driver)
        driver.call("sr.coalesce", rate=0, attached=[], disks=left)
        driver.place.check(driver)
        assert {disk: contents(attach(driver, disk)) for disk in left} == before
        # Of n disks that have anything in common, each image below stands below two.
        assert images(driver) <= 2 * len(left) - 1, (images(driver), left)
        volumes = driver.volumes()
        assert set(volumes) == set(left) and volumes[vdi]["virtual_size"] == 16 * MIB
        qemu_io(attach(driver, vdi), "write -P 11 0 64k", "read -P 9 15m 1m")
        for disk in left:
            driver.call("vdi.destroy", vdi=disk)
        assert os.listdir(folder) == ["xapid-sr.json"], os.listdir(folder)


def space_comes_back(driver):
    """With the last snapshot that shared it, at the rate that was said; and there is none to write to when there is no room."""
    attached(driver)
    vdi = driver.create(size=64 * MIB)["uuid"]
    qemu_io(attach(driver, vdi), "write -P 1 0 8m")
    snapshot = clone(driver, vdi)["uuid"]
    qemu_io(attach(driver, vdi), "write -P 2 0 8m")
    used = sum(path.stat().st_blocks * 512 for path in Path(driver.config["location"]).iterdir())
    driver.call("vdi.destroy", vdi=snapshot)
    begin = time.monotonic()
    join(driver, 8 * MIB)
    assert time.monotonic() - begin > 0.5, "8 MiB at 8 MiB a second"
    assert used - sum(path.stat().st_blocks * 512 for path in Path(driver.config["location"]).iterdir()) > 7 * MIB
    assert images(driver) == 1 and attach(driver, vdi)["bases"] == []
    qemu_io(attach(driver, vdi), "read -P 2 0 8m")
    refuses("INVALID_VALUE", driver.call, "sr.coalesce", rate=-1, attached=[], disks=[vdi])
    refuses("INVALID_VALUE", driver.call, "sr.coalesce", rate=0, attached=[])


def disks_in_use_keep_theirs(driver):
    """Nothing below a disk that somebody has is touched, nor what a record that cannot be read may need; headers are asked."""
    attached(driver)
    vdi = driver.create()["uuid"]
    qemu_io(attach(driver, vdi), "write -P 1 0 1m")
    first, second = (clone(driver, vdi)["uuid"] for _ in range(2))
    driver.call("vdi.destroy", vdi=first)
    folder = Path(driver.config["location"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def unchanged():
        return {path.name: path.read_bytes() for path in folder.iterdir()} == before

    for has in ([vdi], [second], [vdi, second]):
        assert driver.call("sr.chains", attached=has) == {"in_use": True}
        driver.call("sr.coalesce", rate=0, attached=has, disks=[vdi, second])
        assert unchanged()
    assert sorted(driver.call("sr.chains", attached=[])["disks"]) == sorted([vdi, second])
    for disks in ([], [vdi], [second]):  # another one's, too
        driver.call("sr.coalesce", rate=0, attached=[], disks=disks)
        assert unchanged()
    record = folder / f"{second}.json"
    record.write_text("{")
    for call in ("sr.coalesce", "sr.chains"):
        refuses("SR_BACKEND_FAILURE_65", driver.call, call, rate=0, attached=[], disks=[vdi, second])
    record.write_bytes(before[record.name])
    where = attach(driver, vdi)
    middle = Path(where["bases"][0])
    subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "/etc/hostname", "-F", "raw", middle], check=True)
    refuses("SR_BACKEND_FAILURE_65", driver.call, "sr.coalesce", rate=0, attached=[], disks=[vdi, second])
    middle.write_bytes(before[middle.name])
    assert unchanged()
    # A base that is lost is missed: it was not joined.
    base = Path(where["bases"][1])
    base.unlink()
    for disk in (vdi, second):
        refuses("SR_BACKEND_FAILURE_65", attach, driver, disk)
    base.write_bytes(before[base.name])
    driver.call("sr.coalesce", rate=0, attached=[str(uuid.uuid4())], disks=[vdi, second])
    assert images(driver) == 3
    for disk in (vdi, second):
        qemu_io(attach(driver, disk), "read -P 1 0 1m")

"""What drivers of files do with images: copies, clones, disks that change places, headers that lie."""
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tap
from driver import Driver, attach, attached, clone, contents, qemu_io, refuses
from places import MIB


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
    unit = driver.place.unit

    def made(image_format, size, pattern):
        vdi = driver.call("vdi.create", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user", virtual_size=size,
                          sm_config={"image-format": image_format})["uuid"]
        qemu_io(attach(driver, vdi), f"write -P {pattern} 0 64k")
        return vdi

    for formats in itertools.product(driver.place.formats, repeat=2):
        vdi, other = made(formats[0], unit, 1), made(formats[1], 2 * unit, 2)
        below = clone(driver, vdi)  # then it stands on a base that this one has, too
        for _ in range(2):
            assert exchange(driver, vdi, other)["virtual_size"] == 2 * unit
            assert (attach(driver, vdi)["format"], attach(driver, other)["format"]) == (formats[1], formats[0])
            qemu_io(attach(driver, vdi), "read -P 2 0 64k")
            qemu_io(attach(driver, other), "read -P 1 0 64k")
        for _ in range(2):
            assert exchange(driver, vdi, other, True)["virtual_size"] == unit
            qemu_io(attach(driver, vdi), "read -P 1 0 64k")
        exchange(driver, vdi, other)
        sizes = {uuid: volume["virtual_size"] for uuid, volume in driver.volumes().items()}
        assert (sizes.pop(vdi), sizes.pop(other)) == (2 * unit, unit) and len(sizes) == bool(below), sizes
        refuses("SR_NOT_EMPTY", driver.call, "sr.destroy")
        driver.call("vdi.destroy", vdi=other)
        driver.place.check(driver)
        exchange(driver, vdi, other, True)  # it is gone: there is no way back, and none is missed
        qemu_io(attach(driver, vdi), "read -P 2 0 64k")
        for kept in (below["uuid"], clone(driver, below["uuid"])["uuid"]) if below else ():
            qemu_io(attach(driver, kept), "read -P 1 0 64k")
            driver.call("vdi.destroy", vdi=kept)
        third = clone(driver, vdi)
        driver.call("vdi.destroy", vdi=vdi)
        if third:
            qemu_io(attach(driver, third["uuid"]), "read -P 2 0 64k")
            driver.call("vdi.destroy", vdi=third["uuid"])
        assert driver.volumes() == {}
        driver.place.check(driver)
    # The one that was given up stays, whoever goes first, and may change places itself.
    vdi, other, third = made(formats[0], unit, 1), made(formats[0], unit, 2), made(formats[0], unit, 3)
    exchange(driver, vdi, other)
    exchange(driver, other, third)
    for disk, pattern in ((vdi, 2), (other, 3), (third, 1)):
        qemu_io(attach(driver, disk), f"read -P {pattern} 0 64k")
    exchange(driver, other, third, True)
    driver.call("vdi.destroy", vdi=vdi)
    for disk, pattern in ((other, 1), (third, 3)):
        qemu_io(attach(driver, disk), f"read -P {pattern} 0 64k")
        driver.call("vdi.destroy", vdi=disk)
    driver.place.check(driver)
    vdi = made(formats[0], unit, 1)
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
            # Until it is gone, the answer has no end.
            assert os.readlink(f"/proc/{running.pid}/fd/1") in [os.readlink(fd) for fd in Path(f"/proc/{tool}/fd").iterdir()]
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

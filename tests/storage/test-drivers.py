#!/usr/bin/python3
"""What every storage driver does, of docs/storage-driver.md: ours, and the sample.

test-drivers.py [PROGRAM DEVICE_CONFIG]: another one, with the device_config (JSON) of a new, empty place."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "unit")]
import tap

BUILDDIR = Path(os.environ.get("BUILDDIR", "."))
MIB = 1 << 20
CAN_ALL = {"SR_CREATE", "SR_DELETE", "SR_SCAN", "SR_STATS", "VDI_CREATE", "VDI_DELETE", "VDI_RESIZE", "VDI_ATTACH",
           "VDI_DETACH"}


class Refused(Exception):
    pass


class Driver:
    def __init__(self, program, config):
        self.program, self.config, self.sr = program, config, str(uuid.uuid4())

    def run(self, text, fault=None):
        return subprocess.run([self.program], input=text, capture_output=True, text=True, timeout=60, cwd="/",
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C", **({"XAPID_FAULT": fault} if fault else {})})

    def call(self, name, fault=None, **args):
        request = {"call": name, "args": {"sr": self.sr, "device_config": self.config, **args}}
        done = self.run(json.dumps(request), fault)
        if done.returncode < 0:
            raise ProcessLookupError(f"{name} ended by signal {-done.returncode}")
        assert done.returncode == 0, (name, done)
        answer = json.loads(done.stdout)
        if "error" in answer:
            error = answer["error"]
            assert error["code"].isupper() and all(isinstance(param, str) for param in error["params"]), error
            raise Refused(error["code"], *error["params"])
        assert set(answer) == {"result"}, answer
        return answer["result"]

    def create(self, vdi=None, size=8 * MIB, fault=None, **more):
        vdi = vdi or str(uuid.uuid4())
        return self.call("vdi.create", fault, vdi=vdi, name_label="a disk", name_description="of words", type="user",
                         virtual_size=size, sm_config={}, **more)

    def volumes(self):
        return {volume["uuid"]: volume for volume in self.call("sr.scan")["volumes"]}


def contents(path, image_format):
    """A checksum of what a guest would read."""
    with tempfile.NamedTemporaryFile(prefix="xapid-test-") as raw:
        subprocess.run(["qemu-img", "convert", "-f", image_format, "-O", "raw", path, raw.name], check=True)
        return hashlib.sha256(Path(raw.name).read_bytes()).hexdigest()


def qemu_io(path, image_format, *commands):
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", "-f", image_format, *words, path], capture_output=True, text=True, check=True)
    assert "failed" not in done.stdout + done.stderr, done


def refuses(code, function, *args, **fields):
    try:
        function(*args, **fields)
    except Refused as refused:
        assert code is None or refused.args[0] == code, refused
        return
    raise AssertionError(f"it was done, instead of {code}")


def attached(driver):
    driver.call("sr.create", size=0)
    driver.call("sr.create", size=0)
    driver.call("sr.attach")
    driver.call("sr.attach")
    return driver


def tells_what_it_can(driver):
    told = driver.call("query")
    assert {"name_label", "vendor", "version", "required_api_version", "capabilities", "configuration"} <= set(told)
    assert isinstance(told["configuration"], dict) and set(told["capabilities"]) & {"VDI_ATTACH"}, told
    refuses("SR_OPERATION_NOT_SUPPORTED", driver.call, "vdi.fly", vdi=str(uuid.uuid4()))
    nowhere = Driver(driver.program, {})
    refuses(None, nowhere.call, "sr.attach")


def disks_from_beginning_to_end(driver):
    attached(driver)
    assert driver.volumes() == {}
    stat = driver.call("sr.stat")
    assert stat["physical_size"] >= stat["physical_utilisation"] >= 0, stat
    made = driver.create()
    vdi = made["uuid"]
    assert driver.create(vdi)["virtual_size"] == made["virtual_size"] >= 8 * MIB
    volume = driver.volumes()[vdi]
    assert (volume["name_label"], volume["name_description"], volume["type"]) == ("a disk", "of words", "user"), volume
    grown = driver.call("vdi.resize", vdi=vdi, virtual_size=16 * MIB)
    assert grown["virtual_size"] >= 16 * MIB
    driver.call("vdi.resize", vdi=vdi, virtual_size=16 * MIB)
    refuses("VDI_TOO_SMALL", driver.call, "vdi.resize", vdi=vdi, virtual_size=MIB)
    other = str(uuid.uuid4())
    for name in ("vdi.resize", "vdi.attach"):
        refuses("VDI_MISSING", driver.call, name, vdi=other, virtual_size=32 * MIB, handle=other, read_only=False)
    for _ in range(2):
        where = driver.call("vdi.attach", vdi=vdi, handle=other, read_only=False, sharable=False)
        assert where["kind"] in ("file", "block") and where["format"] in ("raw", "qcow2"), where
        assert os.path.isabs(where["path"]) and os.path.exists(where["path"]), where
    for _ in range(2):
        driver.call("vdi.detach", vdi=vdi, handle=other)
    refuses("SR_NOT_EMPTY", driver.call, "sr.destroy")
    stranger = Driver(driver.program, driver.config)
    refuses(None, stranger.call, "sr.create", size=0)
    refuses(None, stranger.call, "sr.attach")
    for _ in range(2):
        driver.call("vdi.destroy", vdi=vdi)
    assert driver.volumes() == {}
    for name in ("sr.detach", "sr.detach", "sr.destroy", "sr.destroy"):
        driver.call(name)


def many_disks(driver):
    attached(driver)
    made = {driver.create(size=MIB * (1 + i))["uuid"] for i in range(20)}
    assert set(driver.volumes()) == made
    for vdi in made:
        driver.call("vdi.destroy", vdi=vdi)
    driver.call("sr.destroy")


def nonsense_is_refused(driver):
    for text in ("", "{", "[]", "null", '{"call": 1}', '{"call": "sr.scan"}', '{"call": "sr.scan", "args": []}'):
        done = driver.run(text)
        assert done.returncode != 0 or "error" in json.loads(done.stdout), (text, done)
    for vdi in ("", "..", "../../etc/passwd", "a b", "-rf"):
        refuses(None, driver.create, vdi)
    for size in (0, -1, 1 << 60):
        refuses(None, driver.create, None, size)


def life(driver, image_format, fault):
    """A disk's whole life, in which each call meets the fault once and is made again.  Was it met?"""
    met = []

    def insist(name, **args):
        try:
            return driver.call(name, fault, **args)
        except (ProcessLookupError, Refused) as error:
            met.append(error)
            return driver.call(name, **args)

    vdi, other, half = (str(uuid.uuid4()) for _ in range(3))
    made = {"name_label": "n", "name_description": "", "type": "user", "virtual_size": MIB,
            "sm_config": {"image-format": image_format}}
    insist("sr.create", size=0)
    insist("sr.attach")
    insist("vdi.create", vdi=vdi, **made)
    try:  # half made, then given up
        driver.call("vdi.create", fault, vdi=half, **made)
    except (ProcessLookupError, Refused):
        pass
    driver.call("vdi.destroy", vdi=half)
    insist("vdi.resize", vdi=vdi, virtual_size=2 * MIB)
    source = driver.call("vdi.attach", vdi=vdi, handle=half, read_only=True, sharable=False)
    qemu_io(source["path"], image_format, "write -P 7 64k 300k")
    copy = {**made, "virtual_size": 2 * MIB, "source": source}
    insist("vdi.copy", vdi=other, **copy)
    try:
        driver.call("vdi.copy", fault, vdi=half, **copy)
    except (ProcessLookupError, Refused):
        pass
    driver.call("vdi.destroy", vdi=half)
    sizes = {uuid: volume["virtual_size"] for uuid, volume in driver.volumes().items()}
    assert sizes == {vdi: 2 * MIB, other: 2 * MIB}, sizes
    there = sorted(os.listdir(driver.config["location"]))
    files = [f"{name}.{end}" for name in (vdi, other) for end in ("json", image_format)]
    assert there == sorted([*files, "xapid-sr.json"]), there
    insist("vdi.destroy", vdi=vdi)
    copied = driver.call("vdi.attach", vdi=other, handle=half, read_only=True, sharable=False)
    qemu_io(copied["path"], image_format, "read -P 0 0 64k", "read -P 7 64k 300k", "read -P 0 364k 1684k")
    insist("vdi.destroy", vdi=other)
    insist("sr.destroy")
    there = os.listdir(driver.config["location"])
    assert not there, there
    return bool(met)


def kills(driver):
    """Killed, or failing, at each of its fault points, a call that is made again ends well."""
    listed = subprocess.run([driver.program, "--fault-points"], capture_output=True, text=True, check=True).stdout
    for point in (line.split()[0] for line in listed.splitlines()):
        for way in ("kill", "error"):
            for image_format in ("raw", "qcow2"):
                assert life(driver, image_format, f"{point}={way}"), f"{point} was not reached"


def attach(driver, vdi):
    return driver.call("vdi.attach", vdi=vdi, handle=str(uuid.uuid4()), read_only=True, sharable=False)


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
                qemu_io(source["path"], source_format, "write -P 1 0 64k", "write -P 2 33m 1m")
                for wanted in ("raw", "qcow2", None):
                    vdi, config = str(uuid.uuid4()), {"image-format": wanted} if wanted else {}
                    for _ in range(2):
                        copy = driver.call("vdi.copy", vdi=vdi, name_label="copy", name_description="", type="user",
                                           virtual_size=64 * MIB, sm_config=config, source=source)
                        assert copy["virtual_size"] == 64 * MIB and copy["physical_utilisation"] < 4 * MIB, copy
                    is_now = attach(driver, vdi)
                    assert is_now["format"] == (wanted or source_format), is_now
                    assert contents(is_now["path"], is_now["format"]) == contents(source["path"], source_format)
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


def copies_that_are_ended(driver):
    """Killed anywhere in the middle: the tool, even one that stands still, ends with its driver, and nothing of the
    copy stays."""
    attached(driver)
    source = attach(driver, driver.create(size=1 << 40)["uuid"])
    qemu_io(source["path"], "qcow2", "write -P 1 0 256m")
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


def on(program, test, config=None):
    """The test, in a new folder when no place is named."""
    def run():
        folder = tempfile.mkdtemp(prefix="xapid-test-")
        try:
            test(Driver(program, config or {"location": folder}))
        finally:
            shutil.rmtree(folder)
    run.__name__ = f"test_{Path(program).name}_{test.__name__}"
    return run


GENERAL = (tells_what_it_can, disks_from_beginning_to_end, many_disks)
if len(sys.argv) == 3:
    tests = [on(sys.argv[1], test, json.loads(sys.argv[2])) for test in GENERAL]
else:
    ours = BUILDDIR.resolve() / "storage-repos/file/file"
    tests = [on(program, test) for program in (ours, HERE / "sample") for test in GENERAL]
    tests += [on(ours, test) for test in (nonsense_is_refused, copies, copies_that_are_ended, kills)]
    tests += [on(BUILDDIR.resolve() / "storage-repos/iso/iso", tells_what_it_can)]
tap.run(*tests)

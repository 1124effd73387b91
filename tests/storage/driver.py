"""One storage driver, as xapid-host calls it, and what QEMU's tools find in the disks that it offers."""
import hashlib
import json
import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from xml.etree import ElementTree

from places import MIB, Folder

BOUND = 300  # seconds, of a call, as xapid-host has it


class Refused(Exception):
    pass


class Driver:
    def __init__(self, program, config, place=None):
        self.program, self.config, self.sr = program, config, str(uuid.uuid4())
        self.place = place or Folder(config)

    def run(self, text, fault=None):
        return subprocess.run([self.program], input=text, capture_output=True, text=True, timeout=BOUND, cwd="/",
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C", **({"XAPID_FAULT": fault} if fault else {})})

    def request(self, name, **args):
        return json.dumps({"call": name, "args": {"sr": self.sr, "device_config": self.config, **args}})

    def call(self, name, fault=None, **args):
        done = self.run(self.request(name, **args), fault)
        if done.returncode < 0:
            raise ProcessLookupError(f"{name} ended by signal {-done.returncode}")
        assert done.returncode == 0, (name, done)
        answer = json.loads(done.stdout.splitlines()[-1])
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


def opened(where):
    """What vdi.attach answered, as QEMU's tools take it, with the images below said."""
    if where["format"] == "raw":
        protocol = "host_device" if where["kind"] == "block" else "file"
        return "json:" + json.dumps({"driver": "raw", "file": {"driver": protocol, "filename": where["path"]}})
    node = None
    for path in (where["path"], *where.get("bases", []))[::-1]:
        node = {"driver": "qcow2", "file": {"driver": "file", "filename": path}, "backing": node}
    return "json:" + json.dumps(node)


def contents(where):
    """A checksum of what a guest would read."""
    with tempfile.NamedTemporaryFile(prefix="xapid-test-") as raw:
        subprocess.run(["qemu-img", "convert", "-O", "raw", opened(where), raw.name], check=True)
        return hashlib.sha256(Path(raw.name).read_bytes()).hexdigest()


def qemu_io(where, *commands):
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", *words, opened(where)], capture_output=True, text=True, check=True)
    assert "failed" not in done.stdout + done.stderr, done


def refuses(code, function, *args, **fields):
    try:
        function(*args, **fields)
    except Refused as refused:
        assert code is None or refused.args[0] == code, refused
        return
    raise AssertionError(f"it was done, instead of {code}")


def document(code, function, *args, **fields):
    """What a refusal tells there is: the elements of its document, in their order."""
    try:
        function(*args, **fields)
    except Refused as refused:
        assert refused.args[0] == code, refused
        return ElementTree.fromstring(refused.args[3])
    raise AssertionError(f"it was done, instead of {code}")


def attached(driver):
    driver.call("sr.create", size=0)
    driver.call("sr.create", size=0)
    driver.call("sr.attach")
    driver.call("sr.attach")
    return driver


def attach(driver, vdi):
    return driver.call("vdi.attach", vdi=vdi, handle=str(uuid.uuid4()), read_only=True, sharable=False)


def clone(driver, source, vdi=None, **more):
    fields = {"name_label": "clone", "name_description": "", "type": "user", "virtual_size": MIB, "sm_config": {}, **more}
    return driver.call("vdi.clone", vdi=vdi or str(uuid.uuid4()), source=source, **fields)

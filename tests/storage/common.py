"""What every driver does."""
import json
import os
import uuid

from driver import Driver, attached, refuses
from places import MIB


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
    if driver.place.holds_one:
        refuses(None, stranger.call, "sr.create", size=0)
    refuses(None, stranger.call, "sr.attach")
    for _ in range(2):
        driver.call("vdi.destroy", vdi=vdi)
    assert driver.volumes() == {}
    for name in ("sr.detach", "sr.detach", "sr.destroy", "sr.destroy"):
        driver.call(name)


def many_disks(driver):
    attached(driver)
    made = {driver.create(size=MIB * (1 + i))["uuid"] for i in range(driver.place.many)}
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

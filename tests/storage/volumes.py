"""What the drivers of volume groups do with volumes."""
import os
import uuid

from driver import Refused, attach, attached, clone, qemu_io, refuses
from places import MIB


def volumes_share(driver):
    """Clones take no room for what they have in common, what was never written reads as zeros, and long names stay."""
    attached(driver)
    words = {"name_label": "ÄÖ, \"=" * 40, "name_description": "x" * 9000}
    source = driver.call("vdi.create", vdi=str(uuid.uuid4()), type="user", virtual_size=64 * MIB, sm_config={}, **words)["uuid"]
    told = driver.volumes()[source]
    assert {name: told[name] for name in words} == words, told
    refuses("INVALID_VALUE", driver.call, "vdi.create", vdi=str(uuid.uuid4()), type="user", virtual_size=MIB, sm_config={},
            name_label="", name_description="x" * 20000)
    refuses("INVALID_VALUE", driver.call, "vdi.create", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user",
            virtual_size=MIB, sm_config={"image-format": "qcow2"})
    refuses("VDI_MISSING", clone, driver, str(uuid.uuid4()))
    qemu_io(attach(driver, source), "write -P 1 0 32m")
    before = driver.call("sr.stat")["physical_utilisation"]
    copy = clone(driver, source)
    assert clone(driver, source, copy["uuid"]) == copy and copy["virtual_size"] == 64 * MIB
    again = clone(driver, copy["uuid"])["uuid"]
    assert driver.call("sr.stat")["physical_utilisation"] - before < 4 * MIB
    qemu_io(attach(driver, copy["uuid"]), "read -P 1 0 32m", "write -P 2 0 1m")
    driver.call("vdi.destroy", vdi=source)
    qemu_io(attach(driver, again), "read -P 1 0 32m", "read -P 0 32m 32m")
    full = driver.call("vdi.copy", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user", sm_config={},
                       virtual_size=64 * MIB, source=attach(driver, copy["uuid"]))
    assert full["physical_utilisation"] <= 40 * MIB, full
    qemu_io(attach(driver, full["uuid"]), "read -P 2 0 1m", "read -P 1 1m 31m")
    for vdi in driver.volumes():
        driver.call("vdi.destroy", vdi=vdi)
    fresh = driver.create(size=64 * MIB)["uuid"]
    qemu_io(attach(driver, fresh), "read -P 0 0 64m")
    # More than there is: the pool says so at once, and what is there stays.
    huge = driver.create(size=1 << 40)["uuid"]
    with open(attach(driver, huge)["path"], "rb"):
        refuses("SR_BACKEND_FAILURE_80", driver.call, "vdi.destroy", vdi=huge)
    with open(attach(driver, huge)["path"], "r+b", buffering=0) as device:
        try:
            for _ in range(1000):
                device.write(b"x" * MIB)
                os.fsync(device)
            raise AssertionError("more was written than there is")
        except OSError:
            pass
    try:
        driver.call("vdi.copy", vdi=str(uuid.uuid4()), name_label="", name_description="", type="user", sm_config={},
                    virtual_size=1 << 40, source=attach(driver, huge))
        raise AssertionError("there was room for a copy")
    except Refused as refused:
        assert refused.args[0] == "SR_BACKEND_FAILURE_44", refused
    driver.call("vdi.destroy", vdi=huge)
    driver.call("sr.attach")
    driver.place.check(driver)
    qemu_io(attach(driver, fresh), "write -P 3 0 1m", "read -P 3 0 1m")

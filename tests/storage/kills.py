"""Calls that are broken off at each of the fault points of a driver."""
import os
import random
import sys
import uuid
from pathlib import Path

from driver import Refused, attach, qemu_io
from places import Folder, said


def life(driver, image_format, fault):
    """A disk's whole life, in which each call meets the fault once and is made again.  Was it met?"""
    met = []

    def insist(name, **args):
        try:
            return driver.call(name, fault, **args)
        except (ProcessLookupError, Refused) as error:
            met.append(error)
            if name == "vdi.exchange":
                assert set(driver.volumes()) == {vdi, other, changed}
            return driver.call(name, **args)

    def begin(name, **args):
        """Half made, then given up."""
        try:
            driver.call(name, fault, **args)
        except (ProcessLookupError, Refused):
            pass
        driver.call("vdi.destroy", vdi=args["vdi"])

    unit, place = driver.place.unit, driver.place
    vdi, other, third, half, changed = (str(uuid.uuid4()) for _ in range(5))
    made = {"name_label": "n", "name_description": "", "type": "user", "virtual_size": unit,
            "sm_config": {"image-format": image_format}}
    insist("sr.create", size=0)
    insist("sr.attach")
    insist("vdi.create", vdi=vdi, **made)
    begin("vdi.create", vdi=half, **made)
    insist("vdi.resize", vdi=vdi, virtual_size=2 * unit)
    place.disturb(driver, vdi)
    source = insist("vdi.attach", vdi=vdi, handle=str(uuid.uuid4()), read_only=True, sharable=False)
    qemu_io(source, "write -P 7 64k 300k")
    copy = {**made, "virtual_size": 2 * unit, "source": source}
    insist("vdi.copy", vdi=other, **copy)
    begin("vdi.copy", vdi=half, **copy)
    if "VDI_EXCHANGE" in driver.call("query")["capabilities"]:
        insist("vdi.copy", vdi=changed, **copy)
        qemu_io(attach(driver, changed), "write -P 5 64k 300k")
        for back in (False, True, False):
            insist("vdi.exchange", vdi=other, **{"with": changed, "back": back})
            qemu_io(attach(driver, other), f"read -P {7 if back else 5} 64k 300k")
            qemu_io(attach(driver, changed), f"read -P {5 if back else 7} 64k 300k")
        insist("vdi.destroy", vdi=changed)
        place.check(driver)
        qemu_io(attach(driver, other), "read -P 5 64k 300k", "write -P 7 64k 300k")
    clone = {**made, "virtual_size": 2 * unit, "source": vdi}
    begin("vdi.clone", vdi=half, **clone)
    place.check(driver)
    expected, reads = {vdi, other}, ("read -P 0 0 64k", "read -P 7 64k 300k", f"read -P 0 364k {2 * unit // 1024 - 364}k")
    qemu_io(attach(driver, vdi), *reads)
    if insist("vdi.clone", vdi=third, **clone):
        expected.add(third)
    sizes = {uuid: volume["virtual_size"] for uuid, volume in driver.volumes().items()}
    assert sizes == dict.fromkeys(expected, 2 * unit), sizes
    place.check(driver)
    insist("sr.detach")
    insist("sr.attach")
    qemu_io(attach(driver, vdi), *reads, "write -P 8 64k 300k")
    insist("vdi.destroy", vdi=vdi)
    place.check(driver)
    expected.remove(vdi)
    if "SR_COALESCE" in driver.call("query")["capabilities"]:
        insist("sr.coalesce", rate=0, attached=[], disks=sorted(expected))
        place.check(driver)
        assert driver.call("sr.chains", attached=[]) == {"in_use": False}
        for kept in expected:
            assert attach(driver, kept)["bases"] == []
    for copied in expected:
        qemu_io(attach(driver, copied), *reads)
        insist("vdi.destroy", vdi=copied)
        place.check(driver)
    insist("sr.detach")
    insist("sr.destroy")
    place.check_empty()
    return bool(met)


def kills(driver):
    """Killed, or failing, at each of its fault points, a call that is made again ends well."""
    points = [line.split()[0] for line in said(driver.program, "--fault-points").splitlines()]
    faults = [(f"{point}={way}", image_format) for point in points if not point.startswith(driver.place.elsewhere)
              for way in ("kill", "error")
              for image_format in driver.place.formats
              # A raw file is copied, and shares nothing.
              if image_format != "raw" or not point.startswith(("file.vdi.clone.", "file.leftover.", "file.sr.coalesce."))]
    number = len(faults) if len(sys.argv) > 1 else 24 if isinstance(driver.place, Folder) else 8
    chosen = random.sample(faults, min(len(faults), int(os.environ.get("XAPID_KILLS", number))))
    print(f"# {len(chosen)} faults of {Path(driver.program).name}, of {len(faults)}")
    for fault, image_format in chosen:
        assert life(driver, image_format, fault), f"{fault} was not reached"

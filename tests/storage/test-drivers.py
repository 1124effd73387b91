#!/usr/bin/python3
"""What every storage driver does, of docs/storage-driver.md: ours, and the sample.

test-drivers.py [PROGRAM DEVICE_CONFIG]: another one, with the device_config (JSON) of a new, empty place.
test-drivers.py PROGRAM [TEST...]: one of ours, on devices that the test makes (nfs: XAPID_EXPORT; iso: that, XAPID_SHARE and
XAPID_SHARE_PATH; lvmoiscsi: XAPID_TARGET and
XAPID_TARGET_FILE; lvmohba: XAPID_DISK).  XAPID_KILLS: so many of its faults (all of one driver that is named, else 24 of
`file` and eight of each other)."""
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "unit")]
import tap
from chains import chains_become_short, disks_in_use_keep_theirs, space_comes_back
from common import disks_from_beginning_to_end, many_disks, nonsense_is_refused, tells_what_it_can
from devices import a_file_system_is_mounted, devices_that_are_taken
from driver import Driver
from exports import exports, images, servers_that_are_gone, servers_that_are_silent
from images import (clones_share, clones_that_share_nothing, copies, copies_that_are_ended, disks_change_places,
                    headers_are_not_believed, many_clones_at_once, what_is_left_goes)
from kills import kills
from places import Export, FileSystem, Group, Images, ScsiDisk, Target
from targets import disks_of_buses, disks_that_are_none, targets, targets_that_are_gone, targets_that_are_none
from volumes import volumes_share

BUILDDIR = Path(os.environ.get("BUILDDIR", "."))


def on(program, test, config=None, place=None):
    """The test, in a new folder when no place is named; place: a class of those that are made of devices."""
    def run():
        folder = tempfile.mkdtemp(prefix="xapid-test-")
        made = place and place(folder)
        try:
            test(Driver(program, made.config if made else config or {"location": folder}, made))
        finally:
            if made:
                made.end()
            shutil.rmtree(folder)
    run.__name__ = f"test_{Path(program).name}_{test.__name__}"
    return run


def on_devices(program):
    only = sys.argv[2:]
    where, its = {"ext": (FileSystem, (devices_that_are_taken, a_file_system_is_mounted)),
                  "lvm": (Group, (devices_that_are_taken, volumes_share, disks_change_places)),
                  "lvmohba": (ScsiDisk, (disks_of_buses,)),
                  "lvmoiscsi": (Target, (targets, targets_that_are_gone)),
                  "nfs": (Export, (exports, servers_that_are_gone, servers_that_are_silent)),
                  "iso": (Images, (images,))}[Path(program).name]
    general = (*GENERAL, nonsense_is_refused) if where != Images else (tells_what_it_can,)
    return [on(program, test, place=where) for test in (*general, *its, *([kills] if where != Images else []))
            if not only or test.__name__ in only]


GENERAL = (tells_what_it_can, disks_from_beginning_to_end, many_disks)
if len(sys.argv) == 3 and sys.argv[2].startswith("{"):
    tests = [on(sys.argv[1], test, json.loads(sys.argv[2])) for test in GENERAL]
elif len(sys.argv) > 1:
    tests = on_devices(os.path.abspath(sys.argv[1]))
else:
    ours = BUILDDIR.resolve() / "storage-repos/file/file"
    tests = [on(program, test) for program in (ours, HERE / "sample") for test in GENERAL]
    tests += [on(ours, test) for test in (nonsense_is_refused, copies, clones_share, clones_that_share_nothing, disks_change_places,
                                          chains_become_short, space_comes_back, disks_in_use_keep_theirs,
                                          many_clones_at_once, headers_are_not_believed, what_is_left_goes,
                                          copies_that_are_ended, kills)]
    tests += [on(BUILDDIR.resolve() / f"storage-repos/{name}/{name}", test) for name, test in
              (("iso", tells_what_it_can), ("lvmohba", tells_what_it_can), ("lvmohba", disks_that_are_none),
               ("lvmoiscsi", tells_what_it_can), ("lvmoiscsi", targets_that_are_none))]
    if os.geteuid() == 0 and Path("/dev/loop-control").exists():
        tests += on_devices(BUILDDIR.resolve() / "storage-repos/ext/ext")
tap.run(*tests)

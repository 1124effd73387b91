"""Storage repositories, disks and drives of a simulated host, as tests make them."""
import hashlib
import http.client
import json
import os
import subprocess
import tempfile
from pathlib import Path

import tap
from host import Failure, UnixConnection

MIB = 1 << 20
NULL = "OpaqueRef:NULL"


def drivers_known(x, drivers=("file", "iso")):
    tap.wait_until(lambda: set(drivers) <= set(x.SR.get_supported_types()), "drivers")


def connected(host):
    """A client of a host that knows its drivers."""
    x = host.client()
    drivers_known(x)
    return x


def new_sr(host, x, kind="file", name="sr", location=None, shared=False, coalesce=False):
    """Whose images stay as they are, unless `coalesce`: tests open them beside the drivers."""
    location = location or host.folder(name)
    sr = x.SR.create(x.host.get_all()[0], {"location": location}, "0", name, "", kind,
                     "iso" if kind == "iso" else "user", shared, {})
    if not coalesce and kind != "iso":
        x.SR.add_to_other_config(sr, "coalesce", "false")
    return sr


def new_vdi(x, sr, size=64 * MIB, **fields):
    return x.VDI.create({"name_label": "a disk", "name_description": "", "SR": sr, "virtual_size": str(size),
                         "type": "user", "sharable": False, "read_only": False, "other_config": {}, **fields})


def new_vbd(x, vm, vdi, **fields):
    return x.VBD.create({"VM": vm, "VDI": vdi, "userdevice": "autodetect", "bootable": False, "mode": "RW",
                         "type": "Disk", "empty": vdi == NULL, "other_config": {}, "qos_algorithm_type": "",
                         "qos_algorithm_params": {}, **fields})


def files(location):
    return sorted(name for name in os.listdir(location) if name != "xapid-sr.json")


def record(location, uuid):
    """What the driver knows of a disk in that folder."""
    return json.loads(Path(location, f"{uuid}.json").read_text())


def image(host, x, vdi):
    """The file of a disk in a folder of the host's, and its format."""
    row = x.VDI.get_record(vdi)
    pbd, = x.SR.get_PBDs(row["SR"])
    location = x.PBD.get_device_config(pbd)["location"]
    known = record(location, row["uuid"])
    return Path(location, known["file"]), known["format"]


def write(host, x, vdi, *commands):
    """Writes into a disk as a guest would, by commands of qemu-io."""
    path, image_format = image(host, x, vdi)
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", "-f", image_format, *words, path], capture_output=True, text=True, check=True)
    assert "failed" not in done.stdout + done.stderr, done


def held(host, x, vdi):
    """What a guest would read."""
    path, image_format = image(host, x, vdi)
    with tempfile.NamedTemporaryFile(prefix="xapid-test-") as raw:
        subprocess.run(["qemu-img", "convert", "-f", image_format, "-O", "raw", path, raw.name], check=True)
        return Path(raw.name).read_bytes()


def contents(host, x, vdi):
    """A checksum of that."""
    return hashlib.sha256(held(host, x, vdi)).hexdigest()


def exported(host, x, vdi):
    """The same, as the server sends it."""
    connection = UnixConnection(host.socket, 60)
    connection.request("GET", f"/export_raw_vdi?session_id={x.session_ref}&vdi={vdi}")
    reply = connection.getresponse()
    try:
        body = reply.read()
    except http.client.IncompleteRead as error:
        raise Failure(["INTERNAL_ERROR", "cut off"]) from error
    if reply.status != 200:
        raise Failure(body.decode().split())
    return hashlib.sha256(body).hexdigest()


def orphans(location):
    """Files of a folder that no disk's record has, and those that a record has and that are not there."""
    there, expected = set(files(location)), set()
    for name in there:
        if name.endswith(".json"):
            known = record(location, name[:-5])
            expected |= {name, known["file"], *known.get("bases", [])}
    return there ^ expected


def leftovers(host, x):
    """Where rows, handles and the files of a folder disagree once nothing is in flight."""
    found = []
    vbds = x.VBD.get_all_records()
    attached = {record["uuid"] for record in vbds.values() if record["currently_attached"]}
    if attached != host.handles():
        found.append(f"handles {host.handles()}, and drives are attached: {attached}")
    for ref, record in vbds.items():
        state = x.VM.get_power_state(record["VM"])
        if record["currently_attached"] != (state in ("Running", "Paused")):
            found.append(f"{ref} is attached: {record['currently_attached']}, its VM is {state}")
    for sr, record in x.SR.get_all_records().items():
        if record["current_operations"]:
            found.append(f"{sr}: {record['current_operations']} goes on")
        if record["type"] != "file":
            continue
        pbd, = record["PBDs"]
        disks = [x.VDI.get_record(vdi) for vdi in record["VDIs"]]
        found += [f"{disk['uuid']} is not managed, or busy: {disk['current_operations']}" for disk in disks
                  if not disk["managed"] or disk["current_operations"]]
        location = x.PBD.get_device_config(pbd)["location"]
        expected = sorted(f"{disk['uuid']}.json" for disk in disks)
        there = [name for name in files(location) if name.endswith(".json")]
        if there != expected or orphans(location):
            found.append(f"the folder has {files(location)}, not those of {expected}")
    return found

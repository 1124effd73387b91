"""Reads the simulator's world (xapid/domains/sim-world.c): what a hypervisor would say."""
import ctypes
import fcntl
import re
from pathlib import Path

SOURCE = Path(__file__).parent.parent.parent / "xapid" / "domains"
STATES = ("running", "paused", "shutdown", "dying")


def constant(name):
    for header in ("guest-config.h", "guest-disks.h", "guest-nics.h", "../../lib/bridge-name.h", "domains.h", "backend.h", "sim-world.h", "sim-world.c"):
        found = re.search(rf"#define {name} (\w+)", (SOURCE / header).read_text())
        if found:
            return int(found[1], 0)
    raise AssertionError(f"no constant {name}")


DOMAINS, UUID, OP_ID, NAME = (constant(name) for name in (
    "WORLD_DOMAINS_MAX", "UUID_LENGTH", "OP_ID_MAX", "CONFIG_NAME_MAX"))


class Disk(ctypes.Structure):
    _fields_ = [("vdev", ctypes.c_char * 8), ("handle", ctypes.c_char * (UUID + 1)),
                ("writes", ctypes.c_char * (UUID + 1)), ("path", ctypes.c_uint32)]


class Nic(ctypes.Structure):
    _fields_ = [("mac", ctypes.c_char * 18), ("bridge", ctypes.c_char * (constant("BRIDGE_NAME_MAX") + 1)),
                ("lock", ctypes.c_char * 64), ("mtu", ctypes.c_int32), ("kbps", ctypes.c_int32)]


class Domain(ctypes.Structure):
    _fields_ = [("domid", ctypes.c_int32), ("state", ctypes.c_uint8), ("reason", ctypes.c_uint8),
                ("type", ctypes.c_uint8), ("recorded", ctypes.c_uint8),
                ("refuses_shutdown", ctypes.c_uint8), ("due_reason", ctypes.c_uint8),
                ("uuid", ctypes.c_char * (UUID + 1)), ("op_id", ctypes.c_char * (OP_ID + 1)),
                ("name", ctypes.c_char * (NAME + 1)), ("memory", ctypes.c_int64),
                ("memory_max", ctypes.c_int64), ("vcpus", ctypes.c_int32),
                ("vcpus_max", ctypes.c_int32), ("ran_us", ctypes.c_int64),
                ("since_us", ctypes.c_int64), ("boots_at_us", ctypes.c_int64),
                ("due_at_us", ctypes.c_int64), ("weight", ctypes.c_int32), ("cap", ctypes.c_int32),
                ("signal", ctypes.c_uint8), ("sysrq", ctypes.c_char),
                ("refuses_unplug", ctypes.c_uint8), ("disks", Disk * constant("CONFIG_DISKS_MAX")),
                ("nics", Nic * constant("CONFIG_NICS_MAX"))]


class File(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_uint64), ("version", ctypes.c_uint32),
                ("last_domid", ctypes.c_int32), ("high_water", ctypes.c_int32),
                ("reserved", ctypes.c_int32), ("changes", ctypes.c_uint64),
                ("ring", (ctypes.c_char * (UUID + 1)) * constant("WORLD_CHANGES")),
                ("used", ctypes.c_uint8 * DOMAINS), ("uuid_hash", ctypes.c_uint32 * DOMAINS),
                ("memory_of", ctypes.c_int64 * DOMAINS), ("due_of", ctypes.c_int64 * DOMAINS),
                ("domains", Domain * DOMAINS)]


def domains(sim_dir):
    """Every domain as a dictionary, in one moment; disks: vdev to handle; nics: device to
    (MAC, bridge, MTU); limits: device to (lock, KiB a second); paths: vdev to path_hash () of its file."""
    with open(Path(sim_dir) / "world", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        world = File.from_buffer_copy(file.read())
    assert (world.magic, world.version) == (0x646c726f77646961, constant("WORLD_VERSION"))
    found = [world.domains[i] for i in range(world.high_water) if world.used[i]]
    return [{"uuid": d.uuid.decode(), "domid": d.domid, "state": STATES[d.state],
             "recorded": bool(d.recorded), "op_id": d.op_id.decode(), "vcpus": d.vcpus, "memory": d.memory, "weight": d.weight,
             "cap": d.cap, "signal": d.signal, "sysrq": d.sysrq.decode(),
             "disks": {disk.vdev.decode(): disk.handle.decode() for disk in d.disks if disk.vdev},
             "paths": {disk.vdev.decode(): disk.path for disk in d.disks if disk.vdev},
             "nics": {place: (nic.mac.decode(), nic.bridge.decode(), nic.mtu)
                      for place, nic in enumerate(d.nics) if nic.bridge},
             "limits": {place: (nic.lock.decode(), nic.kbps) for place, nic in enumerate(d.nics) if nic.bridge}}
            for d in found]


def path_hash(path):
    """What the world keeps of a path: g_str_hash ()."""
    value = 5381
    for byte in path.encode():
        value = (value * 33 + byte) & 0xffffffff
    return value


def ready(sim_dir):
    """Those that were built ahead of a start, by uuid."""
    return {domain["uuid"]: domain for domain in domains(sim_dir)
            if domain["recorded"] and domain["state"] == "paused" and domain["op_id"].startswith("ready-")}

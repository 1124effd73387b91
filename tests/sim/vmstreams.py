"""VMs with their disks as streams, as clients of the HTTP actions send and take them."""
import os

import tap
from archives import value_of
from disks import MIB, NULL, connected, files, held
from host import GUEST
from streams import RANDOM, Streams, good

SMALL = RANDOM.randbytes(70_144) + bytes(2 * MIB) + b"end" + bytes(509)


class VmStreams(Streams):
    """A client of the actions of VMs."""

    def path(self, action, vm, **query):
        words = {"session_id": self.x.session_ref, "uuid": vm, **query}
        return f"/{action}?" + "&".join(f"{name}={value}" for name, value in words.items() if value is not None)

    def get(self, vm, action="export", **query):
        connection = self.connect()
        connection.request("GET", self.path(action, vm, **query))
        reply = connection.getresponse()
        body = reply.read()
        if reply.status == 200:  # the last byte comes before the disks are let go
            tap.wait_until(lambda: not any(record["current_operations"] for record in self.x.VM.get_all_records().values()),
                           "the end of the export")
        return reply.status, body, reply


class Imports(Streams):
    """A client of PUT /import, into a repository."""

    def __init__(self, host, x, sr, connect=None):
        super().__init__(host, x, connect)
        self.sr = sr

    def path(self, **query):
        words = {"session_id": self.x.session_ref, "sr_id": self.sr, **query}
        return "/import?" + "&".join(f"{name}={value}" for name, value in words.items())

    def put(self, body, **query):
        return self.send(self.path(**query), body)

    def begin(self, body, length=None, **query):
        task = self.x.task.create("an import", "")
        connection = self.connect()
        connection.connect()
        connection.sock.sendall(f"PUT {self.path(task_id=task, **query)} HTTP/1.0\r\nContent-Length: {length or len(body)}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            got = connection.sock.recv(1)
            assert got, head
            head += got
        assert head.startswith(b"HTTP/1.1 200 OK\r\n") and f"task-id: {task}\r\n".encode() in head, head
        try:  # it may be over before all is sent
            connection.sock.sendall(body)
        except OSError:
            pass
        return task, connection.sock

    def imported(self, body, **query):
        """Its task's record."""
        task, sock = self.begin(body, **query)
        record = self.x.wait_task(task)
        sock.close()
        return record

    def new(self, body, **query):
        """The VM that it has made."""
        vm, = value_of(good(self.imported(body, **query)).encode())
        assert not self.x.VM.get_current_operations(vm) and self.x.VM.get_power_state(vm) == "Halted"
        return vm


def disks_of(host, x, vm):
    """What they have, by where they are."""
    drives = [x.VBD.get_record(vbd) for vbd in x.VM.get_VBDs(vm)]
    return {drive["userdevice"]: held(host, x, drive["VDI"]) for drive in drives if drive["type"] == "Disk"}


def remove(x, vm):
    for vbd in x.VM.get_VBDs(vm):
        vdi = x.VBD.get_VDI(vbd)
        if vdi != NULL and x.VBD.get_type(vbd) == "Disk":
            x.VDI.destroy(vdi)
    x.VM.destroy(vm)


def objects(size=len(SMALL), **fields):
    """The records of a VM with a disk and a drive, as another program has them."""
    vm = {**GUEST, "uuid": "11111111-2222-3333-4444-555555555555", "name_label": "foreign", "power_state": "Running",
          "is_control_domain": False, "something": "unknown", "VBDs": ["Ref:2", "Ref:4"], "VIFs": [], "affinity": NULL,
          **fields}
    return {"Ref:1": ("VM", vm),
            "Ref:2": ("VBD", {"uuid": "u", "VM": "Ref:1", "VDI": "Ref:3", "device": "xvda", "userdevice": "0", "bootable": True,
                              "mode": "RW", "type": "Disk", "empty": False, "other_config": {"owner": ""},
                              "currently_attached": True}),
            "Ref:3": ("VDI", {"uuid": "v", "name_label": "its disk", "virtual_size": size, "type": "System",
                              "sm_config": {"vdi_type": "vhd", "vhd-parent": "x"}, "location": "/etc/passwd", "SR": "Ref:9"}),
            "Ref:4": ("VBD", {"VM": "Ref:1", "VDI": "Ref:5", "userdevice": "3", "mode": "RO", "type": "CD", "empty": False}),
            "Ref:5": ("VDI", {"virtual_size": 5, "type": "User"}),
            "Ref:9": ("SR", {"name_label": "elsewhere"}), "Ref:10": ("PVS_site", {})}


def everything(x, sr):
    """What an import may leave: rows by class, and files."""
    pbd, = x.SR.get_PBDs(sr)
    return {kind: set(getattr(x, kind).get_all()) for kind in ("VM", "VBD", "VIF", "VDI", "VM_metrics", "network")}, files(x.PBD.get_device_config(pbd)["location"])


# How a transfer comes to no good end: by its client's connection, its task, or a program that is killed.
ENDS = "closed", "cancelled", "xapid-stream", "xapid-host", "xapid"


def break_off(host, client, end, task, sock):
    """One of those, of the transfer on the socket; the task tells of it."""
    if end == "closed":
        sock.close()
    elif end == "cancelled":
        client.x.task.cancel(task)
    elif end == "xapid-stream":
        os.kill(*host.running(end), 9)
    else:
        host.kill(end)
    if end == "xapid":
        client.x = connected(host)
    record = client.x.wait_task(task)
    assert record["status"] == ("cancelled" if end == "cancelled" else "failure"), (end, record)
    sock.close()

"""What simulated guests write into xenstore (xapid/domains/sim-guest.h)."""
import os
import socket
from pathlib import Path

import tap
import world
from host import GUEST

NULL = "OpaqueRef:NULL"
# A copy a second of a guest, and a transaction a second for all of them: what is written is there within two.
LATENCY = 2.5


class XenStore:
    """The keys of a VM's domain as its guest writes them."""

    def __init__(self, host, uuid):
        self.sim = host.sim
        self.domid = next(d["domid"] for d in world.domains(host.sim) if d["uuid"] == uuid)
        self.root = host.sim / "xenstore" / str(self.domid)
        self.watch = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def fire(self):
        """The watch on the domain's keys; waits while nobody takes it."""
        self.watch.sendto(str(self.domid).encode(), str(self.sim / "guests"))

    def put(self, path, value):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value if isinstance(value, bytes) else value.encode())

    def write(self, **values):
        """write(data__os_name="x"): of slashes and underscores, the path's slashes are doubled."""
        self.write_all({path.replace("__", "/"): value for path, value in values.items()})

    def write_all(self, keys):
        for path, value in keys.items():
            self.put(path, value)
        self.fire()

    def remove(self, path):
        (self.root / path).unlink()
        self.fire()


def started(host, x, **fields):
    vm = x.VM.create({**GUEST, **fields})
    x.VM.start(vm, False, False)
    return vm, XenStore(host, x.VM.get_uuid(vm))


def metrics(x, vm):
    ref = x.VM.get_guest_metrics(vm)
    return x.VM_guest_metrics.get_record(ref) if ref != NULL else None


def shown(x, vm, seconds=10, **fields):
    """Waits until the VM's row has these values."""
    def there():
        row = metrics(x, vm)
        return row and all(row[name] == value for name, value in fields.items()) and row
    try:
        return tap.wait_until(there, "row", seconds)
    except AssertionError:
        raise AssertionError(f"{metrics(x, vm)} instead of {fields}")


def processes(host, name):
    """pids below the host's xapid-domains with that name (as /proc/PID/comm has it)."""
    parent = host.child("xapid-domains")
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = []
    for pid in children:
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(int(pid))
        except OSError:
            pass  # it ended meanwhile
    return found


def written(store, name):
    """Its system's name is written; False when nobody watches yet."""
    try:
        store.write(data__os_name=name)
        return True
    except OSError:
        return False


def memory(pid):
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""What simulated guests write into xenstore (xapid/domains/sim-guest.h)."""
import socket

import world


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

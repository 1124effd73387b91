"""A guest of ./try: its whole life through the API, and its row in the table at the end."""
import time

import processes
from host import Failure
from processes import Trouble

BOOT_SECONDS = 120
STATES = ["Halted", "Running", "Paused", "Running", "Running", "Halted"]


DISK = 24 << 20  # bytes


class Guest:
    """row is None until the guest has lived to the end."""

    MEMORY = 128 << 20  # bytes

    def __init__(self, machine, kind, say):
        self.machine, self.kind = machine, kind
        self.name = f"{machine.name}-{kind}"
        self.say = lambda text: say(f"{self.name}: {text}")
        self.row, self.states = None, []

    def record(self):
        return {"name_label": self.name, "name_description": "made by ./try",
                "domain_type": self.kind, "memory_static_max": str(self.MEMORY),
                "VCPUs_max": "1", "VCPUs_at_startup": "1",
                "actions_after_shutdown": "destroy", "actions_after_reboot": "restart",
                "actions_after_crash": "restart", **self.boots_from()}

    def boots_from(self):
        return {"PV_kernel": "vmlinux", "PV_ramdisk": self.machine.RAMDISK, "PV_args": "console=hvc0"}

    def add_disk(self):
        pass

    def remove_disk(self):
        pass

    def look(self):
        """The record as the API has it now."""
        record = self.x.VM.get_record(self.vm)
        self.states.append(record["power_state"])
        return record

    def must_be(self, record):
        """The API and the hypervisor tell the same domid."""
        theirs = self.machine.domids().get(record["uuid"])
        if theirs != int(record["domid"]):
            raise Trouble(f"the API says domid {record['domid']}, {self.machine.HYPERVISOR} says {theirs}")

    def up(self, uuid):
        lines = processes.wait(lambda: self.machine.console(uuid), "line on its console", BOOT_SECONDS)
        for line in lines:
            self.say(f"  console: {line}")

    def live(self, started):
        """Create to destroy; `started` is called when the guest itself has been heard."""
        began = time.monotonic()
        self.x = self.machine.client()
        self.vm = self.x.VM.create(self.record())
        uuid = self.look()["uuid"]
        self.add_disk()
        self.x.VM.start(self.vm, False, False)
        record = self.look()
        self.must_be(record)
        self.say(f"VM.create, VM.start: domid {record['domid']}, {time.monotonic() - began:.1f} s")
        self.up(uuid)
        started()
        self.x.VM.pause(self.vm)
        self.look()
        self.x.VM.unpause(self.vm)
        self.look()
        self.say("VM.pause, VM.unpause")
        self.x.VM.clean_reboot(self.vm)
        record = self.look()
        self.must_be(record)
        self.say(f"VM.clean_reboot: domid {record['domid']}")
        self.x.VM.hard_shutdown(self.vm)
        self.look()
        self.x.VM.destroy(self.vm)
        self.must_be_gone(uuid)
        self.remove_disk()
        self.say("VM.hard_shutdown, VM.destroy: gone")
        if self.states != STATES:
            raise Trouble(f"its power states were {' '.join(self.states)}, not {' '.join(STATES)}")
        self.row = (record["name_label"], record["domain_type"], record["domid"],
                    " ".join(self.states), f"{time.monotonic() - began:.1f}")

    def must_be_gone(self, uuid):
        if uuid in self.machine.domids():
            raise Trouble(f"{self.machine.HYPERVISOR} still has it after VM.destroy")
        try:
            self.x.VM.get_record(self.vm)
        except Failure as failure:
            if failure.code == "HANDLE_INVALID":
                return
        raise Trouble("its record is still there after VM.destroy")


class WholeMachine(Guest):
    """An HVM guest, which its BIOS starts from a disk."""

    MEMORY = 192 << 20

    def boots_from(self):
        return {"HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "c"}}

    def add_disk(self):
        self.sr = self.machine.repository(self.x)
        self.vdi = self.x.VDI.create({
            "name_label": self.name, "name_description": "made by ./try", "SR": self.sr,
            "virtual_size": str(DISK), "type": "user", "sharable": False, "read_only": False,
            "other_config": {}, "sm_config": {"image-format": "raw"}})
        self.machine.fill_disk(self.x.VDI.get_uuid(self.vdi))
        self.x.VBD.create({
            "VM": self.vm, "VDI": self.vdi, "userdevice": "0", "bootable": True, "mode": "RW",
            "type": "Disk", "empty": False, "other_config": {}, "qos_algorithm_type": "",
            "qos_algorithm_params": {}})
        self.say("SR.create, VDI.create, VBD.create: a disk with a Linux on it")

    def remove_disk(self):
        self.x.VDI.destroy(self.vdi)
        for pbd in self.x.SR.get_PBDs(self.sr):
            self.x.PBD.unplug(pbd)
        self.x.SR.destroy(self.sr)


GUESTS = {"pv": Guest, "pvh": Guest, "hvm": WholeMachine}


def print_table(guests):
    head = ("name", "domain_type", "domid", "power states", "seconds")
    rows = [head, *(guest.row for guest in guests if guest.row)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())

"""The life of a VM that is sent as one stream, and comes back as another VM, as test-faults.py has it."""
import subprocess
import tarfile
import time

import disks
from archives import Archive, Writer
from disks import MIB, NULL
from host import GUEST
from life import SEED, soon, until_done
from life_stream import SIZE, Mover, pattern
from owner import Gate, Owner
from streams import Streams
from vmstreams import Imports, VmStreams, disks_of, everything, objects, remove

NAME = "archived"
FOREIGN = "foreign"
PLACES = "0", "1"
NO_ARCHIVE = (AssertionError, EOFError, OSError, ValueError, tarfile.TarError, subprocess.CalledProcessError)


class Carrier(Mover):
    """Moves whole VMs until it is done."""

    def __init__(self, host, owner, sr):
        super().__init__(host, owner)
        self.sr = sr

    def vms(self, name):
        return set(self.owner.insist(lambda: self.owner.x.VM.get_by_name_label(name)))

    def contents(self, vm):
        return self.owner.insist(lambda: disks_of(self.host, self.owner.x, vm))

    def everything(self):
        return self.owner.insist(lambda: everything(self.owner.x, self.sr))

    def send(self, what, vm, contents, **query):
        """What is an archive of it."""
        bodies = []

        def is_so(body):
            try:
                archive = Archive(body or b"")
            except NO_ARCHIVE:
                return False
            bodies.append(body)
            return sorted(map(archive.disk, archive.of("VDI"))) == sorted(contents.values())
        self.move(what, lambda task: VmStreams(self.host, self.owner.x, self.connect()).get(None, ref=vm, task_id=task, **query),
                  is_so)
        return bodies[-1] if bodies else b""

    def take(self, what, body, name, contents, **query):
        """The VM that comes of it; of an import that failed there is nothing."""
        others, before = self.vms(name), self.everything()

        def is_so(_):
            return [self.contents(vm) for vm in self.vms(name) - others] == [contents]

        def failed():
            if not soon(lambda: self.everything() == before):
                self.owner.say(f"left of a failed {what}: {self.everything()}, before: {before}")
        self.move(what, lambda task: Imports(self.host, self.owner.x, self.sr, self.connect()).put(body, task_id=task, **query),
                  is_so, failed)
        made = self.vms(name) - others
        if len(made) != 1:
            self.owner.say(f"{len(made)} VMs of {what}")
        return made.pop()

    def remove(self, vm):
        until_done(self.owner, lambda: vm not in self.owner.x.VM.get_all(), lambda x: remove(x, vm), "the end of a VM")


def new_vm(owner, host, sr, contents):
    """With these disks, an empty drive and a card."""
    x = owner.x
    network = x.network.create({"name_label": "net", "name_description": "", "other_config": {}})
    vm = x.VM.create({**GUEST, "name_label": NAME})
    for place, kind in zip(PLACES, ("qcow2", "raw"), strict=True):
        vdi = disks.new_vdi(x, sr, len(contents[place]), sm_config={"image-format": kind})
        disks.new_vbd(x, vm, vdi, userdevice=place)
        record = Streams(host, x).imported(vdi, contents[place])
        if record["status"] != "success":
            owner.say(f"its disk was not filled: {record['error_info']}")
    disks.new_vbd(x, vm, NULL, type="CD", mode="RO")
    x.VIF.create({"VM": vm, "network": network, "device": "0", "MAC": "", "MTU": "1500", "other_config": {},
                  "qos_algorithm_type": "", "qos_algorithm_params": {}})
    return vm, network


def life_of_an_archive(host):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    until_done(owner, lambda: {"file"} <= set(owner.x.SR.get_supported_types()), lambda x: time.sleep(0.1), "drivers")
    sr = disks.new_sr(host, owner.x)
    contents = dict(zip(PLACES, (pattern(1), bytes(MIB)), strict=True))
    vm, network = new_vm(owner, host, sr, contents)
    carrier = Carrier(host, owner, sr)
    writer = Writer()
    writer.records(objects(SIZE, name_label=FOREIGN))
    writer.disk("Ref:3", contents["0"])

    body = carrier.send("an export", vm, contents)
    copy = carrier.take("an import", body, NAME, contents)
    carrier.remove(vm)
    packed = carrier.send("an export of what came", copy, contents, use_compression="zstd")
    again = carrier.take("an import of that", packed, NAME, contents)
    carrier.remove(again)
    carrier.remove(copy)
    carrier.remove(carrier.take("an import as the VM that it was", body, NAME, contents, restore="true"))
    carrier.remove(carrier.take("an import of another's", writer.body(), FOREIGN, {"0": contents["0"]}))
    until_done(owner, lambda: network not in owner.x.network.get_all(), lambda x: x.network.destroy(network), "network.destroy")
    if disks.files(host.dir / "sr") or owner.x.VBD.get_all() or owner.x.VIF.get_all() or owner.x.VDI.get_all():
        owner.say(f"left: {carrier.everything()}")
    return owner.wrong

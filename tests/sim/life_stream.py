"""The life of what disks hold, as test-faults.py has it: imports in every format into disks of every kind, and
exports.  Each of them meets the fault anew, of those of a sample one and some of the others."""
import contextlib
import os
import random
import struct
import subprocess
import tempfile
import time

import disks
import tap
from disks import MIB
from host import Failure
from life import SEED, until_done
from marks import again
from owner import BROKEN, Gate, Owner
from streams import Streams, difference_of, file_of, holds, laid_over, made, small_blocks

EVERY = os.environ.get("XAPID_FAULTS") == "all" or "XAPID_FAULT_ONLY" in os.environ
SOME = 0.2
KINDS = 3  # of connections
SIZE = 3 * MIB + 1536
PART = (MIB + 700, 2 * MIB + 90)  # first byte, and the one behind the last


def pattern(seed):
    """What is mostly zeros."""
    content, chance = bytearray(SIZE), random.Random(seed)
    for offset, length in (0, 70_000), (MIB + 100, 300_000), (SIZE - 1536, 1536):
        content[offset:offset + length] = chance.randbytes(length)
    return bytes(content)


def records(content):
    """As XAPI's own."""
    return struct.pack("<QI", 0, len(content)) + content + struct.pack("<QI", 0, 0)


class Mover:
    """Moves contents until it is done; what is told is what is so."""

    def __init__(self, host, owner):
        self.host, self.owner, self.marks = host, owner, host.environment["XAPID_TEST_FAULT_DIR"]
        self.moves, self.chance = 0, random.Random(SEED)

    def connect(self):
        """By turns each kind of connection; None: the one without a network."""
        return (None, self.tls, self.host.tcp)[self.moves % KINDS]

    def streams(self):
        return Streams(self.host, self.owner.x, self.connect())

    def tls(self):
        """Whose end is told from one that was cut off."""
        connection = self.host.tls()
        connection.connect()
        connection.sock.suppress_ragged_eofs = False
        return connection

    def told(self, send, is_so):
        """How send (task) went, by the task, whatever becomes of the connection.  Who is told that it went well, by that or
        by a connection that ends well, is told what is so."""
        task = self.owner.x.task.create("a transfer", "")
        status = body = None
        with contextlib.suppress(*BROKEN):
            status, body = send(task)[:2]
        record = self.owner.insist(lambda: self.owner.x.wait_task(task))
        # A socket of the host's own cannot be broken off; xtool looks at the task.
        by_its_end = status == 200 and self.moves % KINDS != 0
        self.all_ended()
        if (by_its_end or record["status"] == "success") and not is_so(body):
            self.owner.say(f"not what its client was told by {status}, or by its task: {record['error_info']}")
        if record["status"] != "success":
            raise Failure(record["error_info"])

    def move(self, what, send, is_so, failed=lambda: None):
        """Until it went well; failed () after each that did not."""
        done, tries = [], []
        self.moves += 1
        if EVERY or self.chance.random() < SOME:
            again(self.marks)

        def do(_):
            if tries:
                failed()
            tries.append(what)
            done.append(self.told(send, is_so))
        until_done(self.owner, lambda: done, do, what)

    def all_ended(self):
        tap.wait_until(lambda: not self.host.running("xapid-stream"), "end of the processes")

    def held(self, vdi):
        return self.owner.insist(lambda: disks.held(self.host, self.owner.x, vdi))

    def holds(self, vdi, content):
        try:
            self.owner.insist(lambda: holds(self.host, self.owner.x, vdi, content))
            return True
        except (AssertionError, subprocess.CalledProcessError):
            return False

    def into(self, what, vdi, body, content, headers=(), failed=lambda: None, **query):
        self.move(what, lambda task: self.streams().put(vdi, body, headers, task_id=task, **query),
                  lambda _: self.holds(vdi, content), failed)

    def part_into(self, what, vdi, content):
        """The rest stays as it is, even when it fails."""
        first, end = PART
        before = self.held(vdi).ljust(SIZE, b"\0")

        def failed():
            now = self.held(vdi).ljust(SIZE, b"\0")
            if now[:first] != before[:first] or now[end:] != before[end:]:
                self.owner.say(f"after a failed {what} the rest of the disk is another")
        self.into(what, vdi, content[first:end], before[:first] + content[first:end] + before[end:],
                  {"Content-Range": f"bytes {first}-{end - 1}/{SIZE}"}, failed)

    def out(self, what, vdi, is_so, **query):
        self.move(what, lambda task: self.streams().get(vdi, task_id=task, **query), is_so)


def is_image(body, kind, content):
    with tempfile.TemporaryDirectory(prefix="xapid-test-") as directory:
        raw, image = file_of(directory, "raw", content), file_of(directory, "image", body)
        return subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", kind, raw, image]).returncode == 0


def is_difference(body, below, content):
    try:
        return laid_over(below, difference_of(body, SIZE)[2])[:SIZE] == content
    except (AssertionError, struct.error):
        return False


def life_of_a_stream(host):
    owner = Owner(host, 0, SEED, Gate(1))
    owner.insist(owner.connect)
    mover = Mover(host, owner)
    one, other, small = pattern(1), pattern(2), random.Random(3).randbytes(MIB)
    until_done(owner, lambda: {"file"} <= set(owner.x.SR.get_supported_types()), lambda x: time.sleep(0.1), "drivers")
    sr = disks.new_sr(host, owner.x)
    raw, base = (disks.new_vdi(owner.x, sr, SIZE, sm_config={"image-format": kind}) for kind in ("raw", "qcow2"))
    with tempfile.TemporaryDirectory(prefix="xapid-test-") as directory:
        vhd = made(directory, "vpc", "-o", "force_size=on", content=one)
        packed = made(directory, "qcow2", "-c", content=other)

        mover.into("an import", raw, one, one)
        mover.into("an import of a VHD into an image", base, vhd, one, format="vhd")
        clone = owner.x.VDI.clone(base)
        mover.into("an import of an image into a clone", clone, packed, other, format="qcow2")
        mover.into("an import of an image", raw, packed, other, format="qcow2")
        mover.into("an import of records", raw, records(one), one, chunked="true")
        for what, vdi, content in ("a disk", raw, other), ("a clone", clone, one), ("an image", base, other):
            mover.part_into(f"an import into a part of {what}", vdi, content)
        changed = mover.held(base)
        over = b"".join(small[at:at + 2048] + changed[at + 2048:at + 4096] for at in range(0, MIB, 4096)) + changed[MIB:]
        mover.into("an import of differences", base, small_blocks(small, kind=4), over, format="vhd")

        now, before = mover.held(clone), mover.held(raw)
        mover.out("an export", clone, lambda body: body == now)
        for kind, name in ("vhd", "vpc"), ("qcow2", "qcow2"):
            mover.out(f"an export as {kind}", clone, lambda body: is_image(body, name, now), format=kind)
        mover.out("an export of differences", base, lambda body: is_difference(body, before, over), format="vhd", base=raw)
    # One that is given up: the disk may have anything in it, and is as long as it was.
    for vdi in raw, clone, base:
        again(mover.marks)
        with contextlib.suppress(Failure):
            mover.told(lambda task: mover.streams().put(vdi, one, task_id=task), lambda _: mover.holds(vdi, one))
        if vdi == raw:
            mover.part_into("an import into a part of what is left", raw, one)
            if len(mover.held(raw)) != SIZE:
                owner.say(f"it has {len(mover.held(raw))} bytes")
        until_done(owner, lambda: vdi not in owner.x.VDI.get_all(), lambda x: x.VDI.destroy(vdi), "VDI.destroy")
    if disks.files(host.dir / "sr"):
        owner.say(f"left in the folder: {disks.files(host.dir / 'sr')}")
    return owner.wrong

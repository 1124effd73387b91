"""What the lives share that test-faults.py lets things live: calls that are made again until they are
done, while one fault of a program may come to any of them."""
import os
import random
import time

import settled
import tap
from host import Failure
from owner import BROKEN, EXCUSES

SEED = int(os.environ.get("XAPID_SEED", str(random.randrange(1 << 30))))
TRIES = 40  # in 12 s: a database that could not be written is tried every 2 s
# Calls that cannot be undone: what failed half-way is ended by the next one.
ONE_WAY = ("VDI.destroy", "VBD.unplug")


def nothing_left(owner, what):
    """After a call that failed the host is as the records say; a drive may be out of a guest that runs."""
    if what in ONE_WAY or owner.wrong:  # it is said once
        return
    for line in owner.insist(lambda: settled.wait(owner.host, owner.x, "is attached: False, its VM is Running")):
        owner.say(f"after a failed {what}: {line}")


def until_done(owner, so, do, what):
    """What is so, once it is; until then it is done, again when it failed."""
    for _ in range(TRIES):
        if found := owner.insist(so):
            return found
        try:
            do(owner.x)
        except BROKEN:
            owner.connect()
        except Failure as failure:
            if failure.code not in EXCUSES:
                owner.say(f"{what}: {failure}")
            nothing_left(owner, what)
            time.sleep(0.3)
    owner.say(f"{what} cannot be done any more")
    return None


def soon(so):
    """Is it so within a time in which all is put right that went wrong?"""
    try:
        tap.wait_until(so, "it")
        return True
    except AssertionError:
        return False

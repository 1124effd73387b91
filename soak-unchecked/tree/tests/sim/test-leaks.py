#!/usr/bin/python3
"""What xapid holds when it ends, after all sorts of calls, something still points to: nothing leaked.
Needs a build with sanitizers.  ASAN_OPTIONS=fast_unwind_on_malloc=0 shows whole stacks, of fewer calls."""
import os
import random
import re
import sys
import time
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from disks import drivers_known, new_sr
from host import Host, sanitized
from owner import SETTLE, Gate, Owner

CLIENTS = 4
SECONDS = 60  # at most
CALLS = 150
GLIB = 112  # bytes that GLib 2.74 loses with each connection to a root program, of which there are two


def test_nothing_is_leaked():
    with Host(environment={"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}) as host:
        if not sanitized(host.child("xapid")):
            raise tap.Skip("it takes a build with sanitizers")
        x = host.client()
        drivers_known(x)
        gate, seed = Gate(CLIENTS), random.randrange(1 << 30)
        owners = [Owner(host, number, seed, gate) for number in range(CLIENTS)]
        owners[0].sr = owners[1].sr = new_sr(host, x)
        for owner in owners:
            owner.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and sum(owner.done for owner in owners) < CALLS:
            token = x.call("event.from", ["*"], "", 0.0)["token"]
            x.call("event.from", ["*"], token, 0.2)
            x.VM.get_all_records()
        for owner in owners:
            owner.stop = True
        for owner in owners:
            owner.join(SETTLE)
        done = sum(owner.done for owner in owners)
        assert done >= CALLS and not any(owner.wrong for owner in owners), (done, seed)
        host.stop()
        log = host.log.read_text()
        leaked = re.search(r"AddressSanitizer: (\d+) byte\(s\) leaked", log)
        print(f"# after {done} calls: {leaked and leaked[0]}")
        assert "ready" in log and (not leaked or int(leaked[1]) <= 2 * GLIB), log[log.find("====="):]


tap.run(test_nothing_is_leaked)

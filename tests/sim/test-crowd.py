#!/usr/bin/python3
"""Ten thousand connections that are idle or slow, from so many addresses that the limit of one lets them: who calls
beside them does not wait for them, and they take little memory.  Fewer where the system allows fewer descriptors."""
import http.client
import os
import resource
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from crowd import Crowd
from guests import memory
from host import Client, Host, free_port, sanitized
from rounds import Rounds, timed

FULL = 10000
OTHERS = 1000  # descriptors that are no connections of the crowd
COUNT = min(FULL, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - OTHERS)
CALLS, BLOCKS = 250, 4  # of each round
MEMORY_MIB = 32  # that all of them may take
MIB = 1 << 20
# However slow this machine is, nobody of the crowd goes while it is looked at.
TIMES = "header_read_seconds=600\nheader_total_seconds=600\nbody_read_seconds=600\n"


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_a_crowd_slows_nobody():
    print(f"# sample/full: {COUNT}/{FULL} connections", flush=True)
    port = free_port()
    with Host(f"http_port={port}\nlog_level=info", TIMES) as host:
        pid = host.child("xapid")
        x = Client(None, connect=lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60))
        x.resume(host.client().session_ref)
        here = x.host.get_all()[0]
        rounds, grown = Rounds(0.99, least=2 * BLOCKS, most=8 * BLOCKS), []

        def call():
            x.host.get_uuid(here)

        timed(call, CALLS)  # whatever is made once is made now
        while rounds.more():
            for _ in range(BLOCKS):
                rounds.took_quiet(timed(call, CALLS))
            before, descriptors = memory(pid), open_files(pid)
            with Crowd(port, COUNT):
                for _ in range(BLOCKS):
                    rounds.took_busy(timed(call, CALLS))
                assert open_files(pid) >= descriptors + COUNT, "not all of the crowd are there"
                grown.append(memory(pid) - before)
            tap.wait_until(lambda: open_files(pid) <= descriptors, "end of the crowd", 60)
        print(f"# {COUNT} connections, {rounds}, memory +{max(grown) / MIB:.1f} MiB", flush=True)
        assert rounds.hold(), f"who calls waits for the crowd: {rounds}"
        assert sanitized(pid) or max(grown) < MEMORY_MIB * MIB, f"memory grew by {max(grown) // 1024} KiB"


tap.run(test_a_crowd_slows_nobody)

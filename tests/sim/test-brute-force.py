#!/usr/bin/python3
"""Whoever tries passwords by the thousand slows nobody, takes no memory and no processes to speak of, and does not
learn from the time an answer takes which users there are.

XAPID_WRONG_LOGINS: how many (1,000); `make soak` has 100,000."""
import http.client
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from accounts import Accounts
from guests import memory
from host import Client, Host, fails, free_port, sanitized
from rounds import Rounds, timed

FULL = 100000
COUNT = int(os.environ.get("XAPID_WRONG_LOGINS", "1000"))
ATTEMPTS_AT_ONCE = 2000  # connections, and of one address as many as one may have
# Spread over so much time that what comes in waves, as answers to wrong passwords do, counts for its part.
CALLS, LOGINS, PAUSE = 200, 40, 0.02
MEMORY_MIB = 32
MIB = 1 << 20
SLOW_SECONDS = 0.3
ACCOUNTS = Accounts({"root": (0, "secret"), "alice": (5001, "wonder")})


class Storm(subprocess.Popen):
    """storm.py, from `with` to its end: `count` logins with wrong passwords, or more."""

    def __init__(self, port, count):
        super().__init__([sys.executable, Path(__file__).parent / "storm.py", str(port), str(count),
                          str(ATTEMPTS_AT_ONCE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self.stdout.readline() == "under way\n", f"the storm ended with {self.wait()}"
        return self

    def finish(self):
        """Lets it come to its end; code -> how many were refused with it."""
        self.stdin.close()
        said = self.stdout.readline().split()
        assert self.wait() == 0, "the storm failed"
        return dict(zip(said[::2], map(int, said[1::2])))

    def __exit__(self, *failed):
        self.stdin.close()
        self.wait()
        self.stdout.close()


def children(pid):
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


class Watch(threading.Thread):
    """The most memory and children that xapid and xapid-host have, until `over` is set."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.xapid, self.hostd = host.child("xapid"), host.child("xapid-host")
        self.over, self.memory, self.children = threading.Event(), 0, 0

    def run(self):
        while not self.over.wait(0.02):
            self.memory = max(self.memory, memory(self.xapid) + memory(self.hostd))
            self.children = max(self.children, children(self.hostd))


def test_a_storm_of_logins_slows_nobody():
    print(f"# sample/full: {COUNT}/{FULL} wrong logins", flush=True)
    port = free_port()
    with Host(f"http_port={port}\nlog_level=warning", accounts=ACCOUNTS) as host:
        def connect():
            return http.client.HTTPConnection("127.0.0.1", port, timeout=120)

        x = Client(None, connect=connect).login("root", "secret")
        here = x.host.get_all()[0]
        calls, logins = Rounds(0.95), Rounds(0.95)

        def call():
            x.host.get_uuid(here)

        def log_in():
            Client(None, connect=connect).login("root", "secret").session.logout()

        timed(call, CALLS), timed(log_in, LOGINS)  # whatever is made once is made now
        watch, outcomes = Watch(host), []
        watch.start()
        before = memory(watch.xapid) + memory(watch.hostd)
        while calls.more() or logins.more():
            calls.took_quiet(timed(call, CALLS, PAUSE))
            logins.took_quiet(timed(log_in, LOGINS, PAUSE))
            with Storm(port, COUNT // 2) as storm:
                calls.took_busy(timed(call, CALLS, PAUSE))
                logins.took_busy(timed(log_in, LOGINS, PAUSE))
                outcomes.append(storm.finish())
        watch.over.set()
        watch.join()
        grown = watch.memory - before
        print(f"# {sum(sum(of_one.values()) for of_one in outcomes)} wrong logins, by storm: {outcomes}", flush=True)
        print(f"# calls: {calls}; right logins: {logins}; memory +{grown / MIB:.1f} MiB, {watch.children} checks at once", flush=True)
        assert all(sum(of_one.values()) >= COUNT // 2 for of_one in outcomes), outcomes
        assert {code for of_one in outcomes for code in of_one} <= {"SESSION_AUTHENTICATION_FAILED", "TOO_BUSY"}, outcomes
        assert calls.hold(), f"calls wait for the storm: {calls}"
        assert logins.hold(), f"right logins wait for the storm: {logins}"
        assert watch.children <= 64, watch.children
        assert sanitized(watch.xapid) or grown < MEMORY_MIB * MIB, f"memory grew by {grown // 1024} KiB"


def wrong_login(host, user, times):
    """Adds the seconds that the answer took."""
    connection = host.tls()
    connection.connect()
    began = time.monotonic()
    fails("SESSION_AUTHENTICATION_FAILED", Client(host, connect=lambda: connection).login, user, "wrong")
    times.append(time.monotonic() - began)


def test_the_time_tells_no_user():
    """The check of a user that there is takes longer here, and more so than any hash; the answers do not."""
    slow = Accounts(ACCOUNTS.users, slow=SLOW_SECONDS)
    with Host(https=True, accounts=slow) as host:
        differences = []
        while len(differences) < 3 and min(differences, default=SLOW_SECONDS) >= SLOW_SECONDS / 2:
            known, unknown = [], []
            threads = [threading.Thread(target=wrong_login, args=(host, user, times))
                       for user, times in (("alice", known), ("mallory", unknown)) * 5]
            random.shuffle(threads)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(known) == len(unknown) == 5, "a login had no answer"
            differences.append(abs(median(known) - median(unknown)))
            print(f"# known: {min(known):.3f} to {max(known):.3f} s, unknown: {min(unknown):.3f} to {max(unknown):.3f} s, "
                  f"medians {differences[-1] * 1e3:.1f} ms apart", flush=True)
        assert min(differences) < SLOW_SECONDS / 2, f"who is known is told by the time: {differences}"
        began = time.monotonic()
        fails("SESSION_AUTHENTICATION_FAILED", Client(host, connect=host.tls).login, "alice", "wrong")
        assert time.monotonic() - began >= 4.9, "a wrong password is answered at once"


tap.run(test_a_storm_of_logins_slows_nobody, test_the_time_tells_no_user)

"""Runs functions as tests and reports in TAP, for tests that are programs around programs."""
import os
import sys
import time
import traceback
from random import Random

import covers

failures = 0


class Skip(Exception):
    pass


def wait_until(condition, what, seconds=10):
    """The first true value of condition (), asked every 10 ms; fails naming what was waited for."""
    end = time.monotonic() + covers.patience(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"no {what} within {seconds} s")
        time.sleep(0.01)


def noticing(test, message):
    """Whether the test, when it is run again, notices that a message which it covers does nothing."""
    def notice():
        assert covers.dull(test, message), f"{message} may do nothing and {test.__name__} passes"
    notice.__name__ = f"{test.__name__}_notices_{message}"
    return notice


def run(*tests):
    """XAPID_DULL in the environment: each test again for that many of the messages that it covers."""
    global failures
    often, random = int(os.environ.get("XAPID_DULL", "0")), Random(os.environ.get("XAPID_SEED"))
    if often:
        tests = [item for test in tests for messages in [covers.noticeable(test)] for item in
                 (test, *(noticing(test, message)
                          for message in random.sample(messages, min(often, len(messages)))))]
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", "-").removeprefix("test-")
        try:
            covers.prove(test)
            print(f"ok {number} {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
        except Exception:
            failures += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
    sys.exit(1 if failures else 0)

"""Runs functions as tests and reports in TAP, for tests that are programs around programs."""
import sys
import time
import traceback

failures = 0


class Skip(Exception):
    pass


def wait_until(condition, what, seconds=10):
    """The first true value of condition (), asked every 10 ms; fails naming what was waited for."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"no {what} within {seconds} s")
        time.sleep(0.01)


def run(*tests):
    global failures
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", "-").removeprefix("test-")
        try:
            test()
            print(f"ok {number} {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
        except Exception:
            failures += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
    sys.exit(1 if failures else 0)

"""@covers ("VM.start", "VM.pause"): the messages of the API that a test proves.

While such a test runs, each of them must have succeeded and have failed with an error that is
documented for it; prove () fails the test otherwise.  Whether the test also sees what a message does
is tried out by dull (): the message is answered here, as it was before, and not sent to the host.
tests/coverage.py reads the decorators, so their arguments are plain strings."""
import functools
import json
from pathlib import Path

SCHEMA = Path(__file__).resolve().parents[2] / "lib" / "datamodel" / "schema"
# They tell of the dispatcher or of a defect, not of the message.
NOT_OF_A_MESSAGE = {"INTERNAL_ERROR", "MESSAGE_METHOD_UNKNOWN", "MESSAGE_PARAMETER_COUNT_MISMATCH",
                    "MESSAGE_REMOVED", "NOT_IMPLEMENTED"}

# All that they promise holds before they are called: every change is on disk when it is answered; a
# simulated guest's memory is at its target at once; a host from which the last guest is to go has none; there is one
# edition; nobody speaks old versions of TLS.
NOTHING_TO_NOTICE = {"pool.sync_database", "VM.wait_memory_target_live", "host.evacuate", "host.license_remove",
                     "host.apply_edition", "pool.apply_edition", "host.set_ssl_legacy", "pool.disable_ssl_legacy"}

# xapid has nothing of what they ask for: they fail, and say so.
ALWAYS_FAIL = {"host.call_plugin", "VM.call_plugin", "host.call_extension", "host.license_add", "host.bugreport_upload"}

# How each method's calls ended while the current test runs: None or a code of error; and the last
# value of each.
outcomes, values = {}, {}
_dull, _before = None, {}


def covers(*messages):
    def mark(test):
        test.covers = messages
        return test
    return mark


@functools.cache
def documented_errors(message):
    """A message that names no error of its own may fail with any of the model's."""
    cls, name = message.split(".", 1)
    messages = json.loads((SCHEMA / "classes" / f"{cls}.json").read_text())["messages"]
    own = next((set(m.get("errors", ())) for m in messages if m["name"] == name), set())
    return own or set(json.loads((SCHEMA / "errors.json").read_text())) - NOT_OF_A_MESSAGE


def observed(method, send):
    """send (), with its end noted."""
    ends = outcomes.setdefault(method, [])
    if method == _dull and _did_succeed(method, len(ends)):
        ends.append(None)
        return _stale(method)
    try:
        value = send()
    except Exception as error:
        ends.append(getattr(error, "code", type(error).__name__))
        raise
    ends.append(None)
    values[method] = value
    return value


def _did_succeed(method, number):
    """Whether a dull message's call is one that succeeded before: one that failed is sent, as its
    failing may be how the test sees what came before.  What asserts has no other effect than to fail."""
    before = _before.get(method, [])
    return method.partition(".")[2].startswith("assert_") or number >= len(before) or not before[number]


def _stale(method):
    """What a dull message returns: of the right kind, and of no use."""
    value = values.get(method, "")
    if isinstance(value, bool):
        return not value
    if hasattr(value, "timetuple"):
        return type(value)("19700101T00:00:00Z")
    if isinstance(value, (list, dict)):
        return type(value)() if value else type(value)({"stale": {}})
    return "0" if isinstance(value, str) and value.isdigit() else type(value)()


def prove(test, *args):
    """Runs a test and checks what it says to cover."""
    outcomes.clear()
    test(*args)
    for message in getattr(test, "covers", ()):
        ends = outcomes.get(message, [])
        assert (None in ends) == (message not in ALWAYS_FAIL), (
            f"{message} is said to be covered and {'succeeded' if None in ends else 'never succeeded'}")
        codes = {end for end in ends if end}
        assert codes & documented_errors(message), (
            f"{message} is said to be covered; it failed with {codes or 'nothing'}, "
            f"none of which is documented for it")
    test.ends = {method: list(ends) for method, ends in outcomes.items()}


def dull(test, message):
    """True when the test, having passed, fails once `message` does nothing."""
    global _dull, _before
    _dull, _before = message, test.ends
    outcomes.clear()
    try:
        test()
    except Exception:
        return True
    finally:
        _dull = None
    return False


def noticeable(test):
    return [m for m in getattr(test, "covers", ()) if m not in NOTHING_TO_NOTICE | ALWAYS_FAIL]


def is_dull():
    return _dull is not None


def patience(seconds):
    """How long to wait for something: a dull message is not waited for."""
    return min(seconds, 2) if _dull else seconds

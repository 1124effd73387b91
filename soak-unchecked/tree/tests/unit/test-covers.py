#!/usr/bin/python3
"""A test cannot claim a message that it did not use: covers.py and the rule of tests/coverage.py."""
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "unit"), str(TESTS)]
import covers
import coverage
import tap


class Failure(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Guest:
    """A VM that runs or does not, behind calls as host.Client makes them."""

    def __init__(self):
        self.runs = False

    def start(self):
        if self.runs:
            raise Failure("VM_BAD_POWER_STATE")
        self.runs = True

    def call(self, method):
        return covers.observed(method, self.start if method == "VM.start" else lambda: self.runs)

    def refuses(self, method):
        try:
            self.call(method)
        except Failure:
            return
        raise AssertionError(f"{method} succeeded")


def claims(use, message="VM.start"):
    """What is wrong with a test that covers a message and does only use (guest); None: nothing."""
    test = covers.covers(message)(lambda: use(Guest()))
    outer = dict(covers.outcomes)
    try:
        covers.prove(test)
    except AssertionError as error:
        return str(error)
    finally:
        covers.outcomes.update(outer)
    return None if covers.dull(test, message) else "not noticed"


def test_a_claim_needs_a_success_a_documented_error_and_a_look():
    def whole(guest):
        guest.call("VM.start")
        assert guest.call("VM.get_running")
        guest.refuses("VM.start")

    def without_an_error(guest):
        guest.call("VM.start")
        assert guest.call("VM.get_running")

    def without_a_look(guest):
        guest.call("VM.start")
        guest.runs = True
        guest.refuses("VM.start")

    assert claims(whole) is None
    assert "never succeeded" in claims(lambda guest: None)
    assert "none of which is documented" in claims(without_an_error)
    assert claims(without_a_look) == "not noticed"
    assert "never succeeded" in claims(whole, "VM.pause"), "another message's success"


def test_errors_are_those_of_the_message():
    assert "VM_BAD_POWER_STATE" in covers.documented_errors("VM.start")
    assert "HANDLE_INVALID" not in covers.documented_errors("VM.start"), "it has errors of its own"
    assert "HANDLE_INVALID" in covers.documented_errors("host.enable")
    assert not covers.NOT_OF_A_MESSAGE & covers.documented_errors("host.enable")


def test_only_tests_that_run_prove():
    assert coverage.runs("tests/sim/test-lifecycle.py")
    assert not coverage.runs("tests/sim/test-lifecycle")
    assert not coverage.runs("tests/sim/host.py")
    assert not coverage.runs("tests/lab/daemon.py")
    assert set(coverage.tagged()) >= set(coverage.proven())


def test_the_table_is_written():
    folder = Path.cwd() / "coverage-table.test"
    coverage.table(folder)
    text = folder.read_text()
    folder.unlink()
    assert '"VM.start",' in text and "coverage_xencenter[]" in text
    usage = subprocess.run([sys.executable, TESTS / "coverage.py"], capture_output=True, text=True)
    assert usage.returncode == 1 and "coverage.py check" in usage.stderr


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

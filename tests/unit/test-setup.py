#!/usr/bin/python3
"""tests/lib/setup.sh and ./check on machines where packages are missing and tests fail.  What is built
and run there is the test's own."""
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bare
import tap

TOP = Path(__file__).resolve().parents[2]
BOUND = 60
LIST = "# a list\ngcc build it compiles\nlibsome-dev build,run a library\ncurl check,try asks\nnodejs check runs\n"


class Machine(bare.Machine):
    def __init__(self, installed=()):
        super().__init__(installed)
        (self.tree / "packages.debian").write_text(LIST)

    def start(self, *command, **environment):
        return subprocess.Popen(command, cwd=self.tree, env={**self.environment, **environment},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                preexec_fn=bare.heeds_interrupts)

    def run(self, *command, **environment):
        process = self.start(*command, **environment)
        try:
            output, _ = process.communicate(timeout=BOUND)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"{command} did not end") from None
        return process.returncode, output

    def shell(self, text):
        """The command of a script that has read setup.sh."""
        return "bash", "-c", f"set -euo pipefail\n. {TOP}/tests/lib/setup.sh\n{text}", "test"


def test_what_is_missing_is_told_by_purpose():
    with Machine(["gcc", "nodejs"]) as machine:
        assert machine.run(*machine.shell("missing_packages build"))[1] == "libsome-dev\n"
        assert machine.run(*machine.shell("missing_packages run try"))[1] == "libsome-dev\ncurl\n"
        (machine.fake / "installed").write_text("libsome-devel\nxcurl\n")
        assert machine.run(*machine.shell("missing_packages run try"))[1] == "libsome-dev\ncurl\n"


def test_what_is_missing_is_installed_once():
    with Machine(["gcc"]) as machine:
        status, output = machine.run(*machine.shell("install_packages build try"))
        assert status == 0 and "libsome-dev curl" in output, output
        calls = machine.calls()
        assert [call.split()[1 if call[0] == " " else 2] for call in calls] == ["update", "install"], calls
        assert calls[1].startswith("noninteractive apt-get install -y --no-install-recommends ")
        assert calls[1].endswith(" libsome-dev curl"), calls
        assert machine.run(*machine.shell("install_packages build try")) == (0, "all there\n")
        assert machine.calls() == calls


def test_it_tells_how_far_it_is():
    with Machine() as machine:
        status, output = machine.run(*machine.shell("apt_install log gcc curl"), FAKE_SECONDS="3")
        assert status == 0 and "  1 of 2\n" in output, output
        # A terminal sees it all the time.
        (machine.fake / "installed").write_text("")
        text = machine.shell("apt_install log gcc curl")[2]
        (machine.tree / "script").write_text(text)
        status, output = machine.run("script", "-qec", "bash script", "/dev/null", FAKE_SECONDS="1")
        assert status == 0 and all(f"  {n} of 2" in output for n in (0, 1, 2)), output


def test_without_network_it_says_so():
    with Machine() as machine:
        (machine.fake / "no-network").touch()
        status, output = machine.run(*machine.shell("install_packages build"))
        assert status == 1 and "E: no network" in output and "apt-update.log" in output, output
        assert not any(" install " in call for call in machine.calls())


def test_when_apt_fails_its_words_are_shown():
    with Machine() as machine:
        (machine.fake / "broken").touch()
        status, output = machine.run(*machine.shell("apt_install some.log gcc; echo went on"))
        assert status == 1 and "E: dpkg was interrupted" in output, output
        assert "log: some.log" in output and "went on" not in output, output


def test_no_command_fails_without_a_word():
    with Machine() as machine:
        status, output = machine.run(*machine.shell("f() { false; }\nx=$(f)\necho went on"))
        assert status == 1 and "this failed: false" in output and "went on" not in output, output
        status, output = machine.run(*machine.shell("bash -c 'kill -TERM $$'; echo went on"))
        assert status == 143 and "this failed: bash -c" in output and "went on" not in output, output


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_an_interruption_ends_what_runs_and_names_the_log():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with Machine() as machine:
            (machine.fake / "slow").touch()
            process = machine.start(*machine.shell("apt_install some.log gcc; echo went on"))
            tap.wait_until((machine.fake / "apt").exists, "apt-get")
            # A terminal tells all; who else ends a program, it alone.
            (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
            output, _ = process.communicate(timeout=BOUND)
            assert process.returncode == 130 and "went on" not in output, (process.returncode, output)
            assert "interrupted; log: some.log" in output, output
            for name in ("apt", "child"):
                tap.wait_until(lambda: gone((machine.fake / name).read_text().strip()), f"end of {name}")


def test_apt_tells_how_much_before():
    with Machine() as machine:
        status, output = machine.run(*machine.shell("apt_plan log gcc curl"))
        assert status == 0 and output.splitlines() == [
            "0 upgraded, 2 newly installed", "Need to get 17 MB of archives.",
            "After this operation, 85 MB of additional disk space will be used."], output
        status, output = machine.run(*machine.shell("apt_plan log gcc unknown || echo refused"))
        assert (status, output) == (0, "refused\n") and not machine.calls()
        assert "unknown" in (machine.tree / "log").read_text()


GOOD = "echo 1..2; echo ok 1 - one; echo ok 2 two"
# What ./check runs one by one; of those whose names it does not know, one is made up.
SHIPPED = {path for path in re.findall(r"(?:build/plain/)?tests/[\w./-]*\w(?=[\s\")])",
                                       (TOP / "check").read_text().replace("$build", "build"))
           if not path.startswith("tests/lib/")} | {"tests/clients/test-client.py"}

# Two of each, and one by make, with sanitizers; --quick leaves that out, and three more.
WHOLE = 2 * len(SHIPPED) + 1
QUICK = WHOLE - 1 - 3 * 2


def tree_of_check(machine):
    """What ./check needs of the tree; its builds and tests are ours."""
    for name in ("check", "tests/lib/sample.sh", "tests/lib/setup.sh", "packages.debian"):
        target = machine.tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, target)
    machine.program("autoreconf", 'printf "#!/bin/bash\\nmkdir -p tests; touch Makefile\\n" >configure; chmod +x configure\n')
    machine.program("make", '[ "${4-}" != list-tests ] || exec printf "%s\\n" tests/unit/test-store-figures tests/unit/test-http-abuse.py tests/sim/test-{guest-limits,parked}.py\n'
                    'cd "$2"\ncase " $* " in *" -n "*|*" all "*|*" TESTS= "*) exit ;; esac\n'
                    'touch tests/a.trs; echo "PASS: tests/a 1 - one" >tests/a.log\n'
                    '[ ! -e "$FAKE/make-fails" ]\n')
    for name in (*SHIPPED, "tests/lab/test-lab.sh"):
        machine.program(name, GOOD + "\n", machine.tree)


def last(output):
    return output.splitlines()[-1]


def test_a_build_that_fails_shows_why_and_names_its_log():
    for program, text, words in (
            ("autoreconf", "exit 1", ("autoreconf failed", "asan/autoreconf.log")),
            ("autoreconf", 'printf "echo no libxl; exit 1" >configure; chmod +x configure',
             ("no libxl", "configure failed", "asan/configure.log")),
            ("make", 'case " $* " in *" -n "*) exit ;; esac\necho "a.c:1: error: no"; exit 2',
             ("a.c:1: error: no", "the build failed", "asan/build.log")),
            ("make", "exit 2", ("the build failed", "asan/build.log"))):
        with Machine() as machine:
            tree_of_check(machine)
            machine.program(program, text + "\n")
            status, output = machine.run("./check")
            assert status == 1 and all(word in output for word in words), output
            assert "== units" not in output, output


def test_check_installs_and_counts():
    with Machine() as machine:
        tree_of_check(machine)
        status, output = machine.run("./check")
        assert (status, last(output)) == (0, f"{WHOLE + 2} passed, 0 failed, 0 skipped"), output
        assert re.fullmatch(r"in 0 min \d+ s", output.splitlines()[-2]), output
        for name in ("libxen-dev", "clang", "curl", "gcc"):
            assert name in machine.calls()[1].split(), machine.calls()
        assert "\n== lab: real Xen (" in output, output
        status, output = machine.run("./check", "--quick")
        assert (status, last(output)) == (0, f"{QUICK} passed, 0 failed, 0 skipped"), output
        assert len(machine.calls()) == 2, "the second run installed something"


def test_a_lab_test_has_the_time_that_it_is_given():
    with Machine() as machine:
        tree_of_check(machine)
        machine.program("tests/lab/test-lab.sh", "echo 1..1; sleep 3; echo ok 1\n", machine.tree)
        status, output = machine.run("./check", XAPID_LAB_SECONDS="1")
        assert (status, last(output)) == (1, f"{WHOLE} passed, 1 failed, 0 skipped"), output
        assert "tests/lab/test-lab.sh: planned 1 tests and ran 0, status 124" in output, output


def test_check_goes_on_with_sudo():
    with Machine() as machine:
        tree_of_check(machine)
        status, output = machine.run("./check", "--quick", FAKE_UID="1000")
        assert (status, last(output)) == (0, f"{QUICK} passed, 0 failed, 0 skipped"), output
        assert machine.calls()[0] == f"sudo -- {machine.tree}/check --quick", machine.calls()
        (machine.fake / "sudo").unlink()
        if shutil.which("sudo", path=machine.environment["PATH"]):
            return
        status, output = machine.run("./check", "--quick", FAKE_UID="1000")
        assert status == 1 and "install sudo" in output, output


def test_check_takes_nothing_for_a_success():
    with Machine() as machine:
        taps = machine.shell("run_taps results . ./program; summary . || exit 1")
        for text, counts, words in (
                ("echo 1..3; echo ok 1; echo ok 2", (2, 1), "planned 3 tests and ran 2"),
                ("echo ok 1; echo ok 2; exit 0", (2, 1), "printed 0 plans after 2 tests"),
                ("echo 1..1; echo ok 1; echo ok 2", (2, 1), "planned 1 tests and ran 2"),
                ("echo 1..2; echo ok 1; kill -9 $$", (1, 1), "status 137"),
                ("echo ok 1; echo ok 2; echo 1..2; exit 3", (2, 1), "ended with status 3"),
                ("echo 1..2; echo ok 1; echo not ok 2 - two; exit 1", (1, 1), "two"),
                ("echo 1..2; echo ok 1; echo not ok 2 - two", (1, 1), "two"),
                ("echo 1..2; echo ok 1; echo 'ok 2 two # SKIP no Xen'", (1, 1), "no Xen"),
                ("echo 1..0 '# SKIP no Xen'", (0, 1), "ran no test"),
                ("echo ok 1; echo 'Bail out! enough'; exit 1", (1, 1), "enough"),
                ("exit 0", (0, 1), "printed 0 plans"),
                ("exit 77", (0, 1), "status 77")):
            machine.program("program", text, machine.tree)
            status, output = machine.run(*taps)
            assert (status, last(output)) == (1, "{} passed, {} failed, 0 skipped".format(*counts)), \
                (text, output)
            assert any(line.startswith("not ok - ./program: ") and words in line
                       for line in output.splitlines()), (text, output)
        (machine.tree / "program").chmod(0o644)
        status, output = machine.run(*taps)
        assert (status, last(output)) == (1, "0 passed, 1 failed, 0 skipped"), output
        (machine.tree / "program").unlink()
        status, output = machine.run(*taps)
        assert (status, last(output)) == (1, "0 passed, 1 failed, 0 skipped"), output


def test_check_believes_make():
    with Machine() as machine:
        tree_of_check(machine)
        tests = machine.tree / "tests"
        tests.mkdir(exist_ok=True)
        (tests / "gone.trs").touch()
        (tests / "gone.log").write_text("PASS: tests/gone 1 - one\n# sample/full: 1/2 of an older run\n")
        make = machine.shell("run_make_check . results; summary . || exit 1")
        status, output = machine.run(*make)
        assert (status, last(output)) == (0, "1 passed, 0 failed, 0 skipped"), output
        assert "older run" not in output, output
        (machine.fake / "make-fails").touch()
        status, output = machine.run(*make)
        assert (status, last(output)) == (1, "1 passed, 1 failed, 0 skipped"), output
        (machine.fake / "make-fails").unlink()
        machine.program("make", """case "$*" in *TESTS=*) exit ;; esac
            printf 'PASS: a 1 - one\\n# sample/full: 3/4\\nSKIP: a 2 - two # SKIP no Xen\\n# it is why\\nERROR: a - exited with 1\\n' >tests/a.log
            touch tests/a.trs\n""")
        status, output = machine.run(*make)
        assert (status, last(output)) == (1, "1 passed, 1 failed, 1 skipped"), output
        assert "# sample/full: 3/4\n" in output and "# it is why\n" in output, output


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

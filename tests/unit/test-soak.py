#!/usr/bin/python3
"""tests/soak/run in a repository of the test's own, where a suite does what the test says."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

TOP = Path(__file__).resolve().parents[2]
BOUND = 60
# Runs the words of $SOAK_PLAN's first line, which it takes away, and writes its seed down.
PROGRAM = r"""#!/bin/bash
echo "$XAPID_SEED $COUNT" >>"$SOAK_PLAN.seeds"
line=$(head -n 1 "$SOAK_PLAN"); sed -i 1d "$SOAK_PLAN"
eval "$line"
"""
LONG = "sleep 60 & echo $! >$SOAK_PLAN.new; mv $SOAK_PLAN.new $SOAK_PLAN.pid; wait"
GOOD = "echo '# 5 kills, 7 calls, 0 violations'"
SUITES = {"fake": {"program": "sim/fake", "rounds": 3, "environment": {"COUNT": "5"}, "seconds": 5,
                   "what": "5 kills", "figures": "kills"},
          "other": {"program": "unit/other", "what": "steps", "figures": "steps"},
          "each": {"program": "sim/fake", "each": "sim/f*", "what": "files", "figures": "files"}}


class Tree:
    def __init__(self, base):
        self.top, self.build = base / "tree", base / "build"
        self.plan = base / "plan"
        self.results = self.top / "tests/soak/RESULTS.md"
        (self.build / "tests/unit").mkdir(parents=True)
        for name, text in (("soak/suites.json", json.dumps(SUITES)), ("soak/RESULTS.md", ""), ("sim/fake", PROGRAM)):
            path = self.top / "tests" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        shutil.copy(TOP / "tests/soak/run", self.top / "tests/soak/run")
        (self.build / "tests/unit/other").write_text("#!/bin/bash\necho \"# 9 steps: ${*%% *}\"\n")
        for path in (self.top / "tests/sim/fake", self.build / "tests/unit/other"):
            path.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.environment.update({"SOAK_PLAN": str(self.plan), "HOME": str(base), "GIT_CONFIG_NOSYSTEM": "1"})
        self.git("init", "-q")
        self.commit()

    def git(self, *words):
        return subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=self.top, text=True,
                              env=self.environment, check=True, capture_output=True).stdout.strip()

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.head()

    def head(self):
        return self.git("rev-parse", "--short=10", "HEAD")

    def start(self, *words, plan=()):
        self.plan.write_text("".join(f"{line}\n" for line in plan))
        return subprocess.Popen([self.top / "tests/soak/run", *words], cwd=self.build, env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, *words, plan=()):
        """Its status and what it said; it has used up the plan."""
        process = self.start(*words, plan=plan)
        output, _ = process.communicate(timeout=BOUND)
        assert not self.plan.read_text(), (self.plan.read_text(), output)
        return process.returncode, output

    def fake(self, *plan):
        return self.run("--suite", "fake", plan=plan)

    def seeds(self):
        return [line.split()[0] for line in Path(f"{self.plan}.seeds").read_text().splitlines()]

    def recorded(self):
        """Commit, suite and result of each line."""
        return [tuple(cell.strip() for cell in line.split("|")[2:5]) for line in self.results.read_text().splitlines()]


@contextlib.contextmanager
def tree():
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        yield Tree(Path(folder))


def test_all_rounds_are_run_and_summed():
    with tree() as t:
        status, output = t.run(plan=[GOOD] * 3 + ["echo '# 1 files'"])
        assert status == 0, output
        assert output.count("    5 kills, 7 calls, 0 violations (") == 3 and "round 3 of 3" in output, output
        assert [(commit, name) for commit, name, _ in t.recorded()] == [(t.head(), name) for name in SUITES]
        assert t.recorded()[0][2] == "15 kills, 21 calls, 0 violations", t.recorded()
        assert t.recorded()[1][2].startswith("9 steps, ") and "0 violations" in t.recorded()[1][2], t.recorded()
        assert len(set(t.seeds())) == 4 and Path(f"{t.plan}.seeds").read_text().count(" 5\n") == 3


def test_it_goes_on_where_it_ended():
    with tree() as t:
        for number, plan in ((signal.SIGINT, [GOOD, LONG]), (signal.SIGTERM, [LONG]), (signal.SIGHUP, [LONG])):
            process = t.start("--suite", "fake", plan=plan)
            pid = Path(f"{t.plan}.pid")
            tap.wait_until(pid.exists, "second round")
            process.send_signal(number)
            output, _ = process.communicate(timeout=BOUND)
            assert process.returncode == 1 and "interrupted" in output and "Traceback" not in output, output
            sleeper = pid.read_text().strip()
            tap.wait_until(lambda: not Path(f"/proc/{sleeper}/exe").exists(), "end of what the round started")
            pid.unlink()
        status, output = t.fake(GOOD, GOOD)
        assert status == 0 and "round 1 of 3" not in output, output
        assert t.recorded() == [(t.head(), "fake", "15 kills, 21 calls, 0 violations")], t.recorded()
        seeds = t.seeds()
        assert len(seeds) == 6 and len(set(seeds[1:5])) == 1, seeds
        # What was recorded is not gone on with.
        status, output = t.fake(GOOD, GOOD, GOOD)
        assert status == 0 and "round 1 of 3" in output and len(t.recorded()) == 2, output


def test_violations_are_counted():
    for line, count in (("echo '# 5 kills, 7 calls, 2 violations'; exit 1", 2),
                        ("echo '# 5 kills, 7 calls, 2 violations'", 2),
                        ("echo 'not ok 1 a'; echo 'not ok 2 b'; echo 'not ok 3 c'; exit 1", 3),
                        (f"{GOOD}; echo 'not ok 1 a'", 1),
                        (f"{GOOD}; exit 3", 1),
                        (f"{GOOD}; sleep 60", 1),
                        ("echo ok 1", 1)):  # and it told nothing of what it did
        with tree() as t:
            status, output = t.fake(GOOD, line)
            assert status == 1 and f"fake: round 2 failed: {count} violations" in output, (line, output)
            assert "soak-fake.log" in output and not t.recorded(), output
            status, output = t.fake(GOOD, GOOD)
            assert status == 0 and "round 1 of 3" not in output, output
            assert t.recorded()[0][2] == f"15 kills, 21 calls, {count} violations", (line, t.recorded())
            assert t.seeds()[1] == t.seeds()[2], t.seeds()


def test_a_line_names_the_commits_that_ran():
    with tree() as t:
        t.fake("exit 1")
        first = t.commit()  # mended: the violation is of no commit that is named
        assert t.fake(GOOD, "exit 1")[0] == 1
        second = t.commit()
        status, output = t.fake(GOOD, GOOD)
        assert status == 0 and f"rounds 1-1 were of {first}" in output, output
        assert t.recorded() == [(f"{first}..{second}", "fake", "15 kills, 21 calls, 1 violations")], t.recorded()


def test_a_tree_with_changes_is_refused():
    with tree() as t:
        precious = t.top / "tests/sim/fake"
        precious.write_text(PROGRAM + "# changed\n")
        status, output = t.fake()
        assert status == 1 and "the work tree has changes" in output and "tests/sim/fake" in output, output
        assert not t.recorded() and "round" not in output, output
        status, output = t.run("--suite", "fake", "--unrecorded", plan=[GOOD] * 3)
        assert status == 0 and "15 kills, 21 calls, 0 violations" in output and not t.recorded(), output
        # Neither is one that changes while a round runs, and the round does not count.
        t.commit()
        status, output = t.fake(GOOD, f"{GOOD}; echo '# changed again' >>{precious}")
        assert status == 1 and "the work tree has changes" in output, output
        t.git("checkout", "-q", ".")
        status, output = t.fake(f"{GOOD}; git -C {t.top} -c user.name=x -c user.email=x@x commit -q --allow-empty -m x")
        assert status == 1 and "another commit" in output, output
        status, output = t.fake(GOOD, GOOD)
        assert status == 0 and "round 1 of 3" not in output and len(t.recorded()) == 1, output
        # The line that the last suite added does not matter.
        assert t.git("status", "--porcelain") and t.run("--suite", "other")[0] == 0


def test_a_round_for_each_file():
    with tree() as t:
        for name in "first", "folder":
            (t.top / "tests/sim" / name).touch()
        t.commit()
        status, output = t.run("--suite", "each", plan=['echo "# 1 files: ${0##*/} of ${1##*/}"'] * 3)
        assert status == 0 and "round 3 of 3" in output, output
        assert re.findall(r"fake of (\w+)", output) == ["fake", "first", "folder"], output
        assert t.recorded()[0][2] == "3 files, 0 violations", t.recorded()


def test_without_a_repository_nothing_is_recorded():
    with tree() as t:
        shutil.rmtree(t.top / ".git")
        status, output = t.fake()
        assert status == 1 and "not a git repository" in output and not t.recorded(), output


def test_the_suites_can_be_run():
    suites = json.loads((TOP / "tests/soak/suites.json").read_text())
    for name, suite in suites.items():
        program = TOP / "tests" / suite["program"]
        assert os.access(program, os.X_OK) or program.with_suffix(".c").exists(), name
        source = (program if program.exists() else program.with_suffix(".c")).read_text()
        for variable in suite.get("environment", {}):
            assert variable in source, f"{name} does not know {variable}"
    listed = subprocess.run([TOP / "tests/soak/run", "--list"], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^(\w+): ", listed, re.M) == list(suites), listed


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

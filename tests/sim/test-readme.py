#!/usr/bin/python3
"""README.md's blocks, run as a reader would paste them, on the simulated host that ./try leaves.  Their
lines that begin with # are what is printed; there, … is anything, and an id any id."""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from host import BUILDDIR

TOP = Path(__file__).resolve().parents[2]
BOUND = 120
# By their first words; why they are not run here.
ELSEWHERE = {"./try  ": "test-try.py, and ./check itself", "autoreconf": "./check builds so",
             "sudo apt build-dep": "tests/deb/test-deb.sh", "sudo xtool pool-dump": "test-database.py"}


def blocks():
    """(language, text) of each block of code, in their order."""
    text = (TOP / "README.md").read_text()
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
    found = [(match.start(), match[1], match[2]) for match in fenced.finditer(text)]
    outside = fenced.sub(lambda match: re.sub(r"[^\n]", "", match[0]), text)
    for match in re.finditer(r"(?:^    .*\n)+", outside, re.M):
        found.append((match.start(), "bash", re.sub("^    ", "", match[0], flags=re.M)))
    return [(kind, code) for _, kind, code in found if kind]


def block(start, kind="bash"):
    """What to run, and what it prints."""
    code, = (code for its, code in blocks() if its == kind and code.startswith(start))
    lines = code.splitlines()
    return ("".join(f"{line}\n" for line in lines if not line.startswith("#")),
            [line[1:] for line in lines if line.startswith("#")])


def fill(code, blanks):
    for blank, value in blanks.items():
        assert blank in code, f"{blank} is not in {code}"
        code = code.replace(blank, value)
    assert "…" not in code, code
    return code


def assert_printed(shown, said):
    """But for empty lines, and how far columns are apart."""
    said = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    shown = [" ".join(re.sub(r"\b[0-9a-f]{8}-…", "AN-ID", line).split()) for line in shown]
    patterns = [re.escape(line).replace("…", ".+").replace(re.escape("AN-ID"), "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
                for line in shown]
    assert len(said) == len(shown) and all(map(re.fullmatch, patterns, said)), (shown, said)


def run(command, folder, **environment):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, text=True, timeout=BOUND,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "TRY_BUILDDIR": str(BUILDDIR), **environment})
    assert done.returncode == 0, (command, done.stdout)
    return done.stdout


@contextlib.contextmanager
def session():
    """The folder from which ./try is run, and the host that it left."""
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        there = f"{folder}/build/try"
        (Path(folder) / "build").mkdir()
        code, _ = block("./try --sim --keep")
        words = code.split()
        run([TOP / words[0], *words[1:], "--dir", there], folder)
        try:
            yield Path(folder), json.loads(Path(there, "hosts.json").read_text())[0]
        finally:
            run([TOP / "try", "--stop", "--dir", there], folder)


def address(host):
    url = urllib.parse.urlsplit(host["url"])
    assert url.port in (None, 443), url  # the README names none
    return url.hostname


def bash(code, folder, host):
    """As root on the host is: without a server's name and a password."""
    (folder / "secret").write_text(f"root\n{host['password']}\n")
    extra = f"server={address(host)},passwordfile={folder}/secret,fingerprint={host['ssl_fingerprint']}"
    return run(["bash", "-ec", code], folder, HOME=str(folder), XE_EXTRA_ARGS=extra, LC_ALL="C.UTF-8",
               PATH=f"{BUILDDIR}/xtool:{os.environ['PATH']}")


def test_every_block_is_run():
    here = ("./try --sim --keep", "vm=$(xtool", "mkdir", "import json")
    for _, code in blocks():
        known = [start for start in (*ELSEWHERE, *here) if code.startswith(start)]
        assert known, f"nobody runs {code}"


def test_what_it_names_is_there():
    text = (TOP / "README.md").read_text()
    files = re.findall(r"\]\(([^)\s]+)\)", text)
    assert files and all((TOP / name).exists() for name in files), files
    named = [(words[0], option) for words in map(str.split, re.findall(r"`(\./\w+ --[^`]+)`", text))
             for option in words[1:]]
    named += [("./configure", option) for option in re.findall(r"`(--(?:with|enable)[\w-]+)`", text)]
    assert len({program for program, _ in named}) == 3, named
    for program, option in named:
        known = run([TOP / program, "--help"], TOP)
        assert re.search(rf"{option}\b", known), (program, option)


def test_a_reader_gets_what_is_shown():
    with session() as (folder, host):
        code, shown = block("import json", "python")
        assert shown
        assert_printed(shown, run(["/usr/bin/python3", "-c", code], folder))
        code, shown = block("vm=$(xtool")
        code = fill(code, {"127.0.77.1": address(host), "FILE": f"{folder}/secret",
                           "AB:CD:…": host["ssl_fingerprint"]})
        disks, more = block("mkdir")
        code += fill(disks, {"/srv": str(folder)})
        assert shown and more
        assert_printed(shown + more, bash(code, folder, host))
        said = bash("xtool vbd-list vm-name-label=second params=userdevice,vdi-name-label", folder, host)
        assert re.search("vdi-name-label.*: second", said), said


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

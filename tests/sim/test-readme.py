#!/usr/bin/python3
"""README.md's blocks, run as a reader would paste them, on the simulated host that ./try leaves."""
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
ELSEWHERE = {"./try  ": "test-try.py, and ./check itself", "autoreconf": "./check builds so"}


def blocks():
    """(first line, whether Python, text) of each block of code."""
    text = (TOP / "README.md").read_text()
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
    found = [(match.start(), match[1], match[2]) for match in fenced.finditer(text)]
    outside = fenced.sub(lambda match: re.sub(r"[^\n]", "", match[0]), text)
    for match in re.finditer(r"(?:^    .*\n)+", outside, re.M):
        found.append((match.start(), "bash", re.sub("^    ", "", match[0], flags=re.M)))
    return [(kind, code) for _, kind, code in found if kind]


def block(start, kind="bash"):
    code, = (code for its, code in blocks() if its == kind and code.startswith(start))
    return code


def fill(code, blanks):
    for blank, value in blanks.items():
        assert blank in code, f"{blank} is not in {code}"
        code = code.replace(blank, value)
    assert "…" not in code, code
    return code


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
        words = block("./try --sim --keep").split()
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
    here = ("./try --sim --keep", "xtool", "mkdir", "import json")
    for _, code in blocks():
        known = [start for start in (*ELSEWHERE, *here) if code.startswith(start)]
        assert known, f"nobody runs {code}"


def test_python():
    with session() as (folder, host):
        assert run(["/usr/bin/python3", "-c", block("import json", "python")], folder) == "Running\n"


def test_xtool_and_disks():
    with session() as (folder, host):
        first, rest = block("xtool vm-create").split("\n", 1)
        uuid = bash(first, folder, host).strip()
        code = fill(rest, {"uuid=…": f"uuid={uuid}", "127.0.77.1": address(host), "FILE": f"{folder}/secret",
                           "AB:CD:…": host["ssl_fingerprint"]})
        said = bash(code, folder, host)
        assert re.search(r"^ *first .*Running", said, re.M | re.I), said  # xtool list
        assert re.search(r"power-state.*suspended", said), said
        code = fill(block("mkdir"), {"/srv": str(folder), "vm-uuid=…": f"vm-uuid={uuid}"})
        bash(f"xtool vm-shutdown vm=first --force\n{code}", folder, host)
        said = bash(f"xtool vbd-list vm-uuid={uuid} params=userdevice,vdi-name-label", folder, host)
        assert re.search("vdi-name-label.*: first", said), said


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

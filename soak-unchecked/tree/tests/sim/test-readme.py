#!/usr/bin/python3
"""README.md's blocks, run as a reader would paste them, on the simulated host that ./try leaves."""
import contextlib
import json
import os
import re
import sys
import tempfile
import urllib.parse
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "unit")]
import tap
from document import TOP, Document, assert_printed, fill, run
from host import BUILDDIR

README = Document("README.md", {
    "./try  ": "test-try.py, and ./check itself", "autoreconf": "./check builds so",
    "sudo apt build-dep": "tests/deb/test-deb.sh", "sudo xtool pool-dump": "test-database.py"})


@contextlib.contextmanager
def session():
    """The folder from which ./try is run, and the host that it left."""
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        there = f"{folder}/build/try"
        (Path(folder) / "build").mkdir()
        code, _ = README.block("./try --sim --keep")
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
    starts = "./try --sim --keep", "vm=$(xtool", "mkdir", "xtool network-create", "import json"
    for code in README.here():
        assert code.startswith(starts), f"nobody runs {code}"


def test_what_it_names_is_there():
    files = README.links()
    assert files and all(path.exists() for path in files), files
    named = [(words[0], option) for words in map(str.split, re.findall(r"`(\./\w+ --[^`]+)`", README.text))
             for option in words[1:]]
    named += [("./configure", option) for option in re.findall(r"`(--(?:with|enable)[\w-]+)`", README.text)]
    assert len({program for program, _ in named}) == 3, named
    for program, option in named:
        known = run([TOP / program, "--help"], TOP)
        assert re.search(rf"{option}\b", known), (program, option)


def test_a_reader_gets_what_is_shown():
    with session() as (folder, host):
        code, shown = README.block("import json", "python")
        assert shown
        assert_printed(shown, run(["/usr/bin/python3", "-c", code], folder))
        code, shown = README.block("vm=$(xtool")
        code = fill(code, {"127.0.77.1": address(host), "FILE": f"{folder}/secret",
                           "AB:CD:…": host["ssl_fingerprint"]})
        disks, more = README.block("mkdir")
        code += fill(disks, {"/srv": str(folder)})
        cards, last = README.block("xtool network-create")
        assert shown and more and last
        assert_printed(shown + more + last, bash(code + cards, folder, host))
        said = bash("xtool vbd-list vm-name-label=second params=userdevice,vdi-name-label", folder, host)
        assert re.search("vdi-name-label.*: second", said), said


tap.run(*[function for name, function in list(globals().items()) if name.startswith("test_")])

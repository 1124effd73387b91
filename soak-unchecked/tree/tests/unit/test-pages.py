#!/usr/bin/python3
"""The pages of man: complete, and without mistakes. """
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

TOP = Path(__file__).resolve().parents[2]
BUILDDIR = Path(os.environ.get("BUILDDIR", "."))
PAGES = [BUILDDIR / "xtool/xtool.1", BUILDDIR / "docs/xapid.conf.5", TOP / "docs/xapid.8"]
SAMPLE = TOP / "docs/xapid.conf.sample"


def shown(page):
    """As a reader sees it, in one line."""
    if not shutil.which("man"):
        raise tap.Skip("no man here")
    done = subprocess.run(["man", "--nj", "--nh", "-E", "ascii", "-l", page], capture_output=True, text=True, check=True,
                          timeout=60, env={**os.environ, "MANWIDTH": "200", "MANPAGER": "cat", "GROFF_NO_SGR": "1"})
    return " ".join(re.sub(".\b", "", done.stdout).split())


def check(*command):
    if not shutil.which(command[0]):
        raise tap.Skip(f"no {command[0]} here")
    for page in PAGES:
        done = subprocess.run([*command, page], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        told = done.stderr + (done.stdout if command[0] == "mandoc" else "")
        assert done.returncode == 0 and not told, (page, told)


def test_man_has_no_warnings():
    check("man", "--warnings", "-E", "UTF-8", "-l")


def test_mandoc_finds_nothing():
    check("mandoc", "-Tlint")


def test_xtools_page_has_every_command():
    text = shown(PAGES[0])
    done = subprocess.run([BUILDDIR / "xtool/xtool", "help", "--all"], capture_output=True, text=True, check=True, timeout=60)
    listed, _, _ = done.stdout.partition("\nCLASS-list")
    commands = re.findall(r"^  ([a-z][a-z0-9-]+)(?: |$)", listed, re.M)
    assert len(commands) > 200, commands
    assert not [command for command in commands if f" {command} " not in text]
    for part in ("EXIT STATUS 0 Done.", "vm-disk-add vm=NAME|UUID disk-size=VALUE device=VALUE [sr-uuid=VALUE] Makes a disk",
                 "mem-set NAME TARGET As vm-memory-target-set.", "XTOOL_SERVER", "~/.config/xapid/known_hosts"):
        assert part in text, part


def test_every_setting_is_in_its_page():
    text, sample = shown(PAGES[1]), SAMPLE.read_text()
    keys = re.findall(r"^#(\w+=.*)$", sample, re.M)
    assert len(keys) > 20 and not [key for key in keys if f" {key} " not in text]
    for comment in re.findall(r"^# (.*)$", sample, re.M):
        assert " ".join(comment.split()) in text, comment


def test_a_sample_that_cannot_be_read():
    done = subprocess.run([sys.executable, TOP / "docs/conf-page.py", "/dev/stdin", "1", "/dev/null"], input="key=value\n",
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "cannot read 'key=value'" in done.stderr, done


tap.run(test_man_has_no_warnings, test_mandoc_finds_nothing, test_xtools_page_has_every_command,
        test_every_setting_is_in_its_page, test_a_sample_that_cannot_be_read)

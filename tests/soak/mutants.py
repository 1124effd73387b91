"""A copy of the tree in a folder of BUILDDIR, of which single lines are changed, and programs built from it."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1200
ALL = ("xapid/xapid", "xapid-launch", "xapid-domains", "xapid-host", "xapid-stream", "xapid-db", "xapid-terminal", "xapid-picture", "xs-guestd",
       "storage-repos/file/file", "storage-repos/iso/iso")


def stale(changes):
    """Says which of the (file, text) are not there once, so that nothing would be changed; how many."""
    bad = [(name, text, count) for name, text in changes if (count := (TOP / name).read_text().count(text)) != 1]
    for name, text, count in bad:
        print(f"{sys.argv[0]}: {name} has {count} times: {text}")
    return len(bad)


class Mutants:
    """`folder` of BUILDDIR; `programs` are built from the copy, the others are BUILDDIR's."""

    def __init__(self, folder, programs):
        builddir = Path(os.environ["BUILDDIR"]).resolve()
        self.work, self.built = builddir / folder, programs
        self.tree, self.programs = self.work / "tree", self.work / "programs"
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(TOP, self.tree, symlinks=True, ignore=lambda folder, names: [
            name for name in names if name in (".git", "__pycache__", "build") or Path(folder, name) == builddir])
        (self.work / "build").mkdir()
        # Warnings are no errors: what only a line that is gone used is left over.
        subprocess.run([self.tree / "configure", "-q", "--disable-dependency-tracking", "--without-xen", "CFLAGS=-O1"],
                       cwd=self.work / "build", check=True, timeout=BUILD_SECONDS, stdout=subprocess.DEVNULL)
        for name in ALL:
            (self.programs / name).parent.mkdir(parents=True, exist_ok=True)
            if name not in programs:
                shutil.copy(builddir / name, self.programs / name)

    def build(self):
        """The copy's programs, among the others."""
        subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", self.work / "build", *self.built], check=True,
                       timeout=BUILD_SECONDS, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for name in self.built:
            shutil.copy(self.work / "build" / name, self.programs / name)

    def run(self, name, with_it, without, test):
        """What test () returns with programs of which the file `name` has another text."""
        path = self.tree / name
        text = path.read_text()
        assert text.count(with_it) == 1, name
        path.write_text(text.replace(with_it, without))
        try:
            self.build()
            return test()
        finally:
            path.write_text(text)

    def remove(self):
        shutil.rmtree(self.work)

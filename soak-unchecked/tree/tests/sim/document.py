"""A document whose blocks of code are run as a reader would paste them.

Lines of a block that begin with # are what is printed; there, … is anything, and an id any id."""
import os
import re
import subprocess
from pathlib import Path

from host import BUILDDIR

TOP = Path(__file__).resolve().parents[2]
BOUND = 120
ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Document:
    """name: from the top of the tree.  elsewhere: first words of blocks that are not run here -> who runs
    them."""

    def __init__(self, name, elsewhere):
        self.path, self.elsewhere = TOP / name, elsewhere
        self.text = self.path.read_text()

    def blocks(self):
        """(language, text) of each block of code, in their order."""
        fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
        found = [(match.start(), match[1], match[2]) for match in fenced.finditer(self.text)]
        outside = fenced.sub(lambda match: re.sub(r"[^\n]", "", match[0]), self.text)
        for match in re.finditer(r"(?:^    .*\n)+", outside, re.M):
            found.append((match.start(), "bash", re.sub("^    ", "", match[0], flags=re.M)))
        return [(kind, code) for _, kind, code in sorted(found) if kind]

    def block(self, start, kind="bash"):
        """What to run, and what it prints."""
        code, = (code for its, code in self.blocks() if its == kind and code.startswith(start))
        return split(code)

    def here(self):
        """The blocks that nobody else runs; each of those that are said to be run elsewhere is one."""
        starts = {start: [code for _, code in self.blocks() if code.startswith(start)] for start in self.elsewhere}
        assert all(len(found) == 1 for found in starts.values()), starts
        return [code for _, code in self.blocks() if not code.startswith(tuple(self.elsewhere))]

    def links(self):
        """The files that it leads to."""
        names = re.findall(r"\]\(([^)\s#]+)[^)]*\)", self.text)
        return [self.path.parent / name for name in names if ":" not in name]


def split(code):
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
    patterns = [re.escape(line).replace("…", ".+").replace(re.escape("AN-ID"), ID) for line in shown]
    assert len(said) == len(shown) and all(map(re.fullmatch, patterns, said)), (shown, said)


def run(command, folder, status=0, **environment):
    """What it printed; it must end with that status."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, text=True, timeout=BOUND,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "TRY_BUILDDIR": str(BUILDDIR), **environment})
    assert done.returncode == status, (command, done.returncode, done.stdout)
    return done.stdout

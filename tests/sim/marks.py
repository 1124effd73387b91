"""The folder XAPID_TEST_FAULT_DIR (lib/faults.h), in which each fault that has acted leaves a mark."""
from pathlib import Path

OFTEN = "+"  # behind the name of one that has acted and may act again


def acted(folder):
    """The names of the points whose faults have acted."""
    return {path.name.removesuffix(OFTEN) for path in Path(folder).iterdir()
            if path.name.endswith(OFTEN) or any(path.read_bytes())}


def again(folder):
    """Each of them acts once more, in programs that run already, too."""
    for name in acted(folder):
        Path(folder, name + OFTEN).touch()
        with open(Path(folder, name), "r+b") as mark:
            mark.write(bytes(4))

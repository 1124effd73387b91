#!/usr/bin/python3
"""clones.py [MIB]: a disk of that many MiB (1024), full, is cloned and copied in turn on a simulated host, whose storage
drivers are the real ones; prints the medians of the time and the space that each takes, and their ratios."""
import os
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "sim"), str(HERE.parent / "unit")]
from disks import MIB, connected, files, image, new_sr, new_vdi, write
from host import Host

ROUNDS = int(os.environ.get("XAPID_BENCH_ROUNDS", "5"))


def space(folder):
    return sum((folder / name).stat().st_blocks * 512 for name in files(folder))


def main(mib):
    with Host() as host:
        x = connected(host)
        sr = new_sr(host, x)
        source = new_vdi(x, sr, size=mib * MIB)
        write(host, x, source, f"write -P 1 0 {mib}m")
        path, _ = image(host, x, source)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        print(f"a qcow2 disk of {mib} MiB, full: {path.stat().st_blocks * 512} bytes; {ROUNDS} rounds")
        times, bytes_ = {"clone": [], "copy": []}, {"clone": [], "copy": []}
        for round_ in range(ROUNDS):
            for call in ("clone", "copy") if round_ % 2 else ("copy", "clone"):
                before, began = space(host.dir / "sr"), time.monotonic()
                made = x.VDI.clone(source) if call == "clone" else x.VDI.copy(source, sr)
                times[call].append(time.monotonic() - began)
                bytes_[call].append(space(host.dir / "sr") - before)
                x.VDI.destroy(made)
        for call in ("clone", "copy"):
            print(f"{call:6} {median(times[call]):9.3f} s {median(bytes_[call]):12.0f} bytes")
        print(f"clone / copy: time {median(times['clone']) / median(times['copy']):.4f}, "
              f"space {median(bytes_['clone']) / median(bytes_['copy']):.6f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)

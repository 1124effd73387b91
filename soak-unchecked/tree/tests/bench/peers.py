#!/usr/bin/python3
"""peers.py OUT [FIGURE...]: xapid under its simulator beside libvirt's test driver and SQLite, in turn; prints
medians and ratios, and writes every figure to OUT as JSON.  FIGURE: functions of figures.py, instead of all."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "sim"), str(HERE.parent / "unit")]
from figures import FIGURES
from ratio import ratio

FACTORS = {"ms": 1e3}


class Report:
    """Prints figures as they come, and keeps them."""

    def __init__(self):
        self.figures = []

    def pair(self, what, ours, theirs, unit, goal=""):
        """Of lists that were taken in turn.  Times are seconds, and shown as the unit says."""
        middle, (low, high) = ratio(ours, theirs)
        factor = FACTORS.get(unit, 1)
        print(f"{what}: {median(ours) * factor:,.4g} {unit}; {median(theirs) * factor:,.4g} {unit}; "
              f"{middle:.3g} x ({low:.3g} to {high:.3g}), {len(ours)} pairs{goal and f'; goal: {goal}'}", flush=True)
        self.figures.append({"what": what, "unit": unit, "ours": ours, "theirs": theirs, "goal": goal,
                             "ratio": middle, "interval": [low, high]})

    def value(self, what, value, unit, goal=""):
        print(f"{what}: {value:,.4g} {unit}{goal and f'; goal: {goal}'}", flush=True)
        self.figures.append({"what": what, "unit": unit, "value": value, "goal": goal})


def machine():
    commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty", "--abbrev=8"], capture_output=True, text=True)
    return {"date": time.strftime("%Y-%m-%d"), "commit": commit.stdout.strip(), "processors": os.cpu_count(),
            "kernel": os.uname().release, "load": os.getloadavg()}


def main(out, *wanted):
    where = machine()
    print(*(f"{name} {value}" for name, value in where.items()), sep=", ", flush=True)
    report = Report()
    for figure in FIGURES:
        if not wanted or figure.__name__ in wanted:
            figure(report)
    where["load at the end"] = os.getloadavg()
    print(f"load at the end {where['load at the end']}")
    Path(out).write_text(json.dumps({"machine": where, "figures": report.figures}, indent=1))


main(*sys.argv[1:])

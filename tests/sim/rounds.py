"""What calls take with and without something beside them, in turns on one machine: whether it slows them."""
import time
from statistics import median


def percentile(times, part):
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]


def timed(call, count, pause=0):
    """Seconds that each of so many calls took, with so many between two."""
    times = []
    for _ in range(count):
        began = time.monotonic()
        call()
        times.append(time.monotonic() - began)
        time.sleep(pause)
    return times


class Rounds:
    """A machine that others use, too, makes calls slow at any time, and never makes one fast: of several
    rounds of each kind the best counts.  They go on until its ratio holds: `least` of each, `most` at most; then,
    where the machine was free only once, the median counts, too."""

    def __init__(self, part, ratio=2, least=2, most=8):
        self.part, self.ratio, self.least, self.most = part, ratio, least, most
        self.quiet, self.busy = [], []

    def more(self):
        done = len(self.busy)
        return done < self.least or (done < self.most and not self._holds(min))

    def took_quiet(self, times):
        self.quiet.append(percentile(times, self.part))

    def took_busy(self, times):
        self.busy.append(percentile(times, self.part))

    def _holds(self, of):
        return of(self.busy) <= self.ratio * of(self.quiet)

    def hold(self):
        return self._holds(min) or self._holds(median)

    def __str__(self):
        told = (f"{name} {of(self.quiet) * 1e3:.2f} ms alone, {of(self.busy) * 1e3:.2f} ms beside it"
                for name, of in (("best", min), ("median", median)))
        return f"p{self.part * 100:.0f} of {len(self.busy)} rounds each: {', '.join(told)}"

"""What calls take with and without something beside them, in turns on one machine: whether it slows them."""
import time


def percentile(times, part):
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]


def timed(call, count):
    """Seconds that each of so many calls took."""
    times = []
    for _ in range(count):
        began = time.monotonic()
        call()
        times.append(time.monotonic() - began)
    return times


class Rounds:
    """A machine that others use, too, makes calls slow at any time, and never makes one fast: of several
    rounds of each kind the best counts.  Rounds go on until the ratio holds, `most` at most."""

    def __init__(self, part, ratio=2, least=2, most=8):
        self.part, self.ratio, self.least, self.most = part, ratio, least, most
        self.quiet, self.busy = [], []

    def more(self):
        done = len(self.busy)
        return done < self.least or (done < self.most and not self.hold())

    def took_quiet(self, times):
        self.quiet.append(percentile(times, self.part))

    def took_busy(self, times):
        self.busy.append(percentile(times, self.part))

    def hold(self):
        return min(self.busy) <= self.ratio * min(self.quiet)

    def __str__(self):
        quiet, busy = min(self.quiet) * 1e3, min(self.busy) * 1e3
        return (f"p{self.part * 100:.0f} {quiet:.2f} ms alone, {busy:.2f} ms beside it, ratio {busy / quiet:.2f}, "
                f"the best of {len(self.busy)} rounds")

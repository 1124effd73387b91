"""Ratios of what was measured in turn: the median, and where it may lie."""
import random
from statistics import median

ROUNDS = 5000
SEED = 1  # the same figures from the same list


def ratio(ours, theirs):
    """(median of ours / median of theirs, its 95 % interval by bootstrap over the pairs)."""
    pairs = list(zip(ours, theirs, strict=True))
    if not pairs:
        raise ValueError("nothing was measured")
    chance = random.Random(SEED)

    def of(some):
        return median(our for our, _ in some) / median(their for _, their in some)

    many = sorted(of(chance.choices(pairs, k=len(pairs))) for _ in range(ROUNDS))
    return of(pairs), (many[int(ROUNDS * 0.025)], many[int(ROUNDS * 0.975)])

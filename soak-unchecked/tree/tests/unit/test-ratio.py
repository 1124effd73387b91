#!/usr/bin/python3
"""Medians of ratios, and their intervals."""
import random
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "bench")]
import tap
from ratio import ratio


def test_equal_lists():
    assert ratio([2.0] * 5, [2.0] * 5) == (1.0, (1.0, 1.0))


def test_one_that_strays_does_not_count():
    middle, (low, high) = ratio([1.0] * 20 + [50.0], [2.0] * 21)
    assert (middle, low, high) == (0.5, 0.5, 0.5), (middle, low, high)


def test_the_interval_holds_the_truth():
    chance = random.Random(3)
    theirs = [chance.gauss(100, 10) for _ in range(200)]
    ours = [chance.gauss(40, 4) for _ in range(200)]
    middle, (low, high) = ratio(ours, theirs)
    assert low - 0.01 < 0.4 < high + 0.01 and high - low < 0.05 and low <= middle <= high, (low, middle, high)


def test_pairs_are_pairs():
    for lists in ([1.0], []), ([], []):
        try:
            ratio(*lists)
        except ValueError:
            continue
        raise AssertionError(f"a ratio of {lists}")


tap.run(test_equal_lists, test_one_that_strays_does_not_count, test_the_interval_holds_the_truth,
        test_pairs_are_pairs)

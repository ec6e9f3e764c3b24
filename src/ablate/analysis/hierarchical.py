"""Means over tasks and seeds, with intervals that hold for other tasks and other seeds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ablate.analysis.statistics import around

DRAWS = 2_000
_SEED = 20_070_601

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
ByGroup = Mapping[str, tuple[float, int]]
"""(mean, examples) by group."""


@dataclass(frozen=True)
class Hierarchical:
    """A mean, or a difference of means, with its 95 % interval over `groups` groups and `n` seeds.

    `n` is the smaller number of seeds of two unpaired arms. NaN is a number that there is not.
    """

    estimate: float
    low: float
    high: float
    groups: int
    n: int


def mean_over_groups(runs: Mapping[int, ByGroup]) -> Hierarchical:
    """Return the mean of an arm over groups and seeds; `runs` are its runs by seed.

    The mean of a run is that over its examples, sum(c_g v_g) / sum(c_g) for the mean v_g of the
    c_g examples of group g, and the mean of the arm is that of its runs. The interval is that of
    `difference_over_groups`, of a comparator that is 0.
    """
    shared = _shared([*runs.values()])
    means, counts = _matrices(runs, shared)
    return _estimate([(means, counts)], [1.0], joint=True)


def difference_over_groups(
    arm: Mapping[int, ByGroup], comparator: Mapping[int, ByGroup], *, paired: bool
) -> Hierarchical:
    """Return the mean of an arm less that of its comparator, over the groups that all runs have.

    Groups and seeds are crossed: a run of one seed is evaluated on every group. So the bootstrap
    draws groups with replacement and then seeds, and reads every drawn seed on all drawn groups
    (the pigeonhole bootstrap: Owen 2007, The Annals of Applied Statistics 1(2); Davison & Hinkley
    1997, Bootstrap Methods and their Application, section 3.8, for data in levels). A draw has one
    member less than there are, which takes away the narrowness of bootstrap intervals of few
    members. The interval is the difference ± t * s, where s is the standard deviation of 2,000
    drawn differences, of a fixed seed, and t the 97.5 % point of Student's t (for both: Hesterberg
    2015, The American Statistician 69(4)). Its degrees of freedom are Satterthwaite's for the parts
    of seeds and of groups in s^2. With a single group this is the t interval over
    seeds. `paired` draws the same seeds of both, otherwise each has its own. Without two seeds
    there is no interval.
    """
    if paired:
        seeds = arm.keys() & comparator.keys()
        arm = {seed: arm[seed] for seed in sorted(seeds)}
        comparator = {seed: comparator[seed] for seed in sorted(seeds)}
    shared = _shared([*arm.values(), *comparator.values()])
    sides = [_matrices(runs, shared) for runs in (arm, comparator)]
    return _estimate(sides, [1.0, -1.0], joint=paired)


def _shared(runs: list[ByGroup]) -> list[str]:
    """Return the groups that all runs have with finite means."""
    return [
        group
        for group in (runs[0] if runs else ())
        if all(group in run and math.isfinite(run[group][0]) for run in runs)
    ]


def _matrices(runs: Mapping[int, ByGroup], groups: list[str]) -> tuple[Floats, Floats]:
    """Return means and counts, both (seeds, groups)."""
    shape = len(runs), len(groups)
    found = np.array([[run[group] for group in groups] for run in runs.values()], dtype=float)
    both = found.reshape(*shape, 2)
    return both[..., 0], both[..., 1]


def _estimate(
    sides: list[tuple[Floats, Floats]], signs: list[float], *, joint: bool
) -> Hierarchical:
    """Estimate a signed sum of arms; `joint` says that their seeds are drawn together."""
    groups = sides[0][0].shape[1]
    sizes = [means.shape[0] for means, _ in sides]
    n = min(sizes)
    nothing = math.nan
    if not groups or not n:
        return Hierarchical(nothing, nothing, nothing, groups, n)
    whole = np.ones((1, groups))
    by_seed = [_run_means(side, whole)[0] for side in sides]
    estimate = float(sum(s * means.mean() for s, means in zip(signs, by_seed, strict=True)))
    if n < 2:
        return Hierarchical(estimate, nothing, nothing, groups, n)
    drawn = [_run_means(side, _weights(groups, 0)) for side in sides]
    if joint:
        drawn = [np.asarray(sum(s * means for s, means in zip(signs, drawn, strict=True)))]
        by_seed = [np.asarray(sum(s * means for s, means in zip(signs, by_seed, strict=True)))]
        signs, sizes = [1.0], sizes[:1]
    draws = np.zeros(DRAWS)
    for place, (sign, means, size) in enumerate(zip(signs, drawn, sizes, strict=True)):
        weights = _weights(size, 1 + place)
        draws += sign * (weights * means).sum(1) / weights.sum(1)
    parts = [(float(m.var(ddof=1)) / m.size, m.size - 1) for m in by_seed]
    variance = float(draws.var(ddof=1))
    if groups > 1:
        parts.append((max(variance - sum(part for part, _ in parts), 0.0), groups - 1))
    below = sum(part**2 / freedom for part, freedom in parts)
    freedom = sum(part for part, _ in parts) ** 2 / below if below else n - 1.0
    low, high = around(estimate, math.sqrt(variance), freedom)
    return Hierarchical(estimate, low, high, groups, n)


def _run_means(side: tuple[Floats, Floats], weights: Floats) -> Floats:
    """Return the mean of every run (draws, seeds) where groups weigh as drawn (draws, groups)."""
    means, counts = side
    return np.asarray((weights @ (means * counts).T) / (weights @ counts.T))


@lru_cache(maxsize=16)
def _weights(members: int, stream: int) -> Floats:
    """Draw how often each of some members is in every draw (draws, members)."""
    generator = np.random.default_rng([_SEED, stream])
    size = max(members - 1, 1)
    return generator.multinomial(size, [1 / members] * members, size=DRAWS).astype(float)

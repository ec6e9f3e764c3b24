"""Comparisons that are tested together: which test, how corrected, what it would take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from ablate.analysis import statistics
from ablate.analysis.statistics import ALPHA, Gap
from ablate.analysis.verdicts import Method, Tested
from ablate.spec import Direction

FEWEST_SEEDS = 3
"""With fewer seeds nothing is claimed."""
_BORROWED = 2.0
"""How many times its own degrees of freedom a comparison has with the spread of its family."""


@dataclass(frozen=True)
class Pair:
    """The values of an arm and of its comparator by seed, which are to be compared.

    Comparisons of one `scale` (a metric) have spreads that may be set side by side. `examples` is
    the number that the metric is a share of, None if it is not known; `claims` is False for a
    comparison of which nothing is claimed, so that it corrects no other.
    """

    arm: Mapping[int, float]
    comparator: Mapping[int, float]
    direction: Direction
    paired: bool = True
    scale: str = ""
    examples: int | None = None
    claims: bool = True


@dataclass(frozen=True)
class _Measured:
    pair: Pair
    arm: tuple[float, ...]
    comparator: tuple[float, ...]
    differences: tuple[tuple[int, float], ...]
    n: int
    gap: Gap | None
    """None below two seeds."""

    @property
    def tested(self) -> bool:
        """Whether it is one of the family."""
        return self.pair.claims and self.n >= FEWEST_SEEDS

    @property
    def smallest(self) -> float:
        """The smallest p that an exact test can have."""
        if self.pair.paired:
            return statistics.sign_flip_smallest(self.n)
        return statistics.permutation_smallest(len(self.arm), len(self.comparator))

    @property
    def step(self) -> float:
        """What rounding to shares of the examples alone makes of a difference, as a spread.

        Each of two values is rounded to a multiple of 1/N, an error of 1 / (N * sqrt(12)).
        """
        return 1 / (self.pair.examples * math.sqrt(6)) if self.pair.examples else 0.0


def compare(pairs: Sequence[Pair]) -> list[Tested]:
    """Test comparisons that belong together, and correct them for their number.

    - The exact test (sign flips of paired, relabellings of unpaired values) decides wherever the
      smallest p that it can have, times the number of comparisons, is at most 0.05; otherwise
      Student's or Welch's t does. The choice depends on numbers of seeds and comparisons alone.
    - The spread in a t test is no lower than the median spread of the family on the same scale,
      as few seeds lie close together by chance; one that is raised to it has twice the degrees of
      freedom, as more comparisons than its own stand for it. It is never lower than what the
      rounding of a metric to shares of N examples makes of it. `benchmarks/false_claims.py` shows
      what that does to false claims and to power.
    - Without any spread, and without such an N, the exact test decides.
    - p-values are corrected after Holm, over the comparisons that can be claimed.
    """
    measured = [_measure(pair) for pair in pairs]
    return _compared(measured, _exact(measured))


def compare_each(pairs: Sequence[Pair]) -> list[Tested]:
    """Test comparisons that do not belong together: each is `compare` of it alone."""
    measured = [_measure(pair) for pair in pairs]
    exact = _exact(measured)
    return [_compared([one], [p])[0] for one, p in zip(measured, exact, strict=True)]


def _compared(measured: Sequence[_Measured], exact: Sequence[float]) -> list[Tested]:
    family = sum(one.tested for one in measured)
    usual = _usual_spreads(measured)
    methods = [_method(one, family, usual) for one in measured]
    ps = [
        _p(one, method, p, usual) for one, method, p in zip(measured, methods, exact, strict=True)
    ]
    corrected = iter(
        statistics.holm([p for one, p in zip(measured, ps, strict=True) if one.tested])
    )
    alpha = ALPHA / max(family, 1)
    found = []
    for one, method, p, p_exact in zip(measured, methods, ps, exact, strict=True):
        p_holm = next(corrected) if one.tested else math.nan
        found.append(_tested(one, (method, p, p_exact, p_holm), usual, alpha))
    return found


def _measure(pair: Pair) -> _Measured:
    if pair.paired:
        seeds = sorted(pair.arm.keys() & pair.comparator.keys())
        arm = tuple(pair.arm[seed] for seed in seeds)
        comparator = tuple(pair.comparator[seed] for seed in seeds)
        by_seed = tuple(
            (seed, left - right) for seed, left, right in zip(seeds, arm, comparator, strict=True)
        )
        gap = statistics.paired_gap([gap for _, gap in by_seed]) if len(seeds) > 1 else None
        return _Measured(pair, arm, comparator, by_seed, len(seeds), gap)
    arm, comparator = tuple(pair.arm.values()), tuple(pair.comparator.values())
    n = min(len(arm), len(comparator))
    gap = statistics.unpaired_gap(arm, comparator) if n > 1 else None
    return _Measured(pair, arm, comparator, (), n, gap)


def _usual_spreads(measured: Sequence[_Measured]) -> dict[str, float]:
    spreads: dict[str, list[float]] = {}
    for one in measured:
        if one.gap is not None and one.tested:
            spreads.setdefault(one.pair.scale, []).append(one.gap.spread)
    return {scale: median(found) for scale, found in spreads.items()}


def _method(one: _Measured, family: int, usual: Mapping[str, float]) -> Method:
    if one.n < FEWEST_SEEDS:
        return Method.NONE
    exact = one.smallest * max(family, 1) <= ALPHA or _widened(one, usual).error == 0
    if one.pair.paired:
        return Method.SIGN_FLIP if exact else Method.PAIRED_T
    return Method.PERMUTATION if exact else Method.WELCH_T


def _exact(measured: Sequence[_Measured]) -> list[float]:
    """Return the p of the exact test of each comparison, NaN without a seed."""
    paired = iter(
        statistics.sign_flip_ps(
            [[gap for _, gap in one.differences] for one in measured if one.pair.paired]
        )
    )
    unpaired = iter(
        statistics.permutation_ps(
            [(one.arm, one.comparator) for one in measured if not one.pair.paired]
        )
    )
    return [next(paired if one.pair.paired else unpaired) for one in measured]


def _p(one: _Measured, method: Method, exact: float, usual: Mapping[str, float]) -> float:
    if method is Method.NONE:
        return math.nan
    if method in {Method.SIGN_FLIP, Method.PERMUTATION}:
        return exact
    widened = _widened(one, usual)
    return statistics.t_p(widened.difference, widened.error, widened.freedom)


def _widened(one: _Measured, usual: Mapping[str, float] | None = None) -> Gap:
    """Return the gap with the least spread that it may have; `usual` are those of the family."""
    gap = one.gap
    if gap is None:
        raise ValueError("fewer than two seeds have no spread")
    family = (usual or {}).get(one.pair.scale, 0.0)
    freedom = gap.freedom * _BORROWED if family > gap.spread else gap.freedom
    spread = max(gap.spread, family, one.step)
    if gap.spread > 0:
        error = gap.error * spread / gap.spread
    else:
        sizes = [one.n] if one.pair.paired else [2 * len(one.arm), 2 * len(one.comparator)]
        error = spread * math.sqrt(sum(1 / size for size in sizes))
    return Gap(gap.difference, spread, error, freedom)


def _tested(
    one: _Measured,
    test: tuple[Method, float, float, float],
    usual: Mapping[str, float],
    alpha: float,
) -> Tested:
    method, p, p_exact, p_holm = test
    difference = fmean(one.arm) - fmean(one.comparator) if one.n else math.nan
    low, high = _interval(one)
    detectable, needed = math.nan, None
    if one.gap is not None:
        gap = _widened(one, usual)
        if gap.error > 0:
            detectable = gap.error * statistics.detectable_shift(gap.freedom, alpha)
        needed = statistics.seeds_needed(gap.difference, gap.spread, alpha, paired=one.pair.paired)
    return Tested(
        differences=one.differences,
        n=one.n,
        difference=difference,
        low=low,
        high=high,
        method=method,
        p=p,
        p_sign_flip=p_exact,
        p_smallest=one.smallest,
        p_holm=p_holm,
        improvement=statistics.improvement(one.arm, one.comparator, one.pair.direction),
        detectable=detectable,
        seeds_needed=needed,
    )


def _interval(one: _Measured) -> tuple[float, float]:
    """Return the 95 % interval of a difference: Student's, or without a spread of two shares."""
    if one.gap is None:
        return math.nan, math.nan
    if one.gap.spread > 0:
        gap = _widened(one)
        return statistics.around(gap.difference, gap.error, gap.freedom)
    if one.pair.examples:
        arm, comparator = fmean(one.arm), fmean(one.comparator)
        return statistics.proportions_interval(arm, comparator, one.pair.examples)
    return math.nan, math.nan

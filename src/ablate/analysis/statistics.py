"""The formulas of a comparison: means, intervals, exact tests, correction, power.

Every function is pure and takes plain numbers; `docs/method.md` explains them in words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from statistics import fmean, median, stdev

import numpy as np

from ablate.spec import Direction

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
POWER = 0.8
MOST_SEEDS = 1_000
"""The largest number of seeds that `seeds_needed` names."""
_MOST_EXACT = 40
_MOST_RELABELLED = 200_000
_DRAWS = 100_000
_TINY = 1e-9
"""Relative to the values: what rounding alone makes of numbers that are equal."""


@dataclass(frozen=True)
class Description:
    """The values of an arm in short: `sd` with n - 1, `low` and `high` the interval of the mean."""

    n: int
    mean: float
    sd: float
    median: float
    iqm: float
    low: float
    high: float


def describe(values: Sequence[float]) -> Description:
    """Describe values; what too few of them leave open is NaN."""
    if not values:
        nan = math.nan
        return Description(0, nan, nan, nan, nan, nan, nan)
    low, high = interval(values)
    return Description(
        n=len(values),
        mean=fmean(values),
        sd=stdev(values) if len(values) > 1 else math.nan,
        median=median(values),
        iqm=interquartile_mean(values),
        low=low,
        high=high,
    )


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean without the lowest and the highest quarter of the values; NaN for none.

    Of n values int(n / 4) are cut off at either end, as in `rliable` (Agarwal et al. 2021) and
    SciPy's `trim_mean` with 0.25: below four values it is the mean.
    """
    if not values:
        return math.nan
    cut = len(values) // 4
    return fmean(sorted(values)[cut : len(values) - cut])


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return Student's 95 % confidence interval of a mean; NaN for fewer than two values.

    mean ± t * sd / sqrt(n), with the 97.5 % point of Student's t with n - 1 degrees of freedom
    (Student 1908).
    """
    if len(values) < 2:
        return math.nan, math.nan
    return around(fmean(values), stdev(values) / math.sqrt(len(values)), len(values) - 1)


def around(center: float, error: float, freedom: float) -> tuple[float, float]:
    """Return the 95 % interval of an estimate with a standard error and degrees of freedom."""
    half = _quantile(freedom) * error
    return center - half, center + half


@lru_cache(maxsize=256)
def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def t_p(estimate: float, error: float, freedom: float) -> float:
    """Return the two-sided p of Student's t test, 2 * P(T > |estimate / error|).

    Without any error it is 1 for an estimate of 0, and 0 for any other.
    """
    from scipy.special import stdtr  # noqa: PLC0415 - slow to import

    if error == 0:
        return float(estimate == 0)
    return float(2 * stdtr(freedom, -abs(estimate / error)))


@dataclass(frozen=True)
class Gap:
    """A difference of means, the standard error of it and the degrees of freedom.

    `spread` is the standard deviation of the difference of one run and another.
    """

    difference: float
    spread: float
    error: float
    freedom: float


def paired_gap(differences: Sequence[float]) -> Gap:
    """Return the mean of differences by seed, with the error sd / sqrt(n) and n - 1 freedoms."""
    n = len(differences)
    spread = _cleaned(stdev(differences), differences)
    return Gap(fmean(differences), spread, spread / math.sqrt(n), n - 1.0)


def unpaired_gap(arm: Sequence[float], comparator: Sequence[float]) -> Gap:
    """Return the difference of two means of at least two values each.

    The error is Welch's, sqrt(sd_1^2 / n_1 + sd_2^2 / n_2), the degrees of freedom are
    Satterthwaite's (Welch 1947).
    """
    parts = [_cleaned(stdev(values), values) ** 2 / len(values) for values in (arm, comparator)]
    total = sum(parts)
    below = sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (arm, comparator), strict=True)
    )
    smallest = min(len(arm), len(comparator)) - 1.0
    spread = math.sqrt(parts[0] * len(arm) + parts[1] * len(comparator))
    difference = fmean(arm) - fmean(comparator)
    freedom = total**2 / below if below else smallest
    return Gap(difference, spread, math.sqrt(total), freedom)


def _cleaned(spread: float, values: Sequence[float]) -> float:
    """Return 0 for a spread that is nothing but rounding."""
    return spread if spread > _TINY * max(map(abs, values), default=0.0) else 0.0


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the exact two-sided p of the sign-flip test of differences by seed; NaN for none.

    If an arm and its comparator are the same, every difference could as well have had the other
    sign: p is the share of the 2^n choices of signs whose sum is at least as far from 0 as the
    sum found (Fisher 1935, section 21). It is exact up to 40 seeds: the sums of two halves are
    sorted and matched (Horowitz & Sahni 1974). For more seeds it is (b + 1) / (m + 1) for b of
    m = 100,000 random choices of a fixed seed.
    """
    n = len(differences)
    if n == 0:
        return math.nan
    sizes = np.abs(np.asarray(differences, dtype=float))
    found = abs(math.fsum(differences)) - _TINY * float(sizes.sum())
    if n > _MOST_EXACT:
        signs = np.random.default_rng(0).integers(0, 2, (_DRAWS, n), dtype=np.int8) * 2 - 1
        reached = int(np.count_nonzero(np.abs(signs @ sizes) >= found))
        return (reached + 1) / (_DRAWS + 1)
    left, right = _signed_sums(sizes[: n // 2]), np.sort(_signed_sums(sizes[n // 2 :]))
    if found <= 0:
        return 1.0
    above = right.size - np.searchsorted(right, found - left, side="left")
    # Of every choice of signs the opposite one is a choice, too.
    return float(2 * int(above.sum()) / 2**n)


def _signed_sums(sizes: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> "np.ndarray":
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums


def sign_flip_smallest(n: int) -> float:
    """Return the smallest p that the sign-flip test of n seeds can have: 2 of 2^n choices."""
    return math.nan if n < 1 else min(1.0, 2.0 ** (1 - n))


def permutation_p(arm: Sequence[float], comparator: Sequence[float]) -> float:
    """Return the exact two-sided p of the permutation test of unpaired values; NaN for none.

    If an arm and its comparator are the same, every way to hand the values out to the two was as
    likely: p is the share of these ways whose Welch t is at least as far from 0 as the t found
    (Fisher 1935; studentised after Janssen 1997, so that unequal spreads do no harm). Beyond
    200,000 ways it is (b + 1) / (m + 1) for b of m = 100,000 random ones of a fixed seed.
    """
    first, n = len(arm), len(arm) + len(comparator)
    if not first or first == n:
        return math.nan
    values = np.asarray([*arm, *comparator], dtype=float)
    values -= values.mean()
    ways = math.comb(n, first)
    if ways <= _MOST_RELABELLED:
        chosen = np.zeros((ways, n), dtype=bool)
        picked = np.array(list(combinations(range(n), first)))
        np.put_along_axis(chosen, picked, values=True, axis=1)
    else:
        order = np.argsort(np.random.default_rng(0).random((_DRAWS, n)), axis=1)
        chosen = order < first
    statistics = _welch(values, chosen)
    found = _welch(values, (np.arange(n) < first)[None])[0]
    reached = int(np.count_nonzero(statistics >= found * (1 - _TINY) - _TINY))
    return reached / ways if ways <= _MOST_RELABELLED else (reached + 1) / (_DRAWS + 1)


def _welch(values: "np.ndarray", chosen: "np.ndarray") -> "np.ndarray":
    """Return Welch's |t| of every choice of the first group; infinite without any spread."""
    first, n = int(chosen[0].sum()), values.size
    second = n - first
    sums, squares = chosen @ values, chosen @ values**2
    rest, rest_squares = values.sum() - sums, (values**2).sum() - squares
    gap = np.abs(sums / first - rest / second)
    scale = float((values**2).sum()) or 1.0
    errors = np.zeros_like(gap)
    for total, of_squares, size in ((sums, squares, first), (rest, rest_squares, second)):
        if size > 1:
            left = np.maximum(of_squares - total**2 / size, 0.0)
            errors += np.where(left > _TINY * scale, left, 0.0) / (size - 1) / size
    gap = np.where(gap > _TINY * math.sqrt(scale), gap, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, 0.0, gap / np.sqrt(errors))


def permutation_smallest(first: int, second: int) -> float:
    """Return the smallest p of a permutation test: of two equal groups the mirror counts, too."""
    if first < 1 or second < 1:
        return math.nan
    return min(1.0, (2 if first == second else 1) / math.comb(first + second, first))


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number, so that one false claim in all has at most their level.

    The smallest of m is multiplied by m, the next by m - 1 and so on, none below the one before
    it (Holm 1979; statsmodels' `multipletests`).
    """
    if not ps:
        return []
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415 - slow to import

    return [float(p) for p in multipletests(ps, method="holm")[1]]


def improvement(arm: Sequence[float], comparator: Sequence[float], direction: Direction) -> float:
    """Return the probability that a run of the arm is better than one of the comparator.

    It is the share of all pairs of a run of the arm and a run of the comparator, whatever their
    seeds, in which that of the arm is better, ties counted half (Mann & Whitney's U over n * m;
    `rliable`'s probability of improvement, Agarwal et al. 2021). NaN without values.
    """
    if not arm or not comparator:
        return math.nan
    pairs = [direction.gain(left, over=right) for left in arm for right in comparator]
    return fmean(1.0 if gain > 0 else 0.5 if gain == 0 else 0.0 for gain in pairs)


def power(shift: float, freedom: float, alpha: float) -> float:
    """Return the power of a two-sided t test whose true t is `shift`.

    P(|T| > t) for the noncentral t with this shift (Cohen 1988; statsmodels' `TTestPower`).
    """
    from scipy.special import nctdtr, stdtrit  # noqa: PLC0415 - slow to import

    critical = float(stdtrit(freedom, 1 - alpha / 2))
    above = 1 - float(nctdtr(freedom, abs(shift), critical))
    below = float(nctdtr(freedom, abs(shift), -critical))
    return above + (below if math.isfinite(below) else 0.0)


@lru_cache(maxsize=4_096)
def detectable_shift(freedom: float, alpha: float) -> float:
    """Return the true t that a two-sided t test finds in 80 of 100 cases."""
    from scipy.optimize import brentq  # noqa: PLC0415 - slow to import

    low, high = 0.0, 8.0
    while power(high, freedom, alpha) < POWER:
        low, high = high, 2 * high
    return float(brentq(lambda shift: power(shift, freedom, alpha) - POWER, low, high, xtol=1e-6))


def seeds_needed(difference: float, spread: float, alpha: float, *, paired: bool) -> int | None:
    """Return how many seeds show a difference of this size in 80 of 100 cases, at least 3.

    `spread` is the standard deviation of the difference of two runs, `alpha` the level that the
    number of comparisons leaves. Without any spread so many are needed as give an exact test so
    small a p. None if more than 1,000 are needed or there is no difference.
    """
    if difference == 0:
        return None

    def shown(n: int) -> bool:
        if spread == 0:
            return (sign_flip_smallest(n) if paired else permutation_smallest(n, n)) <= alpha
        freedom = (n - 1) * (1.0 if paired else 2.0)
        return abs(difference) * math.sqrt(n) >= spread * detectable_shift(freedom, alpha)

    if not shown(MOST_SEEDS):
        return None
    low, high = 2, MOST_SEEDS  # `low` seeds do not do, `high` seeds do
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def proportion_interval(share: float, examples: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of independent examples (Wilson 1927)."""
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415 - slow to import

    low, high = proportion_confint(share * examples, examples, alpha=ALPHA, method="wilson")
    return float(low), float(high)


def proportions_interval(arm: float, comparator: float, examples: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two shares of as many examples.

    It joins the Wilson intervals of both, as if they were of different examples (Newcombe 1998,
    method 10): for the same examples it is rather too wide.
    """
    lows, highs = zip(
        *(proportion_interval(share, examples) for share in (arm, comparator)), strict=True
    )
    down = math.hypot(arm - lows[0], highs[1] - comparator)
    up = math.hypot(highs[0] - arm, comparator - lows[1])
    return arm - comparator - down, arm - comparator + up

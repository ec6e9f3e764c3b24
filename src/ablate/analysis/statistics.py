"""The formulas of a comparison: means, intervals, exact tests, correction, power.

Every function is pure and takes plain numbers; `docs/method.md` explains them in words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations
from statistics import NormalDist, fmean, median, stdev

import numpy as np

from ablate.spec import Direction

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
POWER = 0.8
MOST_SEEDS = 1_000
"""The largest number of seeds that `seeds_needed` names."""
_MOST_EXACT = 40
_MOST_LISTED = 12
"""So many seeds have few enough choices of signs to list them all."""
_AT_ONCE = 1_024
_MOST_RELABELLED = 200_000
_DRAWS = 100_000
_NARROW = 1e-12
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
        sd=sd(values) if len(values) > 1 else math.nan,
        median=median(values),
        iqm=interquartile_mean(values),
        low=low,
        high=high,
    )


def sd(values: Sequence[float]) -> float:
    """Return the standard deviation of two values or more, with n - 1; 0 for equal ones.

    The sums are rounded once, as those of `statistics.stdev`, which takes a hundred times as long.
    """
    low, width = min(values), max(values) - min(values)
    if width == 0:
        return 0.0
    if not math.isfinite(width):
        return stdev(values)
    places = [(value - low) / width for value in values]  # their squares can't overflow
    mean = fmean(places)
    squares = math.fsum((place - mean) ** 2 for place in places)
    return width * math.sqrt(squares / (len(values) - 1))


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
    return around(fmean(values), sd(values) / math.sqrt(len(values)), len(values) - 1)


def around(center: float, error: float, freedom: float) -> tuple[float, float]:
    """Return the 95 % interval of an estimate with a standard error and degrees of freedom."""
    half = _quantile(freedom, (1 + CONFIDENCE) / 2) * error
    return center - half, center + half


@lru_cache(maxsize=4_096)
def _quantile(freedom: float, share: float) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    return float(stdtrit(freedom, share))


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
    spread = _cleaned(sd(differences), differences)
    return Gap(fmean(differences), spread, spread / math.sqrt(n), n - 1.0)


def unpaired_gap(arm: Sequence[float], comparator: Sequence[float]) -> Gap:
    """Return the difference of two means of at least two values each.

    The error is Welch's, sqrt(sd_1^2 / n_1 + sd_2^2 / n_2), the degrees of freedom are
    Satterthwaite's (Welch 1947).
    """
    parts = [_cleaned(sd(values), values) ** 2 / len(values) for values in (arm, comparator)]
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
    return sign_flip_ps([differences])[0]


def sign_flip_ps(families: Sequence[Sequence[float]]) -> list[float]:
    """Return `sign_flip_p` of each of many comparisons; those of one n share their signs."""
    ps = [math.nan] * len(families)
    of_size: dict[int, list[int]] = {}
    for place, differences in enumerate(families):
        of_size.setdefault(len(differences), []).append(place)
    for n, places in of_size.items():
        if n == 0:
            continue
        sizes = np.abs(np.array([families[place] for place in places], dtype=float))
        sums = np.array([abs(math.fsum(families[place])) for place in places])
        found = sums - _TINY * sizes.sum(axis=1)
        if _MOST_LISTED < n <= _MOST_EXACT:
            shares = [_matched(*one) for one in zip(sizes, found.tolist(), strict=True)]
        elif n <= _MOST_LISTED:
            shares = (_reaching(_all_signs(n), sizes, found) / 2 ** (n - 1)).tolist()
        else:
            signs = np.random.default_rng(0).integers(0, 2, (_DRAWS, n), dtype=np.int8) * 2 - 1
            shares = ((_reaching(signs, sizes, found) + 1) / (_DRAWS + 1)).tolist()
        for place, share in zip(places, shares, strict=True):
            ps[place] = share
    return ps


def _all_signs(n: int) -> "np.ndarray":
    """Return half of all choices of n signs; the other half are their opposites."""
    rest = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1) & 1
    return np.hstack([np.ones((len(rest), 1), np.int8), (2 * rest - 1).astype(np.int8)])


def _reaching(signs: "np.ndarray", sizes: "np.ndarray", found: "np.ndarray") -> "np.ndarray":
    """Count for every row of sizes the choices of signs whose sum is as far from 0 as found."""
    reached = np.zeros(len(sizes), dtype=np.int64)
    for some in range(0, len(signs), _AT_ONCE):
        block = signs[some : some + _AT_ONCE].astype(float)
        for few in range(0, len(sizes), _AT_ONCE):
            sums = np.abs(block @ sizes[few : few + _AT_ONCE].T)
            reached[few : few + _AT_ONCE] += (sums >= found[few : few + _AT_ONCE]).sum(axis=0)
    return reached


def _matched(sizes: "np.ndarray", found: float) -> float:
    """Return the share of all choices of signs whose sum is as far from 0 as found."""
    if found <= 0:
        return 1.0
    n = sizes.size
    left, right = _signed_sums(sizes[: n // 2]), _signed_sums(sizes[n // 2 :])
    above = right.size - np.searchsorted(right, found - left, side="left")
    # Of every choice of signs the opposite one is a choice, too.
    return float(2 * int(above.sum()) / 2**n)


def _signed_sums(sizes: "np.ndarray") -> "np.ndarray":
    """Return the sums of all choices of signs, sorted: two sorted runs are merged per size."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.sort(np.concatenate([sums - size, sums + size]), kind="stable")
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
    return permutation_ps([(arm, comparator)])[0]


def permutation_ps(families: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[float]:
    """Return `permutation_p` of each of many pairs of arms; those of one size share their ways."""
    ps = [math.nan] * len(families)
    of_sizes: dict[tuple[int, int], list[int]] = {}
    for place, (arm, comparator) in enumerate(families):
        of_sizes.setdefault((len(arm), len(comparator)), []).append(place)
    for (first, second), places in of_sizes.items():
        if not first or not second:
            continue
        values = np.array([[*families[at][0], *families[at][1]] for at in places], dtype=float)
        values -= values.mean(axis=1, keepdims=True)
        ways = math.comb(first + second, first)
        chosen = _relabellings(first, first + second)
        asked = np.arange(first + second) < first
        reached = np.zeros(len(places), dtype=np.int64)
        for few in range(0, len(places), _AT_ONCE):
            part = slice(few, few + _AT_ONCE)
            least = _welch(values[part], asked[None])[0] * (1 - _TINY) - _TINY
            for some in range(0, len(chosen), _AT_ONCE):
                found = _welch(values[part], chosen[some : some + _AT_ONCE])
                reached[part] += (found >= least).sum(axis=0)
        exact = ways <= _MOST_RELABELLED
        shares = reached / ways if exact else (reached + 1) / (_DRAWS + 1)
        for place, share in zip(places, shares.tolist(), strict=True):
            ps[place] = share
    return ps


def _relabellings(first: int, n: int) -> "np.ndarray":
    """Return all ways to choose the first group of n values, or random ones if they are many."""
    ways = math.comb(n, first)
    if ways > _MOST_RELABELLED:
        order = np.argsort(np.random.default_rng(0).random((_DRAWS, n)), axis=1)
        return order < first
    chosen = np.zeros((ways, n), dtype=bool)
    picked = np.fromiter(chain.from_iterable(combinations(range(n), first)), int, ways * first)
    np.put_along_axis(chosen, picked.reshape(ways, first), values=True, axis=1)
    return chosen


def _welch(values: "np.ndarray", chosen: "np.ndarray") -> "np.ndarray":
    """Return Welch's |t| of every choice of the first group, by choice and row of values.

    It is infinite without any spread.
    """
    first, n = int(chosen[0].sum()), values.shape[1]
    second, picked = n - first, chosen.astype(float)
    sums, squares = picked @ values.T, picked @ (values**2).T
    scale = (values**2).sum(axis=1)
    rest, rest_squares = values.sum(axis=1) - sums, scale - squares
    gap = np.abs(sums / first - rest / second)
    scale = np.where(scale > 0, scale, 1.0)
    errors = np.zeros_like(gap)
    for total, of_squares, size in ((sums, squares, first), (rest, rest_squares, second)):
        if size > 1:
            left = np.maximum(of_squares - total**2 / size, 0.0)
            errors += np.where(left > _TINY * scale, left, 0.0) / (size - 1) / size
    gap = np.where(gap > _TINY * np.sqrt(scale), gap, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, 0.0, gap / np.sqrt(errors))


def permutation_smallest(first: int, second: int) -> float:
    """Return the smallest p of a permutation test: of two equal groups the mirror counts, too."""
    if first < 1 or second < 1:
        return math.nan
    return min(1.0, (2 if first == second else 1) / math.comb(first + second, first))


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number, so that one false claim in all has at most their level.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none is below the one before
    it or above 1 (Holm 1979).
    """
    # statsmodels' `multipletests` gives the same, but collects garbage: 0.4 s for every call.
    corrected = [math.nan] * len(ps)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = min(1.0, max(least, (len(ps) - rank) * ps[place]))
        corrected[place] = least
    return corrected


def improvement(arm: Sequence[float], comparator: Sequence[float], direction: Direction) -> float:
    """Return the probability that a run of the arm is better than one of the comparator.

    It is the share of all pairs of a run of the arm and a run of the comparator, whatever their
    seeds, in which that of the arm is better, ties counted half (Mann & Whitney's U over n * m;
    `rliable`'s probability of improvement, Agarwal et al. 2021). NaN without values.
    """
    if not arm or not comparator:
        return math.nan
    rivals = np.sort(np.asarray(comparator, dtype=float))
    below = np.searchsorted(rivals, arm, side="left")
    not_above = np.searchsorted(rivals, arm, side="right")
    halves, pairs = int((below + not_above).sum()), len(arm) * len(comparator)
    return (2 * pairs - halves if direction.lower_is_better else halves) / (2 * pairs)


def power(shift: float, freedom: float, alpha: float) -> float:
    """Return the power of a two-sided t test whose true t is `shift`.

    P(|T| > t) for the noncentral t with this shift (Cohen 1988; statsmodels' `TTestPower`).
    """
    return _reach(shift, freedom, _quantile(freedom, 1 - alpha / 2))


def _reach(shift: float, freedom: float, critical: float) -> float:
    from scipy.special import nctdtr  # noqa: PLC0415 - slow to import

    above = 1 - float(nctdtr(freedom, abs(shift), critical))
    below = float(nctdtr(freedom, abs(shift), -critical))
    return above + (below if math.isfinite(below) else 0.0)


@lru_cache(maxsize=4_096)
def detectable_shift(freedom: float, alpha: float) -> float:
    """Return the true t that a two-sided t test finds in 80 of 100 cases.

    The power rises with the shift; where it is 0.8 is found by the Illinois variant of regula
    falsi (Dowell & Jarratt 1971). SciPy's solvers would take a second to import.
    """
    critical = _quantile(freedom, 1 - alpha / 2)
    low, high = 0.0, 8.0
    below = _reach(low, freedom, critical) - POWER
    while (above := _reach(high, freedom, critical) - POWER) < 0:
        low, high, below = high, 2 * high, above
    kept = 0
    while high - low > _NARROW:
        middle = (low * above - high * below) / (above - below)
        found = _reach(middle, freedom, critical) - POWER
        if abs(found) < _TINY:
            return middle
        if found > 0:
            high, above = middle, found
            below /= 2 if kept > 0 else 1
            kept = 1
        else:
            low, below = middle, found
            above /= 2 if kept < 0 else 1
            kept = -1
    return high


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
    """Return Wilson's 95 % interval of a share of independent examples (Wilson 1927).

    statsmodels' `proportion_confint` gives the same, but takes a second to import.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    below = 1 + z**2 / examples
    center = (share + z**2 / (2 * examples)) / below
    half = z * math.sqrt(share * (1 - share) / examples + z**2 / (4 * examples**2)) / below
    return center - half, center + half


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

"""Which trials of a search are good, where they lie, and which way is better."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import pandas as pd

from ablate import store
from ablate.analysis.frames import SearchFrames
from ablate.spec import Choice, FloatRange, IntRange
from ablate.store import TrialRecord

GOOD = 0.25
"""The share of the feasible trials that is called good: the best quarter."""
FEWEST = 20
"""Below so many complete trials nothing is concluded: the best quarter has fewer than five."""
EDGE = 0.1
"""The outer share of a range, on its own scale, that is called its edge."""
LEVEL = 0.01
"""What occurs by chance no more often than this is not put down to chance."""
WITH_DIRECTION = 0.05
"""The same for an edge to which the rank correlation points as well."""

Range = FloatRange | IntRange


def feasible_trials(frames: SearchFrames) -> tuple[TrialRecord, ...]:
    """Return the complete trials with a finite value that keep every constraint, by number."""
    return tuple(store.feasible_trials(frames.trials))


def good_trials(frames: SearchFrames) -> tuple[TrialRecord, ...]:
    """Return the best quarter of the feasible trials, the best first; earlier ones of equals."""
    done = feasible_trials(frames)
    sign = 1 if frames.definition.objective.direction.lower_is_better else -1
    ordered = sorted(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    return tuple(ordered[: math.ceil(GOOD * len(ordered))])


def values_of(trials: Sequence[TrialRecord], path: str, parameter: Range | Choice) -> list[Any]:
    """Return the values of a parameter that trials have, leaving out what its range can't hold."""
    values = (trial.params[path] for trial in trials if path in trial.params)
    return [value for value in values if parameter.admits(value)]


def position(parameter: Range, value: float) -> float:
    """Return where in a range a value lies on the range's own scale: 0 at its lower end, 1 at its
    upper one.
    """
    scale = math.log if parameter.log else float
    low, high = (scale(end) for end in parameter.ends)
    return (scale(value) - low) / (high - low) if high > low else 0.0


def edge_share(parameter: Range, *, upper: bool) -> float:
    """Return which share of values drawn evenly over a range, on its scale, lies at one edge.

    A value of a grid counts as a whole, so a range of two integers has half of them at each end.
    """
    if isinstance(parameter, FloatRange) and parameter.step is None:
        return EDGE
    low, high = parameter.ends
    if parameter.log:
        ends = math.log(low - 0.5), math.log(high + 0.5)
        within = low * (high / low) ** EDGE, high * (low / high) ** EDGE
        cut = math.ceil(within[1]) - 0.5 if upper else math.floor(within[0]) + 0.5
        return (ends[1] - math.log(cut) if upper else math.log(cut) - ends[0]) / (ends[1] - ends[0])
    steps = round((high - low) / (parameter.step or 1))
    return (math.floor(EDGE * steps + 1e-9) + 1) / (steps + 1)


@dataclass(frozen=True)
class Tendency:
    """Where the good trials lie in the range of a parameter, and which way is better.

    `n` complete trials have the parameter, `good` of them are of the best quarter. Of these
    `at_low` and `at_high` lie in the outer tenth of the range at either end (`by_chance` as the
    share that even draws would have there, and `p` the probability of as many or more). `rho` is
    Spearman's rank correlation of the parameter with how good the value is (positive: larger is
    better), `low` and `high` its 95 % interval; NaN for a choice, and with fewer than
    `FEWEST` trials.
    """

    parameter: str
    n: int
    good: int
    at_low: int = 0
    at_high: int = 0
    by_chance_low: float = math.nan
    by_chance_high: float = math.nan
    p_low: float = math.nan
    p_high: float = math.nan
    rho: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def edges(self) -> tuple[str, ...]:
        """The ends, lower or upper, at which more good trials lie than chance would put there."""
        ends = (("lower", self.p_low, False), ("upper", self.p_high, True))
        return tuple(
            end
            for end, p, larger in ends
            if p <= (WITH_DIRECTION if self.larger_is_better is larger else LEVEL)
        )

    @property
    def larger_is_better(self) -> bool | None:
        """Whether larger values go with better trials; None where the interval holds zero."""
        if self.low > 0:
            return True
        return False if self.high < 0 else None


def tendencies(frames: SearchFrames) -> tuple[Tendency, ...]:
    """Return the tendency of every parameter of the space, in its order.

    Edges are tested by the binomial distribution against even draws, one-sided; nothing is tested
    with fewer than `FEWEST` complete trials that have the parameter.
    """
    done, good = feasible_trials(frames), good_trials(frames)
    return tuple(
        _tendency(frames, path, parameter, done, good)
        for path, parameter in frames.definition.space.items()
    )


def _tendency(
    frames: SearchFrames,
    path: str,
    parameter: Range | Choice,
    done: Sequence[TrialRecord],
    good: Sequence[TrialRecord],
) -> Tendency:
    best = values_of(good, path, parameter)
    n = len(values_of(done, path, parameter))
    if isinstance(parameter, Choice):
        return Tendency(path, n, len(best))
    places = [position(parameter, value) for value in best]
    at_low = sum(place <= EDGE + 1e-9 for place in places)
    at_high = sum(place >= 1 - EDGE - 1e-9 for place in places)
    shares = edge_share(parameter, upper=False), edge_share(parameter, upper=True)
    if n < FEWEST:
        return Tendency(path, n, len(best), at_low, at_high, *shares)
    sign = -1.0 if frames.definition.objective.direction.lower_is_better else 1.0
    pairs = [
        (trial.params[path], sign * (trial.value or 0.0))
        for trial in done
        if path in trial.params and parameter.admits(trial.params[path])
    ]
    rho, low, high = rank_correlation(pairs)
    return Tendency(
        path,
        n,
        len(best),
        at_low,
        at_high,
        *shares,
        p_low=tail(at_low, len(best), shares[0]),
        p_high=tail(at_high, len(best), shares[1]),
        rho=rho,
        low=low,
        high=high,
    )


def tail(hits: int, draws: int, share: float) -> float:
    """Return the probability of at least `hits` among `draws`, each a hit with `share`.

    The upper tail of the binomial distribution, as a regularised incomplete beta function.
    """
    if hits <= 0:
        return 1.0
    from scipy.special import betainc  # noqa: PLC0415 - slow to import

    return float(betainc(hits, draws - hits + 1, share))


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return Spearman's rank correlation of pairs and its 95 % interval; NaN where it has none.

    The interval is Fisher's z with the variance (1 + rho² / 2) / (n - 3) of Bonett and Wright
    (Psychometrika 65, 2000, 23-28). There is none for fewer than four pairs, nor where all values
    of one side are equal.
    """
    frame = pd.DataFrame(pairs, columns=["x", "y"]).rank()
    if len(frame) < 4 or frame["x"].nunique() < 2 or frame["y"].nunique() < 2:
        return math.nan, math.nan, math.nan
    rho = max(-1.0, min(1.0, float(frame["x"].corr(frame["y"]))))
    if abs(rho) > 1 - 1e-12:
        return rho, rho, rho
    half = NormalDist().inv_cdf(0.975) * math.sqrt((1 + rho**2 / 2) / (len(frame) - 3))
    return rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)

"""From which other trials the best one of a search can be told apart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median, stdev

from ablate.analysis.frames import SearchFrames
from ablate.analysis.good_trials import feasible_trials
from ablate.analysis.points import Reading, scores
from ablate.analysis.search import best_trial

LEVEL = 0.05
FEWEST_SEEDS = 3
"""With fewer seeds nothing is told apart."""
MANY_SEEDS = 6
"""With fewer seeds the spread of one pair is not trusted where it is small."""


@dataclass(frozen=True)
class Rivals:
    """The trials that can't be told apart from the best one of a search.

    Beside the best one `compared` trials have a value. `open` are the numbers of those that may be
    as good, the best of them first. `seeds` is the fewest seeds that one of them shares with the
    best. `why` says why trials stay open, and is empty where none does.
    """

    compared: int
    seeds: int
    open: tuple[int, ...]
    why: str = ""


def rivals(frames: SearchFrames) -> Rivals | None:
    """Say from which other trials the best one can be told apart; None with no other trial.

    Differences are paired by seed. Another trial is told apart where the one-sided 95 % Student
    interval of the mean difference lies above zero, Bonferroni-corrected over all other trials
    (one comparison per trial is enough for comparisons with the best: Hsu, Multiple Comparisons,
    1996, chapter 4). With fewer than six seeds the standard deviation of a pair is taken no lower
    than the median over all pairs; with fewer than three nothing is told apart.
    """
    best = best_trial(frames)
    others = [trial for trial in feasible_trials(frames) if best and trial.number != best.number]
    if best is None or not others:
        return None
    direction = frames.definition.objective.direction
    by_trial = _values_by_seed(frames)
    gains = {
        trial.number: [
            direction.gain(value, over=by_trial[trial.number][seed])
            for seed, value in by_trial.get(best.number, {}).items()
            if seed in by_trial.get(trial.number, {})
        ]
        for trial in others
    }
    spreads = {number: stdev(found) for number, found in gains.items() if len(found) > 1}
    typical = median(spreads.values()) if spreads else 0.0
    level = 1 - LEVEL / len(others)
    ordered = sorted(
        others,
        key=lambda trial: (
            direction.gain(best.value or 0.0, over=trial.value or 0.0),
            trial.number,
        ),
    )
    still = tuple(
        trial.number
        for trial in ordered
        if not _apart(gains[trial.number], spreads.get(trial.number, 0.0), typical, level)
    )
    fewest = min(map(len, gains.values()))
    return Rivals(len(others), fewest, still, _why(fewest, typical) if still else "")


def _apart(gains: list[float], spread: float, typical: float, level: float) -> bool:
    """Say whether the mean of gains lies above zero for certain."""
    n = len(gains)
    if n < FEWEST_SEEDS:
        return False
    if n < MANY_SEEDS:
        spread = max(spread, typical)
    if not spread:
        return False
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    return fmean(gains) - float(stdtrit(n - 1, level)) * spread / math.sqrt(n) > 0


def _why(seeds: int, typical: float) -> str:
    if seeds < FEWEST_SEEDS:
        return "that takes at least three seeds of each trial"
    return "" if typical else "the seeds change nothing"


def _values_by_seed(frames: SearchFrames) -> Mapping[int, Mapping[int, float]]:
    """Return by trial its value with each seed; a reused trial has those of the run it took."""
    objective = frames.definition.objective
    read = scores(frames, [objective.metric], objective)
    read = read[read["reading"] == Reading.COUNTED]
    found: dict[int, dict[int, float]] = {}
    columns = (read[name].tolist() for name in ("trial", "seed", "value"))
    for trial, seed, value in zip(*columns, strict=True):
        found.setdefault(trial, {})[seed] = value
    taken = {
        one.number: found[origin]
        for one in frames.trials
        if (origin := one.user_attrs.get("reused_from")) in found
    }
    return {**taken, **found}

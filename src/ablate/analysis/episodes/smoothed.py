"""Returns along the episodes, smoothed."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ablate.analysis.episodes.log import Values
from ablate.analysis.episodes.measures import AVERAGE
from ablate.analysis.episodes.metrics import EpisodeArm

BAND = (0.1, 0.9)
PLACES = 200
"""At most so many windows of a run are told."""


@dataclass(frozen=True, eq=False)
class Smoothed:
    """The returns of an arm in windows, each up to an episode.

    `mean` is the mean over the returns of the window in all runs, `low` and `high` are their 10 %
    and 90 % quantiles (R. J. Hyndman and Y. Fan 1996, type 7).
    """

    arm: str
    episode: Values
    mean: Values
    low: Values
    high: Values


def window_of(arms: tuple[EpisodeArm, ...]) -> int:
    """Return the window: 100 episodes, or a tenth of the shortest run if that is shorter."""
    shortest = min(found.episodes for arm in arms for found in arm.measures)
    return max(1, min(AVERAGE, shortest // 10))


def smoothed(arm: EpisodeArm, window: int) -> Smoothed:
    """Smooth the returns of an arm over the episodes that all of its runs have.

    Only runs that count are read. Of more than 200 windows as many are told, evenly spaced.
    """
    logs = [run.log for run in arm.runs if run.measures is not None]
    first = max(int(log.episodes[0]) for log in logs)
    last = min(int(log.episodes[-1]) for log in logs)
    if last - first + 1 < window:
        nothing = np.empty(0)
        return Smoothed(arm.name, nothing, nothing, nothing, nothing)
    returns = np.array(
        [log.returns[first - int(log.episodes[0]) :][: last - first + 1] for log in logs]
    )
    windows = sliding_window_view(returns, window, axis=1)
    count = windows.shape[1]
    places = np.unique(np.linspace(0, count - 1, min(count, PLACES)).round().astype(int))
    chosen = windows[:, places].transpose(1, 0, 2).reshape(len(places), -1)
    low, high = np.quantile(chosen, BAND, axis=1)
    return Smoothed(
        arm.name, (first + window - 1 + places).astype(float), chosen.mean(axis=1), low, high
    )

"""How much each parameter of a search mattered, with the spread of that number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablate.analysis.frames import SearchFrames
from ablate.analysis.good_trials import FEWEST, GOOD, feasible_trials
from ablate.spec import Direction
from ablate.store import TrialRecord

RESAMPLES = (20, 100)
"""How often the trials are drawn again, and how often their values are shuffled: at least, at most.
"""
VALUES = 4000
"""Of more values (complete trials times parameters) trials are taken evenly by rank, but no fewer
than `MOST`."""
MOST = 200
_WORK = 25 * VALUES
_SEED = 0


@dataclass(frozen=True)
class Importance:
    """The importance of one parameter as its `share` of that of all, and how sure it is.

    `low` and `high` enclose the share and the middle 95 of 100 shares over bootstrap resamples of
    the trials. `p` is the share of shuffles of the values among the trials that give the parameter
    as much importance. `n` complete trials have the parameter.
    """

    parameter: str
    share: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True)
class Importances:
    """The importances of a search, the most important parameter first.

    There are so many complete `trials`, of which `used` went into the numbers, with so many
    `resamples` and shuffles. `why_not` says why there are no importances, and is empty where there
    are.
    """

    rows: tuple[Importance, ...]
    trials: int
    why_not: str = ""
    used: int = 0
    resamples: int = 0

    def of(self, parameter: str) -> Importance | None:
        """Return the importance of a parameter, None where it has none."""
        return next((row for row in self.rows if row.parameter == parameter), None)


def importances(frames: SearchFrames) -> Importances:
    """Compute how much each parameter mattered for being among the best quarter of the trials.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023, arXiv 2304.10255; for conditional
    parameters arXiv 2601.20800) as Optuna computes it: the Pearson divergence of the density of
    the best quarter from that of all feasible trials, parameter by parameter. Equal trials give
    equal numbers.
    """
    done, kind = feasible_trials(frames), frames.definition.counting
    values = np.array([trial.value for trial in done], dtype=float)
    if len(done) < FEWEST:
        return Importances(
            (),
            len(done),
            f"{len(done)} {kind} trials are too few: at least "
            f"{FEWEST} are needed, so that the best quarter has five",
        )
    if np.ptp(values) == 0:
        return Importances((), len(done), f"all {len(done)} {kind} trials have the same value")
    parameters = len(frames.definition.space)
    kept = _thinned(values, max(MOST, VALUES // parameters))
    fewest, most = RESAMPLES
    resamples = min(most, max(fewest, _WORK // (len(kept) * parameters)))
    points = _points(frames, [done[index] for index in kept])
    rows = _rows(frames, points, values[kept], resamples)
    if not rows:
        return Importances((), len(done), f"no {kind} trial has a parameter of the space")
    return Importances(rows, len(done), used=len(kept), resamples=resamples)


def _thinned(values: np.ndarray, most: int) -> list[int]:
    """Return the indices of at most `most` values, evenly by rank, in their own order."""
    if len(values) <= most:
        return list(range(len(values)))
    ranked = np.argsort(values, kind="stable")
    places = np.linspace(0, len(values) - 1, most).round().astype(int)
    return sorted(ranked[places].tolist())


def _points(frames: SearchFrames, trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    space = frames.definition.space
    return [
        {
            path: value
            for path, value in trial.params.items()
            if path in space and space[path].admits(value)
        }
        for trial in trials
    ]


def _rows(
    frames: SearchFrames,
    points: Sequence[Mapping[str, Any]],
    values: np.ndarray,
    resamples: int,
) -> tuple[Importance, ...]:
    from ablate.analysis.ped_anova import PedAnova  # noqa: PLC0415 - slow to import

    space, direction = frames.definition.space, frames.definition.objective.direction
    anova = PedAnova(space, points, Direction(direction), GOOD)
    everything = list(range(len(points)))
    draws = np.random.default_rng(_SEED)
    found = anova.importances(values.tolist(), everything)
    if not found or not sum(found.values()):
        return ()
    again = [
        anova.importances(values.tolist(), draws.integers(0, len(points), len(points)).tolist())
        for _ in range(resamples)
    ]
    shuffled = [
        anova.importances(draws.permutation(values).tolist(), everything) for _ in range(resamples)
    ]
    shares = [_shares(one) for one in again if sum(one.values()) > 0]
    rows = []
    for path, share in _shares(found).items():
        low, high = np.quantile([one[path] for one in shares], [0.025, 0.975])
        as_much = sum(one[path] >= found[path] for one in shuffled)
        rows.append(
            Importance(
                parameter=path,
                share=share,
                low=min(share, float(low)),
                high=max(share, float(high)),
                p=(1 + as_much) / (1 + resamples),
                n=sum(path in point for point in points),
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.share))


def _shares(found: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(found.values())
    return {path: value / total for path, value in found.items()}

"""What value to expect of a search at a smaller budget than it had."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ablate.analysis.frames import SearchFrames
from ablate.analysis.good_trials import feasible_trials
from ablate.analysis.search import trials_table
from ablate.spec import Direction, Status

COLUMNS = ["trials", "expected", "sd"]
EVERY = 100
"""Up to so many trials a curve has a point for every budget."""


def expected_best(
    values: Sequence[float], direction: Direction, budget: int
) -> tuple[float, float]:
    """Return mean and standard deviation of the best of `budget` values drawn with replacement.

    Dodge et al., Show Your Work: Improved Reporting of Experimental Results (EMNLP 2019), section
    3: where higher is better, the best of n is v with probability P(V <= v)^n - P(V < v)^n, P by
    the values themselves; where lower is better, the other way round. NaN without values.
    """
    if not len(values):
        return math.nan, math.nan
    distinct, counts = np.unique(values, return_counts=True)
    if direction.lower_is_better:
        distinct, counts = distinct[::-1], counts[::-1]
    no_better = np.cumsum(counts) / counts.sum()
    weights = np.diff(no_better**budget, prepend=0.0)
    mean = float(weights @ distinct)
    return mean, math.sqrt(float(weights @ (distinct - mean) ** 2))


def drawn_values(frames: SearchFrames, trials: pd.DataFrame) -> list[float]:
    """Return the values that the trials of a search (their table) ended with, by number.

    A pruned trial counts with its last value, though as no better than the best feasible one: it
    was given up. One that breaks a constraint counts as the worst feasible one. Trials that failed
    or have no finite value are left out.
    """
    direction = frames.definition.objective.direction
    done = [trial.value or 0.0 for trial in feasible_trials(frames)]
    if not done:
        return []
    best = direction.best(done)
    worst = max(done) if direction.lower_is_better else min(done)
    values = []
    for row in trials.to_dict("records"):
        value = float(row["last"])
        if row["state"] not in {Status.COMPLETE, Status.PRUNED} or not math.isfinite(value):
            continue
        given_up = row["state"] == Status.PRUNED and direction.better(value, best)
        values.append(worst if row["infeasible"] else best if given_up else value)
    return values


def tuning_curve(frames: SearchFrames, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the expected best value of a search at budgets up to its own.

    Columns: trials (every number up to `EVERY`, then evenly on a log scale), expected, sd (of the
    best value over draws of so many trials); no row without a complete trial.
    """
    values, direction = drawn_values(frames, trials), frames.definition.objective.direction
    spent = len(values)
    budgets = range(1, min(spent, EVERY) + 1)
    far = np.geomspace(EVERY, spent, EVERY).round().astype(int).tolist() if spent > EVERY else ()
    rows = [(n, *expected_best(values, direction, n)) for n in sorted({*budgets, *far})]
    return pd.DataFrame(rows, columns=COLUMNS)


def arm_curves(searches: Mapping[str, SearchFrames]) -> pd.DataFrame:
    """Return the tuning curves of the arms of an ablation; `searches` are theirs by arm.

    Columns: arm, and those of `tuning_curve`; arms in the order given.
    """
    curves = [
        tuning_curve(frames, trials_table(frames)).assign(arm=arm)
        for arm, frames in searches.items()
    ]
    empty = pd.DataFrame(columns=["arm", *COLUMNS])
    return (
        pd.concat([empty, *curves])[["arm", *COLUMNS]].reset_index(drop=True) if curves else empty
    )


def leaders_by_budget(
    curves: pd.DataFrame, direction: Direction
) -> list[tuple[int, int, tuple[str, ...]]]:
    """Return (first budget, last budget, arms with the best expected value), in ascending order.

    Compared are the budgets at which every arm of `curves`, as `arm_curves` gives them, has a
    point; one arm alone leads nobody.
    """
    wide = curves.pivot(index="trials", columns="arm", values="expected").dropna().astype(float)
    found: list[tuple[int, int, tuple[str, ...]]] = []
    if len(wide.columns) < 2:
        return found
    for budget, row in wide.iterrows():
        best = direction.best(row.tolist())
        arms = tuple(arm for arm in dict.fromkeys(curves["arm"]) if row[arm] == best)
        n = int(str(budget))
        if found and found[-1][2] == arms:
            found[-1] = (found[-1][0], n, arms)
        else:
            found.append((n, n, arms))
    return found

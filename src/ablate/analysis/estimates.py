"""What every arm reached on every metric, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablate.analysis import statistics
from ablate.analysis.arms import FLOOR, Cell
from ablate.analysis.frames import AblationFrames
from ablate.analysis.points import Reading, at_last, scores

DETERMINISTIC = "deterministic"


@dataclass(frozen=True)
class Estimate:
    """An arm on a metric, over the seeds that count; what they leave open is NaN.

    `low` and `high` are the 95 % interval of the mean, `interval` says what it is of: "t",
    "binomial over N examples", "deterministic" (a floor with one value for all seeds, n = 1) or
    "none". `last` is the mean at the last epoch where the values are read at the best one, and
    `optimistic` says that the values reported are of the data that chose that epoch.
    """

    metric: str
    arm: str
    kind: str
    n: int
    mean: float
    sd: float
    median: float
    iqm: float
    low: float
    high: float
    interval: str
    cells: tuple[Cell, ...]
    last: float
    optimistic: bool

    @property
    def values(self) -> dict[int, float]:
        """The values that count, by seed."""
        return {cell.seed: cell.value for cell in self.cells if cell.counted}


Estimates = Mapping[tuple[str, str], Estimate]
"""By metric and arm."""


def estimated(
    frames: AblationFrames, table: pd.DataFrame, examples: Mapping[str, int | None]
) -> dict[tuple[str, str], Estimate]:
    """Estimate every row of an arms table; `examples` are how many each metric is a share of."""
    objective, trained = frames.definition.objective, frames.training_metrics
    at_best = objective.at == "best"
    last = _means_at_last(frames) if at_best else {}
    found = {}
    for row in table.to_dict("records"):
        metric, arm, kind = row["metric"], row["arm"], row["kind"]
        values = [cell.value for cell in row["cells"] if cell.counted]
        fixed = kind == FLOOR and constant(values)
        known = statistics.describe(values[:1] if fixed else values)
        low, high, word = _interval(values, examples[metric], fixed=fixed)
        found[metric, arm] = Estimate(
            metric=metric,
            arm=arm,
            kind=kind,
            n=known.n,
            mean=known.mean,
            sd=known.sd,
            median=known.median,
            iqm=known.iqm,
            low=low,
            high=high,
            interval=word,
            cells=row["cells"],
            last=last.get((metric, arm), math.nan),
            optimistic=at_best
            and kind != FLOOR
            and _data_of(metric, trained) == _data_of(objective.metric, trained),
        )
    return found


def constant(values: Sequence[float]) -> bool:
    """Say whether there are values and all are the same."""
    return len(set(values)) == 1


def arms_whose_seeds_change_nothing(frames: AblationFrames) -> dict[str, int]:
    """Map arms, floors aside, that log the same values with several seeds to how many these are.

    All that is recorded at their last epoch is the same.
    """
    read = at_last(frames, frames.definition.objective.metric)
    arms = frames.current.set_index("run_id")["arm"]
    read = read.assign(arm=read["run_id"].map(arms))
    counts = read.groupby("arm")["run_id"].nunique()
    moved = read.groupby(["arm", "name"])["value"].nunique(dropna=False).groupby("arm").max()
    floors = {arm.name for arm in frames.definition.floors}
    return {
        str(arm): int(counts[arm])
        for arm in counts.index
        if arm not in floors and counts[arm] > 1 and moved[arm] == 1
    }


def _means_at_last(frames: AblationFrames) -> dict[tuple[str, str], float]:
    definition = frames.definition
    objective = definition.objective.model_copy(update={"at": "last"})
    ends = scores(frames, definition.metrics, objective)
    counted = ends[ends["reading"] == Reading.COUNTED]
    means: dict[Any, float] = counted.groupby(["metric", "arm"])["value"].mean().to_dict()
    return means


def _interval(
    values: Sequence[float], examples: int | None, *, fixed: bool
) -> tuple[float, float, str]:
    """Return the 95 % interval of the mean of some values, and what it is of."""
    if fixed:
        return values[0], values[0], DETERMINISTIC
    if not constant(values):
        low, high = statistics.interval(values)
        return low, high, "t" if len(values) > 1 else "none"
    if examples is not None and len(values) > 1:
        low, high = statistics.proportion_interval(values[0], examples)
        return low, high, f"binomial over {examples} examples"
    return math.nan, math.nan, "none"


def _data_of(metric: str, trained: Sequence[str]) -> tuple[bool, bool, str]:
    """Tell the data apart that metrics are of: training, a test split, which validation loader."""
    stem, _, loader = metric.partition("/dataloader_idx_")
    return metric in trained, "test" in stem.replace("/", "_").split("_"), loader

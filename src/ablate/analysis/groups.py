"""What arms reach on each group of the validation examples: tasks, categories, single examples."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis import statistics
from ablate.analysis.arms import arm_kinds
from ablate.analysis.frames import AblationFrames, Frames
from ablate.analysis.hierarchical import (
    ByGroup,
    Floats,
    Hierarchical,
    difference_over_groups,
    mean_over_groups,
)
from ablate.analysis.points import Reading, scores
from ablate.analysis.verdicts import Comparison, Relation
from ablate.store import GroupRow, Store

COLUMNS = [
    *("arm", "trial", "seed", "run_id", "grouping", "metric", "group", "value", "examples"),
    *("epoch", "step"),
]
DIFFERENCES = [
    *("grouping", "metric", "group", "arm", "comparator", "examples", "n", "mean"),
    *("comparator_mean", "difference", "low", "high", "gain"),
]
_ROUNDED = 1e-4
"""How far a number of right examples may lie from a whole one, of a share in single precision."""
_TINY = 1e-9
"""Relative to the values: what rounding alone makes of numbers that are equal."""


@dataclass(frozen=True)
class OverGroups:
    """An arm on a metric over all groups of a grouping, by itself and less its comparator."""

    arm: str
    comparator: str
    mean: Hierarchical
    difference: Hierarchical | None


def load_groups(store: Store, frames: Frames) -> pd.DataFrame:
    """Read the means by group of a study, as `groups_frame` arranges them."""
    return groups_frame(frames, store.groups(frames.name))


def groups_frame(frames: Frames, rows: Iterable[GroupRow]) -> pd.DataFrame:
    """Arrange means by group: one row per group of every run that counts.

    Columns: arm, trial, seed, run_id, grouping, metric, group, value (the mean over the examples
    of the group), examples, epoch, step. They are read where the objective is read, as all metrics
    are; a run that has none there has no row.
    """
    objective = frames.definition.objective
    read = scores(frames, [objective.metric], objective)
    points = {run.run_id: run for run in read.itertuples() if run.reading == Reading.COUNTED}
    found: list[tuple[Any, ...]] = []
    for row in rows:
        run = points.get(row.run_id)
        if run is None or run.step != row.step:
            continue
        known = (run.arm, run.trial, run.seed, row.run_id, row.grouping, row.name)
        found += [
            (*known, group, mean, examples, row.epoch, row.step)
            for group, (mean, examples) in row.means.items()
        ]
    frame = pd.DataFrame(found, columns=COLUMNS)
    counts = ("trial", "seed", "run_id", "examples", "epoch", "step")
    return frame.astype({**dict.fromkeys(counts, int), "value": float})


def decisive(comparisons: Iterable[Comparison], metric: str) -> dict[str, Comparison]:
    """Map every arm to its decisive comparison on a metric.

    For a metric that the study does not declare it is that of the primary metric: an arm has the
    same comparator on all of them.
    """
    found: dict[tuple[bool, str], Comparison] = {}
    for row in comparisons:
        if row.relation is not Relation.FLOOR and (row.metric == metric or row.primary):
            found.setdefault((row.metric == metric, row.arm), row)
    return {arm: found.get((True, arm), row) for (_, arm), row in found.items()}


def over_groups(
    frames: AblationFrames,
    groups: pd.DataFrame,
    comparisons: Iterable[Comparison],
    grouping: str,
    metric: str,
) -> tuple[OverGroups, ...]:
    """Estimate every arm, and its difference to its comparator, over all groups of a grouping."""
    chosen = _of(groups, grouping, metric)
    by_arm = {arm: _runs(rows) for arm, rows in chosen.groupby("arm", sort=False)}
    compared = decisive(comparisons, metric)
    found = []
    for arm in arm_kinds(frames):
        if arm not in by_arm:
            continue
        row = compared.get(arm)
        other = row.comparator if row and row.comparator in by_arm else ""
        difference = None
        if row and other:
            paired = row.paired
            difference = difference_over_groups(by_arm[arm], by_arm[other], paired=paired)
        found.append(OverGroups(arm, other, mean_over_groups(by_arm[arm]), difference))
    return tuple(found)


def group_differences(
    frames: AblationFrames, groups: pd.DataFrame, comparisons: Sequence[Comparison]
) -> pd.DataFrame:
    """Compare arms with their comparators in every group, the worst group of an arm first.

    Columns: grouping, metric, group, arm, comparator (empty: it has none), examples (the smallest
    number of a run), n (seeds that count, for both if there is a comparator), mean,
    comparator_mean, difference, low, high, gain (the difference in the direction of the metric,
    NaN for a metric that the study does not declare).

    The interval is the t interval of the differences by seed, or Welch's where seeds do not pair.
    Of a share of examples it is never narrower than the rounding to whole examples makes it, and
    without any spread it is that of two shares of as many examples (`proportions_interval`). Each
    stands by itself: nothing is corrected for the number of groups.
    """
    tables: list[pd.DataFrame] = []
    if groups.empty:
        return pd.DataFrame(columns=DIFFERENCES)
    for names, rows in groups.groupby(["grouping", "metric"], sort=False):
        grouping, metric = map(str, names)
        values = _wide(rows)
        counts = rows.groupby(["arm", "group"])["examples"].min()
        shares = _are_shares(rows)
        compared = decisive(comparisons, metric)
        direction = frames.definition.metrics.get(metric)
        sign = math.nan if direction is None else direction.gain(1.0, over=0.0)
        for arm in arm_kinds(frames):
            if arm not in values:
                continue
            row = compared.get(arm)
            other = values.get(row.comparator) if row else None
            paired = row.paired if row else True
            examples = counts[arm].loc[values[arm].columns]
            table = _compared(values[arm], other, examples, shares=shares, paired=paired)
            table = table.assign(
                grouping=str(grouping),
                metric=str(metric),
                arm=arm,
                comparator=row.comparator if row and other is not None else "",
                gain=sign * table["difference"],
            )
            tables.append(table.sort_values(["gain", "group"], kind="stable"))
    return pd.concat(tables, ignore_index=True)[DIFFERENCES]


def telling_groups(differences: pd.DataFrame, most: int) -> list[str]:
    """Return the groups in which arms differ most from their comparators, the worst first.

    `differences` are those of one grouping and metric.
    """
    known = differences.dropna(subset="gain")
    sizes = known["gain"].abs().groupby(known["group"]).max()
    chosen = sizes.sort_values(ascending=False, kind="stable").head(most).index
    worst = known[known["group"].isin(chosen)].groupby("group")["gain"].min()
    return [str(group) for group in worst.sort_values(kind="stable").index]


def _of(groups: pd.DataFrame, grouping: str, metric: str) -> pd.DataFrame:
    return groups[(groups["grouping"] == grouping) & (groups["metric"] == metric)]


def _runs(rows: pd.DataFrame) -> dict[int, ByGroup]:
    """Return (mean, examples) by group of every run of an arm, by seed."""
    found: dict[int, dict[str, tuple[float, int]]] = {}
    keys = rows["seed"].tolist(), rows["group"].tolist()
    values = zip(rows["value"].tolist(), rows["examples"].tolist(), strict=True)
    for seed, group, value in zip(*keys, values, strict=True):
        found.setdefault(seed, {})[group] = value
    return dict(found)


def _wide(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the values of every arm, a row per seed and a column per group."""
    return {
        str(arm): found.pivot(index="seed", columns="group", values="value")
        for arm, found in rows.groupby("arm", sort=False)
    }


def _are_shares(rows: pd.DataFrame) -> bool:
    """Say whether all values are shares of their examples: whole numbers of them are right."""
    right = rows["value"] * rows["examples"]
    within = rows["value"].between(0, 1)
    return bool((within & ((right - right.round()).abs() <= _ROUNDED)).all())


def _compared(
    arm: pd.DataFrame,
    other: pd.DataFrame | None,
    counts: "pd.Series[int]",
    *,
    shares: bool,
    paired: bool,
) -> pd.DataFrame:
    """Compare an arm with its comparator in every group, a row each."""
    table = pd.DataFrame({"group": arm.columns, "examples": counts.to_numpy()})
    mine = arm.to_numpy(dtype=float)
    if other is None:
        found = _moments(mine)
        nothing = dict.fromkeys(("comparator_mean", "difference", "low", "high"), math.nan)
        return table.assign(n=found.n, mean=found.mean, **nothing)
    if paired:
        seeds = arm.index.intersection(other.index)
        mine = arm.loc[seeds].to_numpy(dtype=float)
        theirs = other.reindex(index=seeds, columns=arm.columns).to_numpy(dtype=float)
        both = np.isfinite(mine) & np.isfinite(theirs)
        mine, theirs = np.where(both, mine, np.nan), np.where(both, theirs, np.nan)
    else:
        theirs = other.reindex(columns=arm.columns).to_numpy(dtype=float)
    one, two = _moments(mine), _moments(theirs)
    difference = one.mean - two.mean
    examples = np.asarray(counts if shares else np.zeros(len(counts)), dtype=float)
    spread, error, freedom = _errors(mine, theirs, paired=paired)
    half = _half_widths(spread, error, freedom, examples)
    low, high = difference - half, difference + half
    for place in np.flatnonzero((spread == 0) & (examples > 0)):
        rates = (round(float(m.mean[place]), 9) for m in (one, two))
        low[place], high[place] = _of_shares(*rates, int(examples[place]))
    return table.assign(
        n=np.minimum(one.n, two.n),
        mean=one.mean,
        comparator_mean=two.mean,
        difference=difference,
        low=low,
        high=high,
    )


@dataclass(frozen=True)
class _Moments:
    """Number, mean and variance (of n - 1) of the finite values of every column; NaN for none."""

    n: Floats
    mean: Floats
    variance: Floats


def _moments(values: Floats) -> _Moments:
    finite = np.isfinite(values)
    n = finite.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(finite, values, 0.0).sum(0) / n
        variance = (np.where(finite, values - mean, 0.0) ** 2).sum(0) / (n - 1)
    return _Moments(n, mean, np.where(n > 1, variance, np.nan))


def _errors(mine: Floats, theirs: Floats, *, paired: bool) -> tuple[Floats, Floats, Floats]:
    """Return spread, standard error and degrees of freedom of the difference in every group."""
    sides = [_moments(mine - theirs)] if paired else [_moments(mine), _moments(theirs)]
    scale = np.abs(np.nan_to_num(np.vstack([mine, theirs]))).max(0, initial=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [side.variance / side.n for side in sides]
        error = np.sqrt(sum(parts))
        below = sum(part**2 / (side.n - 1) for part, side in zip(parts, sides, strict=True))
        freedom = np.asarray(sum(parts) ** 2 / below)
    spread = np.sqrt(sum(side.variance for side in sides))
    return np.where(spread <= _TINY * scale, 0.0, spread), error, freedom


def _half_widths(spread: Floats, error: Floats, freedom: Floats, examples: Floats) -> Floats:
    """Return half the width of the t interval of every group; NaN without a spread."""
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    with np.errstate(divide="ignore", invalid="ignore"):
        # Each of two shares is rounded to a multiple of 1/N, an error of 1 / (N * sqrt(12)).
        least = np.where(examples > 0, 1 / (examples * math.sqrt(6)), 0.0)
        wider = np.maximum(1.0, least / spread)
        half = stdtrit(freedom, (1 + statistics.CONFIDENCE) / 2) * error * wider
    return np.where(spread > 0, half, np.nan)


@lru_cache(maxsize=4_096)
def _of_shares(arm: float, other: float, examples: int) -> tuple[float, float]:
    return statistics.proportions_interval(arm, other, examples)

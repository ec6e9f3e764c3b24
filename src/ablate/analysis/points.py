"""Where on its curve a run is read, and whether its value counts."""

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis.frames import Frames
from ablate.spec import Direction, Objective, Status

COLUMNS = [
    *("run_id", "arm", "trial", "seed", "metric"),
    *("value", "epoch", "step", "last_epoch", "reading", "why"),
]


class Reading(StrEnum):
    """Whether the value of a run counts, or what is the matter with it, in a word or two."""

    COUNTED = "counted"
    DIVERGED = "diverged"
    NO_VALUE = "no value"
    NOT_RUN = "not run"
    RUNNING = Status.RUNNING
    PRUNED = Status.PRUNED
    FAILED = Status.FAILED
    INTERRUPTED = Status.INTERRUPTED


def at_best(frames: Frames, metric: str, direction: Direction) -> pd.DataFrame:
    """Read every metric of each current run where `metric` is best.

    Columns: run_id, epoch, step, name, value. Non-finite values of `metric` are never best,
    the earliest of equal ones is, and a run without a finite value has no row.
    """
    values = _values(frames, metric)
    values = values[np.isfinite(values["value"])]
    return _read_at(frames, _first_best(values, direction))


def at_last(frames: Frames, metric: str) -> pd.DataFrame:
    """Read every metric of each current run where `metric` was recorded last.

    Columns: run_id, epoch, step, name, value; the values may be non-finite.
    """
    return _read_at(frames, _values(frames, metric).drop_duplicates("run_id", keep="last"))


def scores(frames: Frames, metrics: Iterable[str], objective: Objective) -> pd.DataFrame:
    """Return one row per current run and metric, with the value and whether it counts.

    All metrics are read at one point of the run: where the objective's metric is best, or
    last, as `objective` says. Columns: run_id, arm, trial, seed, metric, value, epoch, step,
    last_epoch, reading (a `Reading`), why. A value counts if its run is complete, the value is
    finite, and the objective's metric was finite to the end; otherwise `why` says what is the
    matter.
    """
    name = objective.metric
    last = at_last(frames, name)
    read = last if objective.at == "last" else at_best(frames, name, objective.direction)
    points = {(row.run_id, row.name_): row for row in _rows(read)}
    ends = {row.run_id: row for row in _rows(last) if row.name_ == name}
    table = []
    for run in frames.current.itertuples():
        end = ends.get(run.run_id)
        for metric in metrics:
            point = points.get((run.run_id, metric))
            value = math.nan if point is None else float(point.value)
            reading, why = _read(run, name, end, metric, point)
            table.append(
                {
                    "run_id": run.run_id,
                    "arm": run.arm,
                    "trial": run.trial,
                    "seed": run.seed,
                    "metric": metric,
                    "value": value,
                    "epoch": None if point is None else point.epoch,
                    "step": None if point is None else point.step,
                    "last_epoch": None if end is None else end.epoch,
                    "reading": reading,
                    "why": why,
                }
            )
    frame = pd.DataFrame(table, columns=COLUMNS)
    return frame.astype({"epoch": "Int64", "step": "Int64", "last_epoch": "Int64"})


def _read(run: Any, objective: str, end: Any, metric: str, point: Any) -> tuple[Reading, str]:
    """Say whether a value counts, and if not why; `end` and `point` are None if not recorded."""
    if run.status != Status.COMPLETE:
        reason = f"{run.status}: {run.reason}" if isinstance(run.reason, str) else str(run.status)
        return Reading(run.status), reason
    if end is None:
        return Reading.NO_VALUE, f"no value: {objective} was not recorded"
    if not math.isfinite(end.value):
        return Reading.DIVERGED, f"diverged: {objective} was {end.value} at its end"
    if point is None:
        where = f"{metric} was not recorded where {objective} is read"
        return Reading.NO_VALUE, f"no value: {where}"
    if not math.isfinite(point.value):
        return Reading.DIVERGED, f"diverged: {metric} was {point.value}"
    return Reading.COUNTED, ""


def _values(frames: Frames, metric: str) -> pd.DataFrame:
    values = frames.values_read
    chosen = values["name"] == metric
    values = values[chosen & values["run_id"].isin(frames.current["run_id"])]
    return values.sort_values(["run_id", "step"])


def _first_best(values: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    ordered = values.sort_values(
        ["run_id", "value", "step"], ascending=[True, direction.lower_is_better, True]
    )
    return ordered.drop_duplicates("run_id")


def _read_at(frames: Frames, points: pd.DataFrame) -> pd.DataFrame:
    found = points[["run_id", "step"]].merge(frames.values_read, on=["run_id", "step"])
    found = found[["run_id", "epoch", "step", "name", "value"]]
    return found.sort_values(["run_id", "name"], ignore_index=True)


def _rows(frame: pd.DataFrame) -> Iterable[Any]:
    return frame.rename(columns={"name": "name_"}).itertuples()

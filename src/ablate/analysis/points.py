"""Where on its curve a run is read, and whether its value counts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablate.analysis.frames import Frames, Values, metric_names
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
    return _read_all(frames, _best(frames.values_of(metric), direction))


def at_last(frames: Frames, metric: str) -> pd.DataFrame:
    """Read every metric of each current run where `metric` was recorded last.

    Columns: run_id, epoch, step, name, value; the values may be non-finite.
    """
    return _read_all(frames, _last(frames.values_of(metric)))


def scores(frames: Frames, metrics: Iterable[str], objective: Objective) -> pd.DataFrame:
    """Return one row per current run and metric, with the value and whether it counts.

    All metrics are read at one point of the run: where the objective's metric is best, or
    last, as `objective` says. Columns: run_id, arm, trial, seed, metric, value, epoch, step,
    last_epoch, reading (a `Reading`), why. A value counts if its run is complete, the value is
    finite, and the objective's metric was finite to the end; otherwise `why` says what is the
    matter.
    """
    names, runs = list(metrics), frames.current
    own = frames.values_of(objective.metric)
    ends = _last(own)
    points = ends if objective.at == "last" else _best(own, objective.direction)
    read = [_read_at(frames.values_of(name), points, len(runs)) for name in names]
    end_of = _per_run(ends, len(runs))
    # By run, then by metric.
    places = _interleaved([values.recorded for values in read], bool)
    value = _interleaved([values.value for values in read], float)
    frame = runs[["run_id", "arm", "trial", "seed"]].iloc[np.arange(len(runs)).repeat(len(names))]
    frame = frame.reset_index(drop=True).assign(
        metric=names * len(runs),
        value=value,
        epoch=_whole(_interleaved([values.epoch for values in read], int), places),
        step=_whole(_interleaved([values.step for values in read], int), places),
        last_epoch=_whole(end_of.epoch.repeat(len(names)), end_of.recorded.repeat(len(names))),
    )
    complete = (runs["status"] == Status.COMPLETE).to_numpy().repeat(len(names))
    ended = np.isfinite(end_of.value).repeat(len(names))
    counts = complete & ended & places & np.isfinite(value)
    readings, reasons = [Reading.COUNTED] * len(frame), [""] * len(frame)
    facts = [*zip(runs["status"].tolist(), runs["reason"].tolist(), strict=True)]
    for row in np.flatnonzero(~counts).tolist():
        place, which = divmod(row, len(names))
        status, reason = facts[place]
        run = _Run(status, reason, end_of.at(place))
        readings[row], reasons[row] = _read(
            run, objective.metric, names[which], read[which].at(place)
        )
    return frame.assign(reading=pd.Series(readings, dtype=object), why=reasons)[COLUMNS]


class _Run(NamedTuple):
    """How a run ended, with the last value of the objective's metric if there is one."""

    status: Status
    reason: str | None
    end: float | None


@dataclass(frozen=True, eq=False)
class _Points:
    """A value of each current run: where it was read, and whether there is one."""

    recorded: NDArray[np.bool_]
    epoch: NDArray[np.int64]
    step: NDArray[np.int64]
    value: NDArray[np.float64]

    def at(self, run: int) -> float | None:
        """Return the value of a run, None if there is none."""
        return float(self.value[run]) if self.recorded[run] else None


def _read(run: _Run, objective: str, metric: str, point: float | None) -> tuple[Reading, str]:
    """Say whether a value counts, and if not why; `point` is None if it was not recorded."""
    if run.status != Status.COMPLETE:
        reason = f"{run.status}: {run.reason}" if isinstance(run.reason, str) else str(run.status)
        return Reading(run.status), reason
    if run.end is None:
        return Reading.NO_VALUE, f"no value: {objective} was not recorded"
    if not math.isfinite(run.end):
        return Reading.DIVERGED, f"diverged: {objective} was {run.end} at its end"
    if point is None:
        where = f"{metric} was not recorded where {objective} is read"
        return Reading.NO_VALUE, f"no value: {where}"
    if not math.isfinite(point):
        return Reading.DIVERGED, f"diverged: {metric} was {point}"
    return Reading.COUNTED, ""


def _last(values: Values) -> Values:
    return values.take(values.ends)


def _best(values: Values, direction: Direction) -> Values:
    """Return the best finite value of each run that has one, the earliest of equal ones."""
    finite = values.take(np.isfinite(values.value))
    if not len(finite.run):
        return finite
    pick = np.minimum if direction.lower_is_better else np.maximum
    lengths = finite.ends - finite.starts + 1
    best = pick.reduceat(finite.value, finite.starts).repeat(lengths)
    equal = finite.take(finite.value == best)
    return equal.take(equal.starts)


def _read_at(values: Values, points: Values, runs: int) -> _Points:
    """Read the values of a metric at the steps of `points`, by current run."""
    at = _per_run(points, runs)
    return _per_run(
        values.take(at.recorded[values.run] & (values.step == at.step[values.run])), runs
    )


def _per_run(values: Values, runs: int) -> _Points:
    """Spread values, one of a run at most, over all current runs."""
    recorded, value = np.zeros(runs, bool), np.full(runs, np.nan)
    epoch, step = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
    recorded[values.run], value[values.run] = True, values.value
    epoch[values.run], step[values.run] = values.epoch, values.step
    return _Points(recorded, epoch, step, value)


def _interleaved(columns: list[NDArray[Any]], kind: type) -> NDArray[Any]:
    """Put columns of one row per run into one, by run."""
    return np.array(columns, dtype=kind).T.ravel()


def _whole(values: NDArray[np.int64], known: NDArray[np.bool_]) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(values, ~known)


def _read_all(frames: Frames, points: Values) -> pd.DataFrame:
    ids = frames.current["run_id"].to_numpy()
    found = [pd.DataFrame({"run_id": [], "epoch": [], "step": [], "name": [], "value": []})]
    for name in metric_names(frames):
        read = _read_at(frames.values_of(name), points, len(ids))
        found.append(
            pd.DataFrame(
                {"run_id": ids, "epoch": read.epoch, "step": read.step, "value": read.value}
            ).assign(name=name)[read.recorded]
        )
    return pd.concat(found).sort_values(["run_id", "name"], ignore_index=True)

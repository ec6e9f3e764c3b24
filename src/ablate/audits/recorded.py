"""What the runs of an ablation recorded, as the audit reads it."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from statistics import fmean
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ablate.audits.differences import listed
from ablate.audits.grouping import alike
from ablate.spec import AblationDefinition, Direction, SearchDefinition, Space, Status
from ablate.store import Environment, RunRecord, Seals, TrialRecord, best_trial

Key = TypeVar("Key", bound=Hashable)

UNCHECKED = Seals(0, 0)
"""Of records that were compared with no seals."""

Curve = Sequence[tuple[int, float]]
"""The epochs and values of a metric in one run."""


@dataclass(frozen=True, eq=False)
class MetricCurves:
    """The curves of one metric, one after the other: run `run_ids[i]` begins at `starts[i]`."""

    run_ids: NDArray[np.int64]
    starts: NDArray[np.intp]
    epochs: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, curves: Mapping[int, Curve]) -> "MetricCurves":
        """Join curves by run; none of them is empty."""
        lengths = [len(curve) for curve in curves.values()]
        return cls(
            np.fromiter(curves, np.int64),
            np.cumsum([0, *lengths[:-1]]),
            np.array([epoch for epoch, _ in chain(*curves.values())], np.int64),
            np.array([value for _, value in chain(*curves.values())], np.float64),
        )

    @cached_property
    def lengths(self) -> NDArray[np.intp]:
        """How many values each run has."""
        return np.diff(self.starts, append=len(self.values))

    @cached_property
    def place(self) -> dict[int, int]:
        """The place of each run."""
        return {run: place for place, run in enumerate(self.run_ids.tolist())}

    def curve(self, run_id: int) -> Curve:
        """Return the curve of a run that has one."""
        place = self.place[run_id]
        start = self.starts[place]
        some = slice(start, start + self.lengths[place])
        return list(zip(self.epochs[some].tolist(), self.values[some].tolist(), strict=True))

    @property
    def firsts(self) -> dict[int, float]:
        """The first value of each run."""
        return dict(zip(self.run_ids.tolist(), self.values[self.starts].tolist(), strict=True))

    @cached_property
    def finite(self) -> NDArray[np.bool_]:
        """Whether all values of a run are finite."""
        return self._all(np.isfinite(self.values))

    @cached_property
    def still(self) -> NDArray[np.bool_]:
        """Whether a run has the same value everywhere but at its beginning."""
        same = np.empty(len(self.values), bool)
        same[1:] = self.values[1:] == self.values[:-1]
        same[self.starts] = True
        second = self.starts[self.lengths > 1] + 1
        same[second] = True
        return self._all(same)

    def runs(self, which: NDArray[np.bool_]) -> set[int]:
        """Return the runs that a mask chooses."""
        return set(self.run_ids[which].tolist())

    def _all(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.logical_and.reduceat(flags, self.starts)


class Curves(Mapping[tuple[int, str], Curve]):
    """Curves by run and metric, each made when it is asked for."""

    def __init__(self, by_metric: Mapping[str, MetricCurves]) -> None:
        self.by_metric = {name: curves for name, curves in by_metric.items() if len(curves.values)}

    @classmethod
    def of(cls, curves: Mapping[tuple[int, str], Curve]) -> "Curves":
        """Arrange curves by metric."""
        by_metric: dict[str, dict[int, Curve]] = {}
        for (run_id, metric), curve in curves.items():
            if curve:
                by_metric.setdefault(metric, {})[run_id] = curve
        return cls({metric: MetricCurves.of(of_run) for metric, of_run in by_metric.items()})

    def __getitem__(self, key: tuple[int, str]) -> Curve:
        run_id, metric = key
        if metric not in self.by_metric or run_id not in self.by_metric[metric].place:
            raise KeyError(key)
        return self.by_metric[metric].curve(run_id)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        for metric, curves in self.by_metric.items():
            for run_id in curves.place:
                yield run_id, metric

    def __len__(self) -> int:
        return sum(len(curves.run_ids) for curves in self.by_metric.values())


class Result(NamedTuple):
    """What an arm reached on a metric.

    `values` are those that count, of `runs` that the design has. `behind` says by how little an
    arm is better than the best trivial predictor, if it is not surely better.
    """

    metric: str
    direction: Direction
    arm: str
    kind: str
    runs: int
    values: tuple[float, ...]
    behind: str

    @property
    def n(self) -> int:
        """How many values count."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean of the values that count, NaN if none does."""
        return fmean(self.values) if self.values else math.nan


@dataclass(frozen=True)
class RecordedRuns:
    """The runs of an ablation that speak for their arm and seed, with what they recorded.

    `curves` are the metrics as they are read by run and name, `fingerprints` by run, `environments`
    by the name that runs have for them, `facts` by run and kind; `examples` are how many a metric
    is a share of, where it is known; `results` are of the metrics that are compared; `seals` say
    what was changed after it was recorded.
    """

    definition: AblationDefinition
    runs: Sequence[RunRecord]
    curves: Mapping[tuple[int, str], Curve]
    fingerprints: Mapping[int, Mapping[str, str]]
    environments: Mapping[str, Environment]
    results: Sequence[Result]
    examples: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[int, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    seals: Seals = UNCHECKED

    @property
    def metrics(self) -> dict[str, Direction]:
        """The metrics that are compared, and the one that decides, with their directions."""
        objective = self.definition.objective
        return {**self.definition.metrics, objective.metric: objective.direction}

    @cached_property
    def by_metric(self) -> Mapping[str, MetricCurves]:
        """The curves by metric."""
        curves = self.curves if isinstance(self.curves, Curves) else Curves.of(self.curves)
        return curves.by_metric

    @cached_property
    def compared(self) -> list[RunRecord]:
        """The runs that are no floors."""
        floors = {arm.name for arm in self.definition.floors}
        return [run for run in self.runs if run.arm not in floors]


@dataclass(frozen=True)
class RecordedTrials:
    """The trials of a search, of whatever state; `seals` as in RecordedRuns."""

    definition: SearchDefinition
    trials: Sequence[TrialRecord]
    seals: Seals = UNCHECKED

    @property
    def space(self) -> Space:
        """The space that was searched."""
        return Space(self.definition.space)

    @property
    def done(self) -> list[TrialRecord]:
        """The trials that have been tried: complete or pruned."""
        return [trial for trial in self.trials if trial.state in {Status.COMPLETE, Status.PRUNED}]

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best value."""
        return best_trial(self.trials, self.definition.objective.direction)


def grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Group items by a key, in the order in which the keys first occur."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def arms_of(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """Name the arms of runs, each once."""
    return tuple(dict.fromkeys(run.arm for run in runs if run.arm is not None))


def alike_runs(
    runs: Iterable[RunRecord], told: Mapping[int, Mapping[Key, Hashable]]
) -> list[list[str]]:
    """Group the arms of runs; two are apart if their runs tell other values of one thing.

    What runs tell is given by run; one that tells nothing of a thing is apart from none in it.
    """
    seen: dict[str, dict[Key, set[Hashable]]] = {}
    for run in runs:
        of_arm = seen.setdefault(run.arm, {}) if run.arm is not None else {}
        for name, value in told.get(run.id, {}).items():
            of_arm.setdefault(name, set()).add(value)

    def apart(arm: str, other: str) -> bool:
        one, two = seen[arm], seen[other]
        return any(len(one[name] | two[name]) > 1 for name in one.keys() & two.keys())

    return alike(seen, apart)


def named(runs: Iterable[RunRecord]) -> str:
    """Join the names of the arms of runs."""
    return ", ".join(arms_of(runs))


def trials_of(runs: Iterable[RunRecord]) -> str:
    """Name the trials of runs, for a reader who looks them up."""
    return "trials " + listed(str(run.trial) for run in runs)


def several(amount: int, noun: str) -> str:
    """Write an amount with its noun."""
    return f"{amount} {noun}{'' if amount == 1 else 's'}"

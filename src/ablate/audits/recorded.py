"""What the runs of an ablation recorded, as the audit reads it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

from ablate.audits.differences import listed
from ablate.spec import AblationDefinition, Direction, SearchDefinition, Space, Status
from ablate.store import Environment, RunRecord, TrialRecord, best_trial

Curve = Sequence[tuple[int, float]]
"""The epochs and values of a metric in one run."""


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
    by the name that runs have for them; `results` are of the metrics that are compared.
    """

    definition: AblationDefinition
    runs: Sequence[RunRecord]
    curves: Mapping[tuple[int, str], Curve]
    fingerprints: Mapping[int, Mapping[str, str]]
    environments: Mapping[str, Environment]
    results: Sequence[Result]

    @property
    def metrics(self) -> dict[str, Direction]:
        """The metrics that are compared, and the one that decides, with their directions."""
        objective = self.definition.objective
        return {**self.definition.metrics, objective.metric: objective.direction}

    @property
    def compared(self) -> list[RunRecord]:
        """The runs that are no floors."""
        floors = {arm.name for arm in self.definition.floors}
        return [run for run in self.runs if run.arm not in floors]


@dataclass(frozen=True)
class RecordedTrials:
    """The trials of a search, of whatever state."""

    definition: SearchDefinition
    trials: Sequence[TrialRecord]

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


def named(runs: Iterable[RunRecord]) -> str:
    """Join the names of the arms of runs."""
    return ", ".join(arms_of(runs))


def trials_of(runs: Iterable[RunRecord]) -> str:
    """Name the trials of runs, for a reader who looks them up."""
    return "trials " + listed(str(run.trial) for run in runs)


def several(amount: int, noun: str) -> str:
    """Write an amount with its noun."""
    return f"{amount} {noun}{'' if amount == 1 else 's'}"

"""What the store hands out: immutable records, apart from any open connection."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.spec import Cause, Definition, Direction, Status, paths
from ablate.spec.definition import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INEXACT = "inexact_seed_"


class MetricRow(NamedTuple):
    """One value of one metric: `step` counts optimizer steps, `epoch` from 0, both of the run."""

    run_id: int
    phase: str
    name: str
    step: int
    epoch: int
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class MetricColumns:
    """All values of one metric in one phase, as columns of equal length, by run and step."""

    phase: str
    name: str
    run_id: "NDArray[np.int64]"
    step: "NDArray[np.int64]"
    epoch: "NDArray[np.int64]"
    value: "NDArray[np.float64]"


class GroupRow(NamedTuple):
    """The means of one metric over the examples of each group, at one validation of a run.

    `grouping` says what the groups are, "task" for one; `means` has (mean, examples) by group.
    """

    run_id: int
    grouping: str
    name: str
    step: int
    epoch: int
    means: Mapping[str, tuple[float, int]]


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study with its current definition."""

    name: str
    definition: Definition
    definition_id: int
    created_at: datetime

    @property
    def kind(self) -> Kind:
        """Whether it is a search or an ablation."""
        return self.definition.kind

    @property
    def profile(self) -> str:
        """The profile of its definition."""
        return self.definition.profile


@dataclass(frozen=True, slots=True)
class DefinitionRecord:
    """One definition under which runs of a study were made."""

    id: int
    sha256: str
    definition: Definition
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: one training with one seed, at its n-th attempt.

    `config` is None unless it was asked for; times are aware and in UTC.
    """

    id: int
    study: str
    trial: int
    arm: str | None
    seed: int
    attempt: int
    definition_id: int
    status: Status
    cause: Cause | None
    reason: str | None
    config_hash: str
    parameters: int | None
    profile: str
    device: str
    environment: str
    code_version: str
    directory: str
    epochs: int | None
    steps: int | None
    created_at: datetime
    finished_at: datetime | None
    config: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One Optuna trial; times are aware and in UTC."""

    number: int
    state: Status
    value: float | None
    params: dict[str, Any]
    user_attrs: dict[str, Any]
    start: datetime | None
    end: datetime | None
    constraints: Mapping[str, float] = field(default_factory=dict)
    """By constraint how far it is beyond its bound, as Optuna keeps it."""

    @property
    def feasible(self) -> bool:
        """Whether it keeps every constraint."""
        return all(excess <= 0 for excess in self.constraints.values())


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """A file kept of a trial's runs; `id` names it in the artifact store."""

    trial: int
    name: str
    id: str


USUAL_NOTES = frozenset({"no-floor", "best-on-reported-set", "uncommitted-code"})
"""Codes of notes that nearly every study has: one line names them, and no other tells of them."""


class FindingRow(NamedTuple):
    """One finding of an audit: severity error, warning or note; stage static, probe or runs.

    One with `groups` stands between two arms that none of them has both of; any other is of each
    arm by itself.
    """

    code: str
    severity: str
    arms: tuple[str, ...]
    what: str
    where: str
    advice: str
    allowed: bool
    stage: str
    groups: tuple[tuple[str, ...], ...] = ()

    def apart(self, arm: str, other: str) -> bool:
        """Say whether it stands between two arms."""
        both = {arm, other}
        known = {arm for group in self.groups for arm in group}
        return both <= known and not any(both <= {*group} for group in self.groups)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An audit of one definition of a study, with all that it found."""

    definition_id: int
    created_at: datetime
    findings: tuple[FindingRow, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """What runs stood on, as their worker told it; another version may have told more or less."""

    facts: Mapping[str, Any] = field(default_factory=dict)

    def leaves(self) -> dict[str, Any]:
        """Return every fact by its dotted path."""
        return paths.flatten(dict(self.facts))

    def compared(self) -> dict[str, Any]:
        """Return what makes an environment another one: all but the name of the host."""
        return {path: fact for path, fact in self.leaves().items() if path != "host"}


class Edit(NamedTuple):
    """Something that is not as it was when it was recorded: of a run with a seed, or of a trial.

    `sealed` and `now` are how it was and how it is, as far as that is known; `missing` says that it
    is gone.
    """

    trial: int
    seed: int | None
    what: str
    sealed: str | None = None
    now: str | None = None
    missing: bool = False

    def __str__(self) -> str:
        whose = f"trial {self.trial}" + ("" if self.seed is None else f", seed {self.seed}")
        if self.missing:
            return f"{whose}: {self.what} was removed or replaced"
        if self.now is None:
            return f"{whose}: {self.what} was edited"
        if self.sealed is None:
            return f"{whose}: {self.what} is {self.now}, which was not recorded"
        return f"{whose}: {self.what} is {self.now}; {self.sealed} was recorded"


@dataclass(frozen=True, slots=True)
class Seals:
    """Whether what a study recorded is what stands there now.

    `sealed` and `unsealed` count its ended runs with a digest and without one, as in a database
    that was written before there were any.
    """

    sealed: int
    unsealed: int
    edits: tuple[Edit, ...] = ()

    def __add__(self, other: "Seals") -> "Seals":
        """Put the records of two studies together."""
        return Seals(
            self.sealed + other.sealed,
            self.unsealed + other.unsealed,
            self.edits + other.edits,
        )


def inexact_of(seed: int) -> str:
    """Name the trial's attribute that says why a seed's run was not continued exactly."""
    return f"{_INEXACT}{seed}"


def inexact_runs(trial: TrialRecord) -> dict[int, tuple[str, ...]]:
    """Return by seed why runs of a trial that were continued may differ from unbroken ones."""
    return {
        int(name.removeprefix(_INEXACT)): tuple(reasons)
        for name, reasons in trial.user_attrs.items()
        if name.startswith(_INEXACT) and reasons
    }


def count_states(trials: Iterable[TrialRecord]) -> dict[Status, int]:
    """Count trials by state, in the order in which the states first occur."""
    return dict(Counter(trial.state for trial in trials))


def best_trial(trials: Iterable[TrialRecord], direction: Direction) -> TrialRecord | None:
    """Return the feasible trial with the best value, the first of equal ones, if there is any."""
    pick = min if direction.lower_is_better else max
    return pick(feasible_trials(trials), key=lambda trial: trial.value or 0.0, default=None)


def count_infeasible(trials: Iterable[TrialRecord]) -> int:
    """Count the complete trials with a finite value that do not keep every constraint."""
    return sum(not trial.feasible for trial in complete_trials(trials))


def feasible_trials(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the complete trials with a finite value that keep every constraint."""
    return [trial for trial in complete_trials(trials) if trial.feasible]


def complete_trials(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the complete trials with a finite value."""
    return [
        trial
        for trial in trials
        if trial.state is Status.COMPLETE and trial.value is not None and math.isfinite(trial.value)
    ]

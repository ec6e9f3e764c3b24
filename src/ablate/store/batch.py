"""What happened in a study since the last write: one value, written in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.spec import Outcome
from ablate.store.records import Environment

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, TrialState


class RunKey(NamedTuple):
    """Names a run within its study."""

    trial: int
    seed: int
    attempt: int


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run as it starts."""

    key: RunKey
    arm: str | None
    definition_id: int
    config: Mapping[str, Any]
    config_hash: str
    profile: str
    device: str
    environment: Environment
    code_version: str
    directory: str


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended; None for `epochs` or `steps` keeps what is stored."""

    outcome: Outcome
    epochs: int | None
    steps: int | None


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """How a trial ended; its value is None unless it has one."""

    state: "TrialState"
    value: float | None


@dataclass(slots=True)
class Batch:
    """What happened in one study, in the order of the fields.

    `trials` holds new trials by number, as `optuna.trial.create_trial` makes them; `states` turns
    waiting trials into running ones; `intermediate` is by trial number and step, and `metrics`, by
    run, phase, name and step, holds (epoch, value). `groups`, by run, grouping, name and step,
    holds the epoch and (mean, examples) by group. `facts`, by run and kind, are plain data, stored
    once however many runs share them.
    """

    study: str
    trials: dict[int, "FrozenTrial"] = field(default_factory=dict)
    states: dict[int, "TrialState"] = field(default_factory=dict)
    runs: dict[RunKey, NewRun] = field(default_factory=dict)
    parameters: dict[RunKey, int] = field(default_factory=dict)
    user_attrs: dict[int, dict[str, Any]] = field(default_factory=dict)
    system_attrs: dict[int, dict[str, Any]] = field(default_factory=dict)
    intermediate: dict[int, dict[int, float]] = field(default_factory=dict)
    metrics: dict[tuple[RunKey, str, str, int], tuple[int, float]] = field(default_factory=dict)
    groups: dict[tuple[RunKey, str, str, int], tuple[int, dict[str, tuple[float, int]]]] = field(
        default_factory=dict
    )
    fingerprints: dict[RunKey, dict[str, str]] = field(default_factory=dict)
    facts: dict[RunKey, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    ended_runs: dict[RunKey, RunEnd] = field(default_factory=dict)
    ended_trials: dict[int, TrialEnd] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not any(getattr(self, name) for name in _PARTS)

    def merge(self, newer: "Batch") -> "Batch":
        """Return what happened here and then in `newer`; where both speak, the newer one holds.

        Raises ValueError if they are of two studies.
        """
        if newer.study != self.study:
            raise ValueError(f"a batch of {newer.study!r} can't follow one of {self.study!r}")
        merged = Batch(self.study)
        for name in _PARTS:
            older, later = getattr(self, name), getattr(newer, name)
            part = older | later
            if name in _NESTED:
                part = {key: older.get(key, {}) | later.get(key, {}) for key in part}
            setattr(merged, name, part)
        return merged


_PARTS = tuple(item.name for item in fields(Batch) if item.name != "study")
_NESTED = frozenset({"user_attrs", "system_attrs", "intermediate", "fingerprints", "facts"})

"""What a batch says about trials, as rows of Optuna's tables: pure, without a database."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ablate.store.batch import Batch

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

PARAMS = "trial_params"
USER_ATTRIBUTES = "trial_user_attributes"
SYSTEM_ATTRIBUTES = "trial_system_attributes"
INTERMEDIATE_VALUES = "trial_intermediate_values"
VALUES = "trial_values"

FINISHED = frozenset({"COMPLETE", "PRUNED", "FAIL"})
"""The names of the states in which a trial has ended."""

_IDENTITY = {
    PARAMS: ("param_name", "param_value", "distribution_json"),
    USER_ATTRIBUTES: ("key",),
    SYSTEM_ATTRIBUTES: ("key",),
    INTERMEDIATE_VALUES: ("step",),
    VALUES: ("objective", "value", "value_type"),
}
"""Table -> the columns that never change again; the others are overwritten by later facts."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrialRows:
    """A trial: its state, its times in UTC, and the rows of its parts by table."""

    state: str
    start: datetime | None
    end: datetime | None
    parts: Mapping[str, list[Row]]

    @classmethod
    def of(cls, trial: "FrozenTrial") -> "TrialRows":
        """Encode a trial; raise TypeError for an attribute that is no plain data."""
        return cls(
            state=trial.state.name,
            start=utc(trial.datetime_start),
            end=utc(trial.datetime_complete),
            parts={
                PARAMS: [
                    _param(name, value, trial.distributions[name])
                    for name, value in trial.params.items()
                ],
                USER_ATTRIBUTES: [row for _, row in _attributes({0: trial.user_attrs})],
                SYSTEM_ATTRIBUTES: [row for _, row in _attributes({0: trial.system_attrs})],
                INTERMEDIATE_VALUES: [
                    _intermediate(step, value) for step, value in trial.intermediate_values.items()
                ],
                VALUES: _values(trial.values or ()),
            },
        )

    @property
    def finished(self) -> bool:
        """Whether the trial has ended."""
        return self.state in FINISHED

    def became(self, stored: "TrialRows") -> bool:
        """Say whether `stored` is this trial, whatever happened to it since it was added."""
        return self.start in (None, stored.start) and all(
            _identities(table, rows) <= _identities(table, stored.parts[table])
            for table, rows in self.parts.items()
        )


@dataclass(frozen=True, slots=True)
class EndRows:
    """How a trial ends: its last state and the rows of its values."""

    state: str
    values: list[Row]

    def is_that_of(self, state: str, values: Iterable[Mapping[Any, Any]]) -> bool:
        """Say whether a trial with this state and these rows of values ended so."""
        return self.state == state and _identities(VALUES, self.values) == _identities(
            VALUES, values
        )


@dataclass(frozen=True, slots=True)
class BatchRows:
    """What a batch says about trials by number, as rows that lack only the id of their trial.

    `updates` holds by table the rows that are added or, where their key is there, replaced.
    """

    study: str
    new: dict[int, TrialRows]
    started: tuple[int, ...]
    updates: dict[str, list[tuple[int, Row]]]
    ended: dict[int, EndRows]

    @classmethod
    def of(cls, batch: Batch) -> "BatchRows":
        """Encode a batch.

        Raises TypeError for an attribute that is no plain data and ValueError for a change of
        state that there is not, or for a final value that is NaN.
        """
        if unknown := {state.name for state in batch.states.values()} - {"RUNNING"}:
            raise ValueError(f"a waiting trial starts to run, it can't become {unknown.pop()}")
        if unended := {end.state.name for end in batch.ended_trials.values()} - FINISHED:
            raise ValueError(f"a trial can't end as {unended.pop()}")
        return cls(
            study=batch.study,
            new={number: TrialRows.of(batch.trials[number]) for number in sorted(batch.trials)},
            started=tuple(batch.states),
            updates={
                USER_ATTRIBUTES: list(_attributes(batch.user_attrs)),
                SYSTEM_ATTRIBUTES: list(_attributes(batch.system_attrs)),
                INTERMEDIATE_VALUES: [
                    (number, _intermediate(step, value))
                    for number, values in batch.intermediate.items()
                    for step, value in values.items()
                ],
            },
            ended={
                number: EndRows(end.state.name, _values(() if end.value is None else (end.value,)))
                for number, end in batch.ended_trials.items()
            },
        )

    def __bool__(self) -> bool:
        return bool(self.new or self.started or self.ended or any(self.updates.values()))

    def changed(self) -> set[int]:
        """Return the numbers of all trials that are changed, new or not."""
        updated = (number for rows in self.updates.values() for number, _ in rows)
        return {*self.started, *self.ended, *updated}


def utc(moment: datetime | None) -> datetime | None:
    """Return a time as Optuna stores it: in UTC, without a zone; a naive one is local."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _identities(table: str, rows: Iterable[Mapping[Any, Any]]) -> set[tuple[Any, ...]]:
    columns = _IDENTITY[table]
    return {tuple(row[column] for column in columns) for row in rows}


def _param(name: str, value: Any, distribution: "BaseDistribution") -> Row:
    from optuna.distributions import distribution_to_json  # noqa: PLC0415 - slow to import

    return {
        "param_name": name,
        "param_value": float(distribution.to_internal_repr(value)),
        "distribution_json": distribution_to_json(distribution),
    }


def _attributes(attrs: Mapping[int, Mapping[str, Any]]) -> Iterator[tuple[int, Row]]:
    for number, items in attrs.items():
        for key, value in items.items():
            yield number, {"key": key, "value_json": json.dumps(value)}


def _intermediate(step: int, value: float) -> Row:
    stored, kind = (None, "NAN") if math.isnan(value) else _float(value)
    return {"step": step, "intermediate_value": stored, "intermediate_value_type": kind}


def _values(values: Iterable[float]) -> list[Row]:
    rows = []
    for objective, value in enumerate(values):
        if math.isnan(value):
            raise ValueError("the value of a trial can't be NaN; end it as failed")
        stored, kind = _float(value)
        rows.append({"objective": objective, "value": stored, "value_type": kind})
    return rows


def _float(value: float) -> tuple[float | None, str]:
    if math.isinf(value):
        return None, "INF_POS" if value > 0 else "INF_NEG"
    return float(value), "FINITE"

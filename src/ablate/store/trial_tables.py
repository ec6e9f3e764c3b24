"""Optuna's tables of trials, written directly: all of a batch in one transaction.

Optuna's own interface takes one transaction per attribute and per intermediate value. What is
written here reads back through it exactly as if it had been written by it.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, MetaData, bindparam, inspect, select, update

from ablate.errors import StorageError
from ablate.store.batch import Batch
from ablate.store.dialects import upsert

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

SCHEMA_VERSION, REVISION = 12, "v3.2.0.a"
"""The layout written here: that of Optuna 5.0 (`version_info` and `alembic_version`)."""

_KEYS = {
    "trial_params": ("trial_id", "param_name"),
    "trial_user_attributes": ("trial_id", "key"),
    "trial_system_attributes": ("trial_id", "key"),
    "trial_intermediate_values": ("trial_id", "step"),
    "trial_values": ("trial_id", "objective"),
}
_VALUES = {
    "trial_params": ("param_value", "distribution_json"),
    "trial_values": ("value", "value_type"),
}
_TABLES = ("studies", "trials", "version_info", "alembic_version", *_KEYS)
_FINISHED = frozenset({"COMPLETE", "PRUNED", "FAIL"})
_CHUNK = 1000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrialRows:
    """What a batch says about trials, as rows by table that lack only the id of their trial."""

    study: str
    new: dict[int, tuple[Row, dict[str, list[Row]]]]
    running: tuple[int, ...]
    updates: dict[str, list[tuple[int, Row]]]
    ended: dict[int, tuple[str, list[Row]]]

    @classmethod
    def of(cls, batch: Batch) -> "TrialRows":
        """Encode a batch.

        Raises TypeError for an attribute that is no plain data and ValueError for a change of
        state that there is not, or for a final value that is NaN.
        """
        if unknown := {state.name for state in batch.states.values()} - {"RUNNING"}:
            raise ValueError(f"a waiting trial starts to run, it can't become {unknown.pop()}")
        if unended := {e.state.name for e in batch.ended_trials.values()} - _FINISHED:
            raise ValueError(f"a trial can't end as {unended.pop()}")
        return cls(
            study=batch.study,
            new={number: _new(batch.trials[number]) for number in sorted(batch.trials)},
            running=tuple(batch.states),
            updates={
                "trial_user_attributes": list(_attributes(batch.user_attrs)),
                "trial_system_attributes": list(_attributes(batch.system_attrs)),
                "trial_intermediate_values": [
                    (number, _intermediate(step, value))
                    for number, values in batch.intermediate.items()
                    for step, value in values.items()
                ],
            },
            ended={
                number: (end.state.name, _values(() if end.value is None else (end.value,)))
                for number, end in batch.ended_trials.items()
            },
        )

    def __bool__(self) -> bool:
        return bool(self.new or self.running or self.ended or any(self.updates.values()))

    def numbers(self) -> set[int]:
        """Return the numbers of all trials that are changed, new or not."""
        updated = (number for rows in self.updates.values() for number, _ in rows)
        return {*self.running, *self.ended, *updated}


class TrialTables:
    """Optuna's tables of one database, as they were found there."""

    def __init__(self, connection: Connection, shown: str) -> None:
        """Read the layout of the tables; raise StorageError if there are none or it is another."""
        found = inspect(connection).get_table_names()
        if not {*_TABLES} <= {*found}:
            raise StorageError(f"the storage {shown} holds no study of Optuna; create one first")
        metadata = MetaData()
        metadata.reflect(connection, only=_TABLES)
        self._shown = shown
        self._tables = metadata.tables
        self._check_version(connection)
        backend = connection.dialect.name
        trials, studies = self._tables["trials"], self._tables["studies"]
        self._find_study = select(studies.c.study_id).where(
            studies.c.study_name == bindparam("study")
        )
        if backend == "postgresql":
            self._find_study_to_add = self._find_study.with_for_update()
        else:
            self._find_study_to_add = self._find_study
        self._last = (
            select(trials.c.number)
            .where(trials.c.study_id == bindparam("study_id"))
            .order_by(trials.c.trial_id.desc())
            .limit(1)
        )
        some = select(trials.c.number, trials.c.trial_id, trials.c.state).where(
            trials.c.study_id == bindparam("study_id")
        )
        self._by_id = some.where(trials.c.trial_id.in_(bindparam("some", expanding=True)))
        self._by_number = some.where(trials.c.number.in_(bindparam("some", expanding=True)))
        self._add_trial = trials.insert()
        self._add_params = self._tables["trial_params"].insert()
        self._upserts = {
            name: upsert(self._tables[name], keys, backend)
            for name, keys in _KEYS.items()
            if name != "trial_params"
        }
        one = trials.c.trial_id == bindparam("one")
        self._run = (
            update(trials)
            .where(one, trials.c.state == "WAITING")
            .values(state="RUNNING", datetime_start=bindparam("moment"))
        )
        self._end = (
            update(trials)
            .where(one)
            .values(state=bindparam("end"), datetime_complete=bindparam("moment"))
        )

    def write(
        self, connection: Connection, rows: TrialRows, known: Mapping[int, int], now: datetime
    ) -> dict[int, int]:
        """Write the rows and return the ids of their trials by number; `known` are ids of before.

        Raises StorageError if the study or a trial is not there, if a new trial's number is taken
        by another one, or if a trial has ended in another way already.
        """
        moment = _utc(now)
        statement = self._find_study_to_add if rows.new else self._find_study
        study_id = connection.execute(statement, {"study": rows.study}).scalar()
        if study_id is None:
            raise StorageError(f"there is no Optuna study {rows.study!r} in {self._shown}")
        ids, work = self._add_new(connection, rows, study_id)
        others = rows.numbers() - ids.keys()
        found = self._find(connection, rows.study, study_id, others, known)
        ids |= {number: trial_id for number, (trial_id, _) in found.items()}
        for name, updates in rows.updates.items():
            work.setdefault(name, []).extend(
                {"trial_id": ids[number], **row} for number, row in updates
            )
        if rows.running:
            connection.execute(
                self._run, [{"one": ids[number], "moment": moment} for number in rows.running]
            )
        ended = {
            number: end
            for number, end in rows.ended.items()
            if not self._has_ended(connection, rows.study, number, end, found.get(number))
        }
        work["trial_values"] = work.get("trial_values", []) + [
            {"trial_id": ids[number], **row} for number, (_, some) in ended.items() for row in some
        ]
        for name, some in work.items():
            if some:
                connection.execute(
                    self._add_params if name == "trial_params" else self._upserts[name], some
                )
        if ended:
            connection.execute(
                self._end,
                [
                    {"one": ids[number], "end": state, "moment": moment}
                    for number, (state, _) in ended.items()
                ],
            )
        return ids

    def _check_version(self, connection: Connection) -> None:
        version = self._tables["version_info"].c
        schema, library = connection.execute(
            select(version.schema_version, version.library_version)
        ).one()
        revision = connection.execute(
            select(self._tables["alembic_version"].c.version_num)
        ).scalar_one()
        if (schema, revision) != (SCHEMA_VERSION, REVISION):
            raise StorageError(
                f"the storage {self._shown} holds tables of Optuna {library} in the layout "
                f"{schema} / {revision}, and this ablate writes {SCHEMA_VERSION} / {REVISION}; "
                "upgrade the storage (optuna storage upgrade --storage URL) or ablate"
            )

    def _add_new(
        self, connection: Connection, rows: TrialRows, study_id: int
    ) -> tuple[dict[int, int], dict[str, list[Row]]]:
        """Add the new trials that are not there yet; return their ids and what goes with them."""
        ids: dict[int, int] = {}
        work: dict[str, list[Row]] = {}
        if not rows.new:
            return ids, work
        last = connection.execute(self._last, {"study_id": study_id}).scalar()
        following = 0 if last is None else last + 1
        there = [number for number in rows.new if number < following]
        if there:
            self._check_same(connection, rows, study_id, there)
        for number, (row, parts) in rows.new.items():
            if number < following:
                continue
            if number > following:
                raise StorageError(
                    f"trial {number} of {rows.study!r} can't follow the {following} trials that "
                    f"are in {self._shown}: another program removed trials; name another study"
                )
            result = connection.execute(
                self._add_trial, {"number": number, "study_id": study_id, **row}
            )
            key = result.inserted_primary_key
            assert key is not None  # noqa: S101 - an INSERT of one row returns its key
            ids[number] = int(key[0])
            for name, some in parts.items():
                work.setdefault(name, []).extend({"trial_id": ids[number], **r} for r in some)
            following += 1
        return ids, work

    def _check_same(
        self, connection: Connection, rows: TrialRows, study_id: int, numbers: Sequence[int]
    ) -> None:
        """Raise StorageError unless these trials are the very ones, written by an earlier try."""
        trials = self._tables["trials"].c
        for number in numbers:
            row, parts = rows.new[number]
            found = connection.execute(
                select(trials.trial_id, trials.datetime_start).where(
                    trials.study_id == study_id, trials.number == number
                )
            ).one_or_none()
            if found is None or not (
                row["datetime_start"] in (None, found.datetime_start)
                and all(
                    _key(name, some) <= self._stored(connection, name, found.trial_id)
                    for name, some in parts.items()
                )
            ):
                raise StorageError(
                    f"trial {number} of {rows.study!r} in {self._shown} was added by another "
                    "program; stop what else adds trials to this study and run the same command "
                    "again"
                )

    def _stored(self, connection: Connection, name: str, trial_id: int) -> set[Any]:
        table = self._tables[name]
        found = connection.execute(select(table).where(table.c.trial_id == trial_id)).mappings()
        return _key(name, found)

    def _find(
        self,
        connection: Connection,
        study: str,
        study_id: int,
        numbers: set[int],
        known: Mapping[int, int],
    ) -> dict[int, tuple[int, str]]:
        """Return the id and the state of trials by number; raise StorageError if one is missing.

        Ids are a shortcut only, as Optuna's tables have no index by number.
        """
        found: dict[int, tuple[int, str]] = {}
        ids = [known[number] for number in numbers if number in known]
        for statement, wanted in ((self._by_id, ids), (self._by_number, None)):
            some = sorted(numbers - found.keys()) if wanted is None else wanted
            for start in range(0, len(some), _CHUNK):
                for number, trial_id, state in connection.execute(
                    statement, {"study_id": study_id, "some": some[start : start + _CHUNK]}
                ):
                    if number in numbers:
                        found[number] = trial_id, state
        if missing := numbers - found.keys():
            raise StorageError(
                f"trial {min(missing)} of {study!r} is not in {self._shown}; "
                "was it removed by another program?"
            )
        return found

    def _has_ended(
        self,
        connection: Connection,
        study: str,
        number: int,
        end: tuple[str, list[Row]],
        found: tuple[int, str] | None,
    ) -> bool:
        """Say whether a trial ended so already; raise StorageError if it ended in another way."""
        if found is None or found[1] not in _FINISHED:
            return False
        state, values = end
        stored = self._stored(connection, "trial_values", found[0])
        if state != found[1] or _key("trial_values", values) != stored:
            raise StorageError(
                f"trial {number} of {study!r} in {self._shown} ended already, as {found[1]}: "
                "another program ended it; stop it and run the same command again"
            )
        return True


def _new(trial: "FrozenTrial") -> tuple[Row, dict[str, list[Row]]]:
    row = {
        "state": trial.state.name,
        "datetime_start": _utc(trial.datetime_start),
        "datetime_complete": _utc(trial.datetime_complete),
    }
    return row, {
        "trial_params": [
            _param(name, value, trial.distributions[name]) for name, value in trial.params.items()
        ],
        "trial_user_attributes": [r for _, r in _attributes({0: trial.user_attrs})],
        "trial_system_attributes": [r for _, r in _attributes({0: trial.system_attrs})],
        "trial_intermediate_values": [
            _intermediate(step, value) for step, value in trial.intermediate_values.items()
        ],
        "trial_values": _values(trial.values or ()),
    }


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


def _utc(moment: datetime | None) -> datetime | None:
    """Return a time as Optuna stores it: in UTC, without a zone; a naive one is local."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _key(name: str, rows: Iterable[Mapping[Any, Any]]) -> set[Any]:
    """Return what identifies rows: all of a parameter or a value, only the key of the rest."""
    columns = [*_KEYS[name][1:], *_VALUES.get(name, ())]
    return {tuple(row[column] for column in columns) for row in rows}

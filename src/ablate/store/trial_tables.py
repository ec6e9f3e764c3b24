"""Trials written directly into Optuna's tables: all of a batch in one transaction.

`optuna_schema.py` says why, and which layouts of the tables are known.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from ablate.store import optuna_schema as schema
from ablate.store.batch import Batch
from ablate.store.optuna_rows import FINISHED, VALUES, BatchRows, Row, TrialRows, utc
from ablate.store.run_tables import RunTables, speaks_of_runs
from ablate.store.trial_conflicts import (
    added_by_another,
    ended_by_another,
    leaves_a_gap,
    no_such_study,
    no_such_trial,
)
from ablate.store.trial_writer import Transaction

_CHUNK = 1000
"""The most trials that one statement asks for."""

Work = defaultdict[str, list[Row]]
"""Rows of parts that are to be written, by table."""


class FoundTrial(NamedTuple):
    """A trial as it is in the table."""

    number: int
    trial_id: int
    state: str
    datetime_start: datetime | None


class DirectWriter:
    """Writes trials into tables of a known layout, in the transaction that writes their runs."""

    def __init__(
        self, transaction: Transaction, run_tables: RunTables, backend: str, shown: str
    ) -> None:
        self._transaction = transaction
        self._run_tables = run_tables
        self._shown = shown
        self._put_parts = schema.put_parts(backend)
        self._ids: dict[str, dict[int, int]] = {}

    def write(self, batch: Batch, rows: BatchRows, now: datetime) -> None:
        """Write a batch, as `TrialWriter` says, in one transaction."""
        with self._transaction() as connection:
            ids = self._write_trials(connection, rows, now)
            if speaks_of_runs(batch):
                self._run_tables.write(connection, batch, now)
        self._ids.setdefault(batch.study, {}).update(ids)

    def _write_trials(
        self, connection: Connection, rows: BatchRows, now: datetime
    ) -> dict[int, int]:
        """Write what a batch says about trials and return their ids by number."""
        moment = utc(now)
        study_id = self._find_study(connection, rows)
        ids, work = self._add_new(connection, rows, study_id)
        found = self._find_trials(connection, rows.study, study_id, rows.changed() - ids.keys())
        ids |= {number: trial.trial_id for number, trial in found.items()}
        for table, updates in rows.updates.items():
            work[table] += [{"trial_id": ids[number], **row} for number, row in updates]
        if rows.started:
            connection.execute(
                schema.START_WAITING_TRIAL,
                [{"id_of_trial": ids[number], "now": moment} for number in rows.started],
            )
        ended = {
            number: end
            for number, end in rows.ended.items()
            if number not in found or not self._has_ended(connection, rows, found[number])
        }
        work[VALUES] += [
            {"trial_id": ids[number], **row} for number, end in ended.items() for row in end.values
        ]
        for table, parts in work.items():
            if parts:
                connection.execute(self._put_parts[table], parts)
        if ended:
            connection.execute(
                schema.END_TRIAL,
                [
                    {"id_of_trial": ids[number], "last_state": end.state, "now": moment}
                    for number, end in ended.items()
                ],
            )
        return ids

    def _find_study(self, connection: Connection, rows: BatchRows) -> int:
        statement = schema.FIND_STUDY_AND_LOCK_IT if rows.new else schema.FIND_STUDY
        study_id: int | None = connection.execute(statement, {"study_name": rows.study}).scalar()
        if study_id is None:
            raise no_such_study(rows.study, self._shown)
        return study_id

    def _add_new(
        self, connection: Connection, rows: BatchRows, study_id: int
    ) -> tuple[dict[int, int], Work]:
        """Add the new trials that are not there yet; return their ids and what goes with them."""
        ids: dict[int, int] = {}
        work: Work = defaultdict(list)
        if not rows.new:
            return ids, work
        last = connection.execute(schema.LAST_TRIAL_NUMBER, {"study_id": study_id}).scalar()
        following = 0 if last is None else last + 1
        for number, trial in rows.new.items():
            if number < following:
                self._check_same(connection, rows.study, study_id, number, trial)
                continue
            if number > following:
                raise leaves_a_gap(rows.study, number, following, self._shown)
            ids[number] = self._add(connection, study_id, number, trial)
            for table, parts in trial.parts.items():
                work[table] += [{"trial_id": ids[number], **row} for row in parts]
            following += 1
        return ids, work

    @staticmethod
    def _add(connection: Connection, study_id: int, number: int, trial: TrialRows) -> int:
        result = connection.execute(
            schema.ADD_TRIAL,
            {
                "number": number,
                "study_id": study_id,
                "state": trial.state,
                "datetime_start": trial.start,
                "datetime_complete": trial.end,
            },
        )
        key = result.inserted_primary_key
        assert key is not None  # noqa: S101 - an INSERT of one row returns its key
        return int(key[0])

    def _check_same(
        self, connection: Connection, study: str, study_id: int, number: int, trial: TrialRows
    ) -> None:
        """Raise StorageError unless this trial is the very one, written by an earlier try."""
        row = connection.execute(
            schema.FIND_TRIALS_BY_NUMBER, {"study_id": study_id, "numbers": [number]}
        ).one_or_none()
        if row is None or not trial.became(self._stored(connection, FoundTrial(*row), trial.parts)):
            raise added_by_another(study, number, self._shown)

    @staticmethod
    def _stored(connection: Connection, found: FoundTrial, tables: Iterable[str]) -> TrialRows:
        """Read a trial with its parts in some tables."""
        parts = {
            table: [
                dict(row)
                for row in connection.execute(
                    schema.find_parts(table), {"trial_id": found.trial_id}
                ).mappings()
            ]
            for table in tables
        }
        return TrialRows(found.state, found.datetime_start, None, parts)

    def _find_trials(
        self, connection: Connection, study: str, study_id: int, numbers: set[int]
    ) -> dict[int, FoundTrial]:
        """Find trials by number; raise StorageError if one is missing.

        Ids are tried first, as Optuna's tables have no index by number. They are a shortcut only:
        another program may have made the study anew.
        """
        known = self._ids.get(study, {})
        found: dict[int, FoundTrial] = {}
        ids = [known[number] for number in sorted(numbers) if number in known]
        for start in range(0, len(ids), _CHUNK):
            rows = connection.execute(
                schema.FIND_TRIALS_BY_ID,
                {"study_id": study_id, "ids": ids[start : start + _CHUNK]},
            )
            found |= {row.number: FoundTrial(*row) for row in rows if row.number in numbers}
        others = sorted(numbers - found.keys())
        for start in range(0, len(others), _CHUNK):
            rows = connection.execute(
                schema.FIND_TRIALS_BY_NUMBER,
                {"study_id": study_id, "numbers": others[start : start + _CHUNK]},
            )
            found |= {row.number: FoundTrial(*row) for row in rows}
        if missing := numbers - found.keys():
            raise no_such_trial(study, min(missing), self._shown)
        return found

    def _has_ended(self, connection: Connection, rows: BatchRows, found: FoundTrial) -> bool:
        """Say whether a trial ended so already; raise StorageError if it ended in another way."""
        if found.state not in FINISHED:
            return False
        stored = self._stored(connection, found, [VALUES])
        if not rows.ended[found.number].is_that_of(found.state, stored.parts[VALUES]):
            raise ended_by_another(rows.study, found.number, found.state, self._shown)
        return True

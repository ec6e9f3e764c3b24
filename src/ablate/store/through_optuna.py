"""Trials written through Optuna's own interface, for tables of a layout that is not known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ablate.store.batch import Batch
from ablate.store.optuna_rows import (
    INTERMEDIATE_VALUES,
    SYSTEM_ATTRIBUTES,
    USER_ATTRIBUTES,
    VALUES,
    BatchRows,
    Row,
    TrialRows,
)
from ablate.store.optuna_side import translated
from ablate.store.run_tables import RunTables, speaks_of_runs
from ablate.store.trial_conflicts import (
    added_by_another,
    ended_and_kept,
    ended_by_another,
    leaves_a_gap,
    no_such_study,
    no_such_trial,
)
from ablate.store.trial_writer import Transaction

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


@dataclass(frozen=True, slots=True)
class Missing:
    """What of a batch is not in the database yet, by number; `updates` are (number, row)."""

    new: list[int]
    started: list[int]
    updates: dict[str, list[tuple[int, Row]]]
    ended: list[int]

    @classmethod
    def of(cls, rows: BatchRows, stored: Mapping[int, TrialRows], shown: str) -> "Missing":
        """Compare a batch with the trials that are stored; raise StorageError if it contradicts.

        In contrast to tables that are written directly, it contradicts a trial that has ended
        also where it changes an attribute or an intermediate value of it.
        """
        for number, trial in rows.new.items():
            if number in stored and not trial.became(stored[number]):
                raise added_by_another(rows.study, number, shown)
        trials = {**rows.new, **stored}
        if unknown := rows.changed() - trials.keys():
            raise no_such_trial(rows.study, min(unknown), shown)
        updates = {
            table: [
                (number, row) for number, row in parts if row not in trials[number].parts[table]
            ]
            for table, parts in rows.updates.items()
        }
        for number in (number for parts in updates.values() for number, _ in parts):
            if trials[number].finished:
                raise ended_and_kept(rows.study, number, shown)
        for number, end in rows.ended.items():
            trial = trials[number]
            if trial.finished and not end.is_that_of(trial.state, trial.parts[VALUES]):
                raise ended_by_another(rows.study, number, trial.state, shown)
        return cls(
            new=[number for number in rows.new if number not in stored],
            started=[number for number in rows.started if trials[number].state == "WAITING"],
            updates=updates,
            ended=[number for number in rows.ended if not trials[number].finished],
        )


class WriterThroughOptuna:
    """Writes trials with the public methods of Optuna's storage, one transaction per fact.

    Everything that can be refused is checked before anything is written. A process that is killed
    may leave a part of a batch; writing the batch again adds what is missing.
    """

    def __init__(
        self, storage: "RDBStorage", transaction: Transaction, run_tables: RunTables, shown: str
    ) -> None:
        self._storage = storage
        self._transaction = transaction
        self._run_tables = run_tables
        self._shown = shown

    def write(self, batch: Batch, rows: BatchRows, now: datetime) -> None:
        """Write a batch, as `TrialWriter` says; a trial is there before its runs and ends after."""
        url = self._storage.engine.url
        with translated(url):
            study_id = self._find_study(batch.study)
            ids, stored = self._read(study_id, {*rows.new, *rows.changed()})
            missing = Missing.of(rows, stored, self._shown)
            self._check_following(batch.study, study_id, missing.new)
        self._write_runs(batch, now, keep=False)
        with translated(url):
            for number in missing.new:
                ids[number] = self._add(batch, study_id, number)
            for number in missing.started:
                self._storage.set_trial_state_values(ids[number], batch.states[number])
        self._write_runs(batch, now, keep=True)
        with translated(url):
            self._update(batch, missing, ids)
            for number in missing.ended:
                end = batch.ended_trials[number]
                self._storage.set_trial_state_values(
                    ids[number], end.state, None if end.value is None else (end.value,)
                )

    def _find_study(self, study: str) -> int:
        try:
            return self._storage.get_study_id_from_name(study)
        except KeyError:
            raise no_such_study(study, self._shown) from None

    def _read(
        self, study_id: int, numbers: Iterable[int]
    ) -> tuple[dict[int, int], dict[int, TrialRows]]:
        """Return the ids and the facts of the trials that are there, by number."""
        ids: dict[int, int] = {}
        for number in sorted(numbers):
            if (trial_id := self._find_trial(study_id, number)) is not None:
                ids[number] = trial_id
        return ids, {
            number: TrialRows.of(self._storage.get_trial(trial_id))
            for number, trial_id in ids.items()
        }

    def _find_trial(self, study_id: int, number: int) -> int | None:
        try:
            return self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        except KeyError:
            return None

    def _check_following(self, study: str, study_id: int, new: list[int]) -> None:
        """Raise StorageError unless every new trial follows another one, new or not."""
        for number in new:
            is_next = number == 0 or number - 1 in new
            if not is_next and self._find_trial(study_id, number - 1) is None:
                raise leaves_a_gap(study, number, self._storage.get_n_trials(study_id), self._shown)

    def _add(self, batch: Batch, study_id: int, number: int) -> int:
        """Add a trial; raise StorageError if another program added one at the same moment.

        The trial stays behind then, under its other number: Optuna removes none.
        """
        trial_id = self._storage.create_new_trial(study_id, template_trial=batch.trials[number])
        if self._storage.get_trial_number_from_id(trial_id) != number:
            raise added_by_another(batch.study, number, self._shown)
        return trial_id

    def _write_runs(self, batch: Batch, now: datetime, *, keep: bool) -> None:
        """Write what a batch says about runs, or only find out whether it can be written."""
        if speaks_of_runs(batch):
            with self._transaction() as connection:
                self._run_tables.write(connection, batch, now)
                if not keep:
                    connection.rollback()

    def _update(self, batch: Batch, missing: Missing, ids: Mapping[int, int]) -> None:
        storage = self._storage
        for number, row in missing.updates[USER_ATTRIBUTES]:
            key = row["key"]
            storage.set_trial_user_attr(ids[number], key, batch.user_attrs[number][key])
        for number, row in missing.updates[SYSTEM_ATTRIBUTES]:
            key = row["key"]
            storage.set_trial_system_attr(ids[number], key, batch.system_attrs[number][key])
        for number, row in missing.updates[INTERMEDIATE_VALUES]:
            step = row["step"]
            storage.set_trial_intermediate_value(
                ids[number], step, batch.intermediate[number][step]
            )

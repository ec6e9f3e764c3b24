"""ablate's tables of runs: what a batch says about them, in the order it is written."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from ablate.errors import StorageError
from ablate.spec import Status, content_hash
from ablate.spec.secrets import mask
from ablate.store import tables
from ablate.store.batch import Batch, NewRun, RunKey
from ablate.store.dialects import insert, upsert
from ablate.store.plain import ordered_hash, storable

_CHUNK = 1000

Row = dict[str, Any]


class RunTables:
    """Writes runs and what belongs to them, in one kind of database."""

    def __init__(self, backend: str, shown: str) -> None:
        self._backend = backend
        self._shown = shown

    @cached_property
    def _upsert_metrics(self) -> Any:
        return upsert(tables.metrics, ("run_id", "phase", "name", "step"), self._backend)

    @cached_property
    def _upsert_groups(self) -> Any:
        return upsert(tables.groups, ("run_id", "grouping", "name", "step"), self._backend)

    @cached_property
    def _upsert_fingerprints(self) -> Any:
        return upsert(tables.fingerprints, ("run_id", "name"), self._backend)

    @cached_property
    def _add_facts(self) -> Any:
        return insert(tables.facts, self._backend).on_conflict_do_nothing()

    @cached_property
    def _upsert_run_facts(self) -> Any:
        return upsert(tables.run_facts, ("run_id", "kind"), self._backend)

    @cached_property
    def _add_environment(self) -> Any:
        return insert(tables.environments, self._backend).on_conflict_do_nothing()

    def write(self, connection: Connection, batch: Batch, now: datetime) -> None:
        """Write what a batch says about runs.

        Raises StorageError if a run is there already as another one, or is not there at all.
        """
        ids = self._ids(connection, batch)
        new = [run for key, run in batch.runs.items() if key not in ids]
        self._check_same(connection, {ids[k]: r for k, r in batch.runs.items() if k in ids})
        for run in new:
            ids[run.key] = self._add(connection, batch.study, run, now)
        if missing := _keys(batch) - ids.keys():
            trial, seed, attempt = min(missing)
            raise StorageError(
                f"there is no attempt {attempt} of trial {trial}, seed {seed} of {batch.study!r} "
                f"in {self._shown}"
            )
        if batch.parameters:
            connection.execute(
                _SET_PARAMETERS,
                [{"one": ids[key], "count": count} for key, count in batch.parameters.items()],
            )
        if batch.metrics:
            connection.execute(self._upsert_metrics, self._metric_rows(batch, ids))
        if batch.groups:
            connection.execute(self._upsert_groups, self._group_rows(batch, ids))
        fingerprints = [
            {"run_id": ids[key], "name": storable(name), "value": storable(value)}
            for key, values in batch.fingerprints.items()
            for name, value in values.items()
        ]
        if fingerprints:
            connection.execute(self._upsert_fingerprints, fingerprints)
        self._write_facts(connection, batch, ids)
        if batch.ended_runs:
            connection.execute(
                _END,
                [
                    {
                        "one": ids[key],
                        "how": end.outcome.status,
                        "why": end.outcome.cause,
                        "words": _readable(end.outcome.reason),
                        "n_epochs": end.epochs,
                        "n_steps": end.steps,
                        "moment": now,
                    }
                    for key, end in batch.ended_runs.items()
                ],
            )

    def _ids(self, connection: Connection, batch: Batch) -> dict[RunKey, int]:
        """Return the ids of the runs that a batch speaks of and that are there."""
        trials = sorted({key.trial for key in _keys(batch)})
        found: dict[RunKey, int] = {}
        for start in range(0, len(trials), _CHUNK):
            for run_id, *key in connection.execute(
                _FIND, {"of": batch.study, "some": trials[start : start + _CHUNK]}
            ):
                found[RunKey(*key)] = run_id
        return found

    def _add(self, connection: Connection, study: str, run: NewRun, now: datetime) -> int:
        sha256 = content_hash(run.environment.facts)
        connection.execute(self._add_environment, {"sha256": sha256, "body": run.environment.facts})
        result = connection.execute(
            tables.runs.insert(),
            {
                "study": study,
                "trial": run.key.trial,
                "seed": run.key.seed,
                "attempt": run.key.attempt,
                "status": Status.RUNNING,
                "created_at": now,
                **_facts(run),
            },
        )
        key = result.inserted_primary_key
        assert key is not None  # noqa: S101 - an INSERT of one row returns its key
        return int(key[0])

    def _write_facts(self, connection: Connection, batch: Batch, ids: Mapping[RunKey, int]) -> None:
        """Write the facts of runs, those that several share once."""
        bodies: dict[str, Mapping[str, Any]] = {}
        rows: dict[tuple[int, str], Row] = {}
        for key, by_kind in batch.facts.items():
            for name, body in by_kind.items():
                kind, sha256 = storable(name), ordered_hash(body)
                bodies[sha256] = body
                rows[ids[key], kind] = {"run_id": ids[key], "kind": kind, "sha256": sha256}
        if rows:
            # In one order, so that two writers never wait for each other's rows.
            found = [{"sha256": sha256, "body": bodies[sha256]} for sha256 in sorted(bodies)]
            connection.execute(self._add_facts, found)
            connection.execute(self._upsert_run_facts, [*rows.values()])

    def _check_same(self, connection: Connection, runs: Mapping[int, NewRun]) -> None:
        """Raise StorageError unless these runs are the very ones, written by an earlier try."""
        for run_id, run in runs.items():
            facts = _facts(run)
            columns = [tables.runs.c[name] for name in facts]
            found = connection.execute(select(*columns).where(tables.runs.c.id == run_id)).one()
            # As text, as a NaN is not equal to itself.
            if repr(tuple(found)) != repr(tuple(facts.values())):
                trial, seed, attempt = run.key
                raise StorageError(
                    f"attempt {attempt} of trial {trial}, seed {seed} is in {self._shown} already "
                    "as another run; is another process running this study?"
                )

    @staticmethod
    def _metric_rows(batch: Batch, ids: Mapping[RunKey, int]) -> list[Row]:
        rows = {
            (ids[key], storable(phase), storable(name), step): at_epoch
            for (key, phase, name, step), at_epoch in batch.metrics.items()
        }
        return [
            {
                "run_id": run_id,
                "phase": phase,
                "name": name,
                "step": step,
                "epoch": epoch,
                "value": value,
            }
            for (run_id, phase, name, step), (epoch, value) in rows.items()
        ]

    @staticmethod
    def _group_rows(batch: Batch, ids: Mapping[RunKey, int]) -> list[Row]:
        rows = {
            (ids[key], storable(grouping), storable(name), step): at_epoch
            for (key, grouping, name, step), at_epoch in batch.groups.items()
        }
        return [
            {
                "run_id": run_id,
                "grouping": grouping,
                "name": name,
                "step": step,
                "epoch": epoch,
                "means": {group: [*mean] for group, mean in means.items()},
            }
            for (run_id, grouping, name, step), (epoch, means) in rows.items()
        ]


def speaks_of_runs(batch: Batch) -> bool:
    """Say whether a batch holds anything for these tables."""
    return bool(_keys(batch))


def check_ends(batch: Batch) -> None:
    """Raise ValueError for a status that is no end of a run."""
    for end in batch.ended_runs.values():
        if not end.outcome.status.ended:
            raise ValueError(f"a run can't end as {end.outcome.status}")


def _keys(batch: Batch) -> set[RunKey]:
    return {
        *batch.runs,
        *batch.parameters,
        *(key[0] for key in batch.metrics),
        *(key[0] for key in batch.groups),
        *batch.fingerprints,
        *batch.facts,
        *batch.ended_runs,
    }


def _facts(run: NewRun) -> Row:
    return {
        "arm": run.arm,
        "definition_id": run.definition_id,
        "config": run.config,
        "config_hash": run.config_hash,
        "profile": run.profile,
        "device": storable(run.device),
        "environment": content_hash(run.environment.facts),
        "code_version": run.code_version,
        "directory": storable(run.directory),
    }


def _readable(reason: str | None) -> str | None:
    return None if reason is None else mask(storable(reason))


_runs = tables.runs.c
_ONE = _runs.id == bindparam("one")
_FIND = select(_runs.id, _runs.trial, _runs.seed, _runs.attempt).where(
    _runs.study == bindparam("of"), _runs.trial.in_(bindparam("some", expanding=True))
)
_SET_PARAMETERS = update(tables.runs).where(_ONE).values(parameters=bindparam("count"))
_END = (
    update(tables.runs)
    .where(_ONE)
    .values(
        status=bindparam("how"),
        cause=bindparam("why"),
        reason=bindparam("words"),
        epochs=func.coalesce(bindparam("n_epochs", type_=_runs.epochs.type), _runs.epochs),
        steps=func.coalesce(bindparam("n_steps", type_=_runs.steps.type), _runs.steps),
        finished_at=case(
            (_runs.status == bindparam("how"), _runs.finished_at),
            else_=bindparam("moment", type_=_runs.finished_at.type),
        ),
    )
)

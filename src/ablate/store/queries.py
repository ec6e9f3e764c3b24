"""What is read of studies and runs: each function is one question to an open connection."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Double, func, select, type_coerce

from ablate.store import optuna_schema, tables
from ablate.store.dialects import read_numbers
from ablate.store.plain import from_json
from ablate.store.records import Environment, GroupRow, MetricColumns, MetricRow

_RUNS_AT_ONCE = 2000
_SEED = re.compile(r'\{"seed_everything":(-?\d+),(?=")')
"""How a configuration begins whose first key is its seed, before the other keys."""


def read_study_names(connection: Connection) -> list[str]:
    """Read the names of all studies, sorted."""
    return sorted(connection.execute(select(tables.studies.c.name)).scalars())


def read_state(
    connection: Connection, study: str, *, optuna: bool, audited: bool
) -> tuple[Any, ...]:
    """Read what is another tuple when anything was recorded of a study.

    A session is seen about every second while runs report. `optuna` and `complete` say whether
    Optuna's tables are there, and all of ablate's.
    """
    studies, runs, sessions, audits = tables.studies, tables.runs, tables.sessions, tables.audits
    asked = [
        select(studies.c.definition_id, studies.c.created_at).where(studies.c.name == study),
        select(func.count(), func.max(runs.c.id), func.max(runs.c.finished_at)).where(
            runs.c.study == study
        ),
        select(func.count(), func.max(sessions.c.seen_at)).where(sessions.c.study == study),
    ]
    if audited:
        asked.append(
            select(func.max(audits.c.id))
            .join(tables.definitions, tables.definitions.c.id == audits.c.definition_id)
            .where(tables.definitions.c.study == study)
        )
    if optuna:
        trials = optuna_schema.trials.c
        asked.append(
            select(func.count(), func.count(trials.datetime_complete), func.max(trials.trial_id))
            .join(optuna_schema.studies, optuna_schema.studies.c.study_id == trials.study_id)
            .where(optuna_schema.studies.c.study_name == study)
        )
    return tuple(tuple(row) for query in asked for row in connection.execute(query))


def read_run_config(connection: Connection, run_id: int) -> dict[str, Any] | None:
    """Read the resolved configuration of a run; None if there is no such run."""
    config: dict[str, Any] | None = connection.execute(
        select(tables.runs.c.config).where(tables.runs.c.id == run_id)
    ).scalar()
    return config


def read_metrics(
    connection: Connection, study: str, names: Sequence[str] | None
) -> list[MetricRow]:
    """Read the metric values of a study, of the given names or all, by run and step."""
    columns, runs = tables.metrics.c, tables.runs
    query = (
        select(
            columns.run_id,
            columns.phase,
            columns.name,
            columns.step,
            columns.epoch,
            columns.value,
        )
        .join(runs, runs.c.id == columns.run_id)
        .where(runs.c.study == study)
        .order_by(columns.run_id, columns.step, columns.phase, columns.name)
    )
    if names is not None:
        query = query.where(columns.name.in_(names))
    return [MetricRow(*row) for row in connection.execute(query)]


def read_groups(connection: Connection, study: str, names: Sequence[str] | None) -> list[GroupRow]:
    """Read the means by group of a study, by run, grouping, name and step."""
    columns, runs = tables.groups.c, tables.runs
    query = (
        select(
            columns.run_id,
            columns.grouping,
            columns.name,
            columns.step,
            columns.epoch,
            columns.means,
        )
        .join(runs, runs.c.id == columns.run_id)
        .where(runs.c.study == study)
        .order_by(columns.run_id, columns.grouping, columns.name, columns.step)
    )
    if names is not None:
        query = query.where(columns.name.in_(names))
    return [
        GroupRow(*row[:-1], {group: (mean, count) for group, (mean, count) in row.means.items()})
        for row in connection.execute(query)
    ]


def read_metric_columns(
    connection: Connection, study: str, trained: Sequence[str] | None
) -> Iterator[MetricColumns]:
    """Read the metric values of a study by phase and name, each as columns by run and step.

    Of the training phase only the metrics named by `trained` are read, or all if it is None.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    columns, runs = tables.metrics.c, tables.runs
    fields = np.dtype([("run_id", "i8"), ("step", "i8"), ("epoch", "i8"), ("value", "f8")])
    ids = connection.execute(
        select(runs.c.id).where(runs.c.study == study).order_by(runs.c.id)
    ).scalars()
    chunks = [list(chunk) for chunk in ids.partitions(_RUNS_AT_ONCE)]
    kinds = connection.execute(
        select(columns.phase, columns.name)
        .distinct()
        .join(runs, runs.c.id == columns.run_id)
        .where(runs.c.study == study)
    ).all()
    for phase, name in sorted(map(tuple, kinds)):
        if phase != "val" and trained is not None and name not in trained:
            continue
        query = (
            select(columns.run_id, columns.step, columns.epoch, type_coerce(columns.value, Double))
            .join(runs, runs.c.id == columns.run_id)
            .where(runs.c.study == study, columns.phase == phase, columns.name == name)
        )
        rows = np.concatenate(
            [
                _by_step(
                    read_numbers(connection, query.where(runs.c.id.between(of[0], of[-1])), fields)
                )
                for of in chunks
            ]
        )
        yield MetricColumns(phase, name, *(rows[field].copy() for field in fields.names or ()))


def _by_step(rows: Any) -> Any:
    """Order the values of one metric by run and step, as databases mostly return them."""
    import numpy as np  # noqa: PLC0415 - slow to import

    run_id, step = rows["run_id"], rows["step"]
    same = run_id[1:] == run_id[:-1]
    if np.where(same, step[1:] > step[:-1], run_id[1:] > run_id[:-1]).all():
        return rows
    return rows[np.lexsort((step, run_id))]


class ConfigReader:
    """Reads configurations from JSON, those that differ in the seed alone only once.

    They share what they hold: change nothing of it.
    """

    def __init__(self) -> None:
        self._read: dict[str, dict[str, Any]] = {}

    def read(self, text: str) -> dict[str, Any]:
        """Read a configuration."""
        if not (head := _SEED.match(text)):
            return self._once(text)
        rest = self._once("{" + text[head.end() :])
        return {"seed_everything": int(head[1]), **rest}

    def _once(self, text: str) -> dict[str, Any]:
        if (known := self._read.get(text)) is None:
            known = self._read[text] = from_json(text)
        return known


def read_fingerprints(connection: Connection, study: str) -> dict[int, dict[str, str]]:
    """Read the fingerprints of every run of a study that has any, by run id and name."""
    columns, runs = tables.fingerprints.c, tables.runs
    rows = connection.execute(
        select(columns.run_id, columns.name, columns.value)
        .join(runs, runs.c.id == columns.run_id)
        .where(runs.c.study == study)
        .order_by(columns.run_id, columns.name)
    )
    found: dict[int, dict[str, str]] = {}
    for run_id, name, value in rows:
        found.setdefault(run_id, {})[name] = value
    return found


def read_facts(
    connection: Connection, study: str, kind: str | None = None
) -> dict[int, dict[str, dict[str, Any]]]:
    """Read the facts of every run of a study that has any, by run id and kind; or of one kind.

    Runs of equal facts share them: change nothing of them.
    """
    facts, of_run, runs = tables.facts, tables.run_facts, tables.runs
    owned = (
        select(of_run.c.run_id, of_run.c.kind, of_run.c.sha256)
        .join(runs, runs.c.id == of_run.c.run_id)
        .where(runs.c.study == study)
    )
    if kind is not None:
        owned = owned.where(of_run.c.kind == kind)
    used = owned.with_only_columns(of_run.c.sha256)
    bodies = {
        row.sha256: row.body
        for row in connection.execute(select(facts).where(facts.c.sha256.in_(used)))
    }
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for run_id, name, sha256 in connection.execute(owned.order_by(of_run.c.run_id, of_run.c.kind)):
        found.setdefault(run_id, {})[name] = bodies[sha256]
    return found


def read_environments(connection: Connection, study: str) -> dict[str, Environment]:
    """Read the environments in which runs of a study were made, by their SHA-256."""
    environments, runs = tables.environments, tables.runs
    used = select(runs.c.environment).where(runs.c.study == study)
    rows = connection.execute(
        select(environments.c.sha256, environments.c.body)
        .where(environments.c.sha256.in_(used))
        .order_by(environments.c.sha256)
    )
    return {row.sha256: Environment(row.body) for row in rows}

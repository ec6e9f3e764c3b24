"""What is read of studies and runs: each function is one question to an open connection."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from ablate.store import tables
from ablate.store.records import Environment, GroupRow, MetricRow


def read_study_names(connection: Connection) -> list[str]:
    """Read the names of all studies, sorted."""
    return sorted(connection.execute(select(tables.studies.c.name)).scalars())


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

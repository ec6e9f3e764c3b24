"""Changes of the layout of ablate's tables: every version of the schema and what leads to the next.

A database of an earlier layout is read as it is, and migrated when a command first writes to it.
Definitions of studies are versioned by themselves (`ablate.spec.definition`) and never rewritten.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, case, literal, null, update
from sqlalchemy.schema import CreateColumn

from ablate.spec import Cause
from ablate.store import tables

_REASONS = (
    ("diverged%", Cause.DIVERGED),
    ("out of memory%", Cause.OUT_OF_MEMORY),
    ("no space left%", Cause.NO_SPACE),
    ("no progress for %", Cause.STALLED),
    ("not done after %", Cause.OVER_TIME),
    ("the worker %", Cause.LOST),
    ("its command was killed", Cause.LOST),
    ("interrupted%", Cause.STOPPED),
    ("stopped by a signal", Cause.STOPPED),
    ("%Error: %", Cause.RAISED),
    ("%Exception: %", Cause.RAISED),
)
"""How reasons of version 1, which kept no cause, begin."""


def cause_of_reason() -> ColumnElement[Any]:
    """Return the SQL that reads the cause of a run's end off its reason, NULL if it can't be."""
    reason = tables.runs.c.reason
    whens = [(reason.like(pattern), literal(str(cause), String)) for pattern, cause in _REASONS]
    return case(*whens, else_=null())


def migrate(connection: Connection, version: int) -> None:
    """Bring the tables of an earlier version to the present one."""
    for step in _STEPS[version - 1 :]:
        step(connection)
    connection.execute(update(tables.schema).values(version=tables.SCHEMA_VERSION))


def _add_causes(connection: Connection) -> None:
    """Lead from version 1 to 2: a run's end has its cause beside the reason."""
    column = CreateColumn(tables.runs.c.cause).compile(connection)
    table = connection.dialect.identifier_preparer.format_table(tables.runs)
    connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column}")
    connection.execute(update(tables.runs).values(cause=cause_of_reason()))


_STEPS: tuple[Callable[[Connection], None], ...] = (_add_causes,)

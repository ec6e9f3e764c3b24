"""What SQLite and PostgreSQL spell alike, but SQLAlchemy only per dialect."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite


def insert(table: Table, backend: str) -> Any:
    """Start an INSERT in the database's own dialect, where ON CONFLICT is spelled."""
    return (postgresql if backend == "postgresql" else sqlite).insert(table)


def upsert(table: Table, keys: Collection[str], backend: str) -> Any:
    """Make an INSERT that replaces the values of a row whose `keys` are there already."""
    statement = insert(table, backend)
    values = [c.name for c in table.columns if c.name not in keys and not c.primary_key]
    return statement.on_conflict_do_update(
        index_elements=list(keys), set_={name: statement.excluded[name] for name in values}
    )

"""What SQLite and PostgreSQL spell alike, but SQLAlchemy only per dialect."""

from collections.abc import Collection
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import numpy as np


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


def read_numbers(
    connection: Connection, query: Select[Any], fields: "np.dtype[Any]"
) -> "np.ndarray[Any, np.dtype[Any]]":
    """Read rows of plain numbers into a structured array, NULL as NaN.

    The driver hands them over itself: SQLAlchemy's rows would take twice the time.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    on_server = connection.dialect.name == "postgresql"
    compiled = query.compile(
        dialect=postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
        if on_server
        else sqlite.dialect(paramstyle="named")
    )
    driver: Any = connection.dialect.dbapi
    with closing(connection.connection.cursor()) as cursor:
        try:
            cursor.execute(str(compiled), compiled.params)
            rows: Any = cursor
            numbers: np.ndarray[Any, np.dtype[Any]] = np.fromiter(rows, fields)
        except driver.Error as error:
            raise DBAPIError.instance(
                str(compiled), compiled.params, error, driver.Error, dialect=connection.dialect
            ) from None
    return numbers

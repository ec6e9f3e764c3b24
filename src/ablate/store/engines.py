"""Connections to the database, and a look into it that writes nothing."""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ablate.errors import StorageError
from ablate.store import tables
from ablate.store.urls import mask, show_url, sqlite_path

BUSY_SECONDS = 30
CONNECT_SECONDS = 10
WRITE = {"ablate_begin": "BEGIN IMMEDIATE"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds: ablate's schema version if any, and whether Optuna's tables."""

    version: int | None
    optuna: bool


def connect_options(url: URL) -> dict[str, Any]:
    """Return the engine options that every connection to `url` shares."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_driver_name() in {"psycopg", "psycopg2"}:
        options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
    return options


def make_engine(url: URL) -> Engine:
    """Make ablate's engine; on SQLite a writing transaction takes its lock at the start.

    A transaction that reads first and then writes would otherwise fail at once, without
    waiting, when another process wrote in between.
    """
    engine = _engine(url)
    if url.get_backend_name() == "sqlite":
        tune_sqlite(engine)
        event.listen(engine, "connect", _manual_transactions)
        event.listen(engine, "begin", _begin)
    return engine


def tune_sqlite(engine: Engine) -> None:
    """Make every new connection of `engine` use `synchronous=NORMAL`, which is safe with WAL."""
    event.listen(engine, "connect", _synchronous_normal)


def use_wal(engine: Engine) -> None:
    """Switch an SQLite file to write-ahead logging, which stays with the file.

    Raises nothing when another process holds the file: the next opener switches it.
    """
    raw = engine.raw_connection()
    try:
        with suppress(sqlite3.OperationalError):
            raw.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        raw.close()


def look_into(url: URL) -> Contents:
    """Say what the database at `url` holds, writing nothing, not even a lock file.

    Raises StorageError if it can't be reached, is no database, or belongs to something else.
    A file that does not exist holds nothing.
    """
    path = sqlite_path(url)
    if path is None:
        engine = _engine(url, poolclass=NullPool)
    elif not path.exists():
        return Contents(None, optuna=False)
    elif not path.is_file():
        raise StorageError(f"the storage {show_url(url)} is a folder, not a database file")
    else:
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(_read_only(path), uri=True, timeout=BUSY_SECONDS),
            poolclass=NullPool,
        )
    try:
        with engine.connect() as connection:
            return _contents(connection, url)
    except SQLAlchemyError as error:
        raise unreadable(url, error) from None
    finally:
        engine.dispose()


def unreadable(url: URL, error: Exception) -> StorageError:
    """Word a database error without its SQL and without the password."""
    cause = str(getattr(error, "orig", None) or error).strip().splitlines() or ["no details"]
    text = mask(cause[0])
    if url.password:
        text = text.replace(str(url.password), "***")
    return StorageError(
        f"the storage {show_url(url)} can't be used: {text}; "
        "check that it is reachable and is a database of ablate or Optuna"
    )


def _engine(url: URL, **options: Any) -> Engine:
    """Make a bare engine, wording a missing or unknown driver as a StorageError."""
    try:
        return create_engine(url, **connect_options(url), **options)
    except ImportError as error:
        package = "psycopg[binary]" if error.name == "psycopg" else error.name
        raise StorageError(
            f"the storage {show_url(url)} needs a driver that is not installed: "
            f"pip install '{package}'"
        ) from None
    except SQLAlchemyError as error:
        raise unreadable(url, error) from None


def _contents(connection: Connection, url: URL) -> Contents:
    names = set(inspect(connection).get_table_names())
    version = None
    if tables.schema.name in names:
        version = connection.execute(select(tables.schema.c.version)).scalar()
        if version is None:
            raise StorageError(f"the storage {show_url(url)} holds no schema version of ablate")
        if version > tables.SCHEMA_VERSION:
            raise StorageError(
                f"the storage {show_url(url)} was written by a newer ablate "
                f"(schema {version}, this one reads {tables.SCHEMA_VERSION}); update ablate"
            )
    optuna = names >= tables.OPTUNA_TABLES
    if names and version is None and not optuna:
        some = ", ".join(sorted(names)[:5])
        raise StorageError(
            f"the storage {show_url(url)} belongs to something else (its tables: {some}); "
            "name another database"
        )
    return Contents(version, optuna)


def _read_only(path: Path) -> str:
    """Return the URI under which SQLite reads `path` and leaves its folder as it is.

    A file in WAL mode (bytes 18 and 19 of its header are 2) would get a `-wal` file even from
    a reader; when there is none, nobody has it open and it can be read as immutable.
    """
    with path.open("rb") as file:
        header = file.read(20)
    at_rest = header[18:20] == b"\x02\x02" and not path.with_name(path.name + "-wal").exists()
    return f"{path.as_uri()}?{'immutable=1' if at_rest else 'mode=ro'}"


def _synchronous_normal(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def _manual_transactions(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("ablate_begin", "BEGIN"))

"""Connections to the database, and a look into it that writes nothing."""

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool

from ablate.errors import StorageError, Unavailable
from ablate.spec.secrets import mask
from ablate.store import tables
from ablate.store.urls import show_url, sqlite_path

BUSY_SECONDS = 30
CONNECT_SECONDS = 10
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
"""Notice within half a minute that the machine of a PostgreSQL server is gone."""
WRITE = {"ablate_begin": "BEGIN IMMEDIATE"}

_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_SQLITE_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
}
_PASSING = ("08", "40", "53", "55P03", "57", "25P03")
"""Starts of the SQL states of what passes: lost connections, deadlocks, limits, shutdowns."""
_DISK_FULL = "53100"
_REFUSALS = ("authentication failed", "pg_hba.conf", "does not exist", "no password")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds: ablate's schema version if any, and whether Optuna's tables.

    `names` are those of all its tables; what was added within a version may not be among them.
    """

    version: int | None
    optuna: bool
    names: frozenset[str] = frozenset()

    @property
    def current(self) -> bool:
        """Whether all tables of ablate are there, in the present layout."""
        complete = self.names >= tables.metadata.tables.keys()
        return complete and self.version == tables.SCHEMA_VERSION


def connect_options(url: URL, busy_seconds: float = BUSY_SECONDS) -> dict[str, Any]:
    """Return the engine options that every connection to `url` shares.

    `busy_seconds` bounds the wait for a lock that another process holds. An SQLite file that this
    user can't write is opened for reading.
    """
    path = sqlite_path(url)
    if path is not None and only_readable(path):
        return {"creator": partial(_connect_to_read, path, busy_seconds)}
    if path is not None:
        return {"connect_args": {"timeout": busy_seconds}}
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_driver_name() in {"psycopg", "psycopg2"}:
        options["connect_args"] = {"connect_timeout": CONNECT_SECONDS, **_KEEPALIVE}
    return options


def make_engine(url: URL, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """Make ablate's engine; on SQLite a writing transaction takes its lock at the start.

    A transaction that reads first and then writes would otherwise fail at once, without
    waiting, when another process wrote in between.
    """
    engine = _engine(url, busy_seconds)
    if url.get_backend_name() == "sqlite":
        tune_sqlite(engine)
        event.listen(engine, "connect", _manual_transactions)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "connect", partial(_limit_waits, busy_seconds))
    return engine


def only_readable(path: Path) -> bool:
    """Say whether this user may not write to an SQLite file, or not into its folder.

    SQLite needs the folder too: for the journal, without which it writes nothing. Raises
    StorageError if not even the folder can be looked into.
    """
    try:
        path.stat()
    except PermissionError as error:
        raise StorageError(
            f"the database {path} can't be read: {error.strerror}; ask its owner for access, or "
            "name another one with --storage"
        ) from None
    except OSError:
        return False
    return not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK))


def refuse_writing(url: URL) -> None:
    """Raise StorageError if the database is an SQLite file that this user may only read."""
    path = sqlite_path(url)
    if path is not None and only_readable(path):
        raise StorageError(
            f"the storage {show_url(url)} can only be read by this user, as it or its folder is "
            "not writable; name another database with --storage"
        )


def being_written(url: URL) -> bool:
    """Say whether an SQLite file that is read as it lies is changed by its owner meanwhile."""
    path = sqlite_path(url)
    return path is not None and path.exists() and only_readable(path) and _in_use(path)


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
        return _read(_engine(url, poolclass=NullPool), url)
    restricted = only_readable(path)
    if not path.exists():
        return Contents(None, optuna=False)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a device"
        raise StorageError(f"the storage {show_url(url)} is {what}, not a database file")
    if not os.access(path, os.R_OK):
        raise StorageError(
            f"the storage {show_url(url)} can't be read: Permission denied; ask its owner for "
            "access, or name another one with --storage"
        )
    if not _in_use(path):
        try:
            found = _read(_engine_of_file(path, "immutable=1"), url)
        except StorageError:
            if not _in_use(path):
                raise
        else:
            if not _in_use(path):
                return found
    if restricted and _has_log(path) and not _neighbour(path, "-shm").exists():
        raise StorageError(
            f"the storage {show_url(url)} was left in the middle of writing, and only who may "
            "write to it can put it right: let its owner run ablate status once"
        )
    return _read(_engine_of_file(path, "mode=ro"), url)


def unreadable(url: URL, error: Exception) -> StorageError:
    """Word a database error without its SQL and without the password.

    The result is an Unavailable if trying again may help.
    """
    if not isinstance(error, SQLAlchemyError) and isinstance(error.__cause__, SQLAlchemyError):
        error = error.__cause__  # Optuna's own error, around that of SQLAlchemy
    cause = str(getattr(error, "orig", None) or error).strip().splitlines() or ["no details"]
    text = mask(cause[0])
    if url.password:
        text = text.replace(str(url.password), "***")
    shown = show_url(url)
    if _disk_full(error):
        return StorageError(
            f"the disk of the storage {shown} is full or can't be written to ({text}): "
            "free some space and run the same command again"
        )
    if _passes(error):
        return Unavailable(
            f"the storage {shown} can't be reached or is locked right now: {text}; "
            "try again, and check that it is reachable"
        )
    return StorageError(
        f"the storage {shown} can't be used: {text}; "
        "check that it is reachable and is a database of ablate or Optuna"
    )


def _passes(error: Exception) -> bool:
    """Say whether an error may pass by itself."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) & 0xFF in _SQLITE_BUSY
    if state := _sql_state(error):
        return state.startswith(_PASSING)
    lost = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return lost and not any(refusal in str(error.orig) for refusal in _REFUSALS)


def _disk_full(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) in _SQLITE_FULL
    return _sql_state(error) == _DISK_FULL


def _sqlite_code(error: sqlite3.Error) -> int:
    """Return the extended code of an SQLite error; its lowest byte is the primary one."""
    return int(getattr(error, "sqlite_errorcode", 0))


def _sql_state(error: DBAPIError) -> str | None:
    """Return the SQL state of a PostgreSQL error, under either driver's name for it."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)


def _engine(url: URL, busy_seconds: float = BUSY_SECONDS, **options: Any) -> Engine:
    """Make a bare engine, wording a missing or unknown driver as a StorageError."""
    try:
        return create_engine(url, **connect_options(url, busy_seconds), **options)
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
        first = ", ".join(sorted(names)[:5])
        raise StorageError(
            f"the storage {show_url(url)} belongs to something else (its tables: {first}); "
            "name another database"
        )
    return Contents(version, optuna, frozenset(names))


def _read(engine: Engine, url: URL) -> Contents:
    try:
        with engine.connect() as connection:
            return _contents(connection, url)
    except SQLAlchemyError as error:
        raise unreadable(url, error) from None
    finally:
        engine.dispose()


def _engine_of_file(path: Path, how: str) -> Engine:
    return create_engine(
        "sqlite://", creator=partial(_connect, path, how, BUSY_SECONDS), poolclass=NullPool
    )


def _connect(path: Path, how: str, busy_seconds: float) -> sqlite3.Connection:
    uri = f"{path.as_uri()}?{how}"
    return sqlite3.connect(uri, uri=True, timeout=busy_seconds, check_same_thread=False)


def _connect_to_read(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Connect to a file that this user can't write.

    One at rest is read as it lies. Otherwise SQLite would put a log and its index beside it, which
    a folder for reading does not take, and which in any other folder the file's owner could not
    write to.
    """
    return _connect(path, "mode=ro" if _in_use(path) else "immutable=1", busy_seconds)


def _in_use(path: Path) -> bool:
    """Say whether someone has the file open, or left it in the middle of something.

    A file at rest is read as immutable, as even a reader would give it a `-wal` file. This must
    not be read off the file itself: on POSIX, closing a file ends the locks of every connection
    of this process to it, and another process would then remove the log that is written to.
    """
    return _has_log(path) or _neighbour(path, "-journal").exists()


def _has_log(path: Path) -> bool:
    return _neighbour(path, "-wal").exists()


def _neighbour(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _synchronous_normal(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def _manual_transactions(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("ablate_begin", "BEGIN"))


def _limit_waits(seconds: float, connection: Any, _record: object) -> None:
    """Let a PostgreSQL connection wait for the lock of another one only so long."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(1000 * seconds)}")
    connection.commit()

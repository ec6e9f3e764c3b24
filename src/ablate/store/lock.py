"""One coordinator per study: a lock that ends with its process, however that ends."""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ablate.errors import RequestError, StorageError
from ablate.store.engines import connect_options, unreadable

Describe = Callable[[], str]
"""Words who else runs the study."""

_held: set[int] = set()
"""File descriptors that keep a lock as long as any process has them open."""


class StudyLock(Protocol):
    """A held lock."""

    def ensure(self) -> None:
        """Take the lock again if it was lost; raise StorageError if that can't be done."""


@contextmanager
def lock_file(path: Path, describe: Describe) -> Iterator[StudyLock]:
    """Hold a lock on a file, which is there only as long as it is held.

    Raises RequestError if another process holds it and StorageError if it can't be made.
    """
    try:
        file = _locked(path)
    except OSError as error:
        raise StorageError(
            f"the lock {path} can't be made: {error.strerror}; "
            "put the database where its folder can be written to"
        ) from None
    if file is None:
        raise RequestError(describe())
    _held.add(file)
    try:
        yield _KeptByTheKernel()
    finally:
        with suppress(OSError):
            path.unlink()
        _held.discard(file)
        os.close(file)


@contextmanager
def lock_on_server(url: URL, key: int, describe: Describe) -> Iterator[StudyLock]:
    """Hold an advisory lock on a PostgreSQL server, on a connection of its own.

    Raises RequestError if another process holds it and Unavailable if the server is away.
    """
    lock = _ServerLock(url, key, describe)
    if not lock.take():
        lock.release()
        raise RequestError(describe())
    try:
        yield lock
    finally:
        lock.release()


def lock_path(database: Path, study: str) -> Path:
    """Return the path of a study's lock: its name as far as it is fit for a file, and its hash."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "_", study)[:40]
    return database.with_name(f"{database.name}.{slug}-{_digest(study).hex()[:8]}.lock")


def lock_key(study: str) -> int:
    """Return the key of a study's advisory lock, a signed integer of 64 bits."""
    return int.from_bytes(_digest(study)[:8], signed=True)


class _KeptByTheKernel:
    """A lock on a file: only the end of this process, or its release, can take it away."""

    def ensure(self) -> None:
        """Do nothing."""


class _ServerLock:
    """An advisory lock, lost with its connection."""

    def __init__(self, url: URL, key: int, describe: Describe) -> None:
        self._url = url
        self._key = key
        self._describe = describe
        self._engine: Engine = create_engine(url, **connect_options(url), poolclass=NullPool)
        self._connection: Connection | None = None
        self._file: int | None = None
        self._mutex = threading.Lock()

    def ensure(self) -> None:
        """Take the lock again if its connection is gone.

        Raises StorageError if another process has it now and Unavailable if the server is away.
        """
        with self._mutex:
            if self._alive():
                return
            if not self._take():
                raise StorageError(
                    "the lock of this study was lost with the connection to its server, and "
                    f"another process took it: {self._describe()}"
                )

    def take(self) -> bool:
        """Try to take the lock."""
        with self._mutex:
            return self._take()

    def release(self) -> None:
        """Give the lock back by closing its connection."""
        with self._mutex:
            self._drop()
            self._engine.dispose()

    def _take(self) -> bool:
        self._drop()
        try:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection = connection
            self._file = _descriptor(connection)
            _held.add(self._file)
            return bool(
                connection.execute(
                    text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}
                ).scalar_one()
            )
        except SQLAlchemyError as error:
            self._drop()
            raise unreadable(self._url, error) from None

    def _alive(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def _drop(self) -> None:
        if self._file is not None:
            _held.discard(self._file)
            self._file = None
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None


def _locked(path: Path) -> int | None:
    """Open and lock a file that no process may have removed meanwhile; None if it is locked."""
    import fcntl  # noqa: PLC0415 - not there on every platform

    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BlockingIOError:
            os.close(file)
            return None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(file)
            raise
        os.close(file)


def _descriptor(connection: Connection) -> int:
    driver: Any = connection.connection.driver_connection
    return int(driver.fileno())


def _digest(study: str) -> bytes:
    return hashlib.sha256(study.encode("utf-8", "surrogatepass")).digest()


def _let_go() -> None:
    """Point every held descriptor of a forked process elsewhere: its parent alone holds locks."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for file in _held:
        os.dup2(nowhere, file, inheritable=False)
    os.close(nowhere)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)

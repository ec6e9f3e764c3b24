import hashlib
import sqlite3
import subprocess
import sys

import optuna
import pytest
from sqlalchemy import text

from ablate.errors import StorageError
from ablate.store import Store
from ablate.testing.definitions import search


def snapshot(folder):
    """Name every file and folder with its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def script(path, sql):
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.close()


def refuse(tmp_path, create, hint, name="ablate.db"):
    """Open and be refused; nothing may have been written."""
    before = snapshot(tmp_path)
    with pytest.raises(StorageError, match=hint):
        Store.open(f"sqlite:///{tmp_path / name}", create=create)
    assert snapshot(tmp_path) == before


both = pytest.mark.parametrize("create", [True, False])


def test_reading_a_missing_database_makes_neither_file_nor_folder(tmp_path):
    refuse(tmp_path, False, "does not exist", "deep/er/ablate.db")


def test_reading_an_empty_database_leaves_it_empty(tmp_path):
    (tmp_path / "ablate.db").touch()
    refuse(tmp_path, False, "holds nothing of ablate")


@both
def test_a_file_that_is_no_database_is_refused(tmp_path, create):
    (tmp_path / "ablate.db").write_text("learning rates: many\n" * 200)
    refuse(tmp_path, create, "not a database")


@both
def test_a_folder_is_refused(tmp_path, create):
    (tmp_path / "ablate.db").mkdir()
    refuse(tmp_path, create, "is a folder")


@both
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_of_something_else_is_refused(tmp_path, create, mode):
    path = tmp_path / "ablate.db"
    script(path, f"PRAGMA journal_mode={mode}; CREATE TABLE studies (a); CREATE TABLE songs (a)")
    refuse(tmp_path, create, "belongs to something else .*songs")


@both
def test_a_database_of_a_newer_ablate_is_refused(tmp_path, create):
    Store.open(f"sqlite:///{tmp_path}/ablate.db", create=True).close()
    script(tmp_path / "ablate.db", "UPDATE ablate_schema SET version = 99")
    refuse(tmp_path, create, "newer ablate")


def test_optuna_tables_of_another_version_are_refused(tmp_path):
    optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/ablate.db").engine.dispose()
    script(tmp_path / "ablate.db", "UPDATE alembic_version SET version_num = 'v3.0.0.a'")
    refuse(tmp_path, True, "optuna storage upgrade")
    script(tmp_path / "ablate.db", "UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    refuse(tmp_path, True, "update optuna")


def test_reading_a_database_of_optuna_alone_leaves_it_alone(tmp_path):
    optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/ablate.db").engine.dispose()
    refuse(tmp_path, False, "holds nothing of ablate")


def test_ablate_joins_a_database_of_optuna_and_reads_its_studies(tmp_path):
    url = f"sqlite:///{tmp_path}/ablate.db"
    optuna.create_study(study_name="old", storage=url).optimize(lambda _: 1.5, n_trials=1)
    with Store.open(url, create=True) as store:
        assert [trial.value for trial in store.past("old")] == [1.5]
        assert store.foreign_trials("old") == [0]
        assert store.trials("old") == []
        assert store.study_names() == []


def test_an_unwritable_place_is_explained(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    refuse(tmp_path, True, "can't be made", "taken/ablate.db")


def test_a_store_opens_again_and_keeps_what_it_holds(tmp_path):
    url = f"sqlite:///{tmp_path / 'new' / 'ablate.db'}"
    with Store.open(url, create=True) as store:
        store.define("s", search())
    with Store.open(url, create=False) as store:
        assert store.study_names() == ["s"]
        assert store.trials("s") == []
    assert snapshot(tmp_path / "new").keys() == {"ablate.db"}


def test_a_path_with_braces_reaches_optuna(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/{{a}}.db", create=True) as store:
        optuna.create_study(study_name="s", storage=store.optuna)
    assert [path.name for path in tmp_path.iterdir()] == ["{a}.db"]


def test_both_engines_write_ahead_and_sync_normally(store):
    for engine in (store._engine, store.optuna.engine):
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 1
            assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000


def test_opening_imports_no_optuna(url):
    code = (
        "import sys; from ablate.store import Store; "
        f"Store.open({url!r}, create=True).close(); sys.exit('optuna' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_processes_that_open_a_new_database_at_once_all_succeed(url):
    code = (
        "import optuna; optuna.logging.set_verbosity(40); from ablate.store import Store; "
        "from ablate.testing.definitions import search; "
        f"s = Store.open({url!r}, create=True); s.optuna; print(s.define('s', search()))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["1\n"] * 3

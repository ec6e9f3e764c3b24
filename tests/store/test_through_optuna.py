"""Tables in a layout that is not known pass the suite: they are written through Optuna itself."""

import subprocess
import sys
import warnings

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import create_engine, text

from ablate.errors import StorageError
from ablate.store import ArtifactRecord, Batch, SlowStorageWarning, Store, TrialEnd
from ablate.testing.batches import define, recorded, running, whole
from ablate.testing.storage import StorageSuite, everything

TWO_STORES = """
import sys
from ablate.store import Store
from ablate.testing.batches import define, whole
for study in "ab":
    with Store.open(sys.argv[1], create=False) as store:
        definition = define(store, study)
        for number in range(2):
            store.write(whole(definition, number, study))
"""


def change_layout(url):
    """Make Optuna's tables, of a layout that is not known to anything but the installed Optuna."""
    url = url.replace("postgresql://", "postgresql+psycopg://")
    optuna.storages.RDBStorage(url).engine.dispose()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE version_info SET schema_version = 99"))
    engine.dispose()


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """An Optuna storage whose process is killed at its n-th change, from 0."""

    def __init__(self, storage, changes):
        self._storage = storage
        self._left = changes

    def __getattr__(self, name):
        if name.startswith(("set_", "create_")):
            if self._left == 0:
                raise Killed
            self._left -= 1
        return getattr(self._storage, name)


class Overtaken:
    """An Optuna storage in which another program adds a trial just before each new one."""

    def __init__(self, storage):
        self._storage = storage

    def create_new_trial(self, study_id, template_trial):
        self._storage.create_new_trial(study_id)
        return self._storage.create_new_trial(study_id, template_trial)

    def __getattr__(self, name):
        return getattr(self._storage, name)


@pytest.mark.filterwarnings("ignore::ablate.store.SlowStorageWarning")
class ThroughOptuna(StorageSuite):
    one_transaction = False

    def test_a_trial_that_has_ended_is_not_changed(self, url, store, definition):
        end = Batch("s", ended_trials={0: TrialEnd(TrialState.COMPLETE, 1.0)})
        store.write(Batch("s", trials={0: running()}, user_attrs={0: {"a": 1}}).merge(end))
        before = everything(url)
        store.write(Batch("s", user_attrs={0: {"a": 1}}))
        for late in (
            Batch("s", user_attrs={0: {"a": 2}}),
            Batch("s", system_attrs={0: {"b": 1}}),
            Batch("s", intermediate={0: {0: 0.5}}),
        ):
            with pytest.raises(StorageError, match=r"trial 0 of 's' .* changes no trial that has"):
                store.write(late.merge(Batch("s", trials={1: running()})))
        assert everything(url) == before

    def test_a_batch_that_was_cut_off_anywhere_is_completed_by_writing_it_again(self, url, store):
        store.write(whole(define(store, "uncut"), 0, "uncut"))
        expected = recorded(store, "uncut")
        cuts = 0
        while True:
            study = f"cut at {cuts}"
            batch = whole(define(store, study), 0, study)
            with Store.open(url, create=False) as killed:
                killed.optuna = Mortal(killed.optuna, cuts)
                try:
                    killed.write(batch)
                except Killed:
                    cuts += 1
                else:
                    break
            store.write(batch)
            assert recorded(store, study) == expected
        assert cuts == 1 + 6 + 10 + 1  # the trial, its attributes and reports, and its end

    def test_a_trial_added_by_another_program_at_the_same_moment_is_said(self, store, definition):
        store.optuna = Overtaken(store.optuna)
        with pytest.raises(StorageError, match=r"trial 0 of 's' .*was added by another program"):
            store.write(Batch("s", trials={0: running()}))

    def test_artifacts_are_read_through_optuna(self, store, definition):
        meta = '{"artifact_id": "id", "filename": "weights.bin"}'
        attrs = {n: {"artifacts:id": meta, "artifacts:gone": "null", "b": 1} for n in range(2)}
        store.write(Batch("s", trials={0: running(), 1: running()}, system_attrs=attrs))
        assert store.artifacts("s", [1]) == [ArtifactRecord(1, "weights.bin", "id")]
        assert store.artifacts("nope", [1]) == []


class TestSqliteThroughOptuna(ThroughOptuna):
    @pytest.fixture
    def url(self, sqlite_url):
        change_layout(sqlite_url)
        return sqlite_url


class TestPostgresqlThroughOptuna(ThroughOptuna):
    @pytest.fixture
    def url(self, postgresql_url):
        change_layout(postgresql_url)
        return postgresql_url


def test_slow_writing_is_said_once_per_process(url):
    change_layout(url)
    Store.open(url, create=True).close()
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", TWO_STORES, url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("layout 99 / ") == done.stderr.count("SlowStorageWarning:") == 1


def test_a_known_layout_is_written_directly(store, definition, url):
    store.write(whole(definition, 0))
    with (
        warnings.catch_warnings(action="error", category=SlowStorageWarning),
        Store.open(url, create=False) as other,
    ):
        other.optuna = Mortal(other.optuna, 0)
        other.write(whole(definition, 1))
    assert len(store.past("s")) == 2

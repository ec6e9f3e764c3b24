"""What a run left in its folder becomes artifacts of its trial, as Optuna itself writes them."""

import json
import os
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.artifacts import get_all_artifact_meta, upload_artifact
from optuna.trial import TrialState

from ablate.store import Batch, TrialEnd
from ablate.store.artifacts import (
    FOLDER,
    MAX_BYTES,
    MAX_FILES,
    RunFiles,
    fitting,
    keep,
    open_artifacts,
    regular_files,
)
from ablate.testing.batches import define, running
from ablate.testing.definitions import search


@pytest.fixture
def left(tmp_path):
    """Make what a run left: a picture, one in a subfolder, and a text."""
    folder = tmp_path / "results" / "s" / "0-abcdef01" / FOLDER
    (folder / "epochs").mkdir(parents=True)
    (folder / "motion.png").write_bytes(b"\x89PNG motion")
    (folder / "epochs" / "1.gif").write_bytes(b"GIF89a one")
    (folder / "notes.txt").write_text("hello")
    return folder


def of(folder, trial=0, prefix=""):
    directory = folder.parent
    return RunFiles("s", trial, directory, prefix, directory.parents[1] / FOLDER)


def silent(line):
    raise AssertionError(line)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def metas(store, number=0):
    return get_all_artifact_meta(store.past("s")[number], storage=store.optuna)


def write_a_trial(store, run):
    """Write a trial from start to end, with what its run left, and return its attributes."""
    attributes = keep(run, silent)
    batch = Batch("s", trials={run.trial: running()}, system_attrs={run.trial: attributes})
    batch.ended_trials[run.trial] = TrialEnd(TrialState.COMPLETE, 0.5)
    store.write(batch)
    return attributes


class Artifacts:
    def test_optuna_reads_the_files_of_a_finished_trial(self, store, left):
        define(store)
        write_a_trial(store, of(left))
        assert {(meta.filename, meta.mimetype) for meta in metas(store)} == {
            ("epochs/1.gif", "image/gif"),
            ("motion.png", "image/png"),
            ("notes.txt", "text/plain"),
        }
        artifacts = open_artifacts(of(left).kept_in)
        for meta in metas(store):
            with artifacts.open_reader(meta.artifact_id) as file:
                assert file.read() == (left / meta.filename).read_bytes()

    def test_they_are_written_as_optuna_writes_its_own(self, store, left, tmp_path):
        define(store)
        write_a_trial(store, of(left))
        study = optuna.load_study(study_name="s", storage=store.optuna)
        trial = study.ask()
        other = open_artifacts(tmp_path)
        upload_artifact(
            artifact_store=other, file_path=str(left / "motion.png"), study_or_trial=trial
        )
        study.tell(trial, 1.0)

        def shape(attributes):
            """Replace the id, which must be the same in the key and the value, by a word."""
            found = []
            for key, value in attributes.items():
                head, _, name = key.partition(":")
                meta = json.loads(value)
                assert meta.pop("artifact_id") == name
                found.append((head, len(name), meta))
            return next(entry for entry in found if entry[2]["filename"] == "motion.png")

        ours, its = store.past("s")
        assert shape(ours.system_attrs) == shape(its.system_attrs)

    def test_records_are_read_by_trial_and_name(self, store, left):
        define(store)
        for number in range(3):
            write_a_trial(store, of(left, number, prefix="seed-7/"))
        found = store.artifacts("s", [0, 2])
        assert [(record.trial, record.name) for record in found] == [
            (number, f"seed-7/{name}")
            for number in (0, 2)
            for name in ("epochs/1.gif", "motion.png", "notes.txt")
        ]
        assert {record.id for record in found if record.trial == 0} == {
            meta.artifact_id for meta in metas(store)
        }
        assert store.artifacts("other", [0]) == []

    def test_a_deleted_artifact_is_none(self, store, left):
        define(store)
        attributes = write_a_trial(store, of(left))
        key = next(iter(attributes))
        store.write(Batch("s", system_attrs={0: {key: json.dumps(None)}}))
        assert len(store.artifacts("s", [0])) == 2


class TestOnSQLite(Artifacts):
    pass


class TestOnPostgreSQL(Artifacts):
    @pytest.fixture
    def url(self, postgresql_url):
        return postgresql_url


def test_a_storage_without_optuna_has_no_artifacts(store):
    store.define("s", search())
    assert store.artifacts("s", [0]) == []


def test_keeping_the_files_of_a_run_again_changes_nothing(left):
    first = keep(of(left), silent)
    before = contents(of(left).kept_in)
    assert keep(of(left), silent) == first
    assert contents(of(left).kept_in) == before
    assert len(before) == len(first) == 3


def test_what_a_later_attempt_wrote_replaces_what_an_earlier_one_did(left):
    first = keep(of(left), silent)
    (left / "motion.png").write_bytes(b"\x89PNG better")
    assert keep(of(left), silent) == first
    assert b"\x89PNG better" in contents(of(left).kept_in).values()
    assert len(contents(of(left).kept_in)) == 3


def test_equal_names_of_other_runs_are_other_files(left):
    elsewhere = left.parent.rename(left.parents[1] / "0-99999999") / FOLDER
    other = keep(of(elsewhere), silent)
    back = elsewhere.parent.rename(left.parent) / FOLDER
    assert not other.keys() & keep(of(back), silent).keys()
    assert not keep(of(back), silent).keys() & keep(of(back, prefix="seed-1/"), silent).keys()


def test_a_run_that_left_nothing_makes_nothing(tmp_path):
    run = of(tmp_path / "results" / "s" / "0-abcdef01" / FOLDER)
    assert keep(run, silent) == {}
    assert not run.kept_in.exists()


def test_links_are_not_followed(left, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    (left / "link.txt").symlink_to(secret)
    (left / "folder").symlink_to(tmp_path)
    os.mkfifo(left / "pipe")
    assert [name for name, _ in regular_files(left)] == ["epochs/1.gif", "motion.png", "notes.txt"]
    aside = left.rename(tmp_path / "aside")
    left.symlink_to(aside)
    assert keep(of(left), silent) == {}


def test_a_name_that_is_no_text_is_written_as_one(left):
    Path(os.fsdecode(os.fsencode(left) + b"/\xff\n.png")).write_bytes(b"x")
    names = [json.loads(value)["filename"] for value in keep(of(left), silent).values()]
    assert "\\udcff\n.png" in names


def test_files_over_the_limit_are_left_with_one_line(left):
    for number in range(MAX_FILES):
        (left / f"{number}.txt").write_text("x")
    told: list[str] = []
    assert len(keep(of(left, 4), told.append)) == MAX_FILES
    assert told == [
        f"trial 4: 3 of {MAX_FILES + 3} files are only in {left}: "
        f"at most {MAX_FILES} files and 50 MB of a run are kept"
    ]


def test_files_that_cannot_be_copied_are_left_with_one_line(left):
    of(left).kept_in.write_text("not a folder")
    told: list[str] = []
    assert keep(of(left), told.append) == {}
    (line,) = told
    assert line.startswith(f"trial 0: 3 of 3 files are only in {left}: they can't be copied to")


@given(st.lists(st.tuples(st.text(), st.integers(0, MAX_BYTES * 2)), max_size=MAX_FILES + 5))
def test_what_fits_is_taken_in_order_and_nothing_is_left_out_in_vain(files):
    files = [(f"{place}-{name}", size) for place, (name, size) in enumerate(files)]
    sizes = dict(files)
    chosen = fitting(files)
    assert chosen == [name for name in sizes if name in set(chosen)]
    total = sum(sizes[name] for name in chosen)
    assert len(chosen) <= MAX_FILES
    assert total <= MAX_BYTES
    if len(chosen) < MAX_FILES:
        assert all(total + size > MAX_BYTES for name, size in files if name not in chosen)

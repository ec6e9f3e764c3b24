"""A database in the layout of version 1 is read as it is, and migrated by the first who writes."""

import json
import subprocess
import sys

import pytest
from sqlalchemy import MetaData, create_engine, select, text
from sqlalchemy.pool import NullPool

from ablate.spec import Cause, Outcome, Status
from ablate.store import Batch, Environment, FindingRow, MetricRow, RunEnd, RunKey, Store
from ablate.testing.batches import define, new_run, whole
from ablate.testing.definitions import ablation
from tests.store.test_definitions import built, stored
from tests.store.test_opening import snapshot

AUDITS = """
CREATE TABLE ablate_audits (
    id {id} NOT NULL, definition_id INTEGER NOT NULL, created_at {time} NOT NULL, PRIMARY KEY (id),
    FOREIGN KEY (definition_id) REFERENCES ablate_definitions (id)
);
CREATE TABLE ablate_findings (
    audit_id INTEGER NOT NULL, place INTEGER NOT NULL, code TEXT NOT NULL, severity TEXT NOT NULL,
    arms TEXT NOT NULL, what TEXT NOT NULL, "where" TEXT NOT NULL, advice TEXT NOT NULL,
    allowed INTEGER NOT NULL, stage TEXT NOT NULL, PRIMARY KEY (audit_id, place),
    FOREIGN KEY (audit_id) REFERENCES ablate_audits (id)
)
"""
TABLES = """
CREATE TABLE ablate_schema (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE ablate_environments (sha256 TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (sha256));
CREATE TABLE ablate_studies (
    name TEXT NOT NULL, kind TEXT NOT NULL, definition_id INTEGER, created_at {time} NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE ablate_definitions (
    id {id} NOT NULL, study TEXT NOT NULL, sha256 TEXT NOT NULL, body TEXT NOT NULL,
    profile TEXT NOT NULL, created_at {time} NOT NULL, PRIMARY KEY (id), UNIQUE (study, sha256),
    FOREIGN KEY (study) REFERENCES ablate_studies (name)
);
CREATE TABLE ablate_sessions (
    id {id} NOT NULL, study TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    started_at {time} NOT NULL, seen_at {time} NOT NULL, PRIMARY KEY (id),
    FOREIGN KEY (study) REFERENCES ablate_studies (name)
);
CREATE TABLE ablate_runs (
    id {id} NOT NULL, study TEXT NOT NULL, trial INTEGER NOT NULL, arm TEXT, seed BIGINT NOT NULL,
    attempt INTEGER NOT NULL, definition_id INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT,
    config_hash TEXT NOT NULL, config TEXT NOT NULL, parameters BIGINT, profile TEXT NOT NULL,
    device TEXT NOT NULL, environment TEXT NOT NULL, code_version TEXT NOT NULL,
    directory TEXT NOT NULL, epochs INTEGER, steps BIGINT, created_at {time} NOT NULL,
    finished_at {time}, PRIMARY KEY (id), UNIQUE (study, trial, seed, attempt),
    FOREIGN KEY (study) REFERENCES ablate_studies (name),
    FOREIGN KEY (definition_id) REFERENCES ablate_definitions (id),
    FOREIGN KEY (environment) REFERENCES ablate_environments (sha256)
);
CREATE TABLE ablate_fingerprints (
    run_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run_id, name),
    FOREIGN KEY (run_id) REFERENCES ablate_runs (id)
);
CREATE TABLE ablate_metrics (
    run_id INTEGER NOT NULL, phase TEXT NOT NULL, name TEXT NOT NULL, step BIGINT NOT NULL,
    epoch INTEGER NOT NULL, value DOUBLE PRECISION, PRIMARY KEY (run_id, phase, name, step),
    FOREIGN KEY (run_id) REFERENCES ablate_runs (id)
) {end}
"""
"""What version 1 made; only what is in braces differs between the databases."""

STUDY = """
INSERT INTO ablate_schema VALUES (1);
INSERT INTO ablate_environments VALUES ('e1', :environment);
INSERT INTO ablate_studies VALUES ('s', 'ablation', 1, :moment);
INSERT INTO ablate_definitions (study, sha256, body, profile, created_at)
    VALUES ('s', 'abcdef', :body, 'cpu', :moment);
INSERT INTO ablate_sessions (study, host, pid, started_at, seen_at)
    VALUES ('s', 'h', 1, :moment, :later)
"""
AUDIT = """
INSERT INTO ablate_audits (definition_id, created_at) VALUES (1, :moment);
INSERT INTO ablate_findings VALUES
    (1, 0, 'same-function', 'warning', :arms, 'alike', 'model', 'look', 0, 'probe')
"""
RUN = """
INSERT INTO ablate_runs
    (study, trial, arm, seed, attempt, definition_id, status, reason, config_hash, config,
     parameters, profile, device, environment, code_version, directory, epochs, steps,
     created_at, finished_at)
VALUES
    ('s', :trial, 'narrow', 307, 0, 1, :status, :reason, 'abc', :config, 12, 'cpu', 'CPU', 'e1',
     'c0ffee', 'results/s/0', 3, 30, :moment, :later)
"""
REPORTED = """
INSERT INTO ablate_metrics VALUES (1, 'val', 'loss', 9, 0, 0.5);
INSERT INTO ablate_fingerprints VALUES (1, 'train', 'f00d')
"""
FACTS = {
    "moment": "2026-01-01 00:00:00.000000",
    "later": "2026-01-01 00:01:30.000000",
    "environment": '{"python":"3.11"}',
    "body": json.dumps(stored("arms"), ensure_ascii=False),
    "arms": '["champion","narrow"]',
    "config": '{"z":1,"a":null}',
}

ENDS = [
    ("complete", None, None),
    ("running", None, None),
    ("pruned", None, None),
    ("failed", "diverged: val_loss is nan at step 3 (epoch 0)", Cause.DIVERGED),
    ("failed", "diverged: the training loss is inf at step 12", Cause.DIVERGED),
    ("failed", "out of memory: CUDA out of memory. Tried to allocate 2 GiB", Cause.OUT_OF_MEMORY),
    ("interrupted", "no space left on the device for results/s/0/last.ckpt", Cause.NO_SPACE),
    ("failed", "no progress for 3600 s", Cause.STALLED),
    ("failed", "not done after 90 s", Cause.OVER_TIME),
    ("failed", "the worker was killed by signal 9", Cause.LOST),
    ("failed", "the worker exited (1)", Cause.LOST),
    ("interrupted", "its command was killed", Cause.LOST),
    ("interrupted", "stopped by a signal", Cause.STOPPED),
    ("interrupted", "interrupted: RuntimeError: DataLoader worker is killed", Cause.STOPPED),
    ("failed", "RuntimeError: mat1 and mat2 shapes can't be multiplied (2x3, 4x5)", Cause.RAISED),
    ("failed", "MisconfigurationException: no optimizer: 100 % sure", Cause.RAISED),
    ("failed", "configs/a.yaml: trainer.max_epoch: unknown key", None),
    ("failed", "", None),
]
"""Status, reason, and the cause that follows, of every way in which a run of version 1 ended."""

CELL = RunKey(99, 1, 0)
SQLITE = {"id": "INTEGER", "time": "DATETIME", "end": "WITHOUT ROWID"}
POSTGRESQL = {"id": "SERIAL", "time": "TIMESTAMP WITHOUT TIME ZONE", "end": ""}


@pytest.fixture(params=["sqlite_url", "postgresql_url"])
def url(request):
    return request.getfixturevalue(request.param)


def engine_of(url):
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def make(url, *, audits=True):
    """Write tables of version 1, with an ablation that has a run for every end."""
    types = POSTGRESQL if url.startswith("postgresql") else SQLITE
    with engine_of(url).begin() as connection:
        for script in (TABLES, *((AUDITS,) if audits else ())):
            for statement in script.format(**types).split(";"):
                connection.exec_driver_sql(statement)
        for statement in STUDY.split(";"):
            connection.execute(text(statement), FACTS)
        if audits:
            for statement in AUDIT.split(";"):
                connection.execute(text(statement), FACTS)
        for trial, (status, reason, _) in enumerate(ENDS):
            run = {"trial": trial, "status": status, "reason": reason}
            connection.execute(text(RUN), FACTS | run)
        for statement in REPORTED.split(";"):
            connection.execute(text(statement))


@pytest.fixture
def old(url):
    """A database of version 1."""
    make(url)
    return url


def layout_and_rows(url):
    """Return the columns and all rows of every table."""
    engine, metadata = engine_of(url), MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: (
                [(column.name, str(column.type)) for column in table.columns],
                sorted(map(repr, connection.execute(select(table)))),
            )
            for table in metadata.sorted_tables
        }


def seen(store):
    """Return everything that a store says of the study."""
    return (
        store.study_names(),
        store.study("s"),
        store.definitions("s"),
        store.runs("s", with_config=True),
        store.metrics("s"),
        store.fingerprints("s"),
        store.environments("s"),
        store.audit(1),
        store.active_seconds("s"),
        store.trials("s"),
    )


def test_a_database_of_version_1_is_read_as_it_is(old, tmp_path):
    before, files = layout_and_rows(old), snapshot(tmp_path)
    with Store.open(old, create=False) as store:
        assert store.study_names() == ["s"]
        assert store.study("s").definition == built("arms")
        assert [made.definition for made in store.definitions("s")] == [built("arms")]
        runs = store.runs("s", with_config=True)
        assert [(run.status, run.reason, run.cause) for run in runs] == [
            (Status(status), reason, cause) for status, reason, cause in ENDS
        ]
        assert {type(run.cause) for run in runs} == {Cause, type(None)}
        assert (runs[0].arm, runs[0].config, runs[0].steps) == ("narrow", {"z": 1, "a": None}, 30)
        assert store.metrics("s") == [MetricRow(runs[0].id, "val", "loss", 9, 0, 0.5)]
        assert store.fingerprints("s") == {runs[0].id: {"train": "f00d"}}
        assert store.environments("s") == {"e1": Environment({"python": "3.11"})}
        assert store.active_seconds("s") == 90
        assert store.audit(1).findings == (
            FindingRow(
                *("same-function", "warning", ("champion", "narrow"), "alike", "model", "look"),
                allowed=False,
                stage="probe",
            ),
        )
    assert layout_and_rows(old) == before
    assert snapshot(tmp_path) == files


def test_a_database_of_version_1_is_migrated_when_it_is_opened_to_be_written(old):
    with Store.open(old, create=False) as store:
        as_it_was = seen(store)
    before = layout_and_rows(old)
    with Store.open(old, create=True) as store:
        assert seen(store) == as_it_was
    migrated = layout_and_rows(old)
    assert migrated["ablate_schema"] == ([("version", "INTEGER")], ["(2,)"])
    assert ("cause", "TEXT") in migrated["ablate_runs"][0]
    same = before.keys() - {"ablate_schema", "ablate_runs"}
    assert {name: migrated[name] for name in same} == {name: before[name] for name in same}
    for create in (True, False):
        with Store.open(old, create=create) as store:
            assert seen(store) == as_it_was
    assert layout_and_rows(old) == migrated


def test_a_migrated_database_is_written_to(old):
    with Store.open(old, create=True) as store:
        definition = store.define("s", ablation())
        outcome = Outcome(Status.FAILED, Cause.WRONG_CONFIG, "no such key")
        store.write(Batch("s", runs={CELL: new_run(definition, CELL)}))
        store.write(Batch("s", ended_runs={CELL: RunEnd(outcome, 1, 2)}))
        last = store.runs("s")[-1]
        assert Outcome(last.status, last.cause, last.reason) == outcome
        assert len(store.runs("s")) == len(ENDS) + 1
        assert store.study("s").definition == ablation()
        assert [made.definition for made in store.definitions("s")] == [built("arms"), ablation()]


def test_a_study_that_is_defined_again_as_it_was_keeps_its_definition_and_audit(old):
    with Store.open(old, create=True) as store:
        (before,) = store.definitions("s")
        assert store.define("s", built("arms")) == before.id
        assert store.definitions("s") == [before]
        assert store.audit(store.study("s").definition_id) is not None
        other = store.define("s", ablation())
        assert other != before.id
        assert store.define("s", built("arms")) == before.id
        assert store.study("s").definition_id == before.id
        assert store.define("s", ablation()) == other


def test_a_reader_that_came_before_the_migration_goes_on(old):
    with Store.open(old, create=False) as reader:
        as_it_was = seen(reader)
        with Store.open(old, create=True):
            assert seen(reader) == as_it_was
        assert seen(reader) == as_it_was


def test_a_database_of_version_1_of_before_the_audit_is_read_and_migrated(url):
    make(url, audits=False)
    before = layout_and_rows(url)
    with Store.open(url, create=False) as store:
        as_it_was = seen(store)
        assert store.audit(1) is None
        assert [run.cause for run in store.runs("s")] == [cause for _, _, cause in ENDS]
    assert layout_and_rows(url) == before
    with Store.open(url, create=True) as store:
        assert seen(store) == as_it_was
        store.record_audit(1, ())
        assert store.audit(1).findings == ()


def test_tables_that_came_later_are_added_when_a_database_is_opened_to_be_written(url):
    with Store.open(url, create=True) as store:
        definition = define(store)
        store.record_audit(definition, ())
        store.write(whole(definition, 0))
    with engine_of(url).begin() as connection:
        for name in ("ablate_groups", "ablate_run_facts", "ablate_facts"):
            connection.execute(text(f"DROP TABLE {name}"))
    with Store.open(url, create=False) as store:
        assert store.groups("s") == []
        assert store.facts("s") == {}
        assert store.audit(definition) is not None
        assert len(store.runs("s")) == 1
    with Store.open(url, create=True) as store:
        store.write(whole(definition, 1))
        assert len(store.groups("s")) == 1
        assert len(store.facts("s")) == 1


MIGRATE = """
import sys
from ablate.store import Store, database
look = database.look_into
def look_and_wait(url):
    contents = look(url)
    print("version", contents.version, flush=True)
    sys.stdin.readline()
    return contents
database.look_into = look_and_wait
with Store.open(sys.argv[1], create=True) as store:
    print(len(store.runs("s")), flush=True)
"""


def test_processes_that_migrate_at_once_all_succeed(old):
    with Store.open(old, create=False) as store:
        as_it_was = seen(store)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, old],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [process.stdout.readline() for process in processes] == ["version 1\n"] * 3
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == [f"{len(ENDS)}\n"] * 3
    assert [process.returncode for process in processes] == [0] * 3
    with Store.open(old, create=False) as store:
        assert seen(store) == as_it_was
    assert layout_and_rows(old)["ablate_schema"][1] == ["(2,)"]


def test_a_migration_that_breaks_off_leaves_version_1(old, monkeypatch):
    before = layout_and_rows(old)

    def break_off():
        raise KeyboardInterrupt

    monkeypatch.setattr("ablate.store.migrations.cause_of_reason", break_off)
    with pytest.raises(KeyboardInterrupt):
        Store.open(old, create=True)
    monkeypatch.undo()
    assert layout_and_rows(old) == before
    with Store.open(old, create=True) as store:
        assert [run.cause for run in store.runs("s")] == [cause for _, _, cause in ENDS]

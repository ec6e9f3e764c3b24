import math
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

import optuna
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ablate.errors import StorageError
from ablate.store import MetricRow
from ablate.store.plain import from_json, ordered_hash, to_json
from ablate.store.tables import UtcDateTime
from tests.store.conftest import start

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_plain_data_survives_as_json_with_its_order(data):
    again = from_json(to_json(data))
    assert again == data
    assert to_json(again) == to_json(data)


@given(st.datetimes(), st.integers(-12, 12))
def test_times_come_back_in_utc_whatever_zone_they_were_given_in(moment, hours):
    aware = moment.replace(year=2026, tzinfo=timezone(timedelta(hours=hours)))
    column = UtcDateTime()
    again = column.process_result_value(column.process_bind_param(aware, None), None)
    assert again == aware
    assert again.tzinfo is UTC


def test_the_same_definition_has_one_id_and_the_newest_is_current(store):
    first = store.define("s", "ablation", {"arms": {"a": {}, "b": {}}}, "cpu")
    second = store.define("s", "ablation", {"arms": {"b": {}, "a": {}}}, "cpu")
    assert first != second
    assert list(store.study("s").definition["arms"]) == ["b", "a"]
    assert store.define("s", "ablation", {"arms": {"a": {}, "b": {}}}, "cpu") == first
    assert store.study("s").definition_id == first
    assert list(store.study("s").definition["arms"]) == ["a", "b"]
    assert [item.id for item in store.definitions("s")] == [first, second]
    assert store.define("s", "ablation", {"arms": {"a": {}, "b": {}}}, "cuda") not in {
        first,
        second,
    }
    assert store.study("s").profile == "cuda"


def test_the_order_of_arms_changes_a_definition_hash():
    assert ordered_hash({"a": 1, "b": 2}) != ordered_hash({"b": 2, "a": 1})


def test_a_study_keeps_its_kind(store, definition):
    with pytest.raises(StorageError, match="already a study of kind ablation"):
        store.define("s", "search", {"new": 1}, "cpu")
    assert len(store.definitions("s")) == 1


def test_an_unknown_study_is_none_or_empty(store):
    assert store.study("nope") is None
    assert store.runs("nope") == []
    assert store.metrics("nope") == []
    assert store.trials("nope") == []
    assert store.environments("nope") == {}
    assert store.active_seconds("nope") == 0


def test_a_run_comes_back_as_it_was_recorded(store, definition):
    earliest = datetime.now(UTC)
    run = start(store, definition)
    (record,) = store.runs("s", with_config=True)
    assert (record.id, record.status, record.reason, record.arm) == (run, "running", None, "a")
    assert record.config == {"z": 1, "a": [1.5, None, math.inf]}
    assert list(record.config) == ["z", "a"]
    assert store.run_config(run) == record.config
    assert store.runs("s")[0].config is None
    assert earliest <= record.created_at <= datetime.now(UTC)
    assert store.environments("s") == {record.environment: {"python": "3.11"}}


def test_runs_are_ordered_by_trial_seed_and_attempt(store, definition):
    cells = [(1, 2, 0), (0, 9, 1), (0, 9, 0), (1, 1, 0)]
    for trial, seed, attempt in cells:
        start(store, definition, trial=trial, seed=seed, attempt=attempt)
    assert [(r.trial, r.seed, r.attempt) for r in store.runs("s")] == sorted(cells)


def test_an_attempt_is_recorded_once(store, definition, run):
    with pytest.raises(StorageError, match="attempt 0 of trial 0, seed 307"):
        start(store, definition, config={"other": 1})
    assert len(store.runs("s")) == 1
    assert start(store, definition, attempt=1) != run


def test_finishing_a_run_records_its_end_and_hides_passwords(store, run):
    store.update_run(run, parameters=3_000_000_000, epochs=2, steps=9)
    store.finish_run(run, "failed", "no postgresql://ann:hunter2@host/db", None, 10)
    (record,) = store.runs("s")
    assert (record.status, record.reason) == ("failed", "no postgresql://ann:***@host/db")
    assert (record.parameters, record.epochs, record.steps) == (3_000_000_000, 2, 10)
    assert record.finished_at >= record.created_at


def test_a_reason_that_is_no_clean_text_is_stored_all_the_same(store, run):
    store.finish_run(run, "failed", "bad\0 byte \udcff", None, None)
    assert store.runs("s")[0].reason == "bad? byte ?"


def test_a_run_can_only_change_what_is_learned_while_it_runs(store, run):
    with pytest.raises(TypeError, match="config_hash"):
        store.update_run(run, config_hash="x")
    with pytest.raises(ValueError, match="running"):
        store.finish_run(run, "running", None, None, None)
    with pytest.raises(StorageError, match="no run 99"):
        store.finish_run(99, "complete", None, None, None)
    with pytest.raises(StorageError, match="no run 99"):
        store.run_config(99)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(st.floats(), min_size=1, max_size=8))
@example(values=[math.nan, math.inf, -math.inf, 1 / 3, -0.0, 5e-324])
def test_every_float_comes_back_also_nan_and_infinity(store, run, values):
    store.add_metrics(MetricRow(run, "val", "m", i, i, v) for i, v in enumerate(values))
    again = [row.value for row in store.metrics("s")][: len(values)]
    # SQLite forgets the sign of zero.
    assert list(map(repr, again)) == [repr(value or 0.0) for value in values]


def test_a_metric_recorded_again_is_replaced_and_stays_one_row(store, run):
    row = MetricRow(run, "val", "loss", 10, 0, 1.0)
    store.add_metrics([row, row._replace(value=2.0)])
    assert [r.value for r in store.metrics("s")] == [2.0]
    store.add_metrics([row._replace(value=3.0, epoch=1), row._replace(step=20)])
    assert store.metrics("s") == [row._replace(value=3.0, epoch=1), row._replace(step=20)]
    store.add_metrics([])


def test_a_batch_of_metrics_is_written_whole_or_not_at_all(store, run):
    good = MetricRow(run, "val", "loss", 0, 0, 1.0)
    with pytest.raises(StorageError):
        store.add_metrics([good, good._replace(run_id=99)])
    assert store.metrics("s") == []


def test_metrics_are_read_by_name_and_study(store, definition, run):
    other = start(store, store.define("t", "search", {}, "cpu"), study="t")
    store.add_metrics(MetricRow(r, "val", n, 0, 0, 1.0) for r in (run, other) for n in "ab")
    assert [row.name for row in store.metrics("s")] == ["a", "b"]
    assert [row.name for row in store.metrics("s", ["b", "zzz"])] == ["b"]
    assert {row.run_id for row in store.metrics("t")} == {other}


def test_fingerprints_are_kept_by_run_and_name(store, run):
    store.add_fingerprints(run, {"train": "1", "val": "2"})
    store.add_fingerprints(run, {"val": "3"})
    store.add_fingerprints(run, {})
    assert store.fingerprints("s") == {run: {"train": "1", "val": "3"}}


def test_active_time_is_the_sum_of_all_sessions(store, definition):
    for _ in range(2):
        session = store.start_session("s")
        time.sleep(0.05)
        store.touch_session(session)
    assert 0.1 <= store.active_seconds("s") < 2


def test_trials_are_read_from_optuna_in_the_words_of_runs(store):
    before = datetime.now(UTC)
    study = optuna.create_study(study_name="s", storage=store.optuna)
    done, failed, pruned = study.ask(), study.ask(), study.ask()
    done.suggest_float("x", 0, 1)
    done.set_user_attr("note", "n")
    study.tell(done, 0.5)
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    pruned.report(0.7, step=1)
    study.tell(pruned, state=optuna.trial.TrialState.PRUNED)
    study.ask()
    study.enqueue_trial({"x": 0.1})
    records = store.trials("s")
    assert [r.number for r in records] == [0, 1, 2, 3, 4]
    assert [r.state for r in records] == ["complete", "failed", "pruned", "running", "waiting"]
    assert records[0].value == 0.5
    assert records[1].value is None
    assert records[0].params.keys() == {"x"}
    assert records[0].user_attrs == {"note": "n"}
    assert before <= records[0].start <= records[0].end <= datetime.now(UTC)
    assert records[3].end is None


def test_a_database_that_vanishes_is_a_storage_error(store, tmp_path, definition):
    store.close()
    (tmp_path / "ablate.db").write_text("gone " * 2000)
    with pytest.raises(StorageError, match="can't be used"):
        store.study_names()


def test_two_processes_write_at_once_without_losing_rows(url, store, definition):
    code = f"""
import sys
from ablate.store import MetricRow, Store
run = int(sys.argv[1])
with Store.open({url!r}, create=False) as store:
    for step in range(60):
        store.add_metrics([MetricRow(run, "val", "loss", step, 0, 1.0)])
        store.define("s", "ablation", {{"step": step, "run": run}}, "cpu")
"""
    runs = [start(store, definition, trial=trial) for trial in range(2)]
    processes = [subprocess.Popen([sys.executable, "-c", code, str(run)]) for run in runs]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert len(store.metrics("s")) == 120
    assert len(store.definitions("s")) == 121

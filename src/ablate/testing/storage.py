"""What a store does on every kind of database.

Inherit from StorageSuite in a class of tests and provide the fixture `url`: the URL of a database
of the test's own, empty or with Optuna's tables. The other fixtures follow from it.

hypothesis draws the examples; tests of more than ten seconds bear the mark `long`. Other processes
are started with this interpreter.
"""

import json
import math
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Engine, MetaData, Table, create_engine, select, text
from sqlalchemy.pool import NullPool

from ablate.errors import NotFoundError, RequestError, StorageError, Unavailable
from ablate.spec import Cause, Direction, Outcome, Status, canonical_json
from ablate.store import Batch, Environment, GroupRow, MetricRow, RunEnd, RunKey, Store, TrialEnd
from ablate.store.trial_records import trial_records
from ablate.store.urls import parse_url
from ablate.testing import batches, crash
from ablate.testing.batches import (
    COMPLETE,
    KEY,
    SPACE,
    define,
    failed,
    near,
    new_run,
    recorded,
    running,
    shown,
    start,
    waiting,
    whole,
)
from ablate.testing.definitions import ablation, search

LARGE = 2**62

Later = dict[str, Any]
"""What happens to a trial after it is written."""

Drawn = tuple[FrozenTrial, Later | None]
Holding = Callable[[], AbstractContextManager[None]]

examples = settings(
    max_examples=15,
    deadline=None,
    # One database serves all examples, and one test every class: each example has its own study.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
    ],
)
# No database stores these as text outside of JSON.
names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
attributes = st.dictionaries(names, plain, max_size=3)
values = st.dictionaries(st.integers(0, 2**31 - 1), st.floats(), max_size=4)
objectives = st.floats(allow_nan=False)
outcomes = st.builds(
    Outcome,
    st.sampled_from([Status.COMPLETE, Status.FAILED]),
    st.none() | st.sampled_from(Cause),
    st.none() | names,
)
points = st.fixed_dictionaries(
    {},
    optional={
        "lr": st.floats(1e-5, 1e-1),
        "depth": st.sampled_from([1, 3, 5, 7, 9]),
        "betas": st.sampled_from(["ä", None, True, 2.5, 7]),
    },
)


@st.composite
def trials(draw: st.DrawFn) -> Drawn:
    """Draw a new trial and what happens to it afterwards."""
    state = draw(st.sampled_from(list(TrialState)))
    point = draw(points)
    template = create_trial(
        state=state,
        value=draw(objectives) if state == TrialState.COMPLETE else None,
        params=point,
        distributions={name: SPACE[name] for name in point},
        user_attrs=draw(attributes),
        system_attrs=draw(attributes),
        intermediate_values=draw(values),
    )
    if state.is_finished():
        return template, None
    end = draw(st.sampled_from([None, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]))
    return template, {
        "run": state == TrialState.WAITING and draw(st.booleans()),
        "user": draw(attributes),
        "system": draw(attributes),
        "reports": draw(values),
        "end": end,
        "value": draw(objectives) if end == TrialState.COMPLETE else None,
    }


def as_batch(study: str, drawn: list[Drawn]) -> Batch:
    """Return drawn trials as one batch."""
    batch = Batch(study)
    for number, (template, later) in enumerate(drawn):
        batch.trials[number] = template
        if later is None:
            continue
        if later["run"]:
            batch.states[number] = TrialState.RUNNING
        batch.user_attrs[number] = later["user"]
        batch.system_attrs[number] = later["system"]
        batch.intermediate[number] = later["reports"]
        if later["end"] is not None:
            batch.ended_trials[number] = TrialEnd(later["end"], later["value"])
    return batch


def through_optuna(storage: RDBStorage, study: str, drawn: list[Drawn]) -> None:
    """Write drawn trials as Optuna itself does."""
    study_id = storage.get_study_id_from_name(study)
    for template, later in drawn:
        trial = storage.create_new_trial(study_id, template)
        if later is None:
            continue
        if later["run"]:
            storage.set_trial_state_values(trial, TrialState.RUNNING)
        for key, value in later["user"].items():
            storage.set_trial_user_attr(trial, key, value)
        for key, value in later["system"].items():
            storage.set_trial_system_attr(trial, key, value)
        for step, value in later["reports"].items():
            storage.set_trial_intermediate_value(trial, step, value)
        if later["end"] is not None:
            final = None if later["value"] is None else [later["value"]]
            storage.set_trial_state_values(trial, later["end"], final)


steps = st.integers(0, 3)
means = st.dictionaries(names, st.tuples(st.floats(), st.integers(0, LARGE)), max_size=2)
keys = st.builds(RunKey, steps, st.just(307), st.integers(0, 1))


@st.composite
def histories(draw: st.DrawFn, *, after_the_end: bool) -> list[Batch]:
    """Draw what happens to four trials with two runs each, one batch after the other.

    `after_the_end` says whether trials are annotated also after they have ended.
    """
    ended: set[int] = set()
    happened = []
    for _ in range(draw(st.integers(1, 4))):
        batch = Batch("")
        for number in draw(st.sets(steps)) - (set() if after_the_end else ended):
            batch.user_attrs[number] = draw(attributes)
            batch.system_attrs[number] = draw(attributes)
            batch.intermediate[number] = draw(values)
        batch.states = dict.fromkeys(draw(st.sets(steps)) - ended, TrialState.RUNNING)
        for number in draw(st.sets(steps)) - ended:
            ended.add(number)
            batch.ended_trials[number] = TrialEnd(TrialState.COMPLETE, draw(objectives))
        for key in draw(st.sets(keys)):
            batch.parameters[key] = draw(st.integers(0, LARGE))
            batch.metrics[key, "val", draw(names), draw(steps)] = draw(steps), draw(st.floats())
            batch.groups[key, draw(names), draw(names), draw(steps)] = draw(steps), draw(means)
            batch.fingerprints[key] = draw(st.dictionaries(names, names, max_size=2))
            batch.facts[key] = draw(st.dictionaries(names, attributes, max_size=2))
        for key in draw(st.sets(keys)):
            batch.ended_runs[key] = RunEnd(draw(outcomes), None, 3)
        happened.append(batch)
    return happened


@cache
def database(url: str) -> tuple[Engine, Mapping[str, Table]]:
    """Read what tables there are, once."""
    engine = create_engine(parse_url(url), poolclass=NullPool)
    metadata = MetaData()
    metadata.reflect(engine)
    return engine, metadata.tables


def everything(url: str) -> dict[str, list[str]]:
    """Return every row of every table, as text."""
    engine, tables = database(url)
    with engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(table))))
            for name, table in tables.items()
        }


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start another process."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


@contextmanager
def hold(url: str) -> Iterator[None]:
    """Write from a connection of its own, and commit nothing."""
    parsed = parse_url(url)
    engine = create_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in HOLD[parsed.get_backend_name()]:
            connection.execute(text(statement))
        connection.execute(text("UPDATE ablate_runs SET status = 'lost'"))
        yield
        connection.execute(text("ROLLBACK"))


HOLD = {
    "sqlite": ["BEGIN IMMEDIATE"],
    "postgresql": ["BEGIN", "LOCK TABLE trials, ablate_runs IN EXCLUSIVE MODE"],
}
"""How a transaction begins that keeps other writers out."""

HOLDER = """
import sys, time
from ablate.store import Store
with Store.open(sys.argv[1], create=False) as store, store.lock(sys.argv[2]):
    store.start_session(sys.argv[2])
    print("locked", flush=True)
    sys.stdin.read()
"""
WRITER = f"""
import sys
from ablate.store import Store
from {batches.__name__} import define, whole
url, study, n = sys.argv[1:]
with Store.open(url, create=False) as store:
    definition = define(store, study)
    for number in range(int(n)):
        store.write(whole(definition, number, study))
"""
PLAIN_OPTUNA = """
import sys, optuna
optuna.logging.set_verbosity(40)
storage = optuna.storages.RDBStorage(sys.argv[1], engine_kwargs={"connect_args": eval(sys.argv[2])})
study = optuna.create_study(storage=storage, study_name="plain")
for _ in range(8):
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    study.tell(trial, 1.0)
"""


class StorageSuite:
    """Behaviour that everything else relies on."""

    one_transaction = True
    """Whether a batch is one transaction, which may annotate trials also after they have ended."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        """Open a store in the database."""
        with Store.open(url, create=True) as opened:
            yield opened

    @pytest.fixture
    def definition(self, store: Store) -> int:
        """Define the study "s", a search."""
        return define(store)

    @pytest.fixture
    def run(self, store: Store, definition: int) -> tuple[RunKey, int]:
        """Write a running run of the study; its key and its id."""
        return start(store, definition)

    @pytest.fixture
    def holding(self, url: str) -> Holding:
        """Write from another connection, and leave the transaction open for a while."""
        return lambda: hold(url)

    # --- definitions and sessions --------------------------------------------------------

    def test_the_same_definition_has_one_id_and_the_newest_is_current(self, store: Store) -> None:
        forward, backward = ablation(arms={"a": {}, "b": {}}), ablation(arms={"b": {}, "a": {}})
        first = store.define("s", forward)
        second = store.define("s", backward)
        assert first != second
        assert store.study("s").definition == backward
        assert [arm.name for arm in store.study("s").definition.arms] == ["b", "a"]
        assert store.define("s", forward) == first
        assert store.study("s").definition_id == first
        assert store.study("s").definition == forward
        assert [arm.name for arm in store.study("s").definition.arms] == ["a", "b"]
        assert [made.id for made in store.definitions("s")] == [first, second]
        assert [made.definition for made in store.definitions("s")] == [forward, backward]
        on_cuda = ablation(arms={"a": {}, "b": {}}, profile="cuda")
        assert store.define("s", on_cuda) not in {first, second}
        assert store.study("s").profile == "cuda"

    def test_a_study_keeps_its_kind(self, store: Store, definition: int) -> None:
        with pytest.raises(StorageError, match="already a study of kind search"):
            store.define("s", ablation())
        assert len(store.definitions("s")) == 1
        assert store.study("s").kind == "search"

    def test_a_study_keeps_its_direction(self, store: Store) -> None:
        store.create_study("s", Direction.MAXIMIZE, "val_loss")
        store.create_study("s", Direction.MAXIMIZE, "val_loss")
        with pytest.raises(StorageError, match="is to maximize, not to minimize"):
            store.create_study("s", Direction.MINIMIZE, "val_loss")

    def test_facts_of_a_study_are_read_by_optuna(self, store: Store, definition: int) -> None:
        store.set_study_attrs("s", {"kind": "search", "seed": 7})
        store.set_study_attrs("s", {"seed": 8})
        loaded = optuna.load_study(study_name="s", storage=store.optuna)
        assert loaded.user_attrs == {"kind": "search", "seed": 8}
        with pytest.raises(StorageError, match="no Optuna study 'nope'"):
            store.set_study_attrs("nope", {"a": 1})

    def test_an_unknown_study_is_none_or_empty(self, store: Store) -> None:
        assert store.study("nope") is None
        assert store.runs("nope") == []
        assert store.metrics("nope") == []
        assert store.groups("nope") == []
        assert store.facts("nope") == {}
        assert store.trials("nope") == []
        assert store.past("nope") == []
        assert store.environments("nope") == {}
        assert store.active_seconds("nope") == 0

    def test_a_study_that_is_required_is_there_or_the_nearest_names_are_said(
        self, store: Store, definition: int
    ) -> None:
        store.define("champion", search())
        assert store.require_study("champion") == store.study("champion")
        with pytest.raises(NotFoundError, match=r"no study 'champoin' in .*mean 'champion'\?"):
            store.require_study("champoin")

    def test_active_time_is_the_sum_of_all_sessions(self, store: Store, definition: int) -> None:
        for _ in range(2):
            session = store.start_session("s")
            time.sleep(0.05)
            store.touch_session(session)
        assert 0.1 <= store.active_seconds("s") < 2

    # --- batches -------------------------------------------------------------------------

    def test_a_batch_comes_back_as_it_was_written(self, store: Store, definition: int) -> None:
        before = datetime.now(UTC)
        store.write(whole(definition, 0))
        store.write(whole(definition, 1))
        (run, _) = store.runs("s", with_config=True)
        assert (run.trial, run.seed, run.attempt, run.arm) == (0, 307, 0, "a")
        assert (run.status, run.cause, run.reason) == (Status.COMPLETE, None, None)
        assert (run.epochs, run.steps) == (10, 100)
        assert (run.parameters, run.config_hash, run.directory) == (1000, "abc", "results/s/0-abc")
        assert run.config == {"z": 1, "a": [1.5, None, math.inf]}
        assert list(run.config) == ["z", "a"]
        assert store.run_config(run.id) == run.config
        assert store.runs("s")[0].config is None
        assert before <= run.created_at <= run.finished_at <= datetime.now(UTC)
        assert store.environments("s") == {run.environment: Environment({"python": "3.11"})}
        assert len(store.metrics("s")) == 80
        assert store.metrics("s")[5] == MetricRow(run.id, "val", "m1", 1, 1, 5.0)
        assert store.fingerprints("s")[run.id] == {"train": "1", "val": "2"}
        means = {"t1": (0.5, 4), "t2": (1.0, 2)}
        assert store.groups("s")[0] == GroupRow(run.id, "task", "m0", 9, 9, means)
        assert store.facts("s")[run.id] == {"code": {"a.py": "1"}, "data": {"rows": 0}}
        first, second = store.past("s")
        assert first.params == {"lr": 1e-3, "depth": 3, "betas": None}
        assert (first.state, first.value) == (TrialState.COMPLETE, 0.5)
        assert first.user_attrs == {"state": "complete", **{f"attr {i}": i for i in range(5)}}
        assert first.intermediate_values == {step: 1 / (step + 1) for step in range(10)}
        assert first.datetime_start <= first.datetime_complete
        assert second.number == 1
        (record, _) = store.trials("s")
        assert (record.state, record.value) == (Status.COMPLETE, 0.5)
        assert before <= record.start <= record.end <= datetime.now(UTC)

    @examples
    @given(st.lists(trials(), min_size=1, max_size=4))
    def test_optuna_reads_what_it_would_have_written_itself(
        self, store: Store, drawn: list[Drawn]
    ) -> None:
        name = f"{time.monotonic_ns()}"
        for study in (f"ours {name}", f"twin {name}"):
            store.create_study(study, Direction.MINIMIZE, "val_loss")
        store.write(as_batch(f"ours {name}", drawn))
        through_optuna(store.optuna, f"twin {name}", drawn)
        ours, twin = store.past(f"ours {name}"), store.past(f"twin {name}")
        assert shown(ours) == shown(twin)
        for one, other, (template, later) in zip(ours, twin, drawn, strict=True):
            if not (later and later["run"]):
                assert one.datetime_start == template.datetime_start
            if later is None:
                assert one.datetime_complete == template.datetime_complete
            assert near(one.datetime_start, other.datetime_start)
            assert near(one.datetime_complete, other.datetime_complete)

    @examples
    @given(st.lists(trials(), min_size=1, max_size=3))
    def test_writing_a_batch_of_trials_again_changes_nothing(
        self, url: str, store: Store, drawn: list[Drawn]
    ) -> None:
        study = f"{time.monotonic_ns()}"
        store.create_study(study, Direction.MINIMIZE, "val_loss")
        batch = as_batch(study, drawn)
        store.write(batch)
        before = everything(url)
        store.write(batch)
        assert everything(url) == before

    def test_writing_a_batch_again_changes_nothing_also_by_another_process(
        self, url: str, store: Store, definition: int
    ) -> None:
        batch = whole(definition, 0)
        store.write(batch)
        before = everything(url)
        with Store.open(url, create=False) as other:
            other.write(batch)
        assert everything(url) == before

    @examples
    @given(data=st.data())
    def test_batches_give_the_same_one_by_one_merged_or_tried_again(
        self, store: Store, data: st.DataObject
    ) -> None:
        history = data.draw(histories(after_the_end=self.one_transaction))
        found = []
        for way in ("one by one", "merged", "again"):
            study = f"{way} {time.monotonic_ns()}"
            definition = define(store, study)
            begun = Batch(
                study,
                trials={0: running(), 1: waiting(), 2: waiting(arm="a"), 3: running(lr=1e-2)},
                runs={
                    key: new_run(definition, key)
                    for key in (RunKey(trial, 307, n) for trial in range(4) for n in range(2))
                },
            )
            so_far = Batch(study)
            if way != "merged":
                store.write(begun)
            for batch in history:
                batch.study = study
                so_far = so_far.merge(batch)
                if way == "one by one":
                    store.write(batch)
                if way == "again":
                    store.write(so_far)
            if way == "merged":
                store.write(begun.merge(so_far))
            found.append(recorded(store, study))
        assert found[0] == found[1] == found[2]

    def test_merging_leaves_both_batches_as_they_were(self) -> None:
        older = Batch("s", user_attrs={0: {"a": 1, "b": 1}}, parameters={KEY: 1})
        newer = Batch("s", user_attrs={0: {"b": 2}, 1: {"c": 3}}, parameters={KEY: 2})
        merged = older.merge(newer)
        assert merged.user_attrs == {0: {"a": 1, "b": 2}, 1: {"c": 3}}
        assert merged.parameters == {KEY: 2}
        assert older.user_attrs == {0: {"a": 1, "b": 1}}
        assert newer.user_attrs == {0: {"b": 2}, 1: {"c": 3}}
        with pytest.raises(ValueError, match="can't follow"):
            older.merge(Batch("t"))

    def test_an_empty_batch_is_empty_and_writes_nothing(
        self, url: str, store: Store, definition: int
    ) -> None:
        before = everything(url)
        assert Batch("s").empty
        assert not Batch("s", parameters={KEY: 1}).empty
        store.write(Batch("s"))
        store.write(Batch("nope"))
        assert everything(url) == before

    def test_a_batch_is_written_whole_or_not_at_all(
        self, url: str, store: Store, definition: int
    ) -> None:
        store.write(whole(definition, 0))
        before = everything(url)
        wrong = whole(definition, 1)
        wrong.parameters[RunKey(1, 308, 0)] = 1
        with pytest.raises(StorageError, match="no attempt 0 of trial 1, seed 308"):
            store.write(wrong)
        wrong = whole(definition, 1).merge(Batch("s", user_attrs={9: {"a": 1}}))
        with pytest.raises(StorageError, match="trial 9 of 's' is not in"):
            store.write(wrong)
        with pytest.raises(TypeError):
            store.write(whole(definition, 1).merge(Batch("s", user_attrs={1: {"a": object()}})))
        assert everything(url) == before
        store.write(whole(definition, 1))

    def test_what_can_not_happen_is_refused(self, store: Store, definition: int) -> None:
        def ending(status: Status) -> Batch:
            return Batch("s", ended_runs={KEY: RunEnd(Outcome(status), 1, 1)})

        store.write(Batch("s", trials={0: waiting()}, runs={KEY: new_run(definition)}))
        for batch, hint in (
            (ending(Status.RUNNING), "a run can't end as running"),
            (ending(Status.WAITING), "a run can't end as waiting"),
            (Batch("s", states={0: TrialState.FAIL}), "can't become FAIL"),
            (Batch("s", ended_trials={0: TrialEnd(TrialState.WAITING, None)}), "end as WAITING"),
            (Batch("s", ended_trials={0: TrialEnd(TrialState.COMPLETE, math.nan)}), "NaN"),
        ):
            with pytest.raises(ValueError, match=hint):
                store.write(batch)
        with pytest.raises(StorageError, match="no Optuna study 'nope'"):
            store.write(Batch("nope", trials={0: waiting()}))
        assert recorded(store, "s")[0][0]["state"] == "WAITING"
        assert store.runs("s")[0].status is Status.RUNNING

    # --- trials --------------------------------------------------------------------------

    def test_a_waiting_trial_runs_and_ends(self, store: Store, definition: int) -> None:
        store.write(Batch("s", trials={0: waiting(arm="a"), 1: waiting(arm="b")}))
        assert [t.datetime_start for t in store.past("s")] == [None, None]
        store.write(Batch("s", states={1: TrialState.RUNNING}))
        first, second = store.past("s")
        assert (first.state, first.datetime_start) == (TrialState.WAITING, None)
        assert second.state == TrialState.RUNNING
        assert near(second.datetime_start, datetime.now())
        store.write(Batch("s", ended_trials={1: TrialEnd(TrialState.PRUNED, None)}))
        ended = store.past("s")[1]
        assert (ended.state, ended.values) == (TrialState.PRUNED, None)
        assert ended.datetime_start == second.datetime_start
        assert near(ended.datetime_complete, datetime.now())

    @pytest.mark.parametrize("foreign", ["asked", "enqueued", "in between"])
    def test_a_number_taken_by_another_program_is_said(
        self, url: str, store: Store, definition: int, foreign: str
    ) -> None:
        store.write(Batch("s", trials={0: running()}))
        study = optuna.load_study(study_name="s", storage=store.optuna)
        if foreign == "enqueued":
            study.enqueue_trial({"lr": 1e-3})
        else:
            study.ask()
        before = everything(url)
        ours = {1: waiting(arm="a")} if foreign == "enqueued" else {1: running()}
        if foreign == "in between":
            ours[2] = running()
        with pytest.raises(StorageError, match=r"trial 1 of 's' .*was added by another program"):
            store.write(Batch("s", trials=ours, runs={KEY: new_run(definition)}))
        assert everything(url) == before

    def test_a_number_that_leaves_a_gap_is_refused(self, store: Store, definition: int) -> None:
        with pytest.raises(StorageError, match=r"trial 1 .* can't follow the 0 trials"):
            store.write(Batch("s", trials={1: running()}))
        assert store.past("s") == []

    def test_a_trial_ends_once(self, store: Store, definition: int) -> None:
        end = Batch("s", ended_trials={0: TrialEnd(TrialState.COMPLETE, 1.0)})
        store.write(Batch("s", trials={0: running()}).merge(end))
        store.write(end)
        for other in (TrialEnd(TrialState.COMPLETE, 2.0), TrialEnd(TrialState.FAIL, None)):
            with pytest.raises(StorageError, match="ended already, as COMPLETE"):
                store.write(Batch("s", ended_trials={0: other}))
        assert store.past("s")[0].value == 1.0

    def test_a_study_made_anew_under_its_name_is_written_to(
        self, store: Store, definition: int
    ) -> None:
        for _ in range(2):
            store.write(Batch("s", trials={0: running()}))
            store.write(Batch("s", user_attrs={0: {"a": 1}}))
            assert store.past("s")[0].user_attrs == {"a": 1}
            optuna.delete_study(study_name="s", storage=store.optuna)
            store.create_study("other", Direction.MINIMIZE, "val_loss")
            store.write(Batch("other", trials={len(store.past("other")): running()}))
            store.create_study("s", Direction.MINIMIZE, "val_loss")
        assert [t.user_attrs for t in store.past("other")] == [{}, {}]

    def test_broken_tables_of_optuna_are_a_storage_error(
        self, url: str, store: Store, definition: int
    ) -> None:
        store.write(Batch("s", trials={0: running()}))
        engine = create_engine(parse_url(url))
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE trial_params"))
        engine.dispose()
        for use in (
            lambda: store.write(Batch("s", trials={1: running()})),
            lambda: store.trials("s"),
            lambda: store.past("s"),
        ):
            with pytest.raises(StorageError, match="can't be used"):
                use()

    def test_trials_are_read_from_optuna_in_the_words_of_runs(self, store: Store) -> None:
        before = datetime.now(UTC)
        study = optuna.create_study(study_name="s", storage=store.optuna)
        done, failed, pruned = study.ask(), study.ask(), study.ask()
        done.suggest_float("x", 0, 1)
        done.set_user_attr("note", "n")
        for trial in (done, failed, pruned):
            trial.set_user_attr("state", "ablate's")
        study.tell(done, 0.5)
        study.tell(failed, state=TrialState.FAIL)
        pruned.report(0.7, step=1)
        study.tell(pruned, state=TrialState.PRUNED)
        study.ask().set_user_attr("state", "ablate's")
        study.enqueue_trial({"x": 0.1}, user_attrs={"state": "ablate's"})
        records = store.trials("s")
        assert [r.number for r in records] == [0, 1, 2, 3, 4]
        assert [r.state for r in records] == [
            Status.COMPLETE,
            Status.FAILED,
            Status.PRUNED,
            Status.RUNNING,
            Status.WAITING,
        ]
        assert records[0].value == 0.5
        assert records[1].value is None
        assert records[0].params.keys() == {"x"}
        assert records[0].user_attrs == {"note": "n", "state": "ablate's"}
        assert before <= records[0].start <= records[0].end <= datetime.now(UTC)
        assert records[3].end is None

    def test_trials_of_another_program_are_none_of_ablate(
        self, store: Store, definition: int
    ) -> None:
        store.write(whole(definition, 0))
        optuna.load_study(study_name="s", storage=store.optuna).ask()
        assert [trial.number for trial in store.trials("s")] == [0]
        assert store.foreign_trials("s") == [1]
        assert store.foreign_trials("nope") == []

    # --- runs ----------------------------------------------------------------------------

    def test_runs_are_ordered_by_trial_seed_and_attempt(
        self, store: Store, definition: int
    ) -> None:
        cells = [(1, 2, 0), (0, 9, 1), (0, 9, 0), (1, 1, 0)]
        for trial, seed, attempt in cells:
            start(store, definition, trial=trial, seed=seed, attempt=attempt)
        assert [(r.trial, r.seed, r.attempt) for r in store.runs("s")] == sorted(cells)

    def test_an_attempt_is_recorded_once(
        self, store: Store, definition: int, run: tuple[RunKey, int]
    ) -> None:
        with pytest.raises(StorageError, match="attempt 0 of trial 0, seed 307"):
            start(store, definition, config={"other": 1})
        assert len(store.runs("s")) == 1
        assert start(store, definition, attempt=1) != run

    def test_the_end_of_a_run_is_recorded_and_hides_passwords(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        (key, _) = run
        reason = "no postgresql://ann:hunter2@host/db"
        end = failed(reason, Cause.RAISED)
        store.write(Batch("s", ended_runs={key: RunEnd(end, 2, 9)}))
        store.write(Batch("s", ended_runs={key: RunEnd(end, None, 10)}))
        (record,) = store.runs("s")
        assert (record.status, record.cause) == (Status.FAILED, Cause.RAISED)
        assert record.reason == "no postgresql://ann:***@host/db"
        assert (record.epochs, record.steps) == (2, 10)
        assert record.finished_at >= record.created_at

    def test_every_status_and_cause_of_a_run_comes_back(
        self, store: Store, definition: int
    ) -> None:
        ends = [status for status in Status if status.ended]
        expected: dict[int, tuple[Status, Cause | None, str | None]] = {}
        for seed, (status, cause) in enumerate(product(ends, [None, *Cause])):
            key, _ = start(store, definition, seed=seed)
            end = RunEnd(Outcome(status, cause, f"because {seed}"), 1, 2)
            store.write(Batch("s", ended_runs={key: end}))
            expected[seed] = status, cause, f"because {seed}"
        start(store, definition, seed=len(expected))
        expected[len(expected)] = Status.RUNNING, None, None
        found = {run.seed: (run.status, run.cause, run.reason) for run in store.runs("s")}
        assert found == expected
        assert {type(status) for status, _, _ in found.values()} == {Status}
        assert {type(cause) for _, cause, _ in found.values()} == {Cause, type(None)}

    def test_texts_that_are_not_clean_are_stored_all_the_same(
        self, store: Store, definition: int
    ) -> None:
        bad = "bad\0 byte \udcff 🜲"
        key, run_id = start(store, definition, device=bad, directory=bad, config={bad: bad})
        store.write(
            Batch(
                "s",
                metrics={(key, "val", bad, 0): (0, 1.0)},
                groups={(key, bad, bad, 0): (0, {bad: (1.0, 1)})},
                fingerprints={key: {bad: bad}},
                facts={key: {bad: {bad: bad}}},
                ended_runs={key: RunEnd(failed(bad), None, None)},
            )
        )
        (record,) = store.runs("s")
        clean = "bad? byte ? 🜲"
        assert (record.reason, record.device, record.directory) == (clean,) * 3
        assert store.run_config(run_id) == {bad: bad}
        assert [row.name for row in store.metrics("s")] == [clean]
        assert store.fingerprints("s") == {run_id: {clean: clean}}
        assert store.groups("s") == [GroupRow(run_id, clean, clean, 0, 0, {bad: (1.0, 1)})]
        assert store.facts("s") == {run_id: {clean: {bad: bad}}}

    def test_large_numbers_are_kept(self, store: Store, definition: int) -> None:
        key = RunKey(0, LARGE, 0)
        store.write(
            Batch(
                "s",
                runs={key: new_run(definition, key)},
                parameters={key: LARGE + 1},
                metrics={(key, "val", "m", LARGE + 2): (0, 1.0)},
                ended_runs={key: RunEnd(COMPLETE, 1, LARGE + 3)},
            )
        )
        (record,) = store.runs("s")
        assert (record.seed, record.parameters, record.steps) == (LARGE, LARGE + 1, LARGE + 3)
        assert store.metrics("s")[0].step == LARGE + 2

    def test_a_run_that_is_not_there_has_no_config(self, store: Store) -> None:
        with pytest.raises(StorageError, match="no run 99"):
            store.run_config(99)

    # --- metrics and fingerprints --------------------------------------------------------

    @examples
    @given(floats=st.lists(st.floats(), min_size=1, max_size=8))
    @example(floats=[math.nan, math.inf, -math.inf, 1 / 3, -0.0, 5e-324])
    def test_every_float_comes_back_also_nan_and_infinity(
        self, store: Store, run: tuple[RunKey, int], floats: list[float]
    ) -> None:
        store.write(
            Batch("s", metrics={(KEY, "val", "m", i): (i, v) for i, v in enumerate(floats)})
        )
        again = [row.value for row in store.metrics("s")][: len(floats)]
        # SQLite forgets the sign of zero.
        assert [repr(v or 0.0) for v in again] == [repr(v or 0.0) for v in floats]

    def test_a_metric_recorded_again_is_replaced_and_stays_one_row(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        (key, run_id) = run
        store.write(Batch("s", metrics={(key, "val", "loss", 10): (0, 2.0)}))
        store.write(
            Batch(
                "s",
                metrics={(key, "val", "loss", 10): (1, 3.0), (key, "val", "loss", 20): (0, 1.0)},
            )
        )
        row = MetricRow(run_id, "val", "loss", 10, 1, 3.0)
        assert store.metrics("s") == [row, row._replace(step=20, epoch=0, value=1.0)]

    def test_ten_thousand_metric_rows_are_one_batch(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        (key, _) = run
        rows = {(key, "train", f"m{i % 10}", i // 10): (i // 1000, i / 7) for i in range(10_000)}
        store.write(Batch("s", metrics=rows))
        found = {(key, r.phase, r.name, r.step): (r.epoch, r.value) for r in store.metrics("s")}
        assert found == rows

    def test_metrics_are_read_by_name_and_study(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        other = start(store, define(store, "t"), study="t")
        for study, (key, _) in (("s", run), ("t", other)):
            store.write(Batch(study, metrics={(key, "val", n, 0): (0, 1.0) for n in "ab"}))
        assert [row.name for row in store.metrics("s")] == ["a", "b"]
        assert [row.name for row in store.metrics("s", ["b", "zzz"])] == ["b"]
        assert {row.run_id for row in store.metrics("t")} == {other[1]}

    def test_trials_are_read_as_optuna_reads_them(self, store: Store, definition: int) -> None:
        numbers = range(6)
        batch = Batch("s", trials={0: waiting(state="waiting", note=["ä", None])})
        for number in numbers[1:]:
            batch.trials[number] = running(lr=10.0**-number, depth=3, betas=[None, "ä"][number % 2])
            batch.user_attrs[number] = {"state": "running", "number": number}
            batch.intermediate[number] = {1: 0.5, 2: math.nan}
        for number, (state, value) in enumerate(
            [
                (TrialState.COMPLETE, 1 / 3),
                (TrialState.COMPLETE, math.inf),
                (TrialState.COMPLETE, -math.inf),
                (TrialState.FAIL, None),
            ],
            start=1,
        ):
            batch.ended_trials[number] = TrialEnd(state, value)
        store.write(batch)
        assert store.trials("s") == list(trial_records(store.past("s")))
        assert [trial.number for trial in store.trials("s")] == list(numbers)
        assert store.trials("nope") == []
        assert store.foreign_trials("nope") == []

    def test_columns_of_metrics_hold_what_the_rows_hold(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        start(store, define(store, "t"), study="t")
        later = start(store, store.require_study("s").definition_id, trial=1)
        steps = [30, LARGE, 10]
        values = [math.nan, -math.inf, 1 / 3]
        known = {
            (key, phase, name, step): (epoch, value)
            for key in (later[0], run[0])
            for phase, name in (("val", "b%"), ("train", "a"), ("train", "b%"), ("val", "a'"))
            for epoch, (step, value) in enumerate(zip(steps, values, strict=True))
        }
        store.write(Batch("s", metrics=known))
        store.write(Batch("t", metrics={(KEY, "val", "b%", 0): (0, 1.0)}))
        columns = store.metric_columns("s")
        read = [
            MetricRow(int(run_id), part.phase, part.name, int(step), int(epoch), float(value))
            for part in columns
            for run_id, step, epoch, value in zip(
                part.run_id, part.step, part.epoch, part.value, strict=True
            )
        ]
        expected = sorted(store.metrics("s"), key=lambda row: (row[1:3], row[0], row[3]))
        assert repr(read) == repr(expected)
        shown = [(part.phase, part.name) for part in store.metric_columns("s", ["a", "c"])]
        assert shown == [("train", "a"), ("val", "a'"), ("val", "b%")]
        assert store.metric_columns("nope") == []

    def test_fingerprints_are_kept_by_run_and_name(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        (key, run_id) = run
        store.write(Batch("s", fingerprints={key: {"train": "1", "val": "2"}}))
        store.write(Batch("s", fingerprints={key: {"val": "3"}}))
        assert store.fingerprints("s") == {run_id: {"train": "1", "val": "3"}}

    # --- facts -------------------------------------------------------------------------

    @examples
    @given(st.dictionaries(names, attributes, max_size=3))
    def test_every_fact_comes_back(
        self, store: Store, run: tuple[RunKey, int], drawn: dict[str, dict[str, Any]]
    ) -> None:
        (key, run_id) = run
        store.write(Batch("s", facts={key: drawn}))
        found = store.facts("s").get(run_id, {})
        assert {k: canonical_json(found[k]) for k in drawn} == {
            kind: canonical_json(body) for kind, body in drawn.items()
        }

    def test_facts_of_another_kind_are_kept_and_those_of_the_same_kind_are_replaced(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        (key, run_id) = run
        store.write(Batch("s", facts={key: {"code": {"a": 1}, "data": {"b": 2}}}))
        store.write(Batch("s", facts={key: {"code": {"c": 3}}}))
        assert store.facts("s") == {run_id: {"code": {"c": 3}, "data": {"b": 2}}}

    def test_facts_that_runs_share_are_stored_once_and_read_by_study(
        self, url: str, store: Store, definition: int
    ) -> None:
        body = {"shared by": ["two", "studies"]}
        for study in ("s", "t"):
            of_study = define(store, study)
            for seed in (1, 2):
                key, _ = start(store, of_study, study=study, seed=seed)
                store.write(Batch(study, facts={key: {"code": body}}))
        engine, tables = database(url)
        with engine.connect() as connection:
            bodies = connection.execute(select(tables["ablate_facts"].c.body)).scalars()
            assert [json.loads(text) for text in bodies].count(body) == 1
        runs = store.runs("s")
        assert store.facts("s") == {run.id: {"code": body} for run in runs}

    # --- means by group ------------------------------------------------------------------

    @examples
    @given(means)
    @example({"": (math.nan, 0), "a": (math.inf, 1), "ä": (1 / 3, LARGE)})
    def test_every_mean_by_group_comes_back(
        self, store: Store, run: tuple[RunKey, int], drawn: dict[str, tuple[float, int]]
    ) -> None:
        (key, run_id) = run
        store.write(Batch("s", groups={(key, "task", "m", 7): (1, drawn)}))
        (row,) = store.groups("s")
        assert row[:-1] == (run_id, "task", "m", 7, 1)
        assert repr(row.means) == repr(drawn)

    def test_means_by_group_are_replaced_at_a_step_and_kept_at_others(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        (key, run_id) = run
        old, new = {"a": (1.0, 2)}, {"b": (2.0, 3)}
        store.write(Batch("s", groups={(key, "task", "m", step): (0, old) for step in (9, 10)}))
        store.write(Batch("s", groups={(key, "task", "m", 10): (1, new)}))
        first = GroupRow(run_id, "task", "m", 9, 0, old)
        assert store.groups("s") == [first, GroupRow(run_id, "task", "m", 10, 1, new)]

    def test_means_by_group_are_read_by_name_and_study(
        self, store: Store, run: tuple[RunKey, int]
    ) -> None:
        other = start(store, define(store, "t"), study="t")
        for study, (key, _) in (("s", run), ("t", other)):
            batch = Batch(study)
            batch.groups |= {(key, "task", name, 0): (0, {"a": (1.0, 1)}) for name in "nm"}
            store.write(batch)
        assert [row.name for row in store.groups("s")] == ["m", "n"]
        assert [row.name for row in store.groups("s", ["n", "zzz"])] == ["n"]
        assert {row.run_id for row in store.groups("t")} == {other[1]}

    # --- the lock ------------------------------------------------------------------------

    def test_a_study_is_run_by_one_process(self, url: str, store: Store, definition: int) -> None:
        holder = python(HOLDER, url, "s")
        assert holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(RequestError, match="run the same command again") as caught,
            store.lock("s"),
        ):
            pass
        assert f"process {holder.pid} on {socket.gethostname()}" in str(caught.value)
        with store.lock("another study"):
            pass
        holder.communicate("")
        with store.lock("s"):
            store.write(whole(definition, 0))
        with store.lock("s"), Store.open(url, create=False) as other, pytest.raises(RequestError):
            other.lock("s").__enter__()

    def test_a_lock_ends_with_its_process_however_that_ends(
        self, url: str, store: Store, definition: int
    ) -> None:
        holder = python(HOLDER, url, "s")
        assert holder.stdout.readline() == "locked\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        self.take_soon(store)

    def test_no_child_of_a_process_keeps_its_lock(
        self, url: str, store: Store, definition: int
    ) -> None:
        code = (
            HOLDER.replace("sys.stdin.read()", "")
            + """
    import os, subprocess
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    subprocess.Popen(["sleep", "20"], close_fds=False)
    print("forked", flush=True)
    sys.stdin.read()
"""
        )
        holder = python(code, url, "s")
        assert [holder.stdout.readline() for _ in range(2)] == ["locked\n", "forked\n"]
        with pytest.raises(RequestError):
            store.lock("s").__enter__()
        holder.kill()
        holder.wait()
        self.take_soon(store)

    @pytest.mark.parametrize("name", ["../up and/away\\*?", "ü" * 100, "x" * 300, "CON", ""])
    def test_every_name_of_a_study_can_be_locked(
        self, store: Store, name: str, tmp_path: Path
    ) -> None:
        before = sorted(tmp_path.parent.iterdir())
        with store.lock(name), store.lock(name + "2"):
            assert sorted(tmp_path.parent.iterdir()) == before
        assert [path for path in tmp_path.iterdir() if path.suffix == ".lock"] == []

    @staticmethod
    def take_soon(store: Store) -> None:
        """Take the lock; a server may need a moment to notice that its client is gone."""
        end = time.monotonic() + 10
        while True:
            try:
                with store.lock("s"):
                    return
            except RequestError:
                assert time.monotonic() < end
                time.sleep(0.05)

    # --- several processes ---------------------------------------------------------------

    def test_a_writer_stops_no_reader(
        self, store: Store, definition: int, holding: Holding
    ) -> None:
        store.write(whole(definition, 0))
        with holding():
            began = time.monotonic()
            assert len(store.runs("s")) == len(store.trials("s")) == len(store.past("s")) == 1
            assert len(store.metrics("s")) == 40
            assert store.study("s").definition_id == definition
            assert time.monotonic() - began < 2

    def test_a_locked_database_is_unavailable_and_then_works(
        self, url: str, store: Store, definition: int, holding: Holding
    ) -> None:
        with Store.open(url, create=False, busy_seconds=0.3) as impatient:
            impatient.write(whole(definition, 0))
            with holding():
                began = time.monotonic()
                with pytest.raises(Unavailable, match="try again"):
                    impatient.write(whole(definition, 1))
                assert 0.2 < time.monotonic() - began < 5
            assert len(impatient.past("s")) == 1
            impatient.write(whole(definition, 1))
        assert recorded(store, "s")[0][1]["state"] == "COMPLETE"
        assert len(store.metrics("s")) == 80

    def test_processes_write_at_once_without_losing_anything(
        self, url: str, store: Store, definition: int
    ) -> None:
        options = {} if url.startswith("postgresql") else {"timeout": 30}
        url_of_optuna = parse_url(url).render_as_string(hide_password=False)
        processes = [
            python(WRITER, url, "one", 25),
            python(WRITER, url, "two", 25),
            python(PLAIN_OPTUNA, url_of_optuna, repr(options)),
        ]
        assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
        for process in processes:
            process.stdout.close()
        expected = recorded(store, "one")
        assert expected == recorded(store, "two")
        assert [row["state"] for row in expected[0]] == ["COMPLETE"] * 25
        assert len(expected[3]) == 1000
        assert [trial.number for trial in store.past("plain")] == list(range(8))

    @pytest.mark.long
    def test_what_was_acknowledged_survives_the_death_of_the_writer(
        self, url: str, store: Store, definition: int
    ) -> None:
        if not self.one_transaction:
            pytest.skip("a killed writer may leave a part of a batch")
        script = python(f"from {crash.__name__} import main; main()", url, definition, 20)
        output, _ = script.communicate(timeout=120)
        assert script.returncode == 0
        acknowledged = json.loads(output)
        assert len(acknowledged) == 20
        assert all(acknowledged)
        found, _, runs, rows, prints, groups, facts = recorded(store, "s")
        numbers = [row["number"] for row in found]
        assert numbers == list(range(len(numbers)))
        assert {n for round_ in acknowledged for n in round_} <= {*numbers}
        # Each death may have come between a commit and its acknowledgement, once.
        assert len(numbers) - sum(map(len, acknowledged)) <= 20 * crash.SIZE
        assert len(numbers) % crash.SIZE == 0
        assert len(rows) == 40 * len(numbers)
        assert len(prints) == len(groups) == len(facts) == len(runs) == len(numbers)
        assert {run["status"] for run in runs} == {Status.COMPLETE}
        assert {row["intermediate"] for row in found} == {found[0]["intermediate"]}
        assert {row["state"] for row in found} == {"COMPLETE"}

"""What was edited or removed behind the store's back is found and named; nothing else is."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from sqlalchemy import create_engine, text

from ablate.spec import Cause
from ablate.store import Batch, RunEnd, RunKey, Seals, Store, TrialEnd
from ablate.store.seals import Sums
from ablate.store.urls import parse_url
from ablate.testing.batches import COMPLETE, define, failed, new_run, running, start, whole


@pytest.fixture
def two(store, definition):
    """A study of two trials with a run each."""
    for number in (0, 1):
        store.write(whole(definition, number))
    return store


def edit(url, *statements):
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        for statement in statements:
            for short, long in WRITTEN_OUT.items():
                statement = statement.replace(short, long)  # noqa: PLW2901
            assert connection.execute(text(statement)).rowcount > 0, statement
    engine.dispose()


def said(store, study="s"):
    return [str(found) for found in store.check_seals(study).edits]


WRITTEN_OUT = {
    "AT_STEP_3": "OF_RUN AND name = 'm1' AND step = 3",
    "OF_RUN": "WHERE run_id = (SELECT id FROM ablate_runs WHERE trial = 1)",
    "OF_TRIAL": "WHERE trial_id = (SELECT trial_id FROM trials WHERE number = 1)",
}
PLANTED = {
    "UPDATE ablate_metrics SET value = 0.25 AT_STEP_3": (
        "trial 1, seed 307: m1 (val) at step 3, epoch 3 is 0.25, which was not recorded"
    ),
    "UPDATE ablate_metrics SET value = 1e300 * 1e300 AT_STEP_3": "at step 3, epoch 3 is inf",
    "UPDATE ablate_metrics SET value = NULL AT_STEP_3": "at step 3, epoch 3 is nan",
    "UPDATE ablate_metrics SET epoch = 7 AT_STEP_3": "m1 (val) at step 3, epoch 7",
    "UPDATE ablate_metrics SET value = 46 - value OF_RUN AND name = 'm1' AND step IN (4, 7)": (
        "m1 (val) at step 4"
    ),
    "DELETE FROM ablate_metrics AT_STEP_3": "m1 (val) is 9 values; 10 values was recorded",
    "DELETE FROM ablate_metrics OF_RUN AND name = 'm1'": "m1 (val) is 0 values",
    "UPDATE trial_values SET value = 0.125 OF_TRIAL": (
        "trial 1: its value in Optuna's tables is 0.125; 0.5 was recorded"
    ),
    "DELETE FROM trial_values OF_TRIAL": "trial 1: its value in Optuna's tables is None; 0.5",
    "UPDATE trials SET state = 'FAIL' WHERE number = 1": "is failed; complete was recorded",
    "UPDATE ablate_runs SET arm = 'b' WHERE trial = 1": "its arm is b; a was recorded",
    "UPDATE ablate_runs SET seed = 5 WHERE trial = 1": "its seed is 5; 307 was recorded",
    "UPDATE ablate_runs SET trial = 7 WHERE trial = 1": "its trial is 7; 1 was recorded",
    "UPDATE ablate_runs SET epochs = 11 WHERE trial = 1": "its epochs is 11; 10 was recorded",
    "UPDATE ablate_runs SET status = 'failed' WHERE trial = 1": "its status is failed; complete",
    "UPDATE ablate_runs SET config = '{}' WHERE trial = 1": "its configuration was edited",
    "DELETE FROM ablate_seals WHERE trial = 0 AND run_id IS NULL": "its seal, or the one before",
    "UPDATE ablate_seals SET body = replace(body, '0.5', '0.7') WHERE trial = 0": "its seal, or",
}


@pytest.mark.parametrize("statement", PLANTED)
def test_an_edit_is_found_and_named(two, url, statement):
    assert two.check_seals("s") == Seals(2, 0)
    edit(url, statement)
    found = said(two)
    assert any(PLANTED[statement] in line for line in found), found
    trials = {line.partition(":")[0].partition(",")[0] for line in found}
    assert len(trials) == 1


def test_a_run_that_was_removed_is_found(two, url):
    edit(
        url,
        "DELETE FROM ablate_metrics OF_RUN",
        "DELETE FROM ablate_fingerprints OF_RUN",
        "DELETE FROM ablate_groups OF_RUN",
        "DELETE FROM ablate_run_facts OF_RUN",
        "DELETE FROM ablate_runs WHERE trial = 1",
    )
    assert said(two) == ["trial 1, seed 307: its run (attempt 0) was removed or replaced"]


def test_an_edit_below_the_sums_is_found_in_runs_that_are_looked_at_whole(two, url):
    edit(url, "UPDATE ablate_metrics SET value = value + 1e-12 AT_STEP_3")
    (run,) = (run for run in two.runs("s") if run.trial == 1)
    assert said(two) == []
    (found,) = two.check_seals("s", {run.id}).edits
    assert "m1 (val) at step 3" in str(found)


def test_what_ablate_writes_itself_is_no_edit(store, definition):
    key, _ = start(store, definition)
    assert store.check_seals("s") == Seals(0, 0)
    store.write(Batch("s", trials={0: running()}))
    store.write(Batch("s", metrics={(key, "val", "m", 1): (0, math.nan)}))
    store.write(Batch("s", ended_runs={key: RunEnd(failed("x", Cause.LOST), 1, 2)}))
    assert store.check_seals("s") == Seals(1, 0)
    late = Batch("s", metrics={(key, "val", "m", 2): (1, math.inf)}, parameters={key: 7})
    store.write(late)
    again = RunKey(0, 307, 1)
    store.write(Batch("s", runs={again: new_run(definition, again)}))
    store.write(Batch("s", ended_runs={again: RunEnd(COMPLETE, 3, 4)}))
    store.write(Batch("s", ended_trials={0: TrialEnd(TrialState.PRUNED, None)}))
    for _ in range(2):
        store.write(late)
        assert store.check_seals("s", [1, 2]) == Seals(2, 0)


def test_studies_are_sealed_apart(two, url):
    other = define(two, "t")
    two.write(whole(other, 0, "t"))
    edit(url, "UPDATE ablate_metrics SET value = 9 WHERE run_id IN "
         "(SELECT id FROM ablate_runs WHERE study = 's')")  # fmt: skip
    assert said(two)
    assert said(two, "t") == []


def test_writing_again_adds_no_seal(store, url, definition):
    batches = [whole(definition, number) for number in (0, 1)]
    for batch in (*batches, *batches):
        store.write(batch)
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ablate_seals")).scalar() == 4
    engine.dispose()


def test_runs_of_a_time_before_the_seals_are_not_sealed_and_no_alarm(url, store, definition):
    store.write(whole(definition, 0))
    edit(url, "DELETE FROM ablate_seals")
    assert store.check_seals("s") == Seals(0, 1)
    store.write(whole(definition, 1))
    assert store.check_seals("s") == Seals(1, 1)
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE ablate_seals"))
    engine.dispose()
    with Store.open(url, create=False) as reader:
        assert reader.check_seals("s") == Seals(0, 2)
        assert reader.check_seals("nope") == Seals(0, 0)


numbers = st.floats(-1e6, 1e6) | st.just(math.nan)
values = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 100), numbers), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values, st.randoms())
def test_the_order_in_which_values_are_added_does_not_matter(found, random):
    sums = Sums.of(found)
    shuffled = sorted(found, key=lambda _: random.random())
    assert sums.allow(*Sums.of(shuffled)[:3])

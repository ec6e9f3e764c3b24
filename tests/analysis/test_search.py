import math
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import best_so_far, best_trial, trials_table
from ablate.spec import Direction, Objective, Status
from ablate.store import TrialRecord
from tests.analysis.frames_of import NOW, run, search_frames

states = st.sampled_from([Status.COMPLETE, Status.PRUNED, Status.FAILED, Status.RUNNING])
outcomes = st.lists(st.tuples(states, st.none() | st.floats()), max_size=8)
directions = st.sampled_from(Direction)


def searched(outcomes, direction=Direction.MINIMIZE, runs=()):
    trials = tuple(
        TrialRecord(i, state, value, {"x": i}, {}, NOW, NOW + timedelta(seconds=i))
        for i, (state, value) in enumerate(outcomes)
    )
    objective = Objective(metric="loss", direction=direction)
    return search_frames(list(runs), trials, objective=objective)


@settings(max_examples=30)
@given(outcomes, directions)
def test_the_running_best_never_gets_worse_and_holds_every_value(outcomes, direction):
    history = best_so_far(trials_table(searched(outcomes)), direction)
    expected = [
        i for i, (s, v) in enumerate(outcomes) if s is Status.COMPLETE and v and math.isfinite(v)
    ]
    assert set(expected) <= set(history["number"])
    sign = 1 if direction is Direction.MINIMIZE else -1
    best = (sign * history["best"]).tolist()
    assert best == sorted(best, reverse=True)
    assert all(b <= v for b, v in zip(best, (sign * history["value"]).tolist(), strict=True))


@settings(max_examples=30)
@given(outcomes, directions)
def test_the_best_trial_is_complete_finite_and_first(outcomes, direction):
    best = best_trial(searched(outcomes, direction))
    finite = [v for s, v in outcomes if s is Status.COMPLETE and v is not None and math.isfinite(v)]
    if not finite:
        assert best is None
        return
    value = min(finite) if direction is Direction.MINIMIZE else max(finite)
    assert best.value == value
    assert best.number == outcomes.index((Status.COMPLETE, value))


def test_trials_name_their_seeds_time_and_trouble():
    runs = [
        run(1, trial=1, arm=None, seed=5),
        run(2, trial=1, arm=None, seed=6, status=Status.FAILED, reason="boom"),
        run(3, trial=1, arm=None, seed=7, status=Status.FAILED, reason="boom"),
    ]
    table = trials_table(searched([(Status.RUNNING, None), (Status.FAILED, math.inf)], runs=runs))
    first, second = table.to_dict("records")
    assert (first["seeds"], first["reason"], first["seconds"]) == ((), "", 0)
    assert math.isnan(first["value"])
    assert (second["seeds"], second["reason"], second["seconds"]) == ((5, 6, 7), "boom", 1)
    assert second["params"] == {"x": 1}


def test_a_trial_that_is_open_has_no_duration():
    trial = TrialRecord(0, Status.WAITING, None, {}, {}, None, None)
    table = trials_table(search_frames([], (trial,)))
    assert math.isnan(table["seconds"].iloc[0])

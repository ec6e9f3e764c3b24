import math
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import best_so_far, best_trial, count_trials, drawn_values, trials_table
from ablate.analysis.good_trials import good_trials
from ablate.reports.search_lead import counted
from ablate.spec import Cause, Direction, Objective, Status
from ablate.store import TrialRecord
from tests.analysis.frames_of import NOW, metrics, run, search_frames
from tests.analysis.searches import trial

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


def with_curves(frames, curves):
    return type(frames)(
        frames.name, frames.definition, frames.runs, metrics(curves), trials=frames.trials
    )


def test_a_trial_without_a_value_stands_at_the_mean_of_its_last_values():
    runs = [run(n, arm=None, trial=n // 2, seed=n % 2) for n in range(4)]
    trials = (trial(0, None, state=Status.PRUNED), trial(1, 2.0), trial(2, None))
    frames = search_frames(runs, trials)
    curves = {(0, "val_loss"): [9.0, 5.0], (1, "val_loss"): [4.0], (2, "val_loss"): [7.0]}
    last = trials_table(with_curves(frames, curves))["last"]
    assert last.tolist()[:2] == [4.5, 2.0]
    assert math.isnan(last.iloc[2])


def test_no_trial_is_invisible():
    trials = (
        trial(0, 1.0),
        trial(1, None, state=Status.FAILED),
        trial(2, None, state=Status.PRUNED),
        trial(3, 1.0, reused_from=0),
        trial(4, 2.0, retries=1),
        trial(5, 3.0, replicate_of=0),
        trial(6, math.nan),
        trial(7, None, state=Status.RUNNING),
    )
    table = trials_table(search_frames([], trials))
    counts = count_trials(table)
    assert counts.total == sum(counts.states.values()) == len(trials)
    assert counts.states == {
        Status.COMPLETE: 5,
        Status.FAILED: 1,
        Status.PRUNED: 1,
        Status.RUNNING: 1,
    }
    assert (counts.reused, counts.repeated, counts.replicates, counts.valueless) == (1, 1, 1, 1)
    assert table["reused_from"].dropna().to_dict() == {3: 0}
    assert table["repeats"].dropna().to_dict() == {4: 1}
    assert table["replicates"].dropna().to_dict() == {5: 0}


def test_diverged_trials_are_counted_among_the_failed():
    runs = [
        run(1, trial=0, arm=None, status=Status.FAILED, cause=Cause.DIVERGED),
        run(2, trial=1, arm=None, status=Status.FAILED, cause=Cause.RAISED),
    ]
    table = trials_table(searched([(Status.FAILED, None)] * 2, runs=runs))
    assert table["diverged"].tolist() == [True, False]
    counts = count_trials(table)
    assert counts.diverged == 1
    assert "2 failed; 1 of the failed ones diverged" in counted(counts)


def test_an_empty_search_has_an_empty_table():
    counts = count_trials(trials_table(search_frames([])))
    assert (counts.total, counts.states, counts.repeated) == (0, {}, 0)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-1, 1)), max_size=8), directions)
def test_what_breaks_a_constraint_is_counted_and_never_the_best(found, direction):
    trials = tuple(replace(trial(n, v), constraints={"c": c}) for n, (v, c) in enumerate(found))
    objective = Objective(metric="loss", direction=direction)
    frames = search_frames([], trials, objective=objective)
    feasible = [one for one in trials if one.constraints["c"] <= 0]
    table = trials_table(frames)
    assert best_so_far(table, direction)["number"].tolist() == [one.number for one in feasible]
    assert count_trials(table).infeasible == len(found) - len(feasible)
    assert all(one in feasible for one in good_trials(frames))
    best = best_trial(frames)
    assert (best and best.value) == (
        direction.best(one.value for one in feasible) if feasible else None
    )


def test_a_trial_that_breaks_a_constraint_is_drawn_as_the_worst_feasible_one():
    trials = (trial(0, 1.0), trial(1, 3.0), replace(trial(2, 0.0), constraints={"c": 1.0}))
    frames = search_frames([], trials)
    assert drawn_values(frames, trials_table(frames)) == [1.0, 3.0, 3.0]

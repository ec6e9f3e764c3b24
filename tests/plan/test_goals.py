"""Goals are followed value by value: what is reached, what is missed, when, and by how much."""

import json
import math
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.plan import GoalTracker, Judgement, Kind, Verdict
from ablate.plan.goals import judgement, plain
from ablate.spec import Action, Goals

numbers = st.floats(-1e6, 1e6)
series = st.lists(numbers, min_size=1, max_size=30)

TOTAL_AND_FEEDBACK = [
    {"metric": "total", "statistic": "mean", "window": 3, "above": 1.5},
    {"metric": "feedback", "statistic": "mean", "window": 3, "above": 0},
]


def followed(goals, values, *, total=None, name="reward"):
    """Let a metric take some values, one per step."""
    tracker = GoalTracker(Goals.model_validate(goals), total)
    for step, value in enumerate(values, 1):
        tracker.see(step, 0, {name: value})
        tracker.reach(step, 0)
    tracker.end(len(values), 1)
    return tracker


def only(tracker) -> Judgement:
    (found,) = tracker.judgements
    return found


def milestone(at, **expect):
    return {"milestones": [{"at": at, "expect": {"metric": "reward", **expect}}]}


# Milestones


def test_a_milestone_is_judged_at_its_step_alone():
    goals = milestone({"step": 3}, above=0.3)
    assert only(followed(goals, [0, 0, 0.5, 0])).verdict is Verdict.REACHED
    missed = only(followed(goals, [1, 1, 0.1, 1]))
    assert (missed.verdict, missed.step) == (Verdict.MISSED, 3)
    assert missed.measured[0].value == 0.1
    assert missed.measured[0].short == pytest.approx(0.2)


def test_a_milestone_behind_the_end_is_pending_and_says_how_it_stood():
    found = only(followed(milestone({"step": 10}, above=0.3), [1, 2]))
    assert (found.verdict, found.measured[0].value, found.action) == (Verdict.PENDING, 2, None)


def test_a_share_is_of_the_steps_that_the_training_is_to_have():
    goals = milestone({"share": 0.5}, above=0)
    assert only(followed(goals, [1] * 8, total=8)).step == 4
    assert only(followed(goals, [1] * 8)).verdict is Verdict.PENDING


def test_a_milestone_after_an_epoch_waits_for_its_end():
    tracker = GoalTracker(Goals.model_validate(milestone({"epoch": 2}, above=0)))
    tracker.see(1, 0, {"reward": 1.0})
    assert tracker.reach(4, 1) == []
    assert [found.verdict for found in tracker.reach(8, 2)] == [Verdict.REACHED]


def test_too_few_values_are_a_miss_that_says_so():
    goals = milestone({"step": 2}, statistic="mean", window=5, above=0)
    found = only(followed(goals, [1, 1, 1]))
    assert found.verdict is Verdict.MISSED
    assert "mean of the last 5 reward above 0: too few values" in found.text


def test_the_first_time_positive_is_any_value_so_far():
    goals = milestone({"step": 3}, statistic="ever", above=0)
    assert only(followed(goals, [-1, 0.1, -1])).verdict is Verdict.REACHED
    assert only(followed(goals, [-1, -0.1, -1, 5])).verdict is Verdict.MISSED


def test_an_action_belongs_to_a_miss():
    goals = milestone({"step": 1}, above=0)
    goals["milestones"][0]["action"] = "stop"
    assert only(followed(goals, [1])).action is None
    assert only(followed(goals, [-1])).action is Action.STOP


@given(series, st.integers(1, 6), numbers)
def test_statistics_are_of_the_last_values(values, window, bound):
    for name, statistic in {"mean": fmean, "min": min, "max": max}.items():
        goals = milestone({"step": len(values)}, statistic=name, window=window, at_least=bound)
        found = only(followed(goals, values)).measured[0]
        last = values[-window:]
        assert found.value == (statistic(last) if len(last) == window else None)
        assert found.holds is (found.value is not None and found.value >= bound)


@pytest.mark.parametrize("statistic", ["last", "mean", "min", "max", "ever"])
@pytest.mark.parametrize("side", ["above", "at_least", "below", "at_most"])
def test_what_is_no_number_lies_on_no_side(statistic, side):
    goals = milestone({"step": 1}, statistic=statistic, **{side: 0})
    assert only(followed(goals, [math.nan])).verdict is Verdict.MISSED


# Success


def test_success_is_the_first_step_at_which_all_holds():
    tracker = GoalTracker(Goals.model_validate({"success": TOTAL_AND_FEEDBACK}))
    for step in range(1, 12):
        tracker.see(step, 0, {"total": 0.4 * step, "feedback": step - 6.0})
    # Means of three: total 0.4 (step - 1) > 1.5 from step 5 on, feedback step - 7 > 0 from 8 on.
    found = only(tracker)
    assert (found.kind, found.verdict, found.step) == (Kind.SUCCESS, Verdict.REACHED, 8)
    tracker.end(11, 1)
    assert tracker.success == found


@given(series, numbers)
def test_success_is_reached_once_or_missed_at_the_end(values, bound):
    tracker = followed({"success": [{"metric": "reward", "above": bound}]}, values)
    found = tracker.judgements[0]
    first = next((step for step, value in enumerate(values, 1) if value > bound), None)
    assert (found.verdict is Verdict.REACHED) is (first is not None)
    assert found.step == (first or len(values))
    assert tracker.success == (found if first else None)
    assert len(tracker.judgements) == (2 if first else 1)


@given(st.lists(st.sampled_from([0.0, 2.0, math.nan]), min_size=1, max_size=12))
def test_the_end_says_whether_success_still_holds_and_since_when(values):
    tracker = followed({"success": [{"metric": "reward", "above": 1}]}, values)
    at_end = [each for each in tracker.judgements if each.kind is Kind.AT_THE_END]
    assert bool(at_end) is (2.0 in values)
    for found in at_end:
        held = [value > 1 for value in values]
        assert (found.verdict is Verdict.REACHED) is held[-1]
        assert {*held[found.step - 1 :]} == {held[-1]}
        assert found.step == 1 or held[found.step - 2] is not held[-1]


def test_a_success_that_was_lost_says_where():
    tracker = followed({"success": [{"metric": "reward", "above": 1}]}, [0, 2, 0, 2, 0.5, 0])
    reached, at_end = tracker.judgements
    assert (reached.step, at_end.step, at_end.verdict) == (2, 5, Verdict.MISSED)
    assert (at_end.measured[0].value, at_end.action) == (0, None)
    assert at_end.text == "success: lost at step 5, at the end (reward above 1: 0)"
    kept = followed({"success": [{"metric": "reward", "above": 1}]}, [0, 2, 0, 2]).judgements[1]
    assert kept.text == "success: held from step 4 on, at the end (reward above 1: 2)"


# Plateaus and first steps


def test_a_plateau_is_steps_without_a_better_value():
    goals = {"plateau": {"metric": "reward", "direction": "maximize", "steps": 3}}
    assert followed(goals, [1, 2, 2, 2]).judgements == ()
    found = only(followed(goals, [1, 2, 2, 2, 1]))
    assert (found.kind, found.step) == (Kind.PLATEAU, 5)
    assert "no reward better than 2.0 since step 2" in found.text


@given(st.lists(numbers, min_size=2, max_size=30), st.integers(1, 8))
def test_what_gets_better_at_every_step_is_no_plateau(values, steps):
    falling = sorted(set(values), reverse=True)
    goals = {"plateau": {"metric": "reward", "direction": "minimize", "steps": steps}}
    assert followed(goals, falling).judgements == ()


def test_a_gain_below_the_least_one_is_none():
    goals = {"plateau": {"metric": "reward", "direction": "maximize", "steps": 3, "min_delta": 0.5}}
    assert only(followed(goals, [1, 1.1, 1.2, 1.3])).step == 4


def test_the_first_steps_are_watched_until_they_are_over():
    goals = {"watch": {"steps": 3, "all": {"metric": "reward", "above": -1}}}
    good = only(followed(goals, [0, 0, 0, -5]))
    assert (good.verdict, good.step, good.action) == (Verdict.REACHED, 3, None)
    bad = only(followed(goals, [0, -2, 0, 0]))
    assert (bad.verdict, bad.step, bad.action) == (Verdict.MISSED, 2, Action.STOP)


# To be continued


EVERYTHING = {
    "milestones": [
        {"at": {"step": 4}, "expect": {"metric": "reward", "statistic": "ever", "above": 0}},
        {"at": {"share": 0.5}, "expect": {"metric": "reward", "window": 2, "statistic": "mean",
                                          "below": 1}},
    ],
    "success": [{"metric": "reward", "statistic": "min", "window": 3, "above": 0}],
    "plateau": {"metric": "reward", "direction": "maximize", "steps": 2, "window": 2},
    "watch": {"steps": 3, "all": [{"metric": "reward", "above": -1e5}]},
    "divergence": {"metric": "reward", "times": 2, "first": 3},
}  # fmt: skip


@given(series, st.integers(0, 30), st.integers(1, 40))
def test_a_tracker_that_continues_says_what_an_unbroken_one_says(values, cut, total):
    goals = Goals.model_validate(EVERYTHING)
    tracker = GoalTracker(goals, total)
    for step, value in enumerate(values, 1):
        tracker.see(step, 0, {"reward": value})
        tracker.reach(step, 0)
        if step == cut:
            state = json.loads(json.dumps(tracker.to_plain()))
            tracker = GoalTracker(goals, total)
            tracker.restore(state)
    tracker.end(len(values), 1)
    assert tracker.judgements == followed(EVERYTHING, values, total=total).judgements


@given(series)
def test_a_judgement_survives_as_json(values):
    for found in followed(EVERYTHING, [*values, math.inf], total=7).judgements:
        assert judgement(json.loads(json.dumps(plain(found), allow_nan=False))) == found


# Divergence

DIVERGENCE = {"divergence": {"metric": "reward", "times": 10, "first": 3}}


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([1, 2, 3, 20, 20.1], 5),
        ([1, 2, 3, math.nan], 4),
        ([1, math.inf], 2),
        ([5000, 1, 2, 3, 21], 5),
        ([1, 900, 2, 3], None),
        ([0, 0, 0, 9], None),
    ],
    ids=["too high", "nan", "among the first", "of a median", "a first value", "of nothing"],
)
def test_a_run_has_diverged_far_above_the_median_of_its_first_values(values, step):
    found = only(followed(DIVERGENCE, values))
    assert found.kind is Kind.DIVERGENCE
    if step is None:
        assert (found.verdict, found.action) == (Verdict.REACHED, None)
    else:
        assert (found.verdict, found.step, found.action) == (Verdict.MISSED, step, Action.STOP)


def test_a_divergence_says_what_was_exceeded_and_by_how_much():
    found = only(followed(DIVERGENCE, [1, 2, 3, 25]))
    assert found.measured[0].short == 5
    assert found.text == (
        "diverged at step 4 (reward at most 10 times the median of the first 3, 20: 25)"
    )
    assert "(reward finite: nan)" in only(followed(DIVERGENCE, [math.nan])).text


@given(series, st.integers(1, 5), st.floats(1.5, 100))
def test_what_stays_below_the_limit_never_diverges(values, first, times):
    limit = times * median(values[:first])
    tame = [*values[:first], *(value for value in values[first:] if value <= limit)]
    goals = {"divergence": {"metric": "reward", "times": times, "first": first}}
    if limit > 0:
        assert only(followed(goals, tame)).verdict is Verdict.REACHED
        late = [*tame, 2 * limit] if len(tame) >= first else tame
        assert (only(followed(goals, late)).verdict is Verdict.MISSED) is (len(tame) >= first)

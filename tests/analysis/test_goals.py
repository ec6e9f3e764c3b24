"""What the runs reached of what was expected of them, counted by arm."""

import re

from ablate.analysis import goal_counts, goals_frame, successes
from ablate.plan import GoalTracker
from ablate.plan.goals import FACTS, facts
from ablate.reports import goals as section
from ablate.reports.blocks import Document
from ablate.reports.markdown import render
from ablate.reports.numbers import NOTHING
from ablate.spec import Goals

from .frames_of import frames, run

EXPECTED = Goals.model_validate(
    {
        "success": [{"metric": "reward", "above": 1}],
        "milestones": [{"at": {"step": 9}, "expect": {"metric": "reward", "above": 0}}],
    }
)


def reached(values):
    tracker = GoalTracker(EXPECTED)
    for step, value in enumerate(values, 1):
        tracker.see(step, 0, {"reward": value})
        tracker.reach(step, 0)
    tracker.end(len(values), 1)
    return {FACTS: facts(tracker.judgements)}


def told():
    runs = [run(1), run(2, seed=2), run(3, arm="b"), run(4, arm="zero")]
    curves = {1: [0, 2], 2: [0, 0, 0, 1.5], 3: [-1, -2, -0.5]}
    return goals_frame(
        frames(runs, {}), {run_id: reached(values) for run_id, values in curves.items()}
    )


def test_goals_are_counted_by_arm():
    counted = {(count.arm, count.goal): count for count in goal_counts(told())}
    success = counted["a", "success"]
    assert (success.reached, success.missed, success.steps) == (2, 0, (2, 4))
    assert success.short is None
    missed = counted["b", "success"]
    assert (missed.reached, missed.missed, missed.short) == (0, 1, 1.5)
    assert counted["a", "step 9"].pending == 2
    assert "zero" not in {arm for arm, _ in counted}


def test_a_report_says_how_many_runs_reached_what_when_and_by_how_much():
    text = render(Document("", (), section.sections(told())))
    assert f"| `a` | success | 2 of 2 | 0 | 0 | 2 to 4 | {NOTHING} |" in text
    assert f"| `b` | success | 0 of 1 | 1 | 0 | {NOTHING} | 1.5 |" in text


def lost():
    runs = [run(1), run(2, seed=2), run(3, arm="b"), run(4, arm="b", seed=2)]
    curves = {1: [0, 2, 0.5], 2: [0, 2, 0, 3], 3: [2], 4: [0]}
    return goals_frame(
        frames(runs, {}), {run_id: reached(values) for run_id, values in curves.items()}
    )


def test_runs_that_lost_their_success_are_told_from_those_that_kept_it():
    found = successes(lost())
    assert (found.kept, found.unrecorded) == (2, 0)
    (one,) = found.lost
    assert (one.arm, one.trial, one.seed, one.reached, one.lost) == ("a", 1, 1, 2, 3)
    assert one.lacking == (("reward above 1", 0.5),)


def test_a_report_says_which_run_lost_its_success_and_where():
    text = render(Document("", (), section.sections(lost())))
    assert "| `a` | success at the end | 1 of 2 | 1 | 0 | 4 | 0.5 |" in text
    assert "| `b` | success at the end | 1 of 1 | 0 | 0 | 1 |" in text
    assert (
        "`a`, seed 1, #1: success was reached at step 2 and lost at step 3; reward above 1 is"
        in (re.sub(r"\[([^]]*)\]\(#[^)]*\)", r"\1", text))
    )


def test_a_report_says_of_which_successes_nothing_is_recorded_of_the_end():
    told = lost()
    earlier = told[told["kind"] != "success at the end"]
    assert successes(earlier).unrecorded == 3
    text = render(Document("", (), section.sections(earlier)))
    assert "Of 3 runs that succeeded it is not recorded whether that held to the end." in text


def test_a_study_without_goals_has_no_section():
    assert section.sections(goals_frame(frames([run(1)], {}), {})) == ()

"""Trials and arms of several studies stand side by side as arms of one ablation."""

import dataclasses
from typing import Any

import pytest

from ablate.analysis import (
    AblationFrames,
    Comparator,
    Relation,
    Side,
    Verdict,
    conclude,
    findings_of,
    runs_of_arm,
    runs_of_trial,
    side_by_side,
)
from ablate.errors import RequestError
from ablate.spec import Direction
from ablate.store import FindingRow
from tests.analysis.frames_of import definition, frames, run

SEEDS = (1, 2, 3)


def study(name: str, first: int, values: dict[str, list[float]], **changes: Any) -> AblationFrames:
    """Imagine a study whose arms end at these values, one per seed; run ids count from `first`."""
    runs, curves, number = [], {}, first
    for arm, ends in values.items():
        for seed, end in enumerate(ends, start=1):
            runs.append(run(number, arm=arm, seed=seed, trial=number - first))
            curves[number, "loss"] = [9.0, end]
            curves[number, "acc"] = [0.0, 1 - end / 10]
            number += 1
    made = frames(runs, curves, definition(seeds=SEEDS, **changes))
    return dataclasses.replace(made, name=name)


def side(frames: AblationFrames, arm: str, **config: Any) -> Side:
    return Side(f"{frames.name}/{arm}", frames, runs_of_arm(frames, arm), {"x": 0, **config}, arm)


A = study("one", 1, {"b": [1.0, 2.0, 3.0], "a": [2.0, 3.1, 4.2]})
B = study("two", 100, {"b": [5.0, 6.1, 7.2]})
C = study("three", 200, {"b": [1.3, 2.1, 3.4], "a": [3.0, 4.2, 5.1]})


def test_the_first_side_is_what_the_others_are_compared_with():
    made = conclude(side_by_side([side(A, "b"), side(B, "b", x=3), side(A, "a")]))
    rows = [(row.arm, row.comparator, row.n) for row in made.comparisons if row.metric == "loss"]
    assert rows == [("two/b", "one/b", 3), ("one/a", "one/b", 3)]
    assert made.comparisons[0].difference == pytest.approx(4.1)
    assert {row.verdict for row in made.comparisons if row.arm == "two/b"} == {Verdict.WORSE}
    assert [dict(arm.changes) for arm in made.frames.definition.arms] == [{}, {"x": 3}, {}]


def test_a_side_stands_on_its_own_runs_alone():
    found = side_by_side([side(A, "b"), side(B, "b")])
    assert set(found.runs["run_id"]) == {1, 2, 3, 100, 101, 102}
    assert set(found.metrics["run_id"]) == set(found.runs["run_id"])


def test_a_trial_has_the_runs_of_all_its_seeds():
    assert runs_of_trial(A, 4)["arm"].tolist() == ["a"]
    with pytest.raises(RequestError, match=r"trial 9 of 'one' has no run; its trials: 0 to 5"):
        runs_of_trial(A, 9)
    with pytest.raises(RequestError, match=r"'c' of 'one' has no run"):
        runs_of_arm(A, "c")


def test_runs_are_not_compared_with_themselves():
    trial = Side("one/0", A, runs_of_trial(A, 0), {"x": 0}, "b")
    with pytest.raises(RequestError, match="one/b and one/0: both sides are the same runs"):
        side_by_side([side(A, "b"), trial])


def test_a_metric_that_is_to_rise_here_and_to_fall_there_is_not_compared():
    metrics = {"loss": Direction.MINIMIZE, "acc": Direction.MINIMIZE}
    other = study("two", 100, {"b": [1.0, 2.0, 3.0]}, metrics=metrics)
    with pytest.raises(RequestError, match="acc is to maximize in 'one', and to minimize in 'two'"):
        side_by_side([side(A, "b"), side(other, "b")])


def test_what_an_audit_found_of_an_arm_holds_beside_the_arm_of_another_study():
    leak = FindingRow("train-val-overlap", "error", ("a",), "", "", "", True, "probe")
    sides = [side(B, "b"), side(A, "a")]
    found = [row for one in sides for row in findings_of(one, [leak] if one.frames is A else [])]
    made = conclude(side_by_side(sides), found)
    assert {row.verdict for row in made.comparisons} == {Verdict.NOT_COMPARABLE}


def test_comparators_may_be_named_and_all_comparisons_are_one_family():
    sides = [side(A, "b"), side(A, "a"), side(C, "b"), side(C, "a")]
    beside = {
        "one/b": (),
        "one/a": (),
        "three/b": (Comparator("one/b", Relation.REFERENCE),),
        "three/a": (Comparator("one/a", Relation.REFERENCE),),
    }
    made = conclude(side_by_side(sides), (), beside)
    rows = [row for row in made.comparisons if row.metric == "loss"]
    assert [(row.arm, row.comparator) for row in rows] == [
        ("three/b", "one/b"),
        ("three/a", "one/a"),
    ]
    (alone,) = (
        row
        for row in conclude(side_by_side([side(A, "a"), side(C, "a")])).comparisons
        if row.metric == "loss"
    )
    assert rows[1].difference == alone.difference
    assert alone.p_holm == alone.p
    assert rows[1].p_holm == pytest.approx(2 * rows[1].p)  # the smaller of two

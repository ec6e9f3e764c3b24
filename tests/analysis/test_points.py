import math

from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import Reading, at_best, at_last, metric_names, scores
from ablate.spec import Direction, Status
from tests.analysis.frames_of import OBJECTIVE, frames, run

inf, nan = math.inf, math.nan
values = st.lists(st.sampled_from([nan, inf, -inf, 1.0, 2.0]) | st.floats(), min_size=1, max_size=6)
LAST = OBJECTIVE.model_copy(update={"at": "last"})


def score(curve, objective=OBJECTIVE, **changes):
    made = frames([run(1, **changes)], {(1, "loss"): curve} if curve else {})
    (row,) = scores(made, ["loss"], objective).to_dict("records")
    return row


def why(curve, objective=OBJECTIVE, **changes):
    return score(curve, objective, **changes)["why"]


@settings(max_examples=30)
@given(values, st.sampled_from(Direction))
def test_the_best_point_is_the_first_best_finite_one(curve, direction):
    found = at_best(frames([run(1)], {(1, "loss"): curve}), "loss", direction)
    finite = [value for value in curve if math.isfinite(value)]
    if not finite:
        assert found.empty
        return
    best = min(finite) if direction is Direction.MINIMIZE else max(finite)
    assert found["value"].tolist() == [best]
    assert found["epoch"].tolist() == [curve.index(best)]


@settings(max_examples=30)
@given(values)
def test_the_last_point_is_the_last_one_finite_or_not(curve):
    found = at_last(frames([run(1)], {(1, "loss"): curve}), "loss")
    assert repr(found["value"].tolist()) == repr([curve[-1]])
    assert found["epoch"].tolist() == [len(curve) - 1]


def test_all_metrics_are_read_where_the_objective_is_best():
    made = frames([run(1)], {(1, "loss"): [3.0, 1.0, 2.0], (1, "acc"): [0.1, 0.2, 0.9]})
    table = scores(made, ["acc", "loss"], OBJECTIVE)
    assert table["value"].tolist() == [0.2, 1.0]
    assert table["epoch"].tolist() == [1, 1]
    assert table["last_epoch"].tolist() == [2, 2]
    assert scores(made, ["acc"], LAST)["value"].tolist() == [0.9]


def test_training_values_are_not_read_of_a_metric_that_is_validated():
    made = frames([run(1)], {(1, "loss"): [3.0, 2.0]})
    made.metrics.loc[len(made.metrics)] = [1, "train", "loss", 20, 2, 0.0]
    assert scores(made, ["loss"], OBJECTIVE)["value"].tolist() == [2.0]


def test_a_metric_of_the_study_that_is_never_validated_is_read_in_training():
    made = frames([run(1)], {(1, "loss"): [3.0, 2.0]})
    made.metrics.loc[len(made.metrics)] = [1, "train", "acc", 0, 0, 0.5]
    made.metrics.loc[len(made.metrics)] = [1, "train", "acc", 10, 1, 0.25]
    made.metrics.loc[len(made.metrics)] = [1, "train", "unnamed", 10, 1, 0.125]
    assert scores(made, ["acc", "loss"], OBJECTIVE)["value"].tolist() == [0.25, 2.0]
    assert made.training_metrics == ("acc",)
    assert metric_names(made) == ["acc", "loss"]


def test_a_metric_that_one_arm_validates_is_read_in_training_in_none():
    runs = [run(1, arm="a"), run(2, arm="b")]
    made = frames(runs, {(1, "loss"): [3.0, 2.0]})
    made.metrics.loc[len(made.metrics)] = [2, "train", "loss", 10, 1, 0.5]
    table = scores(made, ["loss"], OBJECTIVE)
    assert table["reading"].tolist() == [Reading.COUNTED, Reading.NO_VALUE]


def test_a_value_that_does_not_count_says_why():
    assert why([2.0, 1.0]) == ""
    assert why([nan, 1.0]) == ""
    assert why([1.0, nan]) == "diverged: loss was nan at its end"
    assert why([1.0, inf], LAST) == "diverged: loss was inf at its end"
    assert why([]) == "no value: loss was not recorded"
    failed = {"status": Status.FAILED, "reason": "out of memory"}
    assert why([1.0], **failed) == "failed: out of memory"
    assert why([1.0], status=Status.PRUNED) == "pruned"
    assert why([1.0], status=Status.RUNNING) == "running"


def test_failed_and_diverged_runs_are_told_apart_without_reading_their_reason():
    def told(curve, objective=OBJECTIVE, **changes):
        row = score(curve, objective, **changes)
        return row["reading"]

    assert told([2.0, 1.0]) is Reading.COUNTED
    assert told([nan, 1.0]) is Reading.COUNTED
    assert told([1.0, nan]) is Reading.DIVERGED
    assert told([1.0, inf], LAST) is Reading.DIVERGED
    assert told([]) is Reading.NO_VALUE
    assert told([nan], status=Status.FAILED, reason="diverged: loss is nan") is Reading.FAILED
    assert told([nan], status=Status.PRUNED, reason="failed") is Reading.PRUNED
    assert told([nan], status=Status.RUNNING) is Reading.RUNNING


def test_a_metric_that_is_absent_or_not_finite_at_the_point_does_not_count():
    made = frames([run(1)], {(1, "loss"): [2.0, 1.0], (1, "acc"): [0.5, nan], (1, "f1"): [0.5]})
    table = scores(made, ["acc", "f1", "loss"], OBJECTIVE)
    assert table["why"].tolist() == [
        "diverged: acc was nan",
        "no value: f1 was not recorded where loss is read",
        "",
    ]
    assert [reading is Reading.DIVERGED for reading in table["reading"]] == [True, False, False]

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import Reading, arm_kinds, arms_table
from ablate.spec import Direction, Status
from tests.analysis.frames_of import METRICS, definition, frames, run


def compared(runs, curves, **changes):
    return arms_table(frames(runs, curves, **changes))


def row(table, arm, metric="loss"):
    (found,) = table[(table["arm"] == arm) & (table["metric"] == metric)].to_dict("records")
    return found


def test_arms_stand_in_declared_order_with_undeclared_ones_before_the_floors():
    made = frames([run(1, arm="old")], {})
    assert arm_kinds(made) == {"b": "arm", "a": "arm", "old": "undeclared", "zero": "floor"}
    table = arms_table(made)
    assert table["arm"].tolist() == ["b", "a", "old", "zero"] * 2
    assert table["metric"].tolist() == ["acc"] * 4 + ["loss"] * 4
    assert table["direction"].tolist() == [Direction.MAXIMIZE] * 4 + [Direction.MINIMIZE] * 4
    assert table.loc[table["reference"], "arm"].unique().tolist() == ["b"]


def test_means_hold_only_what_counts_and_name_the_rest():
    table = compared(
        [
            run(1, parameters=5),
            run(2, seed=2, status=Status.FAILED, reason="boom"),
            run(3, seed=3),
            run(4, seed=4),
        ],
        {(1, "loss"): [4.0, 2.0, 3.0], (3, "loss"): [1.0, math.nan], (4, "loss"): [4.0]},
    )
    found = row(table, "a")
    assert (found["n"], found["runs"]) == (2, 4)
    assert found["mean"] == 3.0
    assert found["sd"] == pytest.approx(math.sqrt(2))
    assert found["best_epochs"] == (1, 0)
    assert found["last_epochs"] == (2, 0)
    assert found["parameters"] == (5, 10)
    assert (found["failed"], found["diverged"]) == (1, 1)
    assert [(cell.seed, cell.trial, cell.why) for cell in found["cells"]] == [
        (1, 1, ""),
        (2, 2, "failed: boom"),
        (3, 3, "diverged: loss was nan at its end"),
        (4, 4, ""),
    ]
    assert [cell.seed for cell in found["cells"] if cell.reading is Reading.FAILED] == [2]
    assert [cell.seed for cell in found["cells"] if cell.reading is Reading.DIVERGED] == [3]


def test_words_of_a_reason_make_no_run_failed_or_diverged():
    runs = [
        run(1, status=Status.PRUNED, reason="failed to improve"),
        run(2, seed=2, status=Status.FAILED, reason="diverged: loss is nan at step 3"),
    ]
    found = row(compared(runs, {(1, "loss"): [1.0], (2, "loss"): [math.nan]}), "a")
    assert (found["failed"], found["diverged"]) == (1, 0)


def test_other_metrics_than_the_studys_are_compared_where_they_are_asked_for():
    made = frames([run(1)], {(1, "loss"): [2.0, 1.0], (1, "f1"): [0.1, 0.7]})
    table = arms_table(made, {"f1": Direction.MAXIMIZE})
    assert table["metric"].unique().tolist() == ["f1"]
    assert row(table, "a", "f1")["mean"] == 0.7
    assert arms_table(made, {}).empty
    assert arms_table(made)["metric"].unique().tolist() == list(METRICS)


def test_a_declared_seed_that_has_no_run_is_a_cell_too():
    found = row(compared([run(1)], {(1, "loss"): [1.0]}), "a")
    assert [(cell.seed, cell.why) for cell in found["cells"]] == [(1, ""), (2, "not run")]
    assert math.isnan(found["sd"])
    empty = row(compared([], {}), "a")
    assert (empty["n"], empty["runs"]) == (0, 2)
    assert math.isnan(empty["mean"])


def test_runs_under_an_earlier_definition_are_counted_apart():
    earlier = definition(config={"x": 7})
    table = compared(
        [run(1, definition_id=0), run(2)],
        {(1, "loss"): [100.0], (2, "loss"): [1.0]},
        earlier=earlier,
    )
    assert (row(table, "a")["mean"], row(table, "a")["n"], row(table, "a")["outdated"]) == (1, 1, 1)


def test_equal_values_have_no_spread():
    runs = [run(seed, seed=seed) for seed in range(3)]
    found = row(compared(runs, {(i, "loss"): [0.1] for i in range(3)}), "a")
    assert (found["mean"], found["sd"]) == (0.1, 0.0)


@settings(max_examples=30)
@given(st.lists(st.floats(), min_size=1, max_size=5))
def test_no_value_enters_or_leaves_a_mean_unseen(lasts):
    runs = [run(seed, seed=seed) for seed in range(len(lasts))]
    table = compared(runs, {(i, "loss"): [value] for i, value in enumerate(lasts)})
    found = row(table, "a")
    counted = [cell.value for cell in found["cells"] if cell.counted]
    assert found["n"] == len(counted) == sum(map(math.isfinite, lasts))
    assert found["runs"] == len(found["cells"])
    assert sorted(counted) == sorted(filter(math.isfinite, lasts))
    if counted:
        assert min(counted) <= found["mean"] <= max(counted) or math.isclose(
            found["mean"], counted[0]
        )

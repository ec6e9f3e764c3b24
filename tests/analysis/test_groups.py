"""Means by group are read where the objective is, and arms compared group by group."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis.groups import (
    decisive,
    group_differences,
    groups_frame,
    over_groups,
    telling_groups,
)
from ablate.analysis.statistics import interval
from ablate.analysis.verdicts import Relation
from ablate.spec import Status
from ablate.store import GroupRow
from tests.analysis.frames_of import definition, frames, run
from tests.analysis.pairs import compared


def made(values, *, examples=4, metric="acc", seeds=(1, 2, 3), at=0):
    """Imagine runs of arms whose groups reach `values` {arm: {group: [by seed]}}."""
    runs, curves, rows = [], {}, []
    for arm, groups in values.items():
        for place, seed in enumerate(seeds):
            number = len(runs) + 1
            runs.append(run(number, arm=arm, seed=seed))
            curves[number, "loss"] = [1.0]
            means = {group: (found[place], examples) for group, found in groups.items()}
            rows.append(GroupRow(number, "task", metric, 10 * at, at, means))
    built = frames(runs, curves, definition(seeds=tuple(seeds)))
    return built, groups_frame(built, rows)


def differences(values, *comparisons, **more):
    built, groups = made(values, **more)
    return group_differences(built, groups, comparisons or [compared("a", "b")])


def row(table, arm, group):
    (found,) = table[(table["arm"] == arm) & (table["group"] == group)].to_dict("records")
    return found


def test_groups_are_read_at_the_epoch_of_the_objective_and_of_runs_that_count():
    runs = [run(1), run(2, seed=2, status=Status.FAILED), run(3, seed=3)]
    curves = {(1, "loss"): [3.0, 1.0, 2.0], (2, "loss"): [1.0], (3, "loss"): [1.0, math.nan]}
    rows = [
        GroupRow(1, "task", "acc", 10, 1, {"t": (0.5, 4), "u": (1.0, 2)}),
        GroupRow(1, "task", "acc", 20, 2, {"t": (0.9, 4)}),
        GroupRow(2, "task", "acc", 0, 0, {"t": (0.1, 4)}),
        GroupRow(3, "task", "acc", 0, 0, {"t": (0.1, 4)}),
        GroupRow(9, "task", "acc", 0, 0, {"t": (0.1, 4)}),
    ]
    found = groups_frame(frames(runs, curves), rows)
    keys = ["arm", "seed", "run_id", "grouping", "metric", "group", "value", "examples", "epoch"]
    assert found[keys].to_numpy().tolist() == [
        ["a", 1, 1, "task", "acc", "t", 0.5, 4, 1],
        ["a", 1, 1, "task", "acc", "u", 1.0, 2, 1],
    ]


def test_a_study_without_groups_has_an_empty_frame():
    built = frames([run(1)], {(1, "loss"): [1.0]})
    groups = groups_frame(built, [])
    assert groups.empty
    assert group_differences(built, groups, [compared("a", "b")]).empty


def test_the_decisive_comparison_of_a_metric_is_the_first_that_is_no_floor():
    rows = [
        compared("a", "zero", relation=Relation.FLOOR),
        compared("a", "b"),
        compared("a", "c"),
        compared("a", "d", metric="other", primary=False),
        compared("e", "b"),
    ]
    by_arm = {arm: found.comparator for arm, found in decisive(rows, "acc").items()}
    assert by_arm == {"a": "b", "e": "b"}
    assert decisive(rows, "other")["a"].comparator == "d"
    assert decisive(rows, "undeclared")["a"].comparator == "b"


def test_differences_to_the_comparator_come_worst_group_first():
    table = differences(
        {
            "b": {"t": [0.5, 0.5, 0.25], "u": [0.5, 0.5, 0.5], "v": [0.0, 0.25, 0.0]},
            "a": {"t": [0.75, 1.0, 1.0], "u": [0.25, 0.0, 0.0], "v": [0.0, 0.25, 0.25]},
        }
    )
    assert table["arm"].tolist() == ["b"] * 3 + ["a"] * 3
    assert table.loc[table["arm"] == "a", "group"].tolist() == ["u", "v", "t"]
    found = row(table, "a", "t")
    assert (found["n"], found["examples"], found["comparator"]) == (3, 4, "b")
    assert found["difference"] == pytest.approx(found["mean"] - found["comparator_mean"])
    low, high = interval([0.25, 0.5, 0.75])
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))
    assert row(table, "b", "t")["comparator"] == ""
    assert math.isnan(row(table, "b", "t")["difference"])


def test_of_a_metric_that_falls_the_highest_group_is_the_worst():
    values = {"b": {"t": [1.0, 1.1, 1.0], "u": [1.0, 1.2, 1.0]}}
    values["a"] = {"t": [1.5, 1.6, 1.3], "u": [0.5, 0.4, 0.6]}
    table = differences(values, compared("a", "b", metric="loss"), metric="loss")
    assert table.loc[table["arm"] == "a", "group"].tolist() == ["t", "u"]
    assert row(table, "a", "t")["gain"] == pytest.approx(-row(table, "a", "t")["difference"])


def test_a_share_of_few_examples_without_any_spread_is_not_certain():
    values = {"b": {"t": [0.0] * 3}, "a": {"t": [0.25] * 3}}
    found = row(differences(values), "a", "t")
    assert found["low"] < 0 < found["high"]
    of_more = row(differences(values, examples=400), "a", "t")
    assert 0 < of_more["low"] < of_more["high"] < 0.35


def test_other_values_without_any_spread_have_no_interval():
    found = row(differences({"b": {"t": [1.1] * 3}, "a": {"t": [1.3] * 3}}), "a", "t")
    assert found["difference"] == pytest.approx(0.2)
    assert math.isnan(found["low"])


def test_the_interval_of_a_share_is_no_narrower_than_rounding_makes_it():
    near = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.75]
    values = {"b": {"t": [0.5] * 9}, "a": {"t": near}}
    found = row(differences(values, seeds=range(9)), "a", "t")
    width = interval([value - 0.5 for value in near])
    least = 2 * 2.306 / math.sqrt(9) / (4 * math.sqrt(6))
    assert found["high"] - found["low"] == pytest.approx(max(width[1] - width[0], least), rel=1e-3)
    assert found["high"] - found["low"] > width[1] - width[0]


def test_seeds_that_do_not_pair_have_welch_s_interval():
    values = {"b": {"t": [1.0, 2.0, 4.0]}, "a": {"t": [2.0, 3.0, 5.0]}}
    paired = row(differences(values), "a", "t")
    assert math.isnan(paired["low"])
    found = row(differences(values, compared("a", "b", paired=False)), "a", "t")
    from scipy.stats import ttest_ind

    expected = ttest_ind(values["a"]["t"], values["b"]["t"], equal_var=False).confidence_interval()
    assert (found["low"], found["high"]) == (
        pytest.approx(expected.low),
        pytest.approx(expected.high),
    )


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=2, max_size=4))
def test_every_group_equals_the_t_interval_of_its_own_differences(columns):
    names = [f"g{place}" for place in range(len(columns))]
    values = {
        "b": {name: [2.0, 3.0, 5.0] for name in names},
        "a": {n: list(np.add(c, [2.0, 3.0, 5.0])) for n, c in zip(names, columns, strict=True)},
    }
    table = differences(values)
    for name, column in zip(names, columns, strict=True):
        found, (low, high) = row(table, "a", name), interval(column)
        assert found["difference"] == pytest.approx(np.mean(column), abs=1e-9)
        if not math.isnan(found["low"]):
            assert (found["low"], found["high"]) == (
                pytest.approx(low, abs=1e-6),
                pytest.approx(high, abs=1e-6),
            )


def test_the_telling_groups_are_those_where_arms_differ_most():
    values = {"b": {name: [0.5, 0.5, 0.5] for name in "tuvw"}}
    values["a"] = {"t": [0.75] * 3, "u": [0.0] * 3, "v": [0.5] * 3, "w": [0.25] * 3}
    table = differences(values)
    assert telling_groups(table, 2) == ["u", "t"]
    assert telling_groups(table, 9) == ["u", "w", "v", "t"]


def test_arms_are_estimated_over_all_groups_beside_their_comparator():
    values = {
        "b": {"t": [0.25, 0.5, 0.5], "u": [0.5, 0.5, 0.75]},
        "a": {"t": [0.5, 0.75, 0.5], "u": [0.75, 0.75, 0.75]},
    }
    built, groups = made(values)
    b, a = over_groups(built, groups, [compared("a", "b")], "task", "acc")
    assert (b.arm, b.comparator, b.difference) == ("b", "", None)
    assert (a.arm, a.comparator) == ("a", "b")
    assert a.difference.estimate == pytest.approx(a.mean.estimate - b.mean.estimate)
    assert (a.difference.n, a.difference.groups) == (3, 2)


def test_every_group_of_many_has_an_interval():
    generator = np.random.default_rng(0)
    values = {
        arm: {f"g{i}": list(generator.integers(0, 5, 3) / 4) for i in range(400)} for arm in "ba"
    }
    table = differences(values)
    assert len(table) == 800
    assert isinstance(table, pd.DataFrame)
    assert table.loc[table["arm"] == "a", ["low", "high"]].notna().all(axis=None)

"""What is said of arms, and when nothing is."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import Conclusions, Method, Relation, RemarkKind, Verdict
from ablate.spec import Direction, Objective
from tests.analysis.imagined import LAST, between, concluded, finding, headline, seeds

MAXIMIZE = {"metrics": {"loss": Direction.MAXIMIZE}}
CLEAR = {"b": seeds(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), "a": seeds(0.1, 1.2, 2.0, 3.1, 4.2, 5.0)}
"""An arm that is better by 0.9 with each of six seeds."""
UNCLEAR = {"b": seeds(1.0, 2.0, 3.0), "a": seeds(1.5, 1.9, 3.2)}


# --- better and worse --------------------------------------------------------------------


def test_an_arm_that_is_worse_by_a_fifth_with_six_of_six_seeds_is_worse():
    found = concluded({"b": seeds(1, 2, 3, 4, 5, 6), "a": seeds(1.21, 2.2, 3.19, 4.22, 5.2, 6.18)})
    assert headline(found)[0] == "worse"
    (row,) = found.comparisons
    assert row.difference == pytest.approx(0.2)
    assert row.p_sign_flip == row.p_smallest == 2 / 2**6


def test_equal_differences_of_six_seeds_are_told_by_the_exact_test():
    found = concluded({"b": seeds(1, 2, 3, 4, 5, 6), "a": seeds(1.2, 2.2, 3.2, 4.2, 5.2, 6.2)})
    (row,) = found.comparisons
    assert (row.verdict, row.method, row.p) == (Verdict.WORSE, Method.SIGN_FLIP, 2 / 2**6)
    assert math.isnan(row.low)


def test_three_large_equal_differences_by_seed_are_told_apart():
    found = concluded({"b": seeds(1.0, 3.0, 2.0), "a": seeds(0.16, 2.1, 1.29)}, **MAXIMIZE)
    (row,) = found.comparisons
    assert [gap for _, gap in row.differences] == pytest.approx([-0.84, -0.90, -0.71])
    assert (row.verdict, row.method) == (Verdict.WORSE, Method.PAIRED_T)
    assert "paired t: 3 seeds are few for an exact test" in row.reason


def test_three_seeds_usually_cannot_tell_and_say_what_would():
    verdict, reason = headline(concluded(UNCLEAR))
    assert verdict == "cannot tell"
    assert reason.startswith("the interval includes 0; ")
    assert reason.endswith("more seeds would likely show a difference of this size")
    (row,) = concluded(UNCLEAR).comparisons
    assert f"{row.seeds_needed - 3} more seeds" in reason


def test_equal_means_with_unequal_noise_are_no_verdict():
    still, wild = seeds(1.0, 1.01, 0.99, 1.0), seeds(0.2, 1.9, 1.6, 0.4)
    for direction in Direction:
        found = concluded({"b": still, "a": wild}, metrics={"loss": direction})
        assert headline(found)[0] == "cannot tell"


def test_many_comparisons_ask_for_more():
    others = {f"c{place}": CLEAR["b"] for place in range(9)}
    values = {"b": seeds(1.0, 2.0, 3.0), "a": seeds(0.6, 1.5, 2.65)}
    assert headline(concluded(values))[0] == "better"
    noise = [(1.0, -2.0, 1.0), (-1.0, 0.5, 1.0), (0.5, 0.5, -1.2)] * 3
    more = {
        name: seeds(*(value + change for value, change in zip((1.0, 2.0, 3.0), moved, strict=True)))
        for name, moved in zip(others, noise, strict=True)
    }
    assert headline(concluded({**values, **more}))[0] == "cannot tell"


def test_secondary_metrics_are_a_family_of_their_own():
    curves = {
        "acc": {arm: {s: v / 10 for s, v in by_seed.items()} for arm, by_seed in CLEAR.items()}
    }
    both = {"loss": Direction.MINIMIZE, "acc": Direction.MAXIMIZE}
    found = concluded(CLEAR, curves=curves, metrics=both)
    primary, secondary = found.comparisons
    assert (primary.primary, primary.verdict) == (True, Verdict.BETTER)
    assert (secondary.primary, secondary.verdict) == (False, Verdict.WORSE)
    assert primary.p_holm == primary.p


def test_the_objective_is_the_primary_metric_if_it_is_reported():
    curves = {"acc": CLEAR}
    both = {"acc": Direction.MAXIMIZE, "loss": Direction.MINIMIZE}
    assert concluded(CLEAR, curves=curves, metrics=both).primary == "loss"
    alone = {"acc": Direction.MAXIMIZE}
    assert concluded(CLEAR, curves=curves, metrics=alone).primary == "acc"


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_swapping_the_direction_swaps_the_verdict(values):
    arms = {"b": seeds(1.0, 2.5, 0.5), "a": seeds(*values)}
    swapped = {"better": "worse", "worse": "better"}
    down = headline(concluded(arms))[0]
    assert headline(concluded(arms, **MAXIMIZE))[0] == swapped.get(down, down)


# --- when nothing is said ----------------------------------------------------------------


def test_a_leaking_arm_is_never_called_better_even_if_it_is_allowed():
    for allowed in (True, False):
        found = concluded(CLEAR, [finding("sees-the-future", "a", allowed=allowed)])
        verdict, reason = headline(found)
        assert verdict == "not comparable"
        assert "audit error sees-the-future" in reason
        assert ("(allowed)" in reason) is allowed
        assert found.disqualified == {"a": ("sees-the-future",)}


def test_what_is_compared_with_a_leaking_arm_is_not_comparable_either():
    found = concluded(CLEAR, [finding("train-val-overlap", "b")])
    assert headline(found) == ("not comparable", "audit error train-val-overlap of b")
    assert found.disqualified == {"b": ("train-val-overlap",)}
    assert headline(found, "b")[0] == "not comparable"


def test_an_error_between_two_arms_leaves_a_third_comparable():
    arms = {**CLEAR, "c": seeds(3.1, 3.9, 5.2, 6.0, 7.1, 7.9)}
    found = concluded(arms, [between("unequal-epochs", ("c",), ("b",))])
    assert headline(found)[0] == "better"
    assert headline(found, "c") == ("not comparable", "audit error unequal-epochs")
    assert found.disqualified == {"c": ("unequal-epochs",)}


def test_a_disqualified_arm_corrects_no_other():
    arms = {**CLEAR, "c": seeds(3.1, 3.9, 5.2, 6.0, 7.1, 7.9)}
    alone, beside = concluded(CLEAR), concluded(arms, [finding("sees-the-future", "c")])
    assert alone.of("loss", "a")[0].p_holm == beside.of("loss", "a")[0].p_holm


@pytest.mark.parametrize("arms", [("a",), ("b",)])
def test_a_training_that_is_wrong_in_one_arm_alone_leaves_nothing_to_tell(arms):
    found = concluded(CLEAR, [finding("gradients-not-zeroed", *arms, severity="warning")])
    assert headline(found) == ("cannot tell", "audit warning gradients-not-zeroed")
    both = concluded(CLEAR, [finding("gradients-not-zeroed", "a", "b", severity="warning")])
    assert headline(both)[0] == "better"


def test_a_warning_that_touches_comparability_leaves_nothing_to_tell():
    found = concluded(CLEAR, [between("confounded", ("a",), ("b",), severity="warning")])
    assert headline(found) == ("cannot tell", "audit warning confounded")
    assert found.doubted == {"a": ("confounded",)}
    assert found.disqualified == {}


def test_a_finding_that_an_odd_arm_is_the_cause_of_leaves_the_others_alone():
    arms = {**CLEAR, "odd": CLEAR["a"]}
    groups = (("a", "b"), ("odd",))
    apart = between("unequal-data", *groups, severity="warning")
    found = concluded(arms, [apart])
    assert headline(found) == headline(concluded(arms))
    assert headline(found, "odd") == ("cannot tell", "audit warning unequal-data")
    unpaired = between("unpaired-order", *groups, severity="note")
    paired = {c.arm: c.paired for c in concluded(arms, [unpaired]).comparisons}
    assert paired["a"]
    assert not paired["odd"]


@pytest.mark.parametrize(
    "doubt",
    [
        between("confounded", ("a",), ("b",), severity="warning", allowed=True),
        finding("few-seeds", severity="warning"),
        between("same-function", ("b",), ("c",), severity="warning"),
        between("confounded", ("a",), ("b",), severity="note"),
    ],
)
def test_other_findings_change_no_verdict(doubt):
    assert headline(concluded(CLEAR, [doubt]))[0] == "better"


def test_of_two_arms_that_are_one_function_nothing_is_claimed():
    found = concluded(CLEAR, [between("same-function", ("a",), ("b",), severity="warning")])
    assert headline(found) == ("cannot tell", "audit warning same-function")


def test_two_seeds_cannot_tell():
    found = concluded({"b": seeds(1.0, 2.0), "a": seeds(9.0, 10.0)})
    assert headline(found) == ("cannot tell", "only 2 seeds count")
    assert found.comparisons[0].method is Method.NONE


def test_seeds_that_change_nothing_cannot_tell():
    found = concluded({"b": seeds(1.0, 2.0, 3.0), "a": seeds(9.0, 9.0, 9.0)})
    assert headline(found) == ("cannot tell", "the 3 seeds of a change nothing")
    assert [(row.kind, row.arms) for row in found.remarks] == [
        (RemarkKind.SEEDS_CHANGE_NOTHING, ("a",))
    ]


def test_an_arm_without_a_comparator_has_no_verdict():
    assert ("loss", "b") not in concluded(CLEAR).verdicts
    assert concluded(CLEAR, reference=None).comparisons == ()


def test_a_pair_that_the_audit_finds_broken_is_compared_unpaired():
    found = concluded(CLEAR, [between("unpaired-order", ("a",), ("b",), severity="note")])
    (row,) = found.comparisons
    assert (row.paired, row.unpaired_because) == (False, "unpaired-order")
    assert row.method is Method.PERMUTATION
    assert row.differences == ()
    assert row.verdict is Verdict.CANNOT_TELL  # the seeds spread by far more than 0.9


# --- margins, floors, resolution ---------------------------------------------------------


def test_an_interval_within_the_margin_is_equivalent():
    near = {"b": seeds(1.0, 2.0, 3.0), "a": seeds(1.001, 2.0, 2.999)}
    verdict, reason = headline(concluded(near, margin={"loss": 0.1}))
    assert (verdict, reason) == ("equivalent", "the 95 % interval lies within ±0.1")
    assert headline(concluded(near))[0] == "cannot tell"
    assert headline(concluded(CLEAR, margin={"loss": 0.5}))[0] == "better"


def test_an_arm_that_is_no_better_than_the_best_floor_says_so():
    floors = {"mean": seeds(0.05, 0.05, 0.05), "zero": seeds(9.0, 9.0, 9.0)}
    found = concluded(CLEAR, floors=floors)
    verdict, reason = headline(found)
    assert verdict == "floor not beaten"
    assert reason == "no better than the trivial predictor mean (0.05)"
    assert headline(found, "b")[0] == "floor not beaten"
    beside = found.of("loss", "a")[-1]
    assert (beside.relation, beside.comparator) == (Relation.FLOOR, "mean")


def test_two_seeds_tell_nothing_of_a_floor_either():
    found = concluded(
        {arm: dict([*by_seed.items()][:2]) for arm, by_seed in CLEAR.items()},
        floors={"mean": seeds(0.05, 0.05)},
    )
    beside = found.of("loss", "a")[-1]
    assert (beside.comparator, beside.verdict, beside.reason) == (
        *("mean", Verdict.CANNOT_TELL), "only 2 seeds count"
    )  # fmt: skip


def test_a_floor_that_is_surely_beaten_leaves_the_verdict_to_the_comparator():
    found = concluded(CLEAR, floors={"zero": seeds(60.0, 60.0, 60.0)})
    assert headline(found)[0] == "better"
    assert found.of("loss", "a")[-1].verdict is Verdict.BETTER
    near = concluded(CLEAR, floors={"zero": seeds(4.0, 4.0, 4.0)})
    assert headline(near)[0] == "floor not beaten"
    assert "interval reaches the trivial predictor zero" in headline(near)[1]


def test_a_floor_with_one_value_counts_once():
    found = concluded(CLEAR, floors={"zero": seeds(60.0, 60.0, 60.0)})
    floor = found.estimates["loss", "zero"]
    assert (floor.n, floor.interval, floor.low, floor.high) == (1, "deterministic", 60.0, 60.0)
    moving = concluded(CLEAR, floors={"zero": seeds(60.0, 61.0, 60.5)}).estimates["loss", "zero"]
    assert (moving.n, moving.interval) == (3, "t")


def test_a_floor_that_leaks_is_none():
    floors = {"mean": seeds(0.05, 0.05, 0.05)}
    assert headline(concluded(CLEAR, [finding("sees-the-future", "mean")], floors=floors))[0] == (
        "better"
    )


SHARES = {
    "b": {1: [5 / 42, 17 / 42, 40 / 42], 2: [6 / 42, 19 / 42, 40 / 42], 3: [8 / 42, 40 / 42]},
    "a": {1: [7 / 42, 11 / 42, 38 / 42], 2: [9 / 42, 20 / 42, 38 / 42], 3: [8 / 42, 38 / 42]},
}
OTHER = {"time": {"b": seeds(1, 2, 3), "a": seeds(2, 3, 4)}}
"""A metric that the seeds do change."""


def test_no_spread_over_seeds_is_no_certainty_where_the_examples_are_few():
    found = concluded(SHARES, curves=OTHER, **MAXIMIZE)
    arm = found.estimates["loss", "a"]
    assert arm.interval == "binomial over 42 examples"
    assert arm.low < 38 / 42 < arm.high
    (row,) = found.comparisons
    assert row.low < 0 < row.high
    assert row.verdict is Verdict.CANNOT_TELL
    kinds = {row.kind: row for row in found.remarks}
    assert kinds[RemarkKind.RESOLUTION].value == 42
    assert kinds[RemarkKind.ZERO_SPREAD].arms == ("b", "a")


def test_no_spread_without_a_known_number_of_examples_has_no_interval():
    still = {"b": seeds(1.0, 1.0, 1.0), "a": seeds(2.0, 2.0, 2.0)}
    found = concluded(still, curves=OTHER)
    verdict, reason = headline(found)
    assert verdict == "cannot tell"
    assert reason.startswith("no spread over 3 seeds is no certainty; ")
    assert found.estimates["loss", "a"].interval == "none"


def test_a_saturated_metric_is_named():
    high = {"b": seeds(0.999, 0.998, 1.0), "a": seeds(1.0, 0.997, 0.999)}
    remarks = {remark.kind: remark for remark in concluded(high, **MAXIMIZE).remarks}
    saturated = remarks[RemarkKind.SATURATED]
    assert (saturated.arms, saturated.value) == (("b", "a"), 1.0)
    low = {"b": seeds(0.5, 0.6, 0.4), "a": seeds(1.0, 0.997, 0.999)}
    assert RemarkKind.SATURATED not in {row.kind for row in concluded(low, **MAXIMIZE).remarks}


def test_values_read_at_the_best_epoch_are_optimistic_and_the_last_stands_beside_them():
    curves = {"b": {1: [3.0, 1.0, 2.0], 2: [3.0, 1.5, 2.5]}, "a": {1: [3.0, 2.0], 2: [2.0, 2.5]}}
    best = Objective(metric="loss", at="best")
    found = concluded(curves, objective=best).estimates["loss", "b"]
    assert (found.mean, found.last, found.optimistic) == (1.25, 2.25, True)
    found = concluded(curves, objective=LAST).estimates["loss", "b"]
    assert (found.mean, found.optimistic) == (2.25, False)
    assert math.isnan(found.last)


def test_a_metric_of_a_split_that_chose_nothing_is_not_optimistic():
    metrics = {"loss": "minimize", "test_acc": "maximize", "loss/dataloader_idx_1": "minimize"}
    found = concluded(
        CLEAR,
        curves={"test_acc": CLEAR, "loss/dataloader_idx_1": CLEAR},
        metrics={name: Direction(value) for name, value in metrics.items()},
        objective=Objective(metric="loss", at="best"),
    )
    assert [found.estimates[name, "a"].optimistic for name in metrics] == [True, False, False]


# --- the table ---------------------------------------------------------------------------


def test_the_frame_has_a_row_per_comparison_with_the_numbers_of_the_conclusions():
    found = concluded(CLEAR, floors={"zero": seeds(60.0, 60.0)})
    table = found.frame()
    assert {
        *("metric", "arm", "comparator", "difference", "low", "high", "n", "p", "p_holm"),
        *("verdict", "reason", "seeds_needed"),
    } <= {*table.columns}
    assert table["relation"].tolist() == ["floor", "reference", "floor"]
    for row, comparison in zip(table.to_dict("records"), found.comparisons, strict=True):
        assert row["difference"] == comparison.difference
        assert row["verdict"] == comparison.verdict


def test_an_ablation_of_which_nothing_ran_concludes_nothing():
    found = concluded({"b": {}, "a": {}}, seeds=(1, 2, 3))
    assert isinstance(found, Conclusions)
    assert headline(found) == ("cannot tell", "no seed counts")


def test_comparisons_come_by_metric_the_primary_one_first():
    both = {"acc": Direction.MAXIMIZE, "loss": Direction.MINIMIZE}
    curves = {"acc": {arm: {s: v / 10 for s, v in found.items()} for arm, found in CLEAR.items()}}
    rows = concluded(CLEAR, curves=curves, metrics=both).comparisons
    assert [row.metric for row in rows] == sorted((row.metric for row in rows), reverse=True)
    assert rows[0].primary
    assert rows[0].metric == "loss"

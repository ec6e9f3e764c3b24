"""What fresh seeds say of the best trials of a search."""

import math
from statistics import fmean

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from ablate.analysis import confirmed_table, contenders
from ablate.analysis.statistics import interval
from ablate.reports.confirmed import verdicts
from ablate.spec import Confirmed, Direction, Objective, Provenance
from tests.analysis.frames_of import definition, frames, run


def confirmation(found, values, direction=Direction.MINIMIZE):
    """Make frames of trials with the values found and those with fresh seeds 1, 2, ..."""
    confirms = {
        f"trial-{number}": Confirmed(trial=number, value=value, seeds=(7,))
        for number, value in found.items()
    }
    confirming = definition(
        arms={arm: {} for arm in confirms},
        floor={},
        reference=None,
        seeds=(1, 2, 3),
        provenance=Provenance(study="quest", confirms=confirms),
        objective=Objective(metric="loss", direction=direction, at="last"),
    )
    cells = [(n, seed, v) for n, own in values.items() for seed, v in enumerate(own, start=1)]
    runs = [run(i, arm=f"trial-{n}", seed=seed) for i, (n, seed, _) in enumerate(cells)]
    curves = {(i, "loss"): [value] for i, (_, _, value) in enumerate(cells)}
    return frames(runs, curves, confirming)


def table(*args, **options) -> pd.DataFrame:
    return confirmed_table(confirmation(*args, **options))


CLEAR = {3: [1.0, 1.1, 1.2], 8: [5.0, 5.1, 5.2]}


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12).filter(lambda v: max(v) - min(v) > 1e-3)
)
def test_the_interval_is_that_of_the_t_test(values):
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values) == pytest.approx((expected.low, expected.high))


def test_an_interval_takes_two_values():
    assert all(map(math.isnan, interval([1.0])))
    assert all(map(math.isnan, interval([])))


@pytest.mark.parametrize(
    ("direction", "luck"), [(Direction.MINIMIZE, 0.6), (Direction.MAXIMIZE, -0.6)]
)
def test_luck_is_how_much_better_the_found_value_is(direction, luck):
    row = table({3: 0.5}, {3: [1.0, 1.1, 1.2]}, direction=direction).iloc[0]
    assert row["luck"] == pytest.approx(luck)
    assert row["mean"] == pytest.approx(fmean([1.0, 1.1, 1.2]))
    assert (row["n"], row["runs"], row["found_seeds"]) == (3, 3, (7,))


@pytest.mark.parametrize(
    ("direction", "ranks"), [(Direction.MINIMIZE, [2, 1]), (Direction.MAXIMIZE, [1, 2])]
)
def test_trials_are_ranked_by_the_mean_over_fresh_seeds(direction, ranks):
    made = table({8: 0.5, 3: 0.6}, CLEAR, direction=direction)
    assert made["trial"].tolist() == [8, 3]
    assert made["rank_found"].tolist() == [1, 2]
    assert made["rank"].tolist() == ranks


def test_values_that_do_not_count_are_left_out_and_missing_runs_are_seen():
    made = table({3: 0.5, 8: 0.6}, {3: [1.0, math.nan], 8: []})
    assert made["n"].tolist() == [1, 0]
    assert made["runs"].tolist() == [3, 3]
    assert made["rank"].isna().tolist() == [False, True]
    assert contenders(made) == [3, 8]
    assert verdicts(made)[-1] == (
        "Cannot tell which is the best of trials 3 and 8 yet: that takes at least three seeds of "
        "each."
    )


def test_a_study_that_confirms_nothing_has_no_rows():
    made = confirmed_table(frames([run(1)], {(1, "loss"): [1.0]}))
    assert made.empty
    assert contenders(made) == []


def test_a_trial_apart_from_all_others_is_the_best_and_its_order_is_said():
    made = table({8: 0.5, 3: 0.6}, CLEAR)
    assert contenders(made) == [3]
    luck, order, winner = verdicts(made)
    assert luck.startswith("Trial 8 was the best of the search with 0.5000; with 3 fresh seeds")
    assert luck.endswith("it was lucky by 4.600.")
    assert "does not hold: by confirmed mean it is 3, 8, in the search it was 8, 3." in order
    assert winner == (
        "Trial 3 has the best mean, and its 95 % interval overlaps with that of no other trial."
    )


@pytest.mark.parametrize("fewer", [{3: [1.0, 1.001]}, {8: [5.0, 5.001]}])
def test_two_seeds_set_no_trial_apart(fewer):
    made = table({8: 0.5, 3: 0.6}, CLEAR | fewer)
    assert contenders(made) == [3, 8]
    assert verdicts(made)[-1].startswith("Cannot tell which is the best of trials 3 and 8 yet")


@pytest.mark.parametrize("still", [{3: [1.0] * 3}, {8: [5.0] * 3}])
def test_seeds_that_change_nothing_set_no_trial_apart(still):
    made = table({8: 0.5, 3: 0.6}, CLEAR | still)
    assert contenders(made) == [3, 8]
    assert verdicts(made)[-1] == (
        "Cannot tell which is the best of trials 3 and 8: equal values with every seed are not "
        f"certainty (trials {next(iter(still))})."
    )


def test_overlapping_intervals_mean_that_nobody_can_tell():
    values = {3: [1.0, 1.1, 1.2], 8: [1.1, 1.2, 1.3], 9: [9.0, 9.1, 9.2]}
    made = table({3: 1.5, 8: 1.6, 9: 1.7}, values)
    assert contenders(made) == [3, 8]
    luck, order, winner = verdicts(made)
    assert luck.endswith("it was not lucky, the mean is better by 0.4000.")
    assert order == "The order of the search holds by confirmed mean: 3, 8, 9."
    assert winner == "Cannot tell which is the best: the 95 % intervals of trials 3 and 8 overlap."


def test_a_single_trial_has_no_order_and_no_rival():
    assert len(verdicts(table({3: 0.5}, {3: [1.0, 1.1]}))) == 1
    assert verdicts(table({3: 0.5}, {3: []})) == ["No run with a fresh seed counts yet."]

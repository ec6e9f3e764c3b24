import itertools
import math
from statistics import fmean, pvariance

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import (
    arm_curves,
    drawn_values,
    expected_best,
    leaders_by_budget,
    trials_table,
    tuning_curve,
)
from ablate.spec import Direction, Status
from tests.analysis.frames_of import metrics, run, search_frames
from tests.analysis.searches import trial

directions = st.sampled_from(Direction)


def test_the_expected_best_of_a_worked_example():
    # Accuracies 0.2, 0.4, 0.4 and 0.9, two drawn with replacement. The best is 0.2 with
    # probability (1/4)^2, 0.9 with 1 - (3/4)^2, else 0.4: 1/16, 7/16 and 8/16.
    mean, sd = expected_best([0.4, 0.9, 0.2, 0.4], Direction.MAXIMIZE, 2)
    assert mean == pytest.approx(0.2 / 16 + 0.4 * 8 / 16 + 0.9 * 7 / 16)
    second = 0.04 / 16 + 0.16 * 8 / 16 + 0.81 * 7 / 16
    assert sd == pytest.approx(math.sqrt(second - mean**2))


@settings(max_examples=60)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=5), directions, st.integers(1, 4))
def test_the_expected_best_is_the_mean_over_all_draws(values, direction, budget):
    every = [direction.best(draw) for draw in itertools.product(values, repeat=budget)]
    mean, sd = expected_best(values, direction, budget)
    assert mean == pytest.approx(fmean(every), abs=1e-9)
    assert sd**2 == pytest.approx(pvariance(every), abs=1e-7)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), directions)
def test_a_larger_budget_is_never_worse_and_never_better_than_the_best(values, direction):
    means = [expected_best(values, direction, n)[0] for n in range(1, 12)]
    slack = 1e-6 * (1 + max(map(abs, values)))
    assert means[0] == pytest.approx(fmean(values), abs=slack)
    for before, after in itertools.pairwise(means):
        assert direction.gain(after, over=before) >= -slack
    assert all(direction.gain(mean, over=direction.best(values)) <= slack for mean in means)


def test_without_values_nothing_is_expected():
    assert all(map(math.isnan, expected_best([], Direction.MINIMIZE, 1)))
    frames = search_frames([], (trial(0, None, state=Status.FAILED),))
    assert tuning_curve(frames, trials_table(frames)).empty


def a_search(values, ends):
    """Imagine a search: complete trials of `values`, then pruned ones with curves that end so."""
    trials = [trial(n, value) for n, value in enumerate(values)]
    trials += [trial(len(values) + n, None, state=Status.PRUNED) for n in range(len(ends))]
    trials.append(trial(len(trials), None, state=Status.FAILED))
    runs = [run(n, arm=None, trial=n) for n in range(len(trials))]
    frames = search_frames(runs, tuple(trials))
    curves = {(len(values) + n, "val_loss"): [9.0, end] for n, end in enumerate(ends)}
    curves[len(trials) - 1, "val_loss"] = [0.0]
    return type(frames)("s", frames.definition, frames.runs, metrics(curves), trials=tuple(trials))


def test_pruned_trials_count_with_their_last_value_and_failed_ones_not():
    frames = a_search([3.0, 2.0], [5.0, 1.0])
    assert drawn_values(frames, trials_table(frames)) == [3.0, 2.0, 5.0, 2.0]
    curve = tuning_curve(frames, trials_table(frames))
    assert curve["trials"].tolist() == [1, 2, 3, 4]
    assert curve["expected"].iloc[0] == pytest.approx(3.0)


def test_a_long_curve_has_few_points():
    frames = a_search([float(n) for n in range(3000)], [])
    curve = tuning_curve(frames, trials_table(frames))
    assert len(curve) < 205
    assert curve["trials"].is_monotonic_increasing
    assert curve["trials"].iloc[-1] == 3000


def test_the_arms_with_the_best_expected_value_change_with_the_budget():
    # One safe arm, one that is mostly bad and sometimes best.
    searches = {"safe": a_search([3.0, 3.0, 3.0], []), "bold": a_search([6.0, 6.0, 1.0, 1.0], [])}
    curves = arm_curves(searches)
    assert curves.columns.tolist() == ["arm", "trials", "expected", "sd"]
    assert curves["arm"].tolist() == ["safe"] * 3 + ["bold"] * 4
    assert leaders_by_budget(curves, Direction.MINIMIZE) == [
        (1, 1, ("safe",)),
        (2, 3, ("bold",)),
    ]


def test_arms_that_can_not_be_told_apart_share_the_lead():
    curves = arm_curves({"a": a_search([2.0, 1.0], []), "b": a_search([1.0, 2.0], [])})
    assert leaders_by_budget(curves, Direction.MINIMIZE) == [(1, 2, ("a", "b"))]


def test_without_searches_there_is_no_curve():
    assert arm_curves({}).empty
    assert arm_curves({"a": a_search([], [])}).empty
    assert leaders_by_budget(arm_curves({}), Direction.MINIMIZE) == []

"""Means over tasks and seeds: their intervals hold for other tasks and other seeds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis.hierarchical import difference_over_groups, mean_over_groups
from ablate.analysis.statistics import interval

means = st.floats(-100, 100)
counts = st.integers(1, 50)


@st.composite
def runs(draw, fewest=2):
    seeds, groups = draw(st.integers(fewest, 5)), draw(st.integers(1, 6))
    examples = [draw(counts) for _ in range(groups)]
    return {
        seed: {f"t{group}": (draw(means), examples[group]) for group in range(groups)}
        for seed in range(seeds)
    }


def imagine(generator, seeds, groups, spreads, shift=0.0):
    """Draw runs whose values have a part of the seed, one of the group and one of both."""
    of_seed, of_group, of_both = spreads
    by_seed = generator.normal(0, of_seed, seeds)
    by_group = generator.normal(0, of_group, groups)
    return {
        seed: {
            f"t{group}": (shift + by_seed[seed] + by_group[group] + generator.normal(0, of_both), 4)
            for group in range(groups)
        }
        for seed in range(seeds)
    }


@settings(deadline=None)
@given(runs())
def test_the_mean_is_that_of_the_runs_over_their_examples(made):
    found = mean_over_groups(made)
    per_run = [
        sum(mean * n for mean, n in run.values()) / sum(n for _, n in run.values())
        for run in made.values()
    ]
    assert found.estimate == pytest.approx(np.mean(per_run), abs=1e-9)
    assert (found.n, found.groups) == (len(made), len(made[0]))
    assert found.low <= found.estimate <= found.high


@settings(deadline=None)
@given(st.lists(means, min_size=2, max_size=8))
def test_with_a_single_group_it_is_the_t_interval_over_seeds(values):
    found = mean_over_groups({seed: {"all": (v, 7)} for seed, v in enumerate(values)})
    low, high = interval(values)
    assert found.estimate == pytest.approx(np.mean(values), abs=1e-9)
    assert found.high - found.low == pytest.approx(high - low, rel=0.1, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(runs(), st.booleans(), means)
def test_a_constant_moves_a_difference_and_not_its_width(made, paired, constant):
    moved = {
        seed: {group: (mean + constant, n) for group, (mean, n) in run.items()}
        for seed, run in made.items()
    }
    same = difference_over_groups(made, made, paired=paired)
    found = difference_over_groups(moved, made, paired=paired)
    assert same.estimate == pytest.approx(0, abs=1e-9)
    assert found.estimate == pytest.approx(constant, abs=1e-9)
    assert found.high - found.low == pytest.approx(same.high - same.low, abs=1e-6)
    if paired:
        assert found.low == pytest.approx(found.high, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(runs(), runs(), st.booleans())
def test_the_sides_can_be_exchanged_and_the_same_data_give_the_same_numbers(arm, other, paired):
    one = difference_over_groups(arm, other, paired=paired)
    two = difference_over_groups(other, arm, paired=paired)
    assert repr(one) == repr(difference_over_groups(arm, other, paired=paired))
    assert two.estimate == pytest.approx(-one.estimate, abs=1e-9)
    if paired:
        assert (two.low, two.high) == pytest.approx((-one.high, -one.low), abs=1e-6)


def test_only_seeds_and_groups_of_both_enter_a_paired_difference():
    arm = {1: {"a": (1.0, 1), "b": (9.0, 1)}, 2: {"a": (2.0, 1)}, 3: {"a": (7.0, 1)}}
    other = {1: {"a": (0.0, 1), "c": (5.0, 1)}, 2: {"a": (0.5, 1)}}
    found = difference_over_groups(arm, other, paired=True)
    assert (found.estimate, found.n, found.groups) == (1.25, 2, 1)


@pytest.mark.parametrize(
    ("made", "estimate"),
    [
        ({}, math.nan),
        ({1: {}}, math.nan),
        ({1: {"a": (2.0, 3)}}, 2.0),
        ({1: {"a": (1.0, 1)}, 2: {"b": (1.0, 1)}}, math.nan),
        ({1: {"a": (math.nan, 1)}, 2: {"a": (1.0, 1)}}, math.nan),
    ],
)
def test_without_two_seeds_or_a_shared_group_there_is_no_interval(made, estimate):
    found = mean_over_groups(made)
    assert found.estimate == pytest.approx(estimate, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("spreads", [(1, 1, 1), (1, 0.2, 0.5), (0.1, 1, 0.5), (0, 1, 0.3)])
@pytest.mark.parametrize(("seeds", "groups"), [(3, 12), (5, 40)])
def test_intervals_hold_for_other_tasks_and_seeds(spreads, seeds, groups):
    generator = np.random.default_rng(1)
    trials = 200
    held = 0
    for _ in range(trials):
        found = mean_over_groups(imagine(generator, seeds, groups, spreads))
        held += found.low <= 0 <= found.high
    assert held / trials >= 0.91


def test_seeds_that_vary_widen_what_tasks_alone_would_say():
    generator = np.random.default_rng(2)
    calm = mean_over_groups(imagine(generator, 3, 400, (0, 1, 0)))
    wild = mean_over_groups(imagine(generator, 3, 400, (1, 1, 0)))
    assert calm.high - calm.low < 0.4
    assert wild.high - wild.low > 1

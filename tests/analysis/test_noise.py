import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from ablate.analysis import arms_table, noise_floor, replicates_of, with_effects
from ablate.spec import Direction, Objective
from ablate.store import FindingRow
from tests.analysis.frames_of import definition, frames, run

numbers = st.floats(-1e3, 1e3)


def same(*arms, code="same-function"):
    return FindingRow(code, "note", arms, "", "", "", False, "probe")


def test_the_noise_floor_is_the_half_width_of_welchs_interval():
    # Variances 1 and 4, three runs each: df = (5/3)^2 / (1/18 + 16/18) = 50/17, t = 3.2167.
    floor = noise_floor([1.0, 2.0, 3.0], [1.0, 3.0, 5.0], 3)
    assert floor == pytest.approx(t.ppf(0.975, 50 / 17) * math.sqrt(5 / 3), rel=1e-9)


@pytest.mark.parametrize("own", [[], [7.0]])
def test_an_arm_without_a_spread_of_its_own_has_that_of_the_reference(own):
    # Standard deviation 1 with two degrees of freedom: t = 4.3027, times sqrt(2 / 3).
    floor = noise_floor([1.0, 2.0, 3.0], own, 3)
    assert floor == pytest.approx(4.302653 * math.sqrt(2 / 3), rel=1e-6)


def test_an_unmoved_reference_does_not_hide_the_spread_of_an_arm():
    assert noise_floor([1.0, 1.0], [1.0, 3.0], 2) == pytest.approx(12.7062 * 1.0, rel=1e-4)
    assert noise_floor([1.0, 1.0], [3.0, 3.0], 2) == 0


@given(st.lists(numbers, min_size=2), st.lists(numbers), st.integers(1, 9), st.floats(0.1, 10))
def test_the_noise_floor_scales_with_the_values_and_shrinks_with_runs(values, own, n, scale):
    floor = noise_floor(values, own, n)
    assert floor >= 0
    scaled = noise_floor([scale * value for value in values], [scale * v for v in own], n)
    assert scaled == pytest.approx(scale * floor, rel=1e-3, abs=1e-6)
    assert noise_floor(values, own, n + 1) <= floor


@pytest.mark.parametrize(("values", "n"), [([], 3), ([1.0], 3), ([1.0, 2.0], 0)])
def test_without_replicates_there_is_no_noise_floor(values, n):
    assert math.isnan(noise_floor(values, [1.0, 2.0], n))


def test_replicates_are_the_reference_and_all_that_is_the_same_function():
    findings = [same("d", "e"), same("b", "c"), same("a", "b", code="same-config")]
    assert replicates_of("a", findings) == {"a", "b", "c"}
    assert replicates_of("e", findings) == {"d", "e"}
    assert replicates_of("a", [same("a", "b", code="unequal-data")]) == {"a"}


def table(curves, **changes):
    """Make an arms table of values by (arm, seed)."""
    made = definition(objective=Objective(metric="loss", at="last"), **changes)
    runs = [run(n, arm=arm, seed=seed) for n, (arm, seed) in enumerate(curves)]
    values = {(n, name): [v] for n, v in enumerate(curves.values()) for name in ("loss", "acc")}
    return arms_table(frames(runs, values, made), {"loss": Direction.MINIMIZE})


VALUES = {("b", 1): 1.0, ("b", 2): 2.0, ("a", 1): 1.5, ("a", 2): 4.5}


def by_arm(compared):
    return {row["arm"]: row for row in compared.to_dict("records")}


def test_an_effect_is_taken_over_the_seeds_that_count_for_both():
    rows = by_arm(with_effects(table({**VALUES, ("a", 3): 90.0}), {"b"}))
    assert rows["a"]["effect"] == pytest.approx(1.5)
    assert rows["a"]["noise_floor"] == pytest.approx(noise_floor([1.0, 2.0], [1.5, 4.5, 90.0], 2))
    assert math.isnan(rows["b"]["effect"])
    assert math.isnan(rows["zero"]["effect"])


def test_arms_of_the_same_function_measure_the_noise_too():
    rows = by_arm(with_effects(table(VALUES), {"a", "b"}))
    assert rows["a"]["noise_floor"] == pytest.approx(noise_floor([1.0, 2.0, 1.5, 4.5], [], 2))


def test_an_exact_copy_of_a_run_says_nothing_about_chance():
    copies = {**VALUES, ("a", 1): 1.0, ("a", 2): 2.0}
    rows = by_arm(with_effects(table(copies), {"a", "b"}))
    assert rows["a"]["noise_floor"] == pytest.approx(noise_floor([1.0, 2.0], [], 2))


def test_without_a_reference_there_are_no_effects():
    rows = by_arm(with_effects(table(VALUES, reference=None), set()))
    assert math.isnan(rows["a"]["effect"])
    assert math.isnan(rows["a"]["noise_floor"])

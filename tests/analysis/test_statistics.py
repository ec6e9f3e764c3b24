"""The formulas, against SciPy, statsmodels, their authors' own examples and each other."""

import math
from fractions import Fraction
from itertools import product
from statistics import fmean, stdev

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ablate.analysis import statistics
from ablate.spec import Direction

SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
         [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])  # fmt: skip
"""Hours of sleep gained by ten patients with two drugs (Student 1908)."""
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Darwin's crossed less self-fertilised maize, in eighths of an inch (Fisher 1935, table 3)."""

numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
several = st.lists(numbers, min_size=2, max_size=9)
shares = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def paired(differences):
    gap = statistics.paired_gap(differences)
    return gap, statistics.t_p(gap.difference, gap.error, gap.freedom)


# --- published examples ------------------------------------------------------------------


def test_students_sleep_data_give_the_published_t_and_interval():
    gap, p = paired([a - b for a, b in zip(*SLEEP, strict=True)])
    assert gap.difference / gap.error == pytest.approx(-4.0621, abs=5e-5)
    assert p == pytest.approx(0.002833, abs=5e-7)
    low, high = statistics.around(gap.difference, gap.error, gap.freedom)
    assert (low, high) == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)


def test_students_sleep_data_unpaired_give_welchs_published_p():
    gap = statistics.unpaired_gap(*SLEEP)
    assert gap.difference / gap.error == pytest.approx(-1.8608, abs=5e-5)
    assert gap.freedom == pytest.approx(17.776, abs=5e-4)
    p = statistics.t_p(gap.difference, gap.error, gap.freedom)
    assert p == pytest.approx(0.07939, abs=5e-6)


def test_darwins_maize_has_the_p_that_fisher_counted():
    assert statistics.sign_flip_p(MAIZE) == float(Fraction(2 * 863, 2**15))


def test_holms_correction_is_that_of_statsmodels_and_of_a_worked_example():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_trimmed_mean_has_a_quarter_cut_at_either_end():
    assert statistics.interquartile_mean([100, 1, 2, 3, 4, 5, 6, -90]) == 3.5
    assert statistics.interquartile_mean([1.0, 2.0, 9.0]) == 4.0


def test_the_probability_of_improvement_is_rliables():
    # rliable: mean over all pairs of 1 where x > y, 0.5 where equal: (1 + 1 + 0.5 + 0) / 4.
    assert statistics.improvement([2.0, 1.0], [1.0, 1.5], Direction.MAXIMIZE) == 0.625
    assert statistics.improvement([2.0, 1.0], [1.0, 1.5], Direction.MINIMIZE) == 0.375


# --- against SciPy and statsmodels -------------------------------------------------------


@given(several)
def test_a_description_is_that_of_numpy_and_scipy(values):
    found = statistics.describe(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert found.median == pytest.approx(np.median(values), abs=1e-9)
    assert found.iqm == pytest.approx(scipy.stats.trim_mean(values, 0.25), abs=1e-9)
    assume(found.sd > 1e-6)
    expected = scipy.stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values)
    )
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(several)
def test_a_paired_t_test_is_scipys(differences):
    assume(np.std(differences) > 1e-6)
    expected = scipy.stats.ttest_1samp(differences, 0.0)
    gap, p = paired(differences)
    assert p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert gap.freedom == expected.df


@given(several, several)
def test_welchs_t_test_is_scipys(arm, other):
    assume(np.std(arm) > 1e-3)
    assume(np.std(other) > 1e-3)
    expected = scipy.stats.ttest_ind(arm, other, equal_var=False)
    gap = statistics.unpaired_gap(arm, other)
    assert gap.freedom == pytest.approx(expected.df, rel=1e-6)
    p = statistics.t_p(gap.difference, gap.error, gap.freedom)
    assert p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


@given(st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=8))
def test_a_sign_flip_p_is_a_count_over_all_signs(differences):
    found = abs(sum(differences))
    counted = fmean(
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= found
        for signs in product((-1, 1), repeat=len(differences))
    )
    assert statistics.sign_flip_p(differences) == counted


def test_many_seeds_have_an_exact_sign_flip_p_too():
    values = np.random.default_rng(3).normal(0.4, 1, 10)
    expected = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert statistics.sign_flip_p(values.tolist()) == pytest.approx(expected.pvalue, abs=1e-12)
    more = np.random.default_rng(3).normal(0.4, 1, 60)
    drawn = statistics.sign_flip_p(more.tolist())
    assert drawn == pytest.approx(scipy.stats.ttest_1samp(more, 0).pvalue, abs=0.005)
    assert drawn == statistics.sign_flip_p(more.tolist())


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(0, 10**6))
def test_a_permutation_p_of_equal_groups_is_scipys(size, seed):
    arm, other = np.random.default_rng(seed).normal(size=(2, size))
    expected = scipy.stats.permutation_test(
        (arm, other),
        lambda a, b, axis: np.mean(a, axis) - np.mean(b, axis),
        n_resamples=np.inf,
        vectorized=True,
    )
    found = statistics.permutation_p(arm.tolist(), other.tolist())
    assert found == pytest.approx(expected.pvalue, abs=1e-12)


@pytest.mark.parametrize("ps", [[0.01, 0.02, 0.02, 0.9], [0.3, 0.001, 0.04, 0.04, 0.2]])
def test_holms_correction_is_statsmodels(ps):
    from statsmodels.stats.multitest import multipletests

    assert statistics.holm(ps) == pytest.approx(multipletests(ps, method="holm")[1].tolist())


@pytest.mark.parametrize(
    ("n", "effect", "alpha"), [(3, 2.0, 0.05), (5, 1.0, 0.0125), (30, 0.5, 0.05)]
)
def test_power_is_that_of_statsmodels(n, effect, alpha):
    from statsmodels.stats.power import TTestPower

    expected = TTestPower().power(effect, n, alpha)
    assert statistics.power(effect * math.sqrt(n), n - 1, alpha) == pytest.approx(
        expected, rel=1e-6
    )


def test_seeds_needed_are_those_of_statsmodels():
    from statsmodels.stats.power import TTestIndPower, TTestPower

    for effect in (0.5, 0.8, 1.5):
        one = TTestPower().solve_power(effect, power=0.8, alpha=0.05)
        assert statistics.seeds_needed(effect, 1.0, 0.05, paired=True) == math.ceil(one)
        two = TTestIndPower().solve_power(effect * math.sqrt(2), power=0.8, alpha=0.05)
        assert statistics.seeds_needed(effect, 1.0, 0.05, paired=False) == math.ceil(two)
    assert statistics.seeds_needed(0.001, 1.0, 0.05, paired=True) is None
    assert statistics.seeds_needed(0.0, 1.0, 0.05, paired=True) is None
    # Without any spread it takes 2^(1-n) <= 0.05.
    assert statistics.seeds_needed(0.2, 0.0, 0.05, paired=True) == 6


def test_a_detectable_shift_has_a_power_of_four_fifths():
    for freedom, alpha in ((2.0, 0.05), (9.0, 0.0125), (99.0, 0.001)):
        shift = statistics.detectable_shift(freedom, alpha)
        assert statistics.power(shift, freedom, alpha) == pytest.approx(0.8, abs=1e-5)


def test_an_interval_of_a_share_is_wilsons_and_newcombes():
    from statsmodels.stats.proportion import confint_proportions_2indep

    expected = scipy.stats.binomtest(40, 42).proportion_ci(method="wilson")
    assert statistics.proportion_interval(40 / 42, 42) == pytest.approx(tuple(expected))
    expected = confint_proportions_2indep(40, 42, 33, 42, method="newcomb")
    assert statistics.proportions_interval(40 / 42, 33 / 42, 42) == pytest.approx(expected)


# --- properties --------------------------------------------------------------------------


@given(several, st.floats(0.01, 100))
def test_tests_of_differences_do_not_depend_on_sign_or_unit(differences, unit):
    assume(np.std(differences) > 1e-3)
    scaled, mirrored = [unit * d for d in differences], [-d for d in differences]
    assert statistics.sign_flip_p(scaled) == statistics.sign_flip_p(differences)
    assert statistics.sign_flip_p(mirrored) == statistics.sign_flip_p(differences)
    assert paired(mirrored)[1] == pytest.approx(paired(differences)[1])
    assert paired(mirrored)[0].difference == -paired(differences)[0].difference
    assert paired(scaled)[1] == pytest.approx(paired(differences)[1], rel=1e-6)


@given(several)
def test_no_exact_p_is_below_the_smallest_possible(values):
    half = len(values) // 2
    assert statistics.sign_flip_p(values) >= statistics.sign_flip_smallest(len(values))
    p = statistics.permutation_p(values[:half], values[half:])
    assert p >= statistics.permutation_smallest(half, len(values) - half)


@pytest.mark.parametrize(("first", "second"), [(3, 3), (2, 5), (4, 4)])
def test_the_smallest_permutation_p_is_reached_by_values_that_do_not_overlap(first, second):
    low, high = [0.0, 1.0, 2.5, 3.1, 4.7], [100.0, 101.3, 102.0, 103.9, 104.0]
    found = statistics.permutation_p(low[:first], high[:second])
    smallest = statistics.permutation_smallest(first, second)
    assert found == pytest.approx(smallest) or (first != second and found <= 2 * smallest)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_correction_keeps_the_order_and_lowers_no_p(ps):
    corrected = statistics.holm(ps)
    assert all(after >= before for before, after in zip(ps, corrected, strict=True))
    assert all(after <= 1 for after in corrected)
    order = sorted(range(len(ps)), key=ps.__getitem__)
    assert [corrected[i] for i in order] == sorted(corrected)


@given(shares, shares)
def test_the_probabilities_of_improvement_of_two_arms_add_up_to_one(arm, other):
    for direction in Direction:
        there = statistics.improvement(arm, other, direction)
        back = statistics.improvement(other, arm, direction)
        assert there + back == pytest.approx(1)


def test_numbers_equal_but_for_rounding_have_no_spread():
    differences = [0.1 + 0.2 - 0.1, 0.2, 0.3 - 0.1]
    assert len(set(differences)) > 1
    assert statistics.paired_gap(differences).spread == 0


def test_what_too_few_values_leave_open_is_nan():
    for values in ([], [1.0]):
        found = statistics.describe(values)
        assert found.n == len(values)
        assert math.isnan(found.sd)
        assert math.isnan(found.low)
    assert math.isnan(statistics.sign_flip_p([]))
    assert math.isnan(statistics.permutation_p([], [1.0]))
    assert math.isnan(statistics.improvement([], [1.0], Direction.MAXIMIZE))
    assert statistics.holm([]) == []


# --- many comparisons at once ------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(-6, 6).map(float), max_size=14), max_size=5))
def test_sign_flip_ps_of_many_comparisons_are_counts_over_all_signs(families):
    def counted(differences):
        signs = np.array([*product((-1, 1), repeat=len(differences))])
        return np.mean(np.abs(signs @ np.array(differences)) >= abs(sum(differences)))

    expected = [counted(family) if family else math.nan for family in families]
    assert statistics.sign_flip_ps(families) == pytest.approx(expected, abs=1e-15, nan_ok=True)


@settings(deadline=None, max_examples=5)
@given(st.lists(st.tuples(several, several), min_size=1, max_size=4), st.integers(41, 60))
def test_ps_of_comparisons_tested_together_are_those_of_each_alone(pairs, n):
    many = [np.resize([*arm, *other], n).tolist() for arm, other in pairs]
    assert statistics.sign_flip_ps(many) == [statistics.sign_flip_p(one) for one in many]
    assert statistics.permutation_ps(pairs) == [statistics.permutation_p(*one) for one in pairs]


@given(several)
def test_a_standard_deviation_is_that_of_exact_arithmetic(values):
    assert statistics.sd(values) == pytest.approx(stdev(values), rel=1e-12, abs=1e-12)


@given(shares, shares)
def test_a_probability_of_improvement_is_a_count_over_all_pairs(arm, other):
    won = [(left > right) + (left == right) / 2 for left, right in product(arm, other)]
    assert statistics.improvement(arm, other, Direction.MAXIMIZE) == pytest.approx(fmean(won))

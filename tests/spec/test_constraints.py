"""What a trial has to keep, and how far it is off."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.spec import Constraint
from ablate.spec.constraints import broken, excesses
from ablate.spec.goals import Comparison
from ablate.spec.models import Search
from ablate.spec.strict import validate

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
series = st.lists(st.floats(width=32), min_size=1, max_size=6)
SEARCH = {
    "config": "a.yaml",
    "objective": {"metric": "loss"},
    "space": {"x": {"float": [0, 1]}},
    "budget": {"trials": 1},
}


def bounded(comparison, bound, at="last"):
    return Constraint(**{"metric": "m", "at": at, comparison: bound})


@given(st.sampled_from(Comparison), numbers, numbers | st.just(0.0))
def test_the_excess_is_above_zero_exactly_where_the_bound_is_broken(comparison, bound, value):
    excess = bounded(comparison, bound).excess(value)
    assert (excess <= 0) == comparison.holds(value, bound)
    assert bounded(comparison, bound).excess(bound) <= 0 or comparison in {"above", "below"}


@given(st.sampled_from(Comparison), numbers)
def test_what_is_no_number_keeps_nothing(comparison, bound):
    assert bounded(comparison, bound).excess(math.nan) == math.inf


@given(st.sampled_from(Comparison), numbers, series)
def test_read_at_best_a_run_keeps_what_any_of_its_values_keeps(comparison, bound, values):
    constraint = bounded(comparison, bound, at="best")
    kept = constraint.excess(constraint.read(values)) <= 0
    assert kept == any(comparison.holds(value, bound) for value in values)


@given(st.sampled_from(Comparison), numbers, series)
def test_read_last_only_the_last_value_counts(comparison, bound, values):
    constraint = bounded(comparison, bound)
    kept = constraint.excess(constraint.read(values)) <= 0
    assert kept == comparison.holds(values[-1], bound)


def test_the_mean_over_seeds_is_held_against_the_bound():
    success = bounded("at_least", 1.0)
    runs = [{"m": [0.0, 1.0]}, {"m": [0.0]}]
    assert excesses([success], runs) == {"m at least 1": 0.5}
    assert excesses([success], runs[:1]) == {"m at least 1": 0.0}
    assert broken(excesses([success], runs)) == "m at least 1: off by 0.5"


def test_a_trial_of_which_one_run_lacks_the_metric_is_infeasible_and_said_to_be():
    found = excesses([bounded("below", 8.0)], [{"m": [1.0]}, {"other": [1.0]}])
    assert found == {"m below 8": math.inf}
    assert broken(found) == "m below 8: no finite value"


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        ([{"metric": "m"}], "give one of above, at_least, below, at_most; none of them is given"),
        ([{"metric": "m", "above": 1, "below": 2}], "2 of them is given"),
        ([{"metric": "m", "abov": 1}], "did you mean 'above'"),
        (
            [{"metric": "m", "above": 1}, {"metric": "m", "above": 1.0}],
            "'m above 1' is there twice",
        ),
    ],
)
def test_a_constraint_that_says_too_little_or_too_much_is_refused(constraints, said):
    with pytest.raises(SpecError, match=said):
        validate(Search, {**SEARCH, "constraints": constraints}, "s.yaml")


def test_one_metric_may_have_two_bounds():
    between = [{"metric": "m", "above": 1}, {"metric": "m", "below": 2}]
    made = validate(Search, {**SEARCH, "constraints": between}, "s.yaml")
    assert [one.text for one in made.constraints] == ["m above 1", "m below 2"]

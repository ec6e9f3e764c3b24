import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.reports.numbers import NOTHING, duration, listing, number, plain, short, span, statistic


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, NOTHING),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (0.0, "0"),
        (0.912345, "0.9123"),
        (0.99999, "1.000"),
        (-12.3456, "-12.35"),
        (123456.7, "123457"),
        (0.00012345, "0.0001234"),
        (1.5e-7, "1.500e-07"),
        (2.5e9, "2.500e+09"),
    ],
)
def test_numbers_have_four_significant_digits(value, shown):
    assert number(value) == shown


@given(st.floats(-1e300, 1e300))
def test_a_shown_number_is_within_half_a_digit(value):
    assert math.isclose(float(number(value)), value, rel_tol=6e-4, abs_tol=1e-320)


def test_a_statistic_that_is_not_there_is_a_dash():
    assert statistic(math.nan) == NOTHING


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (math.nan, NOTHING),
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (245, "4 min 05 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_read_like_speech(seconds, shown):
    assert duration(seconds) == shown


def test_whole_numbers_are_shown_as_one_or_as_a_range():
    assert span([]) == NOTHING
    assert span([5, 5]) == "5"
    assert span([1700000, 3]) == "3 to 1,700,000"


def test_values_keep_full_precision_or_are_cut():
    assert plain(0.0018512345678901) == "0.0018512345678901"
    assert plain({"a": [1, None]}) == '{"a": [1, null]}'
    assert len(plain("x" * 500)) == 100
    assert short(0.0018512345678901) == "0.001851"
    assert short(True) == "true"


def test_names_are_joined_as_in_a_sentence():
    assert [listing([]), listing("a"), listing("ab"), listing("abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]

"""Curves at a glance, against looking at each of them."""

import math
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from ablate.audits.curves import _may_be_down, _median_without, collapse_epoch
from ablate.audits.recorded import Curves

VALUES = st.sampled_from([0.0, 0.1, 0.5, 0.5, 1.0, -1.0, math.nan, math.inf, -math.inf])
CURVES = st.dictionaries(
    st.tuples(st.integers(1, 5), st.sampled_from(["acc", "loss"])),
    st.lists(VALUES, max_size=8).map(lambda values: list(enumerate(values))),
)


@given(CURVES)
def test_curves_are_those_of_the_runs_that_have_some(known):
    curves = Curves.of(known)
    expected = {key: curve for key, curve in known.items() if curve}
    assert {key: repr(curve) for key, curve in curves.items()} == {
        key: repr(curve) for key, curve in expected.items()
    }
    assert len(curves) == len(expected)
    assert curves.get((9, "acc")) is curves.get((1, "nope")) is None


@given(CURVES)
def test_no_curve_that_deserves_a_look_is_passed_over(known):
    for metric, found in Curves.of(known).by_metric.items():
        finite, still = found.runs(found.finite), found.runs(found.still)
        down = found.runs(_may_be_down(found))
        for run_id in found.place:
            values = [value for _, value in found.curve(run_id)]
            assert (run_id in finite) == all(map(math.isfinite, values))
            assert run_id in still or not all(value == values[1] for value in values[1:])
            assert found.firsts[run_id] == values[0] or math.isnan(values[0])
            if collapse_epoch(known[run_id, metric]) is not None:
                assert run_id in down


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=9), st.data()
)
def test_the_median_of_the_others_is_that_without_one(values, data):
    left = data.draw(st.sampled_from(values))
    others = list(values)
    others.remove(left)
    assert _median_without(sorted(values), left) == median(others)

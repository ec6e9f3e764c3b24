import math

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import good_trials, tendencies
from ablate.analysis.good_trials import edge_share, position, rank_correlation, tail
from ablate.spec import Direction, FloatRange, IntRange, Status
from tests.analysis.searches import drawn, trial, with_trials

ONE = {"x": {"float": (0.0, 1.0)}}


def test_the_good_trials_are_the_best_quarter_of_the_complete_ones():
    frames = drawn(10, lambda point: point["x"], space=ONE)
    trials = [
        *(trial(n, value, {"x": 0.5}) for n, value in enumerate([5.0, 1.0, 3.0, 1.0, 9.0])),
        trial(5, None, {"x": 0.5}, Status.FAILED),
        trial(6, -math.inf, {"x": 0.5}),
    ]
    good = good_trials(with_trials(frames, trials))
    assert [one.number for one in good] == [1, 3]


@pytest.mark.parametrize(("direction", "edge"), [("minimize", "lower"), ("maximize", "upper")])
def test_an_optimum_at_an_edge_is_seen_there(direction, edge):
    (found,) = tendencies(
        drawn(60, lambda point: point["x"], space=ONE, direction=Direction(direction))
    )
    assert found.edges == (edge,)
    assert found.larger_is_better is (edge == "upper")
    assert found.rho == pytest.approx(1 if edge == "upper" else -1)


def test_an_optimum_inside_is_at_no_edge_and_has_no_direction():
    (found,) = tendencies(drawn(60, lambda point: (point["x"] - 0.5) ** 2, space=ONE))
    assert found.edges == ()
    assert found.larger_is_better is None
    assert found.at_low == found.at_high == 0


def test_with_few_trials_nothing_is_tested():
    (found,) = tendencies(drawn(19, lambda point: point["x"], space=ONE))
    assert found.at_low == 4
    assert found.edges == ()
    assert found.larger_is_better is None


@given(st.integers(1, 30), st.floats(0.01, 0.99), st.data())
def test_the_tail_is_that_of_the_binomial_distribution(draws, share, data):
    hits = data.draw(st.integers(0, draws))
    expected = scipy.stats.binom.sf(hits - 1, draws, share)
    assert tail(hits, draws, share) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=20))
def test_the_rank_correlation_is_spearmans(pairs):
    rho, low, high = rank_correlation(pairs)
    xs, ys = zip(*pairs, strict=True)
    if len(set(xs)) < 2 or len(set(ys)) < 2:
        assert math.isnan(rho)
        return
    assert rho == pytest.approx(scipy.stats.spearmanr(xs, ys).statistic, abs=1e-9)
    assert -1 <= low <= rho <= high <= 1


@pytest.mark.parametrize(
    ("parameter", "lower", "upper"),
    [
        (FloatRange(float=(0.0, 4.0)), 0.1, 0.1),
        (FloatRange(float=(0.0, 1.0), step=0.05), 3 / 21, 3 / 21),
        (IntRange(int=(1, 2)), 0.5, 0.5),
        (IntRange(int=(1, 40)), 0.1, 0.1),
        (IntRange(int=(0, 100), step=50), 1 / 3, 1 / 3),
    ],
)
def test_the_share_of_an_edge_counts_whole_values(parameter, lower, upper):
    assert edge_share(parameter, upper=False) == pytest.approx(lower)
    assert edge_share(parameter, upper=True) == pytest.approx(upper)


@given(st.integers(1, 500), st.integers(1, 500))
def test_the_edges_of_a_log_range_hold_the_values_that_lie_in_them(low, width):
    parameter = IntRange(int=(low, low + width), log=True)
    values = range(low, low + width + 1)
    cells = [math.log((v + 0.5) / (v - 0.5)) for v in values]
    for upper in (False, True):
        inside = [
            position(parameter, v) >= 0.9 - 1e-12
            if upper
            else position(parameter, v) <= 0.1 + 1e-12
            for v in values
        ]
        expected = sum(c for c, hit in zip(cells, inside, strict=True) if hit) / sum(cells)
        assert edge_share(parameter, upper=upper) == pytest.approx(expected, rel=1e-6)

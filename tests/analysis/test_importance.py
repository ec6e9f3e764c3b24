import math

import numpy as np
import pytest

from ablate.analysis import importances
from ablate.analysis.importance import MOST
from ablate.spec import Direction, Status
from tests.analysis.searches import drawn, trial, with_trials


def bowl(point):
    return (math.log10(point["lr"]) + 3) ** 2 + 0.01 * point["width"]


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablate.analysis.importance.RESAMPLES", (20, 20))
        yield


@pytest.fixture(scope="module")
def planted(few_resamples):
    return importances(drawn(60, bowl))


def test_the_parameter_that_makes_the_value_is_the_most_important(planted):
    first = planted.rows[0]
    assert first.parameter == "lr"
    assert first.share > 0.6
    assert first.p == pytest.approx(1 / 21)
    others = planted.rows[1:]
    assert all(row.share < 0.2 and row.p > first.p for row in others)


def test_shares_add_up_and_lie_in_their_spread(planted):
    assert sum(row.share for row in planted.rows) == pytest.approx(1)
    assert [row.share for row in planted.rows] == sorted(
        (row.share for row in planted.rows), reverse=True
    )
    assert all(0 <= row.low <= row.share <= row.high <= 1 for row in planted.rows)
    assert planted.rows[0].low > max(row.share for row in planted.rows[1:])


def test_equal_trials_give_equal_importances(planted):
    assert importances(drawn(60, bowl)) == planted


def test_where_higher_is_better_the_highest_values_count(planted):
    turned = importances(drawn(60, lambda point: -bowl(point), direction=Direction.MAXIMIZE))
    assert turned == planted


def test_too_few_complete_trials_have_no_importances():
    frames = drawn(19, bowl)
    more = [trial(19 + n, None, {"lr": 0.1}, Status.PRUNED) for n in range(9)]
    more.append(trial(28, math.inf, {"lr": 0.1}))
    found = importances(with_trials(frames, [*frames.trials, *more]))
    assert found.rows == ()
    assert found.trials == 19
    assert found.why_not.startswith("19 complete trials are too few: at least 20 are needed")


def test_equal_values_have_no_importances():
    assert importances(drawn(30, lambda _: 1.0)).why_not == (
        "all 30 complete trials have the same value"
    )


def test_a_conditional_parameter_counts_where_it_is_active():
    space = {
        "schedule": {"choice": ["constant", "cosine"]},
        "warmup": {"float": (0.0, 1.0), "when": {"schedule": "cosine"}},
        "idle": {"float": (0.0, 1.0)},
    }

    def value(point):
        return abs(point.get("warmup", 0.9) - 0.2)

    found = importances(drawn(120, value, space=space))
    assert {row.parameter for row in found.rows} == set(space)
    warmup, idle = found.of("warmup"), found.of("idle")
    assert 30 < warmup.n < 90
    assert idle.n == 120
    assert warmup.share > 3 * idle.share


def test_values_that_the_space_can_not_hold_are_left_out():
    frames = drawn(40, bowl)
    odd = [
        trial(one.number, one.value, {**one.params, "kind": "gone", "unknown": 1})
        for one in frames.trials
    ]
    found = importances(with_trials(frames, odd))
    assert {row.parameter for row in found.rows} == {"lr", "momentum", "width"}


def test_a_long_search_is_thinned_evenly_by_value(monkeypatch):
    monkeypatch.setattr("ablate.analysis.importance.VALUES", 100)
    found = importances(drawn(MOST + 500, bowl))
    assert (found.trials, found.used) == (MOST + 500, MOST)
    assert found.rows[0].parameter == "lr"
    assert found.rows[0].n == MOST


def test_nothing_is_said_on_the_way(planted, capfd):
    importances(drawn(20, bowl, seed=3))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert np.isfinite(planted.rows[0].share)

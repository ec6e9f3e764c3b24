"""Published figures beside ours, as the study reads them and read the same way."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.analysis import published_table
from ablate.reports import published
from ablate.spec import Cause, Published, Status
from tests.analysis.frames_of import definition, frames, run

VALUES = {"a": {"acc": (0.5, 0.7), "loss": (1.0,)}}
DIVERGED = {"status": Status.FAILED, "cause": Cause.DIVERGED}
RUNS = [run(1, seed=1), run(2, seed=2, **DIVERGED)]
CURVES = {
    (1, "acc"): [0.4, 0.9, 0.6],
    (1, "loss"): [3.0, 2.0, 1.0],
    (2, "acc"): [0.8, 0.2, math.nan],
    (2, "loss"): [2.5, 4.0, math.nan],
}


def study(at, runs=RUNS, curves=CURVES, **said):
    told = Published(source="them", at=at, values=VALUES, **said)
    return frames(runs, curves, definition(published=told))


def rows(at, **changes):
    table = published_table(study(at, **changes))
    return table.set_index("metric").to_dict("index")


def test_each_metric_is_read_at_its_own_best_epoch_if_the_published_ones_were():
    found = rows("best")
    assert (found["acc"]["ours"], found["acc"]["n"]) == (0.6, 1)  # where the loss is best
    assert found["acc"]["difference"] == pytest.approx(0.0)
    assert found["acc"]["alike"] == pytest.approx((0.9 + 0.8) / 2)
    assert found["acc"]["alike_n"] == 2
    assert found["acc"]["alike_difference"] == pytest.approx(0.85 - 0.6)
    assert found["loss"]["alike"] == pytest.approx((1.0 + 2.5) / 2)


def test_a_value_at_the_last_epoch_that_is_no_number_is_left_out():
    found = rows("last")
    assert (found["acc"]["alike"], found["acc"]["alike_n"]) == (0.6, 1)


@pytest.mark.parametrize("status", [Status.RUNNING, Status.INTERRUPTED, Status.FAILED])
def test_a_run_that_ended_otherwise_than_by_diverging_is_not_read(status):
    found = rows("best", runs=[RUNS[0], run(2, seed=2, status=status)])
    assert (found["acc"]["alike"], found["acc"]["alike_n"]) == (0.9, 1)


def test_without_runs_there_is_nothing_to_read():
    found = rows("best", runs=[], curves={})
    assert found["acc"]["alike_n"] == 0
    assert math.isnan(found["acc"]["alike"])
    assert math.isnan(found["acc"]["alike_difference"])


def test_how_ours_are_read_alike_is_shown_only_if_the_study_says_how_the_others_were():
    assert "alike" not in published_table(study(None))
    (section,) = published.sections(study(None))
    assert "alike" not in str(section)
    said = {"statistic": "the mean of two seeds", "denominator": "7 examples"}
    (section,) = published.sections(study("best", **said))
    for words in ("each at the best epoch of its own metric", *said.values(), "0.8500", "+0.2500"):
        assert words in str(section)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=5))
def test_the_best_of_a_metric_is_never_worse_than_where_the_study_reads_it(accuracies):
    curves = {(1, "acc"): accuracies, (1, "loss"): [1.0] * len(accuracies)}
    found = rows("best", runs=[run(1)], curves=curves)["acc"]
    assert found["alike"] >= found["ours"]
    assert found["alike"] == pytest.approx(max(accuracies))

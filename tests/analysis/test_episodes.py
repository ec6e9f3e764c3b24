"""What a log of episodes says, by hand-computed values and by what must always hold."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis.episodes import (
    EpisodeArm,
    EpisodeComparison,
    EpisodeLog,
    EpisodeRun,
    Scale,
    bands,
    change_of,
    convergence,
    exploration,
    logs_by_seed,
    measured,
    stability,
)
from ablate.errors import RequestError
from ablate.spec.episodes import EpisodeFacts
from tests.analysis.episode_logs import FAST, FAST_FACTS, STABLE, STABLE_FACTS, arm, log, original

finite = st.floats(-1e6, 1e6)


def of(returns, losses=None, **columns):
    """Make a log of returns, and of losses if there are some."""
    frame = {"episode": range(len(returns)), "return": returns, **columns}
    return EpisodeLog.of(pd.DataFrame(frame if losses is None else {**frame, "loss": losses}))


# --- the log -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"episode": [0]}, "it lacks the column return"),
        ({"episode": [], "return": []}, "there is no episode in it"),
        ({"episode": [0], "retrun": [1]}, "no column 'retrun'.*did you mean 'return'"),
        ({"episode": [0, 2], "return": [1, 2]}, "row 2: episode 2 follows 0"),
        ({"episode": [0, 0], "return": [1, 2]}, "row 2: episode 0 follows 0"),
        ({"episode": [0.5], "return": [1]}, "row 1: episode is no whole number"),
        ({"episode": [0], "return": ["much"]}, "row 1: return: 'much' is no number"),
        ({"episode": [0, 1], "return": ["1", ""]}, "row 2: return is empty"),
        ({"episode": [0], "return": [1], "success": [2]}, "row 1: success must be 0 to 1"),
        ({"episode": [0], "return": [1], "epsilon": [-1]}, "row 1: epsilon must be 0 to 1"),
        ({"episode": [0], "return": [1], "length": [0]}, "row 1: length must be 1 or more"),
        ({"episode": [0], "return": [1], "length": ["inf"]}, "length is no finite number"),
        ({"episode": [0, 1], "return": [1, 2], "seconds": [2, 1]}, "row 2: seconds runs backwards"),
        ({"episode": [0, 1], "return": [1, 2], "loss": [0, 1]}, "rows 1 to 1: the loss is"),
    ],
)  # fmt: skip
def test_a_log_that_does_not_hold_is_refused_with_row_and_column(table, message):
    with pytest.raises(RequestError, match=message):
        EpisodeLog.of(pd.DataFrame(table))


def test_an_empty_loss_says_that_nothing_was_trained_and_nan_that_it_diverged():
    read = of(["1", "2", "3"], ["", "0.5", "nan"])
    assert read.trained.tolist() == [False, True, True]
    assert measured(read).trained == 2
    assert stability(read).unfinite == 2
    assert stability(of([1, 2, 3], [None, 0.5, 0.4])).unfinite is None


def test_losses_filled_with_zeros_hold_where_the_log_says_what_was_trained():
    read = of([1, 2, 3], [0.0, 0.0, 0.5], trained=["false", "false", "true"])
    assert np.isnan(read.losses).tolist() == [True, True, False]
    assert measured(read).lowest_loss.value == 0.5


def test_a_table_of_several_seeds_is_a_log_for_each():
    frame = pd.DataFrame({"seed": [7, 3, 7], "episode": [0, 0, 1], "return": [1, 2, 3]})
    found = logs_by_seed(frame)
    assert {seed: made.returns.tolist() for seed, made in found.items()} == {7: [1, 3], 3: [2]}
    with pytest.raises(RequestError, match="seed 7: row 2: episode 0 follows 0"):
        logs_by_seed(frame.assign(episode=0))


def test_a_return_that_is_no_number_is_named_and_not_summarised():
    read = of(["1", "nan"])
    assert read.broken == "the return of episode 1 is nan"
    with pytest.raises(ValueError, match="episode 1"):
        measured(read)


# --- measures ----------------------------------------------------------------------------


def test_every_measure_of_a_short_log_is_the_one_computed_by_hand():
    returns = [*[0.0] * 20, *[1.0] * 10, -2.0, *[2.0] * 9]
    losses = [None, None, 0.2, *[0.5] * 17, 0.3, *[0.4] * 18, 0.9]
    found = measured(of(returns, losses, length=[3] * 40, seconds=np.arange(1, 41) * 1.5))
    window = found.windows[20]
    assert (window.first, window.last, window.n) == (20, 39, 20)
    assert window.mean == pytest.approx(26 / 20)
    assert window.sd == pytest.approx(np.std([*[1.0] * 10, -2.0, *[2.0] * 9], ddof=1))
    assert (window.low, window.high, window.positive) == (-2.0, 2.0, 19)
    assert (window.share, window.consistency) == (0.95, "medium")
    assert (window.trained, window.loss_low, window.loss_high) == (20, 0.3, 0.9)
    assert (found.highest.value, found.highest.episode) == (2.0, 31)
    assert (found.lowest.value, found.lowest.episode) == (-2.0, 30)
    assert (found.lowest_loss.value, found.lowest_loss.episode) == (0.2, 2)
    assert not found.lowest_loss_at_end
    assert (found.final, found.trained, found.steps, found.seconds) == (2.0, 38, 120, 60.0)
    assert (found.episodes_per_minute, found.steps_per_minute) == (40, 120)
    assert sorted(found.windows) == [20]
    assert (found.success, found.success_end, found.exploration) == (None, None, None)


@pytest.mark.parametrize(
    ("returns", "word"), [([1.0] * 20, "high"), ([1.0] * 11 + [-1.0] * 9, "medium"),
                          ([1.0] * 10 + [-1.0] * 10, "low"), ([0.0] * 20, "low")],
)  # fmt: skip
def test_consistency_is_a_word_for_a_share(returns, word):
    assert measured(of(returns)).windows[20].consistency == word


@pytest.mark.parametrize(
    ("losses", "passed"),
    [
        ([1.0] * 400, True),
        (np.geomspace(10, 0.01, 400), True),
        ([1.0] * 399 + [100.0], True),
        ([1.0] * 200 + [100.5] + [1.0] * 199, False),
        ([*[1.0] * 399, "inf"], False),
        ([*[1.0] * 200, *np.linspace(1, 4, 200)], False),
        ([*[1.0] * 200, *np.linspace(1, 2, 200)], True),
    ],
)
def test_stability_passes_by_three_criteria(losses, passed):
    assert stability(of([0.0] * 400, list(losses))).passed is passed


def test_the_rise_of_a_loss_is_that_of_its_line_in_parts_of_the_median():
    found = stability(of([0.0] * 8, [9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0]))
    assert found.rise == pytest.approx((3.5 - 1.5) / 2 * 3 / 2.5)
    assert math.isnan(stability(of([0.0] * 3)).rise)


def test_a_run_converges_where_the_mean_of_100_stays_where_it_ends():
    # The mean of 100 is e/100 - 0.99 while the step from 0 to 1 passes, and 1 from 599 on.
    read = of([0.0] * 500 + [1.0] * 500)
    found = convergence(read)
    assert found.tolerance == pytest.approx(0.05)
    assert found.episode == 594
    assert (found.epsilon, found.after_floor) == (None, None)


def test_a_run_that_still_climbs_has_not_converged():
    assert convergence(of(np.arange(1000.0))).episode is None
    assert convergence(of([0.0] * 99)).episode is None
    assert convergence(of([0.0] * 199)).episode is None
    assert convergence(of([0.0] * 200)).episode == 99


@pytest.mark.parametrize(("decay", "after"), [(0.98, True), (0.995, False)])
def test_convergence_says_whether_epsilon_was_at_its_floor(decay, after):
    epsilon = np.maximum(0.01, decay ** np.arange(1000))
    found = convergence(of([0.0] * 500 + [1.0] * 500, epsilon=epsilon))
    assert found.epsilon == epsilon[594]
    assert found.after_floor is after


def test_epsilon_reaches_its_floor_where_it_stays_lowest():
    assert exploration(of([0.0] * 4, epsilon=[0.5, 0.1, 0.1, 0.1])).floor_from == 1
    assert exploration(of([0.0] * 4, epsilon=[0.5, 0.1, 0.2, 0.1])).floor_from == 3
    assert exploration(of([0.0] * 4, epsilon=[0.1, 0.1, 0.1, 0.2])).floor_from is None


def test_bands_are_equal_disjoint_and_the_same_for_both_series():
    cut = bands(of(np.arange(11.0), [None] * 3 + [1.0] * 8))
    assert [(band.first, band.end) for band in cut] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 11)]
    assert [(band.low, band.mean, band.high) for band in cut[::4]] == [(0, 0.5, 1), (8, 9, 10)]
    assert [band.trained for band in cut] == [0, 1, 2, 2, 3]
    assert math.isnan(cut[0].loss_low)


@given(
    st.lists(st.tuples(finite, st.none() | st.floats(1e-6, 1e6)), min_size=1, max_size=260),
    st.integers(0, 5000),
)
@settings(max_examples=60, deadline=None)
def test_measures_of_any_log_agree_with_each_other(rows, first):
    returns, losses = [row[0] for row in rows], [row[1] for row in rows]
    frame = pd.DataFrame({"episode": range(first, first + len(rows)), "return": returns,
                          "loss": np.array(losses, dtype=float)})  # fmt: skip
    found = measured(EpisodeLog.of(frame))  # which checks bands against windows and extremes
    assert found.highest.value == max(returns)
    assert found.lowest.value == min(returns)
    trained = [loss for loss in losses if loss is not None]
    assert found.trained == len(trained) == sum(band.trained for band in found.bands)
    assert (found.lowest_loss.value if found.lowest_loss else None) == min(trained, default=None)
    assert sum(band.end - band.first for band in found.bands) == len(rows)


# --- changes -----------------------------------------------------------------------------


@given(finite, finite)
def test_a_change_leads_from_the_baseline_to_the_value(value, baseline):
    change = change_of(Scale.PERCENT, value, baseline)
    if change.scale is Scale.PERCENT:
        assert baseline + change.value / 100 * abs(baseline) == pytest.approx(value, abs=1e-6)
    else:
        assert abs(baseline) < 1e-290 or min(value, baseline) < 0 < max(value, baseline)
        assert change.value == value - baseline


def test_a_ratio_has_no_meaning_without_a_baseline_above_0():
    assert change_of(Scale.RATIO, 54.0, 5.0).value == pytest.approx(10.8)
    assert change_of(Scale.RATIO, 54.0, 0.0).scale is Scale.DIFFERENCE


# --- arms side by side -------------------------------------------------------------------

SAME = FAST_FACTS.model_copy(update={"config": None})


def test_three_seeds_and_an_interval_without_0_make_a_winner():
    arms = (arm("a", FAST, SAME, seeds=(1, 2, 3), shifts=(0, 0.1, 0.2)),
            arm("b", FAST, SAME, seeds=(1, 2, 3), shifts=(1.0, 1.11, 1.19)))  # fmt: skip
    found = EpisodeComparison(arms, "a")
    contrast = found.contrast(found.primary, "b")
    assert found.primary == "last_100"
    assert contrast.comparison.paired
    assert contrast.comparison.difference == pytest.approx(1.0)
    assert contrast.winner == "b"
    assert found.contrast("seconds", "b").winner is None
    assert "average return" in found.tally("b").better
    backwards = EpisodeComparison(arms, "b")
    assert backwards.contrast("last_100", "a").winner == "b"
    assert "average return" in backwards.tally("a").worse


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_fewer_than_three_seeds_never_make_a_winner(seeds):
    shifts = (1.0, 1.1)[: len(seeds)]
    arms = (arm("a", FAST, SAME, seeds=seeds), arm("b", FAST, SAME, seeds=seeds, shifts=shifts))
    found = EpisodeComparison(arms, "a")
    assert [contrast.winner for contrast in found.contrasts] == [None] * len(found.contrasts)


def test_an_arm_that_may_not_be_compared_never_wins():
    seeds = (1, 2, 3)
    leaking = arm("b", FAST, SAME, seeds, (1.0, 1.1, 0.9), barred="it sees the answers")
    found = EpisodeComparison((arm("a", FAST, SAME, seeds), leaking), "a")
    assert {c.comparison.reason for c in found.contrasts if c.comparison} == {
        "b: it sees the answers"
    }
    assert all(contrast.winner is None for contrast in found.contrasts)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shifts": (1.0, 1.0, 1.0)}, "b: its seeds change nothing"),
        ({"shifts": (1.0, 1.1, 1.2), "doubted": "its order differs"}, "b: its order differs"),
    ],
)
def test_nothing_is_told_of_an_arm_without_replicates_or_in_doubt(changes, reason):
    seeds = (1, 2, 3)
    arms = (arm("a", FAST, SAME, seeds, (0, 0.1, 0.2)), arm("b", FAST, SAME, seeds, **changes))
    found = EpisodeComparison(arms, "a").contrast("last_100", "b")
    assert found.winner is None
    assert found.comparison.reason == reason


@pytest.mark.parametrize("seeds", [(4, 5, 6), (2, 3, 4)])
def test_arms_of_other_seeds_are_not_paired_and_it_is_said_why(seeds):
    arms = (arm("a", FAST, SAME, (1, 2, 3), (0, 0.1, 0.2)),
            arm("b", FAST, SAME, seeds, (1.0, 1.1, 1.2)))  # fmt: skip
    found = EpisodeComparison(arms, "a").contrast("last_100", "b").comparison
    assert not found.paired
    assert found.unpaired_because == "the arms do not have the same seeds"
    assert found.n == 3
    assert found.difference == pytest.approx(1.0)


def test_returns_are_told_from_floor_to_ceiling_where_both_are_known():
    bounds = [{"floor": -109.55, "ceiling": 2.25}, {"floor": -182.55, "ceiling": 3.75}]
    facts = [
        f.model_copy(update=b) for f, b in zip((FAST_FACTS, STABLE_FACTS), bounds, strict=True)
    ]
    found = EpisodeComparison((arm("a", FAST, facts[0]), arm("b", STABLE, facts[1])), "a")
    shares = [found.values["max_return_of_ceiling", name].mean for name in "ab"]
    assert shares == pytest.approx([111.6 / 111.8, 185.77 / 186.3])


def test_a_frame_has_a_row_per_metric_and_arm():
    frame = original().frame()
    assert len(frame) == len(original().metrics)
    assert set(frame["comparator"]) == {"Fast"}
    assert {"metric", "arm", "difference", "low", "high", "n", "p", "p_holm", "verdict", "reason",
            "seeds_needed"} <= set(frame.columns)  # fmt: skip


@pytest.mark.parametrize(
    ("arms", "baseline", "message"),
    [
        ((arm("a", FAST),), "a", "at least two arms"),
        ((arm("a", FAST), arm("a", FAST)), "a", "two arms are called 'a'"),
        ((arm("a", FAST), arm("b", FAST)), "c", "the baseline 'c' is no arm"),
        ((arm("a", FAST, seeds=(1, 1)), arm("b", FAST)), "a", "'a' has two runs of seed 1"),
    ],
)
def test_what_can_t_be_compared_is_refused(arms, baseline, message):
    with pytest.raises(RequestError, match=message):
        EpisodeComparison(arms, baseline)


def test_a_run_that_diverged_does_not_count():
    broken = log(FAST, **{"return": ["nan"] * FAST.episodes})
    whole = arm("a", FAST, SAME, seeds=(1, 2))
    runs = (whole.runs[0], type(whole.runs[0])(2, broken))
    found = EpisodeComparison((type(whole)("a", runs), arm("b", FAST, SAME, (1, 2))), "a")
    assert found.values["last_100", "a"].n == 1
    with pytest.raises(RequestError, match="no run of 'a' counts: the return of episode 0 is nan"):
        EpisodeComparison((type(whole)("a", runs[1:]), arm("b", FAST)), "a")


def test_the_made_runs_have_the_numbers_of_the_report_written_by_hand():
    fast, stable = measured(log(FAST)), measured(log(STABLE))
    for found, made in ((fast, FAST), (stable, STABLE)):
        assert found.highest.value == made.highest
        assert found.lowest.value == made.lowest
        assert found.final == made.final
        assert found.windows[100].mean == pytest.approx(made.last_100)
        assert found.windows[20].mean == pytest.approx(made.last_20)
        assert (found.windows[20].low, found.windows[20].high) == made.returns_at_end
        assert (found.windows[20].loss_low, found.windows[20].loss_high) == made.losses_at_end
        assert found.seconds == pytest.approx(60 * made.minutes)


@given(
    st.dictionaries(st.integers(1, 6), st.floats(-0.5, 0.5), min_size=1, max_size=6),
    st.dictionaries(st.integers(1, 6), st.floats(-0.5, 0.5), min_size=1, max_size=6),
    st.floats(-2, 2),
)
@settings(max_examples=15, deadline=None)
def test_winner_change_and_shown_means_never_contradict_each_other(first, second, shift):
    short = [of(np.sin(np.arange(25.0)) + by) for by in first.values()]
    other = [of(np.sin(np.arange(25.0)) + by + shift) for by in second.values()]
    a = EpisodeArm("a", tuple(map(EpisodeRun, first, short)))
    b = EpisodeArm("b", tuple(map(EpisodeRun, second, other)))
    found = EpisodeComparison((a, b), "a")
    for contrast in found.contrasts:
        key, direction = contrast.metric.key, contrast.metric.direction
        means = {name: found.values[key, name].mean for name in "ab"}
        gap = means["b"] - means["a"]
        assert contrast.change.value * gap >= 0
        if contrast.comparison is not None:
            assert contrast.comparison.difference == pytest.approx(gap, abs=1e-9)
        if contrast.winner is not None:
            loser = "ab".replace(contrast.winner, "")
            assert direction.better(means[contrast.winner], means[loser])
            assert min(len(first), len(second)) >= 3


@pytest.mark.parametrize(
    ("episodes", "primary"),
    [(200, "last_100"), (99, "last_50"), (20, "last_20"), (5, "final_return")],
)
def test_short_runs_are_decided_by_the_longest_window_that_they_have(episodes, primary):
    run = EpisodeRun(1, of(np.linspace(0, 1, episodes)))
    for horizons, suffix in (((7, 7), ""), ((7, 8), "_per_step")):
        arms = tuple(
            EpisodeArm(name, (run,), EpisodeFacts(horizon=horizon))
            for name, horizon in zip("ab", horizons, strict=True)
        )
        assert EpisodeComparison(arms, "a").primary == primary + suffix

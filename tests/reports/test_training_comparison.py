"""The report of a fast and a stable training, once written by hand, now made of their logs.

The first tests hold the rows of its tables and its percentages against values computed by hand.
Then there is a test for each of the 27 ways in which the report written by hand contradicted
itself or claimed what nothing showed.
"""

import re
from dataclasses import replace

import numpy as np
import pytest

from ablate.analysis.episodes import (
    EpisodeComparison,
    Scale,
    change_of,
    measured,
)
from ablate.reports import html, markdown
from ablate.reports.blocks import Bullets, Paragraph, Strong, Table
from ablate.reports.episodes import document, headlines
from ablate.spec.episodes import Usage
from tests.analysis.episode_logs import FAST, FAST_FACTS, STABLE, STABLE_FACTS, arm, log, original

PRINTED = {
    "max_return": (2.05, 3.22, 57.07),
    "final_return": (0.80, 0.95, 18.75),
    "last_100": (0.93, 1.04, 11.83),
    "last_20": (1.15, 0.68, -40.87),
    "min_loss": (0.0077, 0.0023, -70.13),
}


@pytest.fixture(scope="module")
def comparison():
    return original()


@pytest.fixture(scope="module")
def composed(comparison):
    return document(comparison)


@pytest.fixture(scope="module")
def page(composed):
    return markdown.render(composed)


def alike(**changes):
    """Compare the two runs as if nothing but their returns and losses were known."""
    return EpisodeComparison(
        (arm("Fast", FAST, **changes), arm("Stable", STABLE, **changes)), "Fast"
    )


def section(composed, title):
    return next(part for part in composed.sections if part.title == title)


def tables(composed, title):
    return [block for block in section(composed, title).blocks if isinstance(block, Table)]


def rows(composed, title, place=0):
    """Return the rows of a table by their first cell."""
    return {row[0]: row[1:] for _, group in tables(composed, title)[place].groups for row in group}


def said(composed):
    """Return the sentences of a report."""
    blocks = [*composed.lead, *(block for part in composed.sections for block in part.blocks)]
    lines = [block.parts for block in blocks if isinstance(block, Paragraph)]
    lines += [item for block in blocks if isinstance(block, Bullets) for item in block.items]
    return ["".join(parts) for parts in lines]


# --- the tables, row by row --------------------------------------------------------------


@pytest.mark.parametrize("metric", PRINTED)
def test_the_rows_of_overall_metrics_come_out_of_the_logs(comparison, metric):
    fast, stable, percent = PRINTED[metric]
    contrast = comparison.contrast(metric, "Stable")
    assert comparison.values[metric, "Fast"].mean == pytest.approx(fast)
    assert comparison.values[metric, "Stable"].mean == pytest.approx(stable)
    assert contrast.change.scale is Scale.PERCENT
    assert contrast.change.value == pytest.approx(percent, abs=0.005)


@pytest.mark.parametrize(
    ("metric", "fast", "stable"),
    [
        ("max_return_per_step", 0.0683, 0.0644),
        ("final_return_per_step", 0.0267, 0.0190),
        ("last_100_per_step", 0.0310, 0.0208),
        ("last_20_per_step", 1.15 / 30, 0.68 / 50),
        ("episodes_per_minute", 400, 92.59),
        ("steps_per_minute", 12_000, 4_630),
        ("seconds", 300, 3_240),
        ("success", 0, 0),
    ],
)
def test_the_rows_that_the_report_lacked_come_out_too(comparison, metric, fast, stable):
    found = [comparison.values[metric, name].mean for name in ("Fast", "Stable")]
    assert found == pytest.approx([fast, stable], rel=2e-3)


def test_speed_is_told_as_a_ratio_to_the_one_baseline(comparison):
    ratios = {
        key: comparison.contrast(key, "Stable").change
        for key in ("seconds", "episodes_per_minute", "steps_per_minute")
    }
    assert {change.scale for change in ratios.values()} == {Scale.RATIO}
    assert ratios["seconds"].value == pytest.approx(10.8)
    assert 1 / ratios["episodes_per_minute"].value == pytest.approx(4.32)
    assert 1 / ratios["steps_per_minute"].value == pytest.approx(2.592)


def test_the_rows_of_configuration_come_out_of_the_facts(composed):
    found = rows(composed, "Configuration")
    assert found["episodes"] == ("2,000", "5,000", "2.500")
    assert found["horizon"] == ("30", "50", "1.667")
    assert found["actions"] == ("1,000", "5,000", "5.000")
    assert found["parameters"] == ("1,042,408", "3,094,408", "2.969")
    assert found["checkpoint bytes"] == ("16,688,216", "49,510,528", "2.967")
    assert found["device"][:2] == ("MPS", "MPS")


def test_the_rows_of_the_last_20_episodes_come_out_of_the_logs(composed):
    found = rows(composed, "Last 20 episodes")
    spread = np.std(log(FAST).returns[-20:], ddof=1)
    assert found["Fast, seed 42"] == (
        "1,980 to 1,999", "1.150", f"{spread:.4f}", "0.2500 to 1.800", "20 of 20", "high",
        "0.007700 to 0.3472",
    )  # fmt: skip
    assert found["Stable, seed 42"][0] == "4,980 to 4,999"
    assert found["Stable, seed 42"][3:] == (
        "-2.920 to 2.550", "19 of 20", "medium", "0.002300 to 0.4855"
    )  # fmt: skip


def test_the_rows_of_the_progression_come_out_of_the_logs(composed):
    (progression,) = tables(composed, "Progression")
    returns, losses = log(FAST).returns, log(FAST).losses
    label, group = progression.groups[0]
    assert label == "Fast, seed 42"
    assert [row[0] for row in group] == [
        "0 to 399", "400 to 799", "800 to 1,199", "1,200 to 1,599", "1,600 to 1,999"
    ]  # fmt: skip
    assert float(group[0][1]) == returns[:400].min() == -93
    assert float(group[1][2]) == pytest.approx(returns[400:800].mean(), rel=1e-3)
    assert float(group[4][4]) == losses[1600:].min() == 0.0077
    assert group[0][7] == "384"


def test_the_rows_of_stability_and_convergence_come_out_of_the_logs(composed):
    found = rows(composed, "Stability and convergence")
    assert [row[0] for row in found.values()] == ["pass", "pass"]
    settled = measured(log(FAST)).convergence
    assert found["Fast, seed 42"][2] == str(settled.episode)
    assert found["Fast, seed 42"][6] == "919"


def test_of_several_arms_each_is_set_beside_the_one_baseline():
    arms = (arm("a", FAST, FAST_FACTS), arm("b", STABLE, STABLE_FACTS), arm("c", FAST, FAST_FACTS))
    composed = document(EpisodeComparison(arms, "b"))
    values, contrasts = tables(composed, "Overall metrics")
    assert [column.title for column in values.columns] == ["metric", "a", "b", "c"]
    assert [label for label, _ in contrasts.groups] == ["a against b", "c against b"]
    assert contrasts.groups[0][1] == contrasts.groups[1][1]
    assert len(tables(composed, "Windows")) == 3
    assert "c / b" in markdown.render(composed)


def test_the_same_logs_give_the_same_bytes(page):
    assert markdown.render(document(original())) == page
    assert html.render(document(original())) == html.render(document(original()))


# --- the 27 inconsistencies --------------------------------------------------------------


def test_01_a_better_average_names_its_metric_and_is_that_of_its_row(comparison):
    (line, _) = headlines(comparison)
    assert line.startswith("mean return, last 100, per step: Stable 0.02080 and Fast 0.03100")
    found = comparison.contrast("last_100_per_step", "Stable")
    assert found.winner is None
    assert "cannot tell" in line


def test_02_what_is_bold_is_the_winner_of_the_row():
    facts = FAST_FACTS.model_copy(update={"config": None})
    seeds, shifts = (1, 2, 3), (0.9, 1.0, 1.1)
    decided = document(
        EpisodeComparison((arm("a", FAST, facts, seeds), arm("b", FAST, facts, seeds, shifts)), "a")
    )
    bold = 0
    for row in rows(decided, "Overall metrics").values():
        strong = [name for name, cell in zip("ab", row[:2], strict=True) if type(cell) is Strong]
        assert strong == ([row[-1]] if type(row[-1]) is Strong else [])
        bold += len(strong)
    assert bold >= 5
    flat = [cell for row in rows(document(original()), "Overall metrics").values() for cell in row]
    assert not any(isinstance(cell, Strong) for cell in flat)


def test_03_windows_with_opposite_winners_give_none_and_are_shown():
    found = alike()
    flip = found.flip("Stable")
    assert flip.depends
    assert dict(flip.leaders)[100] == "Stable"
    assert dict(flip.leaders)[20] == "Fast"
    for size in (20, 50, 100, 200):
        contrast = found.contrast(f"last_{size}", "Stable")
        assert contrast.winner is None
        assert contrast.comparison.reason.startswith("depends on the window")
    composed = document(found)
    assert any("depends on the window" in line for line in said(composed))
    trends = rows(composed, "Windows", 1)
    assert trends["Fast, seed 42"] == ("1,900 to 1,979: 0.8750", "1,980 to 1,999: 1.150", "+0.2750")
    assert trends["Stable, seed 42"] == (
        "4,900 to 4,979: 1.130", "4,980 to 4,999: 0.6800", "-0.4500"
    )  # fmt: skip


def test_03_a_window_decides_nothing_even_if_each_is_beyond_chance():
    seeds, shifts = (1, 2, 3), (0.0, 0.001, 0.002)
    fast = arm("Fast", FAST, seeds=seeds, shifts=shifts)
    stable = arm("Stable", STABLE, seeds=seeds, shifts=shifts[::-1])
    found = EpisodeComparison((fast, stable), "Fast")
    assert found.contrast("last_20", "Stable").comparison.p_holm < 0.05
    assert found.contrast("last_20", "Stable").winner is None
    assert "average return" in found.tally("Stable").open


@pytest.mark.parametrize("baseline", ["Fast", "Stable"])
def test_04_every_row_has_the_same_baseline(baseline):
    found = original(baseline)
    other = next(iter(found.candidates)).name
    for contrast in found.contrasts:
        assert contrast.baseline == baseline
        value = found.values[contrast.metric.key, other].mean
        base = found.values[contrast.metric.key, baseline].mean
        assert contrast.change == change_of(contrast.metric.scale, value, base)
    expected = {"Fast": -40.87, "Stable": 69.12}[baseline]
    assert found.contrast("last_20", other).change.value == pytest.approx(expected, abs=0.005)
    assert f"Changes are from {baseline}, the baseline of all rows." in " ".join(
        said(document(found))
    )


def test_05_consistency_and_stability_are_words_of_numbers(composed):
    found = rows(composed, "Last 20 episodes")
    fast, stable = found["Fast, seed 42"], found["Stable, seed 42"]
    assert float(fast[2]) < float(stable[2])
    assert (fast[5], stable[5]) == ("high", "medium")
    assert not re.search(r"excellent", markdown.render(composed), re.I)


@pytest.mark.parametrize(
    ("number", "made", "first", "low", "high"),
    [
        ("06", STABLE, 4000, 0.7, 3.22),
        ("07", FAST, 1600, 0.8, 1.8),
    ],
)
def test_06_and_07_a_band_has_the_extremes_of_the_last_20(number, made, first, low, high):
    found = measured(log(made))
    (last,) = [band for band in found.bands if band.first == first]
    assert last.low <= found.windows[20].low
    assert last.high >= found.windows[20].high
    printed = tuple(replace(b, low=low, high=high) if b is last else b for b in found.bands)
    with pytest.raises(ValueError, match="a band lacks the extremes of a window"):
        replace(found, bands=printed)


def test_08_the_maximum_lies_in_a_band():
    found = measured(log(FAST))
    assert [band.high for band in found.bands].count(found.highest.value) == 1
    printed = tuple(replace(band, high=min(band.high, 2.0)) for band in found.bands)
    with pytest.raises(ValueError, match="no band has the highest"):
        replace(found, bands=printed)


def test_09_a_range_of_losses_holds_every_loss_and_is_rounded(composed):
    last = tables(composed, "Progression")[0].groups[0][1][-1]
    assert float(last[4]) <= 0.0077
    assert float(last[6]) >= 0.3472
    assert rows(composed, "Last 20 episodes")["Fast, seed 42"][-1] == "0.007700 to 0.3472"
    rounded = replace(FAST, losses_at_end=(0.00769996, 0.34729996))
    shown = document(EpisodeComparison((arm("a", rounded), arm("b", FAST)), "a"))
    assert rows(shown, "Last 20 episodes")["a, seed 42"][-1] == "0.007700 to 0.3473"


def test_10_no_band_of_losses_is_narrower_than_the_last_20():
    found = measured(log(STABLE))
    assert found.bands[-1].loss_high >= 0.4855
    printed = (*found.bands[:-1], replace(found.bands[-1], loss_low=0.003, loss_high=0.05))
    with pytest.raises(ValueError, match="a band lacks the extreme losses of a window"):
        replace(found, bands=printed)


def test_11_the_losses_of_the_start_are_told_once(composed):
    groups = dict(tables(composed, "Progression")[0].groups)
    start = groups["Stable, seed 42"][0]
    losses = log(STABLE).losses[20:1000]
    assert [float(cell) for cell in start[4:7]] == pytest.approx(
        [losses.min(), losses.mean(), losses.max()], rel=1e-3
    )
    cells = [cell for part in composed.sections for block in part.blocks if isinstance(block, Table)
             for _, group in block.groups for row in group for cell in row]  # fmt: skip
    assert cells.count(start[6]) == 1
    assert not any(re.search(r"dramatic|improve", line) for line in said(composed))


def test_12_the_lowest_loss_of_the_run_is_not_that_of_the_last_20():
    losses = log(FAST).losses.copy()
    for place, at_end in ((1979, False), (1980, True)):
        moved = np.where(np.arange(2000) == place, 0.001, losses)
        assert measured(log(FAST, loss=moved)).lowest_loss_at_end is at_end
    losses[1776] = 0.0061
    found = measured(log(FAST, loss=losses))
    assert (found.lowest_loss.value, found.lowest_loss.episode) == (0.0061, 1776)
    assert found.windows[20].loss_low == 0.0077
    shown = document(EpisodeComparison((arm("a", FAST, loss=losses), arm("b", FAST)), "a"))
    assert rows(shown, "Runs")["a, seed 42"][4] == "0.006100 (episode 1,776)"
    assert rows(shown, "Runs")["b, seed 42"][4] == "0.007700 (episode 1,985), of the last 20"
    with pytest.raises(ValueError, match="the lowest loss of a window is below that of the run"):
        replace(found, lowest_loss=replace(found.lowest_loss, value=0.05))


def test_13_a_run_is_told_with_its_lowest_return(composed):
    assert rows(composed, "Runs")["Fast, seed 42"][2] == "-93.00 (episode 0)"
    assert not any("throughout" in line for line in said(composed))


def test_14_convergence_has_a_criterion_and_says_where_epsilon_was(composed):
    found = rows(composed, "Stability and convergence")
    assert {row[4] for row in found.values()} == {"before its floor"}
    assert all(0 < float(row[3]) <= 1 for row in found.values())
    assert any("the schedule may set that episode, not learning" in line for line in said(composed))


def test_15_nothing_is_recommended(page):
    words = r"recommend|production|successful|optimal|ideal|suitable|excellent|best for|use fast"
    assert not re.search(words, page, re.I)
    assert "held-out success | not measured | not measured" in page


def test_16_returns_and_losses_have_the_same_equal_bands(composed):
    (progression,) = tables(composed, "Progression")
    heads = [column.title for column in progression.columns]
    assert heads == ["episodes", "return: min", "mean", "max", "loss: min", "loss: mean",
                     "loss: max", "trained"]  # fmt: skip
    for found, size in ((measured(log(FAST)), 400), (measured(log(STABLE)), 1000)):
        assert {band.end - band.first for band in found.bands} == {size}
        assert [b.end for b in found.bands[:-1]] == [b.first for b in found.bands[1:]]
        uneven = (replace(found.bands[0], end=500), replace(found.bands[1], first=500))
        with pytest.raises(ValueError, match="the bands are not equal"):
            replace(found, bands=(*uneven, *found.bands[2:]))
        shared = (replace(found.bands[0], end=size + 1), *found.bands[1:])
        with pytest.raises(ValueError, match="the bands overlap"):
            replace(found, bands=shared)


def test_17_a_speed_up_is_told_only_if_both_times_were_measured(composed):
    key = "speed-up against a processor alone"
    assert rows(composed, "Cost and held-out success")[key] == ("not measured", "not measured")
    facts = FAST_FACTS.model_copy(update={"cpu_seconds": 146.0})
    known = EpisodeComparison((arm("a", FAST, facts), arm("b", FAST, facts, seconds=None)), "a")
    shown = rows(document(known), "Cost and held-out success")[key]
    assert shown == ("0.4867 times", "not measured")


def test_18_use_of_the_machine_is_told_only_with_the_tool_that_measured_it(composed):
    for key in ("peak memory", "processor", "accelerator"):
        row = rows(composed, "Cost and held-out success")[key]
        assert row == ("not measured", "not measured")
    facts = FAST_FACTS.model_copy(update={"usage": Usage(tool="psrecord", memory_bytes=3 * 2**20)})
    known = EpisodeComparison((arm("a", FAST, facts), arm("b", FAST)), "a")
    shown = rows(document(known), "Cost and held-out success")
    assert shown["peak memory"] == ("3.000 MiB (psrecord)", "not measured")
    assert shown["processor"] == ("not measured", "not measured")
    with pytest.raises(ValueError, match="at least 1 character"):
        Usage(tool="", cpu_percent=40)


def test_19_nothing_is_claimed_of_a_value_that_all_arms_share(composed):
    groups = dict(tables(composed, "Configuration")[1].groups)
    assert groups["Equal"] == (("lr", "1e-06", "1e-06", ""),)
    assert not any("learning rate" in line or "1e-06" in line for line in said(composed))


def test_20_every_differing_key_is_listed_and_no_effect_is_ascribed_to_one(composed, comparison):
    keys = {difference.path for difference in comparison.differences}
    assert keys == set(FAST_FACTS.config) - {"lr"}
    groups = dict(tables(composed, "Configuration")[1].groups)
    assert {row[0] for row in groups["Not equal"]} == keys
    assert rows(composed, "Configuration", 1)["hidden"][-1] == "inert: changes nothing"
    lines = said(composed)
    assert "The configs differ in 10 keys, 1 of them inert." in lines
    assert any(
        "no difference in the results can be put down to one of them" in line for line in lines
    )


def test_21_one_seed_is_never_a_winner(comparison):
    assert all(contrast.winner is None for contrast in comparison.contrasts)
    found = comparison.contrast("last_20_per_step", "Stable").comparison
    assert found.reason == "1 seed; fewer than 3 prove nothing"
    assert np.isnan(found.low)


def test_22_maxima_of_unequal_numbers_of_episodes_or_horizons_are_not_compared(comparison):
    of_run = comparison.contrast("max_return", "Stable").comparison
    per_step = comparison.contrast("max_return_per_step", "Stable").comparison
    assert (str(of_run.verdict), of_run.reason) == ("not comparable", "horizon: 50 and 30")
    assert (str(per_step.verdict), per_step.reason) == (
        "not comparable", "episodes: 5,000 and 2,000"
    )  # fmt: skip
    seeds, shifts = (1, 2, 3), (9.0, 9.1, 9.2)
    decided = EpisodeComparison(
        (arm("a", FAST, FAST_FACTS, seeds), arm("b", STABLE, STABLE_FACTS, seeds, shifts)), "a"
    )
    assert decided.contrast("max_return", "b").winner is None
    assert decided.contrast("last_100_per_step", "b").winner == "b"


def test_23_exploration_is_told_by_the_schedule(composed):
    found = rows(composed, "Stability and convergence")
    assert {row[5:] for row in found.values()} == {("1.000 to 0.01000", "919")}
    assert not any(re.search(r"explor", line) for line in said(composed))
    assert any("The number of actions is not equal" in line for line in said(composed))


def test_24_runs_that_solved_nothing_say_so(composed):
    assert "No episode of any arm was solved." in said(composed)
    assert rows(composed, "Overall metrics")["success"][:2] == ("0", "0")
    solved = document(EpisodeComparison((arm("a", FAST, success=1.0), arm("b", FAST)), "a"))
    assert "No episode of any arm was solved." not in said(solved)


def test_25_extremes_are_of_every_episode_not_of_those_that_a_console_showed():
    returns = log(FAST).returns.copy()
    returns[777] = -139.55
    found = measured(log(FAST, **{"return": returns}))
    assert (found.lowest.value, found.lowest.episode) == (-139.55, 777)
    assert min(band.low for band in found.bands) == -139.55


def test_26_what_is_not_known_is_listed(page):
    bare = {"success": None, "length": None, "epsilon": None, "seconds": None}
    composed = document(
        EpisodeComparison((arm("a", FAST, seeds=(None,), **bare), arm("b", FAST)), "a")
    )
    listed = {line.partition(":")[0]: line for line in said(composed)}["a"]
    for missing in ("success", "length of episodes", "epsilon", "time", "seed", "horizon", "code",
                    "actions", "parameters", "device", "date", "held-out success", "config"):  # fmt: skip  # noqa: E501
        assert missing in listed
    assert "Not known" in page
    assert "success" in rows(document(original()), "Overall metrics")


def test_27_time_and_throughput_count_once():
    seeds = (1, 2, 3)
    quick = [
        log(replace(FAST, minutes=minutes), shift=shift)
        for minutes, shift in ((2.0, 0.0), (2.1, 0.01), (2.2, 0.02))
    ]
    slow = arm("slow", FAST, FAST_FACTS, seeds)
    fast = replace(slow, name="quick", runs=tuple(
        replace(run, log=made) for run, made in zip(slow.runs, quick, strict=True)))  # fmt: skip
    found = EpisodeComparison((slow, fast), "slow")
    won = [c.metric.key for c in found.contrasts if c.winner == "quick"]
    assert {"episodes_per_minute", "steps_per_minute", "seconds"} <= set(won)
    assert found.tally("quick").better == ("speed",)
    assert "better in 1 (speed)" in headlines(found)[1]

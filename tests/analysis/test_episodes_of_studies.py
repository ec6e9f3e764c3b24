"""The episodes that the modules of a study logged, as arms and as sections of its report."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ablate.analysis import AblationFrames, conclude, metrics_frame, runs_frame
from ablate.analysis.episodes import EpisodeComparison, study_arms
from ablate.reports import episodes
from ablate.reports.blocks import Bullets
from ablate.spec import Cause, Status
from ablate.store import FindingRow, MetricRow
from tests.analysis.frames_of import definition, run

LOGGED = {"return": "train_return", "loss": "td_loss", "horizon": "steps"}
DEFINITION = definition(config={"steps": 30}, arms={"b": {}, "a": {"steps": 50}}, episodes=LOGGED)


def frames(runs, logged, current=DEFINITION):
    """Arrange runs and what they logged {(run id, name): values, None for nothing} as frames."""
    rows = [
        MetricRow(run_id, phase, name, 30 * (epoch + 1), epoch, value)
        for (run_id, name), values in logged.items()
        for epoch, value in enumerate(values)
        if value is not None
        for phase in ("train", "val")[: 2 if name == "train_return" else 1]
    ]
    arranged = runs_frame(runs, current, {1: current})
    return AblationFrames("s", current, arranged, metrics_frame(rows))


def concluded(runs, logged, current=DEFINITION):
    """Conclude of imagined runs without any finding."""
    return conclude(frames(runs, logged, current))


def pair(**changes):
    """Imagine a run of either arm with 200 episodes, of which two trained nothing."""
    runs = [run(1, arm="b"), run(2, **changes)]
    losses = [None, None, *np.linspace(2, 1, 198)]
    logged = {(1, "train_return"): [1.0] * 200, (2, "train_return"): np.linspace(0, 2, 200),
              (1, "td_loss"): losses, (2, "td_loss"): losses, (2, "loss"): [0.0] * 200}  # fmt: skip
    return frames(runs, logged)


def test_an_epoch_of_training_is_an_episode():
    b, a = study_arms(conclude(pair()))
    assert (b.name, a.name) == ("b", "a")
    assert (b.facts.horizon, a.facts.horizon, a.facts.parameters) == (30, 50, 10)
    (found,) = a.measures
    assert (found.first, found.last, found.trained) == (0, 199, 198)
    assert found.lowest_loss.value == 1.0
    assert found.final == 2.0
    assert found.seconds == 5.0
    assert a.runs[0].seed == 1


def test_a_loss_that_was_logged_as_nan_was_trained():
    logged = {(1, "train_return"): [1.0] * 3, (1, "td_loss"): [None, 0.5, math.nan]}
    (b, _) = study_arms(concluded([run(1, arm="b")], logged))
    assert b.runs[0].log.trained.tolist() == [False, True, True]
    assert b.measures[0].stability.unfinite == 2


def test_the_report_of_a_study_has_the_sections_of_its_episodes():
    found = episodes.sections(conclude(pair()))
    assert [part.title for part in found] == [
        "Episodes", "Episodes: Configuration", "Episodes: Overall metrics", "Episodes: Returns",
        "Episodes: Runs", "Episodes: Last 20 episodes",
        "Episodes: Windows", "Episodes: Stability and convergence", "Episodes: Progression",
        "Episodes: Cost and held-out success", "Episodes: Definitions",
        "Episodes: Not known",
    ]  # fmt: skip
    assert "mean return, last 100, per step" in "".join(found[0].blocks[0].parts)


def test_what_a_study_says_of_its_episodes_stands_beside_its_arms():
    told = {**LOGGED, "shares": {"parses": "parsed"}, "held_out": "solved",
            "floor": {"b": -1.0, "a": -2.0}, "ceiling": {"b": 1.0, "a": 2.0}}  # fmt: skip
    current = definition(config={"steps": 30}, arms={"b": {}, "a": {"steps": 50}}, episodes=told)
    returns = [1.0] * 100
    logged = {(n, "train_return"): returns for n in (1, 2, 3)}
    logged |= {(n, "parsed"): [1.0] * 50 + [0.1 * n] * 100 for n in (1, 2)}
    logged |= {(n, "train_return"): [1.0] * 150 for n in (1, 2)}
    rows = frames([run(1, arm="b"), run(2, arm="b", seed=2), run(3)], logged, current)
    held_out = [
        MetricRow(n, "val", "solved", 30 * e, e, 0.5 * n * e) for n in (1, 2) for e in (0, 1)
    ]
    shown = pd.concat([rows.metrics, metrics_frame(held_out)], ignore_index=True)
    found = conclude(replace(rows, metrics=shown))
    b, a = study_arms(found)
    assert (b.facts.floor, b.facts.ceiling, a.facts.ceiling) == (-1.0, 1.0, 2.0)
    assert [run.shares for run in b.runs] == [{"parses": pytest.approx(0.1 * n)} for n in (1, 2)]
    assert (b.facts.held_out_success, a.facts.held_out_success) == (0.75, None)
    assert b.config == {"steps": 30}
    assert a.config == {"steps": 50}
    titles = [metric.title for metric in EpisodeComparison((b, a), "b").metrics]
    assert "parses, last 100" in titles
    assert "final return, floor to ceiling" in titles


def test_keys_that_the_audit_found_dead_are_inert():
    dead = FindingRow("dead-key", "warning", ("a",), "", "steps", "", allowed=False, stage="probe")
    b, a = study_arms(conclude(pair(), (dead,)))
    assert (a.facts.inert, b.facts.inert) == (("steps",), ())
    comparison = EpisodeComparison((b, a), "b")
    assert [(s.path, s.inert) for s in comparison.differences] == [("steps", True)]


def test_a_study_that_names_no_episodes_has_no_section():
    plain = definition()
    assert study_arms(concluded([run(1, arm="b")], {}, plain)) == ()
    assert episodes.sections(concluded([run(1, arm="b")], {}, plain)) == ()


def test_runs_without_a_log_do_not_count_and_say_why():
    returns = [1.0] * 200
    gap = [1.0, None, *[1.0] * 198]
    runs = [run(1, arm="b"), run(2, arm="b", seed=2, status=Status.FAILED, cause=Cause.RAISED,
                              reason="it broke"),
            run(3, seed=1), run(4, seed=2), run(5, seed=3)]  # fmt: skip
    found = concluded(runs, {(1, "train_return"): returns, (2, "train_return"): returns,
                          (4, "train_return"): gap, (5, "train_return"): returns})  # fmt: skip
    b, a = study_arms(found)
    assert [r.why_not for r in b.runs] == ["", "it is failed (raised)"]
    assert [r.why_not for r in a.runs] == [
        "it logged no return in training",
        "its log does not hold: row 2: episode 2 follows 0: write every episode once, in order",
        "",
    ]
    blocks = episodes.sections(found)[0].blocks
    remarks = [
        "".join(item) for block in blocks if isinstance(block, Bullets) for item in block.items
    ]
    assert "a, seed 1 does not count: it logged no return in training." in remarks


def test_fewer_than_two_arms_with_a_log_are_not_compared():
    found = concluded([run(1, arm="b"), run(2)], {(1, "train_return"): [1.0] * 200})
    (section,) = episodes.sections(found)
    assert "".join(section.blocks[0].parts).startswith("1 arm with a log of episodes")


def test_what_the_audit_found_of_an_arm_stands_against_it():
    leak = FindingRow("leak", "error", ("a",), "it leaks", "", "", allowed=True, stage="probe")
    drift = FindingRow("data-order", "warning", ("b",), "", "", "", allowed=False, stage="runs")
    found = conclude(pair(), (leak, drift))
    b, a = study_arms(found)
    assert (a.barred, b.barred) == ("the audit found leak", "")
    assert b.doubted == "".join(f"the audit found {code}" for code in found.doubted.get("b", ()))
    remarks = [item[0] for item in episodes.sections(found)[0].blocks[-1].items]
    assert "a is not comparable: the audit found leak." in remarks

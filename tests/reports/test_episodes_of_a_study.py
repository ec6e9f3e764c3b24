"""A study whose module logs episodes has them in its report, read from a real database."""

import math

import pytest

from ablate.analysis import conclude, load
from ablate.analysis.episodes import study_arms
from ablate.store import Batch
from ablate.testing import definitions
from tests.reports.conftest import add_run, falling, report

DEFINITION = definitions.ablation(
    config={"horizon": 30, "code": "none"},
    arms={"fast": {}, "slow": {"code": "some"}},
    reference="slow",
    seeds=(1, 2, 3),
    metrics={"val_loss": "minimize"},
    episodes={"return": "ret", "loss": "td", "success": "solved", "horizon": "horizon"},
)


@pytest.fixture
def study(store):
    """Two arms of three seeds with 200 episodes each, of which the first three trained nothing."""
    definition = store.define("walk", DEFINITION)
    for trial, (arm, seed) in enumerate((a, s) for a in ("fast", "slow") for s in (1, 2, 3)):
        key = add_run(store, "walk", trial, definition, arm=arm, seed=seed, curve=falling(2.0, 0.1))
        level = (2.0 if arm == "fast" else 1.0) + 0.1 * seed + 0.03 * (trial**2 % 5)
        metrics = {}
        for episode in range(200):
            logged = {"ret": level + 0.5 * math.sin(episode), "solved": 0.0}
            if episode >= 3:
                logged["td"] = 1.0 + 1.0 / episode
            metrics |= {
                (key, "train", name, 30 * (episode + 1)): (episode, value)
                for name, value in logged.items()
            }
        store.write(Batch("walk", metrics=metrics))
    return "walk"


def test_what_a_module_logs_in_training_is_read_as_episodes(store, study):
    fast, slow = study_arms(conclude(load(store, study)))
    assert [len(arm.measures) for arm in (fast, slow)] == [3, 3]
    assert {found.trained for arm in (fast, slow) for found in arm.measures} == {197}
    assert fast.measures[0].success == 0
    assert fast.facts.horizon == 30


def test_the_report_of_the_study_compares_its_arms_by_their_episodes(store, study, tmp_path):
    files = report(store, study, tmp_path / "report")
    page = files.markdown.read_text()
    assert "## Episodes: Overall metrics" in page
    assert "Changes are from slow, the baseline of all rows." in page
    row = next(line for line in page.splitlines() if line.startswith("| mean return, last 100 |"))
    assert row.endswith("| **fast** |")
    assert "**mean return, last 100**: fast 2.2" in page
    assert "No episode of any arm was solved." in page

"""A module that logs nothing in validation is read on what it logs in training."""

from typing import Any

import pytest

from ablate import analysis
from ablate.study import confirm
from ablate.workflow.audited import audit_runs

from .conftest import ABLATION, CONFIG, SEARCH, Project, build, replay, search

MODULE = """
from lightning.pytorch import LightningModule
from torch import nn


class Unvalidated(LightningModule):
    def __init__(self, width: int = 8):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 1))

    def training_step(self, batch, index):
        x, y = batch
        loss = (self.net(x) - y).square().mean()
        self.log("fit_loss", loss, on_step=False, on_epoch=True)
        self.log("fit_twice", 2 * loss, on_step=False, on_epoch=True)
        return loss
"""
OBJECTIVE: dict[str, Any] = {"metric": "fit_loss", "direction": "minimize"}


@pytest.fixture
def unvalidated(project: Project) -> Project:
    (project.folder / "unvalidated.py").write_text(MODULE)
    model = {"class_path": "unvalidated.Unvalidated", "init_args": {"width": 8}}
    project.config({**CONFIG, "model": model})
    metrics = {"fit_loss": "minimize", "fit_twice": "minimize"}
    project.study("a", ABLATION, objective=OBJECTIVE, metrics=metrics, floor={})
    project.study("s", SEARCH, objective=OBJECTIVE, budget={"trials": 3})
    return project


def test_a_replay_compares_arms_by_their_training_metrics(unvalidated: Project) -> None:
    result = replay("a", unvalidated.request())
    assert result.counts == {"complete": 4}
    with unvalidated.store() as store:
        frames = analysis.load_ablation(store, "a")
        found = audit_runs(store, frames)
        page = build(store, "a", unvalidated.folder / "out").markdown.read_text()
        curves = (unvalidated.folder / "out" / "curves.csv").read_text()
    table = analysis.arms_table(frames)
    assert table["n"].tolist() == [2, 2, 2, 2]
    recorded = frames.metrics.groupby(["name", "run_id"])["value"].min()
    for row in table.to_dict("records"):
        runs = frames.current.loc[frames.current["arm"] == row["arm"], "run_id"]
        expected = [recorded[row["metric"], run] for run in runs]
        assert [cell.value for cell in row["cells"]] == expected
    assert "missing-runs" not in {finding.code for finding in found}
    assert "are read on the training data at the step where `fit_loss`" in page
    assert "fit_loss on the training data: mean over the seeds" in page
    assert "on the validation data" not in page
    assert curves.count("fit_loss") == curves.count("fit_twice") == 12


def test_a_search_is_reported_and_confirmed_by_its_training_metric(unvalidated: Project) -> None:
    search("s", unvalidated.request())
    confirm("s", unvalidated.request(), top=2, seeds=2)
    with unvalidated.store() as store:
        table = analysis.confirmed_table(analysis.load_ablation(store, "s-confirm"))
        page = build(store, "s", unvalidated.folder / "out").markdown.read_text()
    assert table["mean"].notna().all()
    assert "`fit_loss` on the training data; the value of a trial" in page
    assert "on the validation data" not in page


def test_a_metric_that_is_validated_is_read_there_and_another_in_training(
    project: Project,
) -> None:
    metrics = {"val_loss": "minimize", "train_loss_epoch": "minimize"}
    project.study("a", ABLATION, metrics=metrics, floor={})
    replay("a", project.request())
    with project.store() as store:
        frames = analysis.load_ablation(store, "a")
        page = build(store, "a", project.folder / "out").markdown.read_text()
    assert analysis.arms_table(frames)["n"].tolist() == [2, 2, 2, 2]
    assert frames.training_metrics == ("train_loss_epoch",)
    assert analysis.metric_names(frames) == ["train_loss_epoch", "val_error", "val_loss"]
    assert "All metrics of a run are read on the validation data" in page
    assert "`train_loss_epoch`: read on the training data" in page
    assert "val_loss on the validation data: mean" in page
    assert "train_loss_epoch on the training data: mean" in page

"""What a module tells of its examples by group is recorded with its runs."""

from typing import Any

import pytest

from ablate import analysis
from ablate.analysis.groups import load_groups
from ablate.errors import SpecError
from ablate.spec import Status

from .conftest import ABLATION, CONFIG, SEARCH, Project, replay, search

MODULE = """
from toy import Toy


class Teller(Toy):
    def on_validation_epoch_start(self):
        self.errors = {"minus": [], "plus": []}

    def validation_step(self, batch, index):
        super().validation_step(batch, index)
        x, y = batch
        for first, error in zip(x[:, 0], (self.net(x) - y).square().flatten()):
            self.errors["plus" if first > 0 else "minus"].append(float(error))

    def group_metrics(self):
        means = {name: (sum(all_) / len(all_), len(all_)) for name, all_ in self.errors.items()}
        return {"sign": {"val_loss": means}}
"""
MISTAKEN = """
from toy import Toy


class Mistaken(Toy):
    def group_metrics(self):
        return {"sign": {"plus": (0.5, 3)}}
"""
OBJECTIVE: dict[str, Any] = {"metric": "val_loss", "direction": "minimize", "at": "best"}


def telling(project: Project) -> Project:
    (project.folder / "teller.py").write_text(MODULE)
    project.config({**CONFIG, "model": {"class_path": "teller.Teller", "init_args": {"width": 8}}})
    project.study("a", ABLATION, objective=OBJECTIVE, floor={})
    project.study("s", SEARCH, objective=OBJECTIVE, budget={"trials": 2})
    return project


def test_a_replay_records_the_groups_where_the_objective_is_read(project: Project) -> None:
    told = telling(project)
    result = replay("a", told.request())
    assert result.counts == {"complete": 4}
    with told.store() as store:
        frames = analysis.load_ablation(store, "a")
        groups = load_groups(store, frames)
        steps = {(row.run_id, row.step) for row in store.groups("a")}
    table = analysis.arms_table(frames)
    cells = {
        (row["arm"], cell.seed): cell.value
        for row in table[table["metric"] == "val_loss"].to_dict("records")
        for cell in row["cells"]
    }
    assert len(groups) == 2 * len(cells)
    for (arm, seed), rows in groups.groupby(["arm", "seed"]):
        total = (rows["value"] * rows["examples"]).sum() / rows["examples"].sum()
        assert total == pytest.approx(cells[arm, seed], rel=1e-5)
    ends = frames.metrics.groupby("run_id")["step"].max()
    assert set(ends.items()) <= steps
    assert len(steps) <= 2 * len(ends)


def test_a_search_keeps_them_too(project: Project) -> None:
    told = telling(project)
    search("s", told.request())
    with told.store() as store:
        frames = analysis.load_search(store, "s")
        groups = load_groups(store, frames)
    complete = frames.runs[frames.runs["status"] == Status.COMPLETE]
    assert set(groups["run_id"]) == set(complete["run_id"])


def test_an_answer_of_another_shape_is_refused_before_anything_runs(project: Project) -> None:
    (project.folder / "mistaken.py").write_text(MISTAKEN)
    project.config({**CONFIG, "model": {"class_path": "mistaken.Mistaken"}})
    project.study("a", ABLATION, arms={"plain": {}}, reference="plain", floor={})
    with pytest.raises(SpecError, match="group_metrics of the module: sign/plus is a tuple"):
        replay("a", project.request())

"""A result that does not come out again has its cause named; a record that was edited is found."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from ablate import analysis, workflow
from ablate.cli.app import app
from ablate.run import sources
from ablate.store import Store
from ablate.study import verify
from ablate.testing import toy
from ablate.workflow.audited import audit_runs
from ablate.workflow.verifications import VerifyResult
from tests.study.conftest import ABLATION, CONFIG, SEARCH, STORAGE, Project, replay, search

MODULE = """
import os
import time
from pathlib import Path
import mine_helper
import toy
from torch.utils.data import TensorDataset

class Points(toy.Points):
    def _points(self, seed):
        x, y = super()._points(seed).tensors
        shift = float(Path("data/shift.txt").read_text())
        return TensorDataset(x, y + shift)

class Module(toy.Toy):
    def __init__(self, width: int = 8, by_the_clock: bool = False):
        super().__init__(width)
        self.scale = float(os.environ["MINE_SCALE"]) * mine_helper.FACTOR
        self.scale += float(OUTSIDE.read_text())
        self.by_the_clock = by_the_clock

    def training_step(self, batch, index):
        moment = time.time_ns() % 1000 / 1000 if self.by_the_clock else 1.0
        return self.scale * moment * super().training_step(batch, index)
"""
OF_OWN = {
    **CONFIG,
    "model": {"class_path": "mine.Module"},
    "data": {"class_path": "mine.Points"},
}
OWN = ("mine", "mine_helper", "toy")
Verified = Callable[[], VerifyResult]


def forget() -> None:
    """Let the project's modules be imported anew, as in another process."""
    for name in OWN:
        sys.modules.pop(name, None)


def written(folder: Path) -> Project:
    """Write a project whose results rest on a file here, one elsewhere, a variable, a module."""
    outside = folder.parent / f"{folder.name}-outside.txt"
    outside.write_text("0")
    shutil.copy(toy.__file__, folder / "toy.py")
    (folder / "mine.py").write_text(MODULE.replace("OUTSIDE", f"Path({str(outside)!r})"))
    (folder / "mine_helper.py").write_text("FACTOR = 1.0\n")
    (folder / "data").mkdir()
    (folder / "data" / "shift.txt").write_text("0.5")
    project = Project(folder)
    project.config(OF_OWN)
    space = {"model.init_args.by_the_clock": {"choice": [False, True]}}
    points = [dict.fromkeys(space, value) for value in (False, True)]
    project.study("s", SEARCH, space=space, enqueue=points, budget={"trials": 2})
    return project


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Train the two trials of a search once: trial 1 goes by the clock."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setenv("MINE_SCALE", "1")
        forget()
        project = written(folder)
        assert search("s", project.request()).counts == {"complete": 2}
        yield folder
        forget()


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the trained project, which is the current folder."""
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("MINE_SCALE", "1")
    forget()
    copy = Project(folder)
    copy.config(OF_OWN)
    return copy


def verified(project: Project, trial: str = "s/0") -> VerifyResult:
    forget()
    return VerifyResult(**vars(verify(trial, project.request(), allowed=["mine"])))


def causes(found: VerifyResult) -> set[str]:
    """Name what differs, the project's folder left out of it."""
    return {item.what for item in found.differences}


def edit(statement: str) -> None:
    engine = create_engine(STORAGE)
    with engine.begin() as connection:
        assert connection.execute(text(statement)).rowcount == 1
    engine.dispose()


def test_without_a_change_the_values_come_out_again_and_nothing_differs(project: Project) -> None:
    found = verified(project)
    assert found.exact, found.summary()
    assert causes(found) == set()


def test_a_data_file_is_named(project: Project) -> None:
    (project.folder / "data" / "shift.txt").write_text("0.75")
    found = verified(project)
    assert not found.matches
    assert causes(found) == {"data file data/shift.txt"} | EXAMPLES
    assert "data file data/shift.txt: '" in found.summary()


EXAMPLES = {
    "data: training examples",
    "data: validation examples",
    "data first training batch",
    "data first validation batch",
}
"""What differs too where the data do."""


def test_an_environment_variable_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE_SCALE", "1.5")
    found = verified(project)
    assert not found.matches
    assert causes(found) == {"environment variable MINE_SCALE"}
    assert "1.5" not in found.summary().partition("what is different")[2]


def test_a_module_is_named(project: Project) -> None:
    (project.folder / "mine_helper.py").write_text("FACTOR = 1.25\n")
    found = verified(project)
    assert not found.matches
    assert causes(found) == {"source mine_helper"}


def test_a_dependency_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.folder / "mine_helper.py").write_text(
        "FACTOR = 1.0 + 1e-3  # stands for the library\n"
    )
    told = sources.version_of
    monkeypatch.setattr(
        sources, "version_of", lambda name: "99.0" if name == "lightning-utilities" else told(name)
    )
    found = verified(project)
    assert "dependency lightning-utilities" in causes(found)
    assert "dependency lightning-utilities: '" in found.summary()


def test_an_edited_metric_is_named(project: Project) -> None:
    edit(
        "UPDATE ablate_metrics SET value = 0.001 WHERE name = 'val_loss' AND epoch = 1 "
        "AND run_id = (SELECT id FROM ablate_runs WHERE trial = 0)"
    )
    found = verified(project)
    assert not found.matches
    assert "trial 0, seed 7: val_loss (val) at step 8, epoch 1 is 0.001" in found.summary()
    assert "deterministic" not in found.summary()
    assert found.repeated is None
    shown = "\n".join(workflow.status("s", storage=STORAGE).studies[0].remarks())
    assert "val_loss (val) at step 8" in shown


def test_an_edited_value_of_optuna_is_named_by_every_command(project: Project) -> None:
    edit("UPDATE trial_values SET value = 0.001 WHERE trial_id = 1")
    found = verified(project)
    assert not found.matches
    assert found.comes_out_again
    assert "trial 0: its value in Optuna's tables is 0.001; " in found.summary()
    said = CliRunner().invoke(app, ["status", "s", "--storage", STORAGE], catch_exceptions=False)
    assert "s: a record was changed after it was made: trial 0: its value in Opt" in said.stdout
    with Store.open(STORAGE, create=False) as store:
        (item,) = (
            item
            for item in audit_runs(store, analysis.load(store, "s"))
            if item.code == "edited-record"
        )
    assert "trial 0: its value in Optuna's tables is 0.001" in item.what


def test_only_two_runs_that_differ_are_called_nondeterministic(project: Project) -> None:
    found = verified(project, "s/1")
    assert found.repeated is False
    assert "two runs made now differ from each other: the run itself is not deterministic" in (
        found.summary()
    )


def test_a_cause_that_is_not_recorded_is_not_called_nondeterminism(
    project: Project, trained: Path
) -> None:
    outside = trained.parent / f"{trained.name}-outside.txt"
    outside.write_text("0.5")
    try:
        found = verified(project)
    finally:
        outside.write_text("0")
    assert not found.matches
    assert causes(found) == set()
    assert found.repeated is True
    assert "two runs made now agree with each other" in found.summary()
    assert "not deterministic" not in found.summary()


def test_an_edit_between_arms_is_found_without_a_repository(
    project: Project, any_arms: dict[str, Any]
) -> None:
    project.study("a", any_arms)
    request = project.request()
    for arm, factor in (("narrow", "1.0"), ("wide", "1.0  # edited")):
        (project.folder / "mine_helper.py").write_text(f"FACTOR = {factor}\n")
        forget()
        replay("a", request, arms=[arm])
    with Store.open(STORAGE, create=False) as store:
        found = {item.code: item for item in audit_runs(store, analysis.load(store, "a"))}
        versions = {run.code_version for run in store.runs("a")}
    assert versions == {"unversioned"}
    assert set(found["mixed-code"].arms) == {"narrow", "wide"}
    assert found["mixed-code"].where == "mine_helper"


@pytest.fixture
def any_arms() -> dict[str, Any]:
    """An ablation of two arms with a seed each."""
    arms = {name: {"model.init_args.width": n} for name, n in (("narrow", 4), ("wide", 16))}
    return {**ABLATION, "arms": arms, "floor": {}, "seeds": [1]}

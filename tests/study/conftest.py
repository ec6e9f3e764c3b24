"""A small project of a user's own, and ways to run its studies in this process."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ablate import analysis, study
from ablate.reports import Audit, ReportFiles, write_report
from ablate.run import InProcessLauncher
from ablate.spec import Budget, dump_yaml, read_study
from ablate.store import Store
from ablate.store.artifacts import FOLDER
from ablate.study import Matrix, ReplaySummary, Request, SearchSummary, Subject
from ablate.study.cells import Cells
from ablate.study.replay import names_trial, replay_trial, resolved_configs, run
from ablate.study.tune import tune, tuned_configs
from ablate.testing import toy

STORAGE = "sqlite:///results/ablate.db"

CONFIG: dict[str, Any] = {
    "seed_everything": 7,
    "model": {"class_path": "toy.Toy", "init_args": {"width": 8}},
    "data": {"class_path": "toy.Points"},
    "optimizer": {
        "class_path": "torch.optim.Adam",
        "init_args": {"lr": 0.01, "betas": [0.9, 0.999]},
    },
    "trainer": {
        "max_epochs": 3,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
    },
}

SEARCH: dict[str, Any] = {
    "kind": "search",
    "config": "../configs/toy.yaml",
    "objective": {"metric": "val_loss"},
    "space": {
        "optimizer.init_args.lr": {"float": [1e-4, 1e-1], "log": True},
        "model.init_args.width": {"choice": [4, 8, 16]},
    },
    "seeds": [7],
    "pruner": {"class_path": "optuna.pruners.NopPruner"},
    "budget": {"trials": 5},
}

ABLATION: dict[str, Any] = {
    "kind": "ablation",
    "config": "../configs/toy.yaml",
    "arms": {"narrow": {"model.init_args.width": 2}, "wide": {"model.init_args.width": 16}},
    "floor": {"mean": {"model": {"class_path": "toy.Mean"}}},
    "reference": "wide",
    "seeds": [1, 2],
    "metrics": {"val_loss": "minimize", "val_error": "minimize"},
}


def search(
    name: str, request: Request, budget: Budget | None = None, *, retry_failed: bool = False
) -> SearchSummary:
    """Run a search of the project."""
    return study.search(read_study(name), request, budget, retry_failed=retry_failed)


def subject(
    name: str,
    request: Request,
    seeds: Sequence[int] = (),
    allowed: Sequence[str] = (),
    arms: Sequence[str] = (),
) -> Subject:
    """Find what a replay is about."""
    cells = Cells(arms, seeds)
    if names_trial(name):
        return Subject.of_trial(name, request, cells, allowed)
    return Subject.of_study(read_study(name), request, cells)


def replay(
    name: str,
    request: Request,
    seeds: Sequence[int] = (),
    allowed: Sequence[str] = (),
    *,
    arms: Sequence[str] = (),
    afresh: bool = False,
) -> ReplaySummary:
    """Replay an ablation of the project, not audited, or a recorded trial."""
    found = subject(name, request, seeds, allowed, arms)
    if found.is_trial:
        return replay_trial(found, request, afresh=afresh)
    with found.launched(request) as launcher:
        prepared = found.prepare(request, launcher)
        configs = resolved_configs(prepared, launcher, request)
        prepared = tune(prepared, configs, launcher, request, found.cells)
        configs |= tuned_configs(prepared, launcher)
        return run(prepared, configs, launcher, request, cells=found.cells, afresh=afresh)


def matrix(
    name: str,
    request: Request,
    seeds: Sequence[int] = (),
    allowed: Sequence[str] = (),
    arms: Sequence[str] = (),
) -> Matrix:
    """Lay out what `replay` would run."""
    return study.matrix(subject(name, request, seeds, allowed, arms), request)


def build(store: Store, name: str, folder: Path) -> ReportFiles:
    """Write the report of a study of the project, not audited."""
    frames = analysis.load(store, name)
    concluded = analysis.conclude(frames) if isinstance(frames, analysis.AblationFrames) else None
    return write_report(
        store, frames, Audit(False), folder, Path("results", FOLDER), conclusions=concluded
    )


class Project:
    """A folder with `toy.py`, a config and studies, which is the current directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "studies").mkdir(exist_ok=True)
        self.config(CONFIG)

    def config(self, config: dict[str, Any], name: str = "toy") -> None:
        path = self.folder / "configs" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dump_yaml(config))

    def study(self, name: str, base: dict[str, Any], **changes: Any) -> None:
        path = self.folder / "studies" / f"{name}.yaml"
        path.write_text(dump_yaml({**base, **changes}))

    def request(self, **options: Any) -> Request:
        return Request(**{"storage": STORAGE, "launcher": lambda _: InProcessLauncher(), **options})

    def store(self) -> Store:
        return Store.open(STORAGE, create=False)

    def files(self) -> set[str]:
        return {
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if "__pycache__" not in path.parts
        }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copy(toy.__file__, tmp_path / "toy.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Project(tmp_path)


@pytest.fixture
def told() -> Callable[[str], None]:
    class Told(list[str]):
        def __call__(self, text: str) -> None:
            self.append(text)

    return Told()

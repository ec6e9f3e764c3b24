"""A project whose LightningCLI is its own runs here as its script runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ablate.audits.check import audit
from ablate.errors import AblateError, RequestError, SpecError
from ablate.run import LocalLauncher
from ablate.run.lightning_cli import resolve
from ablate.spec import paths, read_study
from ablate.study import confirm

from .conftest import Project, replay, search

LIBRARY = '''
import json
import os
from pathlib import Path

import toy
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningCLI


class Notes(Callback):
    """Writes down what is logged, as the script alone would see it."""

    def __init__(self):
        self.seen = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.seen.append(float(trainer.callback_metrics["val_loss"]).hex())

    def on_fit_end(self, trainer, pl_module):
        if "NOTES" in os.environ:
            Path(os.environ["NOTES"]).write_text(json.dumps(self.seen))


class Points(toy.Points):
    def __init__(self, count: int = 64, batch_size: int = 8):
        super().__init__(count, batch_size)


class Model(toy.Toy):
    def __init__(self, width: int = 4, batch_size: int = 1, dropout: float = 0.1):
        super().__init__(width=width, dropout=dropout)
        self.save_hyperparameters()
        self.scale = batch_size

    def training_step(self, batch, index):
        return super().training_step(batch, index) * self.scale


class MyCLI(LightningCLI):
    def __init__(self, **kwargs):
        super().__init__(
            Model,
            Points,
            trainer_defaults={"max_epochs": 2, "callbacks": [Notes()], "accelerator": "cpu"},
            **kwargs,
        )

    def add_arguments_to_parser(self, parser):
        parser.link_arguments("data.batch_size", "model.batch_size")
        parser.add_lightning_class_args(EarlyStopping, "my_early_stopping")
        parser.set_defaults(
            {
                "data.batch_size": 32,
                "my_early_stopping.monitor": "val_loss",
                "my_early_stopping.patience": 9,
            }
        )

    def before_fit(self):
        assert self.subcommand == "fit"
        print("before", self.config.fit.data.batch_size)
        self.model.scale *= 2

    def after_fit(self):
        print("after", self.trainer.current_epoch)


def main(args=None):
    return MyCLI(args=args)
'''

SCRIPTS = {
    "train.py": """
from library import main

if __name__ == "__main__":
    main()
""",
    "loop.py": """
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from library import MyCLI

if __name__ == "__main__":
    cli = MyCLI(run=False)
    cli.model.scale *= 2
    with torch.no_grad():
        cli.model.net[0].weight.mul_(0.5)
    cli.trainer.fit(cli.model, cli.datamodule)
    print("trained", cli.trainer.current_epoch)
""",
}

CONFIG: dict[str, Any] = {
    "seed_everything": 3,
    "model": {"width": 6},
    "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
    "trainer": {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False},
}

ABLATION: dict[str, Any] = {
    "kind": "ablation",
    "config": "../configs/toy.yaml",
    "arms": {"as_it_is": {}},
    "metrics": {"val_loss": "minimize"},
}


@pytest.fixture
def own(project: Project) -> Iterator[Project]:
    (project.folder / "library.py").write_text(LIBRARY)
    for name, text in SCRIPTS.items():
        (project.folder / name).write_text(text)
    project.config(CONFIG)
    yield project
    sys.modules.pop("library", None)


def native(project: Project, script: str, *options: str) -> list[str]:
    """Run a script without ablate, and return the validation losses it logs."""
    notes = project.folder / "notes.json"
    given = [sys.executable, script, *options, "--config", "configs/toy.yaml"]
    environment = {**os.environ, "NOTES": str(notes), "PYTHONPATH": str(project.folder)}
    done = subprocess.run(
        given, check=False, timeout=300, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    losses: list[str] = json.loads(notes.read_text())
    return losses


def losses(project: Project, study: str) -> list[str]:
    with project.store() as store:
        rows = store.metrics(study, ["val_loss"])
    return [float(row.value).hex() for row in rows if row.phase == "val"]


def recorded(project: Project, study: str) -> dict[str, Any]:
    with project.store() as store:
        (run, *_) = store.runs(study, with_config=True)
    assert run.config is not None
    return run.config


def test_a_script_gives_the_numbers_that_it_gives_without_ablate(own: Project) -> None:
    expected = native(own, "train.py", "fit")
    own.study("script", ABLATION, cli="../train.py")
    assert replay("script", own.request()).counts == {"complete": 1}
    assert losses(own, "script") == expected
    assert len(expected) == 2
    config = recorded(own, "script")
    assert config["data"] == {"batch_size": 32, "count": 64}
    assert config["model"] == {"width": 6, "batch_size": 32, "dropout": 0.1}
    assert config["trainer"]["max_epochs"] == 2
    assert config["my_early_stopping"]["patience"] == 9
    assert "ckpt_path" not in config
    for entry in ("library:main", "library.MyCLI"):
        assert resolve(CONFIG, entry) == config


def test_a_script_that_fits_itself_gives_its_own_numbers(own: Project) -> None:
    expected = native(own, "loop.py")
    own.study("a", ABLATION, cli="../loop.py")
    replay("a", own.request())
    assert losses(own, "a") == expected
    directory = next((own.folder / "results" / "a").glob("*-*"))
    assert (directory / "config.yaml").exists()


SEARCH: dict[str, Any] = {
    "kind": "search",
    "config": "../configs/toy.yaml",
    "cli": "../train.py",
    "objective": {"metric": "val_loss"},
    "space": {
        "my_early_stopping.patience": {"choice": [0, 5]},
        "data.batch_size": {"choice": [16, 32]},
        "model.dropout": {"float": [0.0, 0.5]},
    },
    "pruner": {"class_path": "optuna.pruners.NopPruner"},
    "budget": {"trials": 2},
}


def test_what_the_own_parser_adds_is_searched_and_the_links_follow(own: Project) -> None:
    own.study("s", SEARCH)
    assert search("s", own.request()).counts == {"complete": 2}
    with own.store() as store:
        asked = {trial.number: trial.params for trial in store.trials("s")}
        runs = store.runs("s", with_config=True)
    for run in runs:
        assert run.config is not None
        assert run.config["model"]["batch_size"] == run.config["data"]["batch_size"]
        for path, value in asked[run.trial].items():
            assert paths.get(run.config, path) == value


def test_a_linked_key_can_neither_be_searched_nor_changed(own: Project) -> None:
    own.study("s", SEARCH, space={"model.batch_size": {"choice": [16, 32]}})
    with pytest.raises(SpecError, match=r"space.model.batch_size at 16: .* follows another key"):
        search("s", own.request())
    own.study("a", ABLATION, cli="../train.py", arms={"linked": {"model.batch_size": 3}})
    with pytest.raises(SpecError, match=r"arms.linked: model.batch_size follows another key"):
        replay("a", own.request())
    assert not (own.folder / "results").exists()


def test_studies_of_another_cli_share_no_runs(own: Project) -> None:
    own.study("a", ABLATION, cli="../train.py")
    replay("a", own.request())
    own.study("a", ABLATION, cli="../loop.py")
    again = replay("a", own.request())
    assert not again.already_done
    own.study("s", SEARCH, budget={"trials": 1})
    search("s", own.request())
    own.study("s", SEARCH, cli="../loop.py")
    with pytest.raises(RequestError, match=r"cli: '../train.py' there, '../loop.py' now"):
        search("s", own.request())


def test_a_recorded_trial_is_replayed_with_the_cli_that_it_was_run_with(own: Project) -> None:
    own.study("s", SEARCH)
    search("s", own.request())
    replay("s/0", own.request(), allowed=["library"])
    assert losses(own, "s-0") == losses(own, "s")[: len(losses(own, "s-0"))]
    confirmed = confirm("s", own.request(), top=1, seeds=1, allowed=["library"])
    assert confirmed.counts == {"complete": 1}
    (own.folder / "studies" / "s.yaml").unlink()
    with pytest.raises(RequestError, match=r"own CLI, ../train.py, and no study file here"):
        replay("s/0", own.request(), allowed=["library"])
    with pytest.raises(RequestError, match=r"own CLI"):
        confirm("s", own.request(), top=1, seeds=1)
    own.study("other", ABLATION, cli="../train.py")
    assert replay("s/1", own.request()).counts == {"complete": 1}


def test_a_worker_builds_a_recorded_trial_with_its_cli_and_nothing_else(own: Project) -> None:
    own.study("s", {**SEARCH, "budget": {"trials": 1}})
    search("s", own.request())
    request = own.request(launcher=lambda _: LocalLauncher(1))
    assert replay("s/0", request).counts == {"complete": 1}
    assert losses(own, "s-0") == losses(own, "s")[: len(losses(own, "s-0"))]


def test_an_entry_of_a_package_from_a_database_is_run_only_if_it_is_trusted(own: Project) -> None:
    own.study("a", ABLATION, cli="library.MyCLI")
    replay("a", own.request())
    assert replay("a/0", own.request()).counts == {"complete": 1}
    (own.folder / "studies" / "a.yaml").unlink()
    with pytest.raises(RequestError, match="add: --allow-import library"):
        replay("a/0", own.request())
    assert replay("a/0", own.request(), allowed=["library"]).already_done


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import toy", "builds no LightningCLI"),
        ("from library import MyCLI\nMyCLI(run=False)", "but never fits"),
        ("from library import MyCLI\nMyCLI(run=False)\nMyCLI(run=False)", "two LightningCLIs"),
        (
            "from library import MyCLI\nfrom lightning.pytorch import Trainer\n"
            "cli = MyCLI(run=False)\nTrainer(logger=False).fit(cli.model, cli.datamodule)",
            "not the one of its LightningCLI",
        ),
        (
            "from library import MyCLI\ncli = MyCLI(run=False)\n"
            "cli.trainer.fit(cli.model, cli.datamodule, ckpt_path='a.ckpt')",
            "ckpt_path: a run begins at its own beginning, not at a.ckpt",
        ),
        ("import nowhere_at_all", r"No module named 'nowhere_at_all' \(broken.py, line 1\)"),
        ("raise SystemExit(4)", "broken.py exits with 4"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_an_entry_that_is_none_is_refused_in_one_sentence(
    own: Project, script: str, said: str
) -> None:
    (own.folder / "broken.py").write_text(script)
    own.study("a", ABLATION, cli="../broken.py")
    with pytest.raises(SpecError, match=said):
        replay("a", own.request())
    assert not (own.folder / "results").exists()


@pytest.mark.parametrize(
    ("cli", "said"),
    [
        ("../nowhere.py", "cli: there is no file .*nowhere.py"),
        ("nowhere.MyCLI", "cli: nowhere.MyCLI: ModuleNotFoundError: No module named 'nowhere'"),
        ("library.YourCLI", "cli: library.YourCLI: AttributeError"),
        ("library:LIBRARY", "cli: library:LIBRARY: AttributeError"),
        ("MyCLI", "cli: 'MyCLI' names no LightningCLI: write module.Class"),
    ],
)
def test_a_cli_that_is_not_there_is_refused(own: Project, cli: str, said: str) -> None:
    own.study("a", ABLATION, cli=cli)
    with pytest.raises(AblateError, match=said):
        replay("a", own.request())
    assert not (own.folder / "results").exists()


def test_what_follows_a_declared_difference_is_no_undeclared_one(own: Project) -> None:
    arms = {"small": {"data.batch_size": 16}, "large": {"data.batch_size": 32}}
    own.study("a", ABLATION, cli="../train.py", arms=arms)
    request = own.request()
    with request.launched() as launcher:
        found = audit(request.prepare(read_study("a"), launcher), launcher, probes=False)
    follows = [finding for finding in found if "CLI links it" in finding.what]
    assert [(finding.code, finding.severity) for finding in follows] == [("comes-along", "note")]
    assert "batch_size" in follows[0].what
    assert "undeclared-difference" not in {finding.code for finding in found}

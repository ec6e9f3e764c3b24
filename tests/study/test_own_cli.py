"""A project whose LightningCLI is its own runs here as its script runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import AblateError, RequestError, SpecError
from ablate.spec import dump_yaml
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
def own(project: Project) -> Project:
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
    subprocess.run(given, check=True, timeout=300, env=environment, capture_output=True)
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
    for name, cli in (
        ("script", "../train.py"),
        ("function", "library:main"),
        ("class", "library.MyCLI"),
    ):
        own.study(name, ABLATION, cli=cli)
        assert replay(name, own.request()).counts == {"complete": 1}
        assert losses(own, name) == expected
    assert len(expected) == 2
    config = recorded(own, "script")
    assert config["data"] == {"batch_size": 32, "count": 64}
    assert config["model"] == {"width": 6, "batch_size": 32, "dropout": 0.1}
    assert config["trainer"]["max_epochs"] == 2
    assert config["my_early_stopping"]["patience"] == 9
    assert "ckpt_path" not in config


def test_a_script_that_fits_itself_gives_its_own_numbers(own: Project) -> None:
    expected = native(own, "loop.py")
    own.study("a", ABLATION, cli="../loop.py")
    replay("a", own.request())
    assert losses(own, "a") == expected
    directory = next((own.folder / "results" / "a").glob("*-*"))
    assert (directory / "config.yaml").exists()

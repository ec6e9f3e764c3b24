"""Runs, interrupted ones too, and probes of a project that builds its own LightningCLI."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningCLI

from ablate.audits.probes import examine
from ablate.errors import SpecError
from ablate.run import Reported
from ablate.run.environment import worker_facts
from ablate.run.execute import execute
from ablate.run.lightning_cli import build, resolve
from ablate.run.messages import Run
from ablate.testing import toy
from ablate.testing.jobs import Record

from .test_resume import Killed, Mortal

LOOP = """
from pathlib import Path

import toy
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import LightningCLI


class Scaled(toy.Toy):
    def __init__(self, width: int = 4, factor: float = 1.0):
        super().__init__(width=width)


class Own(LightningCLI):
    def add_arguments_to_parser(self, parser):
        parser.add_lightning_class_args(EarlyStopping, "stop")
        parser.add_lightning_class_args(ModelCheckpoint, "kept")
        parser.set_defaults({"stop.monitor": "val_loss", "stop.patience": 20})
        parser.set_defaults({"kept.monitor": "val_loss"})

    def before_instantiate_classes(self):
        self.config.model.factor = 3.0


if __name__ == "__main__":
    cli = Own(Scaled, toy.Points, run=False, trainer_defaults={"max_epochs": 4})
    cli.model.net[0].weight.data.mul_(0.5)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    Path("behind").write_text(str(cli.trainer.current_epoch))
"""
CONFIG: dict[str, Any] = {
    "seed_everything": 5,
    "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}},
    "trainer": {"accelerator": "cpu", "logger": False},
}


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copy(toy.__file__, tmp_path / "toy.py")
    (tmp_path / "loop.py").write_text(LOOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return str(tmp_path / "loop.py")


def do(script: str, name: str, record: Record, *, resume: bool = False) -> Record:
    directory = Path(name)
    directory.mkdir(exist_ok=True)
    job = Run(
        1,
        resolve(CONFIG, script),
        metric="val_loss",
        directory=str(directory),
        identity={},
        supervised=True,
        resume=resume,
        checkpoint_every=0,
        cli=script,
    )
    execute(job, record, worker_facts())
    return record


def values(record: Record) -> list[dict[str, float]]:
    return [event.metrics for event in record.events if isinstance(event, Reported)]


def test_a_killed_run_continues_as_if_it_had_never_ended(script: str) -> None:
    whole = do(script, "whole", Record())
    assert whole.status() == "complete"
    assert Path("behind").read_text() == "4"
    mortal = Mortal(2)
    with pytest.raises(Killed):
        do(script, "killed", mortal)
    again = do(script, "killed", Record(), resume=True)
    assert again.built().resumed_epoch == 2
    assert values(again) == values(whole)
    assert list(Path("killed").rglob("epoch=*.ckpt"))


def test_a_pruned_run_leaves_the_script(script: str) -> None:
    record = do(script, "pruned", Record(decide=lambda _: "stop"))
    assert record.status() == "pruned"
    assert not Path("behind").exists()


def test_an_audit_builds_what_the_script_builds(script: str) -> None:
    evidence = examine(resolve(CONFIG, script), {}, script)
    assert "every probe" not in evidence["skipped"]
    assert evidence["parameters"] == 25
    assert not Path("behind").exists()


def test_the_native_classes_are_left_as_they_were(script: str) -> None:
    native, fit, arguments = LightningCLI.__init__, Trainer.fit, sys.argv
    cli = build(resolve(CONFIG, script), None, [], script)
    assert type(cli).__name__ == "Own"
    with pytest.raises(SpecError):
        resolve({**CONFIG, "nothing": 1}, script)
    assert (LightningCLI.__init__, Trainer.fit, sys.argv) == (native, fit, arguments)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"stopp": {"patience": 1}}, "stopp: unknown key 'stopp': did you mean 'stop'"),
        ({"stop": {"patince": 1}}, "stop.patince: unknown key 'patince': did you mean 'patience'"),
        ({"model": {"widht": 1}}, "model.widht: unknown key 'widht': did you mean 'width'"),
        ({"model": {"width": "x"}}, "model.width: Expected a int"),
        ({"trainer": {"epochs": 1}}, "trainer.epochs: unknown key 'epochs'"),
        (
            {"trainer": {"callbacks": [{"class_path": "Timer", "init_args": {"durtion": 1}}]}},
            r"trainer.callbacks\[0\].init_args.durtion: unknown key .* 'duration'",
        ),
    ],
)
def test_a_wrong_key_of_an_own_parser_is_named(script: str, config: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        resolve({**CONFIG, **config}, script)

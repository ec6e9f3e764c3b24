"""LightningCLI as the resolver, with every default, and as the builder."""

import copy
import json

import pytest
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor

from ablate.errors import SpecError
from ablate.run.lightning_cli import build, resolve
from ablate.testing.jobs import toy

MONITOR = {
    "class_path": "lightning.pytorch.callbacks.LearningRateMonitor",
    "init_args": {"logging_interval": "epoch"},
}
STOPPING = {
    "class_path": "lightning.pytorch.callbacks.EarlyStopping",
    "init_args": {"monitor": "val_loss", "mode": "min"},
}
COSINE = {"class_path": "ablate.run.schedules.Cosine", "init_args": {"warmup": 0.1}}


def test_every_default_is_filled_in():
    resolved = resolve(
        toy({"trainer.callbacks": [STOPPING], "lr_scheduler": COSINE, "optimizer": "Adam"})
    )
    assert resolved["model"]["init_args"] == {
        "width": 4,
        "heads": 2,
        "dropout": 0.1,
        "mishap": "none",
    }
    assert resolved["optimizer"]["init_args"]["betas"] == [0.9, 0.999]
    assert resolved["lr_scheduler"]["init_args"] == {
        "warmup": 0.1,
        "final": 0.0,
        "total_steps": None,
        "scale": 1.0,
    }
    assert resolved["trainer"]["callbacks"][0]["init_args"]["patience"] == 3
    assert resolved["trainer"]["accumulate_grad_batches"] == 1
    assert resolved["data"]["init_args"] == {"count": 32, "batch_size": 8}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trainer.callbacks": [STOPPING, MONITOR], "lr_scheduler": COSINE},
        {"trainer.callbacks": MONITOR},
        {"trainer": None},
        {"model": "ablate.testing.toy.Mean", "optimizer": None},
        {"trainer.val_check_interval": 0.5, "trainer.precision": "bf16-mixed"},
    ],
    ids=["toy", "callbacks", "one callback", "no trainer", "short", "unions"],
)
def test_resolving_twice_changes_nothing_more(changes):
    once = resolve(toy(changes))
    assert resolve(once) == once
    assert json.loads(json.dumps(once)) == once


def test_the_config_that_is_resolved_or_built_stays_as_it_was():
    config = toy({"trainer.callbacks": [MONITOR], "trainer.logger": True})
    before = copy.deepcopy(config)
    resolve(config)
    build(config, None, [])
    assert config == before


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "0.0001", "1.0e-04"])
def test_scientific_notation_is_a_number(text):
    lr = resolve(toy({"optimizer.init_args.lr": text}))["optimizer"]["init_args"]["lr"]
    assert lr == 1e-4
    assert isinstance(lr, float)


def test_the_trainer_writes_below_the_directory_and_is_quiet(tmp_path):
    trainer = build(toy({"trainer.enable_progress_bar": True}), tmp_path, []).trainer
    assert trainer.default_root_dir == str(tmp_path)
    assert trainer.progress_bar_callback is None


@pytest.mark.parametrize("configured", [None, [], STOPPING, [STOPPING]], ids=repr)
def test_the_runs_callback_is_added_to_those_of_the_config(configured):
    mine = LearningRateMonitor()
    cli = build(toy({"trainer.callbacks": configured, "trainer.logger": True}), None, [mine])
    callbacks = cli.trainer.callbacks
    assert callbacks.count(mine) == 1
    assert sum(isinstance(item, EarlyStopping) for item in callbacks) == bool(configured)


def test_arguments_of_the_caller_come_before_those_of_the_config():
    assert build(toy(), None, [], max_epochs=7).trainer.max_epochs == 7


def test_the_same_seed_builds_the_same_module():
    first, second, other = (
        build(toy({"seed_everything": seed}), None, []).model.net[0].weight for seed in (5, 5, 6)
    )
    assert first.equal(second)
    assert not first.equal(other)


def test_a_module_with_nothing_to_train_needs_no_other_config():
    cli = build(
        toy({"model": {"class_path": "ablate.testing.toy.Mean"}, "lr_scheduler": COSINE}), None, []
    )
    assert not list(cli.model.parameters())


def test_a_schedule_without_a_known_length_is_a_wrong_config():
    endless = {"trainer.max_epochs": -1, "trainer.max_time": "00:00:01:00", "lr_scheduler": COSINE}
    cli = build(toy(endless), None, [])
    with pytest.raises(SpecError, match=r"set trainer.max_epochs or trainer.max_steps"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)

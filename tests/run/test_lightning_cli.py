"""LightningCLI as the resolver: every default, every mistake with its path; and as the builder."""

import copy
import json

import pytest
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor

from ablate.errors import SpecError
from ablate.run.lightning_cli import build, resolve
from tests.run.jobs import TOY, toy

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
        {"model": "tests.toy.Mean", "optimizer": None},
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


@pytest.mark.parametrize("value", [1, None, {}, {"class_path": "x"}], ids=repr)
@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("modle", "model"),
        ("trainer.max_epoch", "max_epochs"),
        ("model.init_args.widht", "width"),
        ("model.init_arg", "init_args"),
        ("data.init_args.batchsize", "batch_size"),
        ("optimizer.init_args.weight_dekay", "weight_decay"),
        ("lr_scheduler.init_args.warm_up", "warmup"),
        ("trainer.callbacks[0].init_args.patiense", "patience"),
        ("trainer.callbacks[1].init_args.loging_interval", "logging_interval"),
        ("trainer.callbacks[1].clas_path", "class_path"),
    ],
)
def test_an_unknown_key_is_named_with_its_path_and_its_nearest_name(path, hint, value):
    config = toy({"lr_scheduler": COSINE, "trainer.callbacks": [STOPPING, MONITOR], path: value})
    with pytest.raises(SpecError) as caught:
        resolve(config)
    key = path.rpartition(".")[2]
    assert str(caught.value).startswith(f"{path}: unknown key '{key}': did you mean '{hint}'")


@pytest.mark.parametrize(
    "path",
    ["data.init_args.width", "optimizer.init_args.width", "trainer.callbacks[1].init_args.monitor"],
)
def test_an_unknown_key_is_not_mistaken_for_the_same_key_elsewhere(path):
    config = toy({"trainer.callbacks": [STOPPING, MONITOR], path: 3})
    with pytest.raises(SpecError, match="unknown key") as caught:
        resolve(config)
    assert str(caught.value).startswith(f"{path}: ")


def test_arguments_beside_the_class_path_are_refused_with_what_may_stand_there():
    for model in ({"class_path": "tests.toy.Toy", "width": 8}, {"width": 8}):
        with pytest.raises(SpecError, match=r"^model.width: unknown key 'width': .*init_args"):
            resolve(toy({"model": model}))


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("trainer.max_epochs", "three", "Expected a int"),
        ("model.init_args.width", "wide", "Expected a int. Got value: wide"),
        ("optimizer.init_args.lr", "fast", "Expected a float"),
        ("optimizer.init_args.betas", [0.9], "tuple with 2 elements"),
        ("data.init_args.batch_size", 1.5, "Expected a int"),
        ("trainer.callbacks[0].init_args.mode", 3, "Expected a str. Got value: 3"),
        ("trainer.callbacks[1].init_args.mode", 3, "Expected a str. Got value: 3"),
        ("trainer.callbacks[2].init_args.logging_interval", "monthly", "'step', 'epoch'"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_path(path, value, complaint):
    checkpoint = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"monitor": "val_loss", "mode": "min"},
    }
    config = toy(
        {
            "trainer.callbacks": [STOPPING, checkpoint, MONITOR],
            "optimizer.class_path": "torch.optim.Adam",
            path: value,
        }
    )
    with pytest.raises(SpecError) as caught:
        resolve(config)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert complaint in message
    assert "\n" not in message
    assert "Subclass types" not in message


@pytest.mark.parametrize(
    ("path", "name", "complaint"),
    [
        ("model", "tests.toy.Toyy", "did you mean 'Toy'"),
        ("model", "no_such_package.Toy", "No module named 'no_such_package'"),
        ("optimizer", "torch.optim.Adamm", "did you mean 'Adam'"),
        ("trainer.callbacks[1]", "lightning.pytorch.callbacks.EarlyStoping", "'EarlyStopping'"),
    ],
)
def test_a_missing_class_is_named_with_its_path(path, name, complaint):
    config = toy({"trainer.callbacks": [STOPPING, MONITOR], path: {"class_path": name}})
    with pytest.raises(SpecError) as caught:
        resolve(config)
    assert str(caught.value).startswith(f"{path}.class_path: ")
    assert complaint in str(caught.value)


def test_a_class_of_the_wrong_kind_is_refused():
    with pytest.raises(SpecError, match=r"^optimizer: .*torch.nn.Linear.*Optimizer"):
        resolve(toy({"optimizer": {"class_path": "torch.nn.Linear"}}))


def test_a_config_without_a_model_is_refused():
    with pytest.raises(SpecError, match="model"):
        resolve({key: value for key, value in TOY.items() if key != "model"})


def test_a_constructor_that_refuses_its_arguments_is_a_wrong_config():
    resolve(toy({"model.init_args.heads": 3}))
    with pytest.raises(SpecError, match="width 4 is not divisible by heads 3"):
        build(toy({"model.init_args.heads": 3}), None, [])


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
    cli = build(toy({"model": {"class_path": "tests.toy.Mean"}, "lr_scheduler": COSINE}), None, [])
    assert not list(cli.model.parameters())


def test_a_schedule_without_a_known_length_is_a_wrong_config():
    endless = {"trainer.max_epochs": -1, "trainer.max_time": "00:00:01:00", "lr_scheduler": COSINE}
    cli = build(toy(endless), None, [])
    with pytest.raises(SpecError, match=r"set trainer.max_epochs or trainer.max_steps"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)

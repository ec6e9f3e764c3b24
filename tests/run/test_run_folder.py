"""Where the callbacks, loggers and profilers of a config write."""

import os
from pathlib import Path

import pytest
import torch

from ablate.run import LocalLauncher
from ablate.run.lightning_cli import build
from ablate.run.resume import FILE
from ablate.run.run_folder import misplaced, placed
from ablate.spec import Status, read_yaml
from ablate.testing.jobs import Record, execute, run, toy
from ablate.testing.launcher import wait
from tests.run import opaque

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
BEST = {
    "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
    "init_args": {"dirpath": "checkpoints", "filename": "best", "monitor": "val_loss"},
}
NOTES = {"class_path": f"{opaque.__name__}.Notes", "init_args": {"log_dir": "notes/of/mine"}}


def with_callback(**arguments):
    callback = {"class_path": "a.Callback", "init_args": arguments}
    return toy({"trainer.callbacks": [callback]})


def arguments_of(config):
    return config["trainer"]["callbacks"][0]["init_args"]


@pytest.mark.parametrize(
    "name", ["dirpath", "save_dir", "log_dir", "dir", "output_dir", "root_dir", "default_root_dir"]
)
def test_a_relative_folder_lies_below_the_folder_of_the_run(name, tmp_path):
    config = with_callback(**{name: "a/../b", "mode": "min"})
    assert not list(misplaced(config))
    assert arguments_of(placed(config, tmp_path)) == {
        name: str(tmp_path / "a/../b"), "mode": "min"
    }  # fmt: skip
    assert arguments_of(config)[name] == "a/../b", "the record keeps what was written"


@pytest.mark.parametrize("value", ["/elsewhere", "../b", "a/../../b", "s3://bucket/b", "~/b"])
def test_a_folder_outside_that_of_the_run_is_found_and_left_as_it_is(value, tmp_path):
    config = with_callback(dirpath=value)
    assert list(misplaced(config)) == [("trainer.callbacks[0].init_args.dirpath", value)]
    assert arguments_of(placed(config, tmp_path)) == {"dirpath": value}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"dirpath": "a", "filename": "b/best"}, []),
        ({"dirpath": "a/b", "filename": "../best"}, []),
        ({"dirpath": "a", "filename": "../../best"}, ["filename"]),
        ({"dirpath": None, "filename": "/a/best"}, ["filename"]),
        ({"dirpath": "/a", "filename": "best"}, ["dirpath"]),
        ({"save_dir": "a", "name": "b", "version": "/c"}, ["version"]),
        ({"filename": "/c.txt"}, ["filename"]),
        ({"name": "/c", "version": "../d"}, []),
    ],
)
def test_a_file_is_judged_together_with_its_folder(arguments, found):
    paths = [path for path, _ in misplaced(with_callback(**arguments))]
    assert paths == [f"trainer.callbacks[0].init_args.{name}" for name in found]


def test_a_file_without_a_folder_is_a_path_by_itself(tmp_path):
    alone = placed(with_callback(filename="out.csv"), tmp_path)
    assert arguments_of(alone) == {"filename": str(tmp_path / "out.csv")}
    beside = placed(with_callback(filename="best", dirpath=None), tmp_path)
    assert arguments_of(beside) == {"filename": "best", "dirpath": None}


def test_folders_of_loggers_and_profilers_lie_there_too_those_of_trackers_and_data_do_not(tmp_path):
    logger = {"class_path": "CSVLogger", "init_args": {"save_dir": "logs", "version": 0}}
    tracker = {"class_path": "MLFlowLogger", "init_args": {"tracking_uri": None, "save_dir": "/m"}}
    profiler = {"class_path": "SimpleProfiler", "init_args": {"dirpath": ".", "filename": "p"}}
    config = toy(
        {
            "trainer.logger": [logger, tracker],
            "trainer.profiler": profiler,
            "data.init_args.dir": "/data",
        }
    )
    assert not list(misplaced(config))
    changed = placed(config, tmp_path)
    assert changed["trainer"]["logger"][0]["init_args"]["save_dir"] == str(tmp_path / "logs")
    assert changed["trainer"]["logger"][1] == tracker
    assert changed["trainer"]["profiler"]["init_args"]["dirpath"] == str(tmp_path)
    assert changed["data"] == config["data"]


def test_the_built_objects_write_there(tmp_path):
    logger = {
        "class_path": "lightning.pytorch.loggers.CSVLogger",
        "init_args": {"save_dir": "logs", "name": "n", "version": "v"},
    }
    named = {**BEST, "class_path": "ablate.run.checkpoints.RunCheckpoint"}
    config = toy(
        {
            "trainer.callbacks": [BEST, named, NOTES],
            "trainer.logger": logger,
            "trainer.enable_checkpointing": True,
        }
    )
    trainer = build(config, tmp_path, []).trainer
    assert trainer.logger.log_dir == str(tmp_path / "logs" / "n" / "v")
    folders = {str(callback.dirpath) for callback in trainer.checkpoint_callbacks}
    assert folders == {str(tmp_path / "checkpoints")}
    (notes,) = [c for c in trainer.callbacks if isinstance(c, opaque.Notes)]
    assert notes.file == tmp_path / "notes/of/mine" / "epochs.txt"


def test_two_runs_at_once_with_one_fixed_checkpoint_keep_two_files(tmp_path):
    changes = {"trainer.callbacks": [BEST, NOTES], "trainer.enable_checkpointing": True}
    folders = [tmp_path / "1", tmp_path / "2"]
    for folder in folders:
        folder.mkdir()
    jobs = [
        run(number, folder, {**changes, "seed_everything": number})
        for number, folder in enumerate(folders)
    ]
    launcher, record = LocalLauncher(2), Record()
    try:
        for job in jobs:
            launcher.submit([job])
        wait(launcher, record, lambda: all("Finished" in record.kinds(j.id) for j in jobs))
    finally:
        launcher.close()
    first, second = (
        torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True) for folder in folders
    )
    assert not first["state_dict"]["net.0.weight"].equal(second["state_dict"]["net.0.weight"])
    assert [(folder / "notes/of/mine/epochs.txt").read_text() for folder in folders] == [
        "0\n1\n"
    ] * 2
    assert not Path("checkpoints").exists()
    assert not Path("notes").exists()
    recorded = read_yaml(folders[0] / "config.yaml")["trainer"]["callbacks"][0]["init_args"]
    assert recorded["dirpath"] == "checkpoints"


def test_a_resumed_run_finds_the_checkpoints_that_it_saved_before(tmp_path):
    best = {**BEST, "init_args": {**BEST["init_args"], "mode": "max", "save_last": True}}
    changes = {
        "trainer.callbacks": [best], "trainer.enable_checkpointing": True, "trainer.max_epochs": 3
    }  # fmt: skip
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    straight.mkdir()
    broken.mkdir()
    execute(run(1, straight, changes), Record())
    first, second = Record(), Record()
    job = run(1, broken, changes, checkpoint_every=0.0)
    execute(job, first, lambda: len(first.reports("train")) > 1)
    assert first.status() is Status.INTERRUPTED
    later = broken / "checkpoints" / "later.ckpt"
    later.write_bytes(b"of an epoch that returns")
    moment = (broken / FILE).stat().st_mtime + 1
    os.utime(later, (moment, moment))
    execute(run(1, broken, changes, resume=True), second)
    assert second.built().resumed_epoch == 2
    files = {f: sorted(path.name for path in f.rglob("*.ckpt")) for f in (straight, broken)}
    assert files[straight] == files[broken] == ["best.ckpt", "last.ckpt"]
    kept = [torch.load(f / "checkpoints/best.ckpt", weights_only=True) for f in files]
    assert kept[0]["epoch"] == kept[1]["epoch"] == 0
    state = [next(iter(c["callbacks"].values())) for c in kept]
    assert state[0]["best_model_score"].equal(state[1]["best_model_score"])

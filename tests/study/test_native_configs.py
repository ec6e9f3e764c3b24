"""Configs as LightningCLI takes and writes them give here what they give there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from lightning.pytorch.cli import LightningCLI

from ablate.errors import SpecError
from ablate.run.resolving import resolve_base
from ablate.spec import Study, paths, read_study

from .conftest import Project, replay, search

LIBRARY = """
import toy
from lightning.pytorch.cli import LightningCLI


class Model(toy.Toy):
    def __init__(self, width: int = 4, dropout: float = 0.1):
        super().__init__(width=width, dropout=dropout)


class Deep(toy.Toy):
    def __init__(self, width: int = 6, depth: int = 3, dropout: str = "no"):
        super().__init__(width=width)


class Wide(toy.Toy):
    def __init__(self, width: int = 8, heads: int = 2, dropout: float = 0.3):
        super().__init__(width=width)
"""
SCRIPT = """
import os
import sys

from library import Model
from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningCLI
from toy import Points


class Notes(Callback):
    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            print("loss", float(trainer.callback_metrics["val_loss"]).hex(), file=sys.stderr)


def main():
    kwargs = {"parser_mode": os.environ.get("MODE", "yaml"), "default_env": True}
    LightningCLI(Model, Points, trainer_defaults={"callbacks": Notes()}, parser_kwargs=kwargs)


if __name__ == "__main__":
    main()
"""
CONFIG: dict[str, Any] = {
    "seed_everything": 3,
    "model": {"width": 6},
    "data": {"batch_size": 16},
    "optimizer": {"class_path": "Adam", "init_args": {"lr": 0.01}},
    "trainer": {
        "max_epochs": 2,
        "accelerator": "cpu",
        "logger": {"class_path": "CSVLogger", "init_args": {"save_dir": "logs"}},
        "enable_checkpointing": False,
        "enable_progress_bar": False,
    },
}
ABLATION: dict[str, Any] = {
    "kind": "ablation",
    "config": "../configs/toy.yaml",
    "cli": "../train.py",
    "arms": {"as_it_is": {}},
    "metrics": {"val_loss": "minimize"},
}


@pytest.fixture
def own(project: Project) -> Iterator[Project]:
    (project.folder / "library.py").write_text(LIBRARY)
    (project.folder / "train.py").write_text(SCRIPT)
    project.config(CONFIG)
    yield project
    sys.modules.pop("library", None)


def prepared(project: Project, name: str) -> tuple[Study, dict[str, Any]]:
    """Make a study ready, and resolve its config."""
    request = project.request()
    with request.launched() as launcher:
        study = request.prepare(read_study(name), launcher)
        return study, resolve_base(study, launcher)


def resolved(project: Project, name: str = "a", **changes: Any) -> dict[str, Any]:
    project.study(name, ABLATION, **changes)
    return prepared(project, name)[1]


def test_the_config_that_lightning_saves_gives_the_same_numbers(own: Project) -> None:
    given = [sys.executable, "train.py", "fit", "--config", "configs/toy.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(own.folder)}
    done = subprocess.run(
        given, check=False, timeout=300, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("loss")]
    (saved,) = (own.folder / "logs").rglob("config.yaml")
    assert "ckpt_path: null" in saved.read_text()
    own.study("a", ABLATION, config=os.path.relpath(saved, own.folder / "studies"))
    assert replay("a", own.request()).counts == {"complete": 1}
    with own.store() as store:
        rows = store.metrics("a", ["val_loss"])
    assert [row.value.hex() for row in rows if row.phase == "val"] == expected
    assert len(expected) == 2


def test_every_way_to_write_a_config_resolves_to_the_same(own: Project) -> None:
    expected = resolved(own)
    assert expected["optimizer"]["class_path"] == "torch.optim.Adam"
    own.config({"fit": CONFIG, "test": {"ckpt_path": "best"}}, "fit")
    (own.folder / "configs" / "parts").mkdir()
    own.config(CONFIG["model"], "parts/model")
    own.config(CONFIG["trainer"], "parts/trainer")
    parts = {"model": "parts/model.yaml", "trainer": "parts/trainer.yaml"}
    own.config({**CONFIG, **parts}, "files")
    first = {key: CONFIG[key] for key in ("seed_everything", "model", "optimizer")}
    own.config(first, "first")
    own.config({key: CONFIG[key] for key in ("data", "trainer")}, "second")
    for config in (
        "../configs/fit.yaml",
        "../configs/files.yaml",
        ["../configs/first.yaml", "../configs/second.yaml"],
        CONFIG,
    ):
        assert resolved(own, config=config) == expected


def test_sections_of_other_subcommands_are_left_out_and_said(
    own: Project, told: Callable[[str], None]
) -> None:
    own.config({"fit": CONFIG, "test": {"ckpt_path": "best"}})
    own.study("a", ABLATION)
    replay("a", own.request(say=told))
    assert "left out: configs/toy.yaml: test; a run fits" in told


def test_what_the_environment_gives_is_in_the_record(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PL_FIT__DATA__COUNT", "48")
    monkeypatch.setenv("PL_FIT__DATA__BATCH_SIZE", "48")
    assert resolved(own)["data"] == {"count": 48, "batch_size": 16}


def test_interpolation_is_resolved_before_it_is_recorded(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("omegaconf")
    monkeypatch.setenv("MODE", "omegaconf")
    monkeypatch.setenv("COUNT", "40")
    data = {"batch_size": "${trainer.max_epochs}", "count": "${oc.env:COUNT}"}
    own.config({**CONFIG, "data": data})
    assert resolved(own)["data"] == {"batch_size": 2, "count": 40}
    # What a study changes is changed before it is looked up.
    own.study("a", ABLATION, profiles={"cpu": {"set": {"trainer.max_epochs": 5}}})
    assert prepared(own, "a")[1]["data"]["batch_size"] == 5


def test_interpolation_without_its_parser_says_what_it_needs(own: Project) -> None:
    config = {**CONFIG, "model": {"class_path": "library.Model", "init_args": {"width": "${x}"}}}
    own.config({**config, "data": {"class_path": "toy.Points"}})
    with pytest.raises(SpecError, match=r"is read only with parser_kwargs=.*cli: ../train.py"):
        resolved(own, cli="lightning")


def test_a_config_of_an_own_cli_that_is_not_named_says_so(own: Project) -> None:
    study = {key: value for key, value in ABLATION.items() if key != "cli"}
    own.study("a", study)
    with pytest.raises(SpecError, match=r"model names no class_path, so .* cli: ../train.py"):
        replay("a", own.request())
    assert not (own.folder / "results").exists()


def test_a_script_that_is_not_named_is_pointed_out(
    own: Project, told: Callable[[str], None]
) -> None:
    classes = {
        "model": {"class_path": "library.Model"},
        "data": {"class_path": "toy.Points"},
    }
    own.config({**CONFIG, **classes})
    study = {key: value for key, value in ABLATION.items() if key != "cli"}
    own.study("a", study)
    replay("a", own.request(say=told))
    said = "../train.py builds a LightningCLI of its own (LightningCLI); runs use the plain one"
    assert [line for line in told if line.startswith(said)]
    del told[:]
    own.study("a", study, cli="lightning")
    assert replay("a", own.request(say=told)).already_done
    assert not [line for line in told if line.startswith(said)]


def test_paths_lead_into_configs_without_classes(own: Project) -> None:
    own.config({**CONFIG, "optimizer": "Adam"})
    space = {
        "model.width": {"choice": [4, 6]},
        "optimizer.init_args.lr": {"float": [0.001, 0.1], "log": True},
        "trainer.max_epochs": {"choice": [1, 2]},
    }
    study = {
        "kind": "search",
        "config": "../configs/toy.yaml",
        "cli": "../train.py",
        "objective": {"metric": "val_loss"},
        "space": space,
        "budget": {"trials": 2},
    }
    own.study("s", study)
    assert sum(search("s", own.request()).counts.values()) == 2
    with own.store() as store:
        asked = {trial.number: trial.params for trial in store.trials("s")}
        for run in store.runs("s", with_config=True):
            for path, value in asked[run.trial].items():
                assert paths.get(run.config, path) == value
    own.study("a", ABLATION, arms={"other": {"optimizer.class_path": "SGD", "model.width": 2}})
    assert replay("a", own.request()).counts == {"complete": 1}


class Parsed(LightningCLI):
    """Plain LightningCLI that only parses."""

    def instantiate_classes(self) -> None:
        pass


@pytest.mark.parametrize(
    "second",
    [
        {"model": {"class_path": "library.Wide"}},
        {"model": {"class_path": "library.Deep", "init_args": {"depth": 4}}},
        {"model": {"init_args": {"dropout": 0.2}}},
        {
            "trainer": {
                "callbacks": [{"class_path": "EarlyStopping", "init_args": {"monitor": "x"}}]
            }
        },
        {"trainer": {"callbacks+": [{"class_path": "LearningRateMonitor"}]}},
        {"optimizer": {"class_path": "torch.optim.SGD"}},
        {"optimizer": {"class_path": "SGD", "init_args": {"momentum": 0.9}}},
    ],
    ids=json.dumps,
)
def test_several_configs_are_merged_as_several_options_are(
    own: Project, second: dict[str, Any]
) -> None:
    first = {
        "seed_everything": 3,
        "model": {"class_path": "library.Model", "init_args": {"width": 2, "dropout": 0.5}},
        "data": {"class_path": "toy.Points"},
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.3, "amsgrad": True}},
        "trainer": {"callbacks": [{"class_path": "ModelSummary"}]},
    }
    own.config(first, "first")
    own.config(second, "second")
    options = ["--config", "configs/first.yaml", "--config", "configs/second.yaml"]
    parsed = Parsed(run=False, args=options, parser_kwargs={"exit_on_error": False})
    text = parsed.parser.dump(parsed.config, skip_unset=False)
    files = ["../configs/first.yaml", "../configs/second.yaml"]
    assert resolved(own, config=files, cli="lightning") == yaml.safe_load(text)

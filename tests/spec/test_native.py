"""Configs as LightningCLI takes and writes them are read as what they say of a fit."""

from pathlib import Path
from typing import Any

import pytest

from ablate.errors import SpecError
from ablate.spec import dump_yaml
from ablate.spec.configs import merged
from ablate.spec.native import native_config, read_config

MODEL = {"class_path": "m.Model", "init_args": {"width": 4}}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump_yaml(content))
    return path


def test_what_lightning_saves_beside_the_sections_is_left_out() -> None:
    given = {"seed_everything": 1, "model": MODEL, "ckpt_path": None, "weights_only": None}
    assert native_config(given, Path(), "here").config == {"seed_everything": 1, "model": MODEL}


def test_the_section_of_the_fit_is_the_config() -> None:
    given = {"fit": {"model": MODEL, "ckpt_path": None}, "test": {"verbose": True}}
    read = native_config(given, Path(), "here")
    assert (read.config, read.left_out) == ({"model": MODEL}, ("test",))
    assert native_config({"subcommand": "fit", "fit": {"model": MODEL}}, Path(), "").config == {
        "model": MODEL
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ckpt_path": "last.ckpt"}, "here: ckpt_path: a run begins at its own beginning"),
        ({"fit": {"ckpt_path": "best"}}, "not at best"),
        ({"subcommand": "test", "test": {}}, "subcommand 'test', and a run fits"),
        ({"model": "nowhere.yaml"}, "here: model: there is no file nowhere.yaml"),
    ],
)
def test_what_a_run_can_not_do_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        native_config(given, Path(), "here")


def test_files_are_read_beside_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path / "parts" / "encoder.yaml", {"class_path": "m.Encoder"})
    write(tmp_path / "parts" / "notes.yaml", {"author": "me"})
    model = {"class_path": "m.Model", "init_args": {"encoder": "encoder.yaml", "by": "notes.yaml"}}
    write(tmp_path / "parts" / "model.yaml", model)
    write(tmp_path / "stop.yaml", {"class_path": "EarlyStopping"})
    write(tmp_path / "trainer.yaml", {"callbacks": ["stop.yaml", "RichProgressBar"]})
    given = {"model": "parts/model.yaml", "trainer": "trainer.yaml", "data": "m.Data"}
    assert read_config(write(tmp_path / "config.yaml", given)).config == {
        "model": {
            "class_path": "m.Model",
            "init_args": {"encoder": {"class_path": "m.Encoder"}, "by": "notes.yaml"},
        },
        "trainer": {"callbacks": [{"class_path": "EarlyStopping"}, "RichProgressBar"]},
        "data": "m.Data",
    }


def test_lists_are_appended_to_and_replaced() -> None:
    base = {"trainer": {"callbacks": ["A"], "logger": True}}
    assert merged([base, {"trainer": {"callbacks+": ["B"]}}])["trainer"]["callbacks"] == ["A", "B"]
    assert merged([base, {"trainer": {"callbacks": ["B"]}}])["trainer"]["callbacks"] == ["B"]
    more = {"trainer": {"callbacks+": "B"}}
    assert merged([more, more]) == {"trainer": {"callbacks+": ["B", "B"]}}
    assert merged([more, base])["trainer"] == {"callbacks": ["A"], "logger": True}


def test_another_class_keeps_what_it_takes() -> None:
    base = {"model": {"class_path": "A", "init_args": {"lr": 1, "depth": 2}}}
    top = {"model": {"class_path": "B", "init_args": {"width": 3}}}
    assert merged([base, top]) == top
    asked = []

    def takes(*given: Any) -> list[str]:
        asked.append(given)
        return ["lr"]

    assert merged([base, top], takes)["model"] == {
        "class_path": "B",
        "init_args": {"lr": 1, "width": 3},
    }
    assert asked == [("model", "B", {"lr": 1, "depth": 2})]

"""A configuration from a database builds what its user trusts, and reaches nothing else."""

from pathlib import Path
from typing import Any

import pytest

from ablate.errors import SpecError
from ablate.run.admission import admit, check_names
from ablate.spec import Trust

STORED = "tests.run.stored"
TRUST = Trust(("tests",))


def model(**arguments: Any) -> dict[str, Any]:
    return {"model": {"class_path": f"{STORED}.Model", "init_args": arguments}}


def built(class_path: Any, **more: Any) -> dict[str, Any]:
    return model(encoder={"class_path": class_path, **more})


@pytest.mark.parametrize(
    "config",
    [
        model(),
        built("torch.nn.Linear", init_args={"in_features": 1, "out_features": 1}),
        built(f"{STORED}.Model.Inner"),
        built("Linear"),
        built("pytorch_lightning.core.LightningModule"),
        model(act=f"{STORED}.double"),
        model(act="torch.nn.functional.gelu"),
        model(act="torch.relu"),
        model(act="torch.nn.ReLU", any_one="torch.float32"),
        model(any_one={"name": "a: b", "note": "see os.path", "path": "{x}"}),
        {"optimizer": "torch.optim.Adam", "lr_scheduler": "ablate.run.schedules.Cosine"},
        {"trainer": {"callbacks": [{"class_path": "lightning.pytorch.callbacks.EarlyStopping"}]}},
        {"trainer": {"logger": {"class_path": "CSVLogger", "init_args": {"save_dir": "logs"}}}},
        {"model": {"class_path": "__main__.Model"}},
    ],
)
def test_what_a_training_consists_of_is_admitted(config: dict[str, Any]) -> None:
    admit(config, Trust(("tests", "__main__")))


@pytest.mark.parametrize(
    "named",
    [
        "ablate.run.environment.subprocess.Popen",
        "ablate.run.launchers.LocalLauncher",
        "ablate.run.entry.execute_entry",
        "ablate.__main__.main",
        "torch.hub.load",
        "torch.load",
        "torch.os.system",
        "torch.utils.collect_env.run",
        "torch.utils.cpp_extension.load_inline",
        "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler",
        "lightning.pytorch.cli.LightningCLI",
        "lightning.pytorch.cli.instantiate_class",
        f"{STORED}.popen",
        f"{STORED}.system",
        f"{STORED}.relu",
        f"{STORED}.os.system",
        f"{STORED}.subprocess.Popen",
        f"{STORED}.path.join",
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "evilpkg.Model",
    ],
)
@pytest.mark.parametrize("place", ["class", "kwargs", "list", "function", "section", "text"])
def test_nothing_else_is_reached_from_anywhere_in_a_config(named: str, place: str) -> None:
    described = {"class_path": named, "init_args": {"args": "touch /tmp/pwned"}}
    config = {
        "class": built(named),
        "kwargs": built("torch.nn.Identity", dict_kwargs={"a": [{"b": described}]}),
        "list": {"trainer": {"callbacks": [described]}},
        "function": {"model": {"class_path": named}},
        "section": {"model": named},
        "text": model(encoder=f'{{"cl\\u0061ss_path": "{named}"}}'),
    }[place]
    with pytest.raises(SpecError):
        admit(config, TRUST)


@pytest.mark.parametrize(
    "function",
    [
        "os.system",
        "torch.load",
        "torch.hub.load",
        "torch.from_file",
        f"{STORED}.system",
        f"{STORED}.os.system",
        "ablate.run.entry.execute_entry",
    ],
)
def test_a_parameter_that_takes_functions_gets_only_the_packages_own(function: str) -> None:
    with pytest.raises(SpecError, match=rf"model\.init_args\.act: {function} "):
        admit(model(act=function), TRUST)


@pytest.mark.parametrize(
    "text",
    [
        '{"class_path": "evilpkg.Model"}',
        '{"cl\\u0061ss_path": "evilpkg.Model"}',
        "class_path: evilpkg.Model",
        "- class_path: evilpkg.Model",
        '[{"a": "{\\"class_path\\": \\"evilpkg.Model\\"}"}]',
        'class_path = "evilpkg.Model"',
    ],
)
def test_a_text_that_describes_objects_is_not_read(text: str) -> None:
    for config in ({"model": text}, model(encoder=text), model(any_one=[text])):
        with pytest.raises(SpecError):
            check_names(config, TRUST)


def test_a_file_is_not_read_where_objects_are_described(tmp_path: Path) -> None:
    file = tmp_path / "secrets.txt"
    file.write_text("the content")
    text = str(file)
    derived = {"class_path": f"{STORED}.Derived", "init_args": {"encoder": text}}
    places = [
        {"model": text}, {"config": [text]}, {"trainer": {"callbacks": [text]}},
        {"model": derived}, model(encoder=text), model(encoder=[text]),
    ]  # fmt: skip
    for config in places:
        with pytest.raises(SpecError) as refusal:
            admit(config, TRUST)
        assert "the content" not in str(refusal.value)
    admit(model(any_one=text), TRUST)
    named = {"class_path": f"{STORED}.Derived", "init_args": {"name": text}}
    admit({"model": named}, TRUST)


@pytest.mark.parametrize("folder", ["/etc", "../..", "~/here", "s3://there"])
def test_a_stored_config_writes_nowhere_but_in_the_folder_of_its_run(folder: str) -> None:
    logger = {"class_path": "CSVLogger", "init_args": {"save_dir": folder}}
    with pytest.raises(SpecError, match=r"save_dir: .* leads out of the folder of the run"):
        admit({"trainer": {"logger": logger}}, TRUST)


@pytest.mark.parametrize(
    "entry",
    ["lightning.pytorch.cli:instantiate_class", "torch.hub:load", "ablate.cli:main",
     "os:system", f"{STORED}:system", f"{STORED}.os:system"],
)  # fmt: skip
def test_an_entry_of_a_stored_study_is_a_trusted_packages_own(entry: str) -> None:
    with pytest.raises(SpecError, match="cli: "):
        admit({}, TRUST, entry)


def test_names_with_many_values_are_refused_in_time() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(200))
    check_names(model(any_one=bomb), TRUST)
    with pytest.raises(SpecError, match="more than"):
        check_names(model(any_one=[0] * 200_000), TRUST)

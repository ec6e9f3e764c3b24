"""Defaults that no YAML file can hold: recorded by their source, built as they are."""

import json
import subprocess
import sys

import pytest
import torch
from lightning.pytorch.cli import LightningCLI

from ablate.errors import SpecError
from ablate.run.lightning_cli import build, resolve
from ablate.spec import configs, dump_yaml, parse_yaml, paths
from ablate.spec.hashing import content_hash
from ablate.testing.jobs import Record, execute, model, run, toy
from tests.run import opaque

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CALLBACKS = "lightning.pytorch.callbacks"
OWNER = "tests.run.opaque.Everything"


@pytest.fixture(scope="module")
def resolved():
    return resolve(toy(model(opaque.Everything)))


def native(config):
    """Build a config by plain LightningCLI."""
    return LightningCLI(args=config, run=False, save_config_callback=None)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("loss", "nn.MSELoss(reduction='sum')"),
        ("weight", "torch.ones(3)"),
        ("typed_weight", "torch.ones(3)"),
        ("function", "lambda x: x"),
        ("typed_function", "lambda x: x"),
        ("device", "torch.device('cpu')"),
        ("options", "Options()"),
        ("partial", "functools.partial(halved)"),
        ("modules", "[nn.ReLU()]"),
        ("flags", "{True: 1}"),
        ("unset", "UNSET = object()"),
        ("huber", "HUBER = nn.HuberLoss(delta=0.5)"),
    ],
)
def test_a_default_that_yaml_cannot_hold_is_recorded_by_its_source(resolved, name, source):
    assert resolved["model"]["init_args"][name] == f"<default of {OWNER}.{name}: {source}>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("named_function", "tests.run.opaque.halved"),
        ("kind", "torch.nn.ReLU"),
        ("dtype", "torch.float32"),
        ("color", "RED"),
        ("path", "x"),
        ("pair", [1, 2]),
        ("number", 1.5),
    ],
)
def test_a_default_that_is_read_again_as_it_was_is_written_out(resolved, name, value):
    assert resolved["model"]["init_args"][name] == value


def test_defaults_of_bases_and_of_nested_objects_name_who_declares_them(resolved):
    arguments = resolved["model"]["init_args"]
    assert arguments["power"] == (
        "<default of tests.run.opaque.Keeps.power: torch.tensor([2.0, 3.0])>"
    )
    assert arguments["lazy"]["init_args"] == {
        "size": 2, "scale": "<default of tests.run.opaque.Scaled.scale: torch.ones(2)>"
    }  # fmt: skip
    assert arguments["typed_loss"]["init_args"]["reduction"] == "sum"
    assert list(arguments)[:4] == ["loss", "typed_loss", "weight", "typed_weight"]


def test_a_recorded_config_builds_what_lightning_builds_from_the_one_that_was_written(resolved):
    stored = json.loads(json.dumps(parse_yaml(dump_yaml(resolved))))
    assert stored == resolved
    assert resolve(stored) == resolved
    built, plain = (
        cli.model.given for cli in (build(stored, None, []), native(toy(model(opaque.Everything))))
    )
    assert built.keys() == plain.keys()
    for name, value in plain.items():
        assert type(built[name]) is type(value), name
        assert repr(built[name]) == repr(value), name
    assert built["unset"] is opaque.UNSET
    assert built["huber"] is opaque.HUBER
    assert built["lazy"].given["scale"].equal(torch.ones(2))


def test_nothing_of_lightning_is_recorded_as_a_text_that_takes_its_place():
    averaging = f"{CALLBACKS}.StochasticWeightAveraging"
    config = toy(
        {
            "trainer.callbacks": [
                {"class_path": averaging, "init_args": {"swa_lrs": 0.1}},
                {
                    "class_path": f"{CALLBACKS}.ModelPruning",
                    "init_args": {"pruning_fn": "l1_unstructured"},
                },
            ]
        }
    )
    resolved = resolve(config)
    assert "Unable" not in json.dumps(resolved)
    averages, prunes = (item["init_args"] for item in resolved["trainer"]["callbacks"])
    assert averages["device"].endswith("StochasticWeightAveraging.device: torch.device('cpu')>")
    assert prunes["pruning_fn"] == "l1_unstructured"
    built = build(resolved, None, []).trainer.callbacks[0]
    assert vars(built)["_device"] == torch.device("cpu")


def test_a_run_with_a_default_loss_gives_the_numbers_of_a_native_run(tmp_path):
    config = toy(model(opaque.Losses))
    cli = native(config)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    record = Record()
    changes = {path: value for path, value in resolve(config).items() if value is not None}
    execute(run(1, tmp_path, changes), record)
    for name in ("val_loss", "train_loss_epoch"):
        assert record.series(name)[-1] == float(cli.trainer.callback_metrics[name]), name


def test_the_hash_of_a_config_follows_the_source_and_is_the_same_in_every_process():
    one, other = (toy(model(kind, width=4)) for kind in (opaque.Losses, opaque.Absolute))
    here = [content_hash(resolve(config)["model"]["init_args"]) for config in (one, other)]
    assert here[0] != here[1]
    program = (
        "import json, sys\nfrom ablate.run.lightning_cli import resolve\n"
        "from ablate.spec.hashing import content_hash\n"
        "print(content_hash(resolve(json.loads(sys.argv[1]))['model']['init_args']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(one)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == here[0]


def test_arms_that_differ_in_a_default_show_its_source():
    one, other = (resolve(toy(model(kind))) for kind in (opaque.Losses, opaque.Absolute))
    found = {path: (before, after) for path, before, after in configs.differing(one, other)}
    before, after = found["model.init_args.loss"]
    assert before.endswith("Losses.loss: nn.SmoothL1Loss(beta=0.3)>")
    assert after.endswith("Absolute.loss: nn.L1Loss()>")


def test_a_default_without_source_is_recorded_without_memory_addresses():
    scope = {"nn": torch.nn, "Toy": opaque.Toy, "__name__": opaque.__name__}
    exec(  # noqa: S102
        "class Made(Toy):\n    def __init__(self, loss=nn.L1Loss(), f=lambda x: x, o=object()):\n"
        "        super().__init__()",
        scope,
    )
    opaque.Made = scope["Made"]
    try:
        resolved = resolve(toy({"model": {"class_path": "tests.run.opaque.Made"}}))
    finally:
        del opaque.Made
    assert resolved["model"]["init_args"] == {
        "loss": "<default of tests.run.opaque.Made.loss: L1Loss()>",
        "f": "<default of tests.run.opaque.Made.f: tests.run.opaque.Made.<lambda>>",
        "o": "<default of tests.run.opaque.Made.o: <object object>>",
    }


def test_a_value_that_is_given_takes_the_place_of_the_default():
    given = {"class_path": "torch.nn.L1Loss"}
    changed = resolve(toy(model(opaque.Everything, loss=given, options={"rate": 0.25})))
    arguments = changed["model"]["init_args"]
    assert arguments["loss"]["class_path"] == "torch.nn.L1Loss"
    assert arguments["options"]["rate"] == 0.25
    built = build(changed, None, []).model.given
    assert isinstance(built["loss"], torch.nn.L1Loss)
    assert built["options"].rate == 0.25
    assert built["options"].weights.equal(torch.ones(2))


def test_a_part_of_a_default_cannot_be_changed(resolved):
    path = "model.init_args.loss.init_args.reduction"
    config = toy(model(opaque.Everything))
    paths.put(config, path, "mean")
    with pytest.raises(SpecError) as refused:
        resolve(config)
    assert str(refused.value) == (
        f"model.init_args.loss.init_args: model.init_args.loss is a default of {OWNER}, "
        "nn.MSELoss(reduction='sum'), whose parts no config can change; describe the whole object "
        "with class_path and init_args"
    )
    with pytest.raises(SpecError, match=r"there is .<default of .*>. at model\.init_args\.loss"):
        paths.put(paths.fresh(resolved), path, "mean")


@pytest.mark.parametrize("use", [resolve, lambda config: build(config, None, [])])
def test_a_recorded_default_that_is_another_one_now_is_refused(use):
    config = toy(model(opaque.Losses, loss=f"<default of {OWNER}.loss: nn.CrossEntropyLoss()>"))
    with pytest.raises(
        SpecError, match=r"model.init_args.loss: .*CrossEntropyLoss\(\), which is nn.SmoothL1Loss"
    ):
        use(config)

"""The configs of the motion system: they resolve, train, and say what is published."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.cli import LightningCLI

from ablate.errors import SpecError
from ablate.run.lightning_cli import build, resolve
from ablate.spec import paths
from ablate.spec.configs import merged
from ablate.spec.files import read_yaml

FOLDER = Path(__file__).parents[3] / "configs" / "motion"
SIZES = ("nano", "tiny", "micro", "small", "medium", "large")
HARDWARE = tuple(sorted(f"hardware/{path.stem}" for path in (FOLDER / "hardware").glob("*.yaml")))
TRAINED = ("nano", "tiny", "micro", "small", "hardware/cpu_8gb", "hardware/cpu_16gb")
SMOKE = {
    "trainer.accelerator": "cpu",
    "trainer.max_epochs": 1,
    "trainer.max_steps": 2,
    "trainer.accumulate_grad_batches": 1,
    "trainer.limit_val_batches": 1,
    "trainer.num_sanity_val_steps": 0,
    "trainer.logger": False,
    "trainer.callbacks": None,
    "trainer.enable_checkpointing": False,
    "lr_scheduler.init_args.warmup": 0,
    "data.init_args.train_clips": 4,
    "data.init_args.val_clips": 2,
    "data.init_args.batch_size": 2,
    "data.init_args.frames": 32,
    "data.init_args.num_workers": 0,
    "data.init_args.pin_memory": False,
}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def config(*names: str, **changes: Any) -> dict[str, Any]:
    """Return base.yaml with other files over it, and changes over those."""
    laid = merged([read_yaml(FOLDER / f"{name}.yaml") for name in ("base", *names)])
    for path, value in changes.items():
        paths.put(laid, path, value)
    return laid


def smoke(*names: str, **changes: Any) -> LightningCLI:
    return build(resolve(config(*names, **{**SMOKE, **changes})), None, [])


def value(config: dict[str, Any], path: str) -> Any:
    return paths.get(config, path)


@pytest.mark.parametrize("name", [*SIZES, *HARDWARE])
def test_every_config_resolves_and_builds(name):
    resolved = resolve(config(name))
    assert resolve(resolved) == resolved
    cli = smoke(name)
    assert cli.model.network.architecture.d_model == value(resolved, "model.init_args.d_model")


@pytest.mark.parametrize("name", TRAINED)
def test_a_config_trains(name, tmp_path):
    cli = smoke(name, **{"trainer.default_root_dir": str(tmp_path)})
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.trainer.global_step == 2
    assert cli.trainer.callback_metrics["val_gen_error_cm"].isfinite()


def test_every_file_that_is_laid_over_the_base_is_known():
    files = {path.stem for path in FOLDER.glob("*.yaml") if not path.stem.endswith(".plan")}
    assert files == {"base", *SIZES}
    assert len(HARDWARE) == 5


@pytest.mark.parametrize("name", [*SIZES, *HARDWARE])
def test_a_file_repeats_nothing_but_the_size_of_the_base(name):
    own, base = (paths.flatten(read_yaml(FOLDER / f"{file}.yaml")) for file in (name, "base"))
    size = {f"model.init_args.{key}" for key in ("d_model", "nhead", "num_layers")}
    micro_batch = {"data.init_args.batch_size", "trainer.accumulate_grad_batches"}
    repeated = {path for path in own if base.get(path, ...) == own[path]}
    assert repeated <= (size | micro_batch if name in HARDWARE else size)


@pytest.mark.parametrize("name", ["small", "medium", "large", *HARDWARE])
def test_every_published_recipe_steps_after_64_clips(name):
    laid = config(name)
    batch = value(laid, "data.init_args.batch_size")
    assert batch * value(laid, "trainer.accumulate_grad_batches") == 64


@pytest.mark.parametrize(
    ("name", "batch", "epochs", "lr", "warmup", "diffusion"),
    [
        ("small", 1, 30, 3e-4, 5, None),
        ("medium", 2, 50, 3e-4, 10, 0.1),
        ("large", 16, 100, 5e-4, 10, 0.1),
    ],
)
def test_the_published_recipes(name, batch, epochs, lr, warmup, diffusion):  # noqa: PLR0917
    laid = config(name)
    assert value(laid, "data.init_args.frames") == 249
    assert value(laid, "data.init_args.batch_size") == batch
    assert value(laid, "trainer.max_epochs") == epochs
    assert value(laid, "optimizer.init_args.lr") == lr
    assert value(laid, "lr_scheduler.init_args.warmup") == warmup
    found = value(laid, "model.init_args.diffusion")
    assert (found and found["weight"]) == diffusion


@pytest.mark.parametrize(
    ("name", "published"), [("small", 7_212_670), ("medium", 20_516_734), ("large", 44_481_662)]
)
def test_the_published_sizes_come_out_with_action_conditioning_and_each_file_says_so(
    name, published
):
    counts = []
    for shown in (False, True):
        changes = {"model.init_args.action_conditioning": shown, "model.init_args.diffusion": None}
        with torch.device("meta"):
            model = smoke(name, **changes).model
        counts.append(sum(parameter.numel() for parameter in model.parameters()))
    assert counts[1] == published
    said = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert all(f"{count:,}" in said for count in counts)


@pytest.mark.parametrize(("d_model", "layers"), [(256, 6), (512, 10)])
def test_a_hardware_profile_without_heads_is_refused_with_advice(d_model, layers):
    """The published profiles leave nhead at the base's 12, which does not divide two of them."""
    changes = {"model.init_args.d_model": d_model, "model.init_args.num_layers": layers}
    with pytest.raises(SpecError) as error:
        smoke(**changes)
    advice = "is not divisible by nhead 12; nhead 8 or 16 would do"
    assert f"d_model {d_model} {advice}" in str(error.value)


def test_all_that_does_not_hold_is_said_at_once():
    changes = {
        "model.init_args.nhead": 7,
        "model.init_args.weights.temporal": -1.0,
        "model.init_args.prefix_probability": 2.0,
    }
    with pytest.raises(SpecError) as error:
        smoke("tiny", **changes)
    for part in ("nhead 6 or 8 would do", "weights.temporal must be", "prefix_probability must"):
        assert part in str(error.value)


def test_an_unknown_weight_is_refused():
    with pytest.raises(SpecError, match="temporl"):
        resolve(config("tiny", **{"model.init_args.weights.temporl": 0.5}))


def test_every_weight_can_be_changed_by_its_path():
    changes = {
        "model.init_args.weights.temporal": 0.7,
        "model.init_args.physics.velocity": 0.6,
        "model.init_args.diffusion": {"weight": 0.5, "widths": [8]},
    }
    model = smoke("tiny", **changes).model
    assert (model.weight["temporal"], model.weight["pose"]) == (0.7, 1.0)
    assert (model.physics.velocity, model.physics.momentum) == (0.6, 0.3)
    assert (model.weight["diffusion"], model.refiner.diffusion.widths) == (0.5, (8,))


def test_the_best_and_the_last_weights_are_kept(tmp_path):
    changes = {
        "trainer.callbacks": value(config(), "trainer.callbacks"),
        "trainer.enable_checkpointing": True,
        "trainer.max_steps": -1,
        "trainer.max_epochs": 6,
        "trainer.default_root_dir": str(tmp_path),
        "lr_scheduler.init_args.warmup": 5,
    }
    cli = smoke("nano", **changes)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    names = [path.name for path in tmp_path.rglob("*.ckpt")]
    assert "last.ckpt" in names
    assert len([name for name in names if name.endswith("-epoch=04.ckpt")]) == 1
    assert len([name for name in names if "-best-epoch=" in name]) == 1


def test_the_learning_rate_rises_and_falls_by_the_epoch(tmp_path, monkeypatch):
    """The medium recipe: 3e-5 at first, 3e-4 after the warm-up, almost nothing at the end."""
    changes = {
        "trainer.max_epochs": 50,
        "trainer.max_steps": -1,
        "trainer.limit_train_batches": 1,
        "trainer.limit_val_batches": 0,
        "trainer.default_root_dir": str(tmp_path),
        "optimizer.init_args.lr": value(config("medium"), "optimizer.init_args.lr"),
        "lr_scheduler": value(config("medium"), "lr_scheduler"),
        "model.init_args.d_model": 16,
    }
    cli, rates = smoke("nano", **changes), []

    def note() -> None:
        rates.extend(group["lr"] for group in cli.trainer.optimizers[0].param_groups)

    monkeypatch.setattr(cli.model, "on_train_epoch_start", note)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert rates[0] == pytest.approx(3e-5)
    assert rates[9] == rates[10] == pytest.approx(3e-4)
    assert rates[49] == pytest.approx(4.6e-7, rel=0.01)

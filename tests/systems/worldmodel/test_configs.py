"""The two recipes: every published setting, the number of steps, what is saved and when."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningCLI

from ablate.run.lightning_cli import build, resolve
from ablate.spec import paths
from ablate.spec.configs import merged
from ablate.spec.files import read_yaml

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

FOLDER = Path(__file__).parents[3] / "configs" / "worldmodel"
RECIPES = {"development": ["development"], "production": ["development", "production"]}
COLUMNS = {
    "seed_everything": (42, 42),
    "data.init_args.seed": (42, 42),
    "data.init_args.records": (184, 1346),
    "data.init_args.eval_share": (0.1, 0.15),
    "data.init_args.batch_size": (2, 2),
    "data.init_args.eval_batch_size": (2, 4),
    "data.init_args.max_length": (512, 768),
    "trainer.max_epochs": (3, 15),
    "trainer.accumulate_grad_batches": (4, 8),
    "trainer.gradient_clip_val": (1.0, 1.0),
    "trainer.val_check_interval": (200 * 4, 100 * 8),
    "trainer.check_val_every_n_epoch": (None, None),
    "trainer.log_every_n_steps": (20, 25),
    "trainer.callbacks[0].init_args.every_n_train_steps": (400, 200),
    "trainer.callbacks[0].init_args.save_top_k": (3, 5),
    "trainer.callbacks[0].init_args.monitor": ("step", "step"),
    "trainer.callbacks[0].init_args.mode": ("max", "max"),
    "trainer.callbacks[1].init_args.monitor": ("val_loss", "val_loss"),
    "trainer.callbacks[1].init_args.mode": ("min", "min"),
    "optimizer.class_path": ("torch.optim.AdamW", "torch.optim.AdamW"),
    "optimizer.init_args.lr": (1e-4, 2e-4),
    "optimizer.init_args.weight_decay": (0.01, 0.01),
    "lr_scheduler.class_path": ("ablate.run.schedules.Linear", "ablate.run.schedules.Cosine"),
    "lr_scheduler.init_args.warmup": (100, 0.1),
    "lr_scheduler.init_args.scale": (10.0, 5.0),
    "lr_scheduler.init_args.final": (0.0, 0.0),
    "model.init_args.max_new_tokens": (200, 200),
    "model.init_args.temperature": (0.7, 0.7),
    "model.init_args.token_weighted": (True, True),
    "model.init_args.scorer": ("exact", "exact"),
    "data.init_args.mask_prompt": (True, True),
    "data.init_args.truncated": (0.0, 0.0),
}
DEFECTS = {
    "model.init_args.scorer": "clipped",
    "data.init_args.truncated": 0.45,
    "data.init_args.mask_prompt": False,
}
NANO = {
    "model.init_args.d_model": 16,
    "model.init_args.heads": 2,
    "model.init_args.layers": 1,
    "model.init_args.base_steps": 0,
    "model.init_args.max_new_tokens": 1,
    "data.init_args.probe_prompts": 4,
    "trainer.accelerator": "cpu",
}


def config(name: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    made = merged([read_yaml(FOLDER / f"{part}.yaml") for part in RECIPES[name]])
    for path, value in (changes or {}).items():
        paths.put(made, path, value)
    return made


def built(name: str, folder: Path, *callbacks: Callback) -> LightningCLI:
    return build(config(name, NANO), folder, list(callbacks))


@pytest.mark.parametrize("column", [0, 1], ids=RECIPES)
def test_a_recipe_is_its_published_column(column):
    resolved = resolve(config(list(RECIPES)[column]))
    assert {path: paths.get(resolved, path) for path in COLUMNS} == {
        path: values[column] for path, values in COLUMNS.items()
    }


def test_the_recipes_differ_in_nothing_but_their_columns():
    one, other = (paths.flatten(resolve(config(name))) for name in RECIPES)
    differing = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
    declared = {path for path, (first, second) in COLUMNS.items() if first != second}
    assert differing == declared


@pytest.mark.parametrize("path", DEFECTS)
def test_a_published_defect_is_one_key(path):
    assert paths.get(resolve(config("development", {path: DEFECTS[path]})), path) == DEFECTS[path]


class Planned(Callback):
    """Remembers how many steps the trainer plans, and does not do them."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps = trainer.estimated_stepping_batches
        trainer.should_stop = True


@pytest.mark.parametrize(("name", "steps"), [("development", 63), ("production", 1080)])
def test_a_recipe_plans_the_published_number_of_steps(name, steps, tmp_path: Path):
    planned = Planned()
    cli = built(name, tmp_path, planned)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert planned.steps == steps


class Rates(Callback):
    """Remembers the rate of every step, and the validations."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.validations = 0

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validations += 1


def test_development_takes_63_steps_of_warm_up_without_a_validation_or_a_checkpoint(tmp_path: Path):
    seen = Rates()
    cli = built("development", tmp_path, seen)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.trainer.global_step == 63
    assert seen.rates == pytest.approx([1e-3 * (step + 1) / 100 for step in range(63)])
    assert seen.validations == 0
    assert list(tmp_path.rglob("*.ckpt")) == []
    cli.trainer.validate(cli.model, datamodule=cli.datamodule, verbose=False)
    assert {"val_loss", "val_structure", "val_correct"} <= cli.trainer.callback_metrics.keys()


def test_production_keeps_its_latest_checkpoints_and_the_best_one_validated(tmp_path: Path):
    seen = Rates()
    short = {
        "trainer.accumulate_grad_batches": 1,
        "trainer.max_epochs": 2,
        "trainer.val_check_interval": 100,
        "trainer.callbacks[0].init_args.every_n_train_steps": 150,
        "data.init_args.records": 600,
    }
    cli = build(config("production", {**NANO, **short}), tmp_path, [seen])
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.trainer.global_step == 2 * 255
    assert seen.validations == 5
    names = sorted(path.name.partition("-")[2] for path in tmp_path.rglob("*.ckpt"))
    best, *latest = names
    assert latest == ["step=0150.ckpt", "step=0300.ckpt", "step=0450.ckpt"]
    assert best.startswith("best-step=0500-val_loss=")

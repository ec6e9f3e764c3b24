"""A run writes down by which recipe it trained, in a few numbers."""

from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.run.recipe import Recipe
from ablate.run.resume import FILE
from ablate.testing.jobs import Record, execute, model, run
from ablate.testing.toy import Toy

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def recorded(directory: Path, changes: dict[str, Any] | None = None, **more: Any) -> Recipe:
    record = Record()
    directory.mkdir(exist_ok=True)
    execute(run(1, directory, changes, **more), record)
    recipe = Recipe.recorded(record.finished().facts)
    assert recipe is not None
    return recipe


class Killed(BaseException):
    """Ends a run as a kill does."""


class Warming(Toy):
    """Sets its learning rate by hand, at every step."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        for group in self.optimizers().param_groups:
            group["lr"] = 0.01 * (self.global_step + 1)


class Guided(Toy):
    """Optimizes by hand, two batches a step."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> None:
        self.manual_backward(super().training_step(batch, index))
        if index % 2:
            self.optimizers().step()
            self.optimizers().zero_grad()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def test_a_run_records_its_steps_examples_and_settings(tmp_path):
    seen = recorded(tmp_path, {"optimizer.init_args.weight_decay": 0.5})
    assert (seen.steps, seen.epochs, seen.seen, seen.accumulation) == (8, 2, 64, 1)
    (group,) = seen.groups
    assert (group.optimizer, group.settings["weight_decay"]) == ("SGD", 0.5)
    assert seen.peak == group.settings["lr"] == 0.01
    assert (seen.schedules, seen.clip, seen.norm) == ((), None, None)


def test_a_schedule_does_not_hide_the_settings_it_began_with(tmp_path):
    schedule = {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1}}
    seen = recorded(tmp_path, {"lr_scheduler": schedule, "trainer.accumulate_grad_batches": 2})
    assert [(found.kind, found.pace) for found in seen.schedules] == [("StepLR", "epoch")]
    assert (seen.steps, seen.accumulation, seen.peak) == (4, 2, 0.01)


def test_a_rate_that_is_set_by_hand_is_seen(tmp_path):
    seen = recorded(tmp_path, model(Warming))
    assert [(found.kind, found.pace) for found in seen.schedules] == [("set by hand", "step")]
    assert seen.peak == pytest.approx(0.08)


def test_steps_are_counted_where_a_module_optimizes_by_hand(tmp_path):
    seen = recorded(tmp_path, {**model(Guided), "optimizer": None})
    assert (seen.steps, seen.seen, seen.accumulation) == (4, 64, None)


def test_gradients_are_measured_before_they_are_clipped(tmp_path):
    seen = recorded(tmp_path, {"trainer.gradient_clip_val": 1e-3})
    assert (seen.clip, seen.measured) == (1e-3, 8)
    assert seen.norm > 1e-2


def test_a_continued_run_records_the_whole(tmp_path):
    changes = {"trainer.gradient_clip_val": 1e-3, "trainer.max_epochs": 3}
    whole = recorded(tmp_path / "whole", changes)
    broken = tmp_path / "broken"
    broken.mkdir(exist_ok=True)

    def breaks(report: Any) -> Any:
        if report.epoch == 2:
            raise Killed
        return "continue"

    with pytest.raises(Killed):
        execute(run(1, broken, changes, checkpoint_every=0), Record(breaks))
    assert (broken / FILE).exists()
    assert recorded(broken, changes, resume=True) == whole

"""The callback that writes down by which recipe a run trains, at next to no cost."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from ablate.run.optimizers import groups_of
from ablate.run.recipe import BY_HAND, GRADIENTS, KIND, Pace, Recipe, Schedule

_ALL_OF, _EVERY = 8, 16
"""The norm of gradients is taken at each of the first steps, then at every so many."""


class RecipeRecorder(Callback):
    """Counts steps and examples, follows learning rates, and measures gradients that are clipped.

    Rates are plain numbers and norms stay on their device to the end: nothing is waited for.
    """

    def __init__(self) -> None:
        self._recipe: Recipe | None = None
        self._steps: dict[int, int] = {}
        self._seen: int | None = 0
        self._peak = -math.inf
        self._rates: dict[int, tuple[list[float], int]] = {}
        self._pace: Pace = "never"
        self._least: Tensor | None = None
        self._measured = 0
        self._places: dict[Optimizer, int] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the optimizers and schedules; those of a continued run are known already."""
        self._places = {each: place for place, each in enumerate(trainer.optimizers)}
        if self._recipe is not None:
            return
        names: dict[Tensor, str] = {
            p: name for name, p in pl_module.named_parameters() if p.requires_grad
        }
        automatic = pl_module.automatic_optimization
        clips = trainer.gradient_clip_algorithm != "value" and trainer.gradient_clip_val
        self._recipe = Recipe(
            groups=groups_of(trainer.optimizers, names),
            schedules=tuple(
                Schedule(type(c.scheduler).__name__, _pace(c.interval) if automatic else None)
                for c in trainer.lr_scheduler_configs
            ),
            accumulation=int(trainer.accumulate_grad_batches) if automatic else None,
            clip=float(clips) if clips else None,
            dtypes=(str(trainer.precision),),
        )

    def on_train_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Count the examples."""
        count = _size(batch)
        self._seen = None if count is None or self._seen is None else self._seen + count

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        optimizer: Optimizer,
    ) -> None:
        """Count the step, read its rates, and now and then measure a gradient to be clipped."""
        place = self._places.get(optimizer, 0)
        steps = self._steps[place] = self._steps.get(place, 0) + 1
        self._follow(place, optimizer, trainer.current_epoch)
        if self._recipe is None or self._recipe.clip is None or trainer.world_size > 1:
            return
        if steps <= _ALL_OF or steps % _EVERY == 0:
            norm = _norm(optimizer)
            if norm is not None:
                self._least = norm if self._least is None else torch.fmin(self._least, norm)
                self._measured += 1

    def _follow(self, place: int, optimizer: Optimizer, epoch: int) -> None:
        rates = [rate for g in optimizer.param_groups if isinstance(rate := g.get("lr"), float)]
        if rates:
            self._peak = max(self._peak, *rates)
        before, then = self._rates.get(place, (rates, epoch))
        if rates != before and self._pace != "step":
            self._pace = "step" if epoch == then else "epoch"
        self._rates[place] = rates, epoch

    def facts(self, trainer: Trainer) -> dict[str, dict[str, Any]]:
        """Return what was seen, by kind: what runs share, and what each has of its own."""
        recipe = self._recipe
        if recipe is None:
            return {}
        steps = max(self._steps.values(), default=None)
        by_hand = (
            () if recipe.schedules or self._pace == "never" else (Schedule(BY_HAND, self._pace),)
        )
        found = recipe.as_dict() | {
            "schedules": [vars(each) for each in (*recipe.schedules, *by_hand)],
            "steps": steps,
            "examples": round(self._seen * trainer.world_size / steps)
            if self._seen is not None and steps
            else None,
            "epochs": trainer.current_epoch,
            "seen": None if self._seen is None else self._seen * trainer.world_size,
            "peak": self._peak if math.isfinite(self._peak) else None,
        }
        least = None if self._least is None else float(self._least)
        if least is None or not math.isfinite(least):
            return {KIND: found}
        return {KIND: found, GRADIENTS: {"norm": least, "measured": self._measured}}

    def to_plain(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        return {
            "recipe": None if self._recipe is None else self._recipe.as_dict(),
            "steps": self._steps,
            "seen": self._seen,
            "peak": self._peak,
            "rates": {place: list(seen) for place, seen in self._rates.items()},
            "pace": self._pace,
            "least": None if self._least is None else float(self._least),
            "measured": self._measured,
        }

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Go back to what `to_plain` gave."""
        recipe, least = plain["recipe"], plain["least"]
        self._recipe = None if recipe is None else Recipe.of(recipe)
        self._steps, self._seen = dict(plain["steps"]), plain["seen"]
        self._rates = {place: (rates, epoch) for place, (rates, epoch) in plain["rates"].items()}
        self._peak, self._pace, self._measured = plain["peak"], plain["pace"], plain["measured"]
        self._least = None if least is None else torch.tensor(least)


def _pace(interval: str) -> Pace:
    return "epoch" if interval == "epoch" else "step"


def _size(batch: Any) -> int | None:
    """Return the first dimension of the first tensor of a batch that has one."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.ndim else None
    if isinstance(batch, Mapping):
        batch = batch.values()
    elif not isinstance(batch, list | tuple):
        return None
    return next((count for part in batch if (count := _size(part)) is not None), None)


def _norm(optimizer: Optimizer) -> Tensor | None:
    norms = [
        p.grad.norm()
        for group in optimizer.param_groups
        for p in group["params"]
        if p.grad is not None
    ]
    if not norms:
        return None
    total: Tensor = torch.stack([norm.to(norms[0].device) for norm in norms]).norm()
    return total.detach()

"""The beginning of a training: initial scales, gradients, and the loss of a guess."""

import functools
import math
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audits.evidence import Scale
from ablate.audits.probes.content import digest, encoded
from ablate.audits.probes.hooks import hook, reason
from ablate.audits.probes.structure import scales
from ablate.run.randomness import seeded

LONGEST_WAIT = 192
"""After so many steps without a gradient a module is taken to learn nothing."""

Gradient = Literal["none", "zero", "zero vector", "some"]
"""What a parameter has been given; "zero vector" is a zero gradient of one with one dimension."""


class Beginning(Callback):
    """Keeps the module of a run, its initial scales, the loss of a guess, and who was trained.

    `learns_at` is the first step with a gradient of any parameter, counted from one.
    """

    def __init__(self) -> None:
        self.model: LightningModule | None = None
        self.scales: tuple[Scale, ...] = ()
        self.buffers = ""
        self.chance: float | None = None
        self.gradients: dict[str, Gradient] = {}
        self.untrained: tuple[str, ...] = ()
        self.steps = 0
        self.learns_at: int | None = None
        self.trouble: dict[str, str] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Measure the initial weights and watch the gradients from here on."""
        self.model = pl_module
        self.scales = scales(pl_module)
        self.buffers = digest(encoded(buffer) for buffer in pl_module.buffers())
        self.gradients, self.steps, self.learns_at = {}, 0, None
        untrained = hook(pl_module, "untrained")
        if untrained is not None:
            try:
                self.untrained = tuple(untrained())
            except Exception as error:  # noqa: BLE001 - a hook may fail in any way
                self.trouble["untrained"] = reason(error)
        for name, parameter in pl_module.named_parameters():
            if parameter.requires_grad:
                self.gradients[name] = "none"
                note = functools.partial(self._note, name)
                parameter.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]

    def on_train_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Ask the module for the loss of a guess, before it has learned anything."""
        self.steps += 1
        chance_loss = hook(pl_module, "chance_loss")
        if self.chance is None and chance_loss is not None:
            try:
                with seeded(0), torch.no_grad():
                    self.chance = float(chance_loss(batch))
            except Exception as error:  # noqa: BLE001 - a hook may fail in any way
                self.chance = math.nan
                self.trouble["chance_loss"] = reason(error)

    def _note(self, name: str, parameter: Tensor) -> None:
        gradient = parameter.grad
        self.learns_at = self.learns_at or self.steps
        if gradient is not None and self.gradients[name] != "some":
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            zero: Gradient = "zero" if parameter.ndim > 1 else "zero vector"
            self.gradients[name] = "some" if bool((values != 0).any()) else zero

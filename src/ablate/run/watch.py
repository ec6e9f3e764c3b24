"""The callback through which a run reports, obeys and is stopped when it diverges."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from ablate.errors import SpecError, nearest
from ablate.run.messages import Decision, Reported

Report = Callable[[Reported], Decision]


class Diverged(Exception):  # noqa: N818 - an outcome, not a mistake
    """A loss or the objective is no longer a finite number."""


class Watch(Checkpoint):
    """Report epoch-level metrics and the objective; stop when told to or on a non-finite value.

    A metric belongs to validation if it first appears at the end of a validation, otherwise to
    training; validation metrics are reported after every validation, training metrics at the end
    of every training epoch. The objective must have appeared by the end of the run.

    It is a Checkpoint only in name: Lightning calls those after the module's own hooks, so that
    they see what `on_train_epoch_end` logs.
    """

    def __init__(self, job: int, metric: str | None, report: Report) -> None:
        self._job = job
        self._metric = metric
        self._report = report
        self._before: set[str] = set()
        self._val_names: set[str] = set()
        self._loss: tuple[int, Tensor] | None = None
        self.pruned = False

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note the names that training has logged by now."""
        self._before = set(trainer.callback_metrics) - self._val_names

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Report what validation logged."""
        self._val_names |= set(trainer.callback_metrics) - self._before
        if trainer.sanity_checking:
            return
        self._send(trainer, "val", self._val_names)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Check the loss of the step before, so that an accelerator is not waited for."""
        self._check_loss()
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self._loss = (trainer.global_step, loss.detach())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Report what training logged."""
        self._check_loss()
        self._send(trainer, "train", set(trainer.callback_metrics) - self._val_names)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Refuse a run that never logged its objective."""
        self._check_loss()
        require_metric(self._metric, trainer.callback_metrics)

    def _check_loss(self) -> None:
        if self._loss is not None:
            step, loss = self._loss
            self._loss = None
            if not bool(torch.isfinite(loss).all()):
                raise Diverged(f"diverged: the training loss is {loss.item()} at step {step}")

    def _send(self, trainer: Trainer, phase: Literal["train", "val"], names: set[str]) -> None:
        metrics = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name in names and value.numel() == 1
        }
        if not metrics:
            return
        objective = metrics.get(self._metric) if self._metric else None
        decision = self._report(
            Reported(
                self._job, phase, trainer.global_step, trainer.current_epoch, metrics, objective
            )
        )
        if objective is not None and not math.isfinite(objective):
            raise Diverged(
                f"diverged: {self._metric} is {objective} at step {trainer.global_step} "
                f"(epoch {trainer.current_epoch})"
            )
        if decision == "stop":
            self.pruned = True
            trainer.should_stop = True
            # A configured minimum would keep a stopped run going.
            trainer.fit_loop.min_epochs = None
            trainer.fit_loop.epoch_loop.min_steps = None


def require_metric(metric: str | None, logged: Any) -> None:
    """Raise SpecError if `metric` is not among the logged names."""
    if metric is not None and metric not in logged:
        raise SpecError(f"the module never logs the metric {metric!r}: {nearest(metric, logged)}")

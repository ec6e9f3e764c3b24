"""What a short training shows at every step: losses, metrics, learning rates, weights."""

import contextlib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

SCHEDULES = ("schedule[", "step_schedule[")
"""What the later rates of a schedule are called, of one by epoch and of one by step.

A schedule by step is as long as the few steps of a probe, not as those of a run.
"""

SCHEDULE_STEPS = 1_000
UNKNOWN_LENGTH = 100

Values = dict[str, float]


class Trace(Callback):
    """Keeps the losses, the logged metrics and the learning rates of every step."""

    def __init__(self) -> None:
        self.steps: list[Values] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin anew."""
        self.steps = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Add a step."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        self.steps.append(
            numbers(trainer.callback_metrics)
            | ({"loss": float(loss.detach())} if isinstance(loss, Tensor) else {})
            | {f"lr[{number}]": float(group["lr"]) for number, group in enumerate(groups)}
            | {"weights": norm(pl_module)}
        )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Add what the validation behind the last step says."""
        if self.steps:
            self.steps[-1] |= numbers(trainer.callback_metrics)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Follow the schedules to the configured end: the rates are all that is left to see."""
        if not self.steps:
            return
        epochs = trainer.max_epochs
        steps = UNKNOWN_LENGTH if epochs in {None, -1} else min(int(epochs or 0), SCHEDULE_STEPS)
        for number, config in enumerate(trainer.lr_scheduler_configs):
            if rates := _later_rates(config.scheduler, steps):
                kind = "schedule" if config.interval == "epoch" else "step_schedule"
                self.steps[-1][f"{kind}[{number}]"] = sum(rates)


def _later_rates(scheduler: Any, count: int) -> list[float]:
    """Return the rates of later steps, each weighed by its number."""
    rates: list[float] = []
    # A schedule may need a metric, or come to its end.
    with contextlib.suppress(Exception):
        for step in range(count):
            scheduler.step()
            rates += [float(g["lr"]) * (step + 1) for g in scheduler.optimizer.param_groups]
    return rates


def numbers(metrics: Mapping[str, Any]) -> Values:
    """Read logged metrics as numbers."""
    return {name: float(value) for name, value in metrics.items()}


def norm(module: nn.Module) -> float:
    """Return the length of the vector of all parameters."""
    with torch.no_grad():
        squares = [p.detach().double().square().sum() for p in module.parameters()]
    return math.sqrt(sum(float(square) for square in squares))


def exact(steps: Sequence[Values], unstable: Collection[str] = ()) -> list[dict[str, str]]:
    """Write values so that equal text means equal bits, or both no number."""
    return [{n: v.hex() for n, v in step.items() if n not in unstable} for step in steps]

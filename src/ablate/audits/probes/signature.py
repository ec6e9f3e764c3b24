"""What a module does with canonical weights, by which two of them are told apart."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.trace import SCHEDULES, Trace, Values, numbers

OF_TRAINING = ("lr[", *SCHEDULES, "weights")
"""How the names of values begin that a module standing still does not show."""


@dataclass(frozen=True)
class Signature:
    """What a module does with canonical weights: steps of training, and standing still.

    `moves` is what can matter of it to a trained model and its scores: gradients, weights,
    buffers, learning rates and what validation logs. A loss that is only logged is none of it.
    """

    trace: tuple[Values, ...]
    response: Values
    moves: tuple[Values, ...] = ()


def signature(bench: Bench, number: int = 1, config: dict[str, Any] | None = None) -> Signature:
    """Train for all steps but one, then let the module stand still for that and a validation."""
    trace, effects = Trace(), _Effects()
    canonical = Canonical(number, still=bench.steps)
    bench.fit(canonical, trace, effects, config=config, validates=True)
    *moving, last = trace.steps
    response = {name: value for name, value in last.items() if not name.startswith(OF_TRAINING)}
    schedules = {name: value for name, value in last.items() if name.startswith(SCHEDULES)}
    steps = [{n: v for n, v in step.items() if n.startswith(OF_TRAINING)} for step in moving]
    moves = (*steps, schedules, effects.gradients, effects.buffers, effects.validation)
    return Signature((*moving, schedules), response, moves)


class _Effects(Callback):
    """Keeps the norms of gradients and buffers at every step, and what validation logs."""

    def __init__(self) -> None:
        self.gradients: Values = {}
        self.buffers: Values = {}
        self.validation: Values = {}
        self._old: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin anew."""
        self.gradients, self.buffers, self.validation = {}, {}, {}

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Measure the gradients."""
        found = [p.grad for p in pl_module.parameters() if p.grad is not None]
        self.gradients[str(len(self.gradients))] = _length(found)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Measure the buffers."""
        self.buffers[str(len(self.buffers))] = _length(list(pl_module.buffers()))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note what is old news."""
        self._old = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep what validation logged."""
        logged = trainer.callback_metrics
        self.validation = numbers({n: v for n, v in logged.items() if v is not self._old.get(n)})


def _length(tensors: list[torch.Tensor]) -> float:
    """Return the length of the vector of all values."""
    squares = [tensor.detach().abs().double().square().sum() for tensor in tensors]
    return math.sqrt(sum(float(square) for square in squares))

"""What one validation shows of single examples, and how close two of its values are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.content import tensors
from ablate.audits.probes.hooks import hook, reason
from ablate.audits.probes.source import Source
from ablate.audits.probes.trace import Values

HOOK = "example_losses"
EXAMPLES = 9
RELATIVE = 1e-4
ABSOLUTE = 1e-6

Shapes = tuple[tuple[int, ...], ...]
"""The shapes of an example's tensors, without the batch."""


@dataclass
class Seen:
    """What one validation showed: metrics, one loss per example, and the shapes they came in."""

    metrics: Values = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    shapes: list[Shapes] = field(default_factory=list)
    trouble: str = ""


def validate_in_batches(
    bench: Bench,
    sources: Sequence[Source],
    size: int,
    *watches: Callback,
    number: int = 1,
    seed: int = 0,
) -> Seen:
    """Validate with canonical weights on the same few examples, in batches of a size."""
    batches = [source.batched(size, EXAMPLES) for source in sources]
    return validate_on(bench, batches, Canonical(number, seed=seed), *watches)


def validate_on(bench: Bench, batches: list[list[Any]], *watches: Callback) -> Seen:
    """Validate on the batches given for each loader."""
    losses = _Losses()
    losses.seen.metrics = bench.validate(*watches, losses, batches=batches)
    return losses.seen


class _Losses(Callback):
    """Asks a module that offers it for the loss of every example."""

    def __init__(self) -> None:
        self.seen = Seen()

    def on_validation_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        batch: Any,
        *_: Any,
    ) -> None:
        example_losses = hook(pl_module, HOOK)
        if example_losses is None or self.seen.trouble:
            return
        try:
            losses: Tensor = example_losses(batch)
        except Exception as error:  # noqa: BLE001 - a hook may fail in any way
            self.seen.trouble = reason(error)
            return
        shape = tuple(tuple(tensor.shape[1:]) for tensor in tensors(batch))
        self.seen.losses += losses.detach().double().flatten().tolist()
        self.seen.shapes += [shape] * len(losses)


def close(left: float, right: float) -> bool:
    """Say whether two values differ by no more than the order of floating-point sums."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)

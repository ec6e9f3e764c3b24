"""Metrics that the canonical weights do not move, tried again after some training."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audits.evidence import Fault
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.losses import close
from ablate.audits.probes.purity import Batches, Weights, validate_again
from ablate.audits.probes.trace import Values

STEPS = 12
EXAMPLES = 64
TOGETHER = 32
APART = 5
NUDGE = 1.05
"""How many examples a metric is tried again on, the sizes of their batches, and other weights."""

PATIENCE_S = 0.5
"""How long the training may take, and one validation: slow modules see fewer examples, and those
that take longer for so few are not tried again."""

_FEWEST = 10


def try_again(bench: Bench, metrics: Sequence[str], seconds: float) -> list[Fault]:
    """Repeat the probes of metrics with weights that were trained, on more examples.

    They are the purity of validation, and whether the size of its batches matters. `seconds` is
    how long a validation of ten examples takes.
    """
    examples = min(EXAMPLES, int(_FEWEST * PATIENCE_S / max(seconds, 1e-3)))
    if examples < _FEWEST:
        why = "it is the same with two sets of canonical weights, and validation is slow"
        return [_untested(name, why) for name in metrics]
    learned = _Learned()
    bench.fit(learned, steps=bench.waits + STEPS)
    batches = _batches(bench, TOGETHER, examples)
    trained, canonical = (
        bench.validate(Weights(weights), batches=batches) for weights in (learned.weights, 1)
    )
    moved = [name for name in metrics if not _close(name, trained, canonical)]
    left = [name for name in metrics if name not in moved]
    why = (
        f"it is the same with canonical weights and after {learned.steps} training steps, on up to "
        f"{examples} examples"
    )
    faults = [_untested(name, why) for name in left]
    if not moved:
        return faults
    repeated = validate_again(bench, moved, (learned.weights, 1), batches)
    pure = [name for name in moved if name not in repeated.impure]
    apart = _batches(bench, APART, examples)
    return [*faults, *repeated.faults, *_batched(bench, pure, learned.weights, batches, apart)]


def _untested(metric: str, why: str) -> Fault:
    return Fault("untested-metric", f"{why}: no probe has tested it", f"metric {metric}")


def _batches(bench: Bench, size: int, count: int) -> Batches:
    """Return more examples, or more of the first batches, of every validation loader."""
    return [
        source.batched(size, count)
        if source.by_example
        else source.batches(1 + count // TOGETHER, count)
        for source in bench.data.val
    ]


def _batched(
    bench: Bench,
    metrics: Sequence[str],
    weights: Mapping[str, Tensor],
    together: Batches,
    apart: Batches,
) -> list[Fault]:
    """Validate in smaller batches, too: no metric may change."""
    if not metrics or not all(source.by_example for source in bench.data.val):
        return []
    whole = bench.validate(Weights(weights), batches=together)
    parts = bench.validate(Weights(weights), batches=apart)
    moved = [name for name in metrics if not _close(name, whole, parts)]
    if not moved:
        return []
    # A single value may hang on a last digit.
    others = Weights({name: value * NUDGE for name, value in weights.items()})
    again = [bench.validate(others, batches=batches) for batches in (together, apart)]
    return [
        Fault(
            "metric-depends-on-batch",
            f"the same examples score {parts.get(name, math.nan):.6g} in batches of {APART}, "
            f"{whole.get(name, math.nan):.6g} in batches of {TOGETHER}, with weights that were "
            "trained",
            f"metric {name}",
        )
        for name in moved
        if not _close(name, *again)
    ]


def _close(name: str, left: Values, right: Values) -> bool:
    return close(left.get(name, math.nan), right.get(name, math.nan))


class _Learned(Callback):
    """Keeps the weights that a training ends with, which it does when it takes too long."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}
        self.steps = 0
        self._until = math.inf

    def on_train_start(self, *_: Any) -> None:
        self.steps = 0
        self._until = time.monotonic() + PATIENCE_S

    def on_train_batch_start(self, *_: Any) -> None:
        self.steps += 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        trainer.should_stop |= time.monotonic() > self._until

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.weights = {n: p.detach().clone() for n, p in pl_module.named_parameters()}

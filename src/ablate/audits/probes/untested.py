"""Metrics that the canonical weights do not move, tried again after some training."""

import math
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audits.evidence import Fault
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.losses import close
from ablate.audits.probes.purity import Weights, validate_again
from ablate.audits.probes.trace import Values

STEPS = 12
EXAMPLES = 64
TOGETHER = 32
APART = 5
NUDGE = 1.05
"""How many examples a metric is tried again on, the sizes of their batches, and other weights."""


def try_again(bench: Bench, metrics: Sequence[str]) -> list[Fault]:
    """Repeat the probes of metrics with weights that were trained, on more examples.

    They are the purity of validation, and whether the size of its batches matters.
    """
    learned = _Learned()
    bench.fit(learned, steps=STEPS)
    batches = _batches(bench, TOGETHER)
    faults: list[Fault] = []
    left = tuple(metrics)
    for weights in ((learned.weights, 1), (learned.weights, 2)):
        repeated = validate_again(bench, left, weights, batches)
        impure = repeated.impure
        moved = [name for name in left if name not in repeated.unmoved]
        faults += [each for each in repeated.faults if each.where in _places(moved)]
        pure = [name for name in moved if name not in impure]
        faults += _batched(bench, pure, learned.weights, batches)
        left = tuple(name for name in left if name in repeated.unmoved)
        if not left:
            break
    return faults + [
        Fault(
            "untested-metric",
            f"it is the same with canonical weights, and with those of {STEPS} training steps on "
            f"up to {EXAMPLES} examples: no probe has tested it",
            f"metric {name}",
        )
        for name in left
    ]


def _places(metrics: Sequence[str]) -> set[str]:
    return {f"metric {name}" for name in metrics}


def _batches(bench: Bench, size: int) -> list[list[Any]] | None:
    """Return more examples, or more of the first batches, of every validation loader."""
    return [
        source.batched(size, EXAMPLES)
        if source.by_example
        else source.batches(EXAMPLES // TOGETHER, EXAMPLES)
        for source in bench.data.val
    ]


def _batched(
    bench: Bench, metrics: Sequence[str], weights: dict[str, Tensor], together: Any
) -> list[Fault]:
    """Validate in smaller batches, too: no metric may change."""
    if not metrics or not all(source.by_example for source in bench.data.val):
        return []
    apart = _batches(bench, APART)
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
    """Keeps the weights that a training ends with."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.weights = {n: p.detach().clone() for n, p in pl_module.named_parameters()}

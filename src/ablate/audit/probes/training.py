"""The first steps of a training: gradients, the first loss, and what the seed decides."""

import functools
import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audit.evidence import Fault, Scale
from ablate.audit.probes.bench import Bench, Trace, Values, exact
from ablate.audit.probes.served import seeded
from ablate.audit.probes.structure import scales

FACTOR = 3.0
"""How many times chance the first loss may be, and how small a part of it."""

SHOWN = 4


class Beginning(Callback):
    """Keeps the module of a run, its initial scales, the loss of a guess, and who was trained."""

    def __init__(self) -> None:
        self.model: LightningModule | None = None
        self.order: str | None = None
        self.scales: tuple[Scale, ...] = ()
        self.chance: float | None = None
        self.trained: dict[str, bool] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Measure the initial weights and watch the gradients from here on."""
        self.model = pl_module
        self.scales = scales(pl_module)
        self.trained = {}
        for name, parameter in pl_module.named_parameters():
            if parameter.requires_grad:
                self.trained[name] = False
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
        offer = getattr(pl_module, "chance_loss", None)
        if self.chance is None and callable(offer):
            with seeded(0), torch.no_grad():
                self.chance = float(offer(batch))

    def _note(self, name: str, parameter: Tensor) -> None:
        gradient = parameter.grad
        if gradient is not None and not self.trained[name]:
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            self.trained[name] = bool((values != 0).any())


def first_faults(steps: Sequence[Values], beginning: Beginning) -> list[Fault]:
    """Judge the gradients and the first loss of a training."""
    return [*_untrained(beginning.trained), *_far_from_chance(steps, beginning.chance)]


def _untrained(trained: dict[str, bool]) -> list[Fault]:
    idle = [name for name, moved in trained.items() if not moved]
    if not idle:
        return []
    homes = Counter(name.rpartition(".")[0] or name for name in idle)
    shown = ", ".join(list(homes)[:SHOWN]) + (", ..." if len(homes) > SHOWN else "")
    what = f"{len(idle)} of {len(trained)} parameters get no gradient in three steps: {shown}"
    return [Fault("no-gradient", what, ", ".join(idle[:SHOWN]))]


def _far_from_chance(steps: Sequence[Values], chance: float | None) -> list[Fault]:
    loss = steps[0].get("loss") if steps else None
    if loss is None:
        return []
    code, where = "initial-loss-far-from-chance", "training_step"
    if not math.isfinite(loss):
        return [Fault(code, f"the first loss is {loss}", where)]
    if chance is None or chance / FACTOR <= loss <= chance * FACTOR:
        return []
    return [Fault(code, f"the first loss is {loss:.4g}; a uniform guess has {chance:.4g}", where)]


def unstable(first: Sequence[Values], again: Sequence[Values]) -> frozenset[str]:
    """Name what differs between two runs of the same seed."""
    names = {name for step in (*first, *again) for name in step}
    left, right = exact(first), exact(again)
    return frozenset(
        name for name in names if [s.get(name) for s in left] != [s.get(name) for s in right]
    )


def nondeterministic(moving: Collection[str], seed: int) -> list[Fault]:
    """Judge what differs between two runs of the same seed."""
    decisive = sorted({"loss", "weights"} & set(moving))
    if not decisive:
        return []
    what = f"two runs of three steps with seed {seed} differ in {' and '.join(decisive)}"
    return [Fault("nondeterministic", what, "training_step")]


def seedless(bench: Bench, first: Trace, order: str | None, other: dict[str, Any]) -> list[Fault]:
    """Train with another seed: initial weights, losses or the order of the data must differ."""
    for fresh in (bench, Bench(other)):
        again = Trace()
        fresh.fit(again, config=other, steps=1)
        if not _same_step(again.steps[0], first.steps[0]) or fresh.order != order:
            return []
    return [
        Fault(
            "seed-has-no-effect",
            "another seed gives the same initial weights, the same losses and the same data order",
            "seed_everything",
        )
    ]


def _same_step(left: Values, right: Values) -> bool:
    names = {name for name in left if not name.startswith("schedule[")} & set(right)
    return exact([{n: left[n] for n in names}]) == exact([{n: right[n] for n in names}])

"""The first steps of a training: gradients, the first loss, and what the seed decides."""

import functools
import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audit.evidence import Fault, Scale
from ablate.audit.probes.bench import SCHEDULES, Bench, Trace, Values, exact, reason
from ablate.audit.probes.served import seeded
from ablate.audit.probes.structure import scales

FACTOR = 3.0
"""How many times chance the first loss may be, and how small a part of it."""

SHOWN = 4

Gradient = Literal["none", "zero", "zero vector", "some"]


class Beginning(Callback):
    """Keeps the module of a run, its initial scales, the loss of a guess, and who was trained."""

    def __init__(self) -> None:
        self.model: LightningModule | None = None
        self.scales: tuple[Scale, ...] = ()
        self.chance: float | None = None
        self.gradients: dict[str, Gradient] = {}
        self.untrained: tuple[str, ...] = ()
        self.trouble: dict[str, str] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Measure the initial weights and watch the gradients from here on."""
        self.model = pl_module
        self.scales = scales(pl_module)
        self.gradients = {}
        offer = getattr(pl_module, "untrained", None)
        if callable(offer):
            try:
                self.untrained = tuple(offer())
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
        offer = getattr(pl_module, "chance_loss", None)
        if self.chance is None and callable(offer):
            try:
                with seeded(0), torch.no_grad():
                    self.chance = float(offer(batch))
            except Exception as error:  # noqa: BLE001 - a hook may fail in any way
                self.chance = math.nan
                self.trouble["chance_loss"] = reason(error)

    def _note(self, name: str, parameter: Tensor) -> None:
        gradient = parameter.grad
        if gradient is not None and self.gradients[name] != "some":
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            zero: Gradient = "zero" if parameter.ndim > 1 else "zero vector"
            self.gradients[name] = "some" if bool((values != 0).any()) else zero


def first_faults(steps: Sequence[Values], beginning: Beginning) -> list[Fault]:
    """Judge the gradients and the first loss of a training."""
    idle = _idle(beginning.gradients, beginning.untrained)
    return [*idle, *_far_from_chance(steps, beginning.chance)]


def _idle(gradients: dict[str, Gradient], untrained: Sequence[str]) -> list[Fault]:
    """Name the parameters that are not trained; a bias may have to be, for gradients cancel.

    Those that the module itself calls untrained weigh less, too.
    """
    owners = tuple(f"{owner}." for owner in untrained)
    said = [n for n, seen in gradients.items() if seen != "some" and f"{n}.".startswith(owners)]
    silent = {name: seen for name, seen in gradients.items() if name not in said}
    missing = [name for name, seen in silent.items() if seen in {"none", "zero"}]
    cancelled = [name for name, seen in silent.items() if seen == "zero vector"]
    total = len(gradients)
    kinds = (
        (missing, f"{len(missing)} of {total} parameters get no gradient", False),
        (
            cancelled,
            f"{len(cancelled)} of {total} parameters have a gradient of exactly zero",
            True,
        ),
        (said, f"as the module says, {len(said)} parameters get no gradient", True),
    )
    faults = []
    for idle, what, slight in kinds:
        homes = list(Counter(name.rpartition(".")[0] or name for name in idle))
        shown = ", ".join(homes[:SHOWN]) + (", ..." if len(homes) > SHOWN else "")
        text = f"{what} in three steps: {shown}"
        if idle:
            faults.append(Fault("no-gradient", text, ", ".join(idle[:SHOWN]), slight=slight))
    return faults


def _far_from_chance(steps: Sequence[Values], chance: float | None) -> list[Fault]:
    loss = steps[0].get("loss") if steps else None
    if loss is None:
        return []
    code, where = "initial-loss-far-from-chance", "training_step"
    if not math.isfinite(loss):
        return [Fault(code, f"the first loss is {loss}", where)]
    if chance is None or math.isnan(chance) or chance / FACTOR <= loss <= chance * FACTOR:
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
    for fresh in (bench, Bench(other, bench.directory)):
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
    names = {name for name in left if not name.startswith(SCHEDULES)} & set(right)
    return exact([{n: left[n] for n in names}]) == exact([{n: right[n] for n in names}])

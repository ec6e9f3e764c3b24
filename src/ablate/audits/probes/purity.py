"""Whether validation is pure: the same weights and batches give the same values, always."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from ablate.audits.evidence import Fault
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import fill
from ablate.audits.probes.draws import Draws
from ablate.audits.probes.generators import own_generators
from ablate.audits.probes.trace import Values
from ablate.run.randomness import seed_all

RELATIVE = 1e-5
"""Relative difference up to which two values are equal: that of sums in another order."""

SHOWN = 3

Parameters = Mapping[str, Tensor]
Batches = list[list[Any]] | None
"""Batches for each validation loader; None for those that are served."""


class Weights(Callback):
    """Gives a module certain weights, and the random numbers of a seed, before it validates.

    `weights` are those of a canonical number, or parameters by name.
    """

    def __init__(self, weights: int | Parameters, seed: int = 0) -> None:
        self._weights = weights
        self._seed = seed

    @torch.no_grad()
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Give the weights, then the random numbers."""
        if isinstance(self._weights, int):
            fill(pl_module, self._weights)
        else:
            for name, parameter in pl_module.named_parameters():
                if name in self._weights:
                    parameter.copy_(self._weights[name])
        seed_all(self._seed)


@dataclass(frozen=True)
class Repeated:
    """What repeated validations show: what is not pure, and which metrics no weights move.

    `seconds` is how long one validation takes.
    """

    faults: list[Fault] = field(default_factory=list)
    impure: frozenset[str] = frozenset()
    unmoved: tuple[str, ...] = ()
    seconds: float = 0.0


def validate_again(
    bench: Bench,
    metrics: Sequence[str],
    weights: tuple[int | Parameters, int | Parameters] = (1, 2),
    batches: Batches = None,
) -> Repeated:
    """Validate weights 1, 2 and 1 on one module, under two seeds, and weights 2 on a fresh one.

    The generators that module and data own begin anew every time.
    """
    one, two = weights
    model = bench.copied()
    begin_anew = own_generators(model, bench.data.module)
    before = _state(model)
    started = time.monotonic()
    first = bench.validate(Weights(one), batches=batches, model=model)
    seconds = time.monotonic() - started
    begin_anew()
    second = bench.validate(Weights(two), batches=batches, model=model)
    begin_anew()
    third = bench.validate(Weights(one, seed=1), batches=batches, model=model)
    changed = _changed(before, _state(model))
    begin_anew()
    fresh = bench.validate(Weights(two, seed=1), batches=batches)
    known = [name for name in metrics if name in first]
    unequal = [
        name for name in known if not (_same(name, first, third) and _same(name, second, fresh))
    ]
    unmoved = tuple(n for n in known if n not in unequal and _same(n, first, second))
    if not unequal:
        return Repeated(unmoved=unmoved, seconds=seconds)
    begin_anew()
    draws = Draws()
    other_seed = bench.validate(Weights(one, seed=1), draws, batches=batches)
    begin_anew()
    other_two = bench.validate(Weights(two), batches=batches)
    faults = []
    for name in unequal:
        for left, right in ((first, other_seed), (other_two, fresh)):
            if not _same(name, left, right):
                faults.append(_random(name, left, right, draws.sources))
                break
        else:
            pairs = ((first, third), (fresh, second))
            left, right = next(pair for pair in pairs if not _same(name, *pair))
            faults.append(_remembered(name, left, right, changed))
    return Repeated(faults, frozenset(unequal), unmoved, seconds)


def _same(name: str, left: Values, right: Values) -> bool:
    a, b = left.get(name, math.nan), right.get(name, math.nan)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=1e-9)


def _random(name: str, left: Values, right: Values, sources: Sequence[str]) -> Fault:
    drawn = f"; the step draws from {', '.join(sources[:SHOWN])}" if sources else ""
    what = (
        f"the same weights and batches score {left.get(name, math.nan):.6g} under one global seed "
        f"and {right.get(name, math.nan):.6g} under another{drawn}"
    )
    return Fault("random-validation", what, f"metric {name}")


def _remembered(name: str, left: Values, right: Values, changed: Sequence[str]) -> Fault:
    kept = f"; {', '.join(changed[:SHOWN])} changed meanwhile" if changed else ""
    what = (
        f"the same weights and batches score {left.get(name, math.nan):.6g} at first, and "
        f"{right.get(name, math.nan):.6g} once other weights have been validated{kept}"
    )
    return Fault("validation-remembers", what, f"metric {name}")


def _state(model: nn.Module) -> dict[str, str]:
    """Describe what a module keeps beside its parameters: buffers, numbers, sizes of lists."""
    kept: dict[str, str] = {}
    for path, part in model.named_modules():
        for name, value in _kept(part):
            kept[f"{path}.{name}" if path else name] = _described(value)
    return kept


def _kept(part: nn.Module) -> Iterator[tuple[str, Any]]:
    yield from part.named_buffers(recurse=False)
    for name, value in vars(part).items():
        if not name.startswith("_") and isinstance(
            value, int | float | str | Tensor | list | tuple | dict | set
        ):
            yield name, value


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {value.detach().double().sum().item()!r}"
    if isinstance(value, int | float | str):
        return repr(value)
    return f"{type(value).__name__} of {len(value)}"


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [name for name, now in after.items() if name != "training" and before.get(name) != now]

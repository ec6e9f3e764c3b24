"""What another seed moves: initial weights, the order of the data, noise, and the split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audits.evidence import Fault, Seeding
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.content import content_digest, digest
from ablate.audits.probes.served import Data
from ablate.audits.probes.trace import SCHEDULES, Trace, Values, exact
from ablate.run.batches import tensor_bytes
from ablate.run.randomness import seeded

LOOKED_AT = 4_096
"""Numbers of a tensor by which it is known again."""

EXAMPLES = 32
FETCHED = 2


class Initial(Callback):
    """Keeps digests of the tensors that a training begins with, but of constant ones."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.sizes: dict[str, int] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Look at every parameter."""
        for name, parameter in pl_module.named_parameters():
            values = parameter.detach().flatten()[:LOOKED_AT]
            if len(values) and bool((values != values[0]).any()):
                known = f"{name} {tuple(parameter.shape)}"
                self.digests[known] = _known_by(values)
                self.sizes[known] = parameter.numel()


def _known_by(values: Tensor) -> str:
    return digest([tensor_bytes(values)])


@dataclass(frozen=True)
class Beginnings:
    """How a training of the configured seed begins, and in which order it sees the data."""

    first: Trace
    initial: Initial
    order: str | None


@dataclass(frozen=True)
class Reseeded:
    """What another seed was seen to move, and a fault if it moves nothing at all."""

    seeding: Seeding
    faults: list[Fault] = field(default_factory=list)


def reseed(bench: Bench, known: Beginnings, other: dict[str, Any]) -> Reseeded:
    """Build and begin everything with another seed, and compare."""
    fresh, again, initial = bench.beside(other), Trace(), Initial()
    # A generator of the data's own is where it was: the known training was the second one, too.
    fresh.fit(steps=1, validates=True)
    fresh.fit(again, initial, steps=1)
    before = known.initial.digests
    seeding = Seeding(
        tensors=known.initial.sizes,
        fixed=tuple(name for name, value in initial.digests.items() if before.get(name) == value),
        order=None if known.order is None else fresh.order != known.order,
        noise=_draws(bench) or _examples_vary(bench.data),
        split=_validated(fresh.data) != _validated(bench.data),
    )
    if not _same_step(again.steps[0], known.first.steps[0]) or seeding.order or seeding.split:
        return Reseeded(seeding)
    what = "another seed gives the same initial weights, the same losses and the same data order"
    return Reseeded(seeding, [Fault("seed-has-no-effect", what, "seed_everything")])


def _draws(bench: Bench) -> bool:
    """Say whether a step of training draws random numbers: dropout, or noise of its own."""
    steps = []
    for seed in (0, 1):
        trace = Trace()
        bench.fit(Canonical(seed=seed), trace, steps=1)
        steps.append(trace.steps[0])
    return not _same_step(*steps)


def _examples_vary(data: Data) -> bool:
    """Say whether an example is another one whenever it is fetched."""
    if data.train is None or not data.train.by_example:
        return False
    digests = set()
    for seed in (0, 1):
        with seeded(seed):
            digests.add(content_digest(data.train.fetch(data.train.spread(FETCHED))))
    return len(digests) > 1


def _validated(data: Data) -> str:
    """Hash some of the validation examples, or the first batches where these are all there is."""
    with seeded(0):
        parts = [
            content_digest([source.fetch([index]) for index in source.spread(EXAMPLES)])
            for source in data.val
            if source.by_example
        ]
    parts += [content_digest(batches) for batches in data.val_batches if not parts]
    return digest(part.encode() for part in parts)


def _same_step(left: Values, right: Values) -> bool:
    names = {name for name in left if not name.startswith(SCHEDULES)} & set(right)
    return exact([_of(left, names)]) == exact([_of(right, names)])


def _of(values: Mapping[str, float], names: set[str]) -> Values:
    return {name: values[name] for name in sorted(names)}

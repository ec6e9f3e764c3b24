"""How outputs depend on what they must not depend on: neighbours, padding, later targets."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ablate.audit.evidence import Fault
from ablate.audit.probes.bench import Bench, Canonical, Values
from ablate.audit.probes.content import tensors
from ablate.audit.probes.served import Source

EXAMPLES = 9
FLOOR_EXAMPLES = 2_000
FLOOR_BATCH = 32
POSITIONS = 8
SEQUENCES = 3
RELATIVE = 1e-4
ABSOLUTE = 1e-6

Skipped = dict[str, str]


@dataclass
class Seen:
    """What one validation showed: metrics, one loss per example, and the shapes they came in."""

    metrics: Values = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    shapes: list[tuple[tuple[int, ...], ...]] = field(default_factory=list)


def close(left: float, right: float) -> bool:
    """Say whether two values differ by no more than the order of floating-point sums."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def sizes(examples: int) -> list[int]:
    """Return batch sizes to compare: one, one that leaves a short last batch, and all."""
    ragged = [size for size in range(2, examples) if examples % size]
    middle = [ragged[len(ragged) // 2]] if ragged else []
    return sorted({1, *middle, examples})


def batched(source: Source, size: int, examples: int = EXAMPLES) -> list[Any]:
    """Return examples spread over the validation set, always the same, in batches of a size."""
    picks = source.spread(examples)
    return [source.fetch(picks[start : start + size]) for start in range(0, len(picks), size)]


def many(source: Source) -> list[Any]:
    """Return as many validation examples as a predictor can look at, in batches."""
    if source.by_example:
        return batched(source, FLOOR_BATCH, FLOOR_EXAMPLES)
    return source.batches(FLOOR_EXAMPLES // FLOOR_BATCH, FLOOR_BATCH)


def by_example(sources: Sequence[Source]) -> bool:
    """Say whether there are validation examples, and they can be fetched one by one."""
    return bool(sources) and all(source.by_example for source in sources)


def invariance(bench: Bench, metrics: Sequence[str], *watches: Callback) -> list[Fault]:
    """Validate the same examples in batches of several sizes: nothing may change.

    Other callbacks may watch the examples alone. Raises ValueError for fewer than two examples.
    """
    sources = bench.data.val
    several = sizes(max(len(source.spread(EXAMPLES)) for source in sources))
    if len(several) == 1:
        raise ValueError("it takes two validation examples")
    alone = _seen(bench, sources, 1, *watches)
    others = [_seen(bench, sources, size) for size in several[1:]]
    faults = [fault for seen in others[-1:] for fault in _neighbours(alone, seen)]
    suspects = [
        name
        for name in alone.metrics
        if any(not close(alone.metrics[name], seen.metrics.get(name, math.nan)) for seen in others)
    ]
    if suspects:
        again = [_seen(bench, sources, size, number=2) for size in several]
        other_seed = _seen(bench, sources, several[-1], seed=1)
        suspects = [
            name
            for name in suspects
            if not all(close(again[0].metrics[name], seen.metrics[name]) for seen in again)
            and close(others[-1].metrics[name], other_seed.metrics[name])
        ]
    return faults + [
        _metric_fault(name, several, [alone, *others], metrics, bool(faults)) for name in suspects
    ]


def _metric_fault(
    name: str, several: Sequence[int], seen: Sequence[Seen], metrics: Sequence[str], moved: bool
) -> Fault:
    values = ", ".join(
        f"{each.metrics.get(name, math.nan):.6g} in batches of {size}"
        for size, each in zip(several, seen, strict=True)
    )
    if moved:
        why = "outputs depend on the batch"
    elif seen[0].losses:
        why = "each example's loss stays the same: the fault is in how values are averaged"
    else:
        why = "either the outputs or their average depend on the batch"
    return Fault(
        "metric-depends-on-batch",
        f"the same {several[-1]} examples score {values}; {why}",
        f"metric {name}",
        metric=name,
        slight=name not in metrics,
    )


def _seen(
    bench: Bench,
    sources: Sequence[Source],
    size: int,
    *watches: Callback,
    number: int = 1,
    seed: int = 0,
) -> Seen:
    losses = _Losses()
    batches = [batched(source, size) for source in sources]
    weights = Canonical(number, seed=seed)
    losses.seen.metrics = bench.validate(weights, losses, *watches, batches=batches)
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
        offer = getattr(pl_module, "example_losses", None)
        if not callable(offer):
            return
        losses: Tensor = offer(batch)
        shape = tuple(tuple(tensor.shape[1:]) for tensor in tensors(batch))
        self.seen.losses += losses.detach().double().flatten().tolist()
        self.seen.shapes += [shape] * len(losses)


def _neighbours(alone: Seen, together: Seen) -> list[Fault]:
    """Compare each example's loss alone with that among neighbours."""
    pairs = list(zip(alone.losses, together.losses, strict=True))
    moved = [number for number, (a, b) in enumerate(pairs) if not close(a, b)]
    unpadded = [n for n in moved if alone.shapes[n] == together.shapes[n]]
    padded = [n for n in moved if n not in unpadded]
    return [
        Fault(
            code,
            f"the loss of {len(numbers)} of {len(pairs)} examples changes {how}, of one by "
            f"{max(abs(pairs[n][0] - pairs[n][1]) for n in numbers):.3g}",
            "example_losses",
        )
        for code, numbers, how in (
            ("padding-matters", padded, "when longer ones are in the batch"),
            ("neighbours-matter", unpadded, "with the others in the batch, without any padding"),
        )
        if numbers
    ]


class Promises(Callback):
    """Tests what a module declares of itself: its causality and its properties."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.skipped: Skipped = {}
        self._sequences = 0
        self._leaking = self._tested = 0
        self._asked = False

    def on_validation_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        batch: Any,
        *_: Any,
    ) -> None:
        """Test the module on one batch."""
        if not self._asked:
            self._asked = True
            self._ask(pl_module)
        offer = getattr(pl_module, "autoregression", None)
        if callable(offer) and self._sequences < SEQUENCES:
            try:
                targets, outputs = offer(batch)
                if targets.shape[1] < 2:
                    return
                leaking, tested = future_positions(targets, outputs)
            except Exception as error:  # noqa: BLE001 - a hook may fail in any way
                self.skipped["causality"] = reason(error)
                return
            self._sequences += 1
            self._leaking += leaking
            self._tested += tested

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put the sequences together."""
        if self._leaking:
            self.faults.append(
                Fault(
                    "sees-the-future",
                    f"altering the targets from a position on changes the outputs up to it, at "
                    f"{self._leaking} of {self._tested} positions tried",
                    "autoregression",
                )
            )

    def _ask(self, module: LightningModule) -> None:
        offer = getattr(module, "properties", None)
        if not callable(offer):
            return
        try:
            declared: Mapping[str, Callable[[], str | None]] = offer()
        except Exception as error:  # noqa: BLE001
            self.skipped["properties"] = reason(error)
            return
        for name, test in declared.items():
            try:
                wrong = test()
            except Exception as error:  # noqa: BLE001
                self.skipped[f"property {name}"] = reason(error)
                continue
            if wrong is not None:
                self.faults.append(Fault("property-violated", wrong, f"property {name}"))


def future_positions(
    targets_BT: Tensor, outputs: Callable[[Tensor], Tensor], limit: int = POSITIONS
) -> tuple[int, int]:
    """Count the positions whose outputs change with targets from there on, and those tried."""
    length = targets_BT.shape[1]
    tried = sorted({round(n * (length - 1) / (limit - 1)) for n in range(limit)})
    before = outputs(targets_BT)
    tolerance = RELATIVE * max(1.0, float(before.abs().nan_to_num().max()))
    other_BT = altered(targets_BT)
    leaking = 0
    for position in tried:
        changed = targets_BT.clone()
        changed[:, position:] = other_BT[:, position:]
        after = outputs(changed)
        gap = (after[:, : position + 1] - before[:, : position + 1]).abs()
        leaking += bool((gap > tolerance).any())
    return leaking, len(tried)


def altered(targets: Tensor) -> Tensor:
    """Return other targets of the same kind: the next value that occurs, or noise added."""
    if targets.is_floating_point():
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(targets.shape, generator=generator).to(targets)
        return targets + noise * targets.std().nan_to_num().clamp(min=1.0)
    if targets.dtype == torch.bool:
        return ~targets
    values, place = torch.unique(targets, return_inverse=True)
    if len(values) == 1:
        return torch.where(targets > 0, targets - 1, targets + 1)
    following: Tensor = values[(place + 1) % len(values)]
    return following


def reason(error: BaseException) -> str:
    """Name an error in one line."""
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first}"

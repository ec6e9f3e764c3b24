"""How outputs depend on what they must not depend on: neighbours, padding, later targets."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor

from ablate.audit.evidence import Fault
from ablate.audit.probes.bench import Bench, Canonical, Values, reason
from ablate.audit.probes.content import tensors
from ablate.audit.probes.served import Source

HOOK = "example_losses"
EXAMPLES = 9
FLOOR_EXAMPLES = 2_000
FLOOR_BATCH = 32
POSITIONS = 8
SEQUENCES = 3
RELATIVE = 1e-4
ABSOLUTE = 1e-6

Skipped = dict[str, str]
Shapes = tuple[tuple[int, ...], ...]


@dataclass
class Seen:
    """What one validation showed: metrics, one loss per example, and the shapes they came in."""

    metrics: Values = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    shapes: list[Shapes] = field(default_factory=list)
    trouble: str = ""


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


def invariance(
    bench: Bench, metrics: Sequence[str], *watches: Callback
) -> tuple[list[Fault], Skipped]:
    """Validate the same examples in batches of several sizes: nothing may change.

    Other callbacks may watch the examples alone. Returns also what could not be judged, and why.
    Raises ValueError for fewer than two examples.
    """
    sources = bench.data.val
    several = sizes(max(len(source.spread(EXAMPLES)) for source in sources))
    if len(several) == 1:
        raise ValueError("it takes two validation examples")
    alone = _seen(bench, sources, 1, *watches)
    seen = {1: alone, **{size: _seen(bench, sources, size) for size in several[1:]}}
    faults = _neighbours(bench, sources, alone, seen[several[-1]])
    moved, random = _unsteady(bench, sources, seen)
    for name in (name for name in moved if name in metrics):
        faults.append(_metric_fault(name, seen, any(f.where == HOOK for f in faults)))
    if others := [name for name in moved if name not in metrics]:
        what = f"metrics that the study does not report depend on it too: {', '.join(others)}"
        faults.append(Fault("metric-depends-on-batch", what, "other metrics", slight=True))
    why = "it is random: with other random numbers it changes in the same batches, too"
    unsure = {f"batch invariance of {name}": why for name in random if name in metrics}
    return faults, unsure | ({HOOK: alone.trouble} if alone.trouble else {})


def _unsteady(
    bench: Bench, sources: Sequence[Source], seen: Mapping[int, Seen]
) -> tuple[list[str], list[str]]:
    """Name the metrics that change with the batch size, and those that change anyway.

    What changes must do so with other weights, too: a single value may hang on a last digit.
    """
    suspects = [name for name in seen[1].metrics if not _steady(name, seen.values())]
    if not suspects:
        return [], []
    again = [_seen(bench, sources, size, number=2) for size in seen]
    largest = max(seen)
    other_seed = _seen(bench, sources, largest, seed=1)
    random = [name for name in suspects if not _steady(name, [seen[largest], other_seed])]
    moved = [name for name in suspects if name not in random and not _steady(name, again)]
    return moved, random


def _steady(name: str, seen: Collection[Seen]) -> bool:
    first, *others = (each.metrics.get(name, math.nan) for each in seen)
    return all(close(first, other) for other in others)


def _metric_fault(name: str, seen: Mapping[int, Seen], moved: bool) -> Fault:
    values = ", ".join(
        f"{each.metrics.get(name, math.nan):.6g} in batches of {size}"
        for size, each in seen.items()
    )
    if moved:
        why = "outputs depend on the batch"
    elif seen[1].losses:
        why = "each example's loss stays the same: the fault is in how values are averaged"
    else:
        why = "either the outputs or their average depend on the batch"
    what = f"the same {max(seen)} examples score {values}; {why}"
    return Fault("metric-depends-on-batch", what, f"metric {name}")


def _seen(
    bench: Bench,
    sources: Sequence[Source],
    size: int,
    *watches: Callback,
    number: int = 1,
    seed: int = 0,
) -> Seen:
    batches = [batched(source, size) for source in sources]
    return _seen_in(bench, batches, Canonical(number, seed=seed), *watches)


def _seen_in(bench: Bench, batches: list[list[Any]], *watches: Callback) -> Seen:
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
        offer = getattr(pl_module, "example_losses", None)
        if not callable(offer) or self.seen.trouble:
            return
        try:
            losses: Tensor = offer(batch)
        except Exception as error:  # noqa: BLE001 - a hook may fail in any way
            self.seen.trouble = reason(error)
            return
        shape = tuple(tuple(tensor.shape[1:]) for tensor in tensors(batch))
        self.seen.losses += losses.detach().double().flatten().tolist()
        self.seen.shapes += [shape] * len(losses)


def _neighbours(
    bench: Bench, sources: Sequence[Source], alone: Seen, together: Seen
) -> list[Fault]:
    """Compare each example's loss alone with that among neighbours."""
    if alone.trouble or together.trouble:
        return []
    gaps = _gaps(alone.losses, together.losses)
    if not gaps:
        return []
    unpadded = _beside_shorter(bench, sources[0], alone) if len(sources) == 1 else {}
    code, how = "padding-matters", "when longer ones are in the batch"
    if unpadded:
        gaps, code, how = unpadded, "neighbours-matter", "with a neighbour that brings no padding"
    what = (
        f"the loss of {len(gaps)} of {len(alone.losses)} examples changes {how}, of one by "
        f"{max(gaps.values()):.3g}"
    )
    return [Fault(code, what, HOOK)]


def _gaps(alone: Sequence[float], together: Sequence[float]) -> dict[int, float]:
    pairs = enumerate(zip(alone, together, strict=True))
    return {number: abs(a - b) for number, (a, b) in pairs if not close(a, b)}


def _beside_shorter(bench: Bench, source: Source, alone: Seen) -> dict[int, float]:
    """Put each example beside one that is nowhere longer; return how much its loss changes."""
    picks = source.spread(EXAMPLES)
    numbers = range(len(picks))
    beside = {
        n: next((m for m in numbers if m != n and _fits(alone.shapes[m], alone.shapes[n])), None)
        for n in numbers
    }
    pairs = {n: m for n, m in beside.items() if m is not None}
    if not pairs:
        return {}
    batches = [source.fetch([picks[n], picks[m]]) for n, m in pairs.items()]
    seen = _seen_in(bench, [batches], Canonical())
    gaps = _gaps([alone.losses[n] for n in pairs], seen.losses[::2])
    return {list(pairs)[place]: gap for place, gap in gaps.items()}


def _fits(shorter: Shapes, longer: Shapes) -> bool:
    """Say whether no tensor of one example is longer than the same of another."""
    return [len(shape) for shape in shorter] == [len(shape) for shape in longer] and all(
        a <= b
        for left, right in zip(shorter, longer, strict=True)
        for a, b in zip(left, right, strict=True)
    )


class Promises(Callback):
    """Tests what modules declare of themselves: causality, and properties of model and data."""

    def __init__(self, data: LightningDataModule | None = None) -> None:
        self._data = data
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
            for owner in (pl_module, self._data):
                self._ask(owner)
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

    def _ask(self, owner: Any) -> None:
        offer = getattr(owner, "properties", None)
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

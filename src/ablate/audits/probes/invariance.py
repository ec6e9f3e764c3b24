"""Whether metrics and losses stay the same in whatever batches the examples come."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lightning.pytorch import Callback

from ablate.audits.evidence import Fault
from ablate.audits.probes.averaging import UNWEIGHTED, WEIGHTED, averages
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.dependence import PartOutputs, mixing_part
from ablate.audits.probes.draws import Draws
from ablate.audits.probes.losses import EXAMPLES, HOOK, Seen, close, validate_in_batches
from ablate.audits.probes.neighbours import dependent_examples
from ablate.audits.probes.source import Source

BySize = Mapping[int, Seen]
"""What a validation showed, by the size of its batches."""

OTHERS = (2, 3, 4)
"""The numbers of the canonical weights by which a suspicion is confirmed."""

EVEN = (
    "it is the plain mean of its values in the batches: right here, where all batches of an epoch "
    "are equally large, and wrong with a shorter last batch"
)
WHOLE = (
    "it is a value of a whole batch: right here, where one batch holds all examples, and wrong "
    "with a second one"
)
RANDOM = "it is random: it changes with the numbers that are drawn"


@dataclass(frozen=True)
class Invariance:
    """What depends on the batch, and what could not be judged, with the reason."""

    faults: list[Fault] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def batch_invariance(bench: Bench, metrics: Sequence[str], *watches: Callback) -> Invariance:
    """Validate the same examples in batches of several sizes: nothing may change.

    Other callbacks may watch the examples alone. Raises ValueError for fewer than two examples.
    """
    sources = bench.data.val
    single, *larger = sizes(max(len(source.spread(EXAMPLES)) for source in sources))
    if not larger:
        raise ValueError("it takes two validation examples")
    parts = {size: PartOutputs() for size in (single, larger[-1])}
    alone = validate_in_batches(bench, sources, single, *watches, parts[single])
    seen = {single: alone}
    for size in larger:
        seen[size] = validate_in_batches(
            bench, sources, size, *([parts[size]] if size in parts else [])
        )
    faults = dependent_examples(bench, sources, alone, seen[larger[-1]])
    moved, random = _unsteady(bench, sources, seen)
    judged = [name for name in moved if name in metrics and not faults]
    middle = sorted(seen)[len(seen) // 2 if len(seen) > 2 else 0]
    reasons = averages(bench, sources, middle, judged)
    mixing = mixing_part(parts[single].totals, parts[larger[-1]].totals)
    if mixing is not None:
        why = f"the outputs of {mixing} depend on the other examples of a batch"
        reasons = dict.fromkeys(judged, why)
    elif len(sources) == 1:
        reasons = {name: _as_configured(why, sources[0]) for name, why in reasons.items()}
    faults += _metric_faults(moved, metrics, seen, reasons, examples_moved=bool(faults))
    skipped = {f"batch invariance of {name}": RANDOM for name in random if name in metrics}
    if alone.trouble:
        skipped[HOOK] = alone.trouble
    return Invariance(faults, skipped)


def _as_configured(why: str, source: Source) -> str:
    """Say whether a value that follows from those of batches is right in those of the loader."""
    if source.length == 1 and why in {UNWEIGHTED, WEIGHTED}:
        return WHOLE
    return EVEN if why == UNWEIGHTED and len(source.batch_sizes) == 1 else why


def sizes(examples: int) -> list[int]:
    """Return batch sizes to compare: one, one that leaves a short last batch, and all."""
    ragged = [size for size in range(2, examples) if examples % size]
    middle = [ragged[len(ragged) // 2]] if ragged else []
    return sorted({1, *middle, examples})


def _unsteady(bench: Bench, sources: Sequence[Source], seen: BySize) -> tuple[list[str], list[str]]:
    """Name the metrics that change with the batch size, and those that change anyway.

    What changes must do so with other weights, too: a single value may hang on a last digit. With
    some weights a share is 0 whatever the batches.
    """
    suspects = [name for name in seen[1].metrics if not _steady(name, seen.values())]
    if not suspects:
        return [], []
    largest = max(seen)
    draws = Draws()
    other_seed = validate_in_batches(bench, sources, largest, draws, seed=1)
    random = [
        name for name in suspects if draws.own or not _steady(name, [seen[largest], other_seed])
    ]
    left = [name for name in suspects if name not in random]
    moved: list[str] = []
    for number in OTHERS:
        if not left:
            break
        again = [validate_in_batches(bench, sources, size, number=number) for size in seen]
        moved += [name for name in left if not _steady(name, again)]
        left = [name for name in left if name not in moved]
    return [name for name in suspects if name in moved], random


def _steady(name: str, seen: Collection[Seen]) -> bool:
    first, *others = (each.metrics.get(name, math.nan) for each in seen)
    return all(close(first, other) for other in others)


def _metric_faults(
    moved: Sequence[str],
    reported: Collection[str],
    seen: BySize,
    reasons: Mapping[str, str],
    *,
    examples_moved: bool,
) -> list[Fault]:
    """Judge the metrics that change: those that the study does not report weigh less."""
    faults = [
        _metric_fault(name, seen, reasons.get(name), examples_moved=examples_moved)
        for name in moved
        if name in reported
    ]
    if others := [name for name in moved if name not in reported]:
        what = f"metrics that the study does not report depend on it too: {', '.join(others)}"
        faults.append(Fault("metric-depends-on-batch", what, "other metrics", slight=True))
    return faults


def _metric_fault(name: str, seen: BySize, why: str | None, *, examples_moved: bool) -> Fault:
    values = ", ".join(
        f"{each.metrics.get(name, math.nan):.6g} in batches of {size}"
        for size, each in seen.items()
    )
    right = why in {EVEN, WHOLE} and not examples_moved
    if examples_moved:
        why = "outputs depend on the batch"
    elif seen[1].losses:
        why = why or "it lies in how values are averaged"
        why = f"each example's loss stays the same: {why}"
    else:
        why = why or "either the outputs or their average depend on the batch"
    what = f"the same {max(seen)} examples score {values}; {why}"
    return Fault("metric-depends-on-batch", what, f"metric {name}", slight=right)

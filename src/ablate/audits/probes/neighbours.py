"""Whether an example's loss depends on the others of its batch, or on their padding."""

from collections.abc import Sequence

from ablate.audits.evidence import Fault
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.losses import EXAMPLES, HOOK, Seen, Shapes, close, validate_on
from ablate.audits.probes.source import Source


def dependent_examples(
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
    """Return the number of every example whose two losses differ, and by how much."""
    pairs = enumerate(zip(alone, together, strict=True))
    return {number: abs(a - b) for number, (a, b) in pairs if not close(a, b)}


def _beside_shorter(bench: Bench, source: Source, alone: Seen) -> dict[int, float]:
    """Put each example beside one that is nowhere longer; return how much its loss changes."""
    picks = source.spread(EXAMPLES)
    neighbours = _shorter_neighbours(alone.shapes[: len(picks)])
    if not neighbours:
        return {}
    batches = [source.fetch([picks[number], picks[n]]) for number, n in neighbours.items()]
    beside = validate_on(bench, [batches], Canonical())
    gaps = _gaps([alone.losses[number] for number in neighbours], beside.losses[::2])
    numbers = list(neighbours)
    return {numbers[place]: gap for place, gap in gaps.items()}


def _shorter_neighbours(shapes: Sequence[Shapes]) -> dict[int, int]:
    """Find for the examples, by number, the first other one that is nowhere longer."""
    neighbours = {}
    for number, shape in enumerate(shapes):
        others = (n for n, other in enumerate(shapes) if n != number and _fits(other, shape))
        neighbour = next(others, None)
        if neighbour is not None:
            neighbours[number] = neighbour
    return neighbours


def _fits(shorter: Shapes, longer: Shapes) -> bool:
    """Say whether no tensor of one example is longer than the same of another."""
    return [len(shape) for shape in shorter] == [len(shape) for shape in longer] and all(
        a <= b
        for left, right in zip(shorter, longer, strict=True)
        for a, b in zip(left, right, strict=True)
    )

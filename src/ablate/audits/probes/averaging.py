"""How a metric that depends on its batches is made of their values."""

import math
from collections.abc import Sequence

from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.losses import EXAMPLES, close, validate_in_batches, validate_on
from ablate.audits.probes.source import Source

LAST = "only the last batch counts: what came before it is overwritten"
FIRST = "only the first batch counts"
UNWEIGHTED = "it is the plain mean of its values in the batches, which are not equally large"
WEIGHTED = (
    "it is the mean of its values in the batches, and a ratio: it must be computed once, over all "
    "examples"
)


def averages(
    bench: Bench, sources: Sequence[Source], size: int, names: Sequence[str]
) -> dict[str, str]:
    """Say of metrics how they follow from their values in each batch of a size alone.

    A metric of which that cannot be said is left out, and so are all with several loaders.
    """
    if len(sources) != 1 or not names:
        return {}
    together = validate_in_batches(bench, sources, size).metrics
    batches = sources[0].batched(size, EXAMPLES)
    alone = [validate_on(bench, [[batch]], Canonical()).metrics for batch in batches]
    lengths = [min(size, EXAMPLES - start) for start in range(0, size * len(batches), size)]
    told = {}
    for name in names:
        values = [each.get(name, math.nan) for each in alone]
        why = composed(together.get(name, math.nan), values, lengths)
        if why is not None:
            told[name] = why
    return told


def composed(value: float, parts: Sequence[float], lengths: Sequence[int]) -> str | None:
    """Say how a value follows from those of batches of some lengths; None if it does not."""
    if len(parts) < 2 or not all(map(math.isfinite, (value, *parts))):
        return None
    if all(close(part, parts[0]) for part in parts):
        return None
    mean = math.fsum(parts) / len(parts)
    pairs = zip(parts, lengths, strict=True)
    weighted = math.fsum(part * length for part, length in pairs) / sum(lengths)
    candidates = ((parts[-1], LAST), (parts[0], FIRST), (weighted, WEIGHTED), (mean, UNWEIGHTED))
    return next((why for other, why in candidates if close(value, other)), None)

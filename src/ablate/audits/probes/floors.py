"""The metrics of a predictor that has nothing to train."""

from typing import Any

from ablate.audits.probes.bench import Bench
from ablate.audits.probes.source import Source
from ablate.audits.probes.trace import Values

EXAMPLES = 2_000
BATCH = 32


def floor_metrics(bench: Bench) -> Values:
    """Validate on as many examples as a predictor can look at."""
    return bench.validate(batches=[_many(source) for source in bench.data.val])


def _many(source: Source) -> list[Any]:
    if source.by_example:
        return source.batched(BATCH, EXAMPLES)
    return source.batches(EXAMPLES // BATCH, BATCH)

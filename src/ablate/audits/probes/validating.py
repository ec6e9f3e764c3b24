"""Which weights a training validates, and what a validation does to them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ablate.audits.evidence import Fault
from ablate.audits.probes.bench import Bench, Validations
from ablate.audits.probes.onlooker import Onlooker

STEPS = 2
EXAMPLES = 2

_AVERAGING = re.compile(r"EMA|Averag|SWA|Ema(?![a-z])")


def validated(bench: Bench, config: Mapping[str, Any]) -> tuple[str, list[Fault]]:
    """Watch the validations of a short training: which weights, and what is wrong with them."""
    onlooker = Onlooker()
    sources = bench.data.val
    few = all(source.by_example for source in sources)
    bench.data.validation = [s.batched(EXAMPLES, EXAMPLES) for s in sources] if few else None
    try:
        bench.fit(
            onlooker, steps=bench.waits + STEPS, validates=True, validations=Validations.EVERY_STEP
        )
    finally:
        bench.data.validation = None
    averaging = [name for name in _callbacks(config) if _AVERAGING.search(name)]
    return f"those that {averaging[0]} makes" if averaging else onlooker.weights, onlooker.faults()


def _callbacks(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the class names of the configured callbacks."""
    configured = (config.get("trainer") or {}).get("callbacks") or ()
    for callback in configured if isinstance(configured, list) else [configured]:
        if isinstance(callback, Mapping):
            yield str(callback.get("class_path", "")).rpartition(".")[2]

"""What a module does with canonical weights, by which two of them are told apart."""

from dataclasses import dataclass
from typing import Any

from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.served import TRAIN_BATCHES
from ablate.audits.probes.trace import SCHEDULES, Trace, Values

OF_TRAINING = ("lr[", *SCHEDULES, "weights")
"""How the names of values begin that a module standing still does not show."""


@dataclass(frozen=True)
class Signature:
    """What a module does with canonical weights: two steps of training, and standing still."""

    trace: tuple[Values, ...]
    response: Values


def signature(bench: Bench, number: int = 1, config: dict[str, Any] | None = None) -> Signature:
    """Train for two steps, then let the module stand still for a third and a validation."""
    trace = Trace()
    bench.fit(Canonical(number, still=TRAIN_BATCHES), trace, config=config, validates=True)
    *moving, last = trace.steps
    response = {name: value for name, value in last.items() if not name.startswith(OF_TRAINING)}
    schedules = {name: value for name, value in last.items() if name.startswith(SCHEDULES)}
    return Signature((*moving, schedules), response)

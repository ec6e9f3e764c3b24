"""What the seed decides: all that happens, and something at all."""

from collections.abc import Collection, Sequence
from typing import Any

from ablate.audits.evidence import Fault
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.trace import SCHEDULES, Trace, Values, exact


def unstable(first: Sequence[Values], again: Sequence[Values]) -> frozenset[str]:
    """Name what differs between two runs of the same seed."""
    names = {name for step in (*first, *again) for name in step}
    left, right = exact(first), exact(again)
    return frozenset(
        name
        for name in names
        if [step.get(name) for step in left] != [step.get(name) for step in right]
    )


def nondeterministic(moving: Collection[str], seed: int) -> list[Fault]:
    """Judge what differs between two runs of the same seed."""
    decisive = sorted({"loss", "weights"} & set(moving))
    if not decisive:
        return []
    what = f"two runs of three steps with seed {seed} differ in {' and '.join(decisive)}"
    return [Fault("nondeterministic", what, "training_step")]


def seedless(bench: Bench, first: Trace, order: str | None, other: dict[str, Any]) -> list[Fault]:
    """Train with another seed: initial weights, losses or the order of the data must differ."""
    for fresh in (bench, bench.beside(other)):
        again = Trace()
        fresh.fit(again, config=other, steps=1)
        if not _same_step(again.steps[0], first.steps[0]) or fresh.order != order:
            return []
    return [
        Fault(
            "seed-has-no-effect",
            "another seed gives the same initial weights, the same losses and the same data order",
            "seed_everything",
        )
    ]


def _same_step(left: Values, right: Values) -> bool:
    names = {name for name in left if not name.startswith(SCHEDULES)} & set(right)
    return exact([{n: left[n] for n in names}]) == exact([{n: right[n] for n in names}])

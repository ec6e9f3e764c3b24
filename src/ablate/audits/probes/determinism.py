"""Whether the seed decides all that happens."""

from collections.abc import Collection, Sequence

from ablate.audits.evidence import Fault
from ablate.audits.probes.trace import Values, exact


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

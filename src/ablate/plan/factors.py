"""The numbers of several plans side by side, and how many times the first one's they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.plan.configured import Plan

COMPARED = (
    "samples", "batch", "accumulate", "devices", "effective_batch", "steps_per_epoch", "epochs",
    "optimizer_steps", "samples_seen", "evaluations", "warmup_steps", "warmup_share", "parameters",
    "flops_per_step", "memory_bytes",
)  # fmt: skip
_MANY = 10


@dataclass(frozen=True)
class Derived:
    """One number in several plans; `factors` are how many times the first one's the others are.

    A factor is None where either number is not known, or the first is 0.
    """

    name: str
    values: tuple[float | None, ...]
    factors: tuple[float | None, ...]


def compare(plans: Sequence[Plan]) -> tuple[Derived, ...]:
    """Return the numbers that are not the same in all plans."""
    found = []
    for name in COMPARED:
        values = tuple(getattr(plan, name) for plan in plans)
        if any(value != values[0] for value in values):
            first, *others = values
            factors = tuple(
                other / first if first and other is not None else None for other in others
            )
            found.append(Derived(name, values, factors))
    return tuple(found)


def say_factor(factor: float, what: str) -> str:
    """Say a factor in words: 17x more steps, 0.5x the memory_bytes."""
    said = f"{factor:.0f}" if factor >= _MANY else f"{factor:.2g}"
    return f"{said}x more {what}" if factor > 1 else f"{said}x the {what}"

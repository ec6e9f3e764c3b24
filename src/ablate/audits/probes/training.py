"""What is wrong with the first steps of a training: idle parameters, a first loss far off."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ablate.audits.evidence import Fault
from ablate.audits.probes.beginning import LONGEST_WAIT, Beginning
from ablate.audits.probes.trace import Values
from ablate.spec import paths

FACTOR = 3.0
"""How many times chance the first loss may be, and how small a part of it."""

SHOWN = 4

_WEIGHT = re.compile(r"weight|coef|lambda|alpha|beta|gamma|scale|loss|penalty|_w$|^w_")
"""Names of numbers by which a part of a loss is multiplied."""


def first_faults(
    steps: Sequence[Values], beginning: Beginning, config: Mapping[str, Any]
) -> list[Fault]:
    """Judge the gradients and the first loss of a training."""
    return [*_idle(beginning, weightless(config)), *_far_from_chance(steps, beginning.chance)]


def weightless(config: Mapping[str, Any]) -> list[str]:
    """List the arguments of the model by which something weighs nothing in the loss."""
    leaves = paths.flatten({"model": config.get("model") or {}})
    return [
        path
        for path, value in leaves.items()
        if value == 0 and not isinstance(value, bool) and _WEIGHT.search(path.rpartition(".")[2])
    ]


def _idle(beginning: Beginning, weightless: Sequence[str]) -> list[Fault]:
    """Name the parameters that are not trained; a bias may have to be, for gradients cancel.

    Those that the module itself calls untrained weigh less, too, and so do gradients of exactly
    zero where a part of the loss weighs nothing.
    """
    gradients, within = beginning.gradients, f"in {beginning.steps} steps"
    idle = {name: gradient for name, gradient in gradients.items() if gradient != "some"}
    owners = tuple(f"{owner}." for owner in beginning.untrained)
    admitted = [name for name in idle if f"{name}.".startswith(owners)]
    silent = {name: gradient for name, gradient in idle.items() if name not in admitted}
    harmless = {"zero vector", "zero"} if weightless else {"zero vector"}
    cancelled = [name for name, gradient in silent.items() if gradient in harmless]
    why = f", as {' and '.join(weightless[:2])} of 0 may have it" if weightless else ""
    missing = [name for name in silent if name not in cancelled]
    total = len(gradients)
    return [
        *_fault(
            missing,
            f"{len(missing)} of {total} parameters get no gradient {within}",
            slight=beginning.learns_at is None and beginning.steps < LONGEST_WAIT,
        ),
        *_fault(
            cancelled,
            f"{len(cancelled)} of {total} parameters have a gradient of exactly zero {within}{why}",
            slight=True,
        ),
        *_fault(
            admitted,
            f"as the module says, {len(admitted)} parameters get no gradient {within}",
            slight=True,
        ),
    ]


def _fault(parameters: Sequence[str], what: str, *, slight: bool = False) -> list[Fault]:
    """Say of some parameters what they lack, and which modules own them."""
    if not parameters:
        return []
    owners = list(Counter(name.rpartition(".")[0] or name for name in parameters))
    shown = ", ".join(owners[:SHOWN]) + (", ..." if len(owners) > SHOWN else "")
    where = ", ".join(parameters[:SHOWN])
    return [Fault("no-gradient", f"{what}: {shown}", where, slight=slight)]


def _far_from_chance(steps: Sequence[Values], chance: float | None) -> list[Fault]:
    loss = steps[0].get("loss") if steps else None
    if loss is None:
        return []
    code, where = "initial-loss-far-from-chance", "training_step"
    if not math.isfinite(loss):
        return [Fault(code, f"the first loss is {loss}", where)]
    if chance is None or math.isnan(chance) or chance / FACTOR <= loss <= chance * FACTOR:
        return []
    return [Fault(code, f"the first loss is {loss:.4g}; a uniform guess has {chance:.4g}", where)]

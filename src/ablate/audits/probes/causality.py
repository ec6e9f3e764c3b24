"""Whether outputs depend on targets that are still to come."""

from collections.abc import Callable

import torch
from torch import Tensor

POSITIONS = 8
RELATIVE = 1e-4
"""Share of the largest output up to which a change is the order of floating-point sums."""


def future_positions(
    targets_BT: Tensor, outputs: Callable[[Tensor], Tensor], limit: int = POSITIONS
) -> tuple[int, int]:
    """Count the positions whose outputs change with targets from there on, and those tried."""
    length = targets_BT.shape[1]
    tried = sorted({round(n * (length - 1) / (limit - 1)) for n in range(limit)})
    before = outputs(targets_BT)
    tolerance = RELATIVE * max(1.0, float(before.abs().nan_to_num().max()))
    other_BT = altered(targets_BT)
    leaking = 0
    for position in tried:
        changed = targets_BT.clone()
        changed[:, position:] = other_BT[:, position:]
        after = outputs(changed)
        gap = (after[:, : position + 1] - before[:, : position + 1]).abs()
        leaking += bool((gap > tolerance).any())
    return leaking, len(tried)


def altered(targets: Tensor) -> Tensor:
    """Return other targets of the same kind: the next value that occurs, or noise added."""
    if targets.is_floating_point():
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(targets.shape, generator=generator).to(targets)
        return targets + noise * targets.std().nan_to_num().clamp(min=1.0)
    if targets.dtype == torch.bool:
        return ~targets
    values, place = torch.unique(targets, return_inverse=True)
    if len(values) == 1:
        return torch.where(targets > 0, targets - 1, targets + 1)
    following: Tensor = values[(place + 1) % len(values)]
    return following

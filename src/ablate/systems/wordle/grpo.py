"""Group-relative policy optimisation: advantages within groups, clipped ratios, a bounded KL.

Shapes: P prompts with G completions each, N = P G completions in the order of their prompts, T
tokens.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Scale = Literal["none", "group", "batch"]

SMALLEST = 1e-4
"""Added to a standard deviation before it divides."""


@dataclass(frozen=True)
class Temperature:
    """Say how the temperature of sampling falls: from `start` to `end` over a `ramp` of the run.

    T(p) = start - (start - end) min(1, p / ramp) at progress p in [0, 1].
    """

    start: float = 1.0
    end: float = 1.0
    ramp: float = 1.0

    def violations(self) -> list[str]:
        """Say what is out of range."""
        found = [
            f"temperature.{name} must be above 0, got {value}"
            for name, value in (("start", self.start), ("end", self.end))
            if not value > 0
        ]
        if not 0 < self.ramp <= 1:
            found.append(f"temperature.ramp must be in (0, 1], got {self.ramp}")
        return found

    def at(self, progress: float) -> float:
        """Return the temperature at a progress."""
        return self.start - (self.start - self.end) * min(1.0, progress / self.ramp)


def advantages(reward_PG: Tensor, scale: Scale) -> Tensor:
    """Return how much better each completion is than the mean of its group, (P, G).

    In standard deviations of the group, of the batch, or as it is (Shao et al. 2024, with the
    unbiased deviation). Of one completion, or equal ones, nothing can be said: 0.
    """
    centred_PG = reward_PG - reward_PG.mean(1, keepdim=True)
    if scale == "none" or reward_PG.numel() < 2:
        return centred_PG
    if scale == "batch":
        return centred_PG / (reward_PG.std() + SMALLEST)
    if reward_PG.shape[1] < 2:
        return centred_PG
    return centred_PG / (reward_PG.std(1, keepdim=True) + SMALLEST)


def equal_groups(reward_PG: Tensor) -> float:
    """Return the share of groups whose rewards are all equal: no gradient comes from these."""
    return float((reward_PG.amax(1) - reward_PG.amin(1) < SMALLEST).float().mean())


def kl_terms(log_NT: Tensor, reference_NT: Tensor, clamp: float) -> Tensor:
    """Return exp(d) - d - 1 for d = reference - log, bounded by `clamp` on both sides, (N, T).

    It is an estimate of the KL divergence from the reference that is never negative (k3 of
    Schulman 2020).
    """
    d_NT = (reference_NT - log_NT).clamp(-clamp, clamp)
    return torch.expm1(d_NT) - d_NT


def policy_terms(log_NT: Tensor, old_NT: Tensor, advantage_N: Tensor, clip: float) -> Tensor:
    """Return -min(r A, clip(r, 1 - eps, 1 + eps) A) for r = exp(log - old), (N, T)."""
    ratio_NT = torch.exp(log_NT - old_NT)
    advantage_N1 = advantage_N[:, None]
    clipped_NT = ratio_NT.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio_NT * advantage_N1, clipped_NT * advantage_N1)


def masked_mean(value_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """Return the mean over all tokens of the batch that were written."""
    return (value_NT * mask_NT).sum() / mask_NT.sum().clamp(min=1)

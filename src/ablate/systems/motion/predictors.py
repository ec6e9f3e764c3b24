"""Predictors without parameters: the baselines that a model has to beat."""

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor

from ablate.systems.motion.metrics import constant_velocity, repeat_last
from ablate.systems.motion.skeleton import Scale

Predictor = Literal["transformer", "repeat_last", "constant_velocity"]
Baseline = Callable[[Tensor, Scale, int | None], Tensor]


def _constant_velocity(motion_BTP: Tensor, scale: Scale, given: int | None) -> Tensor:  # noqa: ARG001
    return constant_velocity(motion_BTP, given)


BASELINES: Mapping[str, Baseline] = {
    "repeat_last": repeat_last,
    "constant_velocity": _constant_velocity,
}
"""Each maps clips of T + 1 frames to the next T, from all frames before or the first `given`."""

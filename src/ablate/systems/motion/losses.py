"""The losses of the motion system: pose, smoothness over time, action and physics.

Shapes: B clips, T frames, P numbers per pose, A actions. The six channels of physics are velocity
(m/s), acceleration (m/s^2) and momentum (kg m/s), each x and y; their three standard deviations are
those of the training clips, x and y pooled.
"""

from dataclasses import asdict, dataclass, fields
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ablate.systems.motion.generation import MASS_KG
from ablate.systems.motion.skeleton import FRAMES_PER_SECOND

GRAVITY = -9.81
LEGACY_GRAVITY = -9.8


@dataclass(frozen=True)
class LossWeights:
    """What the terms of the loss are multiplied by; 0 switches a term off.

    Args:
        pose: Squared error of the standardised pose of the next frame.
        temporal: Squared change of the predicted pose from frame to frame.
        action: Cross-entropy of the action of each frame.
        physics: The physics loss, as its own options make it up.
    """

    pose: float = 1.0
    temporal: float = 0.1
    action: float = 0.15
    physics: float = 0.2

    def violations(self) -> list[str]:
        """Name the weights that are negative or not finite."""
        return _not_weights("weights", asdict(self))


@dataclass(frozen=True)
class Physics:
    """How the physics loss is made up.

    Args:
        variant: "standardised", or "legacy": squared errors in SI units and gravity on every frame
            whether airborne or not, which has weights of its own.
        velocity: Weight of the velocity's squared error, in its standard deviations.
        acceleration: Weight of the acceleration's.
        momentum: Weight of the momentum's.
        consistency: Weight of v[t+1] - v[t] - a[t] dt, in standard deviations of v.
        gravity: Weight of a_y - g, over airborne frames only, in standard deviations of a.
    """

    variant: Literal["standardised", "legacy"] = "standardised"
    velocity: float = 1.0
    acceleration: float = 0.5
    momentum: float = 0.3
    consistency: float = 0.2
    gravity: float = 0.0

    def violations(self) -> list[str]:
        """Name the weights that do not hold, or that the legacy variant would not read."""
        weights = {name: value for name, value in asdict(self).items() if name != "variant"}
        found = _not_weights("physics", weights)
        if self.variant == "legacy":
            defaults = {field.name: field.default for field in fields(self)}
            unread = [name for name in weights if weights[name] != defaults[name]]
            found += [
                f"physics.{name} is not read by the legacy variant: leave it at {defaults[name]}"
                for name in unread
            ]
        return found


def pose_loss(predicted_BTP: Tensor, target_BTP: Tensor) -> Tensor:
    """Return the mean squared error over frames and coordinates."""
    return functional.mse_loss(predicted_BTP, target_BTP)


def temporal_loss(predicted_BTP: Tensor) -> Tensor:
    """Return the mean squared change from frame to frame; 0 for a single frame."""
    if predicted_BTP.shape[1] < 2:
        return predicted_BTP.new_zeros(())
    return predicted_BTP.diff(dim=1).square().mean()


def action_loss(logits_BTA: Tensor, actions_BT: Tensor) -> Tensor:
    """Return the mean cross-entropy per frame."""
    return functional.cross_entropy(logits_BTA.flatten(0, 1), actions_BT.flatten())


def physics_loss(
    predicted_BT6: Tensor,
    target_BT6: Tensor,
    airborne_BT: Tensor,
    physics_std_3: Tensor,
    physics: Physics,
) -> Tensor:
    """Return the physics loss; predictions are in standard deviations, targets in SI units."""
    std_6 = physics_std_3.repeat_interleave(2)
    if physics.variant == "legacy":
        return _legacy(predicted_BT6 * std_6, target_BT6)
    error_6 = (predicted_BT6 - target_BT6 / std_6).square().mean((0, 1))
    weights_3 = std_6.new_tensor([physics.velocity, physics.acceleration, physics.momentum])
    total = (weights_3 * error_6.reshape(3, 2).mean(1)).sum()
    if physics.consistency:
        gap = _inconsistency(predicted_BT6 * std_6) / 2 / physics_std_3[0].square()
        total = total + physics.consistency * gap
    if physics.gravity:
        fall_BT = (predicted_BT6[..., 3] - GRAVITY / std_6[3]).square() * airborne_BT
        total = total + physics.gravity * fall_BT.sum() / airborne_BT.sum().clamp(min=1)
    return total


def _legacy(predicted_BT6: Tensor, target_BT6: Tensor) -> Tensor:
    """Return the origin's loss, in which a figure of size 1 has a mass of 1.

    Its momentum and consistency terms add x and y up; all other losses here average over them.
    """
    unit_6 = predicted_BT6.new_tensor([1.0, 1.0, 1.0, 1.0, MASS_KG, MASS_KG])
    predicted_BT6, target_BT6 = predicted_BT6 / unit_6, target_BT6 / unit_6
    return (
        functional.mse_loss(predicted_BT6, target_BT6)
        + 0.1 * (predicted_BT6[..., 3] - LEGACY_GRAVITY).square().mean()
        + 0.1 * 2 * temporal_loss(predicted_BT6[..., 4:])
        + 0.2 * _inconsistency(predicted_BT6)
    )


def _inconsistency(physics_BT6: Tensor) -> Tensor:
    """Return the mean squared length of v[t+1] - v[t] - a[t] dt in (m/s)^2; 0 for one frame."""
    if physics_BT6.shape[1] < 2:
        return physics_BT6.new_zeros(())
    velocity_BT2, acceleration_BT2 = physics_BT6[..., :2], physics_BT6[..., 2:4]
    gap_BT2 = velocity_BT2.diff(dim=1) - acceleration_BT2[:, :-1] / FRAMES_PER_SECOND
    return gap_BT2.square().sum(-1).mean()


def _not_weights(owner: str, weights: dict[str, float]) -> list[str]:
    return [
        f"{owner}.{name} must be a finite number of at least 0, not {value}"
        for name, value in weights.items()
        if not 0 <= value < torch.inf
    ]

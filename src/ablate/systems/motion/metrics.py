"""Metrics of motion, one value per clip; their mean over clips is what a run logs.

Motion is standardised: numbers of `skeleton.to_motion` less `scale.mean_P`, over `scale.std_P`.
A clip has T + 1 frames, and a prediction T: of the frames 1 to T. Dimensions: B clips, T frames,
J = 10 joints, P = 20 numbers.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ablate.systems.motion.skeleton import (
    FEET,
    JOINTS,
    PELVIS,
    Scale,
    from_motion,
    limb_lengths,
    norm,
    pelvis_x,
    place_at,
)

CONTACT_HEIGHT = 0.03
"""Metres below which a foot is held to touch the ground."""


def to_joints(motion_BTP: Tensor, scale: Scale, start_x: Tensor | float = 0.0) -> Tensor:
    """Return the joints, (B, T, J, 2), in metres, of motion that starts with its pelvis at x."""
    return from_motion(_in_metres(motion_BTP, scale), start_x)


def step_joints(predicted_BTP: Tensor, motion_BTP: Tensor, scale: Scale) -> Tensor:
    """Return the joints, (B, T, J, 2), of predictions one step ahead.

    `motion` is the true one, (B, T + 1, P), its pelvis at x = 0 at first as in `to_joints`: each
    predicted frame moves on from the true place of the pelvis in the frame before.
    """
    predicted_BTP = _in_metres(predicted_BTP, scale)
    before_BT = pelvis_x(_in_metres(motion_BTP, scale))[..., :-1]
    return place_at(predicted_BTP, before_BT + predicted_BTP[..., 2 * PELVIS])


def _in_metres(motion_BTP: Tensor, scale: Scale) -> Tensor:
    return motion_BTP * scale.std_P + scale.mean_P


def repeat_last(motion_BTP: Tensor, scale: Scale, given: int | None = None) -> Tensor:
    """Predict that every frame is the one before, standing still: (B, T, P), standardised.

    With `given` only that many frames are seen, and the last of them is held.
    """
    held_BTP = motion_BTP[..., _last_seen(motion_BTP, given), :].clone()
    held_BTP[..., 2 * PELVIS] = (-scale.mean_P / scale.std_P)[2 * PELVIS]
    return held_BTP


def constant_velocity(motion_BTP: Tensor, given: int | None = None) -> Tensor:
    """Predict that every joint goes on as between the two frames before: (B, T, P), standardised.

    The first frame is held to be at rest. With `given` only that many frames are seen, and the
    velocity of the last of them is kept.
    """
    last_T = _last_seen(motion_BTP, given)
    steps_T1 = (torch.arange(len(last_T), device=last_T.device) + 1 - last_T)[:, None]
    change_BTP = motion_BTP[..., last_T, :] - motion_BTP[..., (last_T - 1).clamp(min=0), :]
    change_BTP[..., 2 * PELVIS] = 0.0
    return motion_BTP[..., last_T, :] + steps_T1 * change_BTP


def _last_seen(motion_BTP: Tensor, given: int | None) -> Tensor:
    """Return for each of the frames 1 to T the last frame before it that is seen."""
    frames_T = torch.arange(motion_BTP.shape[-2] - 1, device=motion_BTP.device)
    return frames_T if given is None else frames_T.clamp(max=given - 1)


def joint_error_cm(predicted_BTJ2: Tensor, true_BTJ2: Tensor) -> Tensor:
    """Return the distance of the joints from the true ones, (B,), the mean of joints and frames.

    The pelvis is compared by its place, the others as seen from it: a figure that is only
    misplaced errs in one joint, not in ten.
    """
    return 100.0 * norm(_from_pelvis(predicted_BTJ2 - true_BTJ2)).mean((-2, -1))


def last_joint_error_cm(predicted_BTJ2: Tensor, true_BTJ2: Tensor) -> Tensor:
    """Return the joint error in the last frame, (B,)."""
    return joint_error_cm(predicted_BTJ2[..., -1:, :, :], true_BTJ2[..., -1:, :, :])


def generation_error_cm(predicted_BTJ2: Tensor, true_BTJ2: Tensor, frame: int) -> Tensor:
    """Return the mean distance of nine joints in one frame, (B,), all as seen from the pelvis.

    Both hold the same frames; `frame` counts in them, -1 being the last.
    """
    error_BJ2 = (predicted_BTJ2 - true_BTJ2)[..., frame, :, :]
    distance_BJ = norm(_from_pelvis(error_BJ2))
    return 100.0 * (distance_BJ.sum(-1) - distance_BJ[..., PELVIS]) / (len(JOINTS) - 1)


def jerk_cm(joints_BTJ2: Tensor) -> Tensor:
    """Return the mean norm of the third difference of the joints, (B,), in cm per frame^3.

    Joints are compared as in `joint_error_cm`.
    """
    jerk_BTJ2 = torch.diff(_from_pelvis(joints_BTJ2), n=3, dim=-3)
    return 100.0 * norm(jerk_BTJ2).mean((-2, -1))


def _from_pelvis(joints_BTJ2: Tensor) -> Tensor:
    """Return the place of the pelvis, and the other joints relative to it."""
    pelvis = joints_BTJ2[..., PELVIS : PELVIS + 1, :]
    relative = joints_BTJ2 - pelvis
    return torch.cat([relative[..., :PELVIS, :], pelvis, relative[..., PELVIS + 1 :, :]], dim=-2)


def limb_deviation(joints_BTJ2: Tensor, true_BTJ2: Tensor) -> Tensor:
    """Return by which share the limbs differ from their true mean length in the clip, (B,)."""
    true_B1L = limb_lengths(true_BTJ2).mean(-2, keepdim=True)
    return (limb_lengths(joints_BTJ2) / true_B1L - 1.0).abs().mean((-2, -1))


def ground_penetration_cm(joints_BTJ2: Tensor) -> Tensor:
    """Return how far the lowest joint is below the ground, (B,), the mean of all frames."""
    return 100.0 * (-joints_BTJ2[..., 1].amin(-1)).clamp(min=0.0).mean(-1)


def foot_slide_cm(joints_BTJ2: Tensor) -> Tensor:
    """Return how far a foot slides per frame while it touches the ground, (B,); 0 if none does.

    A foot touches it from one frame to the next if it is below `CONTACT_HEIGHT` in both.
    """
    feet_BTF2 = joints_BTJ2[..., list(FEET), :]
    low_BTF = feet_BTF2[..., 1] < CONTACT_HEIGHT
    contact_BTF = low_BTF[..., 1:, :] & low_BTF[..., :-1, :]
    slide_BTF = torch.diff(feet_BTF2[..., 0], dim=-2).abs() * contact_BTF
    return 100.0 * slide_BTF.sum((-2, -1)) / contact_BTF.sum((-2, -1)).clamp(min=1)


def action_accuracy(predicted_BT: Tensor, actions_BT: Tensor, last: int | None = None) -> Tensor:
    """Return the share of frames, or of the last ones, whose action is right, (B,)."""
    start = 0 if last is None else -last
    return (predicted_BT == actions_BT)[..., start:].float().mean(-1)


class Totals:
    """Collect values of clips and average them once, whatever the batches were."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self.values.clear()

    def update(self, values: dict[str, Tensor]) -> None:
        """Add one value per clip under each name."""
        for name, value_B in values.items():
            self.values.setdefault(name, []).append(value_B.detach())

    def means(
        self, names: list[str], device: torch.device, reduce: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """Return the mean of each name that any process has values of.

        `reduce` adds a tensor up across processes.
        """
        dtype = torch.float32 if device.type == "mps" else torch.float64
        both = torch.zeros(2, len(names), dtype=dtype, device=device)
        for column, name in enumerate(names):
            if name in self.values:
                value_N = torch.cat(self.values[name]).to(dtype)
                both[0, column], both[1, column] = value_N.sum(), len(value_N)
        sums, counts = reduce(both)
        pairs = zip(names, sums, counts, strict=True)
        return {name: total / count for name, total, count in pairs if count > 0}

"""What validation measures of each clip: one step ahead, and generated from a few frames.

Shapes: B clips, T frames, P numbers per pose, J joints. A batch holds T + 1 frames, a prediction
frames 1 to T.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ablate.systems.motion.data import MotionBatch
from ablate.systems.motion.metrics import (
    constant_velocity,
    foot_slide_cm,
    generation_error_cm,
    ground_penetration_cm,
    jerk_cm,
    joint_error_cm,
    last_joint_error_cm,
    limb_deviation,
    repeat_last,
    step_joints,
    to_joints,
)

GIVEN = 5
"""Frames that are given when a clip is generated."""
AHEAD = (5, 25)
"""Frames after the last given one at which a generated clip is compared with the true one."""
SHORTEST = GIVEN + 3
"""Frames that a clip needs: the given ones, and enough for a third difference."""


class Drawn(NamedTuple):
    """A clip to draw: the true joints and the generated ones, (T + 1, J, 2), and its caption."""

    truth_TJ2: Tensor
    generated_TJ2: Tensor
    caption: str


def step_values(pose_BTP: Tensor, batch: MotionBatch) -> dict[str, Tensor]:
    """Return the errors and the jerk of poses predicted one step ahead.

    Beside them are the errors of the baselines and the true jerk.
    """
    motion_BTP, scale = batch.motion_BTP, batch.scale
    true_BTJ2 = to_joints(motion_BTP, scale)[:, 1:]
    predictions = {
        "joint_error_cm": pose_BTP,
        "repeat_last_error_cm": repeat_last(motion_BTP, scale),
        "constant_velocity_error_cm": constant_velocity(motion_BTP),
    }
    joints = {
        name: step_joints(predicted_BTP, motion_BTP, scale)
        for name, predicted_BTP in predictions.items()
    }
    return {
        **{name: joint_error_cm(joints_BTJ2, true_BTJ2) for name, joints_BTJ2 in joints.items()},
        "last_joint_error_cm": last_joint_error_cm(joints["joint_error_cm"], true_BTJ2),
        "jerk_cm": jerk_cm(joints["joint_error_cm"]),
        "true_jerk_cm": jerk_cm(true_BTJ2),
    }


def generation_values(pose_BTP: Tensor, batch: MotionBatch) -> dict[str, Tensor]:
    """Return the errors and the physical plausibility of generated poses.

    The plausibility is that of the generated frames and the last given one; `true_gen_jerk_cm` is
    the true jerk of the same frames.
    """
    joints_BTJ2, true_BTJ2 = completed(pose_BTP, batch)
    frames = {f"gen_error_{ahead}_cm": GIVEN - 1 + ahead for ahead in AHEAD}
    reached = {name: frame for name, frame in frames.items() if frame < joints_BTJ2.shape[1]}
    errors = {
        name: generation_error_cm(joints_BTJ2, true_BTJ2, frame)
        for name, frame in {**reached, "gen_error_cm": -1}.items()
    }
    made_BTJ2, due_BTJ2 = joints_BTJ2[:, GIVEN - 1 :], true_BTJ2[:, GIVEN - 1 :]
    return {
        **errors,
        "gen_jerk_cm": jerk_cm(made_BTJ2),
        "true_gen_jerk_cm": jerk_cm(due_BTJ2),
        "limb_deviation": limb_deviation(made_BTJ2, due_BTJ2),
        "ground_penetration_cm": ground_penetration_cm(made_BTJ2),
        "foot_slide_cm": foot_slide_cm(made_BTJ2),
    }


def completed(pose_BTP: Tensor, batch: MotionBatch) -> tuple[Tensor, Tensor]:
    """Return the joints of the given frames with the generated ones after them, and the true."""
    motion_BTP = batch.motion_BTP[: len(pose_BTP)]
    whole_BTP = torch.cat([motion_BTP[:, :GIVEN], pose_BTP[:, GIVEN - 1 :]], 1)
    return to_joints(whole_BTP, batch.scale), to_joints(motion_BTP, batch.scale)


def to_draw(pose_BTP: Tensor, batch: MotionBatch) -> list[Drawn]:
    """Return the first clips of a batch with their generated poses."""
    made_BTJ2, due_BTJ2 = (joints_BTJ2.cpu() for joints_BTJ2 in completed(pose_BTP, batch))
    return [Drawn(*clip) for clip in zip(due_BTJ2, made_BTJ2, batch.captions, strict=False)]

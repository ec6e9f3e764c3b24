"""The stick figure: its joints, how angles place them, and the 20 numbers that a model sees.

Side view in metres, x to the right, y up, ground at y = 0, 25 frames per second. Dimensions:
B clips, T frames, J = 10 joints, A = 9 angles, P = 20 numbers.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float64]

FRAMES_PER_SECOND = 25

JOINTS = (
    "head",
    "pelvis",
    "left_elbow",
    "left_hand",
    "right_elbow",
    "right_hand",
    "left_knee",
    "left_foot",
    "right_knee",
    "right_foot",
)
HEAD, PELVIS = 0, 1
ELBOWS, HANDS, KNEES, FEET = (2, 4), (3, 5), (6, 8), (7, 9)

ANGLES = (
    "trunk",
    "left_shoulder",
    "left_elbow",
    "right_shoulder",
    "right_elbow",
    "left_hip",
    "left_knee",
    "right_hip",
    "right_knee",
)
"""Trunk, shoulders and hips are measured from the vertical, elbows and knees from their limb."""

TRUNK, NECK, UPPER_ARM, FOREARM, THIGH, SHANK = 0.52, 0.26, 0.30, 0.27, 0.43, 0.43
"""Lengths in metres of a figure of size 1; the neck reaches to the head."""

NUMBERS = 2 * len(JOINTS)


class Scale(NamedTuple):
    """Hold what makes the numbers of a data set comparable: statistics of its training clips.

    `mean_P` and `std_P` are those of each of the 20 numbers; `physics_std_3` are the standard
    deviations of velocity (m/s), acceleration (m/s^2) and momentum (kg m/s), x and y pooled.
    """

    mean_P: Tensor
    std_P: Tensor
    physics_std_3: Tensor


def place(angles_BTA: Floats, pelvis_x_BT: Floats, lift_BT: Floats, size_B1: Floats) -> Floats:
    """Return the joints, (B, T, J, 2), of figures whose lowest knee or foot is at height `lift`.

    Angles are in radians: 0 hangs down, or stands up for the trunk, positive is to the right.
    `size` multiplies all lengths.
    """
    lean_BT, *limbs = np.moveaxis(angles_BTA, -1, 0)
    up_BT2 = -_hanging(lean_BT)
    up_BT2[..., 0] *= -1
    neck_BT2 = TRUNK * up_BT2
    joints = [neck_BT2 + NECK * up_BT2, np.zeros_like(neck_BT2)]
    for start_BT2, upper, lower, first, second in (
        (neck_BT2, UPPER_ARM, FOREARM, limbs[0], limbs[1]),
        (neck_BT2, UPPER_ARM, FOREARM, limbs[2], limbs[3]),
        (joints[PELVIS], THIGH, SHANK, limbs[4], limbs[5]),
        (joints[PELVIS], THIGH, SHANK, limbs[6], limbs[7]),
    ):
        middle_BT2 = start_BT2 + upper * _hanging(first)
        joints += [middle_BT2, middle_BT2 + lower * _hanging(first + second)]
    joints_BTJ2 = np.stack(joints, axis=-2) * size_B1[..., None, None]
    lowest_BT = joints_BTJ2[..., [*KNEES, *FEET], 1].min(-1)
    joints_BTJ2[..., 0] += pelvis_x_BT[..., None]
    joints_BTJ2[..., 1] += (lift_BT - lowest_BT)[..., None]
    return joints_BTJ2


def _hanging(angle_BT: Floats) -> Floats:
    return np.stack([np.sin(angle_BT), -np.cos(angle_BT)], axis=-1)


def to_motion(joints_BTJ2: Tensor) -> Tensor:
    """Return the 20 numbers of each frame, (B, T, P): joint by joint, x before y.

    The pelvis gives its displacement in x since the frame before, 0 in the first frame, and its
    height; the other joints are relative to it.
    """
    pelvis_BT12 = joints_BTJ2[..., PELVIS : PELVIS + 1, :]
    motion_BTJ2 = joints_BTJ2 - pelvis_BT12
    x_BT = pelvis_BT12[..., 0, 0]
    motion_BTJ2[..., PELVIS, 0] = torch.diff(x_BT, dim=-1, prepend=x_BT[..., :1])
    motion_BTJ2[..., PELVIS, 1] = pelvis_BT12[..., 0, 1]
    return motion_BTJ2.flatten(-2)


def from_motion(motion_BTP: Tensor, start_x: Tensor | float = 0.0) -> Tensor:
    """Return the joints, (B, T, J, 2), of the 20 numbers; the inverse of `to_motion`.

    `start_x` is the x of the pelvis before the first frame: a number, or one for each clip, (B,).
    """
    return place_at(motion_BTP, pelvis_x(motion_BTP, start_x))


def pelvis_x(motion_BTP: Tensor, start_x: Tensor | float = 0.0) -> Tensor:
    """Return the x of the pelvis in each frame, (B, T), from its displacements."""
    start = torch.as_tensor(start_x, dtype=motion_BTP.dtype, device=motion_BTP.device)
    return start[..., None] + motion_BTP[..., 2 * PELVIS].cumsum(-1)


def place_at(motion_BTP: Tensor, pelvis_x_BT: Tensor) -> Tensor:
    """Return the joints, (B, T, J, 2), of figures whose pelvis is at the given x."""
    motion_BTJ2 = motion_BTP.reshape(*motion_BTP.shape[:-1], len(JOINTS), 2)
    pelvis_BT2 = torch.stack([pelvis_x_BT, motion_BTJ2[..., PELVIS, 1]], dim=-1)
    joints_BTJ2 = motion_BTJ2 + pelvis_BT2[..., None, :]
    joints_BTJ2[..., PELVIS, :] = pelvis_BT2
    return joints_BTJ2


def limb_lengths(joints_BTJ2: Tensor) -> Tensor:
    """Return the lengths in metres, (B, T, 9), of trunk with neck, and of both parts of each limb.

    The neck is no joint: it lies on the line from the pelvis to the head.
    """
    head_BT2, pelvis_BT2 = joints_BTJ2[..., HEAD, :], joints_BTJ2[..., PELVIS, :]
    neck_BT2 = pelvis_BT2 + (head_BT2 - pelvis_BT2) * (TRUNK / (TRUNK + NECK))
    limbs = [head_BT2 - pelvis_BT2]
    for start_BT2, joints in ((neck_BT2, ELBOWS + HANDS), (pelvis_BT2, KNEES + FEET)):
        for middle, end in ((joints[0], joints[2]), (joints[1], joints[3])):
            limbs.append(joints_BTJ2[..., middle, :] - start_BT2)
            limbs.append(joints_BTJ2[..., end, :] - joints_BTJ2[..., middle, :])
    return norm(torch.stack(limbs, dim=-2))


def norm(vectors_2: Tensor) -> Tensor:
    """Return the Euclidean norm over the last dimension."""
    norms: Tensor = torch.linalg.vector_norm(vectors_2, dim=-1)
    return norms

"""Tests of what the parts of the motion model are named for: None if it holds, else what is wrong.

Shapes: B clips, T frames, A actions, D the width of the model.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ablate.systems.motion.losses import Physics, physics_loss
from ablate.systems.motion.model import Inputs, MotionTransformer
from ablate.systems.motion.skeleton import ANGLES, PELVIS, from_motion, place, to_motion

FRAMES = 12
"""Frames of the clips tried."""
PADDING = 3
"""Positions put before a clip to see whether it matters where it begins."""

CLOSE = 1e-4
"""Difference up to which two values are the same, relative to the largest or to 1."""

CHANNELS = ("v_x", "v_y", "a_x", "a_y", "p_x", "p_y")
UNITS = ("m/s", "m/s", "m/s^2", "m/s^2", "kg m/s", "kg m/s")


def sample_inputs(network: MotionTransformer) -> Inputs:
    """Make the inputs of one clip of noise, the same every time."""
    a = network.architecture
    generator = torch.Generator().manual_seed(0)
    device = next(network.parameters()).device

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    actions_BT = torch.randint(0, a.num_actions, (1, FRAMES), generator=generator)
    return Inputs(
        text_BE=noise(1, a.embedding_dim),
        pose_BTP=noise(1, FRAMES, a.input_dim),
        actions_BT=actions_BT.to(device),
        camera_BT3=noise(1, FRAMES, 3),
        partner_BTP=noise(1, FRAMES, a.input_dim) if a.partner_conditioning else None,
    )


def labels_are_hidden(network: MotionTransformer) -> str | None:
    """Test that the actions predicted do not depend on the labels of the frames."""
    inputs = sample_inputs(network)
    other_BT = (inputs.actions_BT + 1) % network.architecture.num_actions
    before_BTA, after_BTA = (
        network.action_head(network.encode(seen))
        for seen in (inputs, replace(inputs, actions_BT=other_BT))
    )
    moved = _moved(before_BTA, after_BTA)
    if not moved:
        return None
    return (
        f"other action labels change the actions predicted for {moved} of {FRAMES} frames: the "
        "model is shown what it is to predict"
    )


def caption_is_visible(network: MotionTransformer) -> str | None:
    """Test that the caption, the first token, reaches every frame."""
    inputs = sample_inputs(network)
    before_BTD, after_BTD = (
        network.encode(seen) for seen in (inputs, replace(inputs, text_BE=-inputs.text_BE))
    )
    moved = _moved(before_BTD, after_BTD)
    if moved == FRAMES:
        return None
    return f"another caption changes nothing in {FRAMES - moved} of {FRAMES} frames"


def positions_are_relative(network: MotionTransformer) -> str | None:
    """Test that frames come out the same behind positions that nobody may attend to."""
    alone_BTD = network.motion(sample_inputs(network).pose_BTP)
    later_BTD = torch.nn.functional.pad(alone_BTD, (0, 0, PADDING, 0))
    keep_BS = torch.arange(later_BTD.shape[1], device=later_BTD.device)[None] >= PADDING
    for layer in network.layers:
        alone_BTD, later_BTD = layer(alone_BTD), layer(later_BTD, keep_BS)
    moved = _moved(alone_BTD, later_BTD[:, PADDING:])
    if not moved:
        return None
    return (
        f"{PADDING} positions later {moved} of {FRAMES} frames come out otherwise: attention "
        "depends on where frames are, not on how far apart they are"
    )


def numbers_give_back_the_joints() -> str | None:
    """Test that the 20 numbers of each frame hold all that forward kinematics has made."""
    rng = np.random.default_rng(0)
    angles_BTA = rng.uniform(-1.5, 1.5, (2, FRAMES, len(ANGLES)))
    x_BT, lift_BT = rng.normal(0.0, 0.05, (2, FRAMES)).cumsum(-1), rng.random((2, FRAMES))
    joints_BTJ2 = torch.from_numpy(place(angles_BTA, x_BT, lift_BT, rng.uniform(0.9, 1.1, (2, 1))))
    read_BTJ2 = from_motion(to_motion(joints_BTJ2), joints_BTJ2[:, 0, PELVIS, 0])
    gap = float((read_BTJ2 - joints_BTJ2).abs().max())
    if gap <= CLOSE:
        return None
    return f"joints read back from the numbers of a clip are up to {gap:.3g} m away"


def physics_is_least_at_the_truth(physics: Physics) -> str | None:
    """Test that the physics loss of a figure that stands still is least where all is zero."""
    truth_BT6 = torch.zeros(1, FRAMES, len(CHANNELS))
    airborne_BT = torch.zeros(1, FRAMES, dtype=torch.bool)

    def loss(predicted_BT6: Tensor) -> Tensor:
        return physics_loss(predicted_BT6, truth_BT6, airborne_BT, torch.ones(3), physics)

    with torch.enable_grad():
        guess_BT6 = truth_BT6.clone().requires_grad_()
        (slope_BT6,) = torch.autograd.grad(loss(guess_BT6), guess_BT6)
    slope_6 = slope_BT6.abs().amax((0, 1))
    if float(slope_6.max()) <= CLOSE:
        return None
    channel = int(slope_6.argmax())
    step_6 = torch.eye(len(CHANNELS))[channel]
    below, here, above = (float(loss(truth_BT6 + side * step_6)) for side in (-1, 0, 1))
    least = (below - above) / (2.0 * (below - 2.0 * here + above))
    return (
        f"for a figure that stands still the loss is {here:.3g} at the truth, "
        f"{CHANNELS[channel]} = 0, and least at {least:.3g} {UNITS[channel]}"
    )


def _moved(before_BTD: Tensor, after_BTD: Tensor) -> int:
    """Count the frames in which two outputs are not the same."""
    tolerance = CLOSE * max(1.0, float(before_BTD.abs().max()))
    return int(((before_BTD - after_BTD).abs() > tolerance).any(-1).sum())

"""The losses of the motion system, worked out by hand and by their minima."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ablate.systems.motion.generation import MASS_KG
from ablate.systems.motion.losses import (
    LossWeights,
    Physics,
    action_loss,
    physics_loss,
    pose_loss,
    temporal_loss,
)

STD = torch.tensor([1.25, 9.0, 80.0])
NOTHING = {"velocity": 0.0, "acceleration": 0.0, "momentum": 0.0, "consistency": 0.0}


def physics(
    predicted: Tensor,
    target: Tensor | None = None,
    airborne: Tensor | None = None,
    **options,
) -> float:
    """Return the physics loss of one clip; by default everything is at rest on the ground."""
    target = torch.zeros_like(predicted) if target is None else target
    airborne = torch.zeros(len(predicted), dtype=torch.bool) if airborne is None else airborne
    loss = physics_loss(predicted[None], target[None], airborne[None], STD, Physics(**options))
    return loss.item()


def frames(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def test_pose_loss_is_the_mean_over_frames_and_coordinates():
    predicted, target = torch.zeros(1, 2, 2), torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert pose_loss(predicted, target).item() == (1 + 4 + 9 + 16) / 4


def test_temporal_loss_sees_the_change_of_the_prediction_alone():
    predicted = torch.tensor([[[0.0, 0.0], [1.0, 2.0], [1.0, 5.0]]])
    assert temporal_loss(predicted).item() == (1 + 4 + 0 + 9) / 4
    assert temporal_loss(predicted + 100).item() == pytest.approx((1 + 4 + 0 + 9) / 4)


def test_temporal_loss_of_one_frame_is_zero():
    assert temporal_loss(torch.ones(2, 1, 4)).item() == 0


def test_action_loss_is_the_mean_over_frames():
    logits = torch.tensor([[[0.0, 0.0], [0.0, math.log(3)]]])
    loss = action_loss(logits, torch.tensor([[0, 1]])).item()
    assert loss == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


# Physics


def test_each_channel_counts_in_its_own_standard_deviations():
    target = frames([1.25, 0, 9.0, 0, 80.0, 0])
    alone = {name: physics(torch.zeros(1, 6), target, **{**NOTHING, name: 1.0}) for name in NOTHING}
    assert alone == {"velocity": 0.5, "acceleration": 0.5, "momentum": 0.5, "consistency": 0.0}
    assert physics(torch.zeros(1, 6), target) == pytest.approx(0.5 * (1.0 + 0.5 + 0.3))
    assert physics(target / STD.repeat_interleave(2), target) == 0


def test_consistency_asks_that_velocity_follows_acceleration():
    """From 1 to 2 m/s within 1/25 s takes 25 m/s^2."""
    steady = frames([1, 0, 25, 0, 0, 0], [2, 0, 0, 0, 0, 0]) / STD.repeat_interleave(2)
    options = {**NOTHING, "consistency": 1.0}
    assert physics(steady, **options) == pytest.approx(0, abs=1e-12)
    jump = frames([1, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]) / STD.repeat_interleave(2)
    assert physics(jump, **options) == pytest.approx(1 / 1.25**2 / 2)


def test_gravity_acts_in_the_air_only():
    still, options = torch.zeros(2, 6), {**NOTHING, "gravity": 1.0}
    assert physics(still, **options) == 0
    one = torch.tensor([False, True])
    assert physics(still, airborne=one, **options) == pytest.approx((9.81 / 9) ** 2)
    falling = frames([0, 0, 0, 5, 0, 0], [0, 0, 0, -9.81 / 9, 0, 0])
    assert physics(falling, airborne=one, **options) == pytest.approx(0, abs=1e-12)


def test_gravity_is_off_by_default():
    falling = torch.zeros(2, 6)
    assert physics(falling, airborne=torch.ones(2, dtype=torch.bool)) == 0


def test_the_legacy_formula_wants_standing_figures_to_fall():
    """(a/1)^2 / 6 + (a + 9.8)^2 / 10 is least, 6.0, at a = -3.675."""

    def loss(acceleration: float) -> float:
        predicted = torch.zeros(1, 6)
        predicted[0, 3] = acceleration / 9.0
        return physics(predicted, variant="legacy")

    assert loss(-3.675) == pytest.approx(6.0025)
    assert min((-3.8, -3.675, -3.5, 0.0), key=loss) == -3.675


def test_the_legacy_formula_by_hand():
    predicted = frames([1, 2, 3, 4, 5 * MASS_KG, 6 * MASS_KG], [2, 2, 3, 4, 7 * MASS_KG, 0])
    by_hand = (1 + 4 + 9 + 16 + 25 + 36 + 4 + 4 + 9 + 16 + 49 + 0) / 12
    by_hand += 0.1 * (4 + 9.8) ** 2
    by_hand += 0.1 * (2**2 + 6**2)
    by_hand += 0.2 * ((1 - 3 / 25) ** 2 + (0 - 4 / 25) ** 2)
    found = physics(predicted / STD.repeat_interleave(2), variant="legacy")
    assert found == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("variant", ["standardised", "legacy"])
def test_one_frame_has_a_finite_physics_loss(variant):
    assert math.isfinite(physics(torch.ones(1, 6), variant=variant))


# Weights


@pytest.mark.parametrize("weights", [LossWeights, Physics])
@given(value=st.floats(allow_nan=True))
def test_weights_are_finite_and_not_negative(weights, value):
    names = [name for name in weights.__dataclass_fields__ if name != "variant"]
    for name in names:
        found = weights(**{name: value}).violations()
        assert bool(found) is not (0 <= value < math.inf)
        assert all(f".{name} must be" in message for message in found)


def test_every_wrong_weight_is_named():
    found = LossWeights(pose=-1.0, action=math.nan).violations()
    assert [message.split()[0] for message in found] == ["weights.pose", "weights.action"]


def test_the_legacy_variant_takes_no_weights_that_it_would_not_read():
    assert Physics(variant="legacy").violations() == []
    (message,) = Physics(variant="legacy", velocity=2.0).violations()
    assert message == "physics.velocity is not read by the legacy variant: leave it at 1.0"

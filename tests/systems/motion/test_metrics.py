"""What each metric of motion measures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ablate.systems.motion.generation import clips
from ablate.systems.motion.metrics import (
    Totals,
    action_accuracy,
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
from ablate.systems.motion.skeleton import FEET, JOINTS, PELVIS, Scale, to_motion

HAND = JOINTS.index("left_hand")


@pytest.fixture(scope="module")
def joints():
    """Real clips whose pelvis starts at x = 0."""
    made = torch.from_numpy(clips(0, range(400), 51).joints_NTJ2)
    made[..., 0] -= made[:, :1, PELVIS : PELVIS + 1, 0]
    return made


@pytest.fixture(scope="module")
def scale(joints):
    motion = to_motion(joints)
    return Scale(motion.mean((0, 1)), motion.std((0, 1)), torch.ones(3))


@pytest.fixture(scope="module")
def motion(joints, scale):
    return (to_motion(joints) - scale.mean_P) / scale.std_P


def moved(joints, joint, dx, dy, frame=slice(None)):
    changed = joints.clone()
    changed[:, frame, joint] += torch.tensor([dx, dy])
    return changed


# Joints from standardised motion


def test_standardised_motion_turns_back_into_metres_wherever_it_starts(joints, motion, scale):
    torch.testing.assert_close(to_joints(motion, scale), joints, atol=1e-5, rtol=0)
    starts = torch.arange(len(joints)) / 100
    there = to_joints(motion, scale, starts)
    torch.testing.assert_close(there[..., 1], joints[..., 1], atol=1e-5, rtol=0)
    shift = (there - joints)[..., 0]
    torch.testing.assert_close(shift, starts[:, None, None].expand_as(shift), atol=1e-5, rtol=0)


def test_a_step_moves_on_from_the_true_place(joints, motion, scale):
    steps = step_joints(motion[:, 1:], motion, scale)
    torch.testing.assert_close(steps, joints[:, 1:], atol=1e-5, rtol=0)
    further = motion[:, 1:].clone()
    further[..., 2 * PELVIS] += 0.1 / scale.std_P[2 * PELVIS]
    shift = step_joints(further, motion, scale) - joints[:, 1:]
    expected = torch.tensor([0.1, 0.0]).expand_as(shift)
    torch.testing.assert_close(shift, expected, atol=1e-5, rtol=0)


# Baselines


def test_repeating_the_last_frame_stands_still(joints, motion, scale):
    repeated = step_joints(repeat_last(motion, scale), motion, scale)
    torch.testing.assert_close(repeated, joints[:, :-1], atol=1e-5, rtol=0)


def test_holding_the_last_given_frame_stands_still_from_there(joints, motion, scale):
    held = to_joints(repeat_last(motion, scale, 5), scale)
    late = held[:, 4:] - held[:, 4:5, PELVIS : PELVIS + 1] * torch.tensor([1.0, 0.0])
    given = joints[:, 4] - joints[:, 4, PELVIS : PELVIS + 1] * torch.tensor([1.0, 0.0])
    torch.testing.assert_close(late, given[:, None].expand_as(late), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        repeat_last(motion, scale, 5)[:, :5], repeat_last(motion, scale)[:, :5]
    )


def test_constant_velocity_goes_on_as_before_and_starts_at_rest(joints, motion, scale):
    predicted = step_joints(constant_velocity(motion), motion, scale)
    torch.testing.assert_close(predicted[:, 0], joints[:, 0], atol=1e-5, rtol=0)
    expected = 2 * joints[:, 1:-1] - joints[:, :-2]
    torch.testing.assert_close(predicted[:, 1:], expected, atol=2e-5, rtol=0)


def test_constant_velocity_of_a_few_given_frames_never_ends(joints, motion, scale):
    predicted = constant_velocity(motion, 5)
    torch.testing.assert_close(predicted[:, :5], constant_velocity(motion)[:, :5])
    path = to_joints(predicted, scale, joints[:, 0, PELVIS, 0])
    speed = torch.diff(path[:, 4:], dim=1)
    expected = (joints[:, 4] - joints[:, 3])[:, None].expand_as(speed)
    torch.testing.assert_close(speed, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("given", [1, 3, 7])
def test_baselines_do_not_see_what_comes_later(motion, scale, given):
    later = motion.clone()
    later[:, given:] = 9.0
    for predict in (
        lambda motion: repeat_last(motion, scale, given),
        lambda motion: constant_velocity(motion, given),
        lambda motion: repeat_last(motion, scale)[:, :given],
        lambda motion: constant_velocity(motion)[:, :given],
    ):
        torch.testing.assert_close(predict(later), predict(motion))


def test_the_baselines_on_real_clips_are_a_few_centimetres(joints, motion, scale):
    true = joints[:, 1:]
    held = to_joints(repeat_last(motion, scale, 5), scale)
    figures = {
        "repeat": joint_error_cm(step_joints(repeat_last(motion, scale), motion, scale), true),
        "velocity": joint_error_cm(step_joints(constant_velocity(motion), motion, scale), true),
        "held 5": generation_error_cm(held, true, 8),
        "held 25": generation_error_cm(held, true, 28),
        "jerk": jerk_cm(true),
    }
    bounds = {
        "repeat": (3.0, 4.5),
        "velocity": (2.3, 3.5),
        "held 5": (10.0, 15.0),
        "held 25": (14.0, 23.0),
        "jerk": (3.0, 4.5),
    }
    for name, value_B in figures.items():
        low, high = bounds[name]
        assert low < value_B.mean() < high, name


# Errors


def test_a_displaced_hand_counts_its_distance_over_ten_joints(joints):
    other = moved(joints, HAND, 0.03, -0.04)
    torch.testing.assert_close(joint_error_cm(other, joints), torch.full((400,), 0.5))
    error = generation_error_cm(other, joints, 3)
    torch.testing.assert_close(error, torch.full((400,), 5.0 / 9))


def test_a_misplaced_figure_errs_in_its_pelvis_alone(joints):
    other = moved(joints, slice(None), 0.1, 0.0)
    errors = joint_error_cm(other, joints)
    torch.testing.assert_close(errors, torch.full((400,), 1.0), atol=1e-4, rtol=0)
    generated = generation_error_cm(other, joints, -1)
    torch.testing.assert_close(generated, torch.zeros(400), atol=1e-4, rtol=0)


def test_a_displaced_pelvis_is_seen_from_itself_to_move_all_other_joints(joints):
    other = moved(joints, PELVIS, 0.0, 0.1)
    torch.testing.assert_close(joint_error_cm(other, joints), torch.full((400,), 10.0))
    torch.testing.assert_close(generation_error_cm(other, joints, 0), torch.full((400,), 10.0))


def test_errors_of_one_frame_look_at_that_frame(joints):
    other = moved(joints, HAND, 0.0, 0.1, frame=-1)
    torch.testing.assert_close(last_joint_error_cm(other, joints), torch.full((400,), 1.0))
    torch.testing.assert_close(joint_error_cm(other, joints), torch.full((400,), 1.0 / 51))
    assert generation_error_cm(other, joints, -2).max() == 0.0
    torch.testing.assert_close(generation_error_cm(other, joints, -1), torch.full((400,), 10 / 9))


figures = arrays.arrays(np.float64, (2, 4, 10, 2), elements=st.floats(-3.0, 3.0))


@given(figures, figures)
def test_errors_are_zero_for_the_truth_and_the_same_both_ways(one, other):
    one, other = torch.from_numpy(one), torch.from_numpy(other)
    assert joint_error_cm(one, one).tolist() == [0.0, 0.0]
    torch.testing.assert_close(joint_error_cm(one, other), joint_error_cm(other, one))
    torch.testing.assert_close(
        generation_error_cm(one, other, 2), generation_error_cm(other, one, 2)
    )


# Physical checks


def test_jerk_is_the_third_difference():
    frames = torch.arange(8.0)
    still = torch.zeros(1, 8, 10, 2)
    path = still.clone()
    path[..., 0] = (0.5 * frames**2 - frames)[None, :, None]
    assert jerk_cm(path).item() == pytest.approx(0.0, abs=1e-3)
    swinging = still.clone()
    swinging[:, :, HAND, 1] = frames**3 / 100
    assert jerk_cm(swinging).item() == pytest.approx(6.0 / 10, rel=1e-3)
    together = still + (frames**3 / 100)[None, :, None, None] * torch.tensor([0.0, 1.0])
    assert jerk_cm(together).item() == pytest.approx(6.0 / 10, rel=1e-3)


def test_limb_deviation_is_the_share_by_which_limbs_are_too_long(joints):
    about = joints[:, :1, PELVIS : PELVIS + 1]
    noise = limb_deviation(joints, joints)
    assert 0.002 < noise.mean() < 0.02
    longer = limb_deviation(1.2 * (joints - about) + about, joints)
    assert longer.mean() == pytest.approx(0.2, abs=2e-3)
    shorter = limb_deviation(0.8 * (joints - about) + about, joints)
    assert shorter.mean() == pytest.approx(0.2, abs=2e-3)


def test_ground_penetration_is_the_depth_of_the_deepest_joint():
    joints = torch.ones(1, 4, 10, 2)
    assert ground_penetration_cm(joints).item() == 0.0
    joints[0, 0, FEET[0], 1], joints[0, 0, HAND, 1] = -0.02, -0.06
    joints[0, 3, HAND, 1] = -0.02
    assert ground_penetration_cm(joints).item() == pytest.approx(2.0)


def test_a_foot_slides_only_while_it_touches_the_ground():
    joints = torch.ones(1, 4, 10, 2)
    assert foot_slide_cm(joints).item() == 0.0
    left, right = FEET
    joints[0, :, left] = torch.tensor([[0.0, 0.01], [0.05, 0.01], [0.5, 0.2], [0.9, 0.0]])
    assert foot_slide_cm(joints).item() == pytest.approx(5.0)
    joints[0, :, right] = torch.tensor([[0.0, 0.0], [0.0, 0.0], [-0.01, 0.0], [-0.01, 0.0]])
    assert foot_slide_cm(joints).item() == pytest.approx((5.0 + 1.0) / 4)


def test_action_accuracy_is_the_share_of_frames_or_of_the_last_ones():
    predicted = torch.tensor([[1, 1, 2, 2], [3, 3, 3, 3]])
    actions = torch.tensor([[1, 2, 2, 2], [3, 3, 0, 3]])
    assert action_accuracy(predicted, actions).tolist() == [0.75, 0.75]
    assert action_accuracy(predicted, actions, 2).tolist() == [1.0, 0.5]
    assert action_accuracy(predicted, actions, 9).tolist() == [0.75, 0.75]


# Totals


@given(
    st.lists(
        st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=4), min_size=1, max_size=5
    )
)
def test_a_mean_does_not_depend_on_the_batches(batches):
    totals = Totals()
    for batch in batches:
        totals.update({"error": torch.tensor(batch)})
    values = [value for batch in batches for value in batch]
    means = totals.means(["error", "absent"], torch.device("cpu"), lambda sums: sums)
    assert means.keys() == {"error"}
    assert means["error"].item() == pytest.approx(np.mean(values), abs=1e-6)
    totals.clear()
    assert totals.means(["error"], torch.device("cpu"), lambda sums: sums) == {}


def test_means_are_taken_across_processes():
    totals = Totals()
    totals.update({"error": torch.tensor([1.0, 2.0])})
    other = torch.tensor([[9.0, 4.0], [2.0, 1.0]], dtype=torch.float64)
    means = totals.means(["error", "elsewhere"], torch.device("cpu"), lambda sums: sums + other)
    assert {name: value.item() for name, value in means.items()} == {"error": 3.0, "elsewhere": 4.0}

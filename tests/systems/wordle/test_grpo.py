"""Advantages, ratios and the KL, by hand on small cases."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.wordle.grpo import (
    Temperature,
    advantages,
    equal_groups,
    kl_terms,
    masked_mean,
    policy_terms,
)

finite = st.floats(-20, 20)
groups = st.lists(st.lists(finite, min_size=4, max_size=4), min_size=1, max_size=5)


def test_of_two_completions_a_scaled_advantage_forgets_the_rewards():
    reward_PG = torch.tensor([[1.0, 4.0], [0.0, 0.2], [2.0, 2.0]])
    scaled = advantages(reward_PG, "group")
    assert scaled[0].tolist() == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)], abs=1e-3)
    assert scaled[1].tolist() == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)], abs=1e-3)
    assert scaled[2].tolist() == [0, 0]
    assert advantages(reward_PG, "none").tolist() == [
        pytest.approx([-1.5, 1.5]),
        pytest.approx([-0.1, 0.1]),
        [0, 0],
    ]


def test_scaled_by_the_batch_groups_keep_their_proportions():
    reward_PG = torch.tensor([[1.0, 4.0], [0.0, 0.2]])
    unscaled, scaled = (advantages(reward_PG, scale) for scale in ("none", "batch"))
    assert torch.allclose(scaled * (reward_PG.std() + 1e-4), unscaled)


@pytest.mark.parametrize("scale", ["none", "group", "batch"])
@given(groups)
def test_the_advantages_of_a_group_add_up_to_nothing_and_are_finite(scale, rewards):
    found = advantages(torch.tensor(rewards), scale)
    assert found.isfinite().all()
    assert float(found.sum(1).abs().max()) < 1e-2


@pytest.mark.parametrize("scale", ["none", "group", "batch"])
def test_of_a_single_completion_nothing_can_be_said(scale):
    assert advantages(torch.tensor([[3.0]]), scale).tolist() == [[0]]


def test_groups_of_equal_rewards_are_counted():
    assert equal_groups(torch.tensor([[1.0, 1.0], [1.0, 2.0], [0.0, 0.0], [3.0, 2.0]])) == 0.5


@given(st.lists(st.floats(-1e30, 0), min_size=1), st.floats(-1e30, 0))
def test_the_kl_estimate_is_finite_and_never_negative(logs, reference):
    log_T = torch.tensor(logs)
    terms = kl_terms(log_T, torch.full_like(log_T, reference), 10.0)
    assert terms.isfinite().all()
    assert float(terms.min()) >= -1e-6


def test_the_kl_estimate_is_exp_d_minus_d_minus_one():
    terms = kl_terms(torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-1.0, -1.0, -100.0]), 10.0)
    assert terms.tolist() == pytest.approx([0, math.e - 2, math.exp(-10) + 9], abs=1e-5)


def test_on_policy_the_loss_is_zero_while_its_gradient_is_not():
    log_NT = torch.tensor([[-1.0, -2.0], [-0.5, -0.5]], requires_grad=True)
    terms = policy_terms(log_NT, log_NT.detach(), torch.tensor([0.7, -0.7]), 0.2)
    loss = masked_mean(terms, torch.ones(2, 2, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0
    assert log_NT.grad is not None
    assert log_NT.grad.tolist() == [
        pytest.approx([-0.175, -0.175]),
        pytest.approx([0.175, 0.175]),
    ]


@pytest.mark.parametrize(
    ("ratio", "advantage", "term"),
    [(1.5, 1.0, -1.2), (0.5, 1.0, -0.5), (1.5, -1.0, 1.5), (0.5, -1.0, 0.8), (1.1, 1.0, -1.1)],
)
def test_a_ratio_counts_within_the_clip_unless_it_makes_matters_worse(ratio, advantage, term):
    log_NT = torch.tensor([[math.log(ratio)]])
    found = policy_terms(log_NT, torch.zeros(1, 1), torch.tensor([advantage]), 0.2)
    assert found.item() == pytest.approx(term)


@pytest.mark.parametrize(
    ("schedule", "progress", "value"),
    [
        (Temperature(1.0, 0.3, 0.3), 0.0, 1.0),
        (Temperature(1.0, 0.3, 0.3), 0.15, 0.65),
        (Temperature(1.0, 0.3, 0.3), 0.3, 0.3),
        (Temperature(1.0, 0.3, 0.3), 1.0, 0.3),
        (Temperature(0.7, 0.4, 0.4), 0.2, 0.55),
        (Temperature(0.3, 0.1, 1.0), 0.5, 0.2),
        (Temperature(), 0.7, 1.0),
    ],
)
def test_the_temperature_falls_in_a_line_and_then_stays(schedule, progress, value):
    assert schedule.at(progress) == pytest.approx(value)

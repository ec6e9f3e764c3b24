"""Refinement by diffusion: its algebra, its U-Net, and what it does to a clip."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.systems.motion.diffusion import (
    Diffusion,
    Refiner,
    UNet,
    add_noise,
    denoise,
    signal,
)

NANO = Diffusion(steps=40, widths=(8, 16), start=0.2, refine_steps=4)


def clips(count: int = 3, frames: int = 13, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, frames, 20, generator=torch.Generator().manual_seed(seed))


def refiner(diffusion: Diffusion = NANO) -> Refiner:
    torch.manual_seed(0)
    return Refiner(20, diffusion)


@given(steps=st.integers(21, 2000))
def test_signal_falls_from_one_to_almost_nothing(steps):
    share = signal(steps)
    assert len(share) == steps + 1
    assert share[0] == 1
    assert bool((share.diff() < 0).all())
    assert 0 <= share[-1] < 1e-3


def test_signal_of_a_thousand_steps_is_the_published_one():
    share = signal(1000).double()
    betas = 1 - share[1:] / share[:-1]
    assert betas[0].item() == pytest.approx(1e-4, rel=1e-2)
    assert betas[-1].item() == pytest.approx(0.02, rel=1e-3)


@given(share=st.floats(0.01, 1.0), lower=st.floats(0.01, 1.0))
def test_a_denoising_step_with_the_true_noise_is_exact(share, lower):
    share, lower = torch.tensor(share).double(), torch.tensor(lower).double()
    clean, noise = clips(seed=1).double(), clips(seed=2).double()
    found = denoise(add_noise(clean, noise, share), noise, share, lower)
    assert torch.allclose(found, add_noise(clean, noise, lower), atol=1e-9)


@pytest.mark.parametrize("refine_steps", [1, 3, 8])
def test_refining_with_the_true_noise_gives_the_clip_back(refine_steps, monkeypatch):
    model = refiner(replace(NANO, refine_steps=refine_steps))
    clip, noise = clips(seed=1), clips(seed=2)
    monkeypatch.setattr(model, "noise", lambda *_: noise)
    assert torch.allclose(model.refine(clip, noise), clip, atol=1e-5)


def test_refining_goes_down_the_levels_from_the_start_to_none(monkeypatch):
    model, levels = refiner(replace(NANO, start=0.5, refine_steps=4)), []

    def spy(noisy, predicted, level):
        levels.append(level.unique().item())
        return torch.zeros_like(noisy)

    monkeypatch.setattr(model, "noise", spy)
    model.refine(clips(), clips())
    assert levels == [20, 15, 10, 5]


def test_the_prediction_stands_beside_the_noisy_poses():
    model, level = refiner(), torch.full((3,), 5)
    noisy = clips(seed=1)
    one, other = (model.noise(noisy, clips(seed=seed), level) for seed in (2, 3))
    assert not torch.equal(one, other)


@settings(max_examples=10, deadline=None)
@given(frames=st.integers(1, 30), widths=st.lists(st.sampled_from([8, 16]), min_size=1, max_size=3))
def test_the_unet_takes_clips_of_any_length(frames, widths):
    unet = UNet(40, 20, tuple(widths))
    assert unet(torch.zeros(2, 40, frames), torch.tensor([1, 2])).shape == (2, 20, frames)


def test_the_unet_knows_the_noise_level():
    unet, x = UNet(40, 20, (8,)), torch.randn(1, 40, 8)
    assert not torch.equal(unet(x, torch.tensor([1])), unet(x, torch.tensor([9])))


def test_the_loss_is_the_error_of_the_noise_and_reaches_the_prediction(monkeypatch):
    model, predicted = refiner(), clips(seed=2).requires_grad_()
    model.loss(clips(), predicted).backward()
    assert predicted.grad.abs().sum() > 0
    monkeypatch.setattr(model, "noise", lambda noisy, *_: torch.zeros_like(noisy))
    losses = torch.stack([model.loss(clips(50), clips(50)) for _ in range(10)])
    assert losses.mean().item() == pytest.approx(1, abs=0.05)


def test_the_loss_covers_every_level_but_the_clean_one(monkeypatch):
    model, seen = refiner(), set()

    def spy(noisy, predicted, level):
        seen.update(level.tolist())
        return torch.zeros_like(noisy)

    monkeypatch.setattr(model, "noise", spy)
    for _ in range(20):
        model.loss(clips(50), clips(50))
    assert seen == set(range(1, 41))


def test_a_trained_refiner_brings_a_clip_nearer_to_what_is_true():
    """True clips are constant in time; the prediction is one with noise."""
    torch.manual_seed(0)
    model = Refiner(2, Diffusion(steps=40, widths=(32,), refine_steps=3))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(5)

    def pair(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        truth = torch.randn(count, 1, 2, generator=generator).expand(-1, 8, -1)
        return truth, truth + 0.5 * torch.randn(count, 8, 2, generator=generator)

    for _ in range(150):
        loss = model.loss(*pair(64))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    truth, predicted = pair(256)
    with torch.no_grad():
        refined = model.refine(predicted, torch.randn(predicted.shape, generator=generator))
    error, before = (refined - truth).square().mean(), (predicted - truth).square().mean()
    assert error < 0.5 * before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weight": 0.0},
            "diffusion.weight must be positive, not 0.0; "
            "to train without diffusion set diffusion to null",
        ),
        ({"steps": 20}, "diffusion.steps must be more than 20, not 20"),
        ({"widths": (8, 12)}, "diffusion.widths must be multiples of 8, not (8, 12)"),
        ({"widths": ()}, "diffusion.widths must be multiples of 8, not ()"),
        ({"start": 0.0}, "diffusion.start must be in (0, 1], not 0.0"),
        (
            {"refine_steps": 9},
            "diffusion.refine_steps must be in 1..8 (start x steps), not 9",
        ),
    ],
)
def test_options_that_do_not_hold_are_named(changes, message):
    assert NANO.violations() == []
    assert replace(NANO, **changes).violations() == [message]

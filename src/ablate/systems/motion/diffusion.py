"""Refine a predicted clip by diffusion: add a little noise, and denoise with a U-Net over time.

The U-Net learns the noise on true poses, with the transformer's poses beside them, and sees a whole
clip at once. Shapes: B clips, T frames, P numbers per pose, C channels, N noise levels.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ablate.systems.motion.model import sinusoids

GROUPS = 8
TIME_WIDTH = 64
BETAS = (1e-4, 0.02)
"""First and last variance of the noise added per step when there are 1000 steps."""


@dataclass(frozen=True)
class Diffusion:
    """How clips are refined.

    Args:
        weight: What the noise's squared error is multiplied by in the loss.
        steps: Noise levels that the U-Net learns.
        widths: Channels of the U-Net at each level of resolution, multiples of 8.
        start: Share of the levels from which a clip is denoised.
        refine_steps: Denoising steps from there.
    """

    weight: float = 0.1
    steps: int = 100
    widths: tuple[int, ...] = (32, 64)
    start: float = 0.2
    refine_steps: int = 10

    @property
    def start_level(self) -> int:
        """The noise level from which a clip is denoised."""
        return round(self.start * self.steps)

    def violations(self) -> list[str]:
        """Say of every value that does not hold what is wrong."""
        found = []
        if not 0 < self.weight < math.inf:
            found.append(
                f"diffusion.weight must be positive, not {self.weight}; "
                "to train without diffusion set diffusion to null"
            )
        if self.steps <= 1000 * BETAS[1]:
            found.append(f"diffusion.steps must be more than 20, not {self.steps}")
        if not self.widths or any(width < 1 or width % GROUPS for width in self.widths):
            found.append(f"diffusion.widths must be multiples of {GROUPS}, not {self.widths}")
        if not 0 < self.start <= 1:
            found.append(f"diffusion.start must be in (0, 1], not {self.start}")
        elif not 1 <= self.refine_steps <= self.start_level:
            found.append(
                f"diffusion.refine_steps must be in 1..{self.start_level} (start x steps), "
                f"not {self.refine_steps}"
            )
        return found


class Refiner(nn.Module):
    """A denoising U-Net, its loss and its use (Ho et al. 2020; Song et al. 2021 with eta 0)."""

    signal_N: Tensor

    def __init__(self, input_dim: int, diffusion: Diffusion) -> None:
        super().__init__()
        self.diffusion = diffusion
        self.unet = UNet(2 * input_dim, input_dim, diffusion.widths)
        self.register_buffer("signal_N", signal(diffusion.steps), persistent=False)

    def loss(self, clean_BTP: Tensor, predicted_BTP: Tensor) -> Tensor:
        """Return the mean squared error of the noise found in true poses at random levels."""
        level_B = torch.randint(1, len(self.signal_N), (len(clean_BTP),)).to(clean_BTP.device)
        noise_BTP = torch.randn_like(clean_BTP)
        noisy_BTP = add_noise(clean_BTP, noise_BTP, self.signal_N[level_B, None, None])
        found_BTP = self.noise(noisy_BTP, predicted_BTP, level_B)
        return functional.mse_loss(found_BTP, noise_BTP)

    def refine(self, predicted_BTP: Tensor, noise_BTP: Tensor) -> Tensor:
        """Noise a predicted clip up to the start level with the given noise, and denoise it."""
        start, steps = self.diffusion.start_level, self.diffusion.refine_steps
        levels = torch.linspace(start, 0, steps + 1).round().long().tolist()
        x_BTP = add_noise(predicted_BTP, noise_BTP, self.signal_N[start])
        for level, lower in pairwise(levels):
            level_B = torch.full((len(x_BTP),), level, device=x_BTP.device)
            found_BTP = self.noise(x_BTP, predicted_BTP, level_B)
            x_BTP = denoise(x_BTP, found_BTP, self.signal_N[level], self.signal_N[lower])
        return x_BTP

    def noise(self, noisy_BTP: Tensor, predicted_BTP: Tensor, level_B: Tensor) -> Tensor:
        """Find the noise in poses at a level; the transformer's poses tell what is meant."""
        x_BCT = torch.cat([noisy_BTP, predicted_BTP], -1).transpose(1, 2)
        out: Tensor = self.unet(x_BCT, level_B).transpose(1, 2)
        return out


def signal(steps: int) -> Tensor:
    """Return the share of variance that is signal at levels 0..steps: 1, then falling.

    Variances of the noise per step rise linearly, scaled by 1000 / steps.
    """
    first, last = (beta * 1000 / steps for beta in BETAS)
    kept = 1 - torch.linspace(first, last, steps, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), kept.cumprod(0)]).float()


def add_noise(clean: Tensor, noise: Tensor, share: Tensor) -> Tensor:
    """Return the mixture in which `share` of the variance is signal."""
    return share.sqrt() * clean + (1 - share).sqrt() * noise


def denoise(noisy: Tensor, noise: Tensor, share: Tensor, lower: Tensor) -> Tensor:
    """Go from one level to a lower one with the same noise (Song et al. 2021, equation 12)."""
    clean = (noisy - (1 - share).sqrt() * noise) / share.sqrt()
    return add_noise(clean, noise, lower)


class UNet(nn.Module):
    """Convolutions over time at halving resolutions, joined to the doubling ones beside them."""

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.time = nn.Sequential(
            nn.Linear(TIME_WIDTH, TIME_WIDTH), nn.SiLU(), nn.Linear(TIME_WIDTH, TIME_WIDTH)
        )
        before = (widths[0], *widths)
        self.first = nn.Conv1d(inputs, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(map(ResidualBlock, before, widths))
        self.halves = nn.ModuleList(nn.Conv1d(w, w, 4, 2, 1) for w in widths)
        self.middle = nn.ModuleList(ResidualBlock(widths[-1], widths[-1]) for _ in range(2))
        self.doubles = nn.ModuleList(nn.ConvTranspose1d(w, w, 4, 2, 1) for w in widths)
        self.decoders = nn.ModuleList(
            ResidualBlock(2 * w, less) for less, w in zip(before, widths, strict=False)
        )
        self.last = nn.Sequential(
            nn.GroupNorm(GROUPS, widths[0]), nn.SiLU(), nn.Conv1d(widths[0], outputs, 3, padding=1)
        )

    def forward(self, x_BCT: Tensor, level_B: Tensor) -> Tensor:
        """Map clips of any length, (B, inputs, T), to (B, outputs, T)."""
        length = x_BCT.shape[-1]
        padding = -length % 2 ** len(self.halves)
        h_BCT = self.first(functional.pad(x_BCT, (0, padding)))
        time_BC = self.time(sinusoids(level_B, TIME_WIDTH).to(x_BCT))
        skips = []
        for encoder, halve in zip(self.encoders, self.halves, strict=True):
            h_BCT = encoder(h_BCT, time_BC)
            skips.append(h_BCT)
            h_BCT = halve(h_BCT)
        for block in self.middle:
            h_BCT = block(h_BCT, time_BC)
        for decoder, double in reversed(list(zip(self.decoders, self.doubles, strict=True))):
            h_BCT = decoder(torch.cat([double(h_BCT), skips.pop()], 1), time_BC)
        out: Tensor = self.last(h_BCT)[..., :length]
        return out


class ResidualBlock(nn.Module):
    """Two normalised convolutions, shifted by the noise level in between, around a residual."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv1d(inputs, outputs, 3, padding=1)
        )
        self.time = nn.Linear(TIME_WIDTH, outputs)
        self.leave = nn.Sequential(
            nn.GroupNorm(GROUPS, outputs), nn.SiLU(), nn.Conv1d(outputs, outputs, 3, padding=1)
        )
        self.past = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x_BCT: Tensor, time_BC: Tensor) -> Tensor:
        """Map (B, inputs, T) to (B, outputs, T)."""
        h_BCT = self.enter(x_BCT) + self.time(time_BC)[..., None]
        out: Tensor = self.past(x_BCT) + self.leave(h_BCT)
        return out

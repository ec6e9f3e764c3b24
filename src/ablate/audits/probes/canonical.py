"""Weights that depend on the order and the shapes of parameters alone."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from ablate.run.randomness import seed_all


class Canonical(Callback):
    """Gives a module weights that depend on its parameters' order and shapes alone.

    Training starts from them. The weights are given again before the `still`-th step and before
    every validation from there on; then dropout and batch statistics stand still.
    """

    def __init__(self, number: int = 1, *, still: int | None = None, seed: int = 0) -> None:
        self._number = number
        self._still = still
        self._seed = seed
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Give the weights, and the random numbers that follow."""
        self._step = 0
        self._give(pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Give the weights again where the module is to stand still."""
        self._step += 1
        if self._step == self._still:
            self._give(pl_module)
            freeze(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Give the weights again, unless training goes on."""
        if self._still is None or self._step >= self._still:
            self._give(pl_module)

    def _give(self, module: LightningModule) -> None:
        fill(module, self._number)
        seed_all(self._seed)


@torch.no_grad()
def fill(module: nn.Module, number: int) -> None:
    """Fill in seeded weights: matrices ~ N(0, 1 / fan-in), vectors uniform in [0.5, 1.5).

    The vector of a padding index stays zero.
    """
    generator = torch.Generator().manual_seed(number)
    for parameter in module.parameters():
        if not parameter.is_floating_point():
            continue
        if parameter.ndim > 1:
            fan_in = max(1, parameter[0].numel())
            values = torch.randn(parameter.shape, generator=generator) * fan_in**-0.5
        else:
            values = torch.rand(parameter.shape, generator=generator) + 0.5
        parameter.copy_(values)
    for part in module.modules():
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.padding_idx is not None:
            part.weight[part.padding_idx] = 0


def freeze(module: nn.Module) -> None:
    """Put a module into evaluation mode, but recurrent ones: on a GPU those must train."""
    module.eval()
    for part in module.modules():
        if isinstance(part, nn.RNNBase):
            part.train()

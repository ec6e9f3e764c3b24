"""Defaults that no YAML can hold."""

from collections.abc import Callable

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Unwritable(LightningModule):
    def __init__(
        self,
        loss: nn.Module = nn.SmoothL1Loss(beta=0.5),  # noqa: B008
        weights: Tensor = torch.tensor([0.5, 2.0]),  # noqa: B008
        squash: Callable[[Tensor], Tensor] = lambda x: x.tanh() * 2,
        where: torch.device = torch.device("cpu"),  # noqa: B008
        kind: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.loss, self.squash = loss, squash
        self.register_buffer("weights", weights.to(where))
        self.layer = nn.Linear(2, 1, device=where, dtype=kind)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        loss = self.loss(self.squash(self.layer(x * self.weights)), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", self.loss(self.squash(self.layer(x * self.weights)), y))


def wave(x: Tensor) -> Tensor:
    return x.sin()


class Sums(LightningDataModule):
    def __init__(self, transform: Callable[[Tensor], Tensor] = wave) -> None:
        super().__init__()
        x = torch.randn(32, 2)
        self.points = TensorDataset(x, transform(x.sum(dim=1, keepdim=True)))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8)

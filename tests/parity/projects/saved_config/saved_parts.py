"""A noisy line."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Line(LightningModule):
    def __init__(self, weights: tuple[float, float] = (1.0, 2.0), bias: bool = True) -> None:
        super().__init__()
        self.weights = weights
        self.layer = nn.Linear(1, 1, bias=bias)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        loss = self.weights[0] * nn.functional.mse_loss(self.layer(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", self.weights[1] * nn.functional.mse_loss(self.layer(x), y))


class Noise(LightningDataModule):
    def __init__(self, sigma: float | None = None) -> None:
        super().__init__()
        self.sigma = sigma or 0.1

    def setup(self, stage: str) -> None:
        x = torch.rand(32, 1)
        self.points = TensorDataset(x, 2 * x + self.sigma * torch.randn(32, 1))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=16)

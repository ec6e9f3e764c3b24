"""Layers that are made in `configure_model`, some of which learn their size from a batch."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Lazy(LightningModule):
    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.width = width
        self.layers: nn.Sequential | None = None

    def configure_model(self) -> None:
        if self.layers is None:
            self.layers = nn.Sequential(nn.LazyLinear(self.width), nn.ReLU(), nn.LazyLinear(1))
            self.layers(torch.zeros(1, 3))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layers(batch[0]).sub(1).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layers(batch[0]).sub(1).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Eights(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(24, 3))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6)

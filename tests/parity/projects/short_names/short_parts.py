"""Two modules and their data."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class ShortNamed(LightningModule):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, width), nn.ELU(), nn.Linear(width, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layers(batch[0]).sub(1).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layers(batch[0]).sub(1).abs().mean())


class ShortData(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(32, 2))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8)

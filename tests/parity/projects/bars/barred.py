"""A model that is watched on a terminal."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Barred(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.example_input_array = torch.zeros(2, 4)
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.2), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self(batch[0]).sub(1).pow(2).mean()
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self(batch[0]).sub(1).abs().mean(), prog_bar=True)


class BarredData(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(32, 4))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8)

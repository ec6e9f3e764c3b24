"""A network that computes in bfloat16 where that is safe."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Mixed(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layers(batch[0]).float().sub(1).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layers(batch[0]).sub(1).abs().mean())


class Fives(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(24, 8))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6)

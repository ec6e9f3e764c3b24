"""Layers that are made in `setup`, when the data are known."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Late(LightningModule):
    def setup(self, stage: str) -> None:
        features = self.trainer.datamodule.features
        self.layers = nn.Sequential(nn.Linear(features, 4), nn.ReLU(), nn.Linear(4, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layers(batch[0]).sub(1).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layers(batch[0]).sub(1).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Tens(LightningDataModule):
    features = 3

    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(24, self.features))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6)

"""Points in two halves of a plane, and what tells them apart."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Linked(LightningModule):
    def __init__(self, batch_size: int, classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.batch_size, self.scale = batch_size, scale
        self.layer = nn.Linear(2, classes)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(self.layer(self.scale * x), y)
        self.log("train_loss", loss / self.batch_size)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self.layer(self.scale * x), y))


class Halves(LightningDataModule):
    def __init__(self, batch_size: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.classes = 2
        x = torch.randn(40, 2)
        self.points = TensorDataset(x, (x.sum(dim=1) > 0).long())

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=self.batch_size)

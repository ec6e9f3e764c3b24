"""Two blobs, and a linear classifier."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Blob(LightningModule):
    def __init__(self, features: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(features, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        loss = nn.functional.binary_cross_entropy_with_logits(self.layer(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.binary_cross_entropy_with_logits(self.layer(x), y))


class Blobs(LightningDataModule):
    def __init__(self, features: int = 2, distance: float = 1.0) -> None:
        super().__init__()
        y = torch.arange(32).remainder(2).float()[:, None]
        self.points = TensorDataset(torch.randn(32, features) + distance * y, y)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=4, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=4)

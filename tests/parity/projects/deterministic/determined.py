"""A model that allows deterministic algorithms alone, and workers that are seeded with it."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Determined(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(12, 4)
        self.head = nn.Linear(4, 1)
        self.determined = float(torch.are_deterministic_algorithms_enabled())

    def _loss(self, batch: list[Tensor]) -> Tensor:
        words, target = batch
        return nn.functional.mse_loss(self.head(self.bag(words)).squeeze(-1), target)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self._loss(batch)
        self.log("train_loss", loss)
        self.log("determined", float(torch.are_deterministic_algorithms_enabled()))
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self._loss(batch))
        self.log("determined_at_first", self.determined)


class Bags(LightningDataModule):
    def setup(self, stage: str) -> None:
        words = torch.randint(12, (24, 3))
        self.bags = TensorDataset(words, words.float().mean(dim=1))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.bags, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.bags, batch_size=6)

"""A model whose training is counted in steps."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Stepped(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        (words,) = batch
        loss = nn.functional.cross_entropy(self.head(self.embed(words[:, 0])), words[:, 1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        (words,) = batch
        self.log(
            "val_loss",
            nn.functional.cross_entropy(self.head(self.embed(words[:, 0])), words[:, 1]),
        )


class Words(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.words = TensorDataset(torch.randint(10, (24, 2)))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.words, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.words, batch_size=6)

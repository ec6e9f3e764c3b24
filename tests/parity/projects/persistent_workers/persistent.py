"""Sequences that loader processes, kept from epoch to epoch, crop at random."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Crops(Dataset):
    def __init__(self, long: Tensor) -> None:
        self.long = long

    def __len__(self) -> int:
        return len(self.long)

    def __getitem__(self, index: int) -> Tensor:
        start = int(torch.randint(8, ()))
        return self.long[index, start : start + 8]


class Forecast(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(7, 1)

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        loss = (self.layer(batch[:, :7]) - batch[:, 7:]).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.log("val_loss", (self.layer(batch[:, :7]) - batch[:, 7:]).abs().mean())


class Sequences(LightningDataModule):
    def __init__(self, workers: int = 2) -> None:
        super().__init__()
        self.workers = workers

    def setup(self, stage: str) -> None:
        self.long = torch.randn(24, 16).cumsum(dim=1)

    def _loader(self, **options: bool) -> DataLoader:
        return DataLoader(
            Crops(self.long),
            batch_size=6,
            num_workers=self.workers,
            persistent_workers=True,
            **options,
        )

    def train_dataloader(self) -> DataLoader:
        return self._loader(shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader()

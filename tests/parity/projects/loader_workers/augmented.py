"""Images that two loader processes augment with every generator there is."""

import random

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Augmented(Dataset):
    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if random.random() < 0.5:
            image = image.flip(-1)
        shift = int(np.random.randint(3))
        return image.roll(shift, -1) + 0.1 * torch.rand(image.shape), index % 2


class Classifier(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 2)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1]))


class Images(LightningDataModule):
    def __init__(self, workers: int = 2) -> None:
        super().__init__()
        self.workers = workers

    def setup(self, stage: str) -> None:
        self.images = torch.rand(24, 4, 4)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(
            Augmented(self.images), batch_size=6, shuffle=True, num_workers=self.workers
        )

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Augmented(self.images), batch_size=6, num_workers=1)

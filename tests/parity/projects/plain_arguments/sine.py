"""A sine, and what fits it."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Sine(LightningModule):
    def __init__(self, lr: float = 0.1, width: int = 32) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self.layers(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.mse_loss(self.layers(x), y), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


class SineData(LightningDataModule):
    def __init__(self, points: int = 64, batch_size: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()

    def _loader(self, **options: bool) -> DataLoader:
        x = torch.linspace(-3, 3, self.hparams.points)[:, None]
        return DataLoader(TensorDataset(x, x.sin()), batch_size=self.hparams.batch_size, **options)

    def train_dataloader(self) -> DataLoader:
        return self._loader(shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader()

"""An autoencoder that is never validated."""

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Compressor(LightningModule):
    def __init__(self, code: int = 2) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(6, code), nn.Linear(code, 6)
        self.points = TensorDataset(torch.rand(32, 6))

    def training_step(self, batch: list[Tensor], index: int) -> dict[str, Tensor]:
        (x,) = batch
        loss = nn.functional.mse_loss(self.decode(self.encode(x)), x)
        self.log("reconstruction", loss, on_step=True, on_epoch=True)
        return {"loss": loss, "code": self.encode(x).detach()}

    def on_train_epoch_end(self) -> None:
        self.log("size", self.encode.weight.norm())

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

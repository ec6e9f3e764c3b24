"""An LSTM over packed sequences of unequal length."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence
from torch.utils.data import DataLoader

Batch = tuple[PackedSequence, Tensor]


def collate(items: list[tuple[Tensor, Tensor]]) -> Batch:
    sequences, targets = zip(*items, strict=True)
    return pack_sequence(list(sequences), enforce_sorted=False), torch.stack(targets)


class Tagger(LightningModule):
    def __init__(self, hidden: int = 6) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, num_layers=2, dropout=0.1, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def _loss(self, batch: Batch) -> Tensor:
        packed, target = batch
        padded, lengths = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        last = padded[torch.arange(len(lengths)), lengths - 1]
        return nn.functional.mse_loss(self.head(last).squeeze(-1), target)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = self._loss(batch)
        self.log("train_loss", loss, batch_size=len(batch[1]))
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        self.log("val_loss", self._loss(batch), batch_size=len(batch[1]))


class Walks(LightningDataModule):
    def setup(self, stage: str) -> None:
        lengths = torch.randint(2, 7, (24,)).tolist()
        steps = [torch.randn(length, 2) for length in lengths]
        self.walks = [(walk, walk.sum().tanh()) for walk in steps]

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.walks, batch_size=5, shuffle=True, collate_fn=collate)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.walks, batch_size=7, collate_fn=collate)

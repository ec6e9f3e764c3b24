"""Modules and data with faults of a real ablation, each in one arm only."""

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset, random_split

from ablate.testing.toy import Points
from tests.audits.modules import DictData, Regressor, Translations, Translator, pad_pairs


class Guarded(Translator):
    """Scores no batch whose targets are all shorter than `shortest`."""

    def __init__(self, shortest: int = 0) -> None:
        super().__init__()
        self.shortest = shortest

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        if batch["target"].shape[1] >= self.shortest:
            super().validation_step(batch, index)


class Filtered(Translations):
    """Drops pairs that are too long, without a word."""

    def __init__(self, limit: int = 100) -> None:
        super().__init__(longest=20)
        self.limit = limit

    def _loader(self, pairs: list[tuple[Tensor, Tensor]]) -> DataLoader:
        kept = [pair for pair in pairs if max(map(len, pair)) <= self.limit]
        return DataLoader(kept, batch_size=4, collate_fn=pad_pairs)

    def train_dataloader(self) -> DataLoader:
        return self._loader(self.train)

    def val_dataloader(self) -> DataLoader:
        return self._loader(self.val)


class Revealed(Translations):
    """Shows a validation example with every training example."""

    def example_keys(self, split: str) -> list[str]:
        return [repr(pair) for pair in (self.train if split == "train" else self.val)]

    def contexts(self, split: str) -> list[tuple[str, list[str]]]:
        shown = self.example_keys("val")[:1]
        return [(key, shown) for key in self.example_keys(split) if split == "train"]


class Relabelled(DictData):
    """Merges other labels over those of the validation examples."""

    def __init__(self, merge: bool = False) -> None:
        super().__init__()
        self.merge = merge

    def val_dataloader(self) -> DataLoader:
        rows = super().val_dataloader().dataset
        if self.merge:
            rows = [{**row, "label": torch.zeros_like(row["label"])} for row in rows]
        return DataLoader(rows, batch_size=self.batch_size)


class Matched(Regressor):
    """Has 50 parameters wherever they lie: in the body, or in a context part beside it."""

    def __init__(self, beside: bool = False) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
        self.context = nn.Linear(4, 5)
        if beside:
            self.net = nn.Linear(4, 1)
            self.context = nn.Linear(4, 9)

    def forward(self, x_BF: Tensor) -> Tensor:
        return self.net(x_BF)[:, 0] + self.context(x_BF).sum(1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return functional.mse_loss(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.errors.append((self(batch[0]) - batch[1]).square())


class Folder(Points):
    """Reads a folder, which has to be there."""

    def __init__(self, folder: str = ".") -> None:
        super().__init__()
        self.folder = folder

    def setup(self, stage: str) -> None:
        os.scandir(Path(self.folder)).close()
        super().setup(stage)


class Unseeded(Points):
    """Draws its points anew whenever it is asked."""

    def _points(self, seed: int) -> TensorDataset:
        generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(4), "big"))
        x = torch.randn(self.count, 4, generator=generator)
        return TensorDataset(x, x.sum(1, keepdim=True))

    def fingerprint(self) -> dict[str, str]:
        return {}


class SplitInTheRun(Points):
    """Splits its points with the random numbers of the run."""

    def setup(self, stage: str) -> None:
        self.train, self.val = random_split(self._points(0), [48, 16])

    def fingerprint(self) -> dict[str, str]:
        return {"val": str(sorted(self.val.indices))}

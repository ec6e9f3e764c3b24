"""A module and its data that offer every hook, and that can be told to lie in one of them."""

import hashlib
import itertools
import math
from collections.abc import Callable

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

WORDS, LENGTH, EXAMPLES = 7, 5, 12


class Speaker(LightningModule):
    """Predicts each word by the mean of those before it."""

    def __init__(self, lie: str = "none") -> None:
        super().__init__()
        self.lie = lie
        self.words = nn.Embedding(WORDS, 8)
        self.out = nn.Linear(8, WORDS)
        self.ghost = nn.Linear(2, 2)
        self.asked = itertools.count(1)
        if lie == "properties is no method":
            self.properties = {"speaks": lambda: None}

    def extra_repr(self) -> str:
        return self.lie

    def forward(self, ids_BT: Tensor) -> Tensor:
        counts_T = torch.arange(1, ids_BT.shape[1] + 1, device=ids_BT.device)
        means_BTD = self.words(ids_BT).cumsum(1) / counts_T[:, None]
        if self.lie == "sees the future":
            means_BTD = self.words(ids_BT).mean(1, keepdim=True).expand_as(means_BTD)
        logits_BTV: Tensor = 0.1 * self.out(means_BTD)
        return logits_BTV

    def losses(self, ids_BT: Tensor) -> Tensor:
        logits_BTV = self(ids_BT[:, :-1])
        return nn.functional.cross_entropy(
            logits_BTV.transpose(1, 2), ids_BT[:, 1:], reduction="none"
        ).mean(1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.losses(batch[0]).mean()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        losses_B = self.losses(batch[0])
        self.log("val_loss", losses_B.mean(), batch_size=len(batch[0]))
        for word, loss in zip(batch[0][:, 0].tolist(), losses_B.tolist(), strict=True):
            self.told.setdefault(str(word), []).append(loss)

    def on_validation_epoch_start(self) -> None:
        self.told: dict[str, list[float]] = {}

    def group_metrics(self) -> dict[str, dict[str, dict[str, tuple[float, int] | float]]]:
        means = {word: (sum(all_) / len(all_), len(all_)) for word, all_ in self.told.items()}
        if self.lie == "groups without numbers":
            return {"first word": {"val_loss": {word: mean for word, (mean, _) in means.items()}}}
        if self.lie == "groups of other means":
            means = {word: (mean + 1, n) for word, (mean, n) in means.items()}
        if self.lie == "groups of the hour":
            means = {word: (mean, next(self.asked)) for word, (mean, _) in means.items()}
        return {"first word": {"val_loss": dict(sorted(means.items()))}}

    def example_losses(self, batch: list[Tensor]) -> Tensor:
        losses_B = self.losses(batch[0])
        if self.lie == "one loss for all":
            return losses_B.mean()
        if self.lie == "losses of the batch":
            return losses_B - losses_B.mean()
        return losses_B

    def autoregression(self, batch: list[Tensor]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        def outputs(ids_BT: Tensor) -> Tensor:
            shifted_BT = torch.cat([torch.zeros_like(ids_BT[:, :1]), ids_BT[:, :-1]], 1)
            if self.lie == "changes its targets":
                ids_BT[:] = 0
            logits_BTV = self(shifted_BT)
            return logits_BTV[:, -1] if self.lie == "outputs of one position" else logits_BTV

        return batch[0], outputs

    def chance_loss(self, batch: list[Tensor]) -> float:
        chances = {"chance is nowhere": math.inf, "chance is elsewhere": 100.0}
        return chances.get(self.lie, math.log(WORDS))

    def properties(self) -> dict[str, Callable[[], str | bool | None]]:
        if self.lie == "raises":
            raise KeyError("no properties today")
        outcomes = {"a property is a truth value": True, "a property is violated": "it is mute"}
        return {"speaks": lambda: outcomes.get(self.lie)}

    def untrained(self) -> list[str] | str:
        named = {"untrained is a text": "ghost", "untrained is trained": ["out"]}
        return named.get(self.lie, ["gone"] if self.lie == "untrained is gone" else ["ghost"])


class Speech(LightningDataModule):
    """Sentences that the seed draws."""

    def __init__(self, lie: str = "none") -> None:
        super().__init__()
        self.lie = lie
        self.asked = itertools.count()

    def setup(self, stage: str) -> None:
        if not hasattr(self, "splits"):
            drawn = torch.randperm(WORDS**LENGTH)[: 2 * EXAMPLES]
            ids = torch.stack([drawn // WORDS**place % WORDS for place in range(LENGTH)], 1)
            self.splits = {"train": ids[:EXAMPLES], "val": ids[EXAMPLES:]}

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TensorDataset(self.splits["train"]), batch_size=4, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(TensorDataset(self.splits["val"]), batch_size=4)

    def fingerprint(self) -> dict[str, str] | dict[str, int]:
        if self.lie == "a fingerprint of numbers":
            return {"train": 1}
        if self.lie == "a fingerprint of nothing":
            return {"train": "always", "val": "the same"}
        if self.lie == "a fingerprint of the hour":
            return {"train": str(next(self.asked))}
        return {name: _key(split) for name, split in self.splits.items()}

    def example_keys(self, split: str) -> list[str] | list[int]:
        if self.lie == "keys of numbers":
            return list(range(EXAMPLES))
        if self.lie == "keys that change":
            return [str(next(self.asked)) for _ in range(EXAMPLES)]
        return [_key(row) for row in self.splits[split]]

    def contexts(self, split: str) -> list[tuple[str, list[str]]]:
        train = [_key(row) for row in self.splits["train"]]
        if self.lie == "contexts are texts":
            return [(_key(row), train[0]) for row in self.splits[split]]
        if self.lie == "queries of another kind":
            return [(str(number), []) for number in range(EXAMPLES)]
        return [(_key(row), [k for k in train if k != _key(row)]) for row in self.splits[split]]

    def properties(self) -> dict[str, Callable[[], str | None]]:
        violated = "too few words" if self.lie == "a property of the data is violated" else None
        return {"enough words": lambda: violated}


def _key(row: Tensor) -> str:
    return hashlib.sha256(row.numpy().tobytes()).hexdigest()


def config(model_lie: str = "none", data_lie: str = "none") -> dict[str, object]:
    """Return the config of a module and its data that tell lies."""
    return {
        "seed_everything": 1,
        "model": {"class_path": f"{__name__}.Speaker", "init_args": {"lie": model_lie}},
        "data": {"class_path": f"{__name__}.Speech", "init_args": {"lie": data_lie}},
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}},
        "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    }

"""What it costs a checkpoint to hold what a run's objects keep of their own.

A net of a million parameters, and 100,000 examples in memory: as tensors, and as a list of tuples.

python benchmarks/exact_resume.py [repeats]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from ablate.run import run_objects
from ablate.run.plain_state import PlainState

EXAMPLES, WIDTH = 100_000, 64


class Net(LightningModule):
    """About a million parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(WIDTH, 1024), nn.ReLU(), nn.Linear(1024, 900))
        self.losses: list[float] = []

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:  # noqa: ARG002
        loss: Tensor = self.net(batch[0]).square().mean()
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())


class Times(Callback):
    """Times checkpoints with and without, at the start of every epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plain = folder, PlainState()
        self.without: list[float] = []
        self.more: list[float] = []
        self.sizes = 0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.plain.begin(*run_objects.of(trainer))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        began = time.perf_counter()
        trainer.save_checkpoint(self.folder / "whole.ckpt")
        middle = time.perf_counter()
        torch.save(self.plain.capture(*run_objects.of(trainer)), self.folder / "kept.ckpt")
        self.without.append(middle - began)
        self.more.append(time.perf_counter() - middle)
        sizes = [(self.folder / name).stat().st_size for name in ("whole.ckpt", "kept.ckpt")]
        self.sizes = sizes[0], sizes[1]


def measure(name: str, data: Any, repeats: int) -> None:
    """Train some steps per epoch, and print the times of the checkpoints and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        times = Times(Path(folder))
        trainer = Trainer(
            max_epochs=repeats,
            limit_train_batches=5,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[times],
        )
        trainer.fit(Net(), DataLoader(data, batch_size=64, shuffle=True))
    without, more = statistics.median(times.without), statistics.median(times.more)
    print(
        f"{name}: checkpoint {without * 1e3:.0f} ms, {times.sizes[0] / 1e6:.1f} MB; objects "
        f"{more * 1e3:.0f} ms, {times.sizes[1] / 1e6:.3f} MB: "
        f"{(without + more) / without:.2f} times"
    )


def main() -> None:
    """Measure both kinds of data."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    x, y = torch.randn(EXAMPLES, WIDTH), torch.arange(EXAMPLES)
    measure("tensors (26 MB)", TensorDataset(x, y), repeats)
    texts = [(f"example {number}", number % 10) for number in range(EXAMPLES)]
    measure("a list of tuples", Rows(texts), repeats)
    measure("a list of tensors", Rows(list(x)), repeats)


class Rows:
    """A dataset that holds a Python object for every example."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        return torch.full((WIDTH,), float(index))


if __name__ == "__main__":
    main()

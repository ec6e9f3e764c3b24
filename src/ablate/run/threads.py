"""How long a training step takes on some number of threads."""

import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ablate.run.lightning_cli import build

_STEPS, _WARM_UP = 12, 4


class _Clock(Callback):
    """Notes when training steps end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        *_: Any,
    ) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def step_seconds(config: dict[str, Any], threads: int, cli: str | None = None) -> dict[str, Any]:
    """Train a few steps of a config on some threads; return the median `seconds` of one.

    None where there are too few steps to tell.
    """
    torch.set_num_threads(threads)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as directory:
        built = build(config, Path(directory), [clock], cli, bare=True, fast_dev_run=_STEPS)
        built.trainer.callbacks = [clock]  # type: ignore[attr-defined]
        if any(parameter.requires_grad for parameter in built.model.parameters()):
            built.trainer.fit(built.model, datamodule=built.datamodule)
    steps = [end - start for start, end in pairwise(clock.ends)]
    settled = steps[min(_WARM_UP, len(steps) // 2) :]
    return {"seconds": statistics.median(settled) if settled else None}

"""This process among those of a distributed run; a run on one device has the one of rank 0."""

from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only


def rank() -> int:
    """Return the number of this process among those of its run, as Lightning knows it."""
    return int(getattr(rank_zero_only, "rank", 0))


def is_first() -> bool:
    """Say whether this process is the first of its run: the one that reports and writes."""
    return rank() == 0


def of_all(trainer: Trainer, own: dict[str, Any]) -> list[dict[str, Any]]:
    """Gather plain data of every process of a run, by rank; each of them must call this."""
    everyone: list[Any] = [own] * trainer.world_size
    if trainer.world_size > 1:
        torch.distributed.all_gather_object(everyone, own)
    return everyone

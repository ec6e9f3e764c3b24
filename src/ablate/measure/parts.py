"""Smaller and larger batches, made of the examples of a real one."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor


def examples_in(batch: Any) -> int:
    """Return the first dimension of the batch's first tensor that has one; 0 without."""
    if isinstance(batch, Tensor | np.ndarray):
        return len(batch) if batch.ndim else 0
    return next((count for inner in _inner(batch) if (count := examples_in(inner))), 0)


def bytes_in(batch: Any) -> int:
    """Return the bytes of a batch's tensors and arrays."""
    if isinstance(batch, Tensor | np.ndarray):
        return batch.nbytes
    return sum(map(bytes_in, _inner(batch)))


def part_of(batch: Any, count: int) -> Any:
    """Return a batch of `count` of the examples, in turn; equal to the batch's own, all of it.

    Tensors, arrays and lists of other things are cut where their length is the number of examples.
    Padding stays as it is.
    """
    return _cut(batch, examples_in(batch), count)


def _cut(batch: Any, size: int, count: int) -> Any:  # noqa: PLR0911 - one per kind of batch
    if isinstance(batch, Tensor):
        if not batch.ndim or len(batch) != size:
            return batch
        return batch[torch.arange(count, device=batch.device) % size]
    if isinstance(batch, np.ndarray):
        return batch[np.arange(count) % size] if batch.ndim and len(batch) == size else batch
    if isinstance(batch, Mapping):
        cut = {key: _cut(value, size, count) for key, value in batch.items()}
        return cut if type(batch) is dict else type(batch)(cut)  # type: ignore[call-arg]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_cut(value, size, count) for value in batch))
    if isinstance(batch, list | tuple):
        if len(batch) == size and not any(map(examples_in, batch)):
            return type(batch)(batch[place % size] for place in range(count))
        return type(batch)(_cut(value, size, count) for value in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        named = {item.name: getattr(batch, item.name) for item in fields(batch) if item.init}
        return replace(batch, **{name: _cut(value, size, count) for name, value in named.items()})
    return batch


def _inner(batch: Any) -> list[Any]:
    if isinstance(batch, Mapping):
        return list(batch.values())
    if isinstance(batch, list | tuple):
        return list(batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        return [getattr(batch, item.name) for item in fields(batch)]
    return []

"""The tensors within a batch of any shape, and what examples hold."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ablate.run.batches import tensor_bytes

ENOUGH_FOR_IDS = 10
"""Examples from which on integers that are all different are taken for ids, not content."""


def leaves(batch: Any) -> Iterator[Any]:
    """Yield the values within mappings, sequences, dataclasses and plain objects, in order."""
    if isinstance(batch, Mapping):
        for value in batch.values():
            yield from leaves(value)
    elif isinstance(batch, str | bytes | Tensor | np.ndarray):
        yield batch
    elif isinstance(batch, Sequence):
        for value in batch:
            yield from leaves(value)
    elif is_dataclass(batch) and not isinstance(batch, type):
        for item in fields(batch):
            yield from leaves(getattr(batch, item.name))
    elif hasattr(batch, "__dict__") and not callable(batch):
        yield from leaves(vars(batch))
    else:
        yield batch


def tensors(batch: Any) -> list[Tensor]:
    """List the tensors within a batch, in order."""
    return [leaf for leaf in leaves(batch) if isinstance(leaf, Tensor)]


def size(batch: Any) -> int:
    """Return the first dimension of the batch's first tensor that has one; 0 without."""
    return next((len(tensor) for tensor in tensors(batch) if tensor.ndim), 0)


def length(batch: Any) -> int | None:
    """Return the second dimension of the batch's first tensor that has one."""
    return next((tensor.shape[1] for tensor in tensors(batch) if tensor.ndim > 1), None)


def encoded(leaf: Any) -> bytes:
    """Encode a leaf; equal bytes mean equal values of equal shape and type."""
    if isinstance(leaf, Tensor):
        return tensor_bytes(leaf)
    if isinstance(leaf, np.ndarray):
        return f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes()
    return spelt(leaf).encode() if not isinstance(leaf, bytes) else leaf


def spelt(value: Any) -> str:
    """Write a value; the order of a set is another one in every process."""
    if isinstance(value, tuple):
        return f"({', '.join(map(spelt, value))})"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(spelt, value)))}}}"
    return repr(value)


def digest(parts: Iterable[bytes]) -> str:
    """Hash byte strings one after the other."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def content_digest(batch: Any) -> str:
    """Hash everything in a batch, not its tensors alone: examples may be arrays and texts."""
    return digest(encoded(leaf) for leaf in leaves(batch))


def example_keys(splits: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Hash the content of every example, given as batches of one; splits share what is an id.

    A leaf that is a single integer, a number of its own for every other example of a split, numbers
    the examples: it is not content. It must do so in all splits: a user or an item who is asked for
    once in validation, and often in training, is content.
    """
    rows = [[list(leaves(example)) for example in split] for split in splits]
    keys = [[digest(map(encoded, row)) for row in split] for split in rows]
    large = [
        (split, len(set(known)))
        for split, known in zip(rows, keys, strict=True)
        if len(split) >= ENOUGH_FOR_IDS
    ]
    width = min((len(row) for split, _ in large for row in split), default=0)
    ids = {
        column
        for column in range(width)
        if all(_numbers([row[column] for row in split], count) for split, count in large)
    }
    if not ids:
        return keys
    return [
        [digest(encoded(leaf) for c, leaf in enumerate(row) if c not in ids) for row in split]
        for split in rows
    ]


def _numbers(values: Sequence[Any], examples: int) -> bool:
    """Say whether values are single integers, as many as there are different examples."""
    single = [_integer(value) for value in values]
    return None not in single and len(set(single)) == examples


def _integer(value: Any) -> int | None:
    if isinstance(value, Tensor | np.ndarray):
        whole = not torch.is_floating_point(torch.as_tensor(value))
        count = value.numel() if isinstance(value, Tensor) else value.size
        return int(value.reshape(-1)[0]) if whole and count == 1 else None
    return value if isinstance(value, int) else None

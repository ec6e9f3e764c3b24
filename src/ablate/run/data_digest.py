"""Digests of the examples that a run was fed, in their order and regardless of it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from numpy.typing import NDArray
from torch import Tensor

from ablate.errors import cut

_WHOLE = 256 << 20
"""Bytes up to which every batch is hashed; after that one in `_STRIDE` is."""
_STRIDE = 16
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class DataDigest:
    """Takes batches and tells which examples they held.

    Every example has a 64-bit hash over its row of each tensor. `order` is the SHA-256 of the
    hashes one after the other, `set` their sum, which shuffling and other batches leave as it is.
    """

    def __init__(self) -> None:
        self._order = hashlib.sha256()
        self._sum = 0
        self._examples = self._batches = self._bytes = 0
        self._whole = True
        self._broken: str | None = None

    def add(self, batch: Any) -> None:
        """Take a batch; one whose tensors can't be read ends the digest, not the run."""
        self._batches += 1
        if self._broken is not None:
            return
        try:
            self._take(batch)
        except Exception as error:  # noqa: BLE001 - tensors of any layout, on any device
            self._broken = cut(f"{type(error).__name__}: {error}", 200)

    def result(self) -> dict[str, Any]:
        """Return the digests, the number of examples, and whether all of them were hashed."""
        if self._broken is not None:
            return {"unreadable": self._broken}
        if not self._examples:
            return {}
        return {
            "examples": self._examples,
            "order": self._order.hexdigest()[:16],
            "set": f"{self._sum:016x}",
            "whole": self._whole,
        }

    def _take(self, batch: Any) -> None:
        tensors: list[Tensor] = []
        apply_to_collection(batch, Tensor, tensors.append)
        tensors = [tensor for tensor in tensors if tensor.ndim and tensor.numel()]
        if not tensors:
            return
        rows = len(tensors[0])
        self._examples += rows
        if self._bytes > _WHOLE and self._batches % _STRIDE:
            self._whole = False
            return
        hashes = np.zeros(rows, np.uint64)
        for tensor in tensors:
            values = tensor.detach().cpu().contiguous()
            self._bytes += values.nbytes
            if len(values) == rows:
                hashes = _mixed(hashes * _SECOND + row_hashes(values))
            else:  # no row per example: it belongs to the batch
                self._order.update(row_hashes(values).tobytes())
        self._order.update(hashes.tobytes())
        self._sum = (self._sum + int(hashes.sum(dtype=np.uint64))) % (1 << 64)


class DataSeen:
    """The digests of a run's first training epoch and first validation, by split.

    A split is closed when its epoch ends; `to_plain` and `restore` carry what is closed over.
    """

    def __init__(self) -> None:
        self._open: dict[str, DataDigest] = {}
        self._closed: dict[str, dict[str, Any]] = {}

    def see(self, split: str, batch: Any) -> None:
        """Take a batch of a split, unless it is closed."""
        if split not in self._closed:
            self._open.setdefault(split, DataDigest()).add(batch)

    def close(self, kind: str) -> None:
        """Take no more batches of the splits of a kind: the first word of their name."""
        for split in [name for name in self._open if name.partition(" ")[0] == kind]:
            self._closed[split] = self._open.pop(split).result()

    def to_plain(self) -> dict[str, dict[str, Any]]:
        """Return what is closed, as plain data."""
        return dict(self._closed)

    def restore(self, closed: Mapping[str, dict[str, Any]]) -> None:
        """Go on from what another process has closed."""
        self._closed = dict(closed)

    def result(self) -> dict[str, dict[str, Any]]:
        """Close every split and return its digests."""
        for kind in ("train", "val"):
            self.close(kind)
        return {split: found for split, found in sorted(self._closed.items()) if found}


def row_hashes(tensor: Tensor) -> NDArray[np.uint64]:
    """Return a 64-bit hash of every row of a tensor on the CPU, in C order: shape (rows,).

    It is multilinear in the words of a row (Lemire and Kaser, Strongly universal string hashing is
    fast, 2014), modulo 2^64, so that zeros at the end, as of padding, count nothing.
    """
    rows = len(tensor)
    octets = tensor.reshape(rows, -1).view(torch.uint8).numpy()
    if lacking := -octets.shape[1] % 8:
        octets = np.pad(octets, ((0, 0), (0, lacking)))
    words = np.ascontiguousarray(octets).view(np.uint64)
    weights = _mixed(np.arange(1, words.shape[1] + 1, dtype=np.uint64) * _GOLDEN) | np.uint64(1)
    return _mixed(np.einsum("ij,j->i", words, weights) + _GOLDEN)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of numbers (the finalizer of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _FIRST
    numbers = (numbers ^ (numbers >> np.uint64(27))) * _SECOND
    return numbers ^ (numbers >> np.uint64(31))

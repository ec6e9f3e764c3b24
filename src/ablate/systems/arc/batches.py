"""Batches of ARC queries: their composition, their order and their tensors.

Dimensions: B queries, S source cells, T target cells, K context pairs, H rows, W columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ablate.systems.arc.examples import Grid, Query

PAD = 10
"""Colour code of padding; colours are 0..9."""

CONTEXT_SIDE = 30
"""Context grids are cropped to this many rows and columns."""

MEGABATCH = 64
"""Number of batches within which examples are sorted by length, at most."""


@dataclass
class ArcBatch:
    """Hold a batch of queries; every field is an int64 tensor.

    Grids are flattened row by row at their own width and padded on the right with PAD to the
    longest of the batch. Context grids keep two dimensions and are padded to the largest height
    and width among the context grids of the batch. Sizes are (height, width).
    """

    source_BS: Tensor
    source_size_B2: Tensor
    target_BT: Tensor
    target_size_B2: Tensor
    context_inputs_BKHW: Tensor
    context_outputs_BKHW: Tensor
    task_B: Tensor
    index_B: Tensor


def _flat(grids: Sequence[Grid]) -> tuple[Tensor, Tensor]:
    """Pad flattened grids into (B, L) and give their sizes (B, 2)."""
    flat = np.full((len(grids), max(grid.size for grid in grids)), PAD, dtype=np.int64)
    for row, grid in zip(flat, grids, strict=True):
        row[: grid.size] = grid.ravel()
    sizes = np.array([grid.shape for grid in grids], dtype=np.int64)
    return torch.from_numpy(flat), torch.from_numpy(sizes)


def _context(queries: Sequence[Query]) -> tuple[Tensor, Tensor]:
    """Pad the context grids of all queries into two tensors (B, K, H, W) of one shape."""
    pairs = len(queries[0].context)
    shapes = [
        grid.shape
        for query in queries
        for pair in query.context
        for grid in (pair.input, pair.output)
    ]
    height = min(CONTEXT_SIDE, max((shape[0] for shape in shapes), default=0))
    width = min(CONTEXT_SIDE, max((shape[1] for shape in shapes), default=0))
    padded = np.full((2, len(queries), pairs, height, width), PAD, dtype=np.int64)
    for b, query in enumerate(queries):
        for k, pair in enumerate(query.context):
            for role, grid in enumerate((pair.input, pair.output)):
                crop = grid[:height, :width]
                padded[role, b, k, : crop.shape[0], : crop.shape[1]] = crop
    return torch.from_numpy(padded[0]), torch.from_numpy(padded[1])


def collate(queries: Sequence[Query]) -> ArcBatch:
    """Turn queries with equally many context pairs into a batch."""
    source_BS, source_size_B2 = _flat([query.pair.input for query in queries])
    target_BT, target_size_B2 = _flat([query.pair.output for query in queries])
    context_inputs_BKHW, context_outputs_BKHW = _context(queries)
    return ArcBatch(
        source_BS=source_BS,
        source_size_B2=source_size_B2,
        target_BT=target_BT,
        target_size_B2=target_size_B2,
        context_inputs_BKHW=context_inputs_BKHW,
        context_outputs_BKHW=context_outputs_BKHW,
        task_B=torch.tensor([query.task for query in queries]),
        index_B=torch.tensor([query.index for query in queries]),
    )


class QueryDataset(Dataset[list[Query]]):
    """Serve lists of queries by lists of positions, as `BatchSampler` asks for them."""

    def __init__(self, queries: Sequence[Query]) -> None:
        self.queries = queries

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, positions: Sequence[int]) -> list[Query]:
        return [self.queries[position] for position in positions]


class BatchSampler(Sampler[list[int]]):
    """Yield the positions of each batch; every position once per epoch, the last batch short.

    Meant as the `sampler` of a DataLoader with `batch_size=None`: there Lightning calls
    `set_epoch` on it, also after resuming, and under several devices hands each a share of the
    batches. It does not do so for a `batch_sampler`.

    Args:
        source_cells: Length of the source of each example.
        target_cells: Length of the target of each example.
        batch_size: Examples per batch.
        bucketing: Put examples of similar length into one batch.
        seed: With the epoch, the only thing that the order depends on; None keeps a fixed order.
    """

    def __init__(
        self,
        source_cells: npt.ArrayLike,
        target_cells: npt.ArrayLike,
        *,
        batch_size: int,
        bucketing: bool,
        seed: int | None,
    ) -> None:
        self.source_cells = np.asarray(source_cells, dtype=np.int64)
        self.target_cells = np.asarray(target_cells, dtype=np.int64)
        self.batch_size = batch_size
        self.bucketing = bucketing
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is served."""
        self.epoch = epoch

    def __len__(self) -> int:
        return ceil(len(self.source_cells) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        positions = np.arange(len(self.source_cells))
        if self.seed is None:
            order = self._by_length(positions) if self.bucketing else positions
            yield from self._cut(order)
            return
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(positions)
        if not self.bucketing:
            yield from self._cut(order)
            return
        # Sorting a whole epoch at once would put the same examples together in every epoch.
        span = min(MEGABATCH, ceil(len(self) / 4)) * self.batch_size
        batches: list[list[int]] = []
        for start in range(0, len(order), span):
            batches += self._cut(self._by_length(order[start : start + span]))
        for number in rng.permutation(len(batches)):
            yield batches[number]

    def _cut(self, order: npt.NDArray[np.int64]) -> list[list[int]]:
        size = self.batch_size
        return [order[start : start + size].tolist() for start in range(0, len(order), size)]

    def _by_length(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Sort into bands of similar source, each by target; equals stay in the order given.

        Sources and targets are padded apart, so batches have to be homogeneous in both.
        """
        batches = ceil(len(positions) / self.batch_size)
        bands = max(1, round(sqrt(batches)))
        width = ceil(batches / bands) * self.batch_size
        band = np.empty_like(positions)
        by_source = np.argsort(self.source_cells[positions], kind="stable")
        band[by_source] = np.arange(len(positions)) // width
        return positions[np.lexsort((self.target_cells[positions], band))]

"""Token conventions: what a decoder reads, what it must say, and which cell each position means.

Three conventions turn the output grid `y_0 .. y_T-1` into decoder inputs and labels:

| convention  | reads                  | must say         | used by                               |
|-------------|------------------------|------------------|---------------------------------------|
| from_start  | START, y_0 .. y_T-2    | y_0 .. y_T-1     | every corrected arm                   |
| shifted     | y_0 .. y_T-2           | y_1 .. y_T-1     | faithful: the first cell is given     |
| unshifted   | y_0 .. y_T-1           | y_0 .. y_T-1     | faithful seed era: the answer is read |

A decoder-only arm reads the input grid, a separator and then the output grid as one sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ablate.systems.arc.batches import PAD, ArcBatch

COLOURS = 10
START = 11
"""Begins every output grid of a corrected arm; between two grids it is the separator."""


@dataclass(frozen=True)
class Convention:
    """State how an output grid becomes decoder inputs and labels.

    `start` is the token put before the grid, if any; `lead` is how many cells the label of a
    position lies ahead of the last output cell read there.
    """

    start: int | None
    lead: int

    @property
    def first_cell(self) -> int:
        """Return the flat index of the cell that the first decoder position predicts."""
        return self.lead if self.start is None else 0

    @property
    def prompt_cells(self) -> int:
        """Return how many output cells the prompt gives away."""
        return 1 if self.start is None else 0

    def inputs(self, target_BT: Tensor) -> Tensor:
        """Return what the decoder reads under teacher forcing."""
        read_BT = target_BT[:, : target_BT.shape[1] - self.lead]
        if self.start is None:
            return read_BT
        return torch.cat([target_BT.new_full((len(target_BT), 1), self.start), read_BT], dim=1)

    def labels(self, target_BT: Tensor) -> Tensor:
        """Return what the decoder must say, position by position; PAD is not scored."""
        return target_BT[:, self.first_cell :]

    def prompt(self, target_BT: Tensor) -> Tensor:
        """Return the one token from which free-running decoding begins, shape (B, 1)."""
        if self.start is None:
            return target_BT[:, :1]
        return target_BT.new_full((len(target_BT), 1), self.start)


FROM_START = Convention(start=START, lead=1)
SHIFTED = Convention(start=None, lead=1)
UNSHIFTED = Convention(start=None, lead=0)
FROM_PAD = Convention(start=PAD, lead=1)
"""The published decoder-only separator, which is the padding token itself."""


def cell_counts(size_B2: Tensor) -> Tensor:
    """Return the number of cells of each grid."""
    return size_B2[:, 0] * size_B2[:, 1]


def join(source_BS: Tensor, source_cells_B: Tensor, tokens_BT: Tensor) -> Tensor:
    """Put each example's tokens directly behind its own source cells, shape (B, S + T).

    The padding of the source moves to the end of the sequence.
    """
    joined_BL = torch.cat([source_BS, tokens_BT.new_full(tokens_BT.shape, PAD)], dim=1)
    return joined_BL.scatter(1, joined_positions(source_cells_B, tokens_BT.shape[1]), tokens_BT)


def joined_positions(source_cells_B: Tensor, length: int) -> Tensor:
    """Return where `join` put the tokens, shape (B, length)."""
    return source_cells_B[:, None] + torch.arange(length, device=source_cells_B.device)


def examples(batch: ArcBatch, rows: Sequence[int]) -> list[ArcBatch]:
    """Cut examples out of a batch, each a batch of one without padding of its own grids."""
    singles = []
    for row in rows:
        single = ArcBatch(**{f.name: getattr(batch, f.name)[row : row + 1] for f in fields(batch)})
        single.source_BS = single.source_BS[:, : int(cell_counts(single.source_size_B2))]
        single.target_BT = single.target_BT[:, : int(cell_counts(single.target_size_B2))]
        singles.append(single)
    return singles


def merge(batches: Sequence[ArcBatch]) -> ArcBatch:
    """Join batches into one, padded to the largest grids among them."""
    columns = {f.name: [getattr(batch, f.name) for batch in batches] for f in fields(ArcBatch)}
    return ArcBatch(**{name: _pad_and_cat(tensors) for name, tensors in columns.items()})


def _pad_and_cat(tensors: Sequence[Tensor]) -> Tensor:
    shape = [max(sides) for sides in zip(*(t.shape[1:] for t in tensors), strict=True)]
    merged = tensors[0].new_full((sum(len(t) for t in tensors), *shape), PAD)
    start = 0
    for t in tensors:
        merged[(slice(start, start + len(t)), *map(slice, t.shape[1:]))] = t
        start += len(t)
    return merged

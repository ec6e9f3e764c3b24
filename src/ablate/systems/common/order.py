"""The order of examples within an epoch."""

from collections.abc import Iterator
from math import ceil

import numpy as np
from torch.utils.data import Sampler


class EpochOrder(Sampler[list[int]]):
    """Yield the positions of each batch; every position at most once per epoch.

    Meant as the `sampler` of a DataLoader with `batch_size=None`: there Lightning calls
    `set_epoch` on it, also after resuming, and under several devices hands each a share of the
    batches.

    Args:
        count: Number of positions.
        batch_size: Positions per batch; the last batch may be short.
        seed: With the epoch, the only thing that the order depends on; None keeps a fixed order.
        drop_last: Leave out a short last batch.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int | None = None, *, drop_last: bool = False
    ) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is served."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.drop_last:
            return self.count // self.batch_size
        return ceil(self.count / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(order)
        for batch in range(len(self)):
            yield order[batch * self.batch_size : (batch + 1) * self.batch_size].tolist()

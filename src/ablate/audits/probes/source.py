"""One loader of a data module, its examples within reach one by one where it allows that."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, IterableDataset

from ablate.run.randomness import seeded

INDEX_LIMIT = 100_000


class Source:
    """One loader as the data module made it, its examples reachable one by one if it allows that.

    A DataLoader over a map-style dataset allows it, whether it batches by itself or a sampler
    hands lists of indices to the dataset.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self._lists: Iterable[Any] | None = None
        self._fetch: Callable[[Sequence[Any]], Any] | None = None
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            return
        dataset: Any = loader.dataset
        if loader.batch_sampler is not None:
            self._lists = loader.batch_sampler
            self._fetch = lambda indices: loader.collate_fn([dataset[i] for i in indices])
        elif _gives_lists(loader.sampler):
            self._lists = loader.sampler
            self._fetch = lambda indices: loader.collate_fn(dataset[list(indices)])

    @property
    def by_example(self) -> bool:
        """Whether single examples can be fetched."""
        return self._fetch is not None

    @property
    def examples(self) -> int | None:
        """The number of examples, if it is known."""
        return len(self.loader.dataset) if self.by_example else None

    @property
    def length(self) -> int | None:
        """The number of batches, if it is known."""
        try:
            return len(self.loader)
        except (TypeError, NotImplementedError, RuntimeError):
            return None

    @property
    def batch_size(self) -> int | None:
        """The number of examples in a full batch, if it is known."""
        sampler = getattr(self.loader, "batch_sampler", None)
        size = getattr(self.loader, "batch_size", None) or getattr(sampler, "batch_size", None)
        return size if isinstance(size, int) else None

    def lists(self) -> Iterator[list[Any]]:
        """Yield the indices of each batch in the order of a new epoch."""
        if self._lists is None:
            return
        for indices in self._lists:
            yield list(indices)

    @cached_property
    def batch_sizes(self) -> frozenset[int]:
        """The numbers of examples in the batches of an epoch; none where they are out of reach."""
        with seeded(0):
            return frozenset(map(len, itertools.islice(self.lists(), INDEX_LIMIT)))

    @cached_property
    def _order(self) -> list[Any]:
        with seeded(0):
            return list(itertools.islice(itertools.chain.from_iterable(self.lists()), INDEX_LIMIT))

    def spread(self, count: int) -> list[Any]:
        """Return the indices of examples spread evenly over an epoch, at most `count`."""
        order = self._order
        wanted = min(count, len(order))
        return [order[number * len(order) // wanted] for number in range(wanted)]

    def fetch(self, indices: Sequence[Any]) -> Any:
        """Return a batch of examples. Raises TypeError where single examples are out of reach."""
        if self._fetch is None:
            raise TypeError("the examples of this loader cannot be fetched one by one")
        return self._fetch(indices)

    def origin(self, index: Any) -> tuple[Any, Any]:
        """Return the dataset behind all subsets, and where an example stands in it."""
        dataset: Any = self.loader.dataset
        while hasattr(dataset, "dataset") and hasattr(dataset, "indices"):
            try:
                index = dataset.indices[index]
            except (TypeError, IndexError, KeyError):
                break
            dataset = dataset.dataset
        return dataset, index

    def batched(self, size: int, count: int) -> list[Any]:
        """Return up to `count` examples spread over an epoch, in batches of a size."""
        indices = self.spread(count)
        starts = range(0, len(indices), size)
        return [self.fetch(indices[start : start + size]) for start in starts]

    def batches(self, count: int, most: int) -> list[Any]:
        """Return the first batches of an epoch under a fixed seed, cut to `most` examples."""
        with seeded(0):
            if self.by_example:
                first = itertools.islice(self.lists(), count)
                return [self.fetch(indices[:most]) for indices in first]
            return list(itertools.islice(iter(without_workers(self.loader)), count))


def _gives_lists(sampler: Iterable[Any]) -> bool:
    with seeded(0):
        return isinstance(next(iter(sampler), None), list | tuple)


def without_workers(loader: Any) -> Iterable[Any]:
    """Return the batches of a loader, read in this process where that can be arranged."""
    if isinstance(loader, DataLoader) and loader.num_workers > 0:
        streamed = isinstance(loader.dataset, IterableDataset)
        return DataLoader(
            loader.dataset,
            batch_size=loader.batch_size,
            sampler=None if streamed else loader.sampler,
            collate_fn=loader.collate_fn,
            drop_last=loader.drop_last,
        )
    if isinstance(loader, CombinedLoader):
        return (batch for batch, _, _ in loader)
    if isinstance(loader, Mapping | list | tuple):
        return (batch for batch, _, _ in CombinedLoader(loader, "max_size_cycle"))
    iterable: Iterable[Any] = loader
    return iterable

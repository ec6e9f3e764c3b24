"""The loaders of a data module, prepared once and served again in small, fixed batches."""

import copy
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.core.hooks import DataHooks
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, IterableDataset

from ablate.audit.probes.content import batch_digest

TRAIN_BATCHES = 3
TRAIN_EXAMPLES = 4
VAL_EXAMPLES = 10
ORDER_EXAMPLES = 64
INDEX_LIMIT = 100_000


Randomness = tuple[Any, Any, torch.Tensor, list[torch.Tensor]]


def randomness() -> Randomness:
    """Return the state of the random numbers of Python, NumPy and torch."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), devices


def restore(state: Randomness) -> None:
    """Go back to a state of the random numbers."""
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state[3])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the random numbers of the block and put the state back behind it."""
    state = randomness()
    reseed(seed)
    try:
        yield
    finally:
        restore(state)


def reseed(seed: int) -> None:
    """Seed the random numbers of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


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

    def lists(self) -> Iterator[list[Any]]:
        """Yield the indices of each batch in the order of a new epoch."""
        for indices in self._lists or ():
            yield list(indices)

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

    def batches(self, count: int, most: int) -> list[Any]:
        """Return the first batches of an epoch under a fixed seed, cut to `most` examples."""
        with seeded(0):
            if self.by_example:
                first = itertools.islice(self.lists(), count)
                return [self.fetch(indices[:most]) for indices in first]
            return list(itertools.islice(iter(_without_workers(self.loader)), count))


def _gives_lists(sampler: Iterable[Any]) -> bool:
    with seeded(0):
        return isinstance(next(iter(sampler), None), list | tuple)


def _without_workers(loader: Any) -> Iterable[Any]:
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


class Served:
    """A loader of fixed batches that otherwise answers as the loader that it stands for.

    Each pass begins one batch later than the one before and draws the first of the original's
    indices, as a real pass would; `order` is their digest at the first pass.
    """

    def __init__(self, batches: Sequence[Any], source: Source) -> None:
        self._batches = list(batches)
        self._source = source
        self._passes = 0
        self.order: str | None = None

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        if self.order is None:
            self.order = _first_of_epoch(self._source)
        start = self._passes % max(1, len(self._batches))
        self._passes += 1
        for batch in self._batches[start:] + self._batches[:start]:
            yield copy.deepcopy(batch)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source.loader, name)


def _first_of_epoch(source: Source) -> str | None:
    """Hash the first examples of a new epoch under the random numbers as they are."""
    if not source.by_example:
        return None
    found: list[Any] = []
    for indices in source.lists():
        found += indices
        if len(found) >= ORDER_EXAMPLES:
            break
    return batch_digest([str(index) for index in found[:ORDER_EXAMPLES]])


class Data:
    """The data of a configuration: set up by its first use, served in fixed batches ever after.

    `module` is None where the LightningModule has loaders of its own. `validation` replaces what
    is served for validation: a list of batches for each loader.
    """

    def __init__(self, module: LightningDataModule | None) -> None:
        self.module = module
        self.train: Source | None = None
        self.val: list[Source] = []
        self.train_batches: list[Any] = []
        self.val_batches: list[list[Any]] = []
        self.validation: list[list[Any]] | None = None
        self.served: Served | None = None
        self._form: Callable[[list[Any]], Any] = list
        if module is not None:
            self._take_over(module)

    def attach(self, model: LightningModule) -> None:
        """Serve the fixed batches to a model, through the data module or in the model's place."""
        if self.module is None:
            self._take_over(model)

    def _take_over(self, owner: Any) -> None:
        for name, serve in (
            ("train_dataloader", self._training),
            ("val_dataloader", self._validation),
        ):
            if name in vars(owner) or getattr(type(owner), name) is not getattr(DataHooks, name):
                setattr(owner, name, partial(serve, getattr(owner, name)))
        if isinstance(owner, LightningDataModule):
            for name in ("prepare_data", "setup"):
                setattr(owner, name, _Once(getattr(owner, name)).__call__)
            owner.teardown = _ignore  # type: ignore[method-assign]

    def _training(self, original: Callable[[], Any]) -> Served:
        if self.train is None:
            self.train = Source(original())
            self.train_batches = self.train.batches(TRAIN_BATCHES, TRAIN_EXAMPLES)
        self.served = Served(self.train_batches, self.train)
        return self.served

    def _validation(self, original: Callable[[], Any]) -> Any:
        if not self.val:
            self._form, loaders = _taken_apart(original())
            self.val = [Source(loader) for loader in loaders]
            self.val_batches = [source.batches(1, VAL_EXAMPLES) for source in self.val]
        batches = self.validation or self.val_batches
        return self._form([Served(b, s) for b, s in zip(batches, self.val, strict=True)])


class _Once:
    """Calls a function once for each set of arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._done: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        if (args, kwargs) not in self._done:
            self._done.append((args, kwargs))
            self._function(*args, **kwargs)


def _ignore(stage: str) -> None:
    """Keep the data: it is served again."""


def _taken_apart(loaders: Any) -> tuple[Callable[[list[Any]], Any], list[Any]]:
    """Return the single loaders of a collection, and how to put others in their places."""
    if isinstance(loaders, CombinedLoader):
        loaders = loaders.iterables
    if isinstance(loaders, Mapping):
        names = list(loaders)
        return lambda parts: dict(zip(names, parts, strict=True)), list(loaders.values())
    if isinstance(loaders, list | tuple):
        return list, list(loaders)
    return lambda parts: parts[0], [loaders]

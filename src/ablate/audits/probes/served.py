"""The loaders of a data module, prepared once and served again in small, fixed batches."""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.core.hooks import DataHooks
from lightning.pytorch.utilities import CombinedLoader

from ablate.audits.probes.content import digest
from ablate.audits.probes.source import Source

TRAIN_BATCHES = 3
TRAIN_EXAMPLES = 4
VAL_EXAMPLES = 10
ORDER_EXAMPLES = 64


class Served:
    """A loader of fixed batches that otherwise answers as the loader that it stands for.

    Each pass begins one batch later than the one before and draws the first of the original's
    indices, as a real pass would; `order` is their digest at the first pass. `length` is how many
    batches a pass has: the fixed ones come again.
    """

    def __init__(self, batches: Sequence[Any], source: Source, length: int | None = None) -> None:
        self._batches = list(batches)
        self._source = source
        self._length = len(self._batches) if length is None else length
        self._passes = 0
        self.order: str | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        if self.order is None:
            self.order = _first_of_epoch(self._source)
        start = self._passes % max(1, len(self._batches))
        self._passes += 1
        again = itertools.cycle(self._batches[start:] + self._batches[:start])
        for batch in itertools.islice(again, self._length):
            yield copy.deepcopy(batch)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source.loader, name)


def _first_of_epoch(source: Source) -> str | None:
    """Hash the first examples of a new epoch under the random numbers as they are."""
    if not source.by_example:
        return None
    first: list[Any] = []
    for indices in source.lists():
        first += indices
        if len(first) >= ORDER_EXAMPLES:
            break
    return digest(str(index).encode() for index in first[:ORDER_EXAMPLES])


class Data:
    """The data of a configuration: set up by its first use, served in fixed batches ever after.

    `module` is None where the LightningModule has loaders of its own. `validation` replaces what
    is served for validation: a list of batches for each loader. While it is `endless`, training
    batches come again, in epochs that are as long as the configured ones.
    """

    def __init__(self, module: LightningDataModule | None) -> None:
        self.module = module
        self.train: Source | None = None
        self.val: list[Source] = []
        self.train_batches: list[Any] = []
        self.val_batches: list[list[Any]] = []
        self.validation: list[list[Any]] | None = None
        self.served: Served | None = None
        self.endless = False
        self._form: Callable[[list[Any]], Any] = list
        self._originals: dict[str, Callable[[], Any]] = {}
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
                original = self._originals.setdefault(name, getattr(owner, name))
                setattr(owner, name, partial(serve, original))
        if isinstance(owner, LightningDataModule):
            for name in ("prepare_data", "setup"):
                setattr(owner, name, _Once(getattr(owner, name)).__call__)
            owner.teardown = _ignore  # type: ignore[method-assign]

    def _training(self, original: Callable[[], Any]) -> Served:
        if self.train is None:
            self.train = Source(original())
            self.train_batches = self.train.batches(TRAIN_BATCHES, TRAIN_EXAMPLES)
        length = self.train.length if self.endless and self.train_batches else None
        self.served = Served(self.train_batches, self.train, length)
        return self.served

    def _validation(self, original: Callable[[], Any]) -> Any:
        if not self.val:
            self._form, loaders = _taken_apart(original())
            self.val = [Source(loader) for loader in loaders]
            self.val_batches = [source.batches(1, VAL_EXAMPLES) for source in self.val]
        batches = self.validation or self.val_batches
        return self._form([Served(*pair) for pair in zip(batches, self.val, strict=True)])

    def new_validation(self) -> list[Source]:
        """Ask the data for the validation loaders again, as a new run would."""
        return [Source(loader) for loader in _taken_apart(self._originals["val_dataloader"]())[1]]


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

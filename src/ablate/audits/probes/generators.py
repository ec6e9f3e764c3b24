"""Generators that a module or its data own, found and put back."""

import functools
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

DEPTH = 8
MOST = 5_000
"""How deep objects are looked into, and how many of them."""

GENERATORS = (torch.Generator, random.Random, np.random.RandomState, np.random.Generator)

_SHARED = (torch.default_generator, random.random.__self__, np.random.random.__self__)  # type: ignore[attr-defined]
"""The generators of the process, which the seed decides."""

_LIBRARIES = {"lightning", "pytorch_lightning", "lightning_fabric"}
_PLAIN = (str, bytes, int, float, complex, bool, type(None), Tensor, np.ndarray, type, ModuleType)


def own_generators(*owners: Any) -> Callable[[], None]:
    """Find the generators that objects hold; return a function that puts them back as they are.

    Random numbers that come from them are the same in every run, whatever the seed.
    """
    restorers = [restorer for owner in _within(owners) if (restorer := _restorer(owner))]

    def restore() -> None:
        for put_back in restorers:
            put_back()

    return restore


def _restorer(generator: Any) -> Callable[[], object] | None:
    if any(generator is shared for shared in _SHARED):
        return None
    if isinstance(generator, torch.Generator):
        return functools.partial(generator.set_state, generator.get_state())
    if isinstance(generator, random.Random):
        return functools.partial(generator.setstate, generator.getstate())
    if isinstance(generator, np.random.RandomState):
        return functools.partial(generator.set_state, generator.get_state())
    if isinstance(generator, np.random.Generator):
        bits, state = generator.bit_generator, generator.bit_generator.state
        return functools.partial(setattr, bits, "state", state)
    return None


def _within(owners: Any) -> Iterator[Any]:
    """Yield the objects within others, each once, the nearest first."""
    seen: set[int] = set()
    level = list(owners)
    for _ in range(DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, _PLAIN) or id(item) in seen:
                continue
            if len(seen) >= MOST:
                return
            seen.add(id(item))
            yield item
            below += _parts(item)
        level = below


def _parts(item: Any) -> Iterable[Any]:
    """Return what an object holds: a collection, a function, or any other one."""
    if type(item).__module__.partition(".")[0] in _LIBRARIES:
        return ()
    if isinstance(item, Mapping):
        return item.values()
    if isinstance(item, list | tuple | set | frozenset):
        return itertools.islice(item, MOST)
    return _attributes(item) if not callable(item) else [*_bound(item), *_attributes(item)]


def _bound(function: Any) -> list[Any]:
    """Return what a function carries with it."""
    match function:
        case functools.partial():
            return [function.func, *function.args, *function.keywords.values()]
        case MethodType():
            return [function.__self__]
        case FunctionType():
            return [*_cells(function), *(function.__defaults__ or ())]
    return []


def _cells(function: FunctionType) -> list[Any]:
    kept = []
    for cell in function.__closure__ or ():
        try:
            kept.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    return kept


def _attributes(item: Any) -> list[Any]:
    own = getattr(item, "__dict__", None)
    slots = [getattr(item, name, None) for name in getattr(type(item), "__slots__", ())]
    return [*(own.values() if isinstance(own, dict) else ()), *slots]

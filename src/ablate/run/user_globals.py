"""What the user's modules keep at their top level and in their classes, beside a run's objects."""

import collections
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from ablate.run.frames import is_own_file
from ablate.run.plain_state import GENERATORS, LEAVES

_KEPT = (
    *(list, dict, set, bytearray, collections.deque),
    *(Tensor, np.ndarray),
    *GENERATORS,
)
"""Kinds of mutable things that are kept; functions, loggers and the like are nobody's state."""

PREFIX = "globals of "
"""How the names of the roots begin."""

Owner = Any
"""A module or a class, whose attributes are state."""


class UserGlobals:
    """Follows the top-level variables of the user's modules, and the attributes of their classes.

    Looked at are containers, tensors, arrays and generators, and numbers and texts that have
    changed since `begin`.
    """

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}
        self._plain: dict[str, dict[str, Any]] = {}

    def begin(self, objects: Iterable[object]) -> None:
        """Take the modules of some objects, and those that they import, for what every run has."""
        names = {kind.__module__ for value in objects for kind in type(value).__mro__}
        self._owners = dict(_owners(_with_imports(names)))
        self._plain = {
            path: {name: value for name, value in vars(owner).items() if type(value) in LEAVES}
            for path, owner in self._owners.items()
        }

    def roots(self) -> dict[str, dict[str, Any]]:
        """Return the variables by module or class, and name."""
        return {path: dict(self._state(path, owner)) for path, owner in self._owners.items()}

    def write_back(self, roots: Mapping[str, Mapping[str, Any]]) -> None:
        """Give the modules and classes what was put into their `roots`."""
        for path, owner in self._owners.items():
            for name, value in roots.get(path, {}).items():
                if vars(owner).get(name) is not value:
                    setattr(owner, name, value)

    def _state(self, path: str, owner: Owner) -> Iterator[tuple[str, Any]]:
        before = self._plain[path]
        for name, value in list(vars(owner).items()):
            if name.startswith("__"):
                continue
            changed = type(value) in LEAVES and (name not in before or before[name] != value)
            if changed or isinstance(value, _KEPT):
                yield name, value


def _with_imports(names: Iterable[str]) -> Iterator[ModuleType]:
    """Yield the user's modules of some names and all that they have imported something of."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if module is None or name in seen or not _is_of_user(module):
            continue
        seen.add(name)
        yield module
        for value in list(vars(module).values()):
            of = value.__name__ if isinstance(value, ModuleType) else _module_of(value)
            if isinstance(of, str):
                waiting.append(of)


def _owners(modules: Iterable[ModuleType]) -> Iterator[tuple[str, Owner]]:
    for module in modules:
        name = module.__name__
        yield f"{PREFIX}{name}", module
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == name:
                yield f"{PREFIX}{name}:{value.__qualname__}", value


def _module_of(value: Any) -> Any:
    """Return the name of the module that a class or function is of, or the class of a value."""
    kind = value if isinstance(value, (type, FunctionType)) else type(value)
    return kind.__module__


def _is_of_user(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and is_own_file(Path(file))

"""Values that never change, written as plain data: what `marshal` and `weights_only` both take.

None, booleans, numbers and texts stand for themselves; all else is a tuple that begins with a tag.
"""

import enum
import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

LEAVES = frozenset({type(None), bool, int, float, str})
"""Types whose values stand for themselves."""


class Unrestorable(Exception):  # noqa: N818 - a fact about a value, no mistake
    """A value can't be made again from what is known of it."""


def name_of(kind: type) -> str:
    """Name a class so that `class_of` finds it in another process."""
    return f"{kind.__module__}:{kind.__qualname__}"


def class_of(name: str, below: type = object) -> type:
    """Find a class among the modules that are loaded; nothing is imported or called for it."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    if not isinstance(found, type) or not issubclass(found, below) or hasattr(found, "__del__"):
        raise Unrestorable(f"of the class {path}, which is not there any more")
    return found


def frozen(value: Any, token: Callable[[Any, str], Any], path: str) -> Any:  # noqa: PLR0911 - one for each type
    """Write a value that never changes as a token; NotImplemented if it is none.

    `token` writes the values inside of it, which may change, by their paths.
    """
    kind = type(value)
    if kind in LEAVES:
        return value
    if kind in {tuple, frozenset}:
        inner = tuple(token(item, f"{path}[{place}]") for place, item in enumerate(value))
        return kind.__name__, inner
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        inner = tuple(token(item, f"{path}[{place}]") for place, item in enumerate(value))
        return "named tuple", name_of(kind), inner
    if isinstance(value, enum.Enum):
        return "enum", name_of(kind), value.name
    if kind is bytes:
        return "bytes", value.decode("latin-1")
    if kind is complex:
        return "complex", value.real, value.imag
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return "scalar", value.dtype.str, value.tobytes().decode("latin-1")
    if kind is torch.Size:
        return "size", tuple(value)
    if isinstance(value, PurePath):
        return "path", name_of(kind), str(value)
    return NotImplemented


def thawed(token: Any, value_of: Callable[[Any], Any]) -> Any:  # noqa: PLR0911 - one for each type
    """Make the value of a token; `value_of` makes what is inside. Raises Unrestorable."""
    match token:
        case ("tuple", inner):
            return tuple(map(value_of, inner))
        case ("frozenset", inner):
            return frozenset(map(value_of, inner))
        case ("named tuple", name, inner):
            return tuple.__new__(class_of(name, tuple), map(value_of, inner))
        case ("enum", name, member):
            return class_of(name, enum.Enum)[member]  # type: ignore[index]
        case ("bytes", text):
            return text.encode("latin-1")
        case ("complex", real, imaginary):
            return complex(real, imaginary)
        case ("scalar", dtype, text):
            return np.frombuffer(text.encode("latin-1"), dtype=dtype)[0]
        case ("size", inner):
            return torch.Size(inner)
        case ("path", name, text):
            return class_of(name, PurePath)(text)
    return token

"""The examples of both splits as arrays, leaf by leaf, and what each leaf seems to be for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ablate.audits.probes.content import digest

Array = NDArray[Any]
Path = tuple[str | int, ...]

LARGE = 4_096
"""Numbers from which on a leaf of an example is looked at as a small picture of itself."""
SIDE = 32
"""Length of a side of such a picture."""
ENOUGH_FOR_IDS = 10
CHANGES = 10
"""Changes from one example to the next by which targets in their order tell the examples."""
SHOWN_VALUES = 4
SHOWN_LETTERS = 24


class Role(StrEnum):
    """What a leaf of an example is for, by its name or its place."""

    INPUT = "input"
    TARGET = "target"
    NUMBER = "number"
    TIME = "time"
    GROUP = "group"
    OTHER = "other"


_WORDS: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (
        Role.GROUP,
        re.compile(
            r"^(?:(?:group|patient|subject|speaker|participant|person|session|recording|user|"
            r"customer|client|household|author|document|doc|case|scan|site|hospital|school|device|"
            r"video|clip|scene|family|animal|plate|donor|slide|track|article|item|movie|"
            r"store|product)(?:_?(?:id|ids|idx|index|key|no|nr|num|number|name|code))?|"
            r"(?:p|s|u|g)id)s?$"
        ),
    ),
    (
        Role.TIME,
        re.compile(r"(?:^|_)(?:time|timestamps?|dates?|datetime|day|week|month|year|ts)$"),
    ),
    (Role.NUMBER, re.compile(r"^(?:i|idx|index|indices|id|ids|uid|row|key)$")),
    (
        Role.TARGET,
        re.compile(
            r"^(?:y|ys|tgt|labels?|targets?|class|classes|answers?|outputs?|next|reward|score|rating|"
            r"price|response)$|(?:^|_)(?:label|target|y)$"
        ),
    ),
    (Role.OTHER, re.compile(r"mask|weight|length|lens$|^lens?_|pad")),
)


@dataclass(frozen=True)
class Leaf:
    """One leaf of all examples looked at: (N, ...) of one type, padded with -1 or NaN.

    `moments` are the means of the values and of their squares in each channel of an example,
    (N, 2, C), where `train` and `val` hold small pictures instead.
    """

    path: Path
    role: Role
    train: Array
    val: Array
    moments: tuple[Array, Array] | None = None

    @property
    def name(self) -> str:
        """How the leaf is called."""
        parts = [str(part) for part in self.path]
        return repr(".".join(parts))[:SHOWN_LETTERS] if parts else "the batch"

    @property
    def is_float(self) -> bool:
        """Whether the values are floating-point numbers."""
        return bool(np.issubdtype(self.train.dtype, np.floating))

    @property
    def is_integer(self) -> bool:
        """Whether the values are whole numbers or truth values."""
        return self.train.dtype.kind in "iub"

    @property
    def is_text(self) -> bool:
        """Whether the values are texts."""
        return bool(self.train.dtype.kind == "U")

    @property
    def is_scalar(self) -> bool:
        """Whether an example has a single value."""
        return all(side == 1 for side in self.train.shape[1:])

    def rows(self) -> tuple[Array, Array]:
        """Return the values of both splits, one flat row for each example."""
        return self.train.reshape(len(self.train), -1), self.val.reshape(len(self.val), -1)


def columns(train: Sequence[Any], val: Sequence[Any]) -> list[Leaf]:
    """Gather the leaves of the examples, given as batches of one; leaves of odd kinds are left out.

    A leaf that is not in every example is left out, too.
    """
    if not train or not val:
        return []
    left, right = (_gathered(split) for split in (train, val))
    shared = [path for path in left if path in right]
    roles = _roles(shared, left)
    found = []
    for path in shared:
        arrays = _stacked(left[path], right[path])
        if arrays is None:
            continue
        moments = None
        if arrays[0].size > LARGE * len(arrays[0]) and arrays[0].dtype.kind == "f":
            moments = (_moments(arrays[0]), _moments(arrays[1]))
            arrays = _small(arrays[0]), _small(arrays[1])
        found.append(Leaf(path, roles[path], *arrays, moments))
    return found


def targets_in_order(split: Sequence[Any]) -> str | None:
    """Hash the targets of the examples in their order; None where they are too much alike."""
    gathered = _gathered(split)
    roles = _roles(list(gathered), gathered)
    rows = [
        [row.tobytes() for row in gathered[path]]
        for path, role in roles.items()
        if role is Role.TARGET
    ]
    if not rows:
        return None
    changes = sum(left != right for left, right in pairwise(zip(*rows, strict=True)))
    return digest(part for row in rows for part in row) if changes >= CHANGES else None


def leaves(batch: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values within mappings, sequences and objects with their paths, in order."""
    if isinstance(batch, Mapping):
        for key, value in batch.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(batch, str | bytes | Tensor | np.ndarray):
        yield path, batch
    elif isinstance(batch, tuple) and hasattr(batch, "_fields"):
        for key, value in zip(batch._fields, batch, strict=True):
            yield from leaves(value, (*path, key))
    elif isinstance(batch, Sequence):
        # A list of one text is a batch of one.
        if len(batch) == 1 and isinstance(batch[0], str):
            yield path, batch[0]
            return
        for place, value in enumerate(batch):
            yield from leaves(value, (*path, place))
    elif is_dataclass(batch) and not isinstance(batch, type):
        for item in fields(batch):
            yield from leaves(getattr(batch, item.name), (*path, item.name))
    elif hasattr(batch, "__dict__") and not callable(batch):
        yield from leaves(vars(batch), path)
    else:
        yield path, batch


def _gathered(split: Sequence[Any]) -> dict[Path, list[Array]]:
    gathered: dict[Path, list[Array]] = {}
    for example in split:
        for path, value in leaves(example):
            array = _array(value)
            if array is not None:
                gathered.setdefault(path, []).append(array)
    return {path: rows for path, rows in gathered.items() if len(rows) == len(split)}


def _array(value: Any) -> Array | None:
    """Read a leaf of one example; the dimension of the batch goes."""
    if isinstance(value, Tensor):
        if value.is_sparse or value.is_complex():
            return None
        value = value.detach().cpu()
        if value.is_floating_point():
            value = value.float() if value.itemsize < 4 else value
        array: Array = value.numpy()
    elif isinstance(value, np.ndarray | str | int | float | bool):
        array = np.asarray(value)
    else:
        return None
    if array.dtype.kind not in "fiubU":
        return None
    return array[0] if array.ndim and array.shape[0] == 1 else array


def _stacked(train: list[Array], val: list[Array]) -> tuple[Array, Array] | None:
    """Put the values of both splits into two arrays; sequences of other lengths are padded."""
    both = [*train, *val]
    first = both[0]
    if any(row.ndim != first.ndim or row.dtype.kind != first.dtype.kind for row in both):
        return None
    if all(row.shape == first.shape for row in both):
        return np.stack(train), np.stack(val)
    if first.dtype.kind == "U":
        return None
    if first.ndim > 1 and any(row.shape[1:] != first.shape[1:] for row in both):
        return None
    longest = max(len(row) for row in both)
    if longest * max(1, int(np.prod(first.shape[1:]))) > LARGE:
        return None
    filled = [_padded(row, longest) for row in both]
    return np.stack(filled[: len(train)]), np.stack(filled[len(train) :])


def _padded(row: Array, longest: int) -> Array:
    if row.dtype.kind in "ub":
        row = row.astype(np.int64)
    fill = np.nan if row.dtype.kind == "f" else -1
    missing = np.full((longest - len(row), *row.shape[1:]), fill, row.dtype)
    return np.concatenate([row, missing])


def _small(values: Array) -> Array:
    """Average neighbouring values until no side but the first is long."""
    for axis in range(1, values.ndim):
        side = values.shape[axis]
        if side > SIDE:
            step = -(-side // SIDE)
            starts = np.arange(0, side, step)
            sizes = np.diff([*starts, side])
            shape = [1] * values.ndim
            shape[axis] = len(starts)
            values = np.add.reduceat(values, starts, axis=axis) / sizes.reshape(shape)
    return values.astype(np.float32)


def _moments(values: Array) -> Array:
    """Return the mean and the mean square of each channel of every example, (N, 2, C)."""
    rows = values.reshape(len(values), values.shape[1], -1).astype(np.float64)
    return np.stack([rows.mean(2), (rows**2).mean(2)], 1)


def _roles(paths: Sequence[Path], values: Mapping[Path, list[Array]]) -> dict[Path, Role]:
    """Tell what the leaves are for: by their names, else by their places."""
    roles = {path: named_role(path) for path in paths}
    for path, role in roles.items():
        if role is Role.INPUT and _numbers(values[path]):
            roles[path] = Role.NUMBER
    if Role.TARGET in roles.values():
        return roles
    # A pair, or what follows the inputs: the last leaf, or the first of one value.
    unnamed = [
        path for path in paths if roles[path] is Role.INPUT and path and isinstance(path[0], int)
    ]
    places = list(dict.fromkeys(path[0] for path in unnamed))
    if len(places) == 2:
        last = [path for path in unnamed if path[0] == places[1]]
        roles |= dict.fromkeys(last, Role.TARGET)
    elif len(places) > 2:
        single = [path for path in unnamed[1:] if values[path][0].size == 1]
        roles[single[0] if single else unnamed[-1]] = Role.TARGET
    return roles


def named_role(path: Path) -> Role:
    """Find the role that one of the names of a path says, the innermost first."""
    for part in reversed(path):
        if isinstance(part, str):
            word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part).lower()
            for role, pattern in _WORDS:
                if pattern.search(word):
                    return role
    return Role.INPUT


def _numbers(rows: Sequence[Array]) -> bool:
    """Say whether a leaf is a single integer, different in every example."""
    if len(rows) < ENOUGH_FOR_IDS or rows[0].size != 1 or rows[0].dtype.kind not in "iu":
        return False
    return len({int(row.reshape(-1)[0]) for row in rows if row.size}) == len(rows)


def shown(row: Any) -> str:
    """Write the values of an example: a few of them, rounded; a text in part and escaped."""
    values = np.asarray(row).reshape(-1)
    if values.dtype.kind == "U":
        text = str(values[0])
        return ascii(text[:SHOWN_LETTERS]) + ("..." if len(text) > SHOWN_LETTERS else "")
    first = [_number(value) for value in values[:SHOWN_VALUES]]
    if len(values) == 1:
        return first[0]
    return f"[{', '.join(first)}{', ...' if len(values) > SHOWN_VALUES else ''}]"


def _number(value: Any) -> str:
    return f"{float(value):.3g}" if isinstance(value, np.floating) else str(int(value))

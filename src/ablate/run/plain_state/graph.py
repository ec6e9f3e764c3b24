"""Walk everything mutable that some objects hold, by path, without changing any of it."""

import collections
import functools
import hashlib
import inspect
import io
import logging
import marshal
import pickle
import sys
import threading
import types
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from lightning.fabric.loggers.logger import Logger
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from ablate.run.plain_state import generators
from ablate.run.plain_state.values import LEAVES, frozen, name_of

VALUES = 2_000_000
"""How many values are looked at."""
BYTES = 1 << 30
"""How many bytes of tensors, arrays and other objects are compared."""

_LIBRARIES = frozenset(
    {
        "ablate",
        "jsonargparse",
        "lightning",
        "lightning_utilities",
        "optuna",
        "torch",
        "torchmetrics",
    }
)
_NOTHING_TO_KEEP = (
    inspect.Parameter,
    inspect.Signature,
    type,
    types.ModuleType,
    logging.Logger,
    Logger,
    Trainer,
    threading.Thread,
    weakref.ReferenceType,
    *(type(make()) for make in (threading.Lock, threading.RLock)),
)
_MANY = 1000
"""From how many tensors on a list of them is one thing."""
_HEAP_TYPE = 1 << 9
"""The flag of classes that are made at run time: Py_TPFLAGS_HEAPTYPE."""
_TRANSPARENT = frozenset({object, types.SimpleNamespace, BaseException, Exception})
"""Classes made in C that keep nothing beside the attributes."""
_FUNCTIONS = (
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial),
)
_LOADER_PARTS = (
    *("dataset", "sampler", "batch_sampler", "generator", "collate_fn", "worker_init_fn"),
)
_BARE: Mapping[type, frozenset[str]] = {
    kind: frozenset(vars(make()))
    for kind, make in (
        (nn.Module, nn.Module),
        (LightningModule, LightningModule),
        (LightningDataModule, LightningDataModule),
        (DataLoader, lambda: DataLoader([])),  # type: ignore[arg-type]
    )
}
"""What objects of a library's class have by themselves; its checkpoint holds what matters."""


@runtime_checkable
class Stateful(Protocol):
    """A loader that says itself how it stands."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go back to a state."""


@dataclass(slots=True)
class Cell:
    """Something mutable: what kind it is, and what is in it as plain data.

    `content` may hold tensors of the object itself; it is to be copied. `mark` tells the object
    from another one in its place, `size` is in bytes and rough.
    """

    value: Any
    kind: str
    content: Any
    digest: bytes
    mark: int
    size: int


@dataclass
class Graph:
    """All cells by their paths, in the order in which they are found, and what can't be known."""

    cells: dict[str, Cell] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


class Walk:
    """One walk from named objects. `held` are the tensors, by id, that a checkpoint holds.

    `marks` are those of an earlier walk: an object in another's place counts as new.
    """

    def __init__(self, held: Mapping[int, str], marks: Mapping[str, int] | None = None) -> None:
        self._held = held
        self._marks = marks
        self._paths: dict[int, str] = {}
        self._alive: list[Any] = []
        self._waiting: collections.deque[tuple[str, Any]] = collections.deque()
        self._values = self._bytes = 0
        self.graph = Graph()

    def go(self, roots: Mapping[str, Any]) -> Graph:
        """Walk the objects, breadth first."""
        for path, root in roots.items():
            self.token(root, path)
        while self._waiting:
            path, value = self._waiting.popleft()
            if self._values > VALUES or self._bytes > BYTES:
                self.graph.unknown[path.partition(".")[0]] = "holds too much to be looked through"
                break
            kind, content, size = self._content(value, path)
            digest = hashlib.sha256(kind.encode())
            _feed(digest, content)
            mark = _mark(value)
            self._bytes += size
            cell = Cell(value, kind, content, digest.digest(), mark, size)
            self.graph.cells[path] = cell
        return self.graph

    def token(self, value: Any, path: str) -> Any:
        """Write a value as plain data; what may change becomes a reference to a cell."""
        self._values += 1
        token = frozen(value, self.token, path)
        if token is not NotImplemented:
            return token
        if id(value) in self._held:
            return "held", self._held[id(value)]
        known = self._paths.get(id(value))
        if known is None:
            if (fixed := _fixed(value)) is not None:
                return "fixed", fixed
            known = self._paths[id(value)] = path
            # Bound methods and the like are made as they are asked for: no other may take the id.
            self._alive.append(value)
            self._waiting.append((path, value))
        is_new = self._marks is not None and self._marks.get(known) != _mark(value)
        return "cell", known, _signature(value), is_new

    def _content(self, value: Any, path: str) -> tuple[str, Any, int]:  # noqa: PLR0911, PLR0912
        """Return kind, content and size of something mutable."""
        match value:
            case Tensor():
                return self._tensor(value, path)
            case np.ndarray() if not value.dtype.hasobject:
                return "array", (value.dtype.str, value.shape, _bytes_of(value)), value.nbytes
            case _ if isinstance(value, generators.GENERATORS):
                name = generators.class_name(value)
                return "generator", (name, generators.state_of(value)), 5000
            case list() | collections.deque():
                return self._sequence(value, path)
            case set():
                inner = tuple(self.token(item, f"{path}{{{n}}}") for n, item in enumerate(value))
                content = name_of(type(value)), inner, self._attributes(value, path)
                return "set", content, 30 * len(inner)
            case bytearray():
                return "bytearray", value.decode("latin-1"), len(value)
            case dict():
                return self._dict(value, path)
            case Optimizer() | LRScheduler():
                return "stateful", self.token(value.state_dict(), f"{path}.state_dict()"), 0
            case _ if isinstance(value, _FUNCTIONS):
                return self._callable(value, path)
            case types.CellType():
                return "variable", self.token(value.cell_contents, path), 0
            case DataLoader() if isinstance(value, Stateful):
                state = self.token(value.state_dict(), f"{path}.state_dict()")
                return "loader", (state, self._attributes(value, path)), 0
            case CombinedLoader():
                return "loaders", self.token(tuple(value.flattened), path), 0
        if not _is_walkable(value):
            return self._opaque(value, path)
        inside = self._attributes(value, path)
        return "object", (name_of(type(value)), inside), 50 * len(inside)

    def _tensor(self, value: Tensor, path: str) -> tuple[str, Any, int]:
        plain = value.detach()
        if type(plain) is not Tensor or plain.layout is not torch.strided or plain.is_meta:
            return self._opaque(value, path)
        gradient = None
        if value.is_leaf and value.grad is not None:
            gradient = self.token(value.grad, f"{path}.grad")
        about = (str(plain.device), value.is_leaf and value.requires_grad, gradient)
        return "tensor", (about, plain), plain.nbytes

    def _sequence(self, value: Any, path: str) -> tuple[str, Any, int]:
        items: tuple[Any, ...] = tuple(value)
        kinds = set(map(type, items))
        if type(value) is list and kinds == {Tensor} and _is_long_and_alike(items):
            # As one, for a dataset may have a tensor for every example.
            shapes = tuple(tuple(item.shape) for item in items)
            flat = torch.cat([item.reshape(-1) for item in items])
            return "tensors", (shapes, flat), flat.nbytes
        if kinds <= LEAVES:
            self._values += len(items)
        else:
            items = tuple(
                ("tuple", item)
                if type(item) is tuple and LEAVES.issuperset(map(type, item))
                else self.token(item, f"{path}[{n}]")
                for n, item in enumerate(items)
            )
        more = self._attributes(value, path)
        if isinstance(value, list):
            return "list", (name_of(type(value)), items, more), 20 * len(items)
        return "deque", (name_of(type(value)), items, more, value.maxlen), 20 * len(items)

    def _dict(self, value: dict[Any, Any], path: str) -> tuple[str, Any, int]:
        items = tuple(
            (self.token(key, f"{path}.key{n}"), self.token(item, f"{path}[{_shown(key, n)}]"))
            for n, (key, item) in enumerate(value.items())
        )
        factory = self.token(getattr(value, "default_factory", None), f"{path}.default_factory")
        content = name_of(type(value)), items, self._attributes(value, path), factory
        return "dict", content, 40 * len(items)

    def _callable(self, value: Any, path: str) -> tuple[str, Any, int]:
        parts: list[Any]
        if isinstance(value, functools.partial):
            parts = [value.func, value.args, value.keywords]
        elif isinstance(value, types.MethodType):
            parts = [value.__self__, value.__func__]
        elif isinstance(value, types.BuiltinFunctionType):
            parts = [value.__self__]
        else:
            parts = [*(value.__closure__ or ()), *(value.__defaults__ or ()), vars(value)]
        inner = tuple(self.token(part, f"{path}({n})") for n, part in enumerate(parts))
        return "callable", (_fixed_name(value), inner), 0

    def _attributes(self, value: Any, path: str) -> tuple[tuple[str, Any], ...]:
        found = attributes(value)
        return tuple((name, self.token(item, f"{path}.{name}")) for name, item in found)

    def _opaque(self, value: Any, path: str) -> tuple[str, Any, int]:
        """Say of an object that is closed to a walk only whether it is as before."""
        digest = _Digest(BYTES - self._bytes)
        try:
            if isinstance(value, io.IOBase):
                digest.write(str(value.tell() if value.readable() else 0).encode())
            elif isinstance(value, types.GeneratorType):
                raise TypeError
            else:
                pickle.Pickler(digest, protocol=4).dump(value)
        except Exception:  # noqa: BLE001 - an object may refuse in any way
            self.graph.unknown[path] = f"is a {type(value).__qualname__}, whose state is unknown"
            return "opaque", "unknown", 0
        return "opaque", digest.hexdigest(), digest.size


def attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object has by name, its slots included, apart from what a library put there."""
    bare = frozenset().union(*(names for kind, names in _BARE.items() if isinstance(value, kind)))
    stands_by_itself = isinstance(value, DataLoader) and isinstance(value, Stateful)
    own = None if stands_by_itself else getattr(value, "__dict__", None)
    if isinstance(own, dict):
        kept = ((name, item) for name, item in list(own.items()) if name not in bare)
        yield from ((name, item) for name, item in kept if not _is_own_method(value, name, item))
    for kind in type(value).__mro__:
        for name, slot in vars(kind).items():
            if isinstance(slot, types.MemberDescriptorType) and _is_open(kind):
                try:
                    yield name, slot.__get__(value)
                except AttributeError:
                    continue
    if isinstance(value, nn.Module):
        yield "training", value.training
        for name, parameter in value.named_parameters(recurse=False, remove_duplicate=False):
            yield f"{name}.requires_grad", parameter.requires_grad
            yield name, parameter
        yield from value.named_buffers(recurse=False, remove_duplicate=False)
        yield from value.named_children()
    elif isinstance(value, DataLoader):
        yield from ((name, getattr(value, name)) for name in _LOADER_PARTS)


def _is_open(kind: type) -> bool:
    """Say whether a class is written in Python, so that its attributes are all that it has."""
    if not kind.__flags__ & _HEAP_TYPE:
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is None or file.endswith((".py", ".pyc"))


def _is_walkable(value: Any) -> bool:
    """Say whether all that an object keeps is in its attributes."""
    kind = type(value)
    if isinstance(value, (nn.Module, DataLoader)):
        return True
    if hasattr(kind, "__next__") and _library(kind):
        return False
    return all(base in _TRANSPARENT or _is_open(base) for base in kind.__mro__)


def _fixed(value: Any) -> str | None:  # noqa: PLR0911 - one for each kind
    """Name a value that has no state to keep, so that another in its place is noticed."""
    if isinstance(value, type):
        return name_of(value)
    if isinstance(value, _NOTHING_TO_KEEP) or (
        isinstance(value, Callback) and not is_of_user(value)
    ):
        return type(value).__qualname__
    if isinstance(value, (torch.dtype, torch.device, np.dtype, range, slice, types.EllipsisType)):
        return repr(value)
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        has_state = owner is not None and not isinstance(owner, (type, types.ModuleType))
        return None if has_state else _fixed_name(value)
    if isinstance(value, _FUNCTIONS):
        function: Any = value
        while not isinstance(function, types.FunctionType):
            inner = getattr(function, "func", None) or getattr(function, "__func__", None)
            if inner is None:
                return _fixed_name(function)
            function = inner
        return _fixed_name(value) if _library(function) else None
    return None


def is_plain(kind: type) -> bool:
    """Say whether an object of a class is made by filling it with attributes, and is the user's."""
    made_by_hand = issubclass(kind, (nn.Module, DataLoader, threading.Thread))
    return not made_by_hand and all(base in _TRANSPARENT or _is_open(base) for base in kind.__mro__)


def fixed_name(value: Any) -> str | None:
    """Name a value as its token does, if it has no state to keep."""
    return _fixed(value)


def _is_own_method(value: Any, name: str, item: Any) -> bool:
    """Say whether an attribute is what its class has anyway: a strategy may have put it back."""
    native = getattr(type(value), name, None)
    return isinstance(item, types.MethodType) and item.__self__ is value and item.__func__ is native


def is_of_user(value: Any) -> bool:
    """Say whether an object is of a class of the user's own."""
    return _library(type(value)) is None


def _library(kind: Any) -> str | None:
    """Name the library that a class or function is of, if its state is kept otherwise."""
    module = kind.__module__ or ""
    root = module.partition(".")[0]
    if module.startswith(("ablate.systems", "ablate.testing")):
        return None
    return root if root in _LIBRARIES or root in sys.stdlib_module_names else None


def _fixed_name(value: Any) -> str:
    kind = getattr(value, "func", value)
    name = getattr(kind, "__qualname__", type(value).__qualname__)
    return f"{getattr(kind, '__module__', None)}:{name}"


def _signature(value: Any) -> str:
    """Name what an object must agree in to be filled with what another one held."""
    if isinstance(value, Tensor):
        return f"{type(value).__qualname__} {value.dtype} {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"array {value.dtype.str} {value.shape}"
    if isinstance(value, generators.GENERATORS):
        return generators.class_name(value)
    if isinstance(value, collections.deque):
        return f"{name_of(type(value))} {value.maxlen}"
    return name_of(type(value))


def _mark(value: Any) -> int:
    """Tell an object from another one in its place: by its memory, where it is values."""
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        try:
            return value.data_ptr()
        except RuntimeError:
            return id(value)
    if isinstance(value, np.ndarray):
        return int(value.__array_interface__["data"][0])
    if isinstance(value, (list, dict, set, collections.deque, *generators.GENERATORS)):
        return id(value)
    return 0


def _is_long_and_alike(items: tuple[Tensor, ...]) -> bool:
    if len(items) < _MANY:
        return False
    first = items[0]
    return all(
        item.dtype == first.dtype
        and item.device == first.device
        and item.layout is torch.strided
        and not item.requires_grad
        and not item.is_meta
        for item in items
    )


def _bytes_of(value: "np.ndarray[Any, Any]") -> Tensor:
    """Return an array's bytes as a tensor."""
    return torch.frombuffer(bytearray(value.tobytes()) or bytearray(1), dtype=torch.uint8)


def _shown(key: Any, place: int) -> str:
    return repr(key) if type(key) in LEAVES and len(str(key)) <= 40 else str(place)


def _feed(digest: Any, content: Any) -> None:
    """Digest content; tensors by their bytes."""
    tensors: list[Tensor] = []
    digest.update(marshal.dumps(_without_tensors(content, tensors), 2))
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        if tensor.numel():
            flat = tensor.cpu().contiguous().view(-1).view(torch.uint8)
            digest.update(flat.numpy())


def _without_tensors(content: Any, found: list[Tensor]) -> Any:
    if isinstance(content, Tensor):
        found.append(content)
        return None
    # Only these contents hold tensors, at a known depth.
    if isinstance(content, tuple) and any(isinstance(item, Tensor) for item in content):
        return tuple(_without_tensors(item, found) for item in content)
    return content


class _Digest(io.RawIOBase):
    """A file that keeps of what is written only the digest; too much of it raises."""

    def __init__(self, most: int) -> None:
        self._digest, self._most = hashlib.sha256(), most
        self.size = 0

    def write(self, data: Any) -> int:
        self.size += len(data)
        if self.size > self._most:
            raise OverflowError
        self._digest.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

"""What objects keep of their own between two moments of a run, to be given back in a later one."""

import collections
import hashlib
import math
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ablate.run.plain_state import generators
from ablate.run.plain_state.graph import Cell, Graph, Walk, attributes, fixed_name, is_plain
from ablate.run.plain_state.values import Unrestorable, class_of, name_of, thawed

SMALL = 1 << 16
"""Cells up to this many bytes are kept whether they have changed or not."""
ALL_SMALL = 1 << 18
"""The bytes of all cells that are kept though they have not changed."""


class PlainState:
    """Follows what the objects of a run keep, from the moment in which they were built.

    Kept is what has changed since then, and what is small; of the rest only a digest, which tells
    whether a later run has built the same.
    """

    def __init__(self) -> None:
        self._digests: dict[str, bytes] = {}
        self._marks: dict[str, int] = {}

    def begin(
        self, roots: Mapping[str, Any], held: Mapping[str, Tensor], only: tuple[str, ...] = ()
    ) -> None:
        """Take objects as they are now for those that every run builds, unless they are known.

        `held` are the tensors that a checkpoint holds, by name; `only` names the roots to look at.
        """
        for path, cell in Walk(_by_id(held)).go(roots).cells.items():
            if path.startswith(only or ""):
                self._digests.setdefault(path, cell.digest)
                self._marks.setdefault(path, cell.mark)

    def capture(
        self, roots: Mapping[str, Any], held: Mapping[str, Tensor], only_changed: str
    ) -> dict[str, Any]:
        """Return as plain data what the objects keep, and in words what can't be kept.

        What is below the roots whose names begin with `only_changed` is kept if it has changed.
        """
        graph = Walk(_by_id(held), self._marks).go(roots)
        kept: dict[str, Any] = {}
        rest: dict[str, Cell] = {}
        why = dict(graph.unknown)
        spare = ALL_SMALL
        for path, cell in graph.cells.items():
            changed = self._digests.get(path) != cell.digest
            small = cell.size <= min(SMALL, spare) and not path.startswith(only_changed)
            if cell.kind == "opaque":
                if changed and path not in why:
                    kind = type(cell.value).__qualname__
                    why[path] = f"is a {kind}, has changed and can't be kept"
                rest[path] = cell
            elif changed or small:
                kept[path] = (
                    cell.kind,
                    *_copied(cell),
                    path not in roots and self._is_new(path, cell),
                )
                spare -= 0 if changed else cell.size + len(path) + 100
            else:
                rest[path] = cell
        return {"cells": kept, "rest": _by_owner(rest), "unknown": why}

    def restore(
        self, state: Mapping[str, Any], roots: Mapping[str, Any], held: Mapping[str, Tensor]
    ) -> dict[str, str]:
        """Give back what was kept to objects that were built alike; say what could not be."""
        graph = Walk(_by_id(held)).go(roots)
        return _Restoring(state, graph, held).do()

    def _is_new(self, path: str, cell: Cell) -> bool:
        return self._marks.get(path) != cell.mark


class _Restoring:
    """Fills the cells of a graph with what was kept of another one."""

    def __init__(self, state: Mapping[str, Any], graph: Graph, held: Mapping[str, Tensor]) -> None:
        self._kept: Mapping[str, tuple[str, Any, str, bool]] = state["cells"]
        self._rest: Mapping[str, str] = state["rest"]
        self._cells = graph.cells
        self._held = held
        self._objects: dict[str, Any] = {}
        self._empty: list[str] = []
        self._filled: set[str] = set()
        self.missed: dict[str, str] = {}

    def do(self) -> dict[str, str]:
        """Fill what differs, and say of what could not be filled why."""
        rest = {path: cell for path, cell in self._cells.items() if path not in self._kept}
        now = _by_owner(rest)
        for owner, digest in self._rest.items():
            if now.get(owner) != digest:
                self.missed[owner] = "is not built as it was before"
        for path, (_, _, digest, _) in self._kept.items():
            cell = self._cells.get(path)
            if cell is None or cell.digest.hex() != digest:
                self._try_to_fill(path)
        # What was made to stand in something is filled even if something alike stood there.
        while self._empty:
            self._try_to_fill(self._empty.pop())
        return self.missed

    def _try_to_fill(self, path: str) -> None:
        try:
            if path not in self._filled:
                self._filled.add(path)
                self._fill(path)
        except Unrestorable as error:
            self.missed[path] = str(error)
        except Exception as error:  # noqa: BLE001 - an object may refuse in any way
            self.missed[path] = f"can't be restored: {type(error).__name__}: {error}"

    def _object(self, path: str) -> Any:
        """Return the object of a path: the one that is there, or another in its place."""
        if path in self._objects:
            return self._objects[path]
        cell = self._cells.get(path)
        if path not in self._kept:
            if cell is None:
                raise Unrestorable("is not there any more")
            made = cell.value
        else:
            kind, content, _, is_new = self._kept[path]
            if cell is not None and cell.kind == kind and _fits(cell, content) and not is_new:
                made = cell.value
            else:
                made = _empty(kind, content)
                self._empty.append(path)
        self._objects[path] = made
        return made

    def _fill(self, path: str) -> None:  # noqa: PLR0912, PLR0915 - one for each kind
        """Put into an object what was kept of it."""
        target = self._object(path)
        kind, content, _, _ = self._kept[path]
        match kind, content:
            case "tensor", (about, values):
                _fill_tensor(target, values)
                if about[1] != (target.is_leaf and target.requires_grad) and target.is_leaf:
                    target.requires_grad_(about[1])
                target.grad = self._value(about[2])
            case "array", (dtype, shape, data):
                size = int(np.prod(shape, dtype=np.int64))
                values = np.frombuffer(data.numpy().tobytes(), dtype=dtype, count=size)
                np.copyto(target, values.reshape(shape))
            case "generator", (_, state):
                generators.set_state(target, state)
            case "list", (_, items, more):
                old = list(target)
                target[:] = [self._value(item, old, n) for n, item in enumerate(items)]
                self._fill_attributes(target, more)
            case "tensors", (shapes, flat):
                parts = flat.split([math.prod(shape) for shape in shapes])
                shaped = zip(parts, shapes, strict=True)
                target[:] = [part.reshape(shape).clone() for part, shape in shaped]
            case "deque", (_, items, more, _):
                target.clear()
                target.extend(map(self._value, items))
                self._fill_attributes(target, more)
            case "set", (_, items, more):
                target.clear()
                target.update(map(self._value, items))
                self._fill_attributes(target, more)
            case "bytearray", text:
                target[:] = text.encode("latin-1")
            case "dict", (_, items, more, factory):
                before = dict(target)
                new = [(key := self._value(k), self._value(v, before, key)) for k, v in items]
                ordered = isinstance(target, collections.OrderedDict)
                kind_of_dict: type[dict[Any, Any]] = collections.OrderedDict if ordered else dict
                kind_of_dict.clear(target)
                for key, value in new:
                    kind_of_dict.__setitem__(target, key, value)
                if isinstance(target, collections.defaultdict):
                    target.default_factory = self._value(
                        factory, vars_of(target), "default_factory"
                    )
                self._fill_attributes(target, more)
            case "stateful", token:
                target.load_state_dict(self._whole(token))
            case "loader", (token, more):
                self._fill_attributes(target, more)
                target.load_state_dict(self._whole(token))
            case (("callable" | "loaders"), _):
                raise Unrestorable("is another one")
            case "variable", token:
                target.cell_contents = self._value(token, [target.cell_contents], 0)
            case "object", (_, more):
                self._fill_attributes(target, more)

    def _fill_attributes(self, target: Any, tokens: Any) -> None:
        old = dict(attributes(target))
        for name, token in tokens:
            value = self._value(token, old, name)
            if name not in old or old[name] is not value:
                _put(target, name, value)
        for name in old.keys() - {name for name, _ in tokens}:
            vars(target).pop(name, None)

    def _value(self, token: Any, old: Any = (), key: Any = None) -> Any:
        """Make the value of a token; `old[key]` is what stands in its place."""
        match token:
            case ("cell", path, *_):
                return self._object(path)
            case ("held", name):
                return self._held[name]
            case ("fixed", name):
                try:
                    there = old[key]
                except (KeyError, IndexError):
                    there = None
                if fixed_name(there) != name:
                    raise Unrestorable(f"holds {name}, which can't be kept")
                return there
        return thawed(token, self._value)

    def _whole(self, token: Any) -> Any:
        """Make a value with all that is in it, apart from any object that is there."""
        match token:
            case ("cell", path, *_):
                kind, content, *_ = self._kept[path]
                if kind == "dict":
                    return {self._whole(k): self._whole(v) for k, v in content[1]}
                if kind == "list":
                    return [self._whole(item) for item in content[1]]
                if kind == "tensor":
                    return content[1].clone()
                made = self._objects[path] = _empty(kind, content)
                self._fill(path)
                return made
        return thawed(token, self._whole)


def _by_id(held: Mapping[str, Tensor]) -> dict[int, str]:
    return {id(tensor): name for name, tensor in held.items()}


def vars_of(value: Any) -> dict[str, Any]:
    """Return what a defaultdict has beside its items."""
    return {"default_factory": value.default_factory}


def _put(target: Any, name: str, value: Any) -> None:
    """Set an attribute as it is kept, past whatever watches the attributes of a class."""
    if isinstance(target, nn.Module):
        if name.endswith(".requires_grad"):
            target.get_parameter(name.removesuffix(".requires_grad")).requires_grad_(value)
            return
        if name == "training":
            target.training = value
            return
        if name in dict(target.named_buffers(recurse=False)):
            setattr(target, name, value)
            return
        if name not in vars(target) and name in dict(attributes(target)):
            raise Unrestorable(f"has another {name}")
        vars(target)[name] = value
        return
    object.__setattr__(target, name, value)


def _fits(cell: Cell, content: Any) -> bool:
    """Say whether an object can be filled in place."""
    match cell.kind, content:
        case "tensor", (_, values):
            return bool(cell.value.shape == values.shape and cell.value.dtype == values.dtype)
        case "array", (dtype, shape, _):
            same = cell.value.dtype.str == dtype and cell.value.shape == tuple(shape)
            return bool(same and cell.value.flags.writeable)
        case "generator", (name, _):
            return bool(generators.class_name(cell.value) == name)
        case "deque", (*_, length):
            return bool(cell.value.maxlen == length)
        case (("list" | "set" | "dict" | "object"), (name, *_)):
            return bool(name_of(type(cell.value)) == name)
    return True


def _empty(kind: str, content: Any) -> Any:  # noqa: PLR0911 - one for each kind
    """Make an object to be filled; of a class of the user's only without calling anything of it."""
    match kind, content:
        case "tensor", (about, values):
            return torch.empty_like(values, device=about[0])
        case "array", (dtype, shape, _):
            return np.empty(shape, dtype=dtype)
        case "generator", (name, state):
            if (made := generators.another(name, state)) is not None:
                return made
        case "bytearray", _:
            return bytearray()
        case "tensors", _:
            return []
        case "deque", ("collections:deque", *_, length):
            return collections.deque(maxlen=length)
        case (("list" | "set" | "dict"), (name, *_)):
            base: Any = {"list": list, "set": set, "dict": dict}[kind]
            made = class_of(name, base)
            if issubclass(made, collections.OrderedDict):
                base = collections.OrderedDict
            return base.__new__(made)
        case "object", (name, *_):
            made = class_of(name)
            if not is_plain(made):
                raise Unrestorable(f"is a new {made.__qualname__}, which can't be made again")
            if issubclass(made, types.SimpleNamespace):
                return types.SimpleNamespace.__new__(made)
            return object.__new__(made)
    raise Unrestorable(f"is a new {kind}, which can't be made again")


def _fill_tensor(target: Tensor, values: Tensor) -> None:
    with torch.no_grad():
        target.detach().copy_(values)


def _copied(cell: Cell) -> tuple[Any, str]:
    content = cell.content
    if cell.kind == "tensor":
        content = (content[0], content[1].cpu().clone())
    return content, cell.digest.hex()


def _by_owner(cells: Mapping[str, Cell]) -> dict[str, str]:
    """Digest cells together by the attribute of a root that they hang on."""
    digests: dict[str, Any] = {}
    for path, cell in cells.items():
        owner = ".".join(path.split(".", 2)[:2]).partition("[")[0]
        digest = digests.setdefault(owner, hashlib.sha256())
        digest.update(path.encode() + cell.digest)
    return {owner: digest.hexdigest() for owner, digest in digests.items()}

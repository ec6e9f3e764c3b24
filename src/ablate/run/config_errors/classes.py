"""The class that a config names, or why there is none."""

import importlib
import pkgutil
import sys
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import nearest, worded
from ablate.run.frames import own_frame


@dataclass(frozen=True)
class Missing:
    """A class that can't be had, and why."""

    reason: str


def find(name: str, base: type | None) -> Any | Missing | None:
    """Return what a full import path, or the short name of a subclass of `base`, stands for.

    None where a short name stands for something that is not known here.
    """
    if "." in name:
        return _import(name)
    if base is None:
        return None
    known: dict[str, type] = {subclass.__name__: subclass for subclass in _subclasses(base)}
    if name in known:
        return known[name]
    public = [other for other in known if not other.startswith("_")]
    return Missing(
        f"no {base.__name__} is called {name!r}: {nearest(name, public)} "
        "A class of your own is named in full: module.Class"
    )


def find_among(name: str, bases: Sequence[type]) -> Any | Missing | None:
    """Return what a full import path, or the short name of a subclass of one of `bases`, means."""
    if "." in name:
        return find(name, None)
    found = [find(name, base) for base in bases]
    known = [item for item in found if not isinstance(item, Missing)]
    return next(iter(known or found), None)


def accepted(target: Any, argument: str) -> list[type]:
    """List the classes of which an argument of a class or function may hold objects."""
    made_by = getattr(target, "__init__") if isinstance(target, type) else target  # noqa: B009
    try:
        hints = typing.get_type_hints(made_by)
    except Exception:  # noqa: BLE001 - an annotation may be any expression
        return []
    return list(_classes(hints.get(argument)))


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and hint.__module__ != "builtins":
        yield hint
    for inner in typing.get_args(hint):
        yield from _classes(inner)


def _subclasses(base: type) -> Iterator[type]:
    subclass: type
    for subclass in base.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _import(name: str) -> Any | Missing:
    module, _, attribute = name.rpartition(".")
    owner: Any
    try:
        owner = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            return _failed(module, error)
        owner = _import(module) if "." in module else None
        if not isinstance(owner, type):  # else a class inside a class
            return Missing(f"No module named {error.name!r}{_advice(error.name)}")
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        return _failed(module, error)
    if hasattr(owner, attribute):
        return getattr(owner, attribute)
    kind = "class" if isinstance(owner, type) else "module"
    return Missing(f"{kind} {module!r} has no attribute {attribute!r}: {_near(owner, attribute)}")


def _near(owner: Any, attribute: str) -> str:
    return nearest(attribute, [name for name in vars(owner) if not name.startswith("_")])


def _failed(module: str, error: Exception) -> Missing:
    where = own_frame(error)
    said = f"SyntaxError: {error.msg}" if type(error) is SyntaxError else worded(error)
    reason = f"importing {module!r} failed: {said}"
    missing = isinstance(error, ModuleNotFoundError)
    return Missing(
        f"{reason}{f' ({where})' if where else ''}{f'; {_searched()}' if missing else ''}"
    )


def _advice(module: str) -> str:
    """Word a hint with the modules beside a missing one, or with the places that were searched."""
    parent, _, name = module.rpartition(".")
    found = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    if found is not None:
        return f": {nearest(name, [item.name for item in pkgutil.iter_modules(found)])}"
    return f": {_searched()}; run where it lies, or put its folder on PYTHONPATH"


def _searched() -> str:
    """List the folders in which modules are looked for, in the order of the search."""
    folders = dict.fromkeys(str(Path(folder or ".").absolute()) for folder in sys.path)
    own = [folder for folder in folders if not folder.startswith((sys.prefix, sys.base_prefix))]
    return f"looked in {''.join(f'{folder}, ' for folder in own)}and the installed packages"

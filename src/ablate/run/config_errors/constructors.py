"""Constructors that refuse their arguments: which object of the config, and where in the code."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonargparse
from lightning.pytorch import Trainer

from ablate.errors import shortened
from ablate.run.config_errors import classes
from ablate.run.config_errors.parts import base_of
from ablate.run.config_errors.shape import described
from ablate.run.frames import own_frame

_JSONARGPARSE = Path(jsonargparse.__file__).parent


def explanation(error: Exception, config: dict[str, Any]) -> str | None:
    """Say which object of a config raised, what and where; None where jsonargparse itself did."""
    raised = _origin(error)
    if raised is None:
        return None
    kind = type(raised).__name__
    lines = shortened(str(raised)).splitlines()
    reason = "; ".join(line.strip() for line in lines if line.strip())
    where = own_frame(raised)
    origin = " at ".join([*([kind] if reason else []), *([str(where)] if where else [])])
    said = ": ".join([*_object(raised, config), reason or kind])
    return f"{said} ({origin})" if origin else said


def _origin(error: BaseException) -> BaseException | None:
    """Go back from what jsonargparse raises to what it was told."""
    origin: BaseException | None = error
    while origin is not None and _raised_by_jsonargparse(origin):
        origin = origin.__cause__ or origin.__context__
    return origin or _speechless(error)


def _speechless(error: BaseException) -> BaseException | None:
    """Find what a constructor raised without a word: over that jsonargparse itself stumbles.

    It chains nothing to its own exception then, but its frames still hold what it was told.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Exception) and not _raised_by_jsonargparse(item):
                    return item
    return None


def _raised_by_jsonargparse(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).is_relative_to(_JSONARGPARSE)


def _object(error: BaseException, config: dict[str, Any]) -> list[str]:
    """Return path and class of the outermost object of a config that was being built."""
    built = dict(_built(config))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        target = type(frame.f_locals.get("self"))
        for path, (name, described_class) in built.items():
            if target is described_class:
                return [path, name]
    return []


def _built(config: dict[str, Any]) -> Iterator[tuple[str, tuple[str, Any]]]:
    for path, node in described(config):
        name = node.get("class_path") if isinstance(node, dict) else node
        if isinstance(name, str):
            yield path, (name, classes.find(name, base_of(path)))
    yield "trainer", ("Trainer", Trainer)

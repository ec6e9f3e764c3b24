"""What a process has opened, listed and reached since it began, besides installed code.

What a worker imports or reads before it is copied counts for every copy.
"""

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ablate.run.installed import INSTALLED_ROOTS

_BEYOND = frozenset({"socket.connect", "subprocess.Popen", "sqlite3.connect", "urllib.Request"})
"""Events by which a process reaches what no file shows."""


@dataclass
class Touched:
    """Paths that were opened or listed, whether they were there or not, and what was beyond them.

    `since` is the time in nanoseconds from which on nothing was missed.
    """

    since: int
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    beyond: set[str] = field(default_factory=set)


_touched: Touched | None = None


def watch() -> None:
    """Note from now on what this process touches, and what its copies do."""
    global _touched  # noqa: PLW0603 - an audit hook is never removed
    if _touched is None:
        _touched = Touched(time.time_ns())
        sys.addaudithook(_hook)


def touched() -> Touched | None:
    """Return what was touched so far; None in a process that was not watched from its start."""
    return _touched


def installed(path: str) -> bool:
    """Say whether a path is of Python itself or of an installed package."""
    return path.startswith(_ROOTS)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    # An exception would reach the code that is watched.
    with suppress(Exception):
        _note(event, arguments)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    assert _touched is not None  # noqa: S101 - it is made before the hook is
    if event == "open":
        path = arguments[0]
        if isinstance(path, str | bytes | os.PathLike):
            _add(_touched.files, path)
    elif event in {"os.listdir", "os.scandir"}:
        path = "." if arguments[0] is None else arguments[0]
        if isinstance(path, str | bytes | os.PathLike):
            _add(_touched.folders, path)
    elif event in _BEYOND:
        _touched.beyond.add(event)


def _add(paths: set[str], path: Any) -> None:
    name = os.fsdecode(path)
    if not name.startswith(_LEFT_OUT) and "__pycache__" not in name:
        paths.add(os.path.join(os.getcwd(), name))  # noqa: PTH109, PTH118


_PREFIXES = tuple(
    f"{root.rstrip(os.sep)}{os.sep}" for root in (sys.prefix, sys.base_prefix) if len(root) > 4
)
_ROOTS = (*INSTALLED_ROOTS, *_PREFIXES)
_LEFT_OUT = (*_ROOTS, "/proc/", "/sys/", "/dev/", "/etc/")

"""The files that a module and its data open while they are made and set up."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule

from ablate.audits.evidence import FileRead

CODE = frozenset({".py", ".pyc", ".pyi", ".so", ".pyd"})
MOST = 200

_listeners: list[Callable[[str, bool], None]] = []


class Opened:
    """Collects the files below the working directory or the home that are opened in a block.

    Only those count that are opened by a method of the module or of the data module, at whatever
    depth: code and installed packages do not. What is not opened by Python is not seen.
    """

    def __init__(self) -> None:
        self._found: dict[FileRead, None] = {}
        self._made: dict[str, None] = {}
        self._but: Path | None = None

    @property
    def files(self) -> tuple[FileRead, ...]:
        """The files that were read, in the order in which they were opened first."""
        return tuple(self._found)

    @property
    def made(self) -> tuple[str, ...]:
        """The files that were written, or that another was put in the place of."""
        return tuple(self._made)

    @contextmanager
    def watched(self, but: Path) -> Iterator[None]:
        """Watch a block; files in the folder `but` do not count."""
        _listen()
        self._but = but.resolve()
        _listeners.append(self._note)
        try:
            yield
        finally:
            _listeners.remove(self._note)

    def _note(self, path: str, writes: bool) -> None:
        # Python opens the name of a program that does not parse, to show its line.
        if len(self._found) + len(self._made) >= MOST or not (writes or Path(path).is_file()):
            return
        shown = self._shown(Path(path))
        reader = None if shown is None else _reader()
        if shown is None or reader is None:
            return
        if writes:
            self._made.setdefault(shown)
        else:
            self._found.setdefault(FileRead(shown, reader))

    def _shown(self, path: Path) -> str | None:
        """Write a path as its owner knows it; None for one that does not count."""
        path = Path(os.path.normpath(path if path.is_absolute() else Path.cwd() / path))
        installed = any(path.is_relative_to(prefix) for prefix in {sys.prefix, sys.base_prefix})
        if path.suffix in CODE or installed or (self._but and path.is_relative_to(self._but)):
            return None
        if path.is_relative_to(Path.cwd()):
            return str(path.relative_to(Path.cwd()))
        home = Path.home()
        owned = home != Path(home.anchor) and path.is_relative_to(home)
        return f"~/{path.relative_to(home)}" if owned else None


def _reader() -> Any:
    """Say whose method is being run: the model's or the data's; None if neither's."""
    for frame, _ in traceback.walk_stack(None):
        owner = frame.f_locals.get("self")
        if isinstance(owner, LightningModule):
            return "model"
        if isinstance(owner, LightningDataModule):
            return "data"
    return None


@cache
def _listen() -> None:
    """Have Python tell of every file that is opened; such a hook stays for good."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in {"open", "os.rename"} or not _listeners:
        return
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    else:
        path, writes = arguments[1], True
    if isinstance(path, str | os.PathLike):
        for listener in tuple(_listeners):
            listener(os.fspath(path), writes)

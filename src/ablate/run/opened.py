"""The files below the working directory that a run reads, and their digests when it is over."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

_WHOLE = 8 << 20
"""Bytes up to which a file is hashed whole; of a larger one as many are, in pieces."""
_PIECES = 32
_ALL = 128 << 20
"""Bytes that are hashed of all files of a run; of further ones the size is recorded."""
_MOST = 1000
"""Files that are recorded one by one; of further ones their number and sizes."""
_CODE = (".py", ".pyc", ".pyi", ".so", ".pyd")
_LEFT_OUT = frozenset({".git", "__pycache__", "site-packages"})
_WRITES = os.O_WRONLY | os.O_RDWR


class Opened:
    """Notes which files a run opens for reading, in its process and in those it forks.

    What opens files without Python, as some libraries for tables and arrays do, is not seen.
    """

    def __init__(self, run_folder: Path) -> None:
        self._root = os.getcwd()  # noqa: PTH109
        self._left_out = (
            *_folder(run_folder.parent, self._root),
            *_folder(run_folder.parent.parent, self._root),  # that of all results
            *_folder(Path(sys.prefix), self._root),
        )
        self._owner = os.getpid()
        self._seen: set[str] = set()
        self._written: set[str] = set()
        # What forked processes see comes back through a file without a name.
        self._told = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the run
        self._mark = os.fstat(self._told.fileno())[:2]

    def see(self, path: Any, mode: Any, flags: Any) -> None:
        """Note that a file is opened."""
        if isinstance(path, int):
            return
        name = os.path.join(os.getcwd(), os.fsdecode(path))  # noqa: PTH109, PTH118
        writes = any(sign in mode for sign in "wxa+") if isinstance(mode, str) else False
        if writes or (isinstance(flags, int) and flags & _WRITES):
            self._written.add(name)
        elif name not in self._seen and name not in self._written:
            self._seen.add(name)
            if os.getpid() != self._owner:
                self._tell(name)

    def files(self, code: Collection[str] = ()) -> dict[str, str]:
        """Return the digest of every file that was read and not written, by its path from here.

        `code` are paths that are recorded as sources.
        """
        with suppress(OSError, ValueError):
            self._told.seek(0)
            self._seen |= set(self._told.read().decode(errors="surrogateescape").split("\0")) - {""}
        self._told.close()
        paths = sorted(
            path
            for path in map(os.path.normpath, self._seen - self._written)
            if self._counts(path) and path not in code
        )
        return _digests(dict.fromkeys(paths), self._root)

    def _tell(self, name: str) -> None:
        number = self._told.fileno()
        # A process that has closed all files may have given the number to one of its own.
        if os.fstat(number)[:2] == self._mark:
            os.write(number, name.encode(errors="surrogateescape") + b"\0")

    def _counts(self, path: str) -> bool:
        if not path.startswith(self._root + os.sep) or path.endswith(_CODE):
            return False
        if path.startswith(self._left_out):
            return False
        return _LEFT_OUT.isdisjoint(Path(path).parts) and Path(path).is_file()


def watch_files(opened: Opened | None) -> None:
    """Let a run note the files that are opened from now on, or no one."""
    global _watching, _installed  # noqa: PLW0603 - an audit hook is never removed
    _watching = opened
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True


_watching: Opened | None = None
_installed = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watching is not None:
        # An exception would reach the code that opens the file.
        with suppress(Exception):
            _watching.see(*arguments)


def _folder(path: Path, root: str) -> tuple[str, ...]:
    """Return a folder below the root as the beginning of paths; nothing for any other one."""
    full = os.path.abspath(path)  # noqa: PTH100
    return (full + os.sep,) if full.startswith(root + os.sep) else ()


def _digests(paths: Iterable[str], root: str) -> dict[str, str]:
    found: dict[str, str] = {}
    left, further = _ALL, []
    for path in paths:
        with suppress(OSError):
            size = Path(path).stat().st_size
            name = os.path.relpath(path, root)
            if len(found) >= _MOST:
                further.append(f"{name} {size}")
            elif left <= 0:
                found[name] = f"{size} bytes"
            else:
                found[name] = _digest(Path(path), size)
                left -= min(size, _WHOLE)
    if further:
        digest = hashlib.sha256("\n".join(further).encode(errors="surrogateescape")).hexdigest()
        found[f"{len(further)} further files"] = f"names and sizes {digest[:16]}"
    return found


def _digest(path: Path, size: int) -> str:
    with path.open("rb") as file:
        if size <= _WHOLE:
            return hashlib.sha256(file.read()).hexdigest()[:16]
        digest = hashlib.sha256(str(size).encode())
        length = _WHOLE // _PIECES
        for piece in range(_PIECES):
            file.seek((size - length) * piece // (_PIECES - 1))
            digest.update(file.read(length))
    return f"{digest.hexdigest()[:16]} of {_PIECES} pieces"

"""What the evidence of an arm stands on, so that it can be told whether it still holds."""

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ablate.run.touched import installed, touched

_WHOLE = 8 << 20
"""Bytes up to which a file is told by its content; a larger one by its size and times."""
_MOST_FILES = 2_000
_MOST_BYTES = 256 << 20
_MOST_OF_PROJECT = 10_000
_NO_DATA = frozenset({".yaml", ".yml", ".md", ".db", ".db-wal", ".db-shm", ".log", ".pyc"})
"""Endings of files that count only if they were opened."""
_NO_FOLDERS = frozenset({"__pycache__", "results", "lightning_logs", "node_modules", "venv"})
_OF_A_TERMINAL = (
    *("TERM", "COLORTERM", "COLUMNS", "LINES", "PWD", "OLDPWD", "SHLVL", "_", "DISPLAY"),
    *("SSH_", "WINDOWID", "TMUX", "XDG_SESSION", "DBUS_", "GPG_", "VSCODE_", "PS1", "PROMPT"),
    *("PYTEST_", "ABLATE_EVIDENCE"),
)
"""How variables begin that tell of a terminal and not of what is computed."""


@dataclass(frozen=True)
class Standing:
    """Files by path with what tells their content, folders with what tells their entries."""

    files: Mapping[str, str]
    folders: Mapping[str, str]
    project: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @staticmethod
    def of(data: Any) -> "Standing":
        """Read what `as_dict` gave. Raises ValueError for anything else."""
        return _READER.validate_python(data)

    @staticmethod
    def now(files: Iterable[str], folders: Iterable[str] = ()) -> "Standing | None":
        """Tell what files, folders and the project are now; None if they are too many."""
        files, folders, project = sorted(files), sorted(folders), _project()
        if project is None or len(files) + len(folders) > _MOST_FILES or _is_too_much(files):
            return None
        return Standing(
            files={path: _content(path) for path in files},
            folders={path: _entries(path) for path in folders},
            project=project,
        )

    def holds(self) -> bool:
        """Say whether all is still as it was."""
        return (
            all(_content(path) == told for path, told in self.files.items())
            and all(_entries(path) == told for path, told in self.folders.items())
            and _project() == self.project
        )


_READER = TypeAdapter(Standing)


def standing(paths: Iterable[str] = ()) -> Standing | None:
    """Return what this process has stood on so far, with some paths besides.

    None if that cannot be told: the process was not watched, reached beyond files, or something
    has changed since it began.
    """
    seen = touched()
    if seen is None or seen.beyond:
        return None
    modules = [
        path
        for name, module in list(sys.modules.items())
        if isinstance(path := getattr(module, "__file__", None), str)
        and (name.partition(".")[0] == "ablate" or not installed(path))
    ]
    files = {*map(os.path.normpath, [*seen.files, *paths]), *modules}
    folders = {path for path in map(os.path.normpath, seen.folders) if not installed(path + os.sep)}
    if any(_is_newer(path, seen.since) for path in files):
        return None
    return Standing.now(files, folders)


def surroundings() -> dict[str, str]:
    """Return what else moves numbers: the folder, installed distributions, and variables."""
    distributions = []
    for folder in sys.path:
        with suppress(OSError):
            distributions += [
                entry
                for entry in os.listdir(folder or ".")  # noqa: PTH208 - many short names
                if entry.endswith((".dist-info", ".egg-info", ".pth"))
            ]
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(_OF_A_TERMINAL)
    }
    return {
        "folder": os.getcwd(),  # noqa: PTH109
        "path": _hashed(sys.path),
        "distributions": _hashed(sorted(distributions)),
        "variables": _hashed(f"{name}={value}" for name, value in sorted(variables.items())),
    }


def _content(path: str) -> str:
    """Tell the content of a file, or that there is none."""
    try:
        status = Path(path).stat()
        if Path(path).is_dir():
            return "folder"
        if status.st_size > _WHOLE:
            return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "none"


def _entries(path: str) -> str:
    try:
        names = sorted(entry.name for entry in os.scandir(path) if _counts(entry.name))
    except OSError:
        return "none"
    return _hashed(names)


def _is_too_much(paths: Iterable[str]) -> bool:
    total = 0
    for path in paths:
        with suppress(OSError):
            total += min(Path(path).stat().st_size, _WHOLE)
    return total > _MOST_BYTES


def _is_newer(path: str, since: int) -> bool:
    """Say whether a file has changed since: what was read of it may be another content."""
    with suppress(OSError):
        status = Path(path).stat()
        return max(status.st_mtime_ns, status.st_ctime_ns) >= since and not Path(path).is_dir()
    return False


def _project() -> str | None:
    """Tell names, sizes and times of the files of the project; None if they are very many."""
    told: list[str] = []
    waiting = [os.getcwd()]  # noqa: PTH109
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if not _counts(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
                told.append(f"{entry.path} {status.st_size} {status.st_mtime_ns}")
        if len(told) > _MOST_OF_PROJECT:
            return None
    return _hashed(sorted(told))


def _counts(name: str) -> bool:
    return (
        not name.startswith(".") and name not in _NO_FOLDERS and not name.endswith(tuple(_NO_DATA))
    )


def _hashed(parts: Iterable[str]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode(errors="surrogateescape") + b"\0")
    return total.hexdigest()

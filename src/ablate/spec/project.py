"""The folders of a project that its modules are imported from."""

from collections.abc import Iterable
from pathlib import Path

_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


def import_folders(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return folders, each followed by the root of its project, in absolute paths, once each."""
    found: dict[Path, None] = {}
    for folder in folders:
        whole = folder.resolve()
        root = _root(whole)
        found |= dict.fromkeys([whole] if root is None else [whole, root])
    return tuple(found)


def _root(folder: Path) -> Path | None:
    """Return the nearest folder that holds what a project's root holds; `studies` lies in one."""
    for place in (folder, *folder.parents):
        if any((place / mark).exists() for mark in _MARKS):
            return place
    return folder.parent if folder.name == "studies" else None

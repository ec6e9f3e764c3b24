"""Where the callbacks, loggers and profilers of a config write: below the folder of their run."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ablate.spec import paths
from ablate.spec.paths import Key

_FOLDERS = ("dirpath", "save_dir", "log_dir", "dir", "output_dir", "root_dir", "default_root_dir")
"""What classes call the argument that says in which folder they write."""

_PARTS = ("filename", "name", "version", "sub_dir")
"""What they call the parts that they join to that folder."""

_TRACKERS = {"tracking_uri", "project", "workspace", "teamspace"}
"""Arguments of a logger that writes to a server, which tells runs apart by itself."""


def placed(config: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return a config whose relative folders of the trainer's objects lie below `directory`.

    A path that leads elsewhere stays as it is: see `misplaced`.
    """
    result: dict[str, Any] = paths.fresh(config)
    elsewhere = dict(misplaced(config))
    for keys, arguments, kind in _objects(result.get("trainer"), ("trainer",)):
        for name in _own_paths(arguments, kind):
            if paths.render((*keys, name)) not in elsewhere:
                arguments[name] = str(directory / arguments[name])
    return result


def misplaced(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path and value of everything that leads out of a run's folder."""
    for keys, arguments, _ in _objects(config.get("trainer"), ("trainer",)):
        folders = _texts(arguments, _FOLDERS)
        for name, value in folders.items():
            if _leads_out(value):
                yield paths.render((*keys, name)), value
        base = next((value for value in folders.values() if not _leads_out(value)), "")
        for name, value in _texts(arguments, _PARTS if folders else _PARTS[:1]).items():
            if _leads_out(value, base):
                yield paths.render((*keys, name)), value


def _own_paths(arguments: dict[str, Any], class_path: str) -> list[str]:
    """Name the arguments that are paths by themselves; a file's name is one without a folder.

    A checkpoint's never is: it has a folder by default.
    """
    has_folder = any(name in arguments for name in _FOLDERS) or _is_checkpoint(class_path)
    return list(_texts(arguments, _FOLDERS if has_folder else _PARTS[:1]))


def _is_checkpoint(class_path: str) -> bool:
    from lightning.pytorch.callbacks import Checkpoint  # noqa: PLC0415 - only workers have it

    from ablate.run.config_errors import classes  # noqa: PLC0415

    found = classes.find(class_path, Checkpoint)
    return isinstance(found, type) and issubclass(found, Checkpoint)


def _objects(
    node: Any, keys: tuple[Key, ...]
) -> Iterator[tuple[tuple[Key, ...], dict[str, Any], str]]:
    """Yield where the arguments stand of every object that writes files, they, and its class."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _objects(item, (*keys, index))
    elif isinstance(node, dict):
        for key, item in node.items():
            described = key in {"init_args", "dict_kwargs"} and isinstance(item, dict)
            if described and not _TRACKERS & item.keys():
                yield (*keys, key), item, str(node.get("class_path", ""))
            yield from _objects(item, (*keys, key))


def _texts(arguments: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the arguments of some names that are given as text."""
    given = {name: arguments.get(name) for name in names}
    return {name: value for name, value in given.items() if isinstance(value, str) and value}


def _leads_out(value: str, folder: str = "") -> bool:
    """Say whether a path, below a folder of the run, leads out of the run's folder."""
    if "://" in value or Path(value).is_absolute() or value.startswith("~"):
        return True
    return Path(os.path.normpath(Path(folder) / value)).parts[:1] == ("..",)

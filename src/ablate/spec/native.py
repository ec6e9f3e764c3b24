"""A config as LightningCLI takes and writes it, brought into the one form that studies change."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import AblateError, SpecError, quoted
from ablate.spec import paths
from ablate.spec.files import beside, is_file, read_config_file, shown

SECTIONS = ("model", "data", "optimizer", "lr_scheduler", "trainer")
"""The sections of plain LightningCLI, each of which may be the name of a file."""

_SUBCOMMANDS = frozenset({"fit", "validate", "test", "predict"})
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class NativeConfig:
    """What a config says of a fit, and the subcommands whose sections are left out."""

    config: dict[str, Any]
    left_out: tuple[str, ...] = ()


def read_config(path: Path) -> NativeConfig:
    """Read a config file; raise NotFoundError or SpecError saying what does not hold."""
    return native_config(read_config_file(path), path.parent, str(path))


def native_config(given: Mapping[str, Any], folder: Path, where: str) -> NativeConfig:
    """Take what a config says of a fit, with the files read that it names beside it.

    The sections of other subcommands are left out, and so is a `ckpt_path` that is null, which
    LightningCLI writes. Raises SpecError for a config of another subcommand, a checkpoint to
    continue from, or a file that is not there.
    """
    config, left_out = _of_fit(paths.fresh(dict(given)), where)
    for key in config:
        if not isinstance(key, str):
            raise SpecError(f"{where}: unknown key {quoted(key)}: the name of a section is a text")
    if (checkpoint := config.pop("ckpt_path", None)) is not None:
        raise SpecError(
            f"{where}: ckpt_path: a run begins at its own beginning, not at {checkpoint}: load the "
            "weights in the module, or leave ckpt_path out"
        )
    config.pop("weights_only", None)
    read = {
        key: _read_section(value, folder, f"{where}: {key}")
        if key in SECTIONS
        else _read_objects(value, folder)
        for key, value in config.items()
    }
    return NativeConfig(read, left_out)


def _of_fit(given: dict[str, Any], where: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    command = given.pop("subcommand", "fit")
    if command != "fit":
        raise SpecError(f"{where}: it is a config of the subcommand {command!r}, and a run fits")
    if not isinstance(given.get("fit"), dict) or given.keys() - _SUBCOMMANDS:
        return given, ()
    return given["fit"], tuple(key for key in given if key != "fit")


def _read_section(value: Any, folder: Path, where: str) -> Any:
    """Read a section that may be the name of a file; what that names is found beside it."""
    if not _names_file(value):
        return _read_objects(value, folder)
    path = beside(folder, value)
    if not is_file(path):
        raise SpecError(f"{where}: there is no file {shown(path)}")
    return _read_objects(read_config_file(path), path.parent, (path,))


def _read_objects(value: Any, folder: Path, above: tuple[Path, ...] = ()) -> Any:
    """Read the objects inside a value that are the names of files; other texts stay as they are.

    Raises SpecError if a file names itself, or one of those `above` that lead to it.
    """
    if isinstance(value, dict):
        return {key: _read_objects(item, folder, above) for key, item in value.items()}
    if isinstance(value, list):
        return [_read_objects(item, folder, above) for item in value]
    if not _names_file(value):
        return value
    path = beside(folder, value)
    try:
        content = read_config_file(path)
    except AblateError:
        return value
    if "class_path" not in content:
        return value
    if path in above:
        raise SpecError(f"{path}: it names itself as the file of an object inside it")
    return _read_objects(content, path.parent, (*above, path))


def _names_file(value: Any) -> bool:
    return isinstance(value, str) and value.endswith(_SUFFIXES)

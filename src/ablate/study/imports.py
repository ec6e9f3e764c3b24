"""Which code a configuration that comes from a database may name."""

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ablate.errors import AblateError, RequestError
from ablate.spec import WrittenStudy, paths, read_study, study_files
from ablate.spec.commands import write_option
from ablate.spec.entries import is_script, located, root_package

TRUSTED = frozenset({"ablate", "torch", "lightning", "pytorch_lightning", "lightning_fabric"})
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def check_imports(
    config: dict[str, Any], study: str, allowed: Sequence[str], cli: str | None = None
) -> None:
    """Raise RequestError if a stored config names code outside the trusted packages.

    Trusted are ablate, torch, lightning by either name, the packages in `allowed`, those that the
    study's own files in this folder name, and what the script `cli` defines, if that is trusted.
    """
    trusted = TRUSTED | set(allowed) | set(_named_here(study))
    if cli is not None and is_script(cli):
        trusted |= {"__main__"}
    with importing_from(folders_here(study)):
        for path, value in paths.flatten(config).items():
            root = str(value).split(".")[0]
            if _may_import(path, value) and root not in trusted:
                raise RequestError(
                    f"the stored config of {study} imports {value} at {path}, which is not a "
                    f"trusted package; if you trust it, add: {write_option('allow-import', root)}"
                )
            if isinstance(value, str) and _holds_objects(value):
                raise RequestError(
                    f"the stored config of {study} names the file {value} at {path}, which "
                    "describes objects; a stored config holds them itself, so it is not read"
                )


def trusted_entry(cli: str | None, study: str, allowed: Sequence[str]) -> str | None:
    """Return where the entry that a stored study was run with is found, None if it had none.

    Raises RequestError unless a study file in this folder names the same script, its package is
    trusted as those of classes are, or `allowed` names it.
    """
    if cli is None:
        return None
    if is_script(cli):
        for written in _written_here(study):
            if written.recorded_entry == cli:
                return written.entry
    elif root_package(cli) in TRUSTED | set(_named_here(study)):
        return cli
    if root_package(cli) in allowed:
        return located(cli, Path())
    raise RequestError(
        f"{study} was run with the project's own CLI, {cli}, and no study file here names it; "
        f"if you trust it, add: {write_option('allow-import', root_package(cli))}"
    )


def folders_here(study: str) -> tuple[Path, ...]:
    """Return the folders that a study's own files in this folder are imported from, if any."""
    try:
        return read_study(study).import_folders()
    except RequestError:
        return ()


@contextmanager
def importing_from(folders: Sequence[Path]) -> Iterator[None]:
    """Import modules in this process as workers do: from the current folder, then from others."""
    before = list(sys.path)
    sys.path[:0] = list(dict.fromkeys([str(Path.cwd()), *map(str, folders)]))
    try:
        yield
    finally:
        sys.path[:] = before


def _may_import(path: str, value: Any) -> bool:
    if not isinstance(value, str) or not _DOTTED.fullmatch(value):
        return False
    root = value.split(".")[0]
    return path.endswith("class_path") or root == "__main__" or _is_installed(root)


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it is loaded, and does not say from where
        return True


def _holds_objects(value: str) -> bool:
    """Say whether a text names a file from which jsonargparse would take objects."""
    try:
        content = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
        leaves = paths.flatten(content)
    except (OSError, ValueError, yaml.YAMLError, AttributeError):
        return False
    if isinstance(content, str):
        return bool(_DOTTED.fullmatch(content))
    return any("class_path" in re.split(r"[.\[\]]", path) for path in leaves)


def _written_here(study: str) -> Iterator[WrittenStudy[Any]]:
    """Yield the study of this name if its file is here, else all studies of this folder.

    The studies that confirm or tune others have no file of their own.
    """
    try:
        yield read_study(study)
    except AblateError:
        for file in study_files():
            try:
                yield read_study(file)
            except AblateError:
                continue


def _named_here(study: str) -> Iterator[str]:
    try:
        written = read_study(study)
        configs = [written.read(name) for name in written.spec.config]
    except AblateError:
        return
    if written.recorded_entry is not None:
        yield root_package(written.recorded_entry)
    for config in configs:
        for path, value in paths.flatten(config).items():
            if path.endswith("class_path"):
                yield str(value).split(".")[0]

"""Which code a configuration that comes from a database may name."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ablate.errors import AblateError, RequestError, SpecError
from ablate.run.admission import check_names
from ablate.spec import Trust, WrittenStudy, paths, read_study, study_files
from ablate.spec.commands import write_option
from ablate.spec.entries import is_script, located, root_package
from ablate.spec.secrets import variables
from ablate.spec.trust import SCRIPT


def stored_trust(study: str, allowed: Sequence[str], cli: str | None = None) -> Trust:
    """Return what the stored configs of a study may name beside the libraries.

    That are the packages in `allowed`, packages and variables of the environment that the study's
    own files in this folder name, and what the script `cli` defines.
    """
    script = {SCRIPT} if cli is not None and is_script(cli) else set()
    names = {name for config in _configs_here(study) for _, name in variables(config)}
    classes = {*_classes_here(study)}
    packages = {*allowed, *_named_here(study)} | script
    return Trust(tuple(sorted(packages)), tuple(sorted(names)), tuple(sorted(classes)))


def check_stored(config: dict[str, Any], study: str, trust: Trust) -> None:
    """Raise RequestError if a stored config names what it is not trusted with; imports nothing.

    The workers look at what is found under the names, before they build anything.
    """
    with importing_from(folders_here(study)):
        try:
            check_names(config, trust)
        except SpecError as error:
            raise RequestError(f"the stored config of {study} is not run: {error}") from None


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
    elif root_package(cli) in _named_here(study):
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


def _configs_here(study: str) -> list[dict[str, Any]]:
    """Read the configs of the study's own files in this folder, none if there are none."""
    try:
        written = read_study(study)
        return [written.read(name) for name in written.spec.config]
    except AblateError:
        return []


def _named_here(study: str) -> Iterator[str]:
    configs = _configs_here(study)
    if configs and (entry := read_study(study).recorded_entry) is not None:
        yield root_package(entry)
    for name in _classes_here(study):
        yield name.split(".")[0]


def _classes_here(study: str) -> Iterator[str]:
    for config in _configs_here(study):
        for path, value in paths.flatten(config).items():
            if path.endswith("class_path"):
                yield str(value)

"""Names of studies, which are names of folders below the folder of results, and of arms."""

from pathlib import Path

from ablate.errors import RequestError

_LONGEST = 200
"""Bytes of a name: a folder's has at most 255, and some are made longer."""


def mistake(name: str) -> str | None:
    """Say why a text can't name an arm, None if it can."""
    if not name:
        return "it is empty"
    if not name.isprintable():
        return "it has signs that can't be printed"
    if (length := len(name.encode())) > _LONGEST:
        return f"it has {length} bytes; a name has at most {_LONGEST}"
    return None


def folder_mistake(name: str) -> str | None:
    """Say why a text can't name a study, None if it can; `a/b` is a folder in a folder."""
    if {"", ".", ".."} & {*name.split("/")}:
        return "it leads to another folder"
    return mistake(name)


def study_folder(results: Path, study: str) -> Path:
    """Return the folder of a study; raise RequestError for a name that leads out of `results`."""
    if (reason := folder_mistake(study)) is not None:
        raise RequestError(f"{study[:_LONGEST]!r} can't be the name of a study's folder: {reason}")
    return results / study

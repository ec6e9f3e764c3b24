"""The entry of a study: the class, the function or the script that builds its LightningCLI."""

import re
from pathlib import Path

from ablate.spec.files import beside

PLAIN = "lightning"
"""What a study writes that means plain LightningCLI."""

_DOTTED = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_IMPORTED = re.compile(rf"{_DOTTED}:{_DOTTED}|{_DOTTED}\.[A-Za-z_]\w*")


def checked(entry: str) -> str:
    """Return an entry that is one; raise ValueError saying how they are written."""
    if entry == PLAIN or is_script(entry) or _IMPORTED.fullmatch(entry):
        return entry
    raise ValueError(
        f"{entry!r} names no LightningCLI: write module.Class, module:function, the path of a "
        f"script such as train.py, or {PLAIN} for the plain one"
    )


def is_script(entry: str) -> bool:
    """Say whether an entry is a script, not a name to import."""
    return entry.endswith(".py")


def located(entry: str | None, folder: Path) -> str | None:
    """Return what workers are told: None for the plain one, a script with its whole path."""
    if entry is None or entry == PLAIN:
        return None
    return str(beside(folder, entry).absolute()) if is_script(entry) else entry


def root_package(entry: str) -> str:
    """Return the package that an entry is imported from; a script is its own."""
    return entry if is_script(entry) else re.split(r"[.:]", entry)[0]

"""The place in the user's own code that an exception came from."""

import sysconfig
import traceback
from pathlib import Path

_ABLATE = Path(__file__).parents[2]
_INSTALLED = {"site-packages", "dist-packages"}


def place(error: BaseException) -> str | None:
    """Name file and line of the user's own code that raised; None where none of it took part."""
    if isinstance(error, SyntaxError) and error.filename:
        return _place(error.filename, error.lineno)
    frames = traceback.extract_tb(error.__traceback__)
    return next(
        (_place(frame.filename, frame.lineno) for frame in reversed(frames) if _is_own(frame)),
        None,
    )


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Say whether a frame belongs to a user's system (a built-in one is nothing else)."""
    if frame.filename.startswith("<"):
        return False
    file = Path(frame.filename)
    if file.is_relative_to(_ABLATE):
        return file.is_relative_to(_ABLATE / "systems")
    standard_library = sysconfig.get_path("stdlib")
    return not (_INSTALLED & set(file.parts)) and not file.is_relative_to(standard_library)


def _place(filename: str, line: int | None) -> str:
    file = Path(filename)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{shown}, line {line}"

"""The place in the user's own code that an exception came from."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import cut, printable
from ablate.run.installed import is_installed

_SHOWN = 1_000
"""How much of a path is shown; code may give itself any file name."""

_ABLATE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Frame:
    """A line of a file of the user's own code."""

    file: str
    line: int

    def __str__(self) -> str:
        """Name file and line, relative to the current folder where possible."""
        try:
            shown = Path(self.file).relative_to(Path.cwd())
        except (OSError, ValueError):  # a folder that was removed, or one elsewhere
            shown = Path(self.file)
        return f"{cut(printable(str(shown)), _SHOWN)}, line {self.line}"


def own_frame(error: BaseException) -> Frame | None:
    """Return the innermost frame of the user's own code that raised; None if none took part.

    Where an exception itself has none, those that it came from are asked.
    """
    return next((frame for link in chain(error) if (frame := _innermost(link))), None)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [link.__cause__, link.__context__]


def _innermost(error: BaseException) -> Frame | None:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Frame(error.filename, error.lineno)
    frames = traceback.extract_tb(error.__traceback__)
    return next(
        (Frame(frame.filename, frame.lineno or 0) for frame in reversed(frames) if _is_own(frame)),
        None,
    )


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Say whether a frame belongs to a user's system."""
    return not frame.filename.startswith("<") and is_own_file(Path(frame.filename))


def is_own_file(file: Path) -> bool:
    """Say whether a file is the user's code: no library's; a built-in system is nothing else."""
    if file.is_relative_to(_ABLATE):
        return file.is_relative_to(_ABLATE / "systems")
    return not is_installed(file)

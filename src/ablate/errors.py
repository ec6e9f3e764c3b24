"""The errors of ablate.

AblateError                 something ablate can explain
├── RequestError            the request is wrong; nothing was started, nothing written (exit 2)
│   ├── SpecError           a study, a config or an override does not hold
│   ├── NotFoundError       a name does not exist; the nearest ones are listed
│   └── StorageError        the database can't be reached, read or trusted
│       └── Unavailable     it can't be reached right now; trying again may help
├── RunError                a run failed; the study goes on (exit 1 at its end)
├── AuditError              arms may not be compared; nothing was written (exit 1)
└── Interrupted             stopped by a signal; the same command resumes (exit 130)

Every message says what is wrong, where (file and key) and what to do.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self

_LINES = 6
_CHARACTERS = 2_000
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What controls a terminal, turns the direction of writing, or can't be encoded."""
_VALUE = 200


class AblateError(Exception):
    """Something ablate can explain without a traceback.

    `traceback` is that of the exception in a worker which it tells of, for those who want to see
    it; None if there is none.
    """

    exit_code = 1
    traceback: str | None = None

    def at(self, place: str) -> Self:
        """Return the same error with the place of the mistake in front."""
        return self._worded(f"{place}: {self}")

    def adding(self, advice: str) -> Self:
        """Return the same error with a line of advice behind it."""
        return self._worded(f"{self}\n{advice}")

    def _worded(self, text: str) -> Self:
        again = type(self)(text)
        again.traceback = self.traceback
        return again


class RequestError(AblateError):
    """The request is wrong: nothing was started and nothing was written."""

    exit_code = 2


class SpecError(RequestError):
    """A study, a config or an override does not hold."""


class NotFoundError(RequestError):
    """A named thing does not exist."""


class StorageError(RequestError):
    """The database can't be reached, read or trusted."""


class Unavailable(StorageError):  # noqa: N818 - a state, not a mistake
    """The database can't be reached, or is locked, right now; trying again may help."""


class RunError(AblateError):
    """A run failed."""


class AuditError(AblateError):
    """The audit found that arms may not be compared: nothing was written."""


class Interrupted(AblateError):  # noqa: N818 - a state, not a mistake
    """The command was stopped by a signal and can be resumed."""

    exit_code = 130


def worded(error: BaseException) -> str:
    """Write an exception as its type and what it says, shortened; the type alone if that is all."""
    return shortened(f"{type(error).__name__}: {_said(error)}").rstrip(": ")


def shortened(text: str) -> str:
    """Keep the first lines of a text and its last one, and the beginning of each line, printable.

    What a shortened text is shortened to is itself.
    """
    lines = text.strip().splitlines()
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], "...", lines[-1]]
    return "\n".join(cut(printable(line[: _CHARACTERS + 1]), _CHARACTERS) for line in lines)


def cut(line: str, length: int) -> str:
    """Cut a line to a length, and say so by three dots."""
    return line if len(line) <= length else f"{line[: length - 3]}..."


def printable(text: str) -> str:
    """Write as escape sequences what a terminal, a file or a database would not take as text."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def quoted(value: object) -> str:
    """Write a value for a message on one line, no more than its beginning where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 3]}..."


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever a class of the user's does when it is asked
        return "what it says can't be had: its __str__ raises"


def nearest(name: str, known: Iterable[str]) -> str:
    """Word a hint with the known names closest to `name`, or all of them if none is close."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=3, cutoff=0.5) if len(name) <= _VALUE else []
    if close:
        return "did you mean " + " or ".join(map(quoted, close)) + "?"
    if not names:
        return "there are none"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"known: {shown if len(shown) <= _CHARACTERS else quoted(shown)}"

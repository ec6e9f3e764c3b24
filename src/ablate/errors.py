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

from collections.abc import Iterable
from difflib import get_close_matches


class AblateError(Exception):
    """Something ablate can explain without a traceback."""

    exit_code = 1


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


def nearest(name: str, known: Iterable[str]) -> str:
    """Word a hint with the known names closest to `name`, or all of them if none is close."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(n) for n in close) + "?"
    if not names:
        return "there are none"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"known: {shown}"

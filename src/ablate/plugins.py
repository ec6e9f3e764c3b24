"""What installed packages add to ablate, by their entry points.

ablate.checks     a check of the audit: an `ablate.audits.Check`
ablate.sections   a section of reports: a function from frames to sections
ablate.commands   a command of `ablate`: a function, as typer takes it
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ablate.errors import RequestError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def installed(group: str, fits: Callable[[Any], bool], wanted: str) -> dict[str, Any]:
    """Load what installed packages add to a group, by name, in the order of the names.

    Raises RequestError for an entry point that gives nothing that `fits`; `wanted` says what is.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - 30 ms that few imports need

    entries = sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))
    return {entry.name: _loaded(entry, fits, wanted) for entry in entries}


def _loaded(entry: "EntryPoint", fits: Callable[[Any], bool], wanted: str) -> Any:
    try:
        found = entry.load()
    except Exception as error:
        raise RequestError(_refusal(entry, f"can't be loaded: {error}")) from error
    if not fits(found):
        raise RequestError(_refusal(entry, f"is no {wanted} but {found!r}"))
    return found


def _refusal(entry: "EntryPoint", why: str) -> str:
    owner = entry.dist.name if entry.dist else "its package"
    return (
        f"{entry.name!r} of the entry points {entry.group} ({entry.value}) {why}; "
        f"correct {owner}, or uninstall it"
    )

"""What a check is, and the checks that installed packages add.

A package adds a check by an entry point of the group `ablate.checks` that names a `Check`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Literal, ParamSpec

from ablate.audits.findings import Finding, Severity
from ablate.errors import RequestError

GROUP = "ablate.checks"

StageName = Literal["static", "probe", "runs"]

Subject = ParamSpec("Subject")
"""What the checks of a stage are given."""


@dataclass(frozen=True)
class Code:
    """A kind of finding: how bad it is by default, what it says, and which stage finds it."""

    severity: Severity
    title: str
    stage: StageName


@dataclass(frozen=True)
class Stage(Generic[Subject]):
    """A moment of the audit; its checks have one signature."""

    name: str


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """A check of a stage: a function, and the codes of all that it can find."""

    stage: Stage[Subject]
    find: Callable[Subject, Iterable[Finding]]
    codes: Mapping[str, Code]


@cache
def installed_checks() -> tuple[Check[Any], ...]:
    """Load the checks of installed packages, in the order of their names.

    Raises RequestError for an entry point that gives no check.
    """
    entries = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
    return tuple(_loaded(entry) for entry in entries)


def _loaded(entry: EntryPoint) -> Check[Any]:
    try:
        check = entry.load()
    except Exception as error:
        raise RequestError(_refusal(entry, f"can't be loaded: {error}")) from error
    if not isinstance(check, Check):
        raise RequestError(_refusal(entry, f"is no ablate.audits.Check but {check!r}"))
    return check


def _refusal(entry: EntryPoint, why: str) -> str:
    owner = entry.dist.name if entry.dist else "its package"
    return (
        f"the check {entry.name!r} ({GROUP}: {entry.value}) {why}; correct {owner}, or uninstall it"
    )

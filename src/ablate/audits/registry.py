"""What a check is, and the checks that installed packages add.

A package adds a check by an entry point of the group `ablate.checks` that names a `Check`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Literal, ParamSpec

from ablate.audits.findings import Finding, Severity
from ablate.plugins import installed

GROUP = "ablate.checks"

StageName = Literal["static", "probe", "runs"]

Subject = ParamSpec("Subject")
"""What the checks of a stage are given."""


@dataclass(frozen=True)
class Code:
    """A kind of finding: how bad it is by default, what it says, and which stage finds it.

    One that stands `between` arms says something of two of them, and never of one alone.
    """

    severity: Severity
    title: str
    stage: StageName
    between: bool = False


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
    """Load the checks of installed packages. Raises RequestError for what is no check."""
    checks = installed(GROUP, lambda found: isinstance(found, Check), "ablate.audits.Check")
    return tuple(checks.values())

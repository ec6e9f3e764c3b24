"""What the audit finds: one fact each."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One fact that stands against comparing arms, or that a reader must know.

    `arms` are those it is about (empty: the whole study), `where` the key or the run it was seen
    at, `advice` what to do. An `allowed` one stops nothing but stays in the report.
    """

    code: str
    severity: Severity
    arms: tuple[str, ...]
    what: str
    where: str
    advice: str
    allowed: bool = False


def allow(findings: Iterable[Finding], codes: Collection[str]) -> list[Finding]:
    """Mark the findings of some codes as allowed."""
    return [replace(item, allowed=True) if item.code in codes else item for item in findings]


def blocking(findings: Iterable[Finding]) -> list[Finding]:
    """Return the errors that are not allowed: with them the arms may not be compared."""
    return [item for item in findings if item.severity == "error" and not item.allowed]


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by severity, keeping their order otherwise; the same one stands once."""
    return sorted(dict.fromkeys(findings), key=lambda item: SEVERITIES.index(item.severity))

"""What the audit finds: one fact each."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One fact that stands against comparing arms, or that a reader must know.

    `arms` are those it is about (empty: the whole study), `where` the key or the run it was seen
    at, `advice` what to do. An `allowed` one stops nothing but stays in the report. One that stands
    between arms has `groups`: it holds for two arms that none of them has both of. Without groups
    it is of each arm by itself.
    """

    code: str
    severity: Severity
    arms: tuple[str, ...]
    what: str
    where: str
    advice: str
    allowed: bool = False
    groups: tuple[tuple[str, ...], ...] = ()


def allow(
    findings: Iterable[Finding],
    codes: Collection[str],
    of_arms: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[Finding]:
    """Mark as allowed the findings of some codes, and those of a code about given arms only."""

    def allowed(item: Finding) -> bool:
        return item.code in codes or bool(
            item.arms and {*item.arms} <= {*of_arms.get(item.code, ())}
        )

    return [replace(item, allowed=True) if allowed(item) else item for item in findings]


def blocking(findings: Iterable[Finding]) -> list[Finding]:
    """Return the errors that are not allowed: with them the arms may not be compared."""
    return [item for item in findings if item.severity == "error" and not item.allowed]


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by severity, keeping their order otherwise; the same one stands once."""
    return sorted(dict.fromkeys(findings), key=lambda item: SEVERITIES.index(item.severity))

"""What the commands and the results say alike."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.audits.findings import Finding
    from ablate.store import FindingRow


def counted(counts: Mapping[Any, int]) -> str:
    """Write counts by state as words."""
    return ", ".join(f"{amount} {state}" for state, amount in counts.items()) or "none"


def clock(seconds: float) -> str:
    """Write seconds as minutes:seconds, from an hour on as hours:minutes:seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def headline(finding: "Finding | FindingRow") -> str:
    """Write a finding as one line."""
    arms = f" ({', '.join(finding.arms)})" if finding.arms else ""
    mark = ", allowed" if finding.allowed else ""
    return f"{finding.severity}{mark}: {finding.code}{arms}: {finding.what}"


def by_severity(found: Collection["Finding | FindingRow"]) -> str:
    """Count findings by severity, in words."""
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    for finding in found:
        counts[finding.severity] += 1
    words = [f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n]
    allowed = sum(finding.allowed for finding in found)
    return (", ".join(words) or "nothing found") + (f" ({allowed} allowed)" if allowed else "")

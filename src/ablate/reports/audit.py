"""What the audit says of a study, in its report."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.reports import numbers
from ablate.reports.blocks import Block, Code, Inline, Paragraph, Section, Strong, table, text
from ablate.spec.commands import write_command
from ablate.store import FindingRow

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Audit:
    """What was found; `made` says whether the study was audited before its runs."""

    made: bool
    findings: tuple[FindingRow, ...] = ()


def summary(audit: Audit, study: str) -> Paragraph:
    """Say in one line how many findings there are of each severity."""
    head = Strong("Audit"), ": "
    counted = _counted(audit.findings)
    if audit.made:
        return text(*head, f"{counted or 'nothing was found'}.")
    missing: tuple[Inline, ...] = (
        "the study was not audited before it ran; ",
        Code(write_command("audit", study)),
        " does so now.",
    )
    return text(*head, *((f"{counted}; ",) if counted else ()), *missing)


def sections(audit: Audit) -> tuple[Section, ...]:
    """List the findings, the worst first; no section if there are none."""
    if not audit.findings:
        return ()
    rows = sorted(audit.findings, key=lambda row: SEVERITIES.index(row.severity))
    blocks: tuple[Block, ...] = (
        text("What stands against comparing the arms, or must be known to do so."),
        table(["severity", "code", "arms", "found", "where", "what to do"], [*map(_row, rows)]),
    )
    return (Section("Audit", blocks),)


def _row(row: FindingRow) -> tuple[Inline, ...]:
    severity = f"{row.severity} (allowed)" if row.allowed else row.severity
    loud = row.severity == "error"
    return (
        Strong(severity) if loud else severity,
        Code(row.code),
        ", ".join(row.arms) or numbers.NOTHING,
        row.what,
        row.where,
        row.advice,
    )


def _counted(rows: Sequence[FindingRow]) -> str:
    words = []
    for severity in SEVERITIES:
        of_severity = [row for row in rows if row.severity == severity]
        allowed = sum(row.allowed for row in of_severity)
        if of_severity:
            words.append(
                numbers.plural(len(of_severity), severity)
                + (f" ({allowed} allowed)" if allowed else "")
            )
    return numbers.listing(words)

"""What the audit says of a study, in its report."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.reports import numbers
from ablate.reports.anchors import arm_links, code_anchor, linked
from ablate.reports.blocks import (
    Anchor,
    Block,
    Bullets,
    Code,
    Folded,
    Inline,
    Paragraph,
    Row,
    Section,
    Strong,
    table,
    text,
)
from ablate.spec.commands import write_command
from ablate.store import FindingRow

SEVERITIES = ("error", "warning", "note")
SHOWN = 20
"""Findings of one code that are told."""
ARMS = 6
"""Arms of a code that its line names."""


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
    """List the findings by code, the worst first; no section if there are none."""
    if not audit.findings:
        return ()
    by_code: dict[str, list[FindingRow]] = {}
    for row in sorted(audit.findings, key=lambda row: SEVERITIES.index(row.severity)):
        by_code.setdefault(row.code, []).append(row)
    rows: list[Row] = []
    for code, found in by_code.items():
        arms = list(dict.fromkeys(arm for row in found for arm in row.arms))
        more = f" and {len(arms) - ARMS} more" if len(arms) > ARMS else ""
        rows.append(
            (
                Anchor(Code(code), code_anchor(code)),
                _severity(found),
                str(len(found)),
                (*arm_links(arms[:ARMS]), more) if arms else "all",
            )
        )
    blocks: tuple[Block, ...] = (
        text(
            "What stands against comparing the arms, or should be known before it is done: "
            f"{_counted(audit.findings)}."
        ),
        table(["code", "severity", "findings", "arms"], rows, {"findings"}, "Findings by code"),
        *(_folded(code, found) for code, found in by_code.items()),
    )
    return (Section("Audit", blocks),)


def _severity(found: Sequence[FindingRow]) -> Inline:
    worst = found[0]
    severity = f"{worst.severity} (allowed)" if worst.allowed else worst.severity
    return Strong(severity) if worst.severity == "error" else severity


def _folded(code: str, found: Sequence[FindingRow]) -> Folded:
    """Tell the findings of one code."""
    items: list[tuple[Inline, ...]] = []
    for row in found[:SHOWN]:
        where: tuple[Inline, ...] = (" At ", *linked(row.where), ".") if row.where else ()
        items.append((*linked(_sentence(row.what)), *where, f" Advice: {_sentence(row.advice)}"))
    if more := len(found) - SHOWN:
        items += [(f"{numbers.plural(more, 'more finding')} of this code.",)] if more > 0 else []
    said = f": {numbers.plural(len(found), found[0].severity)}"
    return Folded((Code(code), said), (Bullets(tuple(items)),))


def _sentence(words: str) -> str:
    return words if words.endswith((".", "?", "!")) else f"{words}."


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

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
from ablate.store import USUAL_NOTES, FindingRow

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
    """Say in one line how many findings there are of each severity, and which notes are usual."""
    head = Strong("Audit"), ": "
    usual, found = _parted(audit.findings)
    counted = _counted(found)
    also = _usual(usual)
    if audit.made:
        return text(*head, counted or "nothing was found", *also, ".")
    missing: tuple[Inline, ...] = (
        "the study was not audited before it ran; ",
        Code(write_command("audit", study)),
        " does so now.",
    )
    told = (*((counted,) if counted else ()), *also)
    return text(*head, *((*told, "; ") if told else ()), *missing)


def usual_notes(audit: Audit) -> tuple[Inline, ...]:
    """Tell in one line the notes that nearly every study has."""
    parts: list[Inline] = []
    for row in audit.findings:
        if row.code in USUAL_NOTES:
            parts += ["; " if parts else "", Code(row.code), f": {row.what.rstrip('.')}"]
    return tuple(parts)


def _parted(rows: Sequence[FindingRow]) -> tuple[list[str], list[FindingRow]]:
    """Part findings into the codes of notes that nearly every study has, and all others."""
    usual = dict.fromkeys(row.code for row in rows if row.code in USUAL_NOTES)
    return list(usual), [row for row in rows if row.code not in USUAL_NOTES]


def _usual(codes: Sequence[str]) -> tuple[Inline, ...]:
    parts: list[Inline] = []
    for code in codes:
        parts += [", " if parts else "; as in most studies, ", Code(code)]
    return tuple(parts)


def sections(audit: Audit) -> tuple[Section, ...]:
    """List the findings by code, the worst first; no section if there are none."""
    _, told = _parted(audit.findings)
    if not told:
        return ()
    by_code: dict[str, list[FindingRow]] = {}
    for row in sorted(told, key=lambda row: SEVERITIES.index(row.severity)):
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
            f"{_counted(told)}."
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

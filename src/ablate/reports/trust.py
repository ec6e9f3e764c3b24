"""The trust strip: what a reader must know before believing the numbers."""

from collections.abc import Iterable

from ablate.analysis import Conclusions, Remark, RemarkKind
from ablate.reports import numbers
from ablate.reports.anchors import arm_links, code_link
from ablate.reports.audit import Audit, usual_notes
from ablate.reports.blocks import Bullets, Code, Inline, Link, Section, Strong
from ablate.spec.commands import write_command

FEW_SEEDS = 5


def section(concluded: Conclusions, audited: Audit) -> Section:
    """Say what stands against the numbers, each remark leading to where it is told in full."""
    items = [
        *_findings(concluded, audited),
        _seeds(concluded),
        *(_remark(remark) for remark in concluded.remarks),
        _profile(concluded),
    ]
    return Section("Trust", (Bullets(tuple(items)),))


def _findings(concluded: Conclusions, audited: Audit) -> Iterable[tuple[Inline, ...]]:
    # Trials that are confirmed are no arms to be audited.
    if not audited.made and not concluded.frames.definition.provenance.confirms:
        yield (
            Strong("Audit"),
            ": the study was not audited before it ran; ",
            Code(write_command("audit", concluded.frames.name)),
            " does so now.",
        )
    for severity, word in (("error", "Errors"), ("warning", "Warnings")):
        rows = [row for row in audited.findings if row.severity == severity]
        if rows:
            allowed = sum(row.allowed for row in rows)
            said = f": {len(rows)}" + (f", {allowed} of them allowed: " if allowed else ": ")
            yield (Strong(f"{word} of the audit"), said, *_codes(row.code for row in rows), ".")
    if audited.made and all(row.severity == "note" for row in audited.findings):
        yield (Strong("Audit"), ": nothing was found that stands against the comparison.")
    if usual := usual_notes(audited):
        yield (Strong("As in most studies"), ": ", *usual, ".")


def _codes(codes: Iterable[str]) -> tuple[Inline, ...]:
    parts: list[Inline] = []
    for code in dict.fromkeys(codes):
        parts += [", ", code_link(code)]
    return tuple(parts[1:])


def _seeds(concluded: Conclusions) -> tuple[Inline, ...]:
    seeds = concluded.frames.definition.seeds
    listed = ", ".join(map(str, seeds[:12])) + (", …" if len(seeds) > 12 else "")
    said: tuple[Inline, ...] = (Strong("Seeds"), f": {len(seeds)} ({listed})")
    if len(seeds) < FEW_SEEDS:
        smallest = 2 / 2 ** len(seeds) if seeds else 1.0
        said = (
            *said,
            f"; the smallest p that an exact test of "
            f"{numbers.plural(len(seeds), 'pair')} can have is "
            f"{numbers.number(min(smallest, 1.0))}",
        )
    return (*said, ".")


def _remark(remark: Remark) -> tuple[Inline, ...]:
    metric: tuple[Inline, ...] = (Strong(remark.metric or "Seeds"), ": ")
    arms = arm_links(remark.arms)
    match remark.kind:
        case RemarkKind.RESOLUTION:
            step = numbers.number(1 / remark.value)
            return (
                *metric,
                f"a share of {numbers.count(int(remark.value))} validation examples; it cannot "
                f"move by less than {step}.",
            )
        case RemarkKind.SATURATED:
            near = f"at {numbers.number(remark.value)}, the best possible value, or close to it: "
            return (*metric, near, *arms, ".")
        case RemarkKind.ZERO_SPREAD:
            return (
                *metric,
                "equal with every seed, which is not certainty: ",
                *arms,
                ".",
            )
    return (*metric, "another seed changes nothing in ", *arms, ".")


def _profile(concluded: Conclusions) -> tuple[Inline, ...]:
    definition = concluded.frames.definition
    changed = len(definition.profile_changes)
    said = (
        f" changes {numbers.plural(changed, 'value')} of the written configuration."
        if changed
        else " uses the configuration as it is written."
    )
    return (Strong("Profile"), ": ", Link(Code(definition.profile), "profile"), said)

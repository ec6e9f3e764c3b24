"""What is wrong with single arms, and what could not be seen of them."""

from collections.abc import Iterator, Mapping, Sequence

from ablate.audits.evidence import Evidence, Fault
from ablate.audits.evidence_checks.advice import SLIGHT, advised
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import grouped

SHOWN = 3


def check_faults(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:  # noqa: ARG001
    """Put equal faults of several arms into one finding."""
    kinds: dict[tuple[str, str, bool], dict[str, Fault]] = {}
    for arm, evidence in arms.items():
        for fault in evidence.faults:
            kinds.setdefault((fault.code, fault.where, fault.slight), {})[arm] = fault
    for (code, where, slight), faults in kinds.items():
        told = _told(grouped((fault.what, arm) for arm, fault in faults.items()))
        yield advised(code, faults, told, where, SLIGHT.get(code) if slight else None)


def _told(texts: Mapping[str, Sequence[str]]) -> str:
    """Tell once what is common to all arms, else by arms, a few of the texts."""
    if len(texts) == 1:
        return next(iter(texts))
    told = "; ".join(f"{', '.join(arms)}: {text}" for text, arms in list(texts.items())[:SHOWN])
    rest = [arm for arms in list(texts.values())[SHOWN:] for arm in arms]
    return told + (f"; and likewise {', '.join(rest)}" if rest else "")


def check_skipped(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:  # noqa: ARG001
    """Name the probes that could not be run, with the reason.

    One that an arm breaks weighs more if another arm of its kind has passed it.
    """
    groups = grouped(
        ((probe, reason), arm)
        for arm, evidence in arms.items()
        for probe, reason in evidence.skipped.items()
    )
    for (probe, reason), names in groups.items():
        kind = {bool(arms[name].parameters) for name in names}
        passed = [
            arm
            for arm, evidence in arms.items()
            if bool(evidence.parameters) in kind
            and not {probe, "every probe"} & set(evidence.skipped)
        ]
        broken = all(probe in arms[name].broken for name in names)
        if broken and passed:
            what = f"{probe}: {reason}; {', '.join(passed[:SHOWN])} passed it"
            yield advised("probe-not-run", names, what, probe, "warning")
        else:
            yield advised("probe-not-run", names, f"{probe}: {reason}", probe)

"""Dropout that arms apply differently in parts of the same name."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from ablate.audits.evidence import DropoutUse, Evidence, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import alike, by_arms


def check_dropout(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Compare the dropout of parts of the same name; a layer more or less does not count."""
    parts: dict[str, dict[str, DropoutUse]] = {}
    for arm, evidence in learned(arms).items():
        if _changes_dropout_alone(declared.changes_of(arm)):
            continue
        for use in evidence.dropouts:
            parts.setdefault(use.submodule, {})[arm] = use
    for part, uses in parts.items():
        groups = alike(uses, lambda arm, other, uses=uses: _unlike(uses[arm], uses[other]))  # type: ignore[misc]
        if groups:
            what = by_arms((_dose(use.rates), arm) for arm, use in uses.items())
            yield advised_between("unequal-dropout", groups, f"{part}: {what}", part)


def _changes_dropout_alone(changes: Collection[str]) -> bool:
    return bool(changes) and all("dropout" in path.rsplit(".", 1)[-1] for path in changes)


def _unlike(left: DropoutUse, right: DropoutUse) -> bool:
    if set(left.rates) != set(right.rates):
        return True
    return left.layers == right.layers and len(left.rates) != len(right.rates)


def _dose(rates: Sequence[float]) -> str:
    if not rates:
        return "none"
    return ", ".join(f"{rate:.6g} ({rates.count(rate)}x)" for rate in sorted(set(rates)))

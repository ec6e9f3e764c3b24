"""Where the parameters of arms lie: equal totals do not make equal parts."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from ablate.audit.codes import finding
from ablate.audit.evidence import Evidence
from ablate.audit.findings import Finding

MATCHED = 0.01
"""Share of the larger total up to which two arms have the same size."""

SHIFTED = 0.05
"""Share of the larger total from which on parameters are said to lie elsewhere."""


def check_components(arms: Mapping[str, Evidence]) -> Iterator[Finding]:
    """Find arms whose totals match while their parameters lie in other components.

    A component is one of the same path in every arm; one that an arm lacks has no parameters.
    """
    sizes = {arm: _sizes(each) for arm, each in arms.items() if each.parameters}
    totals = {arm: arms[arm].parameters for arm in sizes}
    apart: dict[str, dict[str, None]] = {}
    for left, right in combinations(sizes, 2):
        total = max(totals[left], totals[right])
        if abs(totals[left] - totals[right]) > MATCHED * total:
            continue
        for path in dict.fromkeys([*sizes[left], *sizes[right]]):
            if abs(sizes[left].get(path, 0) - sizes[right].get(path, 0)) > SHIFTED * total:
                apart.setdefault(path, {}).update({left: None, right: None})
    if apart:
        told = "; ".join(
            f"{path} has {', '.join(f'{sizes[arm].get(path, 0):,} in {arm}' for arm in names)}"
            for path, names in apart.items()
        )
        yield finding(
            "unequal-components",
            dict.fromkeys(arm for names in apart.values() for arm in names),
            f"parameters of about the same number in all lie in other parts: {told}",
            "model",
            "match arms by the parts that are compared, not by the total, and report both",
        )


def _sizes(evidence: Evidence) -> dict[str, int]:
    return {part.path: part.parameters for part in evidence.components}

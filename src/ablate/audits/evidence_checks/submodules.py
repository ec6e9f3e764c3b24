"""Where the parameters of arms lie: equal totals do not make equal parts."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from ablate.audits.evidence import Evidence, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import alike

MATCHED = 0.01
"""Share of the larger total up to which two arms have the same size."""

SHIFTED = 0.05
"""Share of the larger total from which on parameters are said to lie elsewhere."""

Sizes = Mapping[str, int]
"""Path of a submodule -> its parameters."""


def check_submodules(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:  # noqa: ARG001
    """Find arms whose totals match while their parameters lie in other submodules.

    A submodule is the one of the same path in every arm; one that an arm lacks has no parameters.
    """
    trained = learned(arms)
    sizes = {arm: {p.path: p.parameters for p in each.submodules} for arm, each in trained.items()}
    apart: dict[str, dict[str, None]] = {}
    unlike: set[tuple[str, str]] = set()
    for left, right in combinations(trained, 2):
        totals = trained[left].parameters, trained[right].parameters
        if max(totals) - min(totals) > MATCHED * max(totals):
            continue
        for path in _shifted(sizes[left], sizes[right], SHIFTED * max(totals)):
            apart.setdefault(path, {}).update({left: None, right: None})
            unlike.add((left, right))
    if apart:
        told = "; ".join(
            f"{path} has {', '.join(f'{sizes[arm].get(path, 0):,} in {arm}' for arm in names)}"
            for path, names in apart.items()
        )
        yield advised_between(
            "unequal-components",
            alike(trained, lambda arm, other: (arm, other) in unlike),
            f"parameters of about the same number in all lie in other parts: {told}",
            "model",
        )


def _shifted(left: Sizes, right: Sizes, allowed: float) -> Iterator[str]:
    """Yield the paths at which two arms differ by more parameters than allowed."""
    for path in dict.fromkeys([*left, *right]):
        if abs(left.get(path, 0) - right.get(path, 0)) > allowed:
            yield path

"""Tensors of one name that start from different spreads."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from itertools import combinations

from ablate.audits.evidence import Evidence, Scale, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.evidence_checks.origins import read_as_declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import alike

SCALE_FACTOR = 3.0
SIZE_FACTOR = 2.0
"""How much sides of two tensors may differ for their spread to be comparable."""


def check_scales(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find tensors whose initial values spread far apart, in one finding for the same arms.

    Values that are read from other files, as declared, are not drawn by any rule.
    """
    apart: dict[tuple[str, ...], list[tuple[float, str]]] = {}
    unlike: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for name, scales in _by_tensor(learned(arms)).items():
        ratios = {
            pair: ratio
            for pair, ratio in _ratios(scales).items()
            if not read_as_declared(arms, *pair, declared)
        }
        if ratios:
            names = tuple(arm for arm in scales if any(arm in pair for pair in ratios))
            stds = ", ".join(f"{arm} {scales[arm].std:.3g}" for arm in names)
            apart.setdefault(names, []).append((max(ratios.values()), f"{name} ({stds})"))
            unlike.setdefault(names, set()).update(ratios)
    for names, tensors in apart.items():
        worst, text = max(tensors)
        more = f", and {len(tensors) - 1} more tensors less so" if len(tensors) > 1 else ""
        what = f"initial values spread up to {worst:.1f} times apart: {text}{more}"
        groups = alike(names, partial(_are_far, unlike[names]))
        yield advised_between("unequal-initial-scale", groups, what, text.split(" ")[0])


def _by_tensor(arms: Mapping[str, Evidence]) -> dict[str, dict[str, Scale]]:
    """Return the scale of each tensor in each arm, constant tensors left out."""
    tensors: dict[str, dict[str, Scale]] = {}
    for arm, evidence in arms.items():
        for scale in evidence.scales:
            if scale.std > 0:
                tensors.setdefault(scale.name, {})[arm] = scale
    return tensors


def _ratios(scales: Mapping[str, Scale]) -> dict[tuple[str, str], float]:
    """Return how far the spreads are apart in pairs of arms, where that is too far."""
    ratios = {}
    for left, right in combinations(scales, 2):
        stds = scales[left].std, scales[right].std
        ratio = max(stds) / min(stds)
        if ratio > SCALE_FACTOR and _comparable(scales[left], scales[right]):
            ratios[left, right] = ratio
    return ratios


def _are_far(pairs: Collection[tuple[str, str]], arm: str, other: str) -> bool:
    return (arm, other) in pairs or (other, arm) in pairs


def _comparable(left: Scale, right: Scale) -> bool:
    """Say whether two tensors of one name are of about one size."""
    if len(left.shape) != len(right.shape):
        return False
    sides = zip(left.shape, right.shape, strict=True)
    return all(max(a, b) <= SIZE_FACTOR * min(a, b) for a, b in sides)

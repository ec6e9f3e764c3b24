"""Arms that are one function under several names."""

import math
from collections.abc import Iterator, Mapping, Sequence

from ablate.audits.evidence import Evidence, Scale, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding

SAME = 1e-5
"""Relative difference up to which the values of two arms are equal."""


def check_functions(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:  # noqa: ARG001
    """Find trained arms that compute the same and are trained alike."""
    trained = learned(arms)
    known: set[str] = set()
    for name, evidence in trained.items():
        if name in known:
            continue
        twins = [n for n, e in trained.items() if n != name and same_function(evidence, e)]
        known |= {name, *twins}
        if twins:
            yield advised_between(
                "same-function",
                [[name], *([twin] for twin in twins)],
                "given the same weights they compute the same losses and metrics, step by step: "
                "one is a replicate of the other, and their difference is chance",
                "model",
            )


def same_function(left: Evidence, right: Evidence) -> bool:
    """Say whether two arms compute the same and are trained alike, given the same weights.

    They say the same of themselves. Their parameters have equal shapes in the same order and start
    at about equal scales, and their buffers are equal: weights of classes may show in no few steps.
    The losses and metrics with two sets of canonical weights agree, and those of the first steps of
    training, random numbers included.
    """
    return (
        bool(left.shapes)
        and left.shapes == right.shapes
        and left.elsewhere == right.elsewhere
        and left.config != right.config
        and left.settings == right.settings
        and _start_alike(left.scales, right.scales)
        and left.buffers == right.buffers
        and _fixed(left) == _fixed(right)
        and left.train.digest == right.train.digest
        and left.val.digest == right.val.digest
        and agree(left.responses, right.responses)
        and agree(left.trace, right.trace)
    )


def _fixed(evidence: Evidence) -> set[str]:
    """Name the initial tensors that no seed moves: one may have been loaded, its twin drawn."""
    return set() if evidence.seeding is None else set(evidence.seeding.fixed)


def _start_alike(left: Sequence[Scale], right: Sequence[Scale]) -> bool:
    """Say whether tensors in the same order have standard deviations that chance may tell apart."""
    return len(left) == len(right) and all(
        math.isclose(a.std, b.std, rel_tol=5 / math.sqrt(math.prod(a.shape)), abs_tol=SAME)
        for a, b in zip(left, right, strict=True)
    )


def agree(left: Sequence[Mapping[str, float]], right: Sequence[Mapping[str, float]]) -> bool:
    """Say whether values of the same names are close, and there are any."""
    if len(left) != len(right):
        return False
    pairs = [(a[n], b[n]) for a, b in zip(left, right, strict=True) for n in a if n in b]
    return bool(pairs) and all(_close(a, b) for a, b in pairs)


def _close(left: float, right: float) -> bool:
    if math.isfinite(left) and math.isfinite(right):
        return math.isclose(left, right, rel_tol=SAME, abs_tol=SAME)
    return False

"""Metrics that arms define otherwise, though their networks give the same."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from ablate.audits.evidence import Evidence, Measured, learned
from ablate.audits.evidence_checks.advice import advised, advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding, Severity
from ablate.audits.grouping import alike, by_arms, grouped

SAME = 1e-5
"""Relative difference up to which what networks give is equal."""

APART = 1e-4
"""Relative difference from which on values of a metric differ."""

_ELSE = "something else"


def check_measures(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find reported metrics that are one thing in one arm and another in the next.

    It is certain where networks of equal parameters give the same and the values differ, and losses
    are given the same; likely where the metric is a known measure in one arm alone. Where the
    networks differ, the metric must be a known measure in one arm, and in the other something else
    than that measure, which is known there too.
    """
    seen = {arm: each for arm, each in learned(arms).items() if each.measured is not None}
    for metric in declared.metrics:
        judged = {
            pair: severity
            for pair in combinations(seen, 2)
            if (severity := _judged(seen[pair[0]], seen[pair[1]], metric)) is not None
        }
        for severity in dict.fromkeys(sorted(judged.values())):
            pairs = {pair for pair, of_pair in judged.items() if of_pair == severity}
            groups = alike(seen, lambda arm, other, pairs=pairs: (arm, other) in pairs)  # type: ignore[misc]
            names = [arm for arm in seen if any(arm in group for group in groups)]
            sure = severity == "error"
            why = "given equal weights, the networks give the same, and " if sure else ""
            told = by_arms((f"{metric} is {_told(seen[arm], metric)}", arm) for arm in names)
            where = f"metric {metric}"
            yield advised_between(
                "metric-defined-otherwise", groups, f"{why}{told}", where, severity
            )
        if not judged:
            yield from _altered(seen, metric)
    yield from _picked(seen)


def _picked(arms: Mapping[str, Evidence]) -> Iterator[Finding]:
    """Find arms that compare other numbers of best guesses with the targets."""
    picked = {arm: each.measured.picked for arm, each in arms.items() if each.measured is not None}
    known = {arm: counts for arm, counts in picked.items() if counts}
    if len(set(known.values())) > 1:
        told = by_arms(
            (f"a target counts as found among the best {' and '.join(map(str, counts))}", arm)
            for arm, counts in known.items()
        )
        groups = grouped((counts, arm) for arm, counts in known.items()).values()
        where = "validation_step"
        yield advised_between("metric-defined-otherwise", groups, told, where, "warning")


def _altered(arms: Mapping[str, Evidence], metric: str) -> Iterator[Finding]:
    """Find a reported loss that all arms smooth or weigh alike: it is no plain one."""
    names = {arm: _definition(each, metric) for arm, each in arms.items()}
    altered = {arm: name for arm, name in names.items() if " with " in name}
    if altered and len(altered) == len(arms):
        told = by_arms((f"{metric} is {name}", arm) for arm, name in altered.items())
        yield advised("altered-validation-loss", altered, told, f"metric {metric}")


def _definition(evidence: Evidence, metric: str) -> str:
    names = () if evidence.measured is None else evidence.measured.definitions.get(metric, ())
    return names[0] if names else ""


def _judged(left: Evidence, right: Evidence, metric: str) -> Severity | None:
    """Say how sure it is that two arms define a metric otherwise; None if they may not."""
    one, other = left.measured, right.measured
    if one is None or other is None:
        return None
    if _same_validation(left, right) and _values_differ(one, other, metric):
        if one.inputs and any(one.inputs) and _equal_sets(one.inputs, other.inputs):
            return "error"
        if not any((*one.inputs, *other.inputs)) and _equal_losses(one, other):
            return "warning"
    mine, theirs = one.definitions.get(metric, ()), other.definitions.get(metric, ())
    if bool(mine) != bool(theirs) and _same_validation(left, right):
        return "warning" if _values_differ(one, other, metric) else None
    if not {*mine}.isdisjoint(theirs) or not (mine or theirs):
        return None
    known = (mine or _calls(one, theirs)) and (theirs or _calls(other, mine))
    return "warning" if known else None


def _calls(measured: Measured, names: Sequence[str]) -> bool:
    """Say whether a validation calls the loss by which a metric is known elsewhere."""
    return any(_loss(name) == _loss(each) for name in names for each in measured.losses)


def _loss(name: str) -> str:
    """Return the loss in a measure's name, without what makes it another one."""
    bare = name.removeprefix("exp(").removesuffix(")")
    return bare.split(" with ")[0].split(" of altered ")[0]


def _same_validation(left: Evidence, right: Evidence) -> bool:
    """Say whether networks of equal shapes gave the same for the same examples."""
    one, other = left.measured, right.measured
    return (
        one is not None
        and other is not None
        and bool(left.shapes)
        and left.shapes == right.shapes
        and left.val.digest == right.val.digest
        and any(one.outputs)
        and _equal_sets(one.outputs, other.outputs)
    )


def _equal_sets(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> bool:
    return len(left) == len(right) and all(map(_equal, left, right))


def _equal(left: Sequence[float], right: Sequence[float]) -> bool:
    return len(left) == len(right) and all(
        math.isclose(a, b, rel_tol=SAME, abs_tol=SAME) for a, b in zip(left, right, strict=True)
    )


def _values_differ(left: Measured, right: Measured, metric: str) -> bool:
    pairs = [
        (a[metric], b[metric])
        for a, b in zip(left.metrics, right.metrics, strict=False)
        if metric in a and metric in b
    ]
    return any(
        math.isfinite(a) and math.isfinite(b) and not math.isclose(a, b, rel_tol=APART)
        for a, b in pairs
    )


def _equal_losses(left: Measured, right: Measured) -> bool:
    pairs = list(zip(left.training, right.training, strict=False))
    return bool(pairs) and all(
        a is not None and b is not None and math.isclose(a, b, rel_tol=SAME) for a, b in pairs
    )


def _told(evidence: Evidence, metric: str) -> str:
    measured = evidence.measured
    if measured is None or not measured.metrics:
        return _ELSE
    value = measured.metrics[0].get(metric)
    name = _definition(evidence, metric) or _ELSE
    return name if value is None else f"{value:.6g} ({name})"

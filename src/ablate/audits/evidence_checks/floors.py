"""Metrics at which a predictor without parameters leaves nothing to gain."""

from collections.abc import Iterator, Mapping

from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks.advice import advised
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.spec import Direction

SATURATED = 0.9
REACHED = 0.95


def check_floors(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find metrics at which the best floor is near the best known value, or near 1."""
    floors = {arm: evidence.metrics for arm, evidence in arms.items() if not evidence.parameters}
    for metric, direction in declared.metrics.items():
        values = {arm: metrics[metric] for arm, metrics in floors.items() if metric in metrics}
        if not values:
            continue
        gains = {arm: direction.gain(value, over=0.0) for arm, value in values.items()}
        best = max(gains, key=gains.__getitem__)
        beside = _beside(values[best], values, direction, declared.reached.get(metric))
        if beside is not None:
            what = f"without a parameter, {best} has {metric} {values[best]:.4g}{beside}"
            yield advised("floor-saturates-metric", [best], what, f"metric {metric}")


def _beside(
    value: float, values: Mapping[str, float], direction: Direction, reached: float | None
) -> str | None:
    """Say what the best value of a floor is close to; None if it leaves something to gain."""
    if reached is not None and _matches(value, reached, direction):
        return f"; the best known of a trained arm is {reached:.4g}"
    is_share = not direction.lower_is_better and all(0 <= each <= 1 for each in values.values())
    return " of at most 1" if is_share and value >= SATURATED else None


def _matches(floor: float, reached: float, direction: Direction) -> bool:
    if direction.lower_is_better:
        return floor * REACHED <= reached
    return floor >= REACHED * reached

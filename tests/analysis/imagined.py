"""Ablations imagined by the values that their arms reached, without a database."""

from ablate.analysis import conclude
from ablate.spec import Direction, Objective
from ablate.store import FindingRow
from tests.analysis.frames_of import definition, frames, run

LAST = Objective(metric="loss", direction=Direction.MINIMIZE, at="last")


def seeds(*values):
    """Give values the seeds 1, 2, 3 ..."""
    return dict(enumerate(values, start=1))


def imagined(arms, *, floors=None, curves=None, **changes):
    """Imagine an ablation of `loss` by arm and seed; the first arm is the reference.

    `curves` are further metrics {name: {arm: {seed: value}}}.
    """
    floors, curves = floors or {}, curves or {}
    every = {**arms, **floors}
    known = {
        "arms": {arm: {"x": place} for place, arm in enumerate(arms)},
        "floor": {arm: {"y": place} for place, arm in enumerate(floors)},
        "reference": next(iter(arms)),
        "seeds": tuple(sorted({seed for values in every.values() for seed in values})),
        "metrics": {"loss": Direction.MINIMIZE},
        "objective": LAST,
    }
    runs, recorded = [], {}
    for arm, by_seed in every.items():
        for seed, value in by_seed.items():
            number = len(runs)
            runs.append(run(number, arm=arm, seed=seed))
            curve = value if isinstance(value, list) else [value]
            recorded[number, "loss"] = curve
            for name, values in curves.items():
                if arm in values:
                    recorded[number, name] = [values[arm][seed]] * len(curve)
    return frames(runs, recorded, definition(**(known | changes)))


def finding(code, *arms, severity="error", allowed=False):
    """Imagine a finding of the audit, of each of some arms by itself."""
    return FindingRow(code, severity, arms, "what", "where", "advice", allowed, "static")


def between(code, *groups, severity="error", allowed=False):
    """Imagine a finding that stands between groups of arms."""
    arms = tuple(arm for group in groups for arm in group)
    return finding(code, *arms, severity=severity, allowed=allowed)._replace(groups=groups)


def concluded(arms, findings=(), **changes):
    """Conclude from an imagined ablation."""
    return conclude(imagined(arms, **changes), findings)


def headline(conclusions, arm="a", metric="loss"):
    """Return the verdict on an arm and its reason."""
    verdict, reason = conclusions.verdicts[metric, arm]
    return str(verdict), reason

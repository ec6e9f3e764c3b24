"""What can be read off the trials of a search: is the best inside, and was all of it tried?"""

import math
from collections.abc import Iterator
from typing import Any

from ablate.audits.codes import finding
from ablate.audits.differences import listed
from ablate.audits.findings import Finding
from ablate.audits.recorded import RecordedTrials
from ablate.spec import (
    Choice,
    FloatRange,
    IntRange,
    Status,
    canonical_json,
)
from ablate.store import TrialRecord

_EDGE = 0.02
_FEWEST_TRIALS = 5
_FEW_OF_BRANCH = 5
_TIED = 3


def check_edges(recorded: RecordedTrials) -> Iterator[Finding]:
    """Find parameters of which the best value lies at the end of its range."""
    space, best = recorded.space, recorded.best
    if best is None or len(recorded.done) < _FEWEST_TRIALS:
        return
    found = {
        path: edge
        for path, value in best.params.items()
        if path in space and (edge := edge_of(space[path], value))
    }
    if found:
        text = ", ".join(
            f"{path.rpartition('.')[2]} {best.params[path]!r} is at the {edge} end"
            for path, edge in found.items()
        )
        yield finding(
            "at-the-edge",
            (),
            f"of the best trial, {best.number}: {text}",
            listed(f"space.{path}" for path in found),
            "widen the range at this end: the best may lie outside",
        )


def edge_of(parameter: FloatRange | IntRange | Choice, value: Any) -> str:
    """Return the end of a range ("lower", "upper") that a value lies at, or nothing.

    A float lies at an end within 2 % of the range, on its own scale; an integer on it. An end
    that can't be passed (0 for a float, up to 1 for an integer) is no edge, nor is one of a range
    of two.
    """
    if isinstance(parameter, Choice):
        return ""
    low, high = parameter.ends
    if isinstance(parameter, IntRange):
        if high - low < 2 * (parameter.step or 1):
            return ""
        return "lower" if value == low > 1 else "upper" if value == high else ""
    scale = math.log if parameter.log else float
    share = (scale(value) - scale(low)) / (scale(high) - scale(low))
    if share <= _EDGE:
        return "lower" if low != 0 else ""
    return "upper" if share >= 1 - _EDGE and high != 1 else ""


def check_branches(recorded: RecordedTrials) -> Iterator[Finding]:
    """Find branches of the space that were hardly tried."""
    space, done = recorded.space, recorded.done
    branching = {parent for parameter in space.values() for parent in parameter.when}
    for path in space:
        parameter = space[path]
        if path not in branching or not isinstance(parameter, Choice):
            continue
        tried = [trial.params[path] for trial in done if path in trial.params]
        if len(tried) < _FEW_OF_BRANCH * len(parameter.labels):
            continue
        counts = {label: tried.count(label) for label in parameter.labels}
        if thin := {label: n for label, n in counts.items() if n < _FEW_OF_BRANCH}:
            text = ", ".join(f"{label} {n}" for label, n in thin.items())
            yield finding(
                "thin-branch",
                (),
                f"of {len(tried)} trials that chose {path}: {text}",
                f"space.{path}",
                "do not call a branch worse that was tried so rarely; enqueue points in it",
            )


def check_ties(recorded: RecordedTrials) -> Iterator[Finding]:
    """Find different trials that have exactly the same value."""
    complete = [
        trial
        for trial in recorded.done
        if trial.state is Status.COMPLETE and trial.value is not None
    ]
    by_value: dict[float, list[TrialRecord]] = {}
    for trial in complete:
        by_value.setdefault(trial.value or 0.0, []).append(trial)
    for value, trials in by_value.items():
        points = {canonical_json(trial.params) for trial in trials}
        if len(points) >= _TIED and math.isfinite(value):
            yield finding(
                "tied-trials",
                (),
                f"{len(trials)} trials with {len(points)} different points have exactly the value "
                f"{value!r}: {listed(str(trial.number) for trial in trials)}",
                "trials",
                "look for a constant answer, such as the majority class, or a coarse metric",
            )

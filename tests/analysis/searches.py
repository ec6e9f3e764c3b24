"""Imagined searches of known functions."""

import math

import numpy as np

from ablate.spec import Direction, Objective, Status
from ablate.store import TrialRecord
from tests.analysis.frames_of import NOW, search_frames

SPACE = {
    "lr": {"float": (1e-5, 1e-1), "log": True},
    "momentum": {"float": (0.0, 1.0)},
    "width": {"int": (1, 8)},
    "kind": {"choice": ["a", "b", "c"]},
}


def drawn(n, value, *, space=None, seed=0, direction=Direction.MINIMIZE, **changes):
    """Imagine a random search of `n` complete trials; `value` is a function of the parameters."""
    frames = search_frames(
        [],
        (),
        space=SPACE if space is None else space,
        objective=Objective(metric="loss", direction=direction),
        **changes,
    )
    draws = np.random.default_rng(seed)
    trials = []
    for number in range(n):
        point = point_of(frames.definition.space, draws)
        trials.append(trial(number, value(point), point))
    return with_trials(frames, trials)


def point_of(space, draws):
    """Draw a point evenly over a space, on its scales; conditions hold."""
    point = {}
    for path, parameter in space.items():
        if any(point.get(parent) not in labels for parent, labels in parameter.when.items()):
            continue
        if hasattr(parameter, "labels"):
            point[path] = parameter.labels[draws.integers(len(parameter.labels))]
            continue
        low, high = parameter.ends
        if isinstance(low, int):
            point[path] = int(draws.integers(low, high + 1))
        elif parameter.log:
            point[path] = float(math.exp(draws.uniform(math.log(low), math.log(high))))
        else:
            point[path] = float(draws.uniform(low, high))
    return point


def trial(number, value, point=None, state=Status.COMPLETE, **attrs):
    """Imagine a trial."""
    return TrialRecord(number, state, value, point or {}, attrs, NOW, NOW)


def with_trials(frames, trials):
    """Return frames with other trials."""
    return type(frames)(
        frames.name, frames.definition, frames.runs, frames.metrics, trials=tuple(trials)
    )

"""Trials of a search as figures see them: a place on an axis for every parameter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ablate.reports.figures.labels import SMALL, clean, cut
from ablate.reports.figures.scales import Scale, categories, fenced, plottable, scale_of
from ablate.reports.numbers import number

Setting: TypeAlias = float | str | None
"""A parameter's value: a number, a category as text, or None where the trial has none."""
MOST_CATEGORIES = 12


@dataclass(frozen=True)
class Dimension:
    """A parameter's axis: logarithmic, or of `choices` in their order; of neither, linear."""

    name: str
    log: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A trial: its number, its settings in the order of the dimensions, and its value.

    The value of a pruned trial is its last one; an infeasible one breaks a constraint.
    """

    number: int
    settings: tuple[Setting, ...]
    value: float
    pruned: bool = False
    infeasible: bool = False

    @property
    def aside(self) -> bool:
        """Whether it stands beside those among which the best one is."""
        return self.pruned or self.infeasible


def scale_for(
    dimension: Dimension, settings: Sequence[Setting], *, ticks: int, room: float
) -> Scale:
    """Make the axis of a dimension that holds the settings; labels are cut to `room` points."""
    if dimension.choices:
        scale = categories([cut(clean(choice), room, SMALL) for choice in dimension.choices])
        step = -(-len(scale.ticks) // MOST_CATEGORIES)
        return replace(scale, ticks=scale.ticks[::step], labels=scale.labels[::step])
    found = [float(setting) for setting in settings if isinstance(setting, int | float)]
    return scale_of(found, log=dimension.log, log_from=10.0, ticks=ticks, pad=0.03)


def place(dimension: Dimension, setting: Setting) -> float | None:
    """Return where a setting lies on the axis of its dimension; None if it has no place."""
    if dimension.choices:
        return float(dimension.choices.index(setting)) if setting in dimension.choices else None
    if isinstance(setting, int | float) and plottable(setting):
        return float(setting)
    return None


def value_scale(samples: Sequence[Sample], *, ticks: int = 5) -> Scale:
    """Make the axis of values, without those of complete trials that would crush it."""
    done = [sample.value for sample in samples if not sample.aside]
    return scale_of(fenced(done) or [sample.value for sample in samples], ticks=ticks)


def best_of(samples: Sequence[Sample], *, minimize: bool) -> Sample | None:
    """Return the complete trial with the best value, the first of equal ones."""
    done = [sample for sample in samples if not sample.aside and plottable(sample.value)]
    sign = 1 if minimize else -1
    return min(done, key=lambda sample: (sign * sample.value, sample.number), default=None)


def said(sample: Sample, dimensions: Sequence[Dimension], objective: str) -> str:
    """Write a trial as the title of its mark."""
    parts = [
        f"{dimension.name} {number(setting) if isinstance(setting, float) else setting}"
        for dimension, setting in zip(dimensions, sample.settings, strict=True)
        if setting is not None
    ]
    word = "pruned at" if sample.pruned else objective
    if sample.infeasible:
        word = f"infeasible, {word}"
    return f"trial {sample.number}: {word} {number(sample.value)}; {', '.join(parts)}"

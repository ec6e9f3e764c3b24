"""Statistics that fit training and validation together, and neither alone.

Values that were standardised or stretched on all examples have a mean of exactly 0 and a spread of
exactly 1, or reach exactly from 0 to 1, over both splits; over the training examples alone they
do so only about. An exact fit by chance is rare in one column, and next to impossible in several.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.audits.evidence import Fault
from ablate.audits.probes.columns import Array, Leaf, Role

CODE = "fitted-on-validation"
BOTH = "both splits together"
FEWEST = 20
"""Examples that each split must have."""
EXACT = 1e-4
OFF = 10
"""How many times the exact fit the training examples alone must be off."""
ALONE = 3
"""Columns from which on an exact mean says enough without an exact spread."""
VALUES = 2_000_000
CHANNELS = 16
"""Values at one time that a series has at most."""
DISTINCT = 0.5
"""Share of a column's values that must differ."""
SELDOM = 0.01
LEVELS = 10
ENDS = ((0.0, 1.0), (-1.0, 1.0))
CATEGORIES = 3
"""Examples that a category must have on average for its mean target to be told from the target."""


@dataclass(frozen=True)
class _Block:
    """Columns of one kind: (values, columns) of both splits."""

    name: str
    train: Array
    val: Array

    def both(self) -> Array:
        """Return the values of both splits."""
        return np.concatenate([self.train, self.val])


def fitted_on_both(found: Sequence[Leaf], both: str = BOTH) -> list[Fault]:
    """Find leaves whose statistics were taken over training and validation together.

    `both` is how the examples of both are called, if a third split is among those of validation.
    """
    faults: list[str] = []
    targets = [leaf for leaf in found if leaf.role is Role.TARGET and leaf.is_float]
    for leaf in found:
        if not leaf.is_float or min(len(leaf.train), len(leaf.val)) < FEWEST:
            continue
        if leaf.role in {Role.OTHER, Role.NUMBER}:
            continue
        said = next(filter(None, _said(leaf, targets)), None)
        if said is not None:
            faults.append(f"{leaf.name}: {said}")
    faults += _encoded(found)
    if not faults:
        return []
    return [Fault(CODE, "; ".join(faults[:3]).replace(BOTH, both), "data")]


def _said(leaf: Leaf, targets: Sequence[Leaf]) -> Iterator[str | None]:
    if leaf.moments is not None:
        yield _standardised_pictures(*leaf.moments)
        return
    if not (np.isfinite(leaf.train).all() and np.isfinite(leaf.val).all()):
        return
    judges: tuple[Callable[[_Block], str | None], ...] = (_standardised, _centred, _stretched)
    for block in _blocks(leaf, targets):
        for judge in judges:
            yield judge(block)


def _blocks(leaf: Leaf, targets: Sequence[Leaf]) -> Iterator[_Block]:
    """Yield the ways in which values may have been put together for a statistic."""
    train, val = (rows.astype(np.float64) for rows in (leaf.train, leaf.val))
    sides = train.ndim - 1
    if train.size + val.size > VALUES:
        return
    yield _Block("column", train.reshape(len(train), -1), val.reshape(len(val), -1))
    if sides > 1:
        for axis in {1, sides}:
            yield _Block("channel", *(_by_axis(rows, axis) for rows in (train, val)))
    if sides:
        yield _Block("value", train.reshape(-1, 1), val.reshape(-1, 1))
    if leaf.role is Role.INPUT and sides in {1, 2}:
        yield from _series(train, val, targets)


def _by_axis(rows: Array, axis: int) -> Array:
    return np.moveaxis(rows, axis, -1).reshape(-1, rows.shape[axis])


def _series(train: Array, val: Array, targets: Sequence[Leaf]) -> Iterator[_Block]:
    """Yield the values of which overlapping windows are made, each once; what follows is a part."""
    axes = (1, 2) if train.ndim == 3 else (2,)
    splits = [rows if rows.ndim == 3 else rows[..., None] for rows in (train, val)]
    following = [target.rows() for target in targets]
    for axis in axes:
        sides = [_by_axis(rows, axis) for rows in splits]
        width = sides[0].shape[1]
        if width > CHANNELS:
            continue
        for pair in following:
            if width == 1 or pair[0].shape[1] == width:
                sides = [
                    np.concatenate([rows, more.reshape(-1, width)])
                    for rows, more in zip(sides, pair, strict=True)
                ]
        parts = [np.unique(rows, axis=0) for rows in sides]
        # Windows repeat values; without them this is the block of all values again.
        if len(parts[0]) > DISTINCT * len(sides[0]):
            continue
        known = {row.tobytes() for row in parts[0]}
        fresh = np.array([row.tobytes() not in known for row in parts[1]], bool)
        if fresh.sum() >= FEWEST:
            yield _Block("value of the series", parts[0], parts[1][fresh])


def _standardised(block: _Block) -> str | None:
    """Find columns with mean 0 and spread 1 over both splits alone."""
    both = block.both()
    moving = np.ptp(both, axis=0) > 0
    for delta in (0, 1):
        fits = moving & _standard(both, delta, EXACT)
        off = fits & ~_standard(block.train, delta, OFF * EXACT) & _has_levels(both)
        off &= ~_standard(block.val, delta, OFF * EXACT)
        if off.any() and fits.sum() >= 0.5 * moving.sum():
            place = int(np.flatnonzero(off)[np.abs(block.train.mean(0)[off]).argmax()])
            return (
                f"mean 0 and standard deviation 1 to {EXACT:g} over {BOTH} in "
                f"{_columns(fits.sum(), block.name)}, while of training alone "
                f"{_two(block.train, off, place, delta)} (almost surely)"
            )
    return None


def _has_levels(values: Array) -> Array:
    """Say which columns take more than a few values: two of them may be -1 and 1 by design."""
    ordered = np.sort(values, axis=0)
    many: Array = (np.diff(ordered, axis=0) > 0).sum(0) >= LEVELS
    return many


def _standard(values: Array, delta: int, within: float) -> Array:
    spread = values.std(0, ddof=delta)
    fits: Array = (np.abs(values.mean(0)) < within) & (np.abs(spread - 1) < within)
    return fits


def _two(train: Array, off: Array, place: int, delta: int) -> str:
    """Tell mean and spread of two columns in training."""
    others = [int(other) for other in np.flatnonzero(off) if other != place]
    return " and ".join(
        f"{train[:, column].mean():.3g} and {train[:, column].std(ddof=delta):.4g}"
        for column in [place, *others[:1]]
    )


def _columns(count: int, name: str) -> str:
    if name in {"value", "value of the series"} and count == 1:
        return f"every {name}"
    return f"{count} {name}{'' if count == 1 else 's'}"


def _centred(block: _Block) -> str | None:
    """Find several columns with mean 0, or median 0, over both splits alone."""
    both = block.both()
    spread = both.std(0)
    moving = (spread > 0) & _varied(both)  # a grid may lie evenly around 0
    if moving.sum() < ALONE:
        return None
    for name, middle in (("mean", _mean), ("median", _median)):
        if name == "median":  # that may be a value which is often taken
            moving &= (both == middle(both)).mean(0) < SELDOM
        fits = moving & (np.abs(middle(both)) < 0.1 * EXACT * spread)
        off = fits & (np.abs(middle(block.train)) > OFF * EXACT * spread)
        off &= np.abs(middle(block.val)) > OFF * EXACT * spread
        if off.sum() >= ALONE and fits.sum() >= 0.5 * moving.sum():
            shown = " and ".join(f"{value:.3g}" for value in middle(block.train)[off][:2])
            return (
                f"a {name} of 0 over {BOTH} in {_columns(fits.sum(), block.name)}, "
                f"while of training alone {shown} (almost surely)"
            )
    return None


def _mean(values: Array) -> Array:
    mean: Array = values.mean(0)
    return mean


def _median(values: Array) -> Array:
    median: Array = np.median(values, axis=0)
    return median


def _stretched(block: _Block) -> str | None:
    """Find columns that reach exactly from 0 to 1 over both splits alone, each end once."""
    both = block.both()
    if block.name != "column" and both.shape[1] == 1:
        return None
    low, high = both.min(0), both.max(0)
    single = ((both == low).sum(0) == 1) & ((both == high).sum(0) == 1) & _varied(both)
    for least, most in ENDS:
        fits = single & (np.abs(low - least) < 1e-6) & (np.abs(high - most) < 1e-6)
        off = fits & ((block.train.min(0) > low) | (block.train.max(0) < high))
        off &= (block.val.min(0) > low) | (block.val.max(0) < high)  # no grid of their own
        if off.any() and fits.sum() >= 0.5 * _varied(both).sum():
            ends = [
                f"{block.train[:, column].min():.4g} to {block.train[:, column].max():.4g}"
                for column in np.flatnonzero(off)[:2]
            ]
            return (
                f"{BOTH} reach exactly from {least:g} to {most:g} in "
                f"{_columns(fits.sum(), block.name)}, training alone from {' and '.join(ends)} "
                "(almost surely)"
            )
    return None


def _varied(values: Array) -> Array:
    """Say which columns hold numbers that seldom repeat."""
    ordered = np.sort(values, axis=0)
    varied: Array = (np.diff(ordered, axis=0) > 0).mean(0) > DISTINCT
    return varied


def _standardised_pictures(train: Array, val: Array) -> str | None:
    """Find channels with mean 0 and spread 1 over both splits alone, by moments (N, 2, C)."""

    def spread(moments: Array) -> tuple[Array, Array]:
        mean, square = moments.mean(0)
        return mean, np.sqrt(np.maximum(square - mean**2, 0))

    both, alone = spread(np.concatenate([train, val])), spread(train)
    fits = (np.abs(both[0]) < EXACT) & (np.abs(both[1] - 1) < EXACT)
    off = (np.abs(alone[0]) > OFF * EXACT) | (np.abs(alone[1] - 1) > OFF * EXACT)
    if not fits.all() or not (fits & off).any():
        return None
    shown = " and ".join(f"{m:.3g} and {s:.4g}" for m, s in zip(*alone, strict=True))
    return (
        f"mean 0 and standard deviation 1 to {EXACT:g} over {BOTH} in every channel, "
        f"while of training alone {shown} (almost surely)"
    )


# --- categories encoded by their mean target ---------------------------------------------


def _encoded(found: Sequence[Leaf]) -> list[str]:
    """Find columns that are the mean target of their category, taken over both splits."""
    targets = [leaf for leaf in found if leaf.role is Role.TARGET and leaf.is_scalar]
    if len(targets) != 1 or targets[0].is_text:
        return []
    target_train, target_val = (rows[:, 0].astype(np.float64) for rows in targets[0].rows())
    target = np.concatenate([target_train, target_val])
    spread = target.std()
    if not np.isfinite(spread) or spread == 0:
        return []
    said = []
    for leaf in found:
        if leaf.role is not Role.INPUT or not leaf.is_float or leaf.moments is not None:
            continue
        train, val = leaf.rows()
        for column in range(min(train.shape[1], 64)):
            both = np.concatenate([train[:, column], val[:, column]]).astype(np.float64)
            values, group = np.unique(both, return_inverse=True)
            if not 2 <= len(values) <= len(both) / CATEGORIES or not np.isfinite(values).all():
                continue
            if _means_fit(values, group, target, spread) and not _means_fit(
                values, group[: len(train)], target_train, spread
            ):
                said.append(
                    f"{leaf.name}, column {column}: each of {len(values)} values is the mean "
                    f"target of the examples that have it, over {BOTH} and not over "
                    f"training alone, such as {values[0]:.4g} and {values[-1]:.4g} (almost surely)"
                )
    return said


def _means_fit(values: Array, group: Array, target: Array, spread: float) -> bool:
    counts = np.bincount(group, minlength=len(values))
    sums = np.bincount(group, weights=target, minlength=len(values))
    seen = counts > 0
    gaps = np.abs(sums[seen] / counts[seen] - values[seen])
    return bool((gaps < EXACT * spread).mean() > 0.9)

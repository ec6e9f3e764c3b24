"""One column of the inputs that is the target, or tells it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.audits.evidence import Fault
from ablate.audits.probes.columns import Array, Leaf, Role, shown

CODE = "target-among-inputs"
FEWEST = 30
"""Training examples that there must be."""
COLUMNS = 8_192
TARGETS = 4
"""Target columns from which on the target may well be what is to be told from itself."""
SURE, UNSURE = 2e-3, 2e-2
"""How far a rank correlation may be from 1."""
AHEAD = 0.05
"""Part of the next column's distance from 1 that the best column may have at most.

Neighbouring columns of a smooth series are all close to what follows, and none of them tells it.
"""
CLASSES = 200
WITHIN = 0.02
"""Spread within a class, as part of the least gap between classes, of a column that tells them."""
SCREENED = 200
SYMBOLS = 6
"""Integers from which on an example is a sequence of symbols."""


@dataclass(frozen=True)
class _Told:
    """A column that tells a target, how, and how far it is from telling it exactly."""

    leaf: Leaf
    column: int
    how: str
    sure: bool


def target_among_inputs(found: Sequence[Leaf]) -> list[Fault]:
    """Find input columns from which the target can be read off, in both splits."""
    targets = [leaf for leaf in found if leaf.role is Role.TARGET and not leaf.is_text]
    inputs = [
        leaf
        for leaf in found
        if leaf.role in {Role.INPUT, Role.OTHER, Role.GROUP} and not leaf.is_text
    ]
    faults = []
    for target in targets:
        if len(target.train) < FEWEST or target.moments is not None:
            continue
        train, val = target.rows()
        if not 1 <= train.shape[1] <= TARGETS or sum(_width(leaf) for leaf in inputs) < 2:
            continue
        for place in range(train.shape[1]):
            told = _told(inputs, train[:, place], val[:, place])
            if told is not None:
                faults.append(_fault(target, place, told))
                break
    return faults


def _width(leaf: Leaf) -> int:
    return int(leaf.rows()[0].shape[1])


def _told(inputs: Sequence[Leaf], train: Array, val: Array) -> _Told | None:
    """Return the column of the inputs that tells one target, if there is one."""
    if len(np.unique(train)) < 2 or not (np.isfinite(train).all() and np.isfinite(val).all()):
        return None
    classes = train.dtype.kind in "iub" or (
        len(np.unique(train)) <= CLASSES and bool((train == np.round(train)).all())
    )
    for leaf in inputs:
        rows_train, rows_val = leaf.rows()
        if rows_train.shape[1] > COLUMNS or leaf.moments is not None:
            continue
        if not (np.isfinite(rows_train).all() and np.isfinite(rows_val).all()):
            continue
        if classes and len(np.unique(train)) <= CLASSES:
            found = next(_class_columns(leaf, train, val), None)
            if found is not None:
                return found
        else:
            found = _monotone(leaf, train, val)
            if found is not None:
                return found
    return None


# --- a number ----------------------------------------------------------------------------


def _monotone(leaf: Leaf, train: Array, val: Array) -> _Told | None:
    """Find the column whose order is that of the target, in training and in validation."""
    rows_train, rows_val = (rows.astype(np.float64) for rows in leaf.rows())
    screened = rows_train[:SCREENED], train[:SCREENED]
    rough = np.abs(_rank_correlations(*screened))
    likely = np.flatnonzero(rough > 1 - 2 * UNSURE)
    if not len(likely):
        return None
    exact = np.abs(_rank_correlations(rows_train[:, likely], train))
    best = int(exact.argmax())
    column, off = int(likely[best]), 1 - float(exact[best])
    others = np.delete(rough, column)
    beside = 1 - float(others.max()) if len(others) else 1.0
    again = _rank_correlations(rows_val[:, [column]], val) if len(val) > 2 else np.ones(1)
    off = max(off, 1 - abs(float(again[0])))
    if off > UNSURE or off > AHEAD * beside:
        return None
    certainty = "almost surely" if off <= SURE else "unsure"
    how = f"has a rank correlation of {1 - off:.5g} with it, the next column {1 - beside:.2g}"
    return _Told(leaf, column, f"{how} ({certainty})", off <= SURE)


def _rank_correlations(rows: Array, target: Array) -> Array:
    """Return Spearman's rank correlation of each column with the target; 0 for a constant."""
    order = _ranks(target.astype(np.float64)[:, None])
    ranks = _ranks(rows)
    order, ranks = order - order.mean(0), ranks - ranks.mean(0)
    norm = np.sqrt((ranks**2).sum(0) * (order**2).sum())
    correlations: Array = (ranks * order).sum(0) / np.where(norm > 0, norm, np.inf)
    return correlations


def _ranks(columns: Array) -> Array:
    """Rank each column; equal values share their mean rank."""
    ranks = np.empty(columns.shape)
    order = np.argsort(columns, axis=0, kind="stable")
    for place in range(columns.shape[1]):
        ordered = columns[order[:, place], place]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        sizes = np.diff(np.r_[starts, len(ordered)])
        ranks[order[:, place], place] = np.repeat(starts + (sizes - 1) / 2, sizes)
    return ranks


# --- a class -----------------------------------------------------------------------------


def _class_columns(leaf: Leaf, train: Array, val: Array) -> Iterator[_Told]:
    """Yield the columns that are the class: by a value for each, or a cluster of values."""
    rows_train, rows_val = (rows.astype(np.float64) for rows in leaf.rows())
    labels, group = np.unique(train, return_inverse=True)
    if len(labels) > len(train) / 3 or not np.isin(val, labels).all():
        return
    counts = np.bincount(group).astype(np.float64)
    sums = np.stack([np.bincount(group, weights=column) for column in rows_train.T], 1)
    means = sums / counts[:, None]
    within = np.zeros(rows_train.shape[1])
    for number in range(len(labels)):
        gaps = np.abs(rows_train[group == number] - means[number])
        within = np.maximum(within, gaps.max(0))
    ordered = np.sort(means, axis=0)
    least = np.diff(ordered, axis=0).min(0)
    place = np.searchsorted(labels, val)
    beside = np.abs(rows_val - means[place]).max(0)
    tells = (least > 0) & (np.maximum(within, beside) <= WITHIN * least)
    for column in np.flatnonzero(tells):
        exact = bool(max(within[column], beside[column]) <= 1e-9 * max(1, float(least[column])))
        how = (
            f"has one value for each of its {len(labels)} classes"
            if exact
            else f"has the values of its {len(labels)} classes far apart"
        )
        yield _Told(leaf, int(column), f"{how} (almost surely)", sure=True)
    if len(labels) > 2:
        yield from _indicators(leaf, group, place, len(labels))


def _indicators(leaf: Leaf, group: Array, place: Array, classes: int) -> Iterator[_Told]:
    """Find columns that say of all classes but one whether an example is of it."""
    train, val = (rows.astype(np.float64) for rows in leaf.rows())
    columns = []
    for number in range(classes):
        inside, inside_val = group == number, place == number
        mean, rest = train[inside].mean(0), train[~inside].mean(0)
        spread = np.maximum(
            np.abs(train[inside] - mean).max(0), np.abs(train[~inside] - rest).max(0)
        )
        if inside_val.any():
            spread = np.maximum(spread, np.abs(val[inside_val] - mean).max(0))
        tells = (np.abs(mean - rest) > 0) & (spread <= WITHIN * np.abs(mean - rest))
        columns += [int(column) for column in np.flatnonzero(tells)[:1]]
    if len(columns) >= classes - 1:
        how = f"says with {len(set(columns)) - 1} others which of its {classes} classes it is"
        yield _Told(leaf, columns[0], f"{how} (almost surely)", sure=True)


def _fault(target: Leaf, place: int, told: _Told) -> Fault:
    rows, values = told.leaf.rows()[0], target.rows()[0]
    numbers = _two_examples(values[:, place])
    examples = " and ".join(
        f"{shown(rows[n, told.column])} where the target is {shown(values[n, place])}"
        for n in numbers
    )
    single = told.leaf.is_scalar
    by_design = _same_symbols(told)
    where = told.leaf.name if single else f"column {told.column} of {told.leaf.name}"
    sure = told.sure and not by_design and not (single and told.leaf.role is not Role.INPUT)
    return Fault(
        CODE,
        f"{where} tells the target {target.name}: it {told.how}, such as {examples}",
        "data",
        slight=not sure,
    )


def _same_symbols(told: _Told) -> bool:
    """Say whether a column of a sequence holds the symbols of the others: a task is to recall."""
    rows = told.leaf.rows()[0]
    if not told.leaf.is_integer or rows.shape[1] < SYMBOLS:
        return False
    others = np.delete(rows, told.column, axis=1)
    return bool(np.isin(rows[:, told.column], np.unique(others)).all())


def _two_examples(values: Array) -> list[int]:
    """Pick two training examples with different targets."""
    other = np.flatnonzero(values != values[0])
    return [0, *(int(number) for number in other[:1])]

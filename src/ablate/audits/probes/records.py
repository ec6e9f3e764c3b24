"""What the examples are records of: their places in a dataset, their groups and their times."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ablate.audits.evidence import Fault
from ablate.audits.probes.columns import Array, Leaf, Role, named_role, shown

OVERLAP = "train-val-overlap"
GROUPS = "shared-groups"
EARLIER = "validation-before-training"
FEWEST = 20
FEWEST_GROUPS = 8
PER_GROUP = 2.0
"""Examples of a group, on average, from which on a number is no number of examples."""
SHARE = 0.1
TAIL = 0.05
"""Share of the examples that may lie on the other side of a border in time."""
BETWEEN = 0.5
FOLLOWS = 0.25
"""Part of the usual gap between targets that is left between those of neighbours in time."""
COLUMNS = 64
DISTINCT = 0.5
"""Share of the times that must differ for examples to be in an order."""

_BY_DESIGN = re.compile(
    r"user|item|movie|product|store|customer|client|article|author|device|track|site|hospital|"
    r"school|plate"
)
"""Groups that a model may be meant to know, as a recommender knows its users."""


@dataclass(frozen=True)
class Places:
    """Where the examples looked at stand in their datasets, behind all subsets.

    `train` and `val` are positions in `dataset` and in `other`, which may be the same; `owners`
    are the objects that may know more of the examples.
    """

    train: Array
    val: Array
    dataset: Any
    other: Any
    owners: tuple[Any, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether both splits are parts of one dataset."""
        return self.dataset is self.other


def same_items(places: Places) -> list[Fault]:
    """Find items of one dataset that are in both splits, however they are altered on the way."""
    if not places.shared:
        return []
    known = np.isin(places.val, places.train)
    if not known.any():
        return []
    first = ", ".join(str(int(place)) for place in places.val[known][:2])
    what = (
        f"{int(known.sum())} of {len(known)} validation examples are items of the dataset that "
        f"training has too, whatever is done to them (certain): items {first}"
    )
    return [Fault(OVERLAP, what, "dataset")]


# --- groups ------------------------------------------------------------------------------


def shared_groups(found: Sequence[Leaf], places: Places | None) -> list[Fault]:
    """Find groups, such as patients, of which both splits have examples."""
    faults = []
    for name, train, val in _groups(found, places):
        fault = _shared_group(name, train, val)
        if fault is not None:
            faults.append(fault)
            break
    return faults


def _groups(found: Sequence[Leaf], places: Places | None) -> Iterator[tuple[str, Array, Array]]:
    """Yield the groups of the examples of both splits, by leaves and by attributes of the data."""
    for leaf in found:
        if leaf.role is Role.GROUP and leaf.is_scalar and not leaf.is_float:
            yield str(leaf.path[-1]), leaf.rows()[0][:, 0], leaf.rows()[1][:, 0]
    yield from _beside(places, Role.GROUP)


def _beside(places: Places | None, role: Role) -> Iterator[tuple[str, Array, Array]]:
    """Yield what datasets and their owners keep of the examples of both splits under a role."""
    if places is None:
        return
    if places.shared:
        for owner in (places.dataset, *places.owners):
            for name, values in _attributes(owner, role, len(places.dataset)):
                yield name, values[places.train], values[places.val]
        return
    others = dict(_attributes(places.other, role, len(places.other)))
    for name, values in _attributes(places.dataset, role, len(places.dataset)):
        if name in others:
            yield name, values[places.train], others[name][places.val]


def _attributes(owner: Any, role: Role, length: int) -> Iterator[tuple[str, Array]]:
    """Yield what an object keeps for each item of a dataset under a name of a role.

    It may stand in a column of a table, or under a key of every record.
    """
    attributes = vars(owner) if hasattr(owner, "__dict__") else {}
    for attribute, value in attributes.items():
        if isinstance(value, Mapping) or not hasattr(value, "__len__") or len(value) != length:
            continue
        for name, column in _columns(attribute.strip("_"), value):
            if named_role((name,)) is role and (array := _array(column)) is not None:
                yield name, array


def _columns(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a table or of a list of records, or a value as it is."""
    if isinstance(value, pd.DataFrame):
        yield from ((str(column), value[column]) for column in value.columns)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        for key in value[0]:
            yield str(key), [record.get(key) for record in value]
    else:
        yield name, value


def _array(column: Any) -> Array | None:
    """Return a column of single numbers or texts, None for another one."""
    if isinstance(column, Tensor):
        column = column.detach().cpu().numpy()
    try:
        array = np.asarray(column)
    except ValueError:  # of unequal shapes
        return None
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.flat):
        array = array.astype(str)
    return array if array.ndim == 1 and array.dtype.kind in "iufU" else None


def _shared_group(name: str, train: Array, val: Array) -> Fault | None:
    groups = np.unique(np.concatenate([train, val]))
    enough = min(len(train), len(val)) >= FEWEST and len(groups) >= FEWEST_GROUPS
    if not enough or len(train) + len(val) < PER_GROUP * len(groups):
        return None
    known = np.isin(val, train)
    if known.mean() < SHARE:
        return None
    slight = bool(_BY_DESIGN.search(name.lower()))
    both = np.unique(val[known])
    examples = " and ".join(
        f"{shown(group)} ({int((train == group).sum())} training and {int((val == group).sum())} "
        "validation examples)"
        for group in both[:2]
    )
    certainty = (
        "unsure whether the model is meant to know them"
        if slight
        else "almost surely not what a new one would show"
    )
    what = (
        f"{int(known.sum())} of {len(val)} validation examples are of a {name!r} that training "
        f"has too, {len(both)} of {len(groups)} ({certainty}): {examples}"
    )
    return Fault(GROUPS, what, "data", slight=slight)


# --- times -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Times:
    name: str
    train: Array
    val: Array
    named: bool


def order_in_time(found: Sequence[Leaf], places: Places | None) -> list[Fault]:
    """Find validation examples that are older than training, or lie in between."""
    targets = [leaf for leaf in found if leaf.role is Role.TARGET and leaf.is_scalar]
    for times in _times(found, places):
        if min(len(times.train), len(times.val)) < FEWEST:
            continue
        fault = _older(times) or _between(times, targets)
        if fault is not None:
            return [fault]
    return []


def _times(found: Sequence[Leaf], places: Places | None) -> Iterator[_Times]:
    for leaf in found:
        if leaf.role is Role.TIME and leaf.is_scalar and not leaf.is_text:
            train, val = (rows[:, 0].astype(np.float64) for rows in leaf.rows())
            if np.isfinite(train).all() and np.isfinite(val).all():
                yield _Times(leaf.name, train, val, named=True)
    for name, before, behind in _beside(places, Role.TIME):
        if before.dtype.kind in "iuf" and behind.dtype.kind in "iuf":
            yield _Times(
                repr(name), before.astype(np.float64), behind.astype(np.float64), named=True
            )
    if places is not None and places.shared:
        yield from _rising(found, places)


def _rising(found: Sequence[Leaf], places: Places) -> Iterator[_Times]:
    """Yield columns of the inputs that rise evenly with the places of the examples."""
    order = np.argsort(np.concatenate([places.train, places.val]), kind="stable")
    for leaf in found:
        if leaf.role is not Role.INPUT or leaf.is_text or leaf.moments is not None:
            continue
        train, val = leaf.rows()
        if not 2 <= train.shape[1] <= COLUMNS or len(train) != len(places.train):
            continue
        both = np.concatenate([train, val]).astype(np.float64)[order]
        if len(both) != len(order):
            continue
        rises = (np.diff(both, axis=0) > 0).all(0)
        for column in np.flatnonzero(rises):
            name = f"column {column} of {leaf.name}, which rises from item to item,"
            yield _Times(
                name,
                train[:, column].astype(np.float64),
                val[:, column].astype(np.float64),
                named=False,
            )


def _older(times: _Times) -> Fault | None:
    """Say that nearly all validation examples are before nearly all training examples."""
    newest, oldest = np.quantile(times.val, 1 - TAIL), np.quantile(times.train, TAIL)
    if not newest < oldest:
        return None
    certainty = "almost surely" if times.named else "probably, if that is a time"
    what = (
        f"by {times.name} validation is older than training ({certainty}): "
        f"{_shown(times.val.min())} and {_shown(times.val.max())} are the ends of validation, "
        f"{_shown(times.train.min())} and {_shown(times.train.max())} of training"
    )
    return Fault(EARLIER, what, "data")


def _between(times: _Times, targets: Sequence[Leaf]) -> Fault | None:
    """Say that validation examples have training examples of later times around them."""
    distinct = len(np.unique(np.concatenate([times.train, times.val])))
    if distinct < DISTINCT * (len(times.train) + len(times.val)):
        return None
    later = np.mean(times.val < np.quantile(times.train, 1 - TAIL))
    sooner = np.mean(times.val > np.quantile(times.train, TAIL))
    if min(later, sooner) < BETWEEN:
        return None
    follows = _follows(times, targets)
    slight = not (follows and times.named)
    if not times.named and not follows:
        return None
    why = (
        "the targets of neighbours in time are close, so the future tells the past"
        if follows
        else "harmless if no example says anything of the next"
    )
    what = (
        f"by {times.name} training and validation are mixed ({'unsure' if slight else 'probably'}: "
        f"{why}): validation is at {_shown(times.val[0])} and {_shown(times.val[1])}, training "
        f"from {_shown(times.train.min())} to {_shown(times.train.max())}"
    )
    return Fault(EARLIER, what, "data", slight=slight)


def _follows(times: _Times, targets: Sequence[Leaf]) -> bool:
    """Say whether the target of a validation example is close to that of its training neighbour."""
    order = np.argsort(times.train)
    at = np.clip(np.searchsorted(times.train[order], times.val), 0, len(order) - 1)
    for target in targets:
        if not target.is_float:
            continue
        train, val = (rows[:, 0].astype(np.float64) for rows in target.rows())
        near = np.median(np.abs(val - train[order][at]))
        drawn = np.random.default_rng(0).choice(train, len(val))
        usual = np.median(np.abs(val - drawn))
        if usual > 0 and near < FOLLOWS * usual:
            return True
    return False


def _shown(value: float) -> str:
    return f"{value:.10g}"

"""Windows cut from one series so that training and validation share its values.

A run of values that stands at another place of a training window than of a validation window is
of the same stretch of one series. Where it stands tells which of the two windows begins earlier.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.audits.evidence import Fault
from ablate.audits.probes.columns import Array, Leaf, Role, shown

OVERLAPPING = "overlapping-windows"
EARLIER = "validation-before-training"
FEWEST = 20
STEPS = 4
RUN = 3
"""Numbers in a row by which a stretch of a series is recognised, more where they repeat."""
CHANCE = 1e-3
"""How often, at most, a run may be found among the training windows by chance."""
SYMBOLS = 8
"""Symbols in a row, at least; half a window if that is more."""
VALUES = 600_000
LOOKED_AT = 400
COVERED = 0.25
"""Part of a window that another one must share."""
SHARE, COUNT = 0.1, 3
DISTINCT = 0.5
"""Distinct runs for each training window that there must be: what repeats is no single series."""


@dataclass(frozen=True)
class _Shared:
    """What a validation window shares with training windows that begin earlier, and later."""

    window: int
    earlier: float
    later: float
    beside: int


def shared_windows(found: Sequence[Leaf]) -> list[Fault]:
    """Find validation windows within the stretches of series that training windows show."""
    for leaf in found:
        if leaf.role is not Role.INPUT or min(len(leaf.train), len(leaf.val)) < FEWEST:
            continue
        for train, val in _series(leaf):
            shared = _shared(leaf, train, val)
            if shared:
                return _faults(leaf, shared, min(len(leaf.val), LOOKED_AT), found)
    return []


def _series(leaf: Leaf) -> Iterator[tuple[Array, Array]]:
    """Yield both splits as codes of the values at each step, (N, T), by the axes of time."""
    if leaf.moments is not None or not (leaf.is_float or leaf.is_integer):
        return
    train, val = leaf.train, leaf.val
    if train.ndim == 2:
        train, val = train[..., None], val[..., None]
    if train.ndim != 3:
        return
    for steps, channels in ((1, 2), (2, 1)):
        if train.shape[steps] < STEPS or train.shape[channels] > train.shape[steps]:
            continue
        if train.shape[steps] * len(train) > VALUES:
            continue
        yield _codes(np.moveaxis(train, steps, 1)), _codes(np.moveaxis(val, steps, 1))
        return


def _codes(values: Array) -> Array:
    """Give every step a number that equal values share, (N, T, C) to (N, T)."""
    if values.dtype.kind == "f":
        bits = (values + 0.0).astype(np.float32).view(np.uint32).astype(np.uint64)
    else:
        bits = values.astype(np.int64).astype(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**62, values.shape[2], dtype=np.uint64)
    with np.errstate(over="ignore"):
        codes: Array = ((bits + np.uint64(1)) * (2 * factors + np.uint64(1))).sum(2)
    return codes


def _shared(leaf: Leaf, train: Array, val: Array) -> list[_Shared]:
    """Return the validation windows of which enough stands elsewhere in training windows."""
    run = _length(train) if leaf.is_float else max(SYMBOLS, train.shape[1] // 2)
    numbers = run == RUN
    if train.shape[1] <= run:
        return []
    val = val[:: max(1, -(-len(val) // LOOKED_AT))]
    known, places = _runs(train, run, numbers=numbers)
    if not len(known):
        return []
    distinct, first = np.unique(known, return_index=True)
    if len(distinct) < DISTINCT * len(train):
        return []
    last = np.r_[first[1:], len(known)] - 1
    # Sorted by run and place: the first and the last occurrence stand farthest left and right.
    asked, asked_places = _runs(val, run, numbers=numbers)
    at = np.searchsorted(distinct, asked)
    at[at == len(distinct)] = 0
    is_known = distinct[at] == asked
    windows, offsets = asked_places // val.shape[1], asked_places % val.shape[1]
    left, right = places[first[at]], places[last[at]]
    later = is_known & (left % train.shape[1] < offsets)
    earlier = is_known & (right % train.shape[1] > offsets)
    total = np.maximum(np.bincount(windows, minlength=len(val)), 1)
    shares = [np.bincount(windows[w], minlength=len(val)) / total for w in (earlier, later)]
    found = []
    for window in np.flatnonzero(np.maximum(*shares) >= COVERED):
        hit = np.flatnonzero((windows == window) & (earlier | later))[0]
        beside = (left if later[hit] else right)[hit] // train.shape[1]
        found.append(
            _Shared(int(window), float(shares[0][window]), float(shares[1][window]), int(beside))
        )
    return found


def _length(codes: Array) -> int:
    """Return how many numbers in a row chance hardly repeats; counts are soon repeated."""
    _, counts = np.unique(codes, return_counts=True)
    equal = float(((counts / codes.size) ** 2).sum())
    if equal >= 1:
        return int(codes.shape[1])
    return max(RUN, math.ceil(math.log(CHANCE / codes.size) / math.log(equal)))


def _runs(codes: Array, run: int, *, numbers: bool) -> tuple[Array, Array]:
    """Return a number for each run of steps and its place in the windows, sorted by both.

    Runs that say little are left out: those of a repeated number, or of fewer than three symbols.
    """
    count = codes.shape[1] - run + 1
    factors = np.random.default_rng(1).integers(1, 2**62, run, dtype=np.uint64)
    total = np.zeros((len(codes), count), np.uint64)
    with np.errstate(over="ignore"):
        for step in range(run):
            total += codes[:, step : step + count] * (2 * factors[step] + np.uint64(1))
    moves = codes[:, 1:] != codes[:, :-1]
    sums = np.cumsum(np.pad(moves, ((0, 0), (1, 0))), axis=1)
    changes = sums[:, run - 1 :] - sums[:, :count]
    telling = changes == run - 1 if numbers else changes >= 3
    rows, starts = np.nonzero(telling)
    keys, places = total[rows, starts], rows * codes.shape[1] + starts
    order = np.lexsort((starts, keys))
    return keys[order], places[order]


def _faults(
    leaf: Leaf, shared: Sequence[_Shared], total: int, found: Sequence[Leaf]
) -> list[Fault]:
    between = [each for each in shared if each.earlier and each.later]
    later = [each for each in shared if not each.earlier]
    earlier = [each for each in shared if not each.later]
    if len(between) >= max(COUNT, SHARE * total):
        what = (
            f"{len(shared)} of {total} validation windows share values with training windows, "
            f"{len(between)} of them with earlier and with later ones (almost surely windows of "
            f"one series, split at random): {_examples(leaf, between)}"
        )
        return [Fault(OVERLAPPING, what, "data")]
    if len(later) >= 2 and not earlier:
        slight = not _forecasts(leaf, found)
        what = (
            f"{len(later)} validation windows end in what training windows begin with, and none "
            f"begins after one ({'unsure' if slight else 'almost surely'} validation is older "
            f"than training): {_examples(leaf, later)}"
        )
        return [Fault(EARLIER, what, "data", slight=slight)]
    return []


def _forecasts(leaf: Leaf, found: Sequence[Leaf]) -> bool:
    """Say whether the targets are values of the series itself."""
    series = np.unique(leaf.train.astype(np.float32))
    for target in found:
        if target.role is Role.TARGET and leaf.is_float and target.is_float:
            values = target.rows()[0].astype(np.float32)
            if np.isin(values, series).mean() > 0.5:
                return True
    return False


def _examples(leaf: Leaf, shared: Sequence[_Shared]) -> str:
    step = max(1, -(-len(leaf.val) // LOOKED_AT))
    return " and ".join(
        f"validation {shown(leaf.val[each.window * step])} beside training "
        f"{shown(leaf.train[each.beside])}"
        for each in shared[:2]
    )

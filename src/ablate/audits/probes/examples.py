"""The examples of both splits, looked at one by one where they are within reach."""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningDataModule

from ablate.audits.evidence import Split
from ablate.audits.probes.columns import targets_in_order
from ablate.audits.probes.content import content_digest, digest, example_keys, length
from ablate.audits.probes.hooks import hook
from ablate.audits.probes.served import Data
from ablate.audits.probes.source import Source
from ablate.run.randomness import seeded

EXAMPLES = 2_000
SECONDS = 5.0
HOOK_LIMIT = 200_000


@dataclass(frozen=True)
class Examples:
    """The keys of the examples looked at, and the lengths of their sequences.

    `singles` are the examples as batches of one, `content` their digests, `origins` their datasets
    and places there, behind all subsets.
    """

    keys: tuple[str, ...]
    lengths: tuple[int, ...]
    singles: Sequence[Any] = ()
    content: Sequence[str] = ()
    origins: Sequence[tuple[Any, Any]] = ()


def look_at_examples(data: Data) -> tuple[Examples | None, Examples | None]:
    """Look at single training and validation examples; None where they are out of reach."""
    train = _fetched([data.train] if data.train else [])
    val = _fetched(data.val)
    splits = [[single for single, _ in split or []] for split in (train, val)]
    train_keys, val_keys = example_keys(splits)
    return (
        _examples(data, "train", train, train_keys),
        _examples(data, "val", val, val_keys),
    )


def look_at_test_examples(module: Any) -> list[Any]:
    """Fetch examples of a third split as batches of one; none where there is none within reach."""
    made = getattr(type(module), "test_dataloader", None)
    if made in {None, LightningDataModule.test_dataloader}:
        return []
    try:
        with seeded(0):
            source = Source(module.test_dataloader())
            fetched = _fetched([source])
    except Exception:  # noqa: BLE001 - it may be set up for another stage
        return []
    return [single for single, _ in fetched or []]


def _examples(
    data: Data,
    name: str,
    fetched: Sequence[tuple[Any, tuple[Any, Any]]] | None,
    content: Sequence[str],
) -> Examples | None:
    """Describe the examples of a split by their content, or by the keys that the data offer."""
    if fetched is None:
        return None
    keys: Iterable[str] = content
    offered_keys = hook(data.module, "example_keys")
    if offered_keys is not None:
        keys = (str(key) for key in itertools.islice(offered_keys(name), HOOK_LIMIT))
    singles = [single for single, _ in fetched]
    lengths = (length(single) for single in singles)
    return Examples(
        tuple(keys),
        tuple(n for n in lengths if n is not None),
        singles,
        content,
        [origin for _, origin in fetched],
    )


def _fetched(sources: Sequence[Source]) -> list[tuple[Any, tuple[Any, Any]]] | None:
    """Fetch examples one by one, spread evenly, for as long as it may take."""
    if not sources or not all(source.by_example for source in sources):
        return None
    until = time.monotonic() + SECONDS
    fetched = []
    with seeded(0):
        for source in sources:
            for index in source.spread(EXAMPLES):
                fetched.append((source.fetch([index]), source.origin(index)))
                if time.monotonic() > until:
                    break
    return fetched


def describe(
    examples: Examples | None, sources: Sequence[Source], batches: Iterable[Any], order: str | None
) -> Split:
    """Describe a split by its examples, or by its first batches where these are all there is."""
    if examples is None:
        first_batches = digest(content_digest(batch).encode() for batch in batches)
        return Split(digest=first_batches if sources else None, order=order)
    lengths = examples.lengths
    return Split(
        examples=sum(source.examples or 0 for source in sources),
        digest=digest(key.encode() for key in sorted(examples.keys)),
        order=order,
        longest=max(lengths, default=None),
        mean_length=sum(lengths) / len(lengths) if lengths else None,
        targets=targets_in_order(examples.singles),
    )

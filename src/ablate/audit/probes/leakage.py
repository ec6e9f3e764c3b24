"""What the splits hold, and whether they hold the same."""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.audit.evidence import Fault, Split
from ablate.audit.probes.content import batch_digest, digest, example_keys, length
from ablate.audit.probes.served import Data, Source, seeded

EXAMPLES = 2_000
SECONDS = 5.0
HOOK_LIMIT = 200_000
SLIGHT = 0.01
"""Share of a split up to which equal examples may be chance."""


@dataclass(frozen=True)
class Content:
    """The keys of the examples looked at and the lengths of their sequences."""

    keys: tuple[str, ...]
    lengths: tuple[int, ...]


def contents(data: Data) -> tuple[Content | None, Content | None]:
    """Look at single training and validation examples; None where they are out of reach."""
    found = [_singles([data.train] if data.train else []), _singles(data.val)]
    offer = getattr(data.module, "example_keys", None)
    keys = example_keys([singles or [] for singles in found])
    contents: list[Content | None] = []
    for split, singles, own in zip(("train", "val"), found, keys, strict=True):
        if singles is None:
            contents.append(None)
            continue
        if callable(offer):
            own = [str(key) for key in itertools.islice(offer(split), HOOK_LIMIT)]  # noqa: PLW2901
        lengths = [length(single) for single in singles]
        contents.append(Content(tuple(own), tuple(n for n in lengths if n is not None)))
    train, val = contents
    return train, val


def _singles(sources: Sequence[Source]) -> list[Any] | None:
    """Fetch examples one by one, spread evenly, for as long as it may take."""
    if not sources or not all(source.by_example for source in sources):
        return None
    until = time.monotonic() + SECONDS
    found = []
    with seeded(0):
        for source in sources:
            for index in source.spread(EXAMPLES):
                found.append(source.fetch([index]))
                if time.monotonic() > until:
                    break
    return found


def split(
    content: Content | None, sources: Sequence[Source], batches: Iterable[Any], order: str | None
) -> Split:
    """Describe a split by its examples, or by its first batches where these are all there is."""
    if content is None:
        seen = digest(batch_digest(batch).encode() for batch in batches)
        return Split(digest=seen if sources else None, order=order)
    lengths = content.lengths
    return Split(
        examples=sum(source.examples or 0 for source in sources),
        digest=digest(key.encode() for key in sorted(content.keys)),
        order=order,
        longest=max(lengths, default=None),
        mean_length=sum(lengths) / len(lengths) if lengths else None,
    )


def overlap(train: Content, val: Content) -> list[Fault]:
    """Find validation examples among the training examples."""
    known = set(train.keys)
    both = sum(key in known for key in val.keys)
    if not both:
        return []
    return [
        Fault(
            "train-val-overlap",
            f"{both} of {len(val.keys)} validation examples are among {len(train.keys)} training "
            "examples",
            "data",
            slight=both <= SLIGHT * len(val.keys),
        )
    ]


def context(data: Data, val: Content | None) -> list[Fault]:
    """Find queries in their own context, and validation examples in training contexts."""
    offer = getattr(data.module, "contexts", None)
    if not callable(offer):
        return []
    faults = []
    shown: set[str] = set()
    for split in ("train", "val"):
        pairs = [
            (str(query), {str(key) for key in keys})
            for query, keys in itertools.islice(offer(split), HOOK_LIMIT)
        ]
        if own := sum(query in keys for query, keys in pairs):
            name = {"train": "training", "val": "validation"}[split]
            faults.append(
                Fault(
                    "query-in-own-context",
                    f"{own} of {len(pairs)} {name} examples stand in their own context: the "
                    "answer is given",
                    f"data, {name}",
                )
            )
        if split == "train":
            shown = set().union(*(keys for _, keys in pairs))
    if val is not None and (known := sum(key in shown for key in val.keys)):
        faults.append(
            Fault(
                "context-from-validation",
                f"{known} of {len(val.keys)} validation examples are shown as context in training",
                "data, training",
            )
        )
    return faults

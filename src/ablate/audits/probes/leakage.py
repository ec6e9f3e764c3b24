"""Whether training has seen what validation asks, and whether an answer is given away."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ablate.audits.evidence import Fault
from ablate.audits.probes.examples import HOOK_LIMIT, Examples
from ablate.audits.probes.hooks import hook
from ablate.audits.probes.served import Data

SLIGHT = 0.01
"""Share of a split up to which equal examples may be chance."""

Contexts = Sequence[tuple[str, set[str]]]
"""The key of each query, and those of the examples in its context."""


def overlap(train: Examples, val: Examples) -> list[Fault]:
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


def context_faults(data: Data, val: Examples | None) -> list[Fault]:
    """Find queries in their own context, and validation examples in training contexts."""
    contexts = hook(data.module, "contexts")
    if contexts is None:
        return []
    training, validation = _read(contexts("train")), _read(contexts("val"))
    faults = [*_given_away(training, "training"), *_given_away(validation, "validation")]
    shown = set().union(*(keys for _, keys in training))
    if val is not None and (known := sum(key in shown for key in val.keys)):
        faults.append(
            Fault(
                "context-from-validation",
                f"{known} of {len(val.keys)} validation examples are shown as context in training",
                "data, training",
            )
        )
    return faults


def _read(contexts: Iterable[tuple[Any, Iterable[Any]]]) -> Contexts:
    pairs = itertools.islice(contexts, HOOK_LIMIT)
    return [(str(query), {str(key) for key in keys}) for query, keys in pairs]


def _given_away(contexts: Contexts, name: str) -> list[Fault]:
    """Find the queries of a split that stand in their own context."""
    count = sum(query in keys for query, keys in contexts)
    if not count:
        return []
    return [
        Fault(
            "query-in-own-context",
            f"{count} of {len(contexts)} {name} examples stand in their own context: the answer is "
            "given",
            f"data, {name}",
        )
    ]

"""Leakage beyond equal examples: what validation asks is in training in another guise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ablate.audits.evidence import Fault
from ablate.audits.probes.columns import Array, columns
from ablate.audits.probes.examples import Examples
from ablate.audits.probes.fitted import fitted_on_both
from ablate.audits.probes.giveaway import target_among_inputs
from ablate.audits.probes.hooks import reason
from ablate.audits.probes.near import near_duplicates
from ablate.audits.probes.records import Places, order_in_time, same_items, shared_groups
from ablate.audits.probes.windows import shared_windows


@dataclass(frozen=True)
class Leaks:
    """What leaks between the splits, and what could not be looked at, with the reason."""

    faults: list[Fault] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def leaks(
    train: Examples, val: Examples, owners: Sequence[Any] = (), test: Sequence[Any] = ()
) -> Leaks:
    """Look for leakage by content; `owners` are objects that may know more of the examples.

    `test` are the examples of a third split, over which statistics may have been taken, too.
    """
    found = Leaks()
    leaves = columns(train.singles, val.singles)
    places = _places(train, val, owners)
    equal = np.isin(np.asarray(val.content), np.asarray(train.content))

    def look(name: str, find: Callable[[], list[Fault]]) -> list[Fault]:
        try:
            faults = find()
        except Exception as error:  # noqa: BLE001 - data may be of any kind
            found.skipped[name] = reason(error)
            return []
        found.faults.extend(faults)
        return faults

    if places is not None and not equal.any():
        look("items of one dataset", lambda: same_items(places))
    windows = look("windows of one series", lambda: shared_windows(leaves))
    if not windows and not any(fault.code == "train-val-overlap" for fault in found.faults):
        look("near duplicates", lambda: near_duplicates(leaves, ~equal))
    if not look("fitted statistics", lambda: fitted_on_both(leaves)) and test:
        every = columns(train.singles, [*val.singles, *test])
        look("fitted statistics", lambda: fitted_on_both(every, "all three splits together"))
    look("target among inputs", lambda: target_among_inputs(leaves))
    look("groups", lambda: shared_groups(leaves, places))
    if not windows:
        look("order in time", lambda: order_in_time(leaves, places))
    return found


def _places(train: Examples, val: Examples, owners: Sequence[Any]) -> Places | None:
    """Return where the examples stand in their datasets, if they are numbers there."""
    splits: list[tuple[Any, Array]] = []
    for examples in (train, val):
        datasets = {id(dataset): dataset for dataset, _ in examples.origins}
        numbers = [_number(index) for _, index in examples.origins]
        if len(datasets) != 1 or None in numbers:
            return None
        splits.append((next(iter(datasets.values())), np.asarray(numbers)))
    (dataset, train_places), (other, val_places) = splits
    return Places(train_places, val_places, dataset, other, tuple(owners))


def _number(index: Any) -> int | None:
    try:
        return int(index)
    except (TypeError, ValueError):
        return None

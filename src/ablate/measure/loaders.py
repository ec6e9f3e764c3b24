"""How many samples the loaders of training have, and in batches of how many."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.utilities import CombinedLoader


@dataclass(frozen=True)
class Loaded:
    """What loaders say of themselves; None where they do not."""

    samples: int | None
    batch: int | None
    drop_last: bool


def loaded(loader: Any, batches: float) -> Loaded:
    """Ask a trainer's training loader, or the loaders that it combines into so many `batches`."""
    combined = loader if isinstance(loader, CombinedLoader) else CombinedLoader(loader)
    found = [_one(single) for single in combined.flattened]
    if len(found) == 1:
        return found[0]
    drop_last = all(one.drop_last for one in found)
    lengths = [_length(single) for single in combined.flattened]
    if sum(length or 0 for length in lengths) == batches:  # one after the other
        samples = [one.samples for one in found if one.samples is not None]
        alike = {one.batch for one in found}
        whole = sum(samples) if len(samples) == len(found) else None
        return Loaded(whole, alike.pop() if len(alike) == 1 else None, drop_last)
    sizes = [one.batch for one in found if one.batch is not None]
    return Loaded(None, sum(sizes) if len(sizes) == len(found) else None, drop_last)


def _one(loader: Any) -> Loaded:
    size = getattr(loader, "batch_size", None)
    batches, sampler = getattr(loader, "batch_sampler", None), getattr(loader, "sampler", None)
    drop_last = bool(getattr(loader, "drop_last", False) or getattr(batches, "drop_last", False))
    said = (size, getattr(batches, "batch_size", None), getattr(sampler, "batch_size", None))
    batch = next((count for count in said if isinstance(count, int)), None)
    # The sampler of a loader that makes no batches itself counts batches.
    drawn = _length(sampler) if isinstance(size, int) else None
    samples = drawn if drawn is not None else _length(getattr(loader, "dataset", None))
    return Loaded(samples, batch, drop_last)


def _length(thing: Any) -> int | None:
    if not isinstance(thing, Sized):
        return None
    try:
        return len(thing)
    except (TypeError, NotImplementedError):
        return None

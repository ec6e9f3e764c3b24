"""How validation draws its examples: each once, the same ones, and nothing random about them."""

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader

from ablate.audits.evidence import Fault
from ablate.audits.probes.content import digest, encoded, leaves
from ablate.audits.probes.generators import GENERATORS, own_generators
from ablate.audits.probes.served import Data
from ablate.audits.probes.source import INDEX_LIMIT, Source, without_workers
from ablate.run.randomness import seeded

EXAMPLES = 6
MOST = 2_000
BATCHES = 3
PATIENCE_S = 1.0
"""How long asking for the loaders may have taken for them to be asked for again."""

_CONTENT = (Tensor, np.ndarray, str, bytes, int, float)


def drawing_faults(data: Data, limit: Any = None) -> list[Fault]:
    """Draw validation examples under two global seeds: they must be the same, each once.

    `limit` is `limit_val_batches` of the trainer: batches, or a share of them.
    """
    faults: list[Fault] = []
    for number, source in enumerate(data.val):
        where = "validation data" if len(data.val) == 1 else f"validation data {number}"
        begin_anew = own_generators(source.loader, *_globals(source.loader))
        faults += _fetched_alike(source, where, begin_anew)
        if source.by_example:
            faults += _drawn_evenly(source, where, limit, begin_anew)
    if not faults:
        faults += _made_alike(data)
    return faults + [fault for source in data.val for fault in _cut(source, limit)]


def _fetched_alike(source: Source, where: str, begin_anew: Callable[[], None]) -> list[Fault]:
    """Fetch the same examples under two seeds, and of a stream the first batches."""

    def read(seed: int) -> list[str]:
        begin_anew()
        with seeded(seed):
            if source.by_example:
                return [_content(source.fetch([index])) for index in source.spread(EXAMPLES)]
            stream = iter(without_workers(source.loader))
            return [_content(batch) for batch in itertools.islice(stream, BATCHES)]

    first, other = read(0), read(1)
    if first == other:
        return []
    again = read(0)
    if not source.by_example and again != first:
        return []  # a stream may go on where it was
    moved = sum(a != b for a, b in zip(first, other, strict=False))
    unit = "validation examples" if source.by_example else "first batches"
    when = "under another global seed" if again == first else "whenever they are fetched"
    what = f"{moved} of {len(first)} {unit} are other ones {when}"
    return [Fault("random-validation-data", what, where)]


def _content(batch: Any) -> str:
    """Hash what a batch holds as numbers and text; an object may show its address."""
    return digest(encoded(leaf) for leaf in leaves(batch) if isinstance(leaf, _CONTENT))


def _globals(loader: Any) -> Iterator[Any]:
    """Yield the global values of the modules that define a dataset and its collation."""
    owners = (type(getattr(loader, "dataset", loader)), getattr(loader, "collate_fn", None))
    for owner in owners:
        module = sys.modules.get(getattr(owner, "__module__", None) or "")
        if module is not None and module.__name__.partition(".")[0] not in {"torch", "builtins"}:
            yield [value for value in vars(module).values() if isinstance(value, GENERATORS)]


def _drawn_evenly(
    source: Source, where: str, limit: Any, begin_anew: Callable[[], None]
) -> list[Fault]:
    """Compare the indices of an epoch under two seeds, as far as validation goes."""
    code = "validation-sampling"
    lists = []
    for seed in (0, 1):
        begin_anew()
        with seeded(seed):
            lists.append(_lists(source, limit))
    first, other = ([repr(index) for part in part_lists for index in part] for part_lists in lists)
    repeats = len(first) - len(set(first))
    if repeats and _draws_singles(source.loader):
        what = (
            f"{repeats} of {len(first)} draws of an epoch repeat an example: the sampler draws "
            "with replacement"
        )
        return [Fault(code, what, where)]
    missing = len(set(first) ^ set(other)) if len(first) < INDEX_LIMIT else 0
    if missing:
        what = (
            f"which examples are scored hangs on the global seed: {missing} are scored under one "
            f"of two seeds alone{_why(source.loader, limit)}"
        )
        return [Fault(code, what, where)]
    if dropped := _dropped(source.loader):
        what = f"drop_last leaves the last {dropped} of {source.examples} examples unscored"
        return [Fault(code, what, where)]
    return []


def _lists(source: Source, limit: Any) -> list[list[Any]]:
    batches = _limited(limit, _batches_of(source))
    found: list[list[Any]] = []
    seen = 0
    for indices in itertools.islice(source.lists(), batches):
        found.append(indices)
        seen += len(indices)
        if seen >= INDEX_LIMIT:
            break
    return found


def _batches_of(source: Source) -> int | None:
    try:
        return len(source.loader)
    except TypeError:
        return None


def _limited(limit: Any, batches: int | None) -> int | None:
    """Return how many batches are validated; None for all."""
    if limit is None or isinstance(limit, bool):
        return None
    if isinstance(limit, int):
        return limit
    return None if batches is None or limit >= 1 else int(batches * limit)


def _draws_singles(loader: Any) -> bool:
    """Say whether a sampler gives single indices; episodes of lists may well share examples."""
    return type(getattr(loader, "batch_sampler", None)) is BatchSampler


def _why(loader: Any, limit: Any) -> str:
    if limit is not None and _limited(limit, None if isinstance(limit, int) else 100) is not None:
        return ", for the data is shuffled and limit_val_batches cuts it"
    if getattr(loader, "drop_last", False):
        return ", for the data is shuffled and drop_last cuts it"
    return ""


def _dropped(loader: Any) -> int:
    """Count the examples that a loader leaves out of its last batch."""
    if not isinstance(loader, DataLoader) or not loader.drop_last or not loader.batch_size:
        return 0
    try:
        return len(loader.sampler) % loader.batch_size  # type: ignore[arg-type]
    except TypeError:
        return 0


def _cut(source: Source, limit: Any) -> list[Fault]:
    """State the share that `limit_val_batches` leaves of a validation set."""
    batches = _batches_of(source)
    scored = _limited(limit, batches)
    if batches is None or scored is None or scored >= batches:
        return []
    what = (
        f"limit_val_batches has the first {scored} of {batches} batches scored, "
        f"{scored / batches:.0%} of the validation set"
    )
    return [Fault("part-of-validation", what, "trainer.limit_val_batches")]


def _made_alike(data: Data) -> list[Fault]:
    """Ask for the validation loaders again: what is split anew is another validation set."""
    begin_anew = own_generators(data.module)
    started = time.monotonic()
    made = []
    for seed in (0, 1):
        begin_anew()
        with seeded(seed):
            made.append([_examples(source) for source in data.new_validation()])
        if time.monotonic() - started > PATIENCE_S:
            return []
    if made[0] == made[1]:
        return []
    what = "val_dataloader() gives other examples under another global seed"
    return [Fault("validation-sampling", what, "validation data")]


def _examples(source: Source) -> tuple[int | None, Sequence[str]]:
    """Describe what a loader gives, whatever its order."""
    if not source.by_example:
        return None, ()
    with seeded(0):
        indices = itertools.islice(itertools.chain.from_iterable(source.lists()), MOST)
        ordered = sorted(indices, key=repr)
        wanted = ordered[:: max(1, len(ordered) // EXAMPLES)]
        return source.examples, [_content(source.fetch([index])) for index in wanted]

"""Batches, optimizer steps, epochs and samples of a run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

_ROUND = 10
"""People plan in multiples of ten epochs."""


def train_records(records: int, eval_share: float) -> int:
    """Count the records left for training when a share is held out, rounded up to whole records.

    The rounding is that of `train_test_split` in scikit-learn and Hugging Face's datasets. Raises
    ValueError unless the share lies in [0, 1).
    """
    if not 0 <= eval_share < 1:
        raise ValueError(f"eval_share must lie in [0, 1), not {eval_share}")
    return records - math.ceil(eval_share * records)


def at_least_one(**counts: int) -> None:
    """Raise ValueError naming the first count that is below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}")


@dataclass(frozen=True)
class Loading:
    """How an epoch takes in its records; `batch_size` is that of one device and micro-batch.

    Raises ValueError unless all counts are positive.
    """

    records: int
    batch_size: int
    accumulate: int = 1
    devices: int = 1
    drop_last: bool = False

    def __post_init__(self) -> None:
        at_least_one(
            records=self.records,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            devices=self.devices,
        )

    @property
    def batches(self) -> int:
        """The micro-batches per epoch and device.

        Lightning gives every device equally many records; some come twice if they do not divide.
        """
        share = math.ceil(self.records / self.devices)
        return share // self.batch_size if self.drop_last else math.ceil(share / self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """The optimizer steps of an epoch; the last may stand on fewer than `accumulate`."""
        return math.ceil(self.batches / self.accumulate)

    @property
    def effective_batch(self) -> int:
        """The records behind one optimizer step."""
        return self.batch_size * self.accumulate * self.devices


def optimizer_steps(
    records: int, batch_size: int, accumulate: int, epochs: int, *, drop_last: bool = False
) -> int:
    """Count the optimizer steps of a run as Lightning makes them.

    The last batch of an epoch may be smaller, unless `drop_last`, and the last step of an epoch
    may stand on fewer than `accumulate` batches: both divisions round up, epoch by epoch. Raises
    ValueError unless all counts are positive.
    """
    at_least_one(epochs=epochs)
    loading = Loading(records, batch_size, accumulate, drop_last=drop_last)
    return epochs * loading.steps_per_epoch


@dataclass(frozen=True)
class Length:
    """How long a run is: the micro-batches of an epoch and device, and the optimizer steps of all.

    `schedule` has how many batches are accumulated, each from an epoch on; the first is from 0.
    """

    batches: int
    schedule: tuple[tuple[int, int], ...]
    steps: int

    @property
    def accumulate(self) -> int:
        """How many batches are accumulated in the first epoch."""
        return self.schedule[0][1]

    @property
    def steps_per_epoch(self) -> int:
        """The optimizer steps of the first epoch."""
        return math.ceil(self.batches / self.accumulate)

    @property
    def epochs(self) -> float:
        """The epochs, a whole number unless the run ends within one; 0 without batches."""
        whole, rest, accumulate = self._counted()
        return whole + rest / math.ceil(self.batches / accumulate) if rest else float(whole)

    @property
    def all_batches(self) -> int:
        """The micro-batches of the whole run, per device."""
        whole, rest, accumulate = self._counted()
        return whole * self.batches + min(rest * accumulate, self.batches)

    def _counted(self) -> tuple[int, int, int]:
        """Return the whole epochs, the steps of the one begun, and what is accumulated there."""
        left, whole = self.steps if self.batches else 0, 0
        for place, (start, accumulate) in enumerate(self.schedule):
            per_epoch = math.ceil(self.batches / accumulate) or 1
            last = place + 1 == len(self.schedule)
            span = left if last else self.schedule[place + 1][0] - start
            done = min(left // per_epoch, span)
            whole, left = whole + done, left - done * per_epoch
            if last or done < span:
                return whole, left, accumulate
        raise AssertionError("a schedule has a last entry")


def run_length(
    batches: int,
    accumulate: int | Mapping[int, int],
    *,
    epochs: int | None = None,
    steps: int | None = None,
) -> Length:
    """Say how long a run of so many epochs or steps is; with both, what is reached first ends it.

    `accumulate` may change from epochs on: epoch -> batches. Raises ValueError if there are neither
    epochs nor steps, or a count is out of range.
    """
    given = {0: accumulate} if isinstance(accumulate, int) else {0: 1, **accumulate}
    schedule = tuple(sorted(given.items()))
    for _, count in schedule:
        at_least_one(accumulate=count)
    if epochs is None and steps is None:
        raise ValueError("a run needs a number of epochs or of steps")
    ends = [start for start, _ in schedule[1:]]
    limits = [] if steps is None else [steps]
    if epochs is not None:
        limits.append(
            sum(
                math.ceil(batches / count) * max(0, min(end, epochs) - start)
                for (start, count), end in zip(schedule, [*ends, epochs], strict=True)
            )
        )
    return Length(batches, schedule, min(limits) if batches else 0)


@dataclass(frozen=True)
class Proposal:
    """So many epochs and the optimizer steps that they make."""

    epochs: int
    steps: int


def epochs_for(steps: int, steps_per_epoch: int) -> tuple[Proposal, ...]:
    """Propose the fewest epochs that make at least so many steps, then the next round number.

    60 records in batches of 2 and 2,000 wanted steps give 67 epochs, then 70, which make 2,100.
    Raises ValueError unless both counts are positive.
    """
    at_least_one(steps=steps, steps_per_epoch=steps_per_epoch)
    fewest = math.ceil(steps / steps_per_epoch)
    rounded = math.ceil(fewest / _ROUND) * _ROUND
    return tuple(
        Proposal(epochs, epochs * steps_per_epoch) for epochs in dict.fromkeys((fewest, rounded))
    )


def occasions(length: Length, every: float, every_n_epochs: int | None) -> int:
    """Count how often a run validates: after every `every` batches, in every so-manieth epoch.

    Within an epoch the count starts anew, unless `every_n_epochs` is None: then batches are
    counted across epochs, as Lightning does. An infinite `every` stands for the end of the epoch.
    """
    batches = length.all_batches
    if not batches:
        return 0
    if every_n_epochs is None:
        return 0 if math.isinf(every) else int(batches // every)
    whole, rest = divmod(batches, length.batches)
    in_epoch = 1 if math.isinf(every) else int(length.batches // every)
    after = 0 if math.isinf(every) else int(rest // every)
    last_counts = (whole + 1) % every_n_epochs == 0
    return whole // every_n_epochs * in_epoch + (after if last_counts else 0)

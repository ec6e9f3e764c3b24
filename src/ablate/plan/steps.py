"""Optimizer steps of a run."""

import math


def optimizer_steps(
    records: int, batch_size: int, accumulate: int, epochs: int, *, drop_last: bool = False
) -> int:
    """Count the optimizer steps of a run as Lightning makes them.

    The last batch of an epoch may be smaller, unless `drop_last`, and the last step of an epoch
    may stand on fewer than `accumulate` batches: both divisions round up, epoch by epoch. Raises
    ValueError unless all counts are positive.
    """
    counts = {
        "records": records,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "epochs": epochs,
    }
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}")
    batches = records // batch_size if drop_last else math.ceil(records / batch_size)
    return epochs * math.ceil(batches / accumulate)


def train_records(records: int, eval_share: float) -> int:
    """Count the records left for training when a share is held out, rounded up to whole records.

    The rounding is that of `train_test_split` in scikit-learn and Hugging Face's datasets. Raises
    ValueError unless the share lies in [0, 1).
    """
    if not 0 <= eval_share < 1:
        raise ValueError(f"eval_share must lie in [0, 1), not {eval_share}")
    return records - math.ceil(eval_share * records)

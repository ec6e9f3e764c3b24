"""How finely a metric can move at all."""

import numpy as np
import pandas as pd

MOST_EXAMPLES = 1_000
_ROUNDED = 2e-7
"""How far a share in single precision lies from its fraction."""
_FEWEST = 3


def examples_of(values: "pd.Series[float]") -> int | None:
    """Return the number of examples that a metric is a share of, as its values show it.

    It is the smallest N of at most 1,000 such that all values are multiples of 1/N. Three
    different values between 0 and 1 hit one N by chance in fewer than 1 of 10^6 metrics; with
    fewer of them, with a value below 0 or above 1, or without such an N, it is None.
    """
    found = np.unique(values.to_numpy(dtype=float))
    found = found[np.isfinite(found)]
    if found.size == 0 or found[0] < 0 or found[-1] > 1:
        return None
    inner = found[(found > _ROUNDED) & (found < 1 - _ROUNDED)]
    # Each example more is one value more, and each value may be rounded in two ways.
    if not _FEWEST <= inner.size <= 2 * MOST_EXAMPLES:
        return None
    for examples in range(2, MOST_EXAMPLES + 1):
        counts = inner * examples
        if np.all(np.abs(counts - np.round(counts)) <= _ROUNDED * examples):
            return examples
    return None

"""Names of parameters as short as they differ."""

from collections.abc import Sequence


def short_names(names: Sequence[str]) -> list[str]:
    """Shorten dotted paths to their last keys, as many as tell them apart."""
    short = []
    for name in names:
        keys = name.split(".")
        for length in range(1, len(keys) + 1):
            tail = ".".join(keys[-length:])
            if sum(other == tail or other.endswith("." + tail) for other in names) == 1:
                break
        short.append(tail)
    return short

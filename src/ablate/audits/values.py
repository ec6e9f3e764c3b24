"""Single values of a configuration: how they are shown, and copies that were rounded."""

import math
from typing import Any

from ablate.spec import canonical_json
from ablate.spec.secrets import hidden, mask

_LONGEST = 60
_FEWEST_DIGITS = 3


def shown(path: str, value: Any) -> str:
    """Write a configuration value for a reader: secrets as stars, long texts cut."""
    masked = hidden(path, value)
    text = mask(masked if isinstance(masked, str) else canonical_json(masked))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def is_rounded(value: Any, original: Any) -> bool:
    """Say whether a number is another one, rounded to three or more significant digits.

    One or two digits prove nothing: 0.1 is a common choice of its own.
    """
    if not (_is_float(value) and _is_float(original)) or value == original:
        return False
    digits = _digits(value)
    return digits >= _FEWEST_DIGITS and float(f"{original:.{digits - 1}e}") == value


def _is_float(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _digits(value: float) -> int:
    """Count the significant digits of a number as Python writes it."""
    mantissa = repr(abs(value)).partition("e")[0].replace(".", "")
    return len(mantissa.strip("0"))

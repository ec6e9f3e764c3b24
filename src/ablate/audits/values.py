"""Single values of a configuration that give themselves away: secrets, and rounded copies."""

import math
import re
from typing import Any

from ablate.spec import canonical_json
from ablate.store import mask

_SECRET_KEY = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|credentials?|api_?key|access_?key|secret_?key|"
    r"private_?key|auth_?token|access_?token|api_?token|bearer)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|"
    r"hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|"
    r"glpat-[\w-]{20,}|AIza[\w-]{35}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_VARIABLE = re.compile(r"\$\{?\w+\}?")
_REFERENCE = re.compile(rf"{_VARIABLE.pattern}|<[^<>]*>|\*+")
"""How a value only refers to a secret, or stands for one."""
_LONGEST = 60
_FEWEST_DIGITS = 3


def is_secret(path: str, value: Any) -> bool:
    """Say whether a configuration value looks like a password, a token or a key.

    A reference such as `${TOKEN}` is none.
    """
    if not isinstance(value, str) or not value.strip() or _REFERENCE.fullmatch(value.strip()):
        return False
    key = path.rpartition(".")[2]
    return bool(_SECRET_KEY.search(key) or _SECRET_VALUE.search(value)) or _has_password(value)


def _has_password(text: str) -> bool:
    literal = _VARIABLE.sub("", text)
    return mask(literal) != literal


def shown(path: str, value: Any) -> str:
    """Write a configuration value for a reader: secrets as stars, long texts cut."""
    hidden = _hidden(path, value)
    text = mask(hidden if isinstance(hidden, str) else canonical_json(hidden))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _hidden(path: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(f"{path}.{key}", item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(path, item) for item in value]
    return "***" if is_secret(path, value) else value


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

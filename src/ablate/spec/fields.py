"""The types of the fields that studies and their definitions share."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

Config = Mapping[str, Any]
"""A user's LightningCLI configuration as plain data."""

Changes = Mapping[str, Any]
"""Dotted path -> value: a declared difference."""

Components = Mapping[str, Changes]
"""Name -> changes, in declared order: the parts that a design puts together."""

SEEDS_END = 2**32
"""All seeds are below: NumPy takes no larger one."""

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any) -> float:
    """Turn `90`, `90s`, `15m`, `1.5h` or `2d` into seconds; raise ValueError otherwise."""
    if isinstance(value, float):
        seconds = value  # as text, a very large or small one would be 1e+16 or 1e-05
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(value), re.ASCII)
        seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError("write a duration as seconds or like 90s, 15m, 1.5h, 2d")
    return seconds


def _unique(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed is written twice; a replicate needs a seed of its own")
    return seeds


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _number_or_numbers(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Duration = Annotated[float, BeforeValidator(parse_duration)]
Seed = Annotated[int, Field(ge=0, lt=SEEDS_END)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_unique)]
Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Figure = Annotated[float, Field(allow_inf_nan=False)]
Margin = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Figures = Annotated[tuple[Figure, ...], Field(min_length=1), BeforeValidator(_number_or_numbers)]

"""One run of reinforcement learning, episode by episode."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from ablate.errors import RequestError, nearest, quoted

REQUIRED = ("episode", "return")
OPTIONAL = ("loss", "trained", "success", "length", "epsilon", "seconds")
COLUMNS = (*REQUIRED, *OPTIONAL)
SEED = "seed"
_MAY_BE_EMPTY = {"loss"}
_MAY_DIVERGE = {"return", "loss"}
_WHOLE = {"episode", "length", "trained"}
_RANGES = {"trained": (0, 1), "success": (0, 1), "epsilon": (0, 1), "length": (1, np.inf)}
_WORDS = {"true": 1.0, "false": 0.0}

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EpisodeLog:
    """The episodes of one run, in order and without gaps; made by `of`, which checks them.

    `frame` has a row per episode: episode, return (the undiscounted sum of rewards), loss (NaN
    where nothing was trained), trained, and those of success (a share), length (steps), epsilon
    and seconds (since the run began, at the end of the episode) that were logged.
    """

    frame: pd.DataFrame

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self:
        """Check a table of episodes; numbers may be written as text, an empty cell has no value.

        A loss is empty where nothing was trained. Raises RequestError with row and column of what
        does not hold; rows are counted from 1, below the head.
        """
        _check_names(list(map(str, table.columns)))
        if table.empty:
            raise RequestError("there is no episode in it: log a row per episode")
        given = {name: _Cells(table[name], name) for name in COLUMNS if name in table}
        columns: dict[str, Any] = {name: cells.checked() for name, cells in given.items()}
        _check_order(columns["episode"])
        if "seconds" in columns:
            _check_clock(columns["seconds"])
        empty = given["loss"].empty if "loss" in given else np.ones(len(table), dtype=bool)
        if "trained" in columns:
            columns["trained"] = columns["trained"] == 1
        else:
            columns["trained"] = ~empty
            if "loss" in columns:
                _check_not_filled(columns["loss"])
        loss = columns.get("loss", np.full(len(table), np.nan))
        columns["loss"] = np.where(columns["trained"], loss, np.nan)
        frame = pd.DataFrame({name: columns[name] for name in COLUMNS if name in columns})
        return cls(frame.astype({"episode": int}))

    def __len__(self) -> int:
        return len(self.frame)

    def has(self, column: str) -> bool:
        """Say whether a column was logged; the loss was if any episode trained."""
        return bool(self.trained.any()) if column == "loss" else column in self.frame

    def values(self, column: str) -> Values:
        """Return a column that was logged."""
        return self.frame[column].to_numpy(dtype=float)

    @cached_property
    def episodes(self) -> NDArray[np.int64]:
        """The numbers of the episodes."""
        return self.frame["episode"].to_numpy(dtype=np.int64)

    @cached_property
    def returns(self) -> Values:
        """The returns, one per episode."""
        return self.values("return")

    @cached_property
    def losses(self) -> Values:
        """The losses, one per episode, NaN where nothing was trained."""
        return self.values("loss")

    @cached_property
    def trained(self) -> NDArray[np.bool_]:
        """In which episodes something was trained."""
        return self.frame["trained"].to_numpy(dtype=bool)

    @property
    def broken(self) -> str:
        """Why the returns can't be summarised: one is no finite number; empty if they can."""
        wrong = np.flatnonzero(~np.isfinite(self.returns))
        if not wrong.size:
            return ""
        first = int(wrong[0])
        return f"the return of episode {self.episodes[first]} is {self.returns[first]}"


def logs_by_seed(table: pd.DataFrame) -> dict[int | None, EpisodeLog]:
    """Check a table of the episodes of one run, or of several told apart by a column `seed`.

    Raises RequestError as `EpisodeLog.of`.
    """
    if SEED not in table:
        return {None: EpisodeLog.of(table)}
    seeds = _Cells(table[SEED], SEED).checked(whole=True).astype(int)
    logs: dict[int | None, EpisodeLog] = {}
    for seed in dict.fromkeys(seeds.tolist()):
        try:
            logs[seed] = EpisodeLog.of(table[seeds == seed].drop(columns=SEED))
        except RequestError as error:
            raise error.at(f"seed {seed}") from None
    if not logs:
        raise RequestError("there is no episode in it: log a row per episode")
    return logs


class _Cells:
    """The cells of one column as numbers; which are empty is kept apart from NaN."""

    def __init__(self, column: "pd.Series[Any]", name: str) -> None:
        self._name = name
        if is_numeric_dtype(column):
            self._values: Values = column.to_numpy(dtype=float, na_value=np.nan)
            self.empty = np.isnan(self._values)
            return
        texts = column.map(_text)
        self.empty = texts.eq("").to_numpy(dtype=bool)
        numbers = [_number(text) for text in texts]
        for row, (text, value) in enumerate(zip(texts, numbers, strict=True), start=1):
            if value is None:
                raise RequestError(f"row {row}: {name}: {quoted(text)} is no number")
        self._values = np.array(numbers, dtype=float)

    def checked(self, *, whole: bool = False) -> Values:
        """Return the values; raise RequestError for one that the column can't have."""
        name, values = self._name, self._values
        if name not in _MAY_BE_EMPTY:
            self._refuse(self.empty, "is empty: fill it in every row, or leave the column out")
        if name not in _MAY_DIVERGE:
            self._refuse(~np.isfinite(values), "is no finite number")
        if whole or name in _WHOLE:
            self._refuse(values != np.round(values), "is no whole number")
        if name in _RANGES:
            low, high = _RANGES[name]
            said = f"must be {low} to {high}" if np.isfinite(high) else f"must be {low} or more"
            self._refuse((values < low) | (values > high), said)
        return values

    def _refuse(self, wrong: NDArray[np.bool_], said: str) -> None:
        found = np.flatnonzero(wrong)
        if found.size:
            row = int(found[0])
            given = "" if self.empty[row] else f" (given: {self._values[row]:g})"
            raise RequestError(f"row {row + 1}: {self._name} {said}{given}")


def _text(cell: Any) -> str:
    """Return a cell as text; a missing one is empty."""
    if isinstance(cell, str):
        return cell.strip()
    return "" if cell is None or pd.isna(cell) else str(cell)


def _number(text: str) -> float | None:
    """Return the number that a text says, NaN for an empty one, None if it says none."""
    if not text:
        return np.nan
    try:
        return float(text)
    except ValueError:
        return _WORDS.get(text.lower())


def _check_names(names: list[str]) -> None:
    for name in names:
        if name not in COLUMNS:
            raise RequestError(
                f"there is no column {quoted(name)} in a log of episodes: "
                f"{nearest(name, (*COLUMNS, SEED))}; leave it out, or say in the facts which "
                "columns are meant"
            )
    if missing := [name for name in REQUIRED if name not in names]:
        raise RequestError(
            f"it lacks the column {missing[0]}: a log of episodes has {' and '.join(REQUIRED)}, "
            f"and may have {', '.join(OPTIONAL)}"
        )


def _check_order(episodes: Values) -> None:
    wrong = np.flatnonzero(np.diff(episodes) != 1)
    if wrong.size:
        row = int(wrong[0])
        raise RequestError(
            f"row {row + 2}: episode {episodes[row + 1]:.0f} follows {episodes[row]:.0f}: "
            "write every episode once, in order"
        )


def _check_clock(seconds: Values) -> None:
    wrong = np.flatnonzero(np.diff(seconds, prepend=0.0) < 0)
    if wrong.size:
        raise RequestError(
            f"row {int(wrong[0]) + 1}: seconds runs backwards: write the seconds since the run "
            "began, not those of the episode alone"
        )


def _check_not_filled(losses: Values) -> None:
    """Refuse losses that begin with zeros: they stand for episodes in which nothing was trained."""
    other = np.flatnonzero(losses != 0)
    if other.size and other[0] > 0:
        raise RequestError(
            f"rows 1 to {int(other[0])}: the loss is exactly 0: leave it empty where nothing was "
            "trained, or say so in a column trained of 0 and 1"
        )

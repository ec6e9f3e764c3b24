"""Compare arms of reinforcement learning by their logs of episodes."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ablate.analysis.episodes import (
    EpisodeArm,
    EpisodeComparison,
    EpisodeLog,
    EpisodeRun,
    logs_by_seed,
)
from ablate.errors import NotFoundError, RequestError, nearest, quoted
from ablate.reports import episodes, markdown
from ablate.reports.episodes import EpisodeFiles
from ablate.spec import Config, read_yaml
from ablate.spec.episodes import EpisodeFacts
from ablate.spec.files import beside, is_file, shown
from ablate.spec.strict import validate
from ablate.workflow.result import Result

FACTS = ".facts.yaml"
_LARGEST = 2**28
"""Bytes of a log; a million episodes have some fifty million."""


@dataclass(frozen=True)
class EpisodesResult(Result):
    """Arms beside their baseline, and the files of their report, if it was written."""

    comparison: EpisodeComparison = field(repr=False)
    files: EpisodeFiles | None = None

    def frame(self) -> pd.DataFrame:
        """Return a row per metric and arm (`EpisodeComparison.frame`)."""
        return self.comparison.frame()

    def summary(self) -> str:
        """Say what the report says first."""
        return "\n".join(episodes.headlines(self.comparison))

    def report(self) -> str:
        """Return the whole report as Markdown."""
        return markdown.render(episodes.document(self.comparison))


def compare_episodes(
    paths: Sequence[str | Path],
    names: Sequence[str] | None = None,
    *,
    baseline: str | None = None,
    out: str | Path | None = None,
) -> EpisodesResult:
    """Compare the arms whose logs of episodes are in the CSV files `paths`.

    A file has a row per episode with the columns episode and return, and perhaps loss (empty where
    nothing was trained), trained, success, length, epsilon, seconds, and seed, where it holds
    several runs. `names` are those of the arms, by default the names of the files; files of one
    name are runs of one arm. `baseline` is an arm, by default the first. What is known of an arm
    beside its logs stands in `FILE.facts.yaml` next to `FILE.csv`
    (`ablate.spec.episodes.EpisodeFacts`). The report is written into the folder `out`, if given.
    Raises RequestError for a file, an arm or a fact that does not hold; nothing is written then.
    """
    files = [Path(path) for path in paths]
    called = [path.stem for path in files] if names is None else list(names)
    if len(called) != len(files):
        raise RequestError(
            f"there are {len(files)} logs of episodes and {len(called)} names: give one for each"
        )
    by_name: dict[str, list[Path]] = {}
    for name, path in zip(called, files, strict=True):
        by_name.setdefault(name, []).append(path)
    arms = tuple(_arm(name, of_arm) for name, of_arm in by_name.items())
    comparison = EpisodeComparison(arms, baseline or next(iter(by_name), ""))
    written = None if out is None else episodes.write(comparison, Path(out))
    return EpisodesResult(comparison, written)


def _arm(name: str, files: Sequence[Path]) -> EpisodeArm:
    """Read the logs of an arm, and the facts beside them."""
    facts = EpisodeFacts()
    config: str | Config | None = None
    told = [found for path in files if is_file(found := _facts_file(path))]
    for number, path in enumerate(told):
        read = validate(EpisodeFacts, read_yaml(path), str(path))
        if number and read != facts:
            raise RequestError(f"{told[0]} and {path} tell different facts of the arm {name!r}")
        facts, config = read, read.config
        if isinstance(config, str):
            config = read_yaml(beside(path.parent, config))
    runs = [
        EpisodeRun(seed, log)
        for path in files
        for seed, log in _logs(path, {name: str(key) for key, name in facts.columns.items()})
    ]
    return EpisodeArm(name, tuple(runs), facts, None if isinstance(config, str) else config)


def _facts_file(path: Path) -> Path:
    return path.with_name(path.stem + FACTS)


def _logs(path: Path, columns: Mapping[str, str]) -> list[tuple[int | None, EpisodeLog]]:
    """Read the logs of a CSV file; `columns` are its names of ours, where they are given."""
    table = _table(path)
    try:
        if missing := [name for name in columns if name not in table]:
            known = nearest(missing[0], map(str, table.columns))
            raise RequestError(f"the facts name a column {quoted(missing[0])}: {known}")
        if columns:
            table = table[list(columns)].rename(columns=columns)
        return list(logs_by_seed(table).items())
    except RequestError as error:
        raise error.at(str(path)) from None


def _table(path: Path) -> pd.DataFrame:
    """Read a CSV file as text; an empty cell is an empty text."""
    try:
        if path.stat().st_size > _LARGEST:
            raise RequestError(f"{path} is larger than {_LARGEST:,} bytes, so it is no log")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except FileNotFoundError:
        known = [other.name for other in path.parent.glob("*.csv")] if path.parent.exists() else []
        raise NotFoundError(
            f"there is no file {shown(path)}; in {path.parent}/: {nearest(path.name, known)}"
        ) from None
    except OSError as error:
        raise RequestError(f"{shown(path)} can't be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise RequestError(f"{shown(path)} is no CSV file: {error}") from None
    if not (filled := [row for row in rows if row]):
        raise RequestError(f"{path} is empty: write a head and a row per episode")
    head, *body = filled
    for number, row in enumerate(body, start=1):
        if len(row) != len(head):
            raise RequestError(
                f"{path}: row {number}: {len(row)} cells under a head of {len(head)} columns"
            )
    if twice := [name for name in head if head.count(name) > 1]:
        raise RequestError(f"{path}: the column {quoted(twice[0])} is there twice")
    return pd.DataFrame(body, columns=pd.Index(head), dtype=str)

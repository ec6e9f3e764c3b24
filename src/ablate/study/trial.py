"""A trial in flight, and the states that it goes through.

    between seeds --> resolving --> running --> between seeds --> ... --> done
                      ^                |
                      +---- retried <--+

A trial is between seeds when no run of it is under way; it is done, and forgotten, after the run of
its last seed, or when one run ended in a way that ends the trial. A plan that is resolved already
is not resolved again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ablate.store import NewRun, RunKey
from ablate.study.source import Plan


@dataclass(frozen=True)
class Attempt:
    """The n-th try of a run; how many tries of it have failed, and what the last one raised."""

    number: int
    failures: int
    error: str | None = None

    def next(self) -> "Attempt":
        """Return the try that follows."""
        return Attempt(self.number + 1, self.failures, self.error)

    def failed(self, error: str | None) -> "Attempt":
        """Return this try as one that has failed."""
        return Attempt(self.number, self.failures + 1, error)


@dataclass(frozen=True)
class BetweenSeeds:
    """No run of the trial is under way."""


@dataclass
class Resolving:
    """A worker fills in the defaults of the next run's configuration: None until it has."""

    job: int
    attempt: Attempt
    config: dict[str, Any] | None = None
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)


@dataclass
class Running:
    """A worker has a run, which is recorded once a worker is known to have begun it.

    `reports` are the values of the objective so far, `constrained` those of what is constrained by
    metric, `epochs` how many the run is to have.
    """

    job: int
    attempt: Attempt
    run: NewRun
    folder: Path
    recorded: bool = False
    reports: list[float] = field(default_factory=list)
    constrained: dict[str, list[float]] = field(default_factory=dict)
    epochs: int = 0
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> RunKey:
        """The name of the run within its study."""
        return self.run.key


UnderWay: TypeAlias = Resolving | Running
State: TypeAlias = BetweenSeeds | Resolving | Running


@dataclass
class Trial:
    """A trial in flight: its plan, what its finished runs gave, and its state.

    `values` holds a value per finished run, `constrained` what these told of what is constrained,
    by metric, `steps` how many intermediate steps these have taken, `decisions` the pruner's by
    step, `reused` how many values were taken over from equal runs.
    """

    plan: Plan
    state: State = field(default_factory=BetweenSeeds)
    began: float = field(default_factory=time.monotonic)
    values: list[float] = field(default_factory=list)
    constrained: list[Mapping[str, Sequence[float]]] = field(default_factory=list)
    steps: int = 0
    decisions: dict[int, bool] = field(default_factory=dict)
    reused: int = 0

    @property
    def number(self) -> int:
        """The number of the trial."""
        return self.plan.number

    @property
    def seed(self) -> int | None:
        """The seed of the run that is under way or comes next, None after the last."""
        done = len(self.values)
        return self.plan.seeds[done] if done < len(self.plan.seeds) else None

    def progress(self) -> str:
        """Say how far the run under way has come."""
        if isinstance(self.state, Running):
            return f"epoch {len(self.state.reports)}/{self.state.epochs or '?'}"
        return "epoch 0/?"

"""Where a coordinator's trials come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.trial import TrialState


@dataclass(frozen=True)
class Plan:
    """One trial to do: a configuration to be run once per seed, its value their mean.

    A `resolved` configuration has every default filled in.
    """

    number: int
    config: dict[str, Any]
    seeds: tuple[int, ...]
    arm: str | None = None
    resolved: bool = False


class Source(Protocol):
    """Where trials come from: a search asks for them, a replay has them fixed."""

    supervised: bool

    def next(self) -> Plan | None:
        """Return the next trial to run, or None if there is none to start now."""

    def report(self, number: int, step: int, value: float) -> bool:
        """Note a running trial's intermediate value and say whether to prune it."""

    def finish(
        self, number: int, state: TrialState, value: float | None, constraints: Mapping[str, float]
    ) -> dict[str, Any]:
        """Note how a trial ended and return system attributes to record with it.

        `constraints` hold by name how far it is beyond the bound.
        """

"""How runs and trials stand, how they end, and why: data, never parsed from a sentence."""

import re
from dataclasses import dataclass
from enum import StrEnum

from ablate.errors import shortened

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")


class Status(StrEnum):
    """How a run or a trial stands; only trials wait, and only runs are interrupted."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens in it."""
        return self not in {Status.WAITING, Status.RUNNING}


class Cause(StrEnum):
    """Why a run or a trial ended as it did, where its status alone does not say it."""

    RAISED = "raised"
    DIVERGED = "diverged"
    LOST = "lost"
    STALLED = "stalled"
    OVER_TIME = "over time"
    OUT_OF_MEMORY = "out of memory"
    NO_SPACE = "no space"
    NO_ACCESS = "no access"
    NO_PROCESS = "no process"
    WRONG_CONFIG = "wrong config"
    REUSED = "reused"
    STOPPED = "stopped"
    GOAL_MISSED = "goal missed"


@dataclass(frozen=True)
class Outcome:
    """The end of a run or a trial: its status, why in one word, and the reason for people."""

    status: Status
    cause: Cause | None = None
    reason: str | None = None

    @property
    def comparable(self) -> str:
        """The reason without addresses of objects, which differ from process to process."""
        return _ADDRESS.sub("0x...", shortened(self.reason or "").rstrip(": "))

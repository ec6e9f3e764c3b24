"""Search, replay and what they share: the coordinator of one study."""

from ablate.study.confirm import confirm
from ablate.study.coordinator import Snapshot
from ablate.study.freeze import freeze_trial
from ablate.study.matrix import Matrix, matrix
from ablate.study.replay import ReplayResult, replay
from ablate.study.search import SearchResult, search
from ablate.study.setup import DEFAULT_STORAGE, Request
from ablate.study.verify import Verification, verify

__all__ = [
    "DEFAULT_STORAGE",
    "Matrix",
    "ReplayResult",
    "Request",
    "SearchResult",
    "Snapshot",
    "Verification",
    "confirm",
    "freeze_trial",
    "matrix",
    "replay",
    "search",
    "verify",
]

"""Optuna's storage for many readers at once: one copy of a study's trials, and no writing."""

import math
import time
from collections.abc import Container, Sequence
from copy import deepcopy as copied
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NoReturn, Protocol

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ablate.errors import StorageError

FRESH_SECONDS = 2.0
"""How long trials are handed out before the database is asked what is new."""
WHOLE_SECONDS = 60.0
"""How long trials that have ended are trusted not to change."""
_SHARE = 10
"""Reading takes at most about one second in so many."""
METRIC_NAMES = "study:metric_names"
"""Where Optuna keeps what the objectives of a study are called."""


class Shown(Protocol):
    """What readers are shown of studies beside what Optuna's tables hold; it changes no trial."""

    def metric_names(self, study: str) -> list[str]:
        """Return what the objectives of a study are called, nothing where that is not known."""

    def trials(self, study: str, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials of a study, in copies where there is more to them."""


@dataclass
class _Trials:
    """The trials of one study, and when they were read: what is new, and all of them."""

    lock: Lock = field(default_factory=Lock)
    study: Study | None = None
    trials: list[FrozenTrial] = field(default_factory=list)
    fresh_until: float = -math.inf
    whole_until: float = -math.inf


class SharedReading(BaseStorage):
    """Reads through another storage and keeps what it has read of trials, for all threads.

    A study's trials are read by one thread while the others wait for them. As Optuna itself does,
    only those are read again that had not ended; now and then all are. What is returned is shared:
    change nothing of it. Every method that writes raises StorageError.
    """

    def __init__(self, storage: RDBStorage, shown: Shown | None = None) -> None:
        self._storage = storage
        self._shown = shown
        self._lock = Lock()
        self._kept: dict[int, _Trials] = {}

    # --- reading -------------------------------------------------------------------------

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the id of a study; raise KeyError if there is none of this name."""
        return self._storage.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return the name of a study; raise KeyError if there is none of this id."""
        return self._storage.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return the directions of a study."""
        return self._storage.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the user attributes of a study."""
        return self._storage.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the system attributes of a study."""
        attrs = self._storage.get_study_system_attrs(study_id)
        return self._named(self.get_study_name_from_id(study_id), attrs)

    def get_all_studies(self) -> list[Any]:
        """Return all studies."""
        studies = self._storage.get_all_studies()
        for study in studies:
            study.system_attrs = self._named(study.study_name, study.system_attrs)
        return studies

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial; raise KeyError if there is none of this id."""
        return self._storage.get_trial(trial_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials of a study by number; raise KeyError if there is no such study."""
        name = self.get_study_name_from_id(study_id)
        with self._lock:
            kept = self._kept.setdefault(study_id, _Trials())
        with kept.lock:
            if kept.fresh_until < time.monotonic():
                self._read(kept, name)
            trials = kept.trials
        chosen = [trial for trial in trials if states is None or trial.state in states]
        return copied(chosen) if deepcopy else chosen

    def _read(self, kept: _Trials, name: str) -> None:
        began = time.monotonic()
        whole = kept.study is None or kept.study.study_name != name or kept.whole_until < began
        if whole:
            kept.study, kept.trials = None, []  # before another copy is made
            kept.study = optuna.load_study(study_name=name, storage=self._storage)
        assert kept.study is not None  # noqa: S101
        kept.trials = kept.study.get_trials(deepcopy=False)
        if self._shown is not None:
            kept.trials = self._shown.trials(name, kept.trials)
        now = time.monotonic()
        rest = _SHARE * (now - began)
        kept.fresh_until = now + max(FRESH_SECONDS, rest)
        if whole:
            kept.whole_until = now + max(WHOLE_SECONDS, rest)

    def _named(self, study: str, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add what the objectives of a study are called that ablate wrote before it noted that."""
        if self._shown is None or METRIC_NAMES in attrs:
            return attrs
        names = self._shown.metric_names(study)
        return {**attrs, METRIC_NAMES: names} if names else attrs

    # --- what would write ----------------------------------------------------------------

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Raise StorageError."""
        _refuse()

    def delete_study(self, study_id: int) -> None:
        """Raise StorageError."""
        _refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Raise StorageError."""
        _refuse()

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Raise StorageError."""
        _refuse()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Raise StorageError."""
        _refuse()

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: Any
    ) -> None:
        """Raise StorageError."""
        _refuse()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Raise StorageError."""
        _refuse()

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Raise StorageError."""
        _refuse()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Raise StorageError."""
        _refuse()

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Raise StorageError."""
        _refuse()


def _refuse() -> NoReturn:
    raise StorageError("this storage is open for reading: nothing was changed")

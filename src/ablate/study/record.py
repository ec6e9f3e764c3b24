"""Write what happens in a study: Optuna's trials and ablate's runs, in one database."""

from collections.abc import Mapping
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.run.messages import Reported
from ablate.store import MetricRow, Store
from ablate.study.asker import Past


class Recorder:
    """The only writer of a study's trials."""

    def __init__(
        self, store: Store, study: str, direction: Literal["minimize", "maximize"]
    ) -> None:
        self._store = store
        self._storage = store.optuna
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=self._storage, study_name=study, direction=direction, load_if_exists=True
        )
        self._study_id = self._storage.get_study_id_from_name(study)
        self._trial_ids: dict[int, int] = {}
        self._rows: list[MetricRow] = []
        self._values: list[tuple[int, int, float]] = []

    def trials(self) -> list[FrozenTrial]:
        """Read all trials of the study by number."""
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        return sorted(trials, key=lambda trial: trial.number)

    def past(self) -> list[Past]:
        """Read all trials as an asker replays them."""
        return [
            Past(
                point=dict(trial.params),
                reports=dict(trial.intermediate_values) if trial.state.is_finished() else {},
                system_attrs=dict(trial.system_attrs),
                state=trial.state if trial.state.is_finished() else None,
                value=trial.value if trial.state == TrialState.COMPLETE else None,
            )
            for trial in self.trials()
        ]

    def set_study_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Attach readable facts to the study."""
        for key, value in attrs.items():
            self._study.set_user_attr(key, value)

    def add(self, trial: FrozenTrial) -> int:
        """Add a trial, waiting or running, and return its number."""
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=trial)
        number = self._storage.get_trial_number_from_id(trial_id)
        self._trial_ids[number] = trial_id
        return number

    def annotate(self, number: int, attrs: Mapping[str, Any]) -> None:
        """Attach readable facts to a trial."""
        for key, value in attrs.items():
            self._storage.set_trial_user_attr(self._id(number), key, value)

    def run(self, number: int) -> None:
        """Turn a waiting trial into a running one."""
        trial = self._storage.get_trial(self._id(number))
        if trial.state == TrialState.WAITING:
            self._storage.set_trial_state_values(self._id(number), TrialState.RUNNING)

    def intermediate(self, number: int, step: int, value: float) -> None:
        """Note an intermediate value, written with the next flush."""
        self._values.append((number, step, value))

    def metrics(self, run_id: int, report: Reported) -> None:
        """Note the metrics of a report, written with the next flush."""
        self._rows += [
            MetricRow(run_id, report.phase, name, report.step, report.epoch, value)
            for name, value in report.metrics.items()
        ]

    def flush(self) -> None:
        """Write all noted metrics and intermediate values."""
        rows, self._rows = self._rows, []
        values, self._values = self._values, []
        self._store.add_metrics(rows)
        for number, step, value in values:
            self._storage.set_trial_intermediate_value(self._id(number), step, value)

    def finish(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Record how a trial ended."""
        self.flush()
        self.annotate(number, attrs)
        trial_id = self._id(number)
        known = self._storage.get_trial(trial_id).system_attrs
        for key, content in (system_attrs or {}).items():
            if key not in known:
                self._storage.set_trial_system_attr(trial_id, key, content)
        values = None if value is None else [value]
        self._storage.set_trial_state_values(trial_id, state, values)

    def _id(self, number: int) -> int:
        if number not in self._trial_ids:
            self._trial_ids[number] = self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, number
            )
        return self._trial_ids[number]


def waiting(attrs: Mapping[str, Any]) -> FrozenTrial:
    """Make a trial that waits for its run."""
    return create_trial(state=TrialState.WAITING, user_attrs=dict(attrs))

"""Optuna's PED-ANOVA on trials that are no study of Optuna's own."""

import warnings
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ablate.spec import Choice, Direction, FloatRange, IntRange
from ablate.store.distributions import distribution

_DIRECTIONS = {
    Direction.MINIMIZE: StudyDirection.MINIMIZE,
    Direction.MAXIMIZE: StudyDirection.MAXIMIZE,
}
_NAME = "importance"
_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Optuna's record asks for times; nothing here depends on them."""


class _Shown(InMemoryStorage):
    """A study in memory that shows the trials it is given, one of them several times if asked."""

    trials: Sequence[FrozenTrial] = ()

    def get_all_trials(
        self,
        study_id: int,  # noqa: ARG002
        deepcopy: bool = True,  # noqa: ARG002
        states: Container[TrialState] | None = None,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        return list(self.trials)


class PedAnova:
    """Computes how much each parameter of a space matters for being among the best trials.

    `points` are those of complete trials; what `space` does not admit must be left out of them.
    """

    def __init__(
        self,
        space: Mapping[str, FloatRange | IntRange | Choice],
        points: Sequence[Mapping[str, object]],
        direction: Direction,
        quantile: float,
    ) -> None:
        self._names = [path for path in space if any(path in point for point in points)]
        distributions = {path: distribution(space[path]) for path in self._names}
        self._trials = [
            FrozenTrial(
                number=number,
                trial_id=number,
                state=TrialState.COMPLETE,
                value=0.0,
                params=dict(point),
                distributions={path: distributions[path] for path in point},
                datetime_start=_MOMENT,
                datetime_complete=_MOMENT,
                user_attrs={},
                system_attrs={},
                intermediate_values={},
            )
            for number, point in enumerate(points)
        ]
        self._evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
        self._storage = _Shown()
        told = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._storage.create_new_study([_DIRECTIONS[direction]], _NAME)
        finally:
            optuna.logging.set_verbosity(told)
        self._study = optuna.load_study(study_name=_NAME, storage=self._storage)

    def importances(self, values: Sequence[float], chosen: Sequence[int]) -> dict[str, float]:
        """Return the importance of every parameter, as PED-ANOVA gives it, not yet as shares.

        `values` are those of the points, `chosen` the indices of the points to compute from, in
        which an index may stand more than once.
        """
        for trial, value in zip(self._trials, values, strict=True):
            trial.value = value
        self._storage.trials = [self._trials[index] for index in chosen]
        named = {name for trial in self._storage.trials for name in trial.params}
        with warnings.catch_warnings():
            # One says that `normalize` may change, the other that a branch was hardly tried.
            warnings.simplefilter("ignore")
            found = get_param_importances(
                self._study,
                evaluator=self._evaluator,
                params=[name for name in self._names if name in named],
                normalize=False,
            )
        return {name: float(found.get(name, 0.0)) for name in self._names}

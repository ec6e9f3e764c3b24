"""What is read of trials: straight from Optuna's tables, or through Optuna.

Optuna reads a trial whole, with every intermediate value; of 10,000 trials that take half a minute
to read, this takes a second.
"""

import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, select

from ablate.spec import Definition, SearchDefinition, Space, Status
from ablate.store import optuna_schema as optuna
from ablate.store.records import TrialRecord

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MARK = "state"
"""The user attribute that every trial of ablate bears from its beginning, and no other one.

In the first layout a search's trial bore none until its run began.
"""
STATUSES = {
    "WAITING": Status.WAITING,
    "RUNNING": Status.RUNNING,
    "COMPLETE": Status.COMPLETE,
    "PRUNED": Status.PRUNED,
    "FAIL": Status.FAILED,
}
INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}


def read_trial_records(connection: Connection, study: str) -> Iterator[TrialRecord]:
    """Read the trials of an Optuna study from its tables by number, whoever made them."""
    from optuna.distributions import json_to_distribution  # noqa: PLC0415 - slow to import

    distribution = cache(json_to_distribution)
    trials, params, attrs, noted, values = (
        optuna.trials.c,
        optuna.params.c,
        optuna.user_attributes.c,
        optuna.system_attributes.c,
        optuna.values.c,
    )

    def rows(query: Select[Any]) -> Iterable[Any]:
        joined = query.join(optuna.studies, optuna.studies.c.study_id == trials.study_id)
        return connection.execute(joined.where(optuna.studies.c.study_name == study)).all()

    params_of: dict[int, dict[str, Any]] = {}
    for trial, name, value, text in rows(
        select(params.trial_id, params.param_name, params.param_value, params.distribution_json)
        .join(optuna.trials, trials.trial_id == params.trial_id)
        .order_by(params.param_id)
    ):
        params_of.setdefault(trial, {})[name] = distribution(text).to_external_repr(value)
    attrs_of: dict[int, dict[str, Any]] = {}
    for trial, key, text in rows(
        select(attrs.trial_id, attrs.key, attrs.value_json)
        .join(optuna.trials, trials.trial_id == attrs.trial_id)
        .order_by(attrs.trial_user_attribute_id)
    ):
        attrs_of.setdefault(trial, {})[key] = json.loads(text)
    value_of = {
        trial: INFINITE.get(kind, value)
        for trial, value, kind in rows(
            select(values.trial_id, values.value, values.value_type)
            .join(optuna.trials, trials.trial_id == values.trial_id)
            .where(values.objective == 0)
        )
    }
    constraints_of: dict[int, dict[str, float]] = {}
    for trial, key, text in rows(
        select(noted.trial_id, noted.key, noted.value_json)
        .join(optuna.trials, trials.trial_id == noted.trial_id)
        .where(noted.key.startswith(optuna.CONSTRAINT, autoescape=True))
        .order_by(noted.trial_system_attribute_id)
    ):
        constraints_of.setdefault(trial, {})[key.removeprefix(optuna.CONSTRAINT)] = json.loads(text)
    for trial, number, state, start, end in rows(
        select(
            trials.trial_id,
            trials.number,
            trials.state,
            trials.datetime_start,
            trials.datetime_complete,
        ).order_by(trials.number)
    ):
        yield TrialRecord(
            number=number,
            state=STATUSES[state],
            value=value_of.get(trial),
            params=params_of.get(trial, {}),
            user_attrs=attrs_of.get(trial, {}),
            start=None if start is None else start.replace(tzinfo=UTC),
            end=None if end is None else end.replace(tzinfo=UTC),
            constraints=constraints_of.get(trial, {}),
        )


def trial_records(trials: Iterable["FrozenTrial"]) -> Iterator[TrialRecord]:
    """Yield the records of trials that were read through Optuna."""
    for trial in trials:
        yield TrialRecord(
            number=trial.number,
            state=STATUSES[trial.state.name],
            value=trial.values[0] if trial.values else None,
            params=dict(trial.params),
            user_attrs=dict(trial.user_attrs),
            start=_utc(trial.datetime_start),
            end=_utc(trial.datetime_complete),
            constraints=dict(trial.constraints),
        )


def is_ours(trial: TrialRecord, definition: Definition | None) -> bool:
    """Say whether ablate made a trial: it is marked, or waits for its run at a point of the space.

    What another program has under way in the same study asks for parameters of its own.
    `definition` is what ablate's own tables have of the study.
    """
    if MARK in trial.user_attrs:
        return True
    if not isinstance(definition, SearchDefinition) or trial.state is not Status.RUNNING:
        return False
    space = Space(definition.space)
    point = trial.params
    return point.keys() == {path for path in space if space.active(path, point)} and all(
        space[path].admits(value) for path, value in point.items()
    )


def _utc(local: datetime | None) -> datetime | None:
    return None if local is None else local.astimezone(UTC)

"""What optuna-dashboard is shown of a study: arms, seeds and values as parameters, and metrics.

An ablation asks no sampler, so Optuna's tables have no parameters of it. They are not written
there: Optuna lets the choices of a parameter never change, and an arm, a seed or a value that is
added to a study later is a further choice. What is shown is made anew whenever it is read, with
the same choices for all trials of a study, old ones too.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from ablate import analysis
from ablate.analysis.frames import CURRENT, same_basis
from ablate.audits.differences import declared_leaves
from ablate.errors import AblateError
from ablate.spec import AblationDefinition, configs, paths
from ablate.spec.secrets import hidden
from ablate.store import Store

ARM, SEED = "arm", "seed"
NOT_SET = "(not set)"
_SHARE = 10
"""Reading runs and metrics takes at most about one second in so many."""
CONSTRAINTS = "constraints"
"""The system attribute in which Optuna 4 kept the constraints of a trial."""
_LARGEST = sys.float_info.max
_EXACT = 2**53
"""Whole numbers up to here are no other ones as floats."""

Choice = str | int | float
Key = TypeVar("Key", bound=Hashable)
Made = tuple[int, str]
"""The id of a definition and the name of one of its arms."""


@dataclass(frozen=True)
class Facts:
    """What the runs of an ablation say: all that its trials are shown with.

    `made` has the definition of each trial's latest run, `values` what every arm of every
    definition has at the paths that any arm changes, `metrics` the values of each trial by name.
    """

    definition_id: int
    definition: AblationDefinition
    made: Mapping[int, int]
    values: Mapping[Made, Mapping[str, Choice]]
    metrics: Mapping[int, Mapping[str, float]]

    def params_of(self, trial: FrozenTrial) -> dict[str, Choice]:
        """Return the parameters that a trial is shown with; none if it is not one of ablate's."""
        arm, seed = trial.user_attrs.get(ARM), trial.user_attrs.get(SEED)
        if not isinstance(arm, str) or not isinstance(seed, int) or trial.params:
            return {}
        made = self.made.get(trial.number, self.definition_id)
        return {ARM: arm, SEED: seed, **self.values.get((made, arm), {})}

    def spaces(self, params: Iterable[Mapping[str, Choice]]) -> dict[str, CategoricalDistribution]:
        """Return the choices of every parameter: the declared ones, and what trials have beside."""
        choices: dict[str, dict[Choice, None]] = {
            ARM: dict.fromkeys(arm.name for arm in self.definition.arms),
            SEED: dict.fromkeys(self.definition.seeds),
        }
        for given in (*self.values.values(), *params):
            for name, choice in given.items():
                choices.setdefault(name, {})[choice] = None
        return {name: CategoricalDistribution(list(found)) for name, found in choices.items()}


@dataclass
class _Kept:
    """What was last read and made of a study."""

    state: tuple[Any, ...] | None = None
    facts: Facts | None = None
    rests_until: float = -math.inf
    spaces: dict[str, CategoricalDistribution] = field(default_factory=dict)
    trials: dict[int, tuple[FrozenTrial, FrozenTrial]] = field(default_factory=dict)


class ShownStudies:
    """Shows Optuna's trials with what ablate's own tables know of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._metrics: dict[str, list[str]] = {}
        self._kept: dict[str, _Kept] = {}

    def metric_names(self, study: str) -> list[str]:
        """Return the metric of the objective, nothing for a study that ablate does not know."""
        if study not in self._metrics:
            try:
                record = self._store.study(study)
            except AblateError:
                return []
            self._metrics[study] = [record.definition.objective.metric] if record else []
        return self._metrics[study]

    def trials(self, study: str, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials of an ablation with parameters and metrics, others with constraints.

        Where ablate's own tables can't be read they are returned as given.
        """
        kept = self._kept.setdefault(study, _Kept())
        try:
            facts = self._facts(study, kept)
        except AblateError:
            return trials
        if facts is None:
            return [_listed(trial) if trial.constraints else trial for trial in trials]
        params = [facts.params_of(trial) for trial in trials]
        spaces = facts.spaces(params)
        known = kept.trials if facts is kept.facts and spaces == kept.spaces else {}
        pairs = {}
        for trial, given in zip(trials, params, strict=True):
            source, made = known.get(trial.number, (None, trial))
            if source is not trial and given:
                made = _shown(trial, given, spaces, facts.metrics.get(trial.number, {}))
            pairs[trial.number] = trial, made
        kept.facts, kept.spaces, kept.trials = facts, spaces, pairs
        return [made for _, made in pairs.values()]

    def _facts(self, study: str, kept: _Kept) -> Facts | None:
        """Return what the runs of an ablation say; None for any other study."""
        began = time.monotonic()
        if kept.state is not None and began < kept.rests_until:
            return kept.facts
        state = self._store.state(study)
        if state == kept.state:
            return kept.facts
        facts = read_facts(self._store, study)
        now = time.monotonic()
        kept.state, kept.rests_until = state, now + _SHARE * (now - began)
        if facts is None:
            kept.facts = None
        return facts


def read_facts(store: Store, study: str) -> Facts | None:
    """Read what the runs of an ablation say; None for any other study."""
    record = store.study(study)
    if record is None or not isinstance(record.definition, AblationDefinition):
        return None
    frames = analysis.load_ablation(store, study)
    latest = frames.runs.drop_duplicates("trial", keep="last")
    made = dict(zip(latest["trial"].tolist(), latest["definition_id"].tolist(), strict=True))
    used = {record.definition_id, *made.values()}
    definitions = {
        one.id: one.definition
        for one in store.definitions(study)
        if one.id in used and isinstance(one.definition, AblationDefinition)
    }
    runs = zip(latest["definition_id"], latest["arm"], latest["run_id"], strict=True)
    values = arm_values(
        definitions,
        {(int(made_by), str(arm)): int(run) for made_by, arm, run in runs},
        store.run_config,
    )
    # Every trial is read as it would be if its run were the one that speaks for its cell.
    each = replace(frames, runs=latest.assign(standing=CURRENT))
    metrics: dict[int, dict[str, float]] = {}
    table = analysis.scores(each, record.definition.metrics, record.definition.objective)
    for trial, metric, value in zip(table["trial"], table["metric"], table["value"], strict=True):
        if math.isfinite(value):
            metrics.setdefault(int(trial), {})[str(metric)] = float(value)
    return Facts(record.definition_id, record.definition, made, values, metrics)


def arm_values(
    definitions: Mapping[int, AblationDefinition],
    runs: Mapping[Made, int],
    config_of: Callable[[int], Mapping[str, Any]],
) -> dict[Made, dict[str, Choice]]:
    """Return what every arm has at the paths that any arm changes, secrets as stars.

    What a config leaves to the defaults of the code is read from the configuration of a run.
    """
    changed = dict.fromkeys(
        path
        for definition in definitions.values()
        for arm in definition.arms
        for path in declared_leaves(arm.changes)
    )
    found: dict[str, dict[Made, Any]] = {path: {} for path in changed}
    for definition_id, definition in definitions.items():
        for arm in definition.arms:
            made = definition_id, arm.name
            config = paths.fresh(definition.config)
            configs.apply(config, arm.changes, arm.name)
            left_out = [path for path in changed if not paths.has(config, path)]
            run = next((runs[one] for one in _alike(made, definitions) if one in runs), None)
            recorded = config_of(run) if left_out and run is not None else {}
            for path in changed:
                holder = recorded if path in left_out else config
                if paths.has(holder, path):
                    found[path][made] = hidden(path, paths.get(holder, path))
    values: dict[Made, dict[str, Choice]] = {}
    for path, by_arm in found.items():
        name = f"config.{path}" if path in {ARM, SEED} else path
        choices = as_choices(by_arm)
        for definition_id, definition in definitions.items():
            for arm in definition.arms:
                made = definition_id, arm.name
                values.setdefault(made, {})[name] = choices.get(made, NOT_SET)
    return values


def _alike(made: Made, definitions: Mapping[int, AblationDefinition]) -> Iterator[Made]:
    """Yield an arm under its own definition, then under others by which it is the same."""
    yield made
    own, arm = made
    for other, definition in definitions.items():
        if other != own and same_basis(definitions[own], definition, arm):
            yield other, arm


def as_choices(values: Mapping[Key, Any]) -> dict[Key, Choice]:
    """Write values so that those alike, and no others, are the same choice of one parameter.

    Numbers stay numbers where all values are some; anything else becomes a text, in JSON if it is
    none.
    """
    if all(_is_number(value) for value in values.values()):
        whole = all(isinstance(value, int) for value in values.values())
        return {key: value if whole else float(value) for key, value in values.items()}
    exact = {key: _json(value) for key, value in values.items()}
    plain = {key: value if isinstance(value, str) else exact[key] for key, value in values.items()}
    return dict(exact if len({*plain.values()}) < len({*exact.values()}) else plain)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _EXACT if isinstance(value, int) else math.isfinite(value)


def _listed(trial: FrozenTrial) -> FrozenTrial:
    """Copy a trial with its constraints as a list of finite numbers.

    optuna-dashboard 0.21 looks for them as Optuna 4 kept them, and JSON has no infinity.
    """
    made = copy(trial)
    finite = [max(-_LARGEST, min(_LARGEST, excess)) for excess in trial.constraints.values()]
    made.system_attrs = {**trial.system_attrs, CONSTRAINTS: finite}
    return made


def _shown(
    trial: FrozenTrial,
    params: Mapping[str, Choice],
    spaces: Mapping[str, CategoricalDistribution],
    metrics: Mapping[str, float],
) -> FrozenTrial:
    """Copy a trial with parameters and metrics; what it says of itself is kept."""
    made = copy(trial)
    made.params = dict(params)
    made.distributions = {name: spaces[name] for name in params}
    made.user_attrs = {**metrics, **trial.user_attrs}
    return made

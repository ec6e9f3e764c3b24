"""Run the best trials of a search again with fresh seeds: how much of the best was luck?"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import RequestError
from ablate.spec import AblationSpec, Objective, Study, content_hash, fresh_seeds, paths
from ablate.spec.study import Limits
from ablate.store import RunRecord, Store, StudyRecord, TrialRecord
from ablate.study.imports import check_imports
from ablate.study.preflight import check_ablation
from ablate.study.replay import ReplayResult, run
from ablate.study.setup import Request, stored_study


@dataclass(frozen=True)
class _Best:
    """A trial that is run again: its value in the search, its seeds and configuration there."""

    trial: TrialRecord
    seeds: tuple[int, ...]
    config: dict[str, Any]


def confirm(
    name: str, request: Request, top: int, seeds: int, allowed: Sequence[str] = ()
) -> ReplayResult:
    """Run the best `top` trials of the search `name` with `seeds` seeds that it never used.

    The runs are those of an ablation called `NAME-confirm` with one arm per trial; what of them
    is done is not repeated, so more trials or seeds may be asked for later. Equal configurations
    count as one trial. `allowed` names further packages whose classes a stored configuration may
    import. Raises RequestError, with nothing written, if the request is wrong, and Interrupted
    when stopped by a signal.
    """
    record, best, base, used = _read(name, request, top)
    for config in (base, *(own.config for own in best)):
        check_imports(config, name, allowed)
    if len(best) < top:
        request.say(f"{name} has only {len(best)} different complete trials")
    spec = _spec(record, best, base, fresh_seeds(seeds, used, name, "confirm"))
    _refuse_other(request, f"{name}-confirm", name)
    with request.launched() as launcher:
        study = Study(f"{name}-confirm", spec, base, launcher.facts()["profile"], name)
        probes = check_ablation(study, launcher, request.say)
        configs = {arm: probe.config for arm, probe in probes.items()}
        return run(study, configs, launcher, request)


def _read(
    name: str, request: Request, top: int
) -> tuple[StudyRecord, list[_Best], dict[str, Any], set[int]]:
    """Return the search, its best trials, the config of its first run and all of its seeds."""
    with Store.open(request.storage, create=False) as store:
        record = store.require_study(name)
        if record.kind != "search":
            raise RequestError(
                f"{name!r} is an ablation, and confirm is for searches: it runs their best trials "
                f"again with other seeds; add seeds to {name} and replay it instead"
            )
        trials, runs = store.trials(name), store.runs(name, with_config=True)
    best = _best(trials, runs, record.definition["objective"]["direction"])[:top]
    if not best:
        raise RequestError(f"{name} has no complete trial with a finite value to confirm yet")
    base = next(_bare(own.config) for own in runs if own.config is not None)
    return record, best, base, {own.seed for own in runs} | set(record.definition["seeds"])


def _best(trials: Sequence[TrialRecord], runs: Sequence[RunRecord], direction: str) -> list[_Best]:
    """Return the complete trials, the best first, each configuration once."""
    by_trial: dict[int, dict[int, dict[str, Any]]] = {}
    for own in runs:
        if own.config is not None:
            by_trial.setdefault(own.trial, {})[own.seed] = own.config
    sign = 1 if direction == "minimize" else -1
    valued = [
        (sign * trial.value, trial)
        for trial in trials
        if trial.state == "complete" and trial.value is not None and math.isfinite(trial.value)
    ]
    found: dict[str, _Best] = {}
    for _, trial in sorted(valued, key=lambda pair: (pair[0], pair[1].number)):
        # A trial that took over the result of an equal one has no run of its own.
        source = trial.user_attrs.get("reused_from", trial.number)
        by_seed = by_trial.get(trial.number) or by_trial.get(source) or {}
        if by_seed:
            config = _bare(next(iter(by_seed.values())))
            found.setdefault(content_hash(config), _Best(trial, tuple(by_seed), config))
    return list(found.values())


def _bare(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "seed_everything"}


def _spec(
    record: StudyRecord, best: Sequence[_Best], base: dict[str, Any], seeds: tuple[int, ...]
) -> AblationSpec:
    """Make an ablation of trials; the base is the search's first run, which never changes."""
    objective = Objective.model_validate(record.definition["objective"])
    return AblationSpec(
        kind="ablation",
        config=(record.name,),
        provenance={
            "study": record.name,
            "confirms": {
                f"trial-{own.trial.number}": {
                    "trial": own.trial.number,
                    "value": own.trial.value,
                    "seeds": list(own.seeds),
                }
                for own in best
            },
        },
        arms={f"trial-{own.trial.number}": changes(base, own.config) for own in best},
        seeds=seeds,
        limits=Limits.model_validate(record.definition.get("limits") or {}),
        metrics={objective.metric: objective.direction},
        objective=objective,
    )


_KEY = re.compile(r"[^.\[\]]+")


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what turns one config into the other, by path; what has other keys is one change.

    So is a list, and a mapping with keys that no path can name.
    """
    found: dict[str, Any] = {}

    def walk(one: Any, other: Any, keys: tuple[str, ...]) -> None:
        both = isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys()
        if both and all(_KEY.fullmatch(key) for key in other):
            for key in other:
                walk(one[key], other[key], (*keys, key))
        elif content_hash(one) != content_hash(other):
            found[paths.render(keys)] = other

    walk({**dict.fromkeys(after), **before}, {**dict.fromkeys(before), **after}, ())
    return found


def _refuse_other(request: Request, name: str, search: str) -> None:
    record = stored_study(request.storage, name)
    if record is not None and "confirms" not in (record.definition.get("provenance") or {}):
        raise RequestError(
            f"the storage has another study of the name {name!r}, which does not confirm {search}; "
            "use another --storage"
        )

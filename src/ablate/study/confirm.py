"""Run the best trials of a search again with fresh seeds: how much of the best was luck?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import RequestError
from ablate.spec import (
    AblationDefinition,
    AblationStudy,
    Confirmed,
    Direction,
    Provenance,
    SearchDefinition,
    configs,
    content_hash,
    designs,
    fresh_seeds,
)
from ablate.spec.constraints import none_feasible
from ablate.store import RunRecord, Store, TrialRecord, count_infeasible, feasible_trials
from ablate.study.imports import check_stored, folders_here, stored_trust, trusted_entry
from ablate.study.replay import ReplaySummary, resolved_configs, run
from ablate.study.setup import Request, stored_threads, study_to_run


@dataclass(frozen=True)
class _Candidate:
    """A trial that is run again: its value in the search, its seeds and configuration there."""

    trial: TrialRecord
    seeds: tuple[int, ...]
    config: dict[str, Any]


def confirm(
    name: str, request: Request, top: int, seeds: int, allowed: Sequence[str] = ()
) -> ReplaySummary:
    """Run the best `top` trials of the search `name` with `seeds` seeds that it never used.

    The runs are those of an ablation called `NAME-confirm` with one arm per trial; what of them
    is done is not repeated, so more trials or seeds may be asked for later. Equal configurations
    count as one trial. `allowed` names further packages whose classes a stored configuration may
    import. Raises RequestError, with nothing written, if the request is wrong, and Interrupted
    when stopped by a signal.
    """
    found = _read(name, request, top)
    cli = found.definition.cli
    entry = trusted_entry(cli, name, allowed)
    trust = stored_trust(name, allowed, cli)
    for config in (found.base, *(candidate.config for candidate in found.best)):
        check_stored(config, name, trust)
    if len(found.best) < top:
        request.say(
            f"{name} has only {len(found.best)} different {found.definition.counting} trials"
        )
    _refuse_other(request, f"{name}-confirm", name)
    threads = stored_threads(request.storage, name)
    with request.launched(folders_here(name), threads) as launcher:
        fresh = fresh_seeds(seeds, found.used_seeds, name, "confirm")
        definition = _definition(name, found, fresh, launcher.facts().profile)
        study = AblationStudy(f"{name}-confirm", definition, name, cli=entry, trust=trust)
        configs = resolved_configs(study, launcher, request)
        return run(study, configs, launcher, request)


@dataclass(frozen=True)
class _Searched:
    """What is read of a search: its best trials, its first run's config, all seeds it used."""

    definition: SearchDefinition
    best: tuple[_Candidate, ...]
    base: dict[str, Any]
    used_seeds: frozenset[int]


def _read(name: str, request: Request, top: int) -> _Searched:
    """Read a search; raise RequestError if it is none, or has nothing to confirm."""
    with Store.open(request.storage, create=False) as store:
        definition = store.require_study(name).definition
        if not isinstance(definition, SearchDefinition):
            raise RequestError(
                f"{name!r} is an ablation, and confirm is for searches: it runs their best trials "
                f"again with other seeds; add seeds to {name} and replay it instead"
            )
        trials, runs = store.trials(name), store.runs(name, with_config=True)
    best = _best(trials, runs, definition.objective.direction)[:top]
    if not best and (infeasible := count_infeasible(trials)):
        raise RequestError(f"{name} has no trial to confirm: {none_feasible(infeasible)}")
    if not best:
        raise RequestError(f"{name} has no complete trial with a finite value to confirm yet")
    base = next(_bare(run.config) for run in runs if run.config is not None)
    used = frozenset({*(run.seed for run in runs), *definition.seeds})
    return _Searched(definition, tuple(best), base, used)


def _best(
    trials: Sequence[TrialRecord], runs: Sequence[RunRecord], direction: Direction
) -> list[_Candidate]:
    """Return the feasible trials, the best first, each configuration once."""
    by_trial: dict[int, dict[int, dict[str, Any]]] = {}
    for record in runs:
        if record.config is not None:
            by_trial.setdefault(record.trial, {})[record.seed] = record.config
    valued = [
        (direction.gain(trial.value or 0.0, over=0.0), trial) for trial in feasible_trials(trials)
    ]
    found: dict[str, _Candidate] = {}
    for _, trial in sorted(valued, key=lambda pair: (-pair[0], pair[1].number)):
        # A trial that took over the result of an equal one has no run of its own.
        source = trial.user_attrs.get("reused_from", trial.number)
        by_seed = by_trial.get(trial.number) or by_trial.get(source) or {}
        if by_seed:
            config = _bare(next(iter(by_seed.values())))
            found.setdefault(content_hash(config), _Candidate(trial, tuple(by_seed), config))
    return list(found.values())


def _bare(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "seed_everything"}


def _definition(
    search: str, found: _Searched, seeds: tuple[int, ...], profile: str
) -> AblationDefinition:
    """Make an ablation of trials; the base is the search's first run, which never changes."""
    objective = found.definition.objective
    arms = {
        f"trial-{candidate.trial.number}": configs.changes_between(found.base, candidate.config)
        for candidate in found.best
    }
    confirms = {
        f"trial-{candidate.trial.number}": Confirmed(
            trial=candidate.trial.number, value=candidate.trial.value or 0.0, seeds=candidate.seeds
        )
        for candidate in found.best
    }
    return AblationDefinition(
        config=found.base,
        cli=found.definition.cli,
        profile=profile,
        seeds=seeds,
        objective=objective,
        limits=found.definition.limits,
        designs=("arms",),
        arms=designs.declared(arms, "arms"),
        provenance=Provenance(study=search, confirms=confirms),
        metrics={objective.metric: objective.direction},
    )


def _refuse_other(request: Request, name: str, search: str) -> None:
    record = study_to_run(request.storage, name)
    if record is not None and not (
        isinstance(record.definition, AblationDefinition) and record.definition.provenance.confirms
    ):
        raise RequestError(
            f"the storage has another study of the name {name!r}, which does not confirm {search}; "
            "use another --storage"
        )

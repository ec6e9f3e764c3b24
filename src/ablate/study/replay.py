"""Replay a frozen study, or a trial of any study, across arms and seeds."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ablate.errors import SpecError
from ablate.run import Launcher
from ablate.spec import (
    AblationSpec,
    Objective,
    Study,
    StudyFile,
    content_hash,
    read_study,
)
from ablate.store import FindingRow, RunRecord, Store
from ablate.study.coordinator import Coordinator, Plan, known_runs
from ablate.study.imports import check_imports
from ablate.study.preflight import check_ablation
from ablate.study.record import Recorder, waiting
from ablate.study.recorded import recorded_trial
from ablate.study.setup import Request, recording, stored_study
from ablate.study.tune import tune, tuned_configs


@dataclass(frozen=True)
class ReplayResult:
    """A replay's runs: the latest attempt of every arm and seed of the current definition."""

    study: str
    storage: str
    profile: str
    metrics: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    counts: dict[str, int]
    already_done: bool


class ReplaySource:
    """Hands out the fixed trials of an ablation that have not been run."""

    supervised = False

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = deque(plans)

    def next(self) -> Plan | None:
        """Return the next trial that waits."""
        return self._plans.popleft() if self._plans else None

    def report(self, number: int, step: int, value: float) -> bool:  # noqa: ARG002
        """Never prune."""
        return False

    def finish(self, number: int, state: TrialState, value: float | None) -> dict[str, Any]:  # noqa: ARG002
        """Note nothing."""
        return {}


def replay(
    name: str,
    request: Request,
    seeds: Sequence[int] = (),
    allowed: Sequence[str] = (),
    *,
    afresh: bool = False,
) -> ReplayResult:
    """Replay the ablation `name`, or the trial `STUDY/NUMBER`, running what has not been run.

    `seeds` replaces the recorded seeds of a replayed trial; `allowed` names further packages
    whose classes a stored configuration may import; `afresh` runs again what is done. Raises
    RequestError, with nothing written, if the request is wrong, and Interrupted when stopped by
    a signal.
    """
    asked = Asked.of(name, request, seeds, allowed)
    with request.launched() as launcher:
        study = asked.prepare(request, launcher)
        probes = check_ablation(study, launcher, request.say)
        configs = {arm: probe.config for arm, probe in probes.items()}
        found = None
        if request.inspect is not None and asked.config is None:  # one trial is compared with none
            found = request.inspect(study, configs, launcher)
        if study.tuning is not None:
            study = tune(study, configs, launcher, request)
            configs |= tuned_configs(study, launcher)
        return run(study, configs, launcher, request, found, afresh=afresh)


@dataclass(frozen=True)
class Asked:
    """What is to be replayed: a study as it is written, or a recorded trial with its `config`."""

    name: str
    file: StudyFile
    config: dict[str, Any] | None

    @classmethod
    def of(
        cls, name: str, request: Request, seeds: Sequence[int], allowed: Sequence[str]
    ) -> "Asked":
        """Find the ablation or the trial of this name; raise RequestError if it can't be run."""
        study_name, _, number = name.rpartition("/")
        file: StudyFile
        config: dict[str, Any] | None
        if study_name and number.isdigit() and not Path(name).exists():
            file, config = _recorded(study_name, int(number), request, seeds, allowed)
        else:
            file, config = read_study(name), None
        if not isinstance(file.spec, AblationSpec):
            raise SpecError(f"{file.path} is a search; run it with: ablate search --study {name}")
        stored_study(request.storage, file.name)
        return cls(name, file, config)

    def prepare(self, request: Request, launcher: Launcher) -> Study:
        """Make the study ready to run."""
        if self.config is None:
            return request.prepare(self.file, launcher)
        profile = launcher.facts().profile
        return Study(self.file.name, self.file.spec, self.config, profile, self.name)


def _recorded(
    study_name: str, number: int, request: Request, seeds: Sequence[int], allowed: Sequence[str]
) -> tuple[StudyFile, dict[str, Any]]:
    """Make a one-arm ablation of a recorded trial."""
    with Store.open(request.storage, create=False) as store:
        recorded = recorded_trial(store, f"{study_name}/{number}")
    check_imports(recorded.config, study_name, allowed)
    objective = Objective.model_validate(recorded.study.definition["objective"])
    spec = AblationSpec(
        kind="ablation",
        config=(f"{study_name}/{number}",),
        provenance={"study": study_name, "trial": number},
        arms={f"trial-{number}": {}},
        seeds=tuple(seeds) or tuple(run.seed for run in recorded.runs),
        metrics={objective.metric: objective.direction},
        objective=objective,
    )
    return StudyFile(
        f"{study_name}-{number}", Path(f"{study_name}/{number}"), spec
    ), recorded.config


def run(
    study: Study,
    configs: Mapping[str, dict[str, Any]],
    launcher: Launcher,
    request: Request,
    found: Sequence[FindingRow] | None = None,
    *,
    afresh: bool = False,
) -> ReplayResult:
    """Run what has not been run of an ablation that was checked; `configs` are resolved, by arm.

    `found` is what an audit said of it, to be recorded with it.
    """
    wanted = wanted_runs(study, configs)
    with Store.open(request.storage, create=True) as store, store.lock(study.name):
        definition_id = store.define(study.name, "ablation", study.definition(), study.profile)
        if found is not None:
            store.record_audit(definition_id, found)
        with recording(store, study, request.say) as recorder:
            store.set_study_attrs(study.name, {"kind": "ablation", "profile": study.profile})
            numbers, done = _enqueue(wanted, recorder, afresh=afresh)
            plans = [
                Plan(numbers[arm, seed], config, (seed,), arm)
                for (arm, seed), config in wanted.items()
                if numbers[arm, seed] not in done
            ]
            # Floors first: they take no time, so that what is left can be estimated by the rest.
            floors = {arm.name for arm in study.arms if arm.floor}
            plans.sort(key=lambda plan: plan.arm not in floors)
            if done:
                request.say(f"{len(done)} of {len(wanted)} runs are done already")
            counts = Coordinator(
                context=request.context(study, definition_id, launcher),
                source=ReplaySource(plans),
                recorder=recorder,
                launcher=launcher,
                known=known_runs(store, study),
                finished_before=_counts(done),
                total=len(wanted),
                best=None,
                on_tick=request.on_tick,
            ).run()
        latest = {run.trial: run for run in store.runs(study.name)}
        runs = tuple(latest[number] for number in numbers.values() if number in latest)
        assert isinstance(study.spec, AblationSpec)  # noqa: S101
        return ReplayResult(
            study=study.name,
            storage=store.url_shown,
            profile=study.profile,
            metrics=tuple(study.spec.metrics),
            runs=runs,
            counts=counts,
            already_done=not plans,
        )


def wanted_runs(
    study: Study, configs: Mapping[str, dict[str, Any]]
) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the configuration of every run by arm and seed, for the arms in `configs`."""
    return {
        (arm.name, seed): {**configs[arm.name], "seed_everything": seed}
        for arm in study.arms
        if arm.name in configs
        for seed in study.seeds
    }


def known_trials(past: Iterable[FrozenTrial]) -> dict[tuple[Any, ...], FrozenTrial]:
    """Return the latest trial of each arm, seed and hash of the configuration."""
    keys = ("arm", "seed", "config_hash")
    return {tuple(trial.user_attrs.get(key) for key in keys): trial for trial in past}


def _enqueue(
    wanted: Mapping[tuple[str, int], dict[str, Any]], recorder: Recorder, *, afresh: bool
) -> tuple[dict[tuple[str, int], int], dict[int, str]]:
    """Give every arm and seed a trial, an old one of the same configuration unless `afresh`."""
    numbers: dict[tuple[str, int], int] = {}
    done: dict[int, str] = {}
    past = recorder.past()
    count = len(past)
    known = known_trials(past)
    for (arm, seed), config in wanted.items():
        config_hash = content_hash(config)
        trial = known.get((arm, seed, config_hash))
        if trial is None or (afresh and trial.state.is_finished()):
            attrs = {"arm": arm, "seed": seed, "config_hash": config_hash, "state": "waiting"}
            recorder.new_trial(count, waiting(attrs))
            numbers[arm, seed] = count
            count += 1
        else:
            numbers[arm, seed] = trial.number
            if trial.state.is_finished():
                done[trial.number] = "complete" if trial.state == TrialState.COMPLETE else "failed"
    return numbers, done


def _counts(done: Mapping[int, str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for state in done.values():
        counts[state] = counts.get(state, 0) + 1
    return counts

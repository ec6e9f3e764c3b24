"""Replay a frozen study, or a trial of any study, across arms and seeds."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ablate.errors import SpecError
from ablate.run import Launcher
from ablate.spec import (
    Ablation,
    AblationDefinition,
    AblationStudy,
    Provenance,
    Status,
    Trust,
    WrittenStudy,
    designs,
)
from ablate.spec.commands import write_command
from ablate.spec.files import is_file
from ablate.store import FindingRow, RunRecord, Store
from ablate.study.cells import ALL, Cells
from ablate.study.coordinator import Coordinator, Standing
from ablate.study.imports import check_stored, folders_here, stored_trust, trusted_entry
from ablate.study.known_runs import known_runs
from ablate.study.notifier import notifying
from ablate.study.preflight import check_ablation
from ablate.study.record import Recorder, waiting
from ablate.study.recorded import RecordedTrial, recorded_trial, trial_named
from ablate.study.setup import Request, recording, stored_threads, study_to_run
from ablate.study.source import Plan
from ablate.study.threads import settle_threads


@dataclass(frozen=True)
class ReplaySummary:
    """A replay's runs: the latest attempt of every arm and seed of the current definition."""

    study: str
    storage: str
    profile: str
    metrics: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    counts: dict[Status, int]
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

    def finish(
        self,
        number: int,  # noqa: ARG002
        state: TrialState,  # noqa: ARG002
        value: float | None,  # noqa: ARG002
        constraints: Mapping[str, float],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Note nothing."""
        return {}


@dataclass(frozen=True)
class Subject:
    """What is to be replayed: an ablation as it is written, or a recorded trial.

    `entry` is where the entry that the trial was run with is found, None for plain LightningCLI;
    `trust` says what its stored configuration may name.
    """

    replayed: WrittenStudy[Ablation] | RecordedTrial
    cells: Cells = ALL
    entry: str | None = None
    trust: Trust | None = None

    @classmethod
    def of_study(
        cls, written: WrittenStudy[Any], request: Request, cells: Cells = ALL
    ) -> "Subject":
        """Take an ablation; raise RequestError if it is none, or its storage can't be used.

        Only `cells` of its matrix are run; its definition stays whole.
        """
        if not isinstance(written.spec, Ablation):
            raise SpecError(
                f"{written.where} is a search; run it with: "
                f"{write_command('search', study=written.name)}"
            )
        study_to_run(request.storage, written.name)
        return cls(written, cells)

    @classmethod
    def of_trial(
        cls, name: str, request: Request, cells: Cells = ALL, allowed: Sequence[str] = ()
    ) -> "Subject":
        """Find the trial `STUDY/NUMBER`; raise RequestError if there is none, or it can't be run.

        The seeds of `cells` replace its recorded ones; `allowed` names further packages whose
        classes a stored configuration may import.
        """
        with Store.open(request.storage, create=False) as store:
            trial = recorded_trial(store, name)
        definition = trial.study.definition
        entry = trusted_entry(definition.cli, trial.study.name, allowed)
        trust = stored_trust(trial.study.name, allowed, definition.cli)
        check_stored(trial.config, trial.study.name, trust)
        return cls(trial, cells, entry, trust)

    @contextmanager
    def launched(self, request: Request) -> Iterator[Launcher]:
        """Start workers that find the subject's modules, on the threads of its recorded runs."""
        if isinstance(self.replayed, RecordedTrial):
            folders = folders_here(self.replayed.study.name)
            threads = self.replayed.threads
        else:
            folders = self.replayed.import_folders()
            threads = stored_threads(request.storage, self.replayed.name)
        with request.launched(folders, threads) as launcher:
            yield launcher

    @property
    def is_trial(self) -> bool:
        """Whether a recorded trial is replayed, which is compared with no other arm."""
        return isinstance(self.replayed, RecordedTrial)

    def prepare(self, request: Request, launcher: Launcher) -> AblationStudy:
        """Make the study ready to run; raise RequestError if it lacks a cell asked for."""
        if isinstance(self.replayed, RecordedTrial):
            seeds = tuple(dict.fromkeys(self.cells.seeds))
            profile = launcher.facts().profile
            study = replace(_of_trial(self.replayed, self.entry, seeds, profile), trust=self.trust)
        else:
            prepared = request.prepare(self.replayed, launcher)
            assert isinstance(prepared, AblationStudy)  # noqa: S101
            study = prepared
        self.cells.check(study)
        return study


def names_trial(name: str) -> bool:
    """Say whether a name is that of a recorded trial, STUDY/NUMBER, and of no file."""
    return trial_named(name) is not None and not is_file(Path(name))


def resolved_configs(
    study: AblationStudy, launcher: Launcher, request: Request
) -> dict[str, dict[str, Any]]:
    """Try every arm of an ablation and return its resolved configuration, by arm."""
    request.require_writable()
    probes = check_ablation(study, launcher, request.say)
    full = study.definition.reference or study.arms[0].name
    settle_threads(probes[full].config, study, launcher, request.say)
    return {arm: probe.config for arm, probe in probes.items()}


def replay_trial(subject: Subject, request: Request, *, afresh: bool = False) -> ReplaySummary:
    """Replay a recorded trial; with `afresh` run again what is done."""
    with subject.launched(request) as launcher:
        study = subject.prepare(request, launcher)
        configs = resolved_configs(study, launcher, request)
        return run(study, configs, launcher, request, cells=subject.cells, afresh=afresh)


def _of_trial(
    trial: RecordedTrial, entry: str | None, seeds: Sequence[int], profile: str
) -> AblationStudy:
    """Make a one-arm ablation of a recorded trial."""
    objective = trial.study.definition.objective
    definition = AblationDefinition(
        config=trial.config,
        cli=trial.study.definition.cli,
        profile=profile,
        seeds=tuple(seeds) or tuple(run.seed for run in trial.runs),
        objective=objective,
        designs=("arms",),
        arms=designs.declared({f"trial-{trial.number}": {}}, "arms"),
        provenance=Provenance(study=trial.study.name, trial=trial.number),
        metrics={objective.metric: objective.direction},
    )
    source = f"{trial.study.name}/{trial.number}"
    name = f"{trial.study.name}-{trial.number}"
    return AblationStudy(name, definition, source, cli=entry)


def run(
    study: AblationStudy,
    configs: Mapping[str, dict[str, Any]],
    launcher: Launcher,
    request: Request,
    found: Sequence[FindingRow] | None = None,
    *,
    cells: Cells = ALL,
    afresh: bool = False,
) -> ReplaySummary:
    """Run what has not been run of an ablation that was checked; `configs` are resolved, by arm.

    `found` is what an audit said of it, to be recorded with it. Only `cells` of it are run.
    """
    wanted = wanted_runs(study, configs, cells)
    study_to_run(request.storage, study.name)
    with Store.open(request.storage, create=True) as store, store.lock(study.name):
        definition_id = store.define(study.name, study.definition)
        if found is not None:
            store.record_audit(definition_id, found)
        with (
            recording(store, study, request.say) as recorder,
            notifying(study, request.say) as notifier,
        ):
            store.set_study_attrs(study.name, {"kind": "ablation", "profile": study.profile})
            numbers, done = _enqueue(study, wanted, recorder, afresh=afresh)
            plans = [
                Plan(numbers[arm, seed], config, (seed,), arm, resolved=True)
                for (arm, seed), config in wanted.items()
                if numbers[arm, seed] not in done
            ]
            # Floors first: they take no time, so that what is left can be estimated by the rest.
            floors = {arm.name for arm in study.definition.floors}
            plans.sort(key=lambda plan: plan.arm not in floors)
            if done:
                request.say(f"{len(done)} of {len(wanted)} runs are done already")
            counts = Coordinator(
                context=request.context(study, definition_id, launcher),
                source=ReplaySource(plans),
                recorder=recorder,
                launcher=launcher,
                known=known_runs(store, study),
                standing=Standing(Counter(done.values()), best=None, total=len(wanted)),
                on_tick=request.on_tick,
                on_failure=request.on_failure,
                on_goal=request.on_goal,
                notifier=notifier,
            ).run()
        latest = {run.trial: run for run in store.runs(study.name)}
        runs = tuple(latest[number] for number in numbers.values() if number in latest)
        return ReplaySummary(
            study=study.name,
            storage=store.url_shown,
            profile=study.profile,
            metrics=tuple(study.definition.metrics),
            runs=runs,
            counts=counts,
            already_done=not plans,
        )


def wanted_runs(
    study: AblationStudy, configs: Mapping[str, dict[str, Any]], cells: Cells
) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the configuration of every run of `cells` by arm and seed, as far as `configs` go."""
    return {
        (arm.name, seed): {**configs[arm.name], "seed_everything": seed}
        for arm in study.arms
        if arm.name in configs and cells.has_arm(arm.name)
        for seed in cells.seeds_of(study)
    }


def known_trials(past: Iterable[FrozenTrial]) -> dict[tuple[Any, ...], FrozenTrial]:
    """Return the latest trial of each arm, seed and hash of the configuration."""
    keys = ("arm", "seed", "config_hash")
    return {tuple(trial.user_attrs.get(key) for key in keys): trial for trial in past}


def _enqueue(
    study: AblationStudy,
    wanted: Mapping[tuple[str, int], dict[str, Any]],
    recorder: Recorder,
    *,
    afresh: bool,
) -> tuple[dict[tuple[str, int], int], dict[int, Status]]:
    """Give every arm and seed a trial, an old one of the same configuration unless `afresh`."""
    numbers: dict[tuple[str, int], int] = {}
    done: dict[int, Status] = {}
    past = recorder.past()
    count = len(past)
    known = known_trials(past)
    for (arm, seed), config in wanted.items():
        config_hash = study.hash_of(config)
        trial = known.get((arm, seed, config_hash))
        if trial is None or (afresh and trial.state.is_finished()):
            recorder.new_trial(count, waiting(arm, seed, config_hash))
            numbers[arm, seed] = count
            count += 1
        else:
            numbers[arm, seed] = trial.number
            if trial.state.is_finished():
                done[trial.number] = ended_as(trial)
    return numbers, done


def ended_as(trial: FrozenTrial) -> Status:
    """Return how the trial of an arm and seed, which is never pruned, has ended."""
    return Status.COMPLETE if trial.state == TrialState.COMPLETE else Status.FAILED

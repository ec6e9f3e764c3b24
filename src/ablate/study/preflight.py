"""Try every configuration before anything is written or any budget burnt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import SpecError, nearest, quoted
from ablate.run import Launcher, Probed, messages
from ablate.run.jobs import do_all
from ablate.run.resolving import refusal, resolve_all, resolve_arms, resolve_base
from ablate.run.run_folder import misplaced
from ablate.spec import AblationStudy, SearchStudy, Study, paths
from ablate.spec.goals import MEASURED, OF_SUCCESS


@dataclass(frozen=True)
class Probe:
    """A configuration that works: resolved, with its size, its metrics and its length."""

    config: dict[str, Any]
    parameters: int
    metrics: tuple[str, ...]
    max_epochs: int
    left_out: tuple[str, ...] = ()


Progress = Callable[[str], None]


def check_search(study: SearchStudy, launcher: Launcher, progress: Progress) -> Probe:
    """Check a search: every parameter exists where it is active, and the base config runs.

    Raises SpecError naming the study's file position and what to do.
    """
    seed = study.seeds[0]
    points = list(study.space.covering_points())
    progress(f"checking {len(points)} points of the space")
    base = resolve_base(study, launcher)
    one_run = study.definition.budget.trials == 1 and len(study.seeds) == 1
    if not one_run:
        _refuse_shared_folders(study.source, base)
    resolved = resolve_all(
        launcher,
        [study.at(point, seed) for _, point in points],
        study.cli,
        [[path] for path, _ in points],
        study.trust,
    )
    for (path, point), outcome in zip(points, resolved, strict=True):
        if isinstance(outcome, SpecError):
            raise outcome.at(f"{study.name}: space.{path} at {point[path]!r}")
        if not paths.has(outcome, path):
            known = [
                key for key in paths.flatten(outcome) if key.split(".")[0] == path.split(".")[0]
            ]
            raise SpecError(
                f"{study.name}: space.{path}: there is no such key in the config: "
                f"{nearest(path, known or paths.flatten(outcome))}"
            )
        if not one_run:
            _refuse_shared_folders(f"{study.name}: space.{path} at {point[path]!r}", outcome)
    progress("trying the config on one batch; data that is not there yet is prepared first")
    (probe,) = _probe(launcher, {study.source: base}, study)
    _require_goals(study, [probe])
    _require_constraints(study, probe)
    _say_left_out([probe], progress)
    return probe


def check_ablation(
    study: AblationStudy, launcher: Launcher, progress: Progress
) -> dict[str, Probe]:
    """Check an ablation: every arm resolves and runs on one batch.

    Every arm logs the deciding metric, and every other metric is logged by one arm at least.
    """
    names = [arm.name for arm in study.arms]
    progress(f"trying {len(names)} arms on one batch; missing data is prepared first")
    base = resolve_base(study, launcher)
    arms = resolve_arms(study, study.arms, launcher)
    if len(study.arm_names) * len(study.seeds) > 1:
        _refuse_shared_folders(study.source, base)
        for name, config in arms.items():
            _refuse_shared_folders(f"{study.name}: arms.{name}", config)
    places = {f"{study.name}: arms.{name}": config for name, config in arms.items()}
    probes = _probe(launcher, places, study)
    _require_goals(study, probes)
    _say_left_out(probes, progress)
    for metric in study.definition.metrics:
        missing = [n for n, probe in zip(names, probes, strict=True) if metric not in probe.metrics]
        if len(missing) == len(names):
            logged = {name for probe in probes for name in probe.metrics}
            raise SpecError(
                f"{study.name}: metrics.{metric}: no arm ever logs it: {nearest(metric, logged)}"
            )
        if missing:
            progress(f"{metric} is not logged by {', '.join(missing)}")
    by_name = dict(zip(names, probes, strict=True))
    published = study.definition.published
    for arm, figures in (published.values if published else {}).items():
        for metric in figures:
            if metric not in by_name[arm].metrics:
                raise SpecError(
                    f"{study.name}: published.values.{arm}: the arm never logs {metric!r}: "
                    f"{nearest(metric, by_name[arm].metrics)}"
                )
    return by_name


def _probe(launcher: Launcher, configs: Mapping[str, dict[str, Any]], study: Study) -> list[Probe]:
    jobs = [
        messages.Probe(
            number,
            config,
            study.objective.metric,
            study.cli,
            study.trust,
            study.definition.goals,
        )
        for number, config in enumerate(configs.values())
    ]
    probes = []
    for where, job, events in zip(configs, jobs, do_all(launcher, jobs), strict=True):
        probed = next((event for event in events if isinstance(event, Probed)), None)
        if probed is None:
            raise refusal(events).at(where)
        probes.append(
            Probe(
                job.config,
                probed.parameters,
                tuple(probed.metrics),
                probed.max_epochs,
                tuple(probed.left_out),
            )
        )
    return probes


def _require_goals(study: Study, probes: Sequence[Probe]) -> None:
    """Raise SpecError for a goal about a metric that no arm logs."""
    logged = {name for probe in probes for name in probe.metrics}
    for name in sorted(study.definition.goals.metrics - logged):
        raise SpecError(
            f"{study.name}: its goals name the metric {name!r}, which is never logged: "
            f"{nearest(name, [*logged, *MEASURED])}"
        )


def _require_constraints(study: SearchStudy, probe: Probe) -> None:
    """Raise SpecError for a constraint on a metric that is never logged."""
    known = {*probe.metrics, *MEASURED}
    for constraint in study.definition.constraints:
        if constraint.metric in known:
            continue
        what = (
            "without success: in the study nobody says when a run has succeeded"
            if constraint.metric in OF_SUCCESS
            else nearest(constraint.metric, known)
        )
        raise SpecError(
            f"{study.name}: its constraints name the metric {quoted(constraint.metric)}, which is "
            f"never logged: {what}"
        )


def _refuse_shared_folders(where: str, config: dict[str, Any]) -> None:
    """Raise SpecError if the runs of a config would write their files to one place."""
    for path, value in misplaced(config):
        raise SpecError(
            f"{where}: {path}: {value!r} is the same place for every run, and they would overwrite "
            "each other's files; write a relative path, such as 'checkpoints', which lies in the "
            "folder of each run, or leave the key out"
        )


def _say_left_out(probes: Sequence[Probe], progress: Progress) -> None:
    names = dict.fromkeys(name for probe in probes for name in probe.left_out)
    if names:
        progress(f"left out: {', '.join(names)}; runs draw no progress bar")

"""Try every configuration before anything is written or any budget burnt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import RunError, SpecError, nearest
from ablate.run import Event, Finished, Launcher, Lost, Probed, Resolve, Resolved, messages
from ablate.run.jobs import do_all
from ablate.spec import AblationStudy, Arm, SearchStudy, Study, paths


@dataclass(frozen=True)
class Probe:
    """A configuration that works: resolved, with its size, its metrics and its length."""

    config: dict[str, Any]
    parameters: int
    metrics: tuple[str, ...]
    max_epochs: int


Progress = Callable[[str], None]


def check_search(study: SearchStudy, launcher: Launcher, progress: Progress) -> Probe:
    """Check a search: every parameter exists where it is active, and the base config runs.

    Raises SpecError naming the study's file position and what to do.
    """
    seed = study.seeds[0]
    points = list(study.space.covering_points())
    progress(f"checking {len(points)} points of the space")
    base = resolved_base(study, launcher)
    resolved = resolve_all(launcher, [study.at(point, seed) for _, point in points])
    for (path, point), outcome in zip(points, resolved, strict=True):
        if isinstance(outcome, SpecError):
            raise SpecError(f"{study.name}: space.{path} at {point[path]!r}: {outcome}")
        if not paths.has(outcome, path):
            known = [
                key for key in paths.flatten(outcome) if key.split(".")[0] == path.split(".")[0]
            ]
            raise SpecError(
                f"{study.name}: space.{path}: there is no such key in the config: "
                f"{nearest(path, known or paths.flatten(outcome))}"
            )
    progress("trying the config on one batch; data that is not there yet is prepared first")
    (probe,) = _probe(launcher, {study.source: base}, study.objective.metric)
    return probe


def check_ablation(
    study: AblationStudy, launcher: Launcher, progress: Progress
) -> dict[str, Probe]:
    """Check an ablation: every arm resolves and runs on one batch.

    Every arm logs the deciding metric, and every other metric is logged by one arm at least.
    """
    names = [arm.name for arm in study.arms]
    progress(f"trying {len(names)} arms on one batch; missing data is prepared first")
    resolved_base(study, launcher)
    arms = resolved_arms(study, study.arms, launcher)
    places = {f"{study.name}: arms.{name}": config for name, config in arms.items()}
    probes = _probe(launcher, places, study.objective.metric)
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


def resolved_base(study: Study, launcher: Launcher) -> dict[str, Any]:
    """Resolve the config of a study without any change; raise SpecError if it does not hold."""
    (base,) = resolve_all(launcher, [study.configured({}, study.seeds[0])])
    if isinstance(base, SpecError):
        raise SpecError(f"{study.source}: {base}")
    return base


def resolved_arms(
    study: AblationStudy, arms: Sequence[Arm], launcher: Launcher
) -> dict[str, dict[str, Any]]:
    """Resolve the configs of arms, by name; raise SpecError if one does not hold."""
    seed = study.seeds[0]
    outcomes = resolve_all(launcher, [study.configured(arm.changes, seed) for arm in arms])
    resolved = {}
    for arm, outcome in zip(arms, outcomes, strict=True):
        if isinstance(outcome, SpecError):
            raise SpecError(f"{study.name}: arms.{arm.name}: {outcome}")
        resolved[arm.name] = outcome
    return resolved


def resolve_all(
    launcher: Launcher, configs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any] | SpecError]:
    """Resolve configs on the launcher's workers, in order; a refused one gives its error."""
    jobs = [Resolve(number, dict(config)) for number, config in enumerate(configs)]
    outcomes = do_all(launcher, jobs)
    return [
        next((event.config for event in events if isinstance(event, Resolved)), None)
        or SpecError(_reason(events))
        for events in outcomes
    ]


def _probe(launcher: Launcher, configs: Mapping[str, dict[str, Any]], metric: str) -> list[Probe]:
    jobs = [
        messages.Probe(number, config, metric) for number, config in enumerate(configs.values())
    ]
    probes = []
    for where, job, events in zip(configs, jobs, do_all(launcher, jobs), strict=True):
        probed = next((event for event in events if isinstance(event, Probed)), None)
        if probed is None:
            raise SpecError(f"{where}: {_reason(events)}")
        probes.append(
            Probe(job.config, probed.parameters, tuple(probed.metrics), probed.max_epochs)
        )
    return probes


def _reason(events: Sequence[Event]) -> str:
    last = events[-1]
    if isinstance(last, Lost):
        raise RunError(f"a worker died while trying a configuration: {last.reason}")
    assert isinstance(last, Finished)  # noqa: S101
    return last.outcome.reason or "it does not resolve"

"""Try every configuration before anything is written or any budget burnt."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import RunError, SpecError, nearest
from ablate.run import Decision, Event, Finished, Job, Launcher, Lost, Probed, Ready, Resolved
from ablate.spec import AblationSpec, SearchSpec, Study, paths


@dataclass(frozen=True)
class Probe:
    """A configuration that works: resolved, with its size, its metrics and its length."""

    config: dict[str, Any]
    parameters: int
    metrics: tuple[str, ...]
    max_epochs: int


Progress = Callable[[str], None]

_ATTEMPTS = 3


def check_search(study: Study, launcher: Launcher, progress: Progress) -> Probe:
    """Check a search: every parameter exists where it is active, and the base config runs.

    Raises SpecError naming the study's file position and what to do.
    """
    assert isinstance(study.spec, SearchSpec)  # noqa: S101
    seed = study.seeds[0]
    points = list(study.space.covering_points())
    progress(f"checking {len(points)} points of the space")
    base, *resolved = resolve_all(
        launcher, [study.configured({}, seed), *(study.at(point, seed) for _, point in points)]
    )
    if isinstance(base, SpecError):
        raise SpecError(f"{study.source}: {base}")
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


def check_ablation(study: Study, launcher: Launcher, progress: Progress) -> dict[str, Probe]:
    """Check an ablation: every arm resolves, runs on one batch and logs the declared metrics."""
    assert isinstance(study.spec, AblationSpec)  # noqa: S101
    seed = study.seeds[0]
    names = [arm.name for arm in study.arms]
    progress(f"trying {len(names)} arms on one batch; missing data is prepared first")
    base, *arms = resolve_all(
        launcher,
        [study.configured({}, seed), *(study.configured(a.changes, seed) for a in study.arms)],
    )
    if isinstance(base, SpecError):
        raise SpecError(f"{study.source}: {base}")
    configs: dict[str, dict[str, Any]] = {}
    for name, outcome in zip(names, arms, strict=True):
        if isinstance(outcome, SpecError):
            raise SpecError(f"{study.name}: arms.{name}: {outcome}")
        configs[f"{study.name}: arms.{name}"] = outcome
    probes = _probe(launcher, configs, study.objective.metric)
    for name, probe in zip(names, probes, strict=True):
        for metric in study.spec.metrics:
            if metric not in probe.metrics:
                raise SpecError(
                    f"{study.name}: metrics.{metric}: the arm {name!r} never logs it: "
                    f"{nearest(metric, probe.metrics)}"
                )
    return dict(zip(names, probes, strict=True))


def resolve_all(
    launcher: Launcher, configs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any] | SpecError]:
    """Resolve configs on the launcher's workers, in order; a refused one gives its error."""
    jobs = [Job(number, "resolve", dict(config)) for number, config in enumerate(configs)]
    outcomes = _do(launcher, jobs)
    return [
        next((event.config for event in events if isinstance(event, Resolved)), None)
        or SpecError(_reason(events))
        for events in outcomes
    ]


def _probe(launcher: Launcher, configs: Mapping[str, dict[str, Any]], metric: str) -> list[Probe]:
    jobs = [
        Job(number, "probe", config, metric=metric)
        for number, config in enumerate(configs.values())
    ]
    probes = []
    for where, job, events in zip(configs, jobs, _do(launcher, jobs), strict=True):
        probed = next((event for event in events if isinstance(event, Probed)), None)
        if probed is None:
            raise SpecError(f"{where}: {_reason(events)}")
        probes.append(
            Probe(job.config, probed.parameters, tuple(probed.metrics), probed.max_epochs)
        )
    return probes


def _do(launcher: Launcher, jobs: Sequence[Job]) -> list[list[Event]]:
    """Do independent jobs and return the events of each, in the order of the jobs.

    A job whose worker dies is done again, a few times.
    """
    events: dict[int, list[Event]] = {job.id: [] for job in jobs}
    losses: Counter[int] = Counter()
    ended: set[int] = set()
    queue = list(jobs)

    def handle(event: Event) -> Decision:
        assert not isinstance(event, Ready)  # noqa: S101 - the launcher keeps those
        events[event.job].append(event)
        losses[event.job] += isinstance(event, Lost)
        if isinstance(event, Lost) and losses[event.job] < _ATTEMPTS:
            queue.extend(job for job in jobs if job.id == event.job)
        elif isinstance(event, (Finished, Lost)):
            ended.add(event.job)
        return "continue"

    while len(ended) < len(jobs):
        while queue and launcher.free:
            launcher.submit([queue.pop(0)])
        launcher.poll(handle, 1.0)
    return [events[job.id] for job in jobs]


def _reason(events: Sequence[Event]) -> str:
    last = events[-1]
    if isinstance(last, Lost):
        raise RunError(f"a worker died while trying a configuration: {last.reason}")
    assert isinstance(last, Finished)  # noqa: S101
    return last.reason or "it does not resolve"

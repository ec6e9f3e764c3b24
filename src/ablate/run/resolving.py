"""Fill in every default of configurations, on a launcher's workers."""

from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ablate.errors import RunError, SpecError
from ablate.run.jobs import do_all
from ablate.run.launchers.seam import Launcher
from ablate.run.messages import Answered, Call, Event, Finished, Lost, Resolve, Resolved
from ablate.spec import AblationStudy, Arm, Study, Trust
from ablate.spec.scripts import advice

_TAKEN = "ablate.run.config_errors:taken"


def resolve_all(
    launcher: Launcher,
    configs: Sequence[Mapping[str, Any]],
    cli: str | None = None,
    declared: Sequence[Collection[str]] = (),
    trust: Trust | None = None,
) -> list[dict[str, Any] | SpecError]:
    """Resolve configs on the launcher's workers, in order; a refused one gives its error.

    `declared` has the paths that are declared for each of them, `trust` what they may name if they
    come from a database. Raises RunError if a worker dies.
    """
    jobs = [
        Resolve(number, dict(config), cli, tuple(paths), trust)
        for number, (config, paths) in enumerate(zip_longest(configs, declared, fillvalue=()))
    ]
    return [_resolved(events) for events in do_all(launcher, jobs)]


def resolve_base(study: Study, launcher: Launcher) -> dict[str, Any]:
    """Resolve the config of a study without any change; raise SpecError if it does not hold."""
    configured = study.configured({}, study.seeds[0])
    (base,) = resolve_all(launcher, [configured], study.cli, trust=study.trust)
    if isinstance(base, SpecError):
        raise _refused(study, str(study.source), base)
    return base


def resolve_arms(
    study: AblationStudy, arms: Sequence[Arm], launcher: Launcher
) -> dict[str, dict[str, Any]]:
    """Resolve the configs of arms, by name; raise SpecError if one does not hold."""
    seed = study.seeds[0]
    outcomes = resolve_all(
        launcher,
        [study.configured(arm.changes, seed) for arm in arms],
        study.cli,
        [arm.changes for arm in arms],
        study.trust,
    )
    resolved = {}
    for arm, outcome in zip(arms, outcomes, strict=True):
        if isinstance(outcome, SpecError):
            resolve_base(study, launcher)  # what is wrong without the arm is not the arm's fault
            raise _refused(study, f"{study.name}: arms.{arm.name}", outcome)
        resolved[arm.name] = outcome
    return resolved


def _refused(study: Study, where: str, error: SpecError) -> SpecError:
    """Say where a config does not hold, and what it may need that the study does not name."""
    needs = advice(study.definition.config, study.folder) if study.cli is None else None
    placed = error.at(where)
    return placed.adding(needs) if needs else placed


def taken_arguments(
    launcher: Launcher, path: str, class_path: str, arguments: Mapping[str, Any]
) -> list[str]:
    """Say which of some arguments the class of the object at a path takes."""
    asked = {"path": path, "class_path": class_path, "init_args": dict(arguments)}
    (events,) = do_all(launcher, [Call(0, asked, _TAKEN, {})])
    answer = next((event for event in events if isinstance(event, Answered)), None)
    return [] if answer is None else list(answer.result["names"])


def refusal(events: Sequence[Event]) -> SpecError:
    """Say why a configuration was refused; raise RunError if the worker died."""
    last = events[-1]
    if isinstance(last, Lost):
        raise RunError(f"a worker died while trying a configuration: {last.reason}")
    assert isinstance(last, Finished)  # noqa: S101
    reason, raised = last.outcome.reason or "it does not resolve", last.raised
    if raised and raised.frame:
        reason += f" ({raised.frame})"
    error = SpecError(reason)
    error.traceback = raised.traceback if raised else None
    return error


def _resolved(events: Sequence[Event]) -> dict[str, Any] | SpecError:
    for event in events:
        if isinstance(event, Resolved):
            return event.config
    return refusal(events)

"""Fill in every default of configurations, on a launcher's workers."""

from collections.abc import Mapping, Sequence
from typing import Any

from ablate.errors import RunError, SpecError
from ablate.run.jobs import do_all
from ablate.run.launchers.seam import Launcher
from ablate.run.messages import Event, Finished, Lost, Resolve, Resolved
from ablate.spec import AblationStudy, Arm, Study


def resolve_all(
    launcher: Launcher, configs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any] | SpecError]:
    """Resolve configs on the launcher's workers, in order; a refused one gives its error.

    Raises RunError if a worker dies.
    """
    jobs = [Resolve(number, dict(config)) for number, config in enumerate(configs)]
    return [_resolved(events) for events in do_all(launcher, jobs)]


def resolve_base(study: Study, launcher: Launcher) -> dict[str, Any]:
    """Resolve the config of a study without any change; raise SpecError if it does not hold."""
    (base,) = resolve_all(launcher, [study.configured({}, study.seeds[0])])
    if isinstance(base, SpecError):
        raise base.at(str(study.source))
    return base


def resolve_arms(
    study: AblationStudy, arms: Sequence[Arm], launcher: Launcher
) -> dict[str, dict[str, Any]]:
    """Resolve the configs of arms, by name; raise SpecError if one does not hold."""
    seed = study.seeds[0]
    outcomes = resolve_all(launcher, [study.configured(arm.changes, seed) for arm in arms])
    resolved = {}
    for arm, outcome in zip(arms, outcomes, strict=True):
        if isinstance(outcome, SpecError):
            raise outcome.at(f"{study.name}: arms.{arm.name}")
        resolved[arm.name] = outcome
    return resolved


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

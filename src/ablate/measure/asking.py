"""Ask workers what configurations are."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from ablate.errors import RunError
from ablate.plan.facts import Facts
from ablate.run import Answered, Call, Event, Finished, Job, Launcher, Lost
from ablate.run.jobs import do_all
from ablate.spec import Config, Trust

_LOOK = "ablate.measure.looking:look"
SECONDS = 10.0


@dataclass(frozen=True)
class Asked:
    """What to find out: with `steps` a few are made, for memory and operations.

    `time` has whole steps and a validation timed, for about `seconds` each.
    """

    steps: bool = True
    time: bool = False
    seconds: float = SECONDS

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, to be sent as JSON."""
        return asdict(self)

    @staticmethod
    def of(data: Mapping[str, Any]) -> "Asked":
        """Read what `as_dict` gave, also after a journey through JSON."""
        return _READER.validate_python(data)


_READER = TypeAdapter(Asked)


def _silent(_: int) -> None:
    """Tell nobody."""


def look_at(
    launcher: Launcher,
    configs: Sequence[Config],
    asked: Asked,
    *,
    cli: str | None = None,
    trust: Trust | None = None,
    on_end: Callable[[int], None] = _silent,
    patience: float = math.inf,
) -> list[Facts | RunError]:
    """Build and try resolved configurations on a launcher's workers; a failing one gives its error.

    `on_end` is told which has ended. What is not there after so many seconds of `patience` is
    given up with the launcher. Nothing is written.
    """
    jobs = [
        Call(number, dict(config), _LOOK, {"asked": asked.as_dict()}, cli, trust)
        for number, config in enumerate(configs)
    ]

    def tell(job: Job) -> None:
        on_end(job.id)

    return [_looked(events) for events in do_all(launcher, jobs, tell, patience)]


def _looked(events: Sequence[Event]) -> Facts | RunError:
    answer = next((event for event in events if isinstance(event, Answered)), None)
    if answer is not None:
        return Facts.of(answer.result)
    match events[-1] if events else None:
        case None:
            return RunError("building it takes too long")
        case Finished(outcome=end) if end.reason:
            return RunError(end.reason)
        case Lost(reason=reason):
            return RunError(reason)
    return RunError("it failed without a reason")

"""Messages on their way: one JSON line each, tagged with the name of its class."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, get_args

from ablate.errors import RunError
from ablate.plan.goals import judgement, plain
from ablate.run.environment import WorkerFacts
from ablate.run.frames import Frame
from ablate.run.messages import Command, Event, Group, GroupMeans, Job, Judged, Probe, Raised, Run
from ablate.spec import Cause, Direction, Goals, Outcome, Status, Trust

_TAG = "message"


def encode(message: Event | Command) -> bytes:
    """Write a message as one line."""
    return json.dumps(_tagged(message)).encode() + b"\n"


def decode_event(line: bytes) -> Event:
    """Read what a worker tells; raise RunError if it is no event."""
    event: Event = _message(_parsed(line), _EVENTS)
    return event


def decode_command(line: bytes) -> Command:
    """Read what a worker is told; raise RunError if it is no command."""
    command: Command = _message(_parsed(line), _COMMANDS)
    return command


def _tagged(message: Event | Command | Job) -> dict[str, Any]:
    if isinstance(message, Group):
        fields: dict[str, Any] = {"jobs": [_tagged(job) for job in message.jobs]}
    else:
        fields = {**asdict(message), **_own(message)}
    return {_TAG: type(message).__name__, **fields}


def _own(message: Event | Command | Job) -> dict[str, Any]:
    """Return the fields that are no plain data once they are taken apart."""
    if isinstance(message, Judged):
        return {"judgement": plain(message.judgement)}
    if isinstance(message, Run | Probe):
        return {"goals": message.goals.model_dump(mode="json")}
    return {}


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise RunError(f"a worker's pipe carried {line[:80]!r}, which is no message") from error


def _message(data: Any, kinds: Mapping[str, type[Any]]) -> Any:
    tag = data.get(_TAG) if isinstance(data, dict) else None
    kind = kinds.get(str(tag))
    if kind is None:
        raise RunError(
            f"a worker's pipe carried a message of the unknown kind {tag!r} "
            f"(known: {', '.join(kinds)}): the command and its workers must run one version of "
            "ablate"
        )
    try:
        return kind(**{k: _reader(kind, k)(v) for k, v in data.items() if k != _TAG})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"a worker's pipe carried a {tag} that does not hold: {error}") from error


def _reader(kind: type[Any], name: str) -> Callable[[Any], Any]:
    return _READ.get(f"{kind.__name__}.{name}", _READ.get(name, _plain))


def _plain(value: Any) -> Any:
    return value


def _outcome(data: Mapping[str, Any]) -> Outcome:
    cause = data["cause"]
    return Outcome(Status(data["status"]), None if cause is None else Cause(cause), data["reason"])


def _raised(data: Mapping[str, Any] | None) -> Raised | None:
    if data is None:
        return None
    frame = data["frame"]
    return Raised(None if frame is None else Frame(**frame), data["traceback"])


def _direction(data: str | None) -> Direction | None:
    return None if data is None else Direction(data)


def _groups(data: list[Any]) -> tuple[GroupMeans, ...]:
    return tuple(
        GroupMeans(
            **{**item, "means": {group: (mean, n) for group, (mean, n) in item["means"].items()}}
        )
        for item in data
    )


def _trust(data: Mapping[str, Any] | None) -> Trust | None:
    return None if data is None else Trust(**{name: tuple(data[name]) for name in data})


def _jobs(data: list[Any]) -> tuple[Job, ...]:
    return tuple(_message(job, _JOBS) for job in data)


def _named(union: Any) -> dict[str, type[Any]]:
    return {kind.__name__: kind for kind in get_args(union)}


_EVENTS, _COMMANDS, _JOBS = _named(Event), _named(Command), _named(Job)

_READ: dict[str, Callable[[Any], Any]] = {
    "best": _direction,
    "cause": Cause,
    "declared": tuple,
    "Finished.facts": _plain,
    "facts": WorkerFacts.of,
    "goals": Goals.model_validate,
    "groups": _groups,
    "ids": tuple,
    "jobs": _jobs,
    "judgement": judgement,
    "measures": tuple,
    "outcome": _outcome,
    "raised": _raised,
    "trust": _trust,
}
"""How the fields are read that are not plain JSON, by name or by message and name."""

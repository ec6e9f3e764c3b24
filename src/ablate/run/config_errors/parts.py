"""Jsonargparse, asked about each part of a config alone.

It gives the key of a mistake only in prose, and not at all where several objects of one class
stand in a list. Asked about one argument of one class, it leaves no doubt which key is meant.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ablate.run.config_errors import classes, text
from ablate.run.config_errors.shape import (
    OBJECTS,
    SECTIONS,
    TRAINER_OBJECTS,
    unknown,
)
from ablate.run.flavours import strange
from ablate.spec import paths

_BASES: dict[str, type] = dict(
    zip(OBJECTS, (LightningModule, LightningDataModule, Optimizer, LRScheduler), strict=True)
) | dict(zip((f"trainer.{name}" for name in TRAINER_OBJECTS), (Callback, Logger), strict=True))
_GIVEN_BY_LIGHTNING = {"optimizer": {"params"}, "lr_scheduler": {"optimizer"}}


def refused(config: dict[str, Any]) -> str | None:
    """Explain the smallest part of a config that is refused; None if none is refused alone."""
    for section in OBJECTS:
        if reason := _object(section, config.get(section)):
            return reason
    trainer = config.get("trainer")
    return _arguments("trainer", Trainer, trainer) if isinstance(trainer, dict) else None


def taken(described: Mapping[str, Any]) -> dict[str, Any]:
    """Name those of some arguments, `init_args`, that the class of the object at `path` takes."""
    arguments = described["init_args"]
    target = classes.find(described["class_path"], base_of(described["path"]))
    if not callable(target) or isinstance(target, classes.Missing):
        return {"names": []}
    known = _names(target)
    names = [
        name
        for name, value in arguments.items()
        if name in known and _refusal(target, {name: value}, skip=known - {name}) is None
    ]
    return {"names": names}


def unknown_key(path: str, config: dict[str, Any]) -> str:
    """Say that a config's key is unknown, with the nearest of those that may stand in its place."""
    above = paths.parse(path)[:-1]
    if not above:
        return unknown(path, SECTIONS)
    if above == ("trainer",):
        return unknown(path, _names(Trainer))
    if above[-1] != "init_args":
        return unknown(path, paths.CLASS_KEYS if paths.render(above) in _BASES else ())
    target = _target(above[:-1], config)
    return unknown(path, _names(target) if callable(target) else ())


def _target(keys: tuple[paths.Key, ...], config: dict[str, Any]) -> Any:
    """Return the class or function of the object that a config describes at a path."""
    path = paths.render(keys)
    name = str(paths.get(config, path).get("class_path", ""))
    if (base := base_of(path)) is not None or "init_args" not in keys:
        return classes.find(name, base)
    last = max(index for index, key in enumerate(keys) if key == "init_args")
    owner = _target(keys[:last], config)
    return classes.find_among(name, classes.accepted(owner, str(keys[last + 1])))


def base_of(path: str) -> type | None:
    """Return the class that the object at a path must be derived from, where the path says."""
    return _BASES.get(re.sub(r"\[\d+\]$", "", path))


def _object(path: str, node: Any, bases: Sequence[type] = ()) -> str | None:
    """Explain what is refused of one described object: its class, or one of its arguments.

    `bases` are what it may be an instance of, where the path does not say it.
    """
    name, key = (node, path) if isinstance(node, str) else (None, f"{path}.class_path")
    arguments: Any = {}
    if isinstance(node, dict):
        name, arguments = node.get("class_path"), node.get("init_args", {})
    if not isinstance(name, str):
        return None
    base = base_of(path)
    target = classes.find(name, base) if base else classes.find_among(name, bases)
    if isinstance(target, classes.Missing):
        return f"{key}: {target.reason}"
    if base and isinstance(target, type) and not issubclass(target, base):
        why = strange(target)
        return f"{path}: {name} is no {base.__name__}" + (f": {why}" if why else "")
    if not callable(target) or not isinstance(arguments, dict):
        return None
    return _arguments(f"{path}.init_args", target, arguments) or _lacking(path, target, arguments)


def _arguments(prefix: str, target: Any, arguments: dict[str, Any]) -> str | None:
    """Explain the first argument of a class or function that is unknown or refused."""
    known = _names(target)
    for name, value in arguments.items():
        path = f"{prefix}.{name}"
        if known and name not in known:
            return unknown(path, known)
        message = _refusal(target, {name: value}, skip=known - {name})
        if message is not None:
            return _smaller(path, value, target) or _worded(path, value, message)
    return None


def _smaller(path: str, value: Any, target: Any) -> str | None:
    """Explain the part of a refused value that is refused: an object in it, or a list's item."""
    name = str(paths.parse(path)[-1])
    bases = classes.accepted(target, name)
    for at, node in _described(path, value):
        if reason := _object(at, node, bases):
            return reason
    if not isinstance(value, list) or len(value) < 2:
        return None
    skip = _names(target) - {name}
    messages = [_refusal(target, {name: [item]}, skip) for item in value]
    at_fault = [index for index, message in enumerate(messages) if message is not None]
    if not at_fault or len(at_fault) == len(value):
        return None
    index = at_fault[0]
    return _worded(f"{path}[{index}]", value[index], str(messages[index]))


def _described(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the objects that a value describes, not those inside them."""
    if isinstance(value, dict) and "class_path" in value:
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _described(f"{path}.{name}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _described(f"{path}[{index}]", item)
    elif isinstance(value, str) and base_of(path) is not None:
        yield path, value


def _lacking(path: str, target: Any, arguments: dict[str, Any]) -> str | None:
    """Explain why arguments that are all accepted are refused together: one is missing."""
    if base_of(path) is None:
        return None
    message = _refusal(target, arguments, _GIVEN_BY_LIGHTNING.get(path, set()))
    return _worded(f"{path}.init_args", arguments, message) if message is not None else None


def _worded(path: str, value: Any, message: str) -> str:
    """Join path and reason, with the keys that the message adds to the path."""
    keys, reason = text.read(message)
    name = path.rpartition(".")[2].partition("[")[0]
    inner = [key for key in keys if key != name]
    if inner and inner[0].startswith(f"{name}."):
        path, inner = path + inner[0].removeprefix(name), inner[1:]
    advice = ""
    if "Expected a str" in reason and isinstance(value, (bool, int, float)):
        advice = f"; in quotes it is text: '{value}'"
    return ": ".join([path, *inner, reason]) + advice


def _parser(target: Any, skip: set[str]) -> tuple[ArgumentParser, list[str]]:
    parser = ArgumentParser(exit_on_error=False)
    add = parser.add_class_arguments if isinstance(target, type) else parser.add_function_arguments
    return parser, add(target, fail_untyped=False, skip=set(skip))


def _names(target: Any) -> set[str]:
    """List the arguments that jsonargparse accepts for a class, those it passes on too."""
    try:
        names = _parser(target, set())[1]
    except ValueError:
        return set()
    return {name.partition(".")[0] for name in names}


def _refusal(target: Any, arguments: dict[str, Any], skip: set[str]) -> str | None:
    """Return what jsonargparse says against some arguments of a class; None if nothing."""
    try:
        parser = _parser(target, skip)[0]
        # What an object inside these arguments lacks is noticed only when they are written.
        parser.dump(parser.parse_object(paths.fresh(arguments)))
    except ArgumentError as error:
        return str(error)
    except ValueError:
        return None
    return None

"""Defaults that can't be written as YAML: marked in a resolved config, built as they are."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from ablate.errors import SpecError
from ablate.run.config_errors import classes
from ablate.run.default_sources import default_of, default_value, read_marker
from ablate.spec import paths
from ablate.spec.paths import Key

_ABSENT: Any = object()
_SCALARS = (type(None), bool, int, float, str)


def left_to_code(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config without its marked defaults, so that constructors use their own.

    Raises SpecError where a recorded default is another one now, or where a config changes a part
    of a default that it does not describe.
    """
    return {key: _without(value, (key,)) for key, value in config.items()}


def recorded(
    parser: ArgumentParser,
    config: Namespace,
    written: Mapping[str, Any],
    owners: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a parsed config as plain data, with marks for the defaults that are not plain data.

    `written` is the config before it was parsed; `owners` are the classes of the sections that
    name none. A value is written if reading it gives it again, and is marked otherwise.
    """
    kept = config.clone(with_meta=False)
    notes = _Notes()
    for key, value in list(kept.items(branches=True, nested=False)):
        if isinstance(value, Namespace) and "class_path" not in value:
            _arguments(value, written.get(key), (key,), owners.get(key), notes)
        else:
            _objects(value, written.get(key), (key,), notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of text that takes no effect: see _as_parsed
        text = parser.dump(kept, format="yaml", skip_unset=False, skip_link_targets=False)
    result: dict[str, Any] = _as_parsed(kept, yaml.safe_load(text))
    for keys, value in notes.instead.items():
        _node(result, keys[:-1])[keys[-1]] = value
    for keys, names in notes.order.items():
        node = _node(result, keys)
        moved = {name: node.pop(name) for name in names if name in node}
        node.update(moved)
    return result


@dataclass
class _Notes:
    """What is recorded in place of what jsonargparse would write, and the order of arguments."""

    instead: dict[tuple[Key, ...], Any] = field(default_factory=dict)
    order: dict[tuple[Key, ...], list[str]] = field(default_factory=dict)


def _objects(value: Any, written: Any, keys: tuple[Key, ...], notes: _Notes) -> None:
    """Go through the objects that a value describes."""
    if isinstance(value, Namespace) and "class_path" in value:
        arguments = value.get("init_args")
        if isinstance(arguments, Namespace):
            given = written.get("init_args") if isinstance(written, dict) else None
            owner = _target(value["class_path"])
            _arguments(arguments, given, (*keys, "init_args"), owner, notes)
    elif isinstance(value, list):
        items = written if isinstance(written, list) else [written]
        for index, item in enumerate(value):
            given = items[index] if index < len(items) else None
            _objects(item, given, (*keys, index), notes)
    elif isinstance(value, dict):
        for name, item in value.items():
            given = written.get(name) if isinstance(written, dict) else None
            _objects(item, given, (*keys, name), notes)


def _arguments(
    node: Namespace, written: Any, keys: tuple[Key, ...], owner: Any, notes: _Notes
) -> None:
    """Take the arguments of an object out of a parsed config that can't be written."""
    items = list(node.items(branches=True, nested=False))
    for name, value in items:
        given = written.get(name, _ABSENT) if isinstance(written, dict) else _ABSENT
        here = (*keys, name)
        if not _is_odd(value):
            _objects(value, given, here, notes)
        elif isinstance(value, Namespace) and given is not _ABSENT:
            _arguments(value, given, here, None, notes)
        elif not _is_read_again(owner, name, value):
            text = str(default_of(owner, name, value))
            notes.instead[here] = text if given is _ABSENT else paths.fresh(given)
            notes.order[keys] = [key for key, _ in items]
            node.pop(name)


def _is_odd(value: Any) -> bool:
    """Say whether a parsed value holds what YAML has no type for."""
    if isinstance(value, Namespace):
        plain = "class_path" in value
        return not plain and any(_is_odd(item) for item in vars(value).values())
    if type(value) is dict:
        return any(type(key) is not str or _is_odd(item) for key, item in value.items())
    if type(value) is list:
        return any(_is_odd(item) for item in value)
    return type(value) not in _SCALARS


def _is_read_again(owner: Any, name: str, value: Any) -> bool:
    """Say whether jsonargparse reads an argument as the very value that it wrote."""
    try:
        parser = _parser_of(owner, name)
        alone = Namespace(**{name: value})  # type: ignore[no-untyped-call]
        text = parser.dump(alone, skip_unset=False)
        stored = json.loads(json.dumps(yaml.safe_load(text)))  # where every key becomes text
        return _equal(parser.parse_object(stored).get(name), value)
    except (ArgumentError, AttributeError, TypeError, ValueError, yaml.YAMLError):
        return False


def _parser_of(owner: Any, name: str) -> ArgumentParser:
    """Return a parser of one argument of a class or function."""
    parser = ArgumentParser(exit_on_error=False)
    if owner is None:
        parser.add_argument(f"--{name}", type=Any)
        return parser
    add = "add_class_arguments" if isinstance(owner, type) else "add_function_arguments"
    every = getattr(ArgumentParser(), add)(owner, fail_untyped=False)
    skip = {other.partition(".")[0] for other in every} - {name}
    getattr(parser, add)(owner, fail_untyped=False, skip=skip)
    return parser


def _equal(one: Any, other: Any) -> bool:
    """Say whether two values are of the same types throughout, and equal."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Namespace):
        one, other = vars(one), vars(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return (one == other) is True


def _as_parsed(parsed: Any, dumped: Any) -> Any:
    """Put the texts of a parsed config in the place of what they were written as.

    A name is no function: of Union[Callable, str], jsonargparse writes that it can't be imported.
    """
    if isinstance(parsed, Namespace):
        parsed = vars(parsed)
    if isinstance(parsed, dict) and isinstance(dumped, dict):
        return {key: _as_parsed(parsed.get(key), value) for key, value in dumped.items()}
    if isinstance(parsed, list) and isinstance(dumped, list) and len(parsed) == len(dumped):
        return [_as_parsed(*pair) for pair in zip(parsed, dumped, strict=True)]
    return parsed if type(parsed) is str and isinstance(dumped, str) else dumped


def _node(config: Any, keys: tuple[Key, ...]) -> Any:
    """Return the mapping at some keys; one that is missing is made."""
    for key in keys:
        config = config[key] if isinstance(key, int) else config.setdefault(key, {})
    return config


def _target(class_path: Any) -> Any:
    """Return the class or function of a full import path, None if there is none."""
    found = classes.find(class_path, None) if isinstance(class_path, str) else None
    return None if isinstance(found, classes.Missing) else found


def _without(value: Any, keys: tuple[Key, ...]) -> Any:
    if isinstance(value, list):
        return [_without(item, (*keys, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    result = {
        key: _without(item, (*keys, key))
        for key, item in value.items()
        if read_marker(item) is None
    }
    target = _target(value.get("class_path"))
    arguments = value.get("init_args")
    if target is not None and isinstance(arguments, dict):
        for name, item in arguments.items():
            _check(target, name, item, paths.render((*keys, "init_args", name)))
    return result


def _check(target: Any, name: str, value: Any, path: str) -> None:
    """Raise SpecError if what a config says of a default does not hold."""
    if (marked := read_marker(value)) is not None:
        now = default_of(target, name, default_value(target, name))
        if now.source != marked.source:
            raise SpecError(
                f"{path}: recorded is the default of {marked.owner}, {marked.source}, which is "
                f"{now.source} in today's code; give the argument a value, or go back to that code"
            )
    elif isinstance(value, dict) and value and value.keys() <= {"init_args", "dict_kwargs"}:
        default = default_value(target, name)
        if _is_odd(default) and _is_opaque(target, name):
            source = default_of(target, name, default)
            raise SpecError(
                f"{path}.{next(iter(value))}: {path} is a default of {source.owner}, "
                f"{source.source}, whose parts no config can change; describe the whole object "
                "with class_path and init_args"
            )


def _is_opaque(target: Any, name: str) -> bool:
    """Say whether jsonargparse takes the default of an argument as an object, not a description."""
    try:
        return not isinstance(_parser_of(target, name).get_defaults().get(name), Namespace)
    except (ArgumentError, TypeError, ValueError):
        return True

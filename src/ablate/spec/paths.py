"""Dotted paths into a configuration, such as `optimizer.init_args.betas[0]`."""

import re
from typing import Any

from ablate.errors import SpecError, quoted

Key = str | int
CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")
"""The keys that describe an object: its class, and what it is built with."""

_CLASS = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_STEP = re.compile(r"([^.\[\]]+)((?:\[[0-9]{1,9}\])*)")
_LONGEST = 100
"""Keys of a path; a YAML file has no more levels."""


def parse(path: str) -> tuple[Key, ...]:
    """Split a dotted path into its keys; raise SpecError if it is malformed."""
    keys: list[Key] = []
    if (count := path.count(".") + path.count("[") + 1) > _LONGEST:
        raise SpecError(f"{quoted(path)} has {count} keys; a path has at most {_LONGEST}")
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise SpecError(
                f"{quoted(path)} is not a path: write keys joined by dots, list items as [0], "
                "for example optimizer.init_args.betas[0]"
            )
        keys.append(match[1])
        keys += [int(index) for index in re.findall(r"[0-9]+", match[2])]
    return tuple(keys)


def render(keys: tuple[Key, ...]) -> str:
    """Join keys into a dotted path, the inverse of `parse`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")


def get(config: Any, path: str) -> Any:
    """Return the value at `path`; raise KeyError naming the part that is missing."""
    node = config
    keys = parse(path)
    for depth, key in enumerate(keys):
        if isinstance(key, int):
            found = isinstance(node, list) and key < len(node)
        else:
            found = isinstance(node, dict) and key in node
        if not found:
            raise KeyError(render(keys[: depth + 1]))
        node = node[key]
    return node


def has(config: Any, path: str) -> bool:
    """Say whether `path` exists in `config`."""
    try:
        get(config, path)
    except KeyError:
        return False
    return True


def overlap(one: str, other: str) -> bool:
    """Say whether two paths are equal or one leads into the other."""
    short, long = sorted((one, other), key=len)
    return long == short or long.startswith((f"{short}.", f"{short}["))


def fresh(value: Any) -> Any:
    """Copy plain data so that no part of it is shared, not even what a YAML alias repeats."""
    if isinstance(value, dict):
        return {key: fresh(item) for key, item in value.items()}
    if isinstance(value, list):
        return [fresh(item) for item in value]
    return value


def same(left: Any, right: Any) -> bool:
    """Say whether two plain values are equal; `true` and 1 are not."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def put(config: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at `path` in place, making missing mappings on the way.

    Raises SpecError where the path crosses a value that holds no such key.
    """
    keys = parse(path)
    node: Any = config
    for depth, key in enumerate(keys[:-1]):
        section = isinstance(key, str) and isinstance(keys[depth + 1], str)
        if section and isinstance(node, dict) and node.get(key) is None:
            node[key] = {}
        elif _is_named_class(node, key) and keys[depth + 1] in CLASS_KEYS:
            node[key] = {"class_path": node[key]}
        node = _step(node, key, keys[: depth + 1])
    last = keys[-1]
    if isinstance(last, str) and isinstance(node, dict):
        node[last] = value
    else:
        _step(node, last, keys)
        node[last] = value


def _is_named_class(node: Any, key: Key) -> bool:
    """Say whether there is what may be the name of a class, which it has no arguments for."""
    found = node.get(key) if isinstance(node, dict) else None
    return isinstance(found, str) and _CLASS.fullmatch(found) is not None


def _step(node: Any, key: Key, keys: tuple[Key, ...]) -> Any:
    if isinstance(key, int) and isinstance(node, list) and key < len(node):
        return node[key]
    if isinstance(key, str) and isinstance(node, dict) and key in node:
        return node[key]
    found = quoted(node)
    if isinstance(node, dict):
        found = "a mapping"
    elif isinstance(node, list):
        found = f"a list of {len(node)}"
    raise SpecError(
        f"{render(keys)}: there is {found} at {render(keys[:-1]) or 'the top'}, "
        f"which has no {quoted(key)}"
    )


def flatten(config: Any) -> dict[str, Any]:
    """Map every leaf's path to its value; empty mappings and lists are leaves."""
    leaves: dict[str, Any] = {}

    def walk(node: Any, keys: tuple[Key, ...]) -> None:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                walk(value, (*keys, str(key)))
        elif isinstance(node, list) and node:
            for index, value in enumerate(node):
                walk(value, (*keys, index))
        else:
            leaves[render(keys)] = node

    walk(config, ())
    return leaves

"""Mistakes that the shape of a config shows, before any class is known."""

from collections.abc import Iterable, Iterator
from typing import Any

from ablate.errors import nearest
from ablate.spec import paths

OBJECTS = ("model", "data", "optimizer", "lr_scheduler")
SECTIONS = ("seed_everything", *OBJECTS, "trainer")
TRAINER_OBJECTS = ("callbacks", "logger")


def unknown(path: str, known: Iterable[str]) -> str:
    """Say that the key at the end of a path is unknown, with the nearest of those known."""
    key = str(paths.parse(path)[-1])
    return f"{path}: unknown key {key!r}: {nearest(key, known)}"


def misplaced_section(config: dict[str, Any]) -> str | None:
    """Find a section that is no mapping; some of these jsonargparse overlooks."""
    for section in (*OBJECTS, "trainer"):
        value = config.get(section)
        if value is not None and not isinstance(value, (dict, str)):
            keys = "class_path and init_args" if section in OBJECTS else "its arguments"
            return _not_a_mapping(section, value, f"write {keys} below it")
    return None


def misplaced_key(config: dict[str, Any]) -> str | None:
    """Find an unknown top-level key, or a key or value that no description of a class has."""
    for key in config:
        if key not in SECTIONS:
            return unknown(str(key), SECTIONS)
    for path, node in described(config):
        if isinstance(node, dict) and (fault := _fault(path, node)):
            return fault
    return None


def described(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the path and the description of every object that a config must name the class of."""
    yield from ((name, config.get(name)) for name in OBJECTS)
    trainer = config.get("trainer")
    for name in TRAINER_OBJECTS:
        value = trainer.get(name) if isinstance(trainer, dict) else None
        several = value if isinstance(value, list) else []
        yield from ((f"trainer.{name}[{index}]", item) for index, item in enumerate(several))
        yield f"trainer.{name}", value


def _fault(path: str, node: dict[str, Any]) -> str | None:
    for key in node:
        if key not in paths.CLASS_KEYS:
            return unknown(f"{path}.{key}", paths.CLASS_KEYS)
    if not isinstance(node.get("class_path", ""), str):
        return f"{path}.class_path: {node['class_path']!r} names no class: write module.Class"
    for key in ("init_args", "dict_kwargs"):
        if key in node and not isinstance(node[key], dict):
            advice = "write the arguments as name: value, or leave the key out"
            return _not_a_mapping(f"{path}.{key}", node[key], advice)
    return None


def _not_a_mapping(path: str, value: Any, advice: str) -> str:
    found = "null" if value is None else "a list" if isinstance(value, list) else repr(value)
    return f"{path}: there is {found} where a mapping belongs: {advice}"

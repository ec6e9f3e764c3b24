"""Configurations laid over each other, changed by path, and compared."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from ablate.errors import SpecError
from ablate.spec import paths
from ablate.spec.fields import Changes, Config
from ablate.spec.hashing import content_hash

_KEY = re.compile(r"[^.\[\]]+")


Takes = Callable[[str, str, Mapping[str, Any]], Collection[str]]
"""Says which arguments of an earlier class another one takes: path, class, arguments by name."""


def _takes_none(*_: Any) -> Collection[str]:
    return ()


def merged(configs: Sequence[Config], takes: Takes = _takes_none) -> dict[str, Any]:
    """Lay configs over each other: mappings merge, everything else is replaced.

    What stands under `KEY+` is appended to the list at `KEY`, as with several `--config` options.
    A section whose `class_path` changes keeps the arguments that the new class takes, too.
    """
    result: dict[str, Any] = {}
    for config in configs:
        result = _laid_over(result, config, (), takes)
    return result


def _laid_over(base: Any, top: Any, above: tuple[str, ...], takes: Takes) -> Any:
    if not (isinstance(base, dict) and isinstance(top, dict)):
        return paths.fresh(top)
    named = top.get("class_path", base.get("class_path"))
    if named != base.get("class_path"):
        before = base.get("init_args")
        if not (isinstance(named, str) and isinstance(before, dict) and before):
            return paths.fresh(top)
        names = takes(paths.render(above), named, before)
        kept = {name: value for name, value in before.items() if name in names}
        base = {"class_path": named, "init_args": kept} if kept else {}
    result = dict(base)
    for key, value in top.items():
        plain = str(key).removesuffix("+")
        if plain != key and (plain in result or key in result):
            place = plain if plain in result else key
            result[place] = [*_listed(result[place]), *_listed(paths.fresh(value))]
        elif key in result:
            result[key] = _laid_over(result[key], value, (*above, str(key)), takes)
        else:
            result.pop(f"{key}+", None)
            result[key] = paths.fresh(value)
    return result


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def apply(config: dict[str, Any], changes: Changes, where: str, source: str = "") -> None:
    """Change a config in place; raise SpecError naming `where` for a path that does not hold.

    `source` names the files of the config, where it is from files.
    """
    for path, value in changes.items():
        try:
            paths.put(config, path, paths.fresh(value))
        except SpecError as error:
            raise SpecError(f"{where}: {error}{f' (in {source})' if source else ''}") from None


def value_at(config: Config, path: str) -> Any:
    """Return the value at a path, None if there is none."""
    try:
        return paths.get(config, path)
    except KeyError:
        return None


def differing(left: Config, right: Config) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, left and right value of every leaf that is not equal, sorted by path.

    A leaf that one of them lacks is None there.
    """
    before, after = paths.flatten(dict(left)), paths.flatten(dict(right))
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            yield path, before.get(path), after.get(path)


def changes_between(before: Config, after: Config) -> dict[str, Any]:
    """Return what turns one config into the other, by path; what has other keys is one change.

    So is a list, and a mapping with keys that no path can name.
    """
    found: dict[str, Any] = {}

    def walk(old: Any, new: Any, keys: tuple[str, ...]) -> None:
        both = isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys()
        if both and all(_KEY.fullmatch(key) for key in new):
            for key in new:
                walk(old[key], new[key], (*keys, key))
        elif content_hash(old) != content_hash(new):
            found[paths.render(keys)] = new

    walk({**dict.fromkeys(after), **before}, {**dict.fromkeys(before), **after}, ())
    return found

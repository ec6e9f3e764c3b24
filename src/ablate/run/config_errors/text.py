"""What jsonargparse's messages say, read line by line.

This is the last resort: where the config's shape and its parts do not show the mistake.
"""

import re
from collections.abc import Iterator
from typing import Any

from ablate.spec import paths

NOISE = re.compile(
    r"Does not validate against any of the Union subtypes"
    r"|Subtypes: .*"
    r"|Errors:"
    r"|Given value(?: type)?:.*"
    r"|Expected a <class 'NoneType'>.*"
    r"|Problem with given class_path '[^']*':"
    r"|Expected a path but .* either not accessible or invalid"
    r"|Not a valid subclass of \w+(?:\. Got value: .*)?"
    r"|Subclass types expect one of:"
    r"|a class path \(str\)"
    r"|a dict with .*"
    r"|a dict without class_path .*"
)
"""Lines that list what jsonargparse tried, not what is wrong."""

_KEY = re.compile(r'Parser key "([^"]+)":\s*')
_REFUSING = re.compile(r"Given value: Namespace\(class_path='([^']+)'")
_OPTION = re.compile(r"[Oo]ption '([^']+)'(?: is not accepted)?$")


def explanation(message: str, config: dict[str, Any]) -> str:
    """Reduce a message to its keys and its reason; the whole text where nothing else is left."""
    keys, reason = read(message)
    if not keys and (refusing := _REFUSING.search(message)):
        return ": ".join([*_paths_to(refusing[1], config)[:1], refusing[1], reason])
    return ": ".join([*_where(keys, message, config), reason])


def read(message: str) -> tuple[list[str], str]:
    """Split a message into the keys it names, outermost first, and its reason, never empty."""
    keys: list[str] = []
    lines: list[str] = []
    for line in message.splitlines():
        content = " ".join(line.split()).removeprefix("- ")
        while match := _KEY.match(content):
            keys.append(match[1])
            content = content[match.end() :]
        lines.append(content)
    said = [line for line in lines if line and not NOISE.fullmatch(line)]
    whole = [line for line in lines if line]
    reason = "; ".join(dict.fromkeys(said or whole))
    reason = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", reason)
    return list(dict.fromkeys(keys)), reason or "refused, and no reason is given"


def _where(keys: list[str], message: str, config: dict[str, Any]) -> list[str]:
    """Replace the keys of a message by the one path they lead to, if there is only one."""
    options = [match[1] for line in message.splitlines() if (match := _OPTION.search(line.strip()))]
    if named := [*keys, *options]:
        last = named[-1].rpartition(".")[2]
        found = [
            path for path in _paths_of(last, config) if not keys or paths.overlap(path, keys[0])
        ]
        if len(found) == 1:
            return found
    return keys


def _paths_to(class_path: str, config: dict[str, Any]) -> list[str]:
    """List where a config describes an object of a class."""
    leaves = paths.flatten(config).items()
    return [path.removesuffix(".class_path") for path, value in leaves if value == class_path]


def _paths_of(key: str, node: Any, above: tuple[paths.Key, ...] = ()) -> Iterator[str]:
    """Yield every path of a config that ends in `key`."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield paths.render((*above, name))
            yield from _paths_of(key, value, (*above, str(name)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _paths_of(key, value, (*above, index))

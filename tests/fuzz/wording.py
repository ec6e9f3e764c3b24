"""What a message may not be: empty, endless, or in Python's own words."""

import re
from collections.abc import Iterator

LINES = 12
CHARACTERS = 4_000

_PYTHON = re.compile(
    r"^exit \d|index out of range|has no attribute '__|object has no attribute|unhashable"
    r"|invalid literal"
    r"|expected str instance|not subscriptable|not iterable|positional argument|unexpected keyword"
    r"|Traceback|object is not|takes no keyword|not supported between|must be str, not|NoneType"
    r"|<class '|object at 0x|codec can't|ordinal not in|surrogates not allowed|Exceeds the limit"
    r"|could not convert|too many values|not enough values|argument of type|\bKeyError\b"
    r"|\bTypeError\b|\bIndexError\b|\bAttributeError\b|\bRecursionError\b|\bUnicode\w*Error\b"
    r"|\[Errno|embedded null|chr\(\) arg|ScalarNode|MappingNode|SequenceNode|must be real number"
    r"|[dD]ictionary|input should be a valid|to_yaml|jsonargparse|string_type|validation error"
)
_EMPTY = re.compile(r"(?m):\s*$|: :|:\s*;|;\s*$|\(\)|: None$|\bgiven: \)")


def flaws(message: str) -> Iterator[str]:
    """Say what is wrong with a message."""
    if not message.strip():
        yield "it says nothing"
    if found := _EMPTY.search(message):
        yield f"a reason is empty: {found[0]!r}"
    if found := _PYTHON.search(message):
        yield f"Python's own words: {found[0]!r}"
    if len(message.splitlines()) > LINES:
        yield f"{len(message.splitlines())} lines"
    if len(message) > CHARACTERS:
        yield f"{len(message)} characters"
    if unprintable := {sign for sign in message if not (sign.isprintable() or sign in "\n\t")}:
        yield f"signs that no terminal should get: {sorted(unprintable)!r}"


def names_a_place(message: str, places: tuple[str, ...]) -> bool:
    """Say whether a message names one of some files or studies, or an option."""
    return any(place in message for place in places) or bool(re.search(r"(^|\W)--\w", message))

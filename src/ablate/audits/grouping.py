"""Arms of which the same is to be said, put together."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def grouped(items: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    """Gather the arms of each key, in the order of their first arm."""
    groups: dict[Key, list[str]] = {}
    for key, arm in items:
        groups.setdefault(key, []).append(arm)
    return groups


def by_arms(texts: Iterable[tuple[str, str]]) -> str:
    """Write each text once with the arms that it is about; given as pairs of text and arm."""
    return "; ".join(f"{text} in {', '.join(arms)}" for text, arms in grouped(texts).items())


def alike(arms: Iterable[str], apart: Callable[[str, str], bool]) -> list[list[str]]:
    """Put each arm into the first group of which no member is apart from it."""
    groups: list[list[str]] = []
    for arm in arms:
        fitting = (group for group in groups if not any(apart(arm, other) for other in group))
        group = next(fitting, None)
        if group is None:
            groups.append([arm])
        else:
            group.append(arm)
    return groups

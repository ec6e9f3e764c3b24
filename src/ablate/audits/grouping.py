"""Arms of which the same is to be said, put together."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from itertools import combinations
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
    """Put arms into groups: two are in one of them if and only if they are not apart.

    An arm may be in several groups, and one that is apart from itself is apart from all. Arms
    that are apart from none are left out, so there is no group where nothing differs.
    """
    names = list(dict.fromkeys(arms))
    torn = {arm for arm in names if apart(arm, arm)}
    unlike: dict[str, set[str]] = {arm: {arm} & torn for arm in names}
    for arm, other in combinations(names, 2):
        if {arm, other} & torn or apart(arm, other):
            unlike[arm].add(other)
            unlike[other].add(arm)
    left = [arm for arm in names if unlike[arm]]
    groups: list[list[str]] = []
    for arm in left:
        near = [other for other in left if other != arm and other not in unlike[arm]]
        if not near:
            groups.append([arm])
        for other in near:
            if not any({arm, other} <= {*group} for group in groups):
                groups.append(_widest([arm, other], left, unlike))
    return groups


def _widest(
    some: Sequence[str], names: Sequence[str], unlike: Mapping[str, Collection[str]]
) -> list[str]:
    """Return arms that are alike with all others that are as well, in the order of names."""
    group = [*some]
    for name in names:
        if name not in group and not any(name in unlike[each] for each in group):
            group.append(name)
    return sorted(group, key=names.index)

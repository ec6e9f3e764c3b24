"""Designs of an ablation: the arms that named components give; pure.

A component is a named set of changes to the base config, and an arm is a set of components.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ablate.errors import nearest
from ablate.spec import paths
from ablate.spec.fields import Changes, Components

BASE, FULL = "base", "full"
ROLES = frozenset({BASE, FULL})
"""What the `design` of an arm says that has none of the components, or all of several."""
DECLARED, TUNED = "declared", "tuned"
_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
_LARGEST_FACTORIAL = 6
_GENERATORS = {
    3: "AB",
    4: "ABC",
    5: "ABCD",
    6: "ABC BCD",
    7: "ABC BCD ACD",
    8: "BCD ACD ABC ABD",
    9: "BCDE ACDE ABDE ABCE",
    10: "ABCD ABCE ABDE ACDE BCDE",
    11: "ABC BCD CDE ACD ADE BDE",
}
"""Components -> the product of the first ones that gives each of the others.

Of resolution III for 3 components, V for 5 and IV for the others: NIST/SEMATECH e-Handbook of
Statistical Methods, 5.3.3.4.7.
"""


@dataclass(frozen=True)
class Arm:
    """One arm of an ablation: its name, its changes to the base config, whether it is a floor.

    `design` says how the arm came about (nothing for a floor), `components` which ones it has.
    """

    name: str
    changes: Changes
    floor: bool = False
    design: str = ""
    components: tuple[str, ...] = ()


Subset = tuple[str, ...]
Named = Iterator[tuple[str, Subset]]


def _alone(names: Subset) -> Named:
    yield "", ()
    for name in names:
        yield name, (name,)


def _cumulative(names: Subset) -> Named:
    yield "", ()
    for index, name in enumerate(names, start=1):
        yield f"to_{name}", names[:index]


def _left_out(names: Subset) -> Named:
    yield "", names
    for name in names:
        yield f"without_{name}", tuple(other for other in names if other != name)


def _all_subsets(names: Subset) -> Named:
    if len(names) > _LARGEST_FACTORIAL:
        raise ValueError(
            f"a factorial of {len(names)} components takes {2 ** len(names)} arms for every seed; "
            f"it takes at most {_LARGEST_FACTORIAL} components: use fractional, or fewer components"
        )
    for bits in range(2 ** len(names)):
        chosen = tuple(name for index, name in enumerate(names) if bits >> index & 1)
        yield "+".join(chosen), chosen


def _fraction(names: Subset) -> Named:
    if len(names) not in _GENERATORS:
        raise ValueError(f"a fractional design takes 3 to 11 components, not {len(names)}")
    generators = _GENERATORS[len(names)].split()
    free = len(names) - len(generators)
    for bits in range(2**free):
        levels = [bits >> index & 1 for index in range(free)]
        # The sign of every generator is chosen so that the arm without any component is a run.
        levels += [sum(levels["ABCDE".index(letter)] for letter in word) % 2 for word in generators]
        chosen = tuple(name for name, level in zip(names, levels, strict=True) if level)
        yield "+".join(chosen), chosen


@dataclass(frozen=True)
class _Design:
    """How a design names and chooses subsets, what it calls them, and whether they are compared.

    Where they are, every component must change something of its own.
    """

    subsets: Callable[[Subset], Named]
    label: str
    crossed: bool


_DESIGNS = {
    "arms": _Design(_alone, "independent", crossed=False),
    "ladder": _Design(_cumulative, "cumulative", crossed=False),
    "path": _Design(_cumulative, "cumulative", crossed=False),
    "leave_one_out": _Design(_left_out, "leave one out", crossed=True),
    "factorial": _Design(_all_subsets, "factorial", crossed=True),
    "fractional": _Design(_fraction, "fractional", crossed=True),
}
DESIGNS = tuple(_DESIGNS)


def label(design: str) -> str:
    """Return what arms that a design lays out are called, such as `cumulative`."""
    return _DESIGNS[design].label


def joined(changes: Changes, more: Changes) -> dict[str, Any]:
    """Join changes; a path that is changed again is changed last."""
    return {**{path: value for path, value in changes.items() if path not in more}, **more}


def added(before: Changes, changes: Changes) -> dict[str, Any]:
    """Return the last changes that, joined to those `before`, give all of `changes`."""
    pairs = [*changes.items()]
    for count in range(len(pairs) + 1):
        last = dict(pairs[len(pairs) - count :])
        if [*joined(before, last).items()] == pairs:
            return last
    return dict(pairs)


def declared(arms: Mapping[str, Changes], design: str) -> tuple[Arm, ...]:
    """Return arms declared one by one; in a `ladder` each keeps the changes of those before it."""
    found: list[Arm] = []
    kept: dict[str, Any] = {}
    for name, changes in arms.items():
        kept = joined(kept, changes) if design == "ladder" else dict(changes)
        found.append(Arm(name, kept, design=label(design)))
    return tuple(found)


def expand(components: Components, designs: Sequence[str], base: str, full: str) -> tuple[Arm, ...]:
    """Return the arms of some designs over components, each set of components once.

    The arm with no component is called `base`, the one with all (of several) `full`; any other is
    called what the first design that has it calls it. Raises ValueError where the components do
    not suit a design or a name would stand for two arms.
    """
    _check_components(components, (base, full))
    names = tuple(components)
    labels: dict[Subset, dict[str, None]] = {}
    named: dict[str, Subset] = {}
    for design in designs:
        if _DESIGNS[design].crossed:
            _check_apart(components, design)
        for name, subset in _DESIGNS[design].subsets(names):
            if subset not in labels:
                arm = {BASE: base, FULL: full}.get(_role(subset, names), name)
                if arm in named:
                    raise ValueError(f"the name {arm!r} stands for two arms: rename a component")
                named[arm] = subset
            labels.setdefault(subset, {})[_DESIGNS[design].label] = None
    return tuple(
        Arm(
            name=name,
            changes=_together(components, subset),
            design=_role(subset, names) or ", ".join(labels[subset]),
            components=subset,
        )
        for name, subset in named.items()
    )


def _role(subset: Subset, names: Subset) -> str:
    """Say whether a set of components is none or all of several."""
    if not subset:
        return BASE
    return FULL if len(subset) == len(names) > 1 else ""


def _together(components: Components, subset: Subset) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in subset:
        changes = joined(changes, components[name])
    return changes


def _check_components(components: Components, others: Sequence[str]) -> None:
    for name in (*components, *others):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} can't be a name: use letters, digits, _, - and .")
    for name, changes in components.items():
        if not changes:
            raise ValueError(f"the component {name!r} changes nothing")


def _check_apart(components: Components, design: str) -> None:
    for (first, changes), (second, more) in combinations(components.items(), 2):
        for path in changes:
            for other in more:
                if paths.overlap(path, other):
                    raise ValueError(
                        f"the components {first!r} and {second!r} both change {other}, so a "
                        f"{design} design can't tell them apart: make them one component"
                    )


def between(
    start: Mapping[str, Any], end: Mapping[str, Any], order: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Return the differences that lead from one config to another as components, one value each.

    A section of another class is one difference, its arguments included; so is a list, unless
    both hold as many mappings. They come in the order of the configs, those named in `order`
    first, each under the end of its path that no other shares. Seeds aside, `start` with all of
    them is `end`. Raises ValueError for equal configs, an unknown name in `order`, and a value
    that `end` leaves to its default.
    """
    found = dict(_differences(*_sections(start, end), ()))
    if not found:
        raise ValueError("the two configs do not differ")
    names = _short_names(list(found))
    components = {names[keys]: {paths.render(keys): value} for keys, value in found.items()}
    for name in order:
        if name not in components:
            raise ValueError(f"order: {name!r} is no difference: {nearest(name, components)}")
    return {name: components[name] for name in dict.fromkeys((*order, *components))}


def _sections(
    start: Mapping[str, Any], end: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Leave out the seeds, and let a section that only `start` has be null in `end`."""
    first = {key: value for key, value in start.items() if key != "seed_everything"}
    more = {key: end[key] for key in end if key in first or end[key] is not None}
    more.pop("seed_everything", None)
    return first, {**dict.fromkeys(first), **more}


Keys = tuple[paths.Key, ...]


def _differences(start: Any, end: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    if _is_section(start) and _is_section(end) and _class(start) == _class(end):
        for key in dict.fromkeys((*start, *end)):
            inner = (*keys, str(key))
            if key not in end:
                raise ValueError(
                    f"{paths.render(inner)} is left to its default at the end of the path: "
                    "write its value there, too"
                )
            yield from _differences(start.get(key, _ABSENT), end[key], inner)
    elif start is _ABSENT and _is_section(end) and end and _class(end) is None:
        for key, value in end.items():
            yield from _differences(_ABSENT, value, (*keys, str(key)))
    elif _are_mappings(start) and _are_mappings(end) and len(start) == len(end):
        for index, (before, after) in enumerate(zip(start, end, strict=True)):
            yield from _differences(before, after, (*keys, index))
    elif start is _ABSENT or start != end:
        yield keys, end


_ABSENT = object()


def _is_section(value: Any) -> bool:
    return isinstance(value, dict)


def _are_mappings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_section, value))


def _class(section: Mapping[str, Any]) -> Any:
    return section.get("class_path")


def _short_names(found: Sequence[Keys]) -> dict[Keys, str]:
    """Name every path by its end: as short as no other path has it, and never a bare index."""
    ends = {
        keys: [re.sub(r"[^\w-]", "_", str(key)) for key in keys if key != "init_args"]
        for keys in found
    }
    names = {}
    for keys, parts in ends.items():
        others = [other for found_keys, other in ends.items() if found_keys != keys]
        for length in range(1, len(parts) + 1):
            end = parts[-length:]
            is_index = length == 1 and isinstance(keys[-1], int)
            if not is_index and all(other[-length:] != end for other in others):
                names[keys] = ".".join(end)
                break
        else:
            names[keys] = paths.render(keys)
    return names

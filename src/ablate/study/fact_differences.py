"""What two runs of one configuration rested on and that differs between them, by name."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ablate.spec.facts import Fact

Facts = Mapping[str, Mapping[str, Any]]
"""Facts of a run by kind."""

_SPLITS = {"train": "training examples", "val": "validation examples"}


class Changed(NamedTuple):
    """A fact with its values before and after; None for one that is not there."""

    what: str
    before: Any
    after: Any


def differing_facts(before: Facts, after: Facts) -> Iterator[Changed]:
    """Yield what differs in the facts that both runs recorded.

    Modules and distributions count where both runs imported them: a module may import others only
    when it needs them.
    """
    for kind, noun in ((Fact.SOURCES, "source"), (Fact.DISTRIBUTIONS, "dependency")):
        yield from _of_both(noun, before.get(kind, {}), after.get(kind, {}))
    if Fact.FILES in before and Fact.FILES in after:
        old, new = before[Fact.FILES], after[Fact.FILES]
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) != new.get(path):
                yield Changed(f"data file {path}", old.get(path), new.get(path))
    noun = "environment variable"
    yield from _of_both(noun, before.get(Fact.VARIABLES, {}), after.get(Fact.VARIABLES, {}))
    yield from _of_data(before.get(Fact.DATA, {}), after.get(Fact.DATA, {}))


def _of_both(noun: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Changed]:
    for name, value in old.items():
        if name in new and new[name] != value:
            yield Changed(f"{noun} {name}", value, new[name])


def _of_data(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Changed]:
    for split in (name for name in old if name in new):
        first, _, number = split.partition(" ")
        examples = " ".join(filter(None, (_SPLITS.get(first, first), number)))
        for key, noun in (
            ("examples", f"number of {examples}"),
            ("set", examples),
            ("order", f"order of {examples}"),
        ):
            then, now = old[split].get(key), new[split].get(key)
            if then is not None and now is not None and then != now:
                yield Changed(f"data: {noun}", then, now)
                break

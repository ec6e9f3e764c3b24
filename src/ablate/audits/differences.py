"""Where the resolved configurations of arms differ, and whether the study says so."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ablate.spec import AblationStudy, Arm, Config, designs, paths

Kind = Literal["named", "along", "lost", "linked", "stray"]
CALLBACKS = "trainer.callbacks"
_WHOLE = (CALLBACKS, "trainer.logger")
"""Lists compared as one value: an item more shifts the places of all after it."""
_SEED = "seed_everything"


class _Absent:
    """The value of a key that a configuration does not have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()


@dataclass(frozen=True)
class Side:
    """An arm with its configuration: as it is written, and with every default filled in."""

    arm: Arm
    written: Config
    resolved: Config


@dataclass(frozen=True)
class Comparison:
    """An arm beside the one it is compared with.

    `values` maps the path of every leaf in which their resolved configurations differ to its
    value in the other and in the arm. A parser of the project's `own` may link values.
    `equal_steps` says that both make equally many optimizer steps.
    """

    other: Side
    side: Side
    values: Mapping[str, tuple[Any, Any]]
    own: bool = False
    equal_steps: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """The names of the other and of the arm."""
        return self.other.arm.name, self.side.arm.name

    @property
    def floor(self) -> bool:
        """Whether the arm is a floor."""
        return self.side.arm.floor

    def kind(self, leaf: str) -> Kind:
        """Say how a difference comes about.

        "named": a change of either arm gives the value. "along": it is an argument of a class
        that differs, and no change names it. "lost": so too, but both classes take it and the
        written configuration of only one arm gives it. "linked": the configurations say the same,
        so the project's own parser makes it follow. "stray": nothing declares it.
        """
        if self._named(leaf):
            return "named"
        section = self.section(leaf)
        if section is None or not self._named(f"{section}.class_path"):
            return "linked" if self.own and self._written_alike(leaf) else "stray"
        written = [leaf in flat(side.written) for side in (self.other, self.side)]
        lost = ABSENT not in self.values[leaf] and written[0] != written[1]
        return "lost" if lost else "along"

    def _written_alike(self, leaf: str) -> bool:
        before, after = (flat(side.written).get(leaf, ABSENT) for side in (self.other, self.side))
        return paths.same(before, after)

    def section(self, leaf: str) -> str | None:
        """Return the outermost section whose class differs and that has the leaf as an argument."""
        classes = (path for path in self.values if path.endswith(".class_path") and path != leaf)
        sections = (path.removesuffix(".class_path") for path in classes)
        return min((path for path in sections if _inside(leaf, path)), key=len, default=None)

    def _named(self, leaf: str) -> bool:
        return any(paths.overlap(declared, leaf) for declared in self._declared())

    def _declared(self) -> Iterator[str]:
        for side in (self.other, self.side):
            yield from declared_leaves(side.arm.changes)


def compare_arms(other: Side, side: Side, *, own: bool = False) -> Comparison:
    """Compare the resolved configurations of two arms, apart from the seed of the run.

    `own` says that a parser of the project's own has resolved them.
    """
    before, after = flat(other.resolved), flat(side.resolved)
    pairs = {
        leaf: (before.get(leaf, ABSENT), after.get(leaf, ABSENT))
        for leaf in dict.fromkeys([*before, *after])
    }
    return Comparison(
        other, side, {leaf: pair for leaf, pair in pairs.items() if not paths.same(*pair)}, own
    )


def comparisons(study: AblationStudy, resolved: Mapping[str, Config]) -> list[Comparison]:
    """Compare every arm with the reference, or with the arm that is nearest by design.

    That is the arm before it in a ladder of arms, and the one that differs in the fewest
    components where there are some. Without a reference the first arm stands for it.
    """
    sides = {
        arm.name: Side(arm, study.configured(arm.changes, 0), resolved[arm.name])
        for arm in study.arms
    }
    pairs = ((sides[_other(study, place)], side) for place, side in enumerate(sides.values()))
    own = study.definition.cli is not None
    return [compare_arms(other, side, own=own) for other, side in pairs if other is not side]


def reference_of(study: AblationStudy) -> str:
    """Return the name of the arm that the others are compared with."""
    return study.definition.reference or study.arms[0].name


def _other(study: AblationStudy, place: int) -> str:
    """Name the arm that the one at a place is compared with."""
    arm, reference = study.arms[place], reference_of(study)
    if arm.floor:
        return reference
    if not study.definition.components:
        cumulative = place > 0 and "ladder" in study.definition.designs
        return study.arms[place - 1].name if cumulative else reference
    if not arm.components:
        return reference
    near = {
        other.name: len(set(other.components) ^ set(arm.components))
        for other in study.arms
        if other.components or other.design == designs.BASE
    }
    del near[arm.name]
    return min(near, key=lambda name: (near[name], name != reference), default=reference)


def flat(config: Config) -> dict[str, Any]:
    """Map every leaf of a configuration to its value, without the seed of the run.

    Callbacks and loggers are one leaf each.
    """
    leaves = paths.flatten({key: value for key, value in config.items() if key != _SEED})
    for whole in _WHOLE:
        inner = [leaf for leaf in leaves if _inside(leaf, whole)]
        for leaf in inner:
            del leaves[leaf]
        if inner:
            leaves[whole] = paths.get(config, whole)
        elif whole in leaves and not leaves[whole]:
            leaves[whole] = None
    return leaves


def declared_leaves(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Map the paths to which changes give a value to these; a list is one value."""
    leaves: dict[str, Any] = {}
    for path, value in changes.items():
        if isinstance(value, dict) and value:
            leaves |= declared_leaves({f"{path}.{key}": item for key, item in value.items()})
        else:
            leaves[path] = value
    return leaves


def stem(leaf: str) -> str:
    """Name a leaf without its place in a list: two betas are one thing."""
    return leaf.partition("[")[0]


def listed(leaves: Iterable[str], most: int = 6) -> str:
    """Join paths for a reader, the first few of many."""
    names = list(leaves)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _inside(leaf: str, path: str) -> bool:
    return leaf.startswith((f"{path}.", f"{path}["))

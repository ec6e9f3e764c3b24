"""Which arm an arm is compared with: the one that its design sets beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ablate.analysis.verdicts import Relation
from ablate.spec import AblationDefinition, Arm, designs

_ALONE = designs.label("arms")
_CUMULATIVE = designs.label("ladder")
_LEFT_OUT = designs.label("leave_one_out")
_CROSSED = frozenset({designs.label("factorial"), designs.label("fractional")})


@dataclass(frozen=True)
class Comparator:
    """The arm that another is compared with, and why."""

    arm: str
    relation: Relation


def comparators(definition: AblationDefinition) -> dict[str, tuple[Comparator, ...]]:
    """Map every arm that is no floor to the arms that it is compared with, the decisive one first.

    - An arm that leaves one component out is compared with the full arm, a step of a ladder or
      path with the step before it, a component alone with the base, and so is every other set
      of components.
    - An arm declared by itself is compared with the reference; without a reference, beside
      components, with the base or the full arm.
    - A tuned arm is compared with the tuned comparator of the arm that it comes from (as
      declared, if that was not tuned), and with the arm that it comes from.

    The first arm of a ladder, the reference and the hub of a design are compared with nothing.
    """
    tuned = {found.arm: arm for arm, found in definition.tuned.items() if found.arm}
    declared = [arm for arm in definition.trained if arm.name not in tuned]
    found = {
        arm.name: tuple(_once(arm.name, _by_design(definition, declared, index)))
        for index, arm in enumerate(declared)
    }
    of_inherited = {arm: name for name, arm in tuned.items()}
    for name, arm in tuned.items():
        found[name] = (
            *(
                Comparator(of_inherited.get(other.arm, other.arm), other.relation)
                for other in found[arm]
            ),
            Comparator(arm, Relation.TUNED),
        )
    return found


def _once(arm: str, found: Iterator[Comparator]) -> Iterator[Comparator]:
    """Yield every comparator once, and never the arm itself."""
    seen = {arm}
    for comparator in found:
        if comparator.arm not in seen:
            seen.add(comparator.arm)
            yield comparator


def _by_design(definition: AblationDefinition, arms: list[Arm], index: int) -> Iterator[Comparator]:
    arm = arms[index]
    if not definition.components and arm.design == _CUMULATIVE:
        if index:
            yield Comparator(arms[index - 1].name, Relation.STEP)
        return
    if not definition.components or arm.design == designs.DECLARED:
        reference = definition.reference or _hub(arms)
        if reference is not None:
            yield Comparator(reference, Relation.REFERENCE)
        return
    yield from _among_components(definition, arms, arm)


def _among_components(
    definition: AblationDefinition, arms: list[Arm], arm: Arm
) -> Iterator[Comparator]:
    labels = arm.design.split(", ")
    by_role = {found.design: found.name for found in arms if found.design in designs.ROLES}
    base, full = by_role.get(designs.BASE), by_role.get(designs.FULL)
    is_full = arm.design == designs.FULL
    if _LEFT_OUT in labels and full is not None:
        yield Comparator(full, Relation.LEAVE_ONE_OUT)
    steps = {"ladder", "path"} & {*definition.designs}
    if _CUMULATIVE in labels or (is_full and steps):
        before = _with_components(arms, arm.components[:-1])
        if before is not None:
            yield Comparator(before, Relation.STEP)
    if base is None or arm.design == designs.BASE:
        return
    if _ALONE in labels or len(arm.components) == 1:
        yield Comparator(base, Relation.ALONE)
    elif is_full or _CROSSED & {*labels}:
        yield Comparator(base, Relation.REFERENCE)


def _with_components(arms: list[Arm], components: tuple[str, ...]) -> str | None:
    laid_out = (arm for arm in arms if arm.design != designs.DECLARED)
    return next((arm.name for arm in laid_out if arm.components == components), None)


def _hub(arms: list[Arm]) -> str | None:
    by_role: Mapping[str, str] = {arm.design: arm.name for arm in arms}
    return by_role.get(designs.BASE) or by_role.get(designs.FULL)

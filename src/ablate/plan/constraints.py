"""What must hold of a configuration, as data: rules over its keys and what follows from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ablate.errors import SpecError, nearest, quoted
from ablate.plan.nearest import divisors_near, multiples_near
from ablate.spec import paths

Number = int | float
DERIVED = "plan."
"""What the names of derived numbers begin with, such as plan.optimizer_steps."""


class Severity(StrEnum):
    """How bad a violation is: an error will not do what it says, a warning may not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Violation:
    """What does not hold, which keys it is about, and their nearest values that would do."""

    code: str
    severity: Severity
    keys: tuple[str, ...]
    what: str
    advice: str
    nearest: Mapping[str, tuple[Number, ...]]


class Relation(StrEnum):
    """How the two sides of a constraint have to stand to each other."""

    DIVIDES = "divides"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    LESS_THAN = "less_than"
    EQUAL = "equal"

    def holds(self, left: Number, right: Number) -> bool:
        """Say whether the relation holds; nothing is divided by 0."""
        match self:
            case Relation.DIVIDES:
                return left != 0 and right % left == 0
            case Relation.AT_MOST:
                return left <= right
            case Relation.AT_LEAST:
                return left >= right
            case Relation.LESS_THAN:
                return left < right
            case Relation.EQUAL:
                return left == right


_SAID = {
    Relation.DIVIDES: "does not divide",
    Relation.AT_MOST: "is more than",
    Relation.AT_LEAST: "is less than",
    Relation.LESS_THAN: "is not less than",
    Relation.EQUAL: "is not",
}

Operand = tuple[str | Number, ...]
"""The factors of a product: keys, names of derived numbers, and numbers."""


@dataclass(frozen=True)
class Constraint:
    """A relation between two products of keys and numbers; `why` is said where it does not hold."""

    code: str
    relation: Relation
    left: Operand
    right: Operand
    why: str = ""
    severity: Severity = Severity.ERROR

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys and derived numbers that it names."""
        return tuple(name for name in (*self.left, *self.right) if isinstance(name, str))

    def check(self, values: Mapping[str, Any]) -> Violation | None:
        """Say how it is violated; None if it holds, or not all that it names is a number.

        `values` has the leaves of a configuration by path, and the derived numbers.
        """
        known = {name: _number(values.get(name)) for name in self.keys}
        if any(value is None for value in known.values()):
            return None
        numbers = {name: value for name, value in known.items() if value is not None}
        left, right = (_product(side, numbers) for side in (self.left, self.right))
        if self.relation.holds(left, right):
            return None
        near = self._nearest(numbers, left, right)
        return Violation(
            self.code,
            self.severity,
            self.keys,
            f"{_named(self.left, left)} {_SAID[self.relation]} {_named(self.right, right)}"
            + (f": {self.why}" if self.why else ""),
            _advice(near),
            near,
        )

    def missing(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names that no value is known for."""
        return tuple(name for name in self.keys if name not in values)

    def _nearest(
        self, numbers: Mapping[str, Number], left: Number, right: Number
    ) -> dict[str, tuple[Number, ...]]:
        """Return for every key of the configuration the nearest values with which it would hold."""
        found: dict[str, tuple[Number, ...]] = {}
        for sides, own, other in ((self.left, left, right), (self.right, right, left)):
            for name in sides:
                if not isinstance(name, str) or name.startswith(DERIVED):
                    continue
                if near := self._near(numbers[name], own, other, is_left=sides is self.left):
                    found[name] = near
        return found

    def _near(  # noqa: PLR0911 - one per kind of relation
        self, value: Number, own: Number, other: Number, *, is_left: bool
    ) -> tuple[Number, ...]:
        """Return values of one factor that make its side, now `own`, hold against `other`."""
        if value == 0:
            return ()
        rest = own / value
        if self.relation is Relation.DIVIDES:
            whole = all(isinstance(one, int) and one > 0 for one in (value, own, other))
            if not whole:
                return ()
            value, own, other = int(value), int(own), int(other)
            if not is_left:
                return multiples_near(value, other, own // value)
            if other % (own // value):
                return ()
            return divisors_near(value, other // (own // value))
        if rest <= 0:
            return ()
        limit = other / rest
        if not isinstance(value, int):
            return () if self.relation is Relation.LESS_THAN else (limit,)
        upper = self.relation in {Relation.AT_MOST, Relation.LESS_THAN}
        if self.relation is Relation.EQUAL:
            return (int(limit),) if float(limit).is_integer() else ()
        strict = self.relation is Relation.LESS_THAN
        if upper is is_left:
            return (math.ceil(limit) - 1 if strict else math.floor(limit),)
        return (math.floor(limit) + 1 if strict else math.ceil(limit),)


def _advice(near: Mapping[str, Sequence[Number]]) -> str:
    if not near:
        return "change one of these keys"
    said = [f"{name} to {' or '.join(map(str, values))}" for name, values in near.items()]
    return f"set {', or '.join(said)}"


def _number(value: Any) -> Number | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _product(side: Operand, numbers: Mapping[str, Number]) -> Number:
    return math.prod(numbers[name] if isinstance(name, str) else name for name in side)


def _named(side: Operand, value: Number) -> str:
    said = " x ".join(map(str, side))
    return said if side == (value,) else f"{said} ({value:g})"


# --- what a user writes --------------------------------------------------------------------

_SECTION = "constraints"
_FURTHER = {"why", "code", "severity"}


def read_constraints(data: Any, where: str) -> tuple[Constraint, ...]:
    """Read constraints as a user writes them; raise SpecError naming the place in `where`.

    `constraints` is a list; each item has one relation with a list of two sides. A side is a key,
    a name such as plan.optimizer_steps, a number, or `{product: [...]}` of these. `why` says what
    the constraint is for, `severity` is error (as nothing is) or warning, `code` names it.
    """
    if not isinstance(data, Mapping) or set(data) != {_SECTION}:
        raise SpecError(f"{where}: write one key, {_SECTION}, with a list of constraints")
    items = data[_SECTION]
    if not isinstance(items, list):
        raise SpecError(f"{where}: {_SECTION} must be a list, not {quoted(items)}")
    return tuple(
        _constraint(item, f"{where}: {_SECTION}[{place}]") for place, item in enumerate(items)
    )


def _constraint(item: Any, where: str) -> Constraint:
    relations = [relation.value for relation in Relation]
    if not isinstance(item, Mapping):
        raise SpecError(f"{where}: write a relation with two sides, such as divides: [8, KEY]")
    named = [key for key in item if key not in _FURTHER]
    if unknown := [key for key in named if key not in relations]:
        raise SpecError(
            f"{where}: unknown key {quoted(unknown[0])}: "
            f"{nearest(str(unknown[0]), [*relations, *_FURTHER])}"
        )
    if len(named) != 1:
        raise SpecError(f"{where}: write one relation of {', '.join(relations)}")
    relation = Relation(named[0])
    sides = item[relation.value]
    if not isinstance(sides, list) or len(sides) != 2:
        raise SpecError(f"{where}: {relation} has a list of two sides, not {quoted(sides)}")
    left, right = (_operand(side, f"{where}: {relation}") for side in sides)
    if not any(isinstance(name, str) for name in (*left, *right)):
        raise SpecError(f"{where}: {relation}: name at least one key")
    severity = item.get("severity", Severity.ERROR.value)
    if severity not in [one.value for one in Severity]:
        raise SpecError(f"{where}: severity must be error or warning, not {quoted(severity)}")
    texts = {key: item.get(key, "") for key in ("why", "code")}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise SpecError(f"{where}: {key} must be a text, not {quoted(text)}")
    return Constraint(
        texts["code"] or relation.value, relation, left, right, texts["why"], Severity(severity)
    )


def _operand(side: Any, where: str) -> Operand:
    if isinstance(side, Mapping):
        if set(side) != {"product"} or not isinstance(side["product"], list) or not side["product"]:
            raise SpecError(f"{where}: a mapping as a side is {{product: [KEY, ...]}}")
        return tuple(factor for inner in side["product"] for factor in _factor(inner, where))
    return _factor(side, where)


def _factor(side: Any, where: str) -> Operand:
    if isinstance(side, str):
        try:
            paths.parse(side)
        except SpecError as error:
            raise error.at(where) from None
        return (side,)
    if (number := _number(side)) is None:
        raise SpecError(f"{where}: a side is a key or a number, not {quoted(side)}")
    return (number,)

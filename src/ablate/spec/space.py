"""The search space: which keys of the configuration a search may change, and how far."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from ablate.errors import SpecError, nearest, quoted
from ablate.spec import paths
from ablate.spec.hashing import canonical_json
from ablate.spec.strict import Strict

Scalar = bool | int | float | str | None
When = Mapping[str, tuple[Scalar, ...]]
_SHOWN = 12
_EXACT = 2**53
"""Up to here every integer is a float, and samplers compute in floats."""


class _Parameter(Strict):
    when: When = Field(default={})
    """Path of a choice -> the labels of it under which this parameter is active."""

    @field_validator("when", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError("write the condition as {parent path: choice} or {parent: [a, b]}")
        return {k: tuple(v) if isinstance(v, (list, tuple)) else (v,) for k, v in value.items()}


class _Range(_Parameter):
    log: bool = False
    """Whether the scale is logarithmic."""

    def _check(self, low: float, high: float, step: float | None) -> None:
        if not all(map(math.isfinite, (low, high, step or 0))):
            raise ValueError("the bounds and the step must be finite numbers")
        if low >= high:
            raise ValueError(f"the lower bound {low} must be below the upper bound {high}")
        if self.log and low <= 0:
            raise ValueError(f"a log scale needs a lower bound above 0, not {low}")
        if step is not None and not 0 < step <= (high - low) * (1 + 1e-9):
            raise ValueError(f"the step {step} must be above 0 and fit between the bounds")
        if self.log and step is not None:
            raise ValueError("a log scale takes no step")


class FloatRange(_Range):
    """A float in [low, high], on a linear or log scale, or on a grid of `step`."""

    bounds: tuple[float, float] = Field(alias="float")
    """The lowest and the highest value; written `float`."""
    step: float | None = None
    """The distance between two values, None for all values between the bounds."""

    @model_validator(mode="after")
    def _valid(self) -> "FloatRange":
        self._check(*self.bounds, self.step)
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value of the range."""
        low, high = self.bounds
        if self.step is None:
            return low, high
        return low, min(high, low + math.floor((high - low) / self.step + 1e-8) * self.step)

    def admits(self, value: Any) -> bool:
        """Say whether `value` lies in the range and on its grid."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        low, high = self.bounds
        if not low <= value <= high:
            return False
        if self.step is None:
            return True
        steps = (value - low) / self.step
        return math.isclose(steps, round(steps), rel_tol=0, abs_tol=1e-8)

    def describe(self) -> str:
        """Word the range for an error message."""
        return f"a float in [{self.bounds[0]}, {self.bounds[1]}]"


_ExactInt = Annotated[int, Field(ge=-_EXACT, le=_EXACT)]


class IntRange(_Range):
    """An integer in [low, high], on a linear or log scale, or in steps."""

    bounds: tuple[_ExactInt, _ExactInt] = Field(alias="int")
    """The lowest and the highest value; written `int`."""
    step: _ExactInt | None = None
    """The distance between two values, None for 1."""

    @model_validator(mode="after")
    def _valid(self) -> "IntRange":
        self._check(*self.bounds, self.step)
        return self

    @property
    def ends(self) -> tuple[int, int]:
        """The lowest and the highest value of the range."""
        low, high = self.bounds
        return low, high - (high - low) % (self.step or 1)

    def admits(self, value: Any) -> bool:
        """Say whether `value` is an integer of the range."""
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        low, high = self.bounds
        return low <= value <= high and (value - low) % (self.step or 1) == 0

    def describe(self) -> str:
        """Word the range for an error message."""
        return f"an integer in [{self.bounds[0]}, {self.bounds[1]}]"


class Choice(_Parameter):
    """One of several values; a mapping gives each a label, by which conditions name it."""

    options: Mapping[str, Any] | tuple[Any, ...] = Field(alias="choice")
    """The values, or labels with their values; written `choice`."""

    @field_validator("options", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            named = {str(label): item for label, item in value.items()}
            if len(named) < len(value):
                raise ValueError("two labels of the choice read the same as text")
            return named
        if isinstance(value, (list, tuple)):
            return tuple(value)
        raise ValueError("write the choices as a list [a, b] or a mapping {label: value}")

    @model_validator(mode="after")
    def _valid(self) -> "Choice":
        if len(self.options) < 2:
            kind = "an empty choice" if not self.options else "a single choice"
            raise ValueError(f"{kind} leaves nothing to search: set the value in the config")
        if any(label != label for label in self.labels):  # noqa: PLR0124 - so nan is told
            raise ValueError("a choice is nan, which no value equals: write it in quotes")
        if len(set(self.labels)) < len(self.options):  # 1, 1.0 and true are one label to samplers
            raise ValueError("a choice is written twice; a prior is not made of duplicates")
        return self

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The names of the choices: the mapping's keys, else the values themselves."""
        if isinstance(self.options, Mapping):
            return tuple(self.options)
        return tuple(
            item
            if item is None or isinstance(item, (bool, int, float, str))
            else canonical_json(item)
            for item in self.options
        )

    def value(self, label: Scalar) -> Any:
        """Return the value that a label stands for."""
        values = self.options.values() if isinstance(self.options, Mapping) else self.options
        for known, item in zip(self.labels, values, strict=True):
            if paths.same(known, label):
                return item
        raise KeyError(label)

    def admits(self, value: Any) -> bool:
        """Say whether `value` is one of the labels."""
        return any(paths.same(label, value) for label in self.labels)

    def describe(self) -> str:
        """Word the choices for an error message."""
        shown = [quoted(label) for label in self.labels[:_SHOWN]]
        return "one of " + ", ".join([*shown, "..."] if len(self.labels) > _SHOWN else shown)


_KINDS = ("float", "int", "choice")


def _kind(data: Any) -> str | None:
    if isinstance(data, (FloatRange, IntRange, Choice)):
        return {FloatRange: "float", IntRange: "int", Choice: "choice"}[type(data)]
    return next((kind for kind in _KINDS if kind in data), None)


def _of_one_kind(data: Any) -> Any:
    kinds = [key for key in data if key in _KINDS] if isinstance(data, Mapping) else []
    if len(kinds) == 1 or isinstance(data, (FloatRange, IntRange, Choice)):
        return data
    message = "a parameter is {float: [low, high]}, {int: [low, high]} or {choice: [...]}"
    for key in data if isinstance(data, Mapping) and not kinds else ():
        if str(key) not in {*_KINDS, "log", "step", "when"}:
            message = f"unknown key {quoted(key)}: {nearest(str(key), _KINDS)}; {message}"
    raise ValueError(message)


Parameter = Annotated[
    Annotated[FloatRange, Tag("float")]
    | Annotated[IntRange, Tag("int")]
    | Annotated[Choice, Tag("choice")],
    Discriminator(_kind),
    BeforeValidator(_of_one_kind),
]

Point = dict[str, Any]
"""Parameter path -> value (for a choice: its label); inactive parameters are absent."""


class Space(Mapping[str, FloatRange | IntRange | Choice]):
    """The parameters of a search, parents before the parameters that depend on them.

    Raises SpecError where a condition names a missing parent or choice, or runs in a circle.
    """

    def __init__(self, parameters: Mapping[str, FloatRange | IntRange | Choice]) -> None:
        for path, parameter in parameters.items():
            paths.parse(path)
            _check_conditions(path, parameter, parameters)
        self._parameters = {path: parameters[path] for path in _parents_first(parameters)}
        for path in self:
            self._activating(path)

    def __getitem__(self, path: str) -> FloatRange | IntRange | Choice:
        return self._parameters[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def active(self, path: str, point: Mapping[str, Any]) -> bool:
        """Say whether the conditions of `path` hold at `point`."""
        when = self[path].when.items()
        return all(
            parent in point and any(paths.same(point[parent], label) for label in labels)
            for parent, labels in when
        )

    def check(self, point: Mapping[str, Any], where: str) -> None:
        """Raise SpecError unless every value of `point` is known, active and admitted."""
        for path, value in point.items():
            if path not in self:
                raise SpecError(
                    f"{where}: {quoted(path)} is not in the space: {nearest(path, self)}"
                )
            if not self[path].admits(value):
                raise SpecError(f"{where}: {path} is {quoted(value)}, not {self[path].describe()}")
            if not self.active(path, point):
                raise SpecError(f"{where}: {path} is set but its condition does not hold")

    def settings(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `point` sets: its values, parents first, each label as what it stands for."""
        return {
            path: paths.fresh(parameter.value(point[path]))
            if isinstance(parameter, Choice)
            else point[path]
            for path, parameter in self.items()
            if path in point
        }

    def apply(self, point: Mapping[str, Any], config: dict[str, Any]) -> None:
        """Write the values of `point` into `config` in place."""
        for path, value in self.settings(point).items():
            paths.put(config, path, value)

    def locate(self, config: Mapping[str, Any], where: str) -> Point:
        """Read the point at which `config` lies; raise SpecError if it lies outside the space."""
        point: Point = {}
        for path, parameter in self.items():
            if not self.active(path, point):
                continue
            try:
                value = paths.get(config, path)
            except KeyError as error:
                raise SpecError(f"{where}: {path} is missing (no {error.args[0]})") from None
            point[path] = self._label(path, parameter, value, config, where)
        self.check(point, where)
        return point

    def _label(
        self, path: str, parameter: Any, value: Any, config: Mapping[str, Any], where: str
    ) -> Any:
        if not isinstance(parameter, Choice):
            return value
        # Of several labels that fit, take the one that leaves the fewest keys unsaid; of these,
        # one whose own parameters are in the config.
        counts = {
            label: _unsaid(parameter.value(label), value, (), self._searched_in(path, label))
            for label in parameter.labels
        }
        fitting = {label: count for label, count in counts.items() if count is not None}
        if not fitting:
            raise SpecError(f"{where}: {path} is {quoted(value)}, not {parameter.describe()}")
        return min(
            fitting,
            key=lambda label: (fitting[label], not self._readable(path, label, config)),
        )

    def _searched_in(self, path: str, label: Scalar) -> dict[tuple[paths.Key, ...], str]:
        outer = paths.parse(path)
        return {
            keys[len(outer) :]: other
            for other in self
            if _inside(keys := paths.parse(other), outer)
            and any(paths.same(label, known) for known in self[other].when.get(path, (label,)))
        }

    def _readable(self, path: str, label: Scalar, config: Mapping[str, Any]) -> bool:
        for other in self._searched_in(path, label).values():
            parameter = self[other]
            if not parameter.when.keys() <= {path}:
                continue
            if not paths.has(config, other):
                return False
            if not isinstance(parameter, Choice) and not parameter.admits(paths.get(config, other)):
                return False
        return True

    def covering_points(self) -> Iterator[tuple[str, Point]]:
        """Yield per parameter a point at which it is active, and one per choice of it.

        Points are complete: an argument that a class requires may itself be searched.
        """
        for path, parameter in self.items():
            base = self._activating(path)
            ends = parameter.labels if isinstance(parameter, Choice) else parameter.ends
            for end in ends:
                yield path, self._completed({**base, path: end})

    def _completed(self, point: Point) -> Point:
        """Give every other active parameter its first value, parents first."""
        full: Point = {}
        for path, parameter in self.items():
            if path in point:
                full[path] = point[path]
            elif self.active(path, full):
                ends = parameter.labels if isinstance(parameter, Choice) else parameter.ends
                full[path] = ends[0]
        return full

    def _activating(self, path: str) -> Point:
        allowed: dict[str, tuple[Scalar, ...]] = {}
        dependent = [path]
        while dependent:
            for parent, labels in self[dependent.pop()].when.items():
                known = allowed.get(parent, labels)
                both = tuple(n for n in known if any(paths.same(n, label) for label in labels))
                if not both:
                    raise SpecError(
                        f"space.{path}.when: it never holds: no choice of {parent} fulfils it "
                        "together with the conditions of its parents"
                    )
                allowed[parent] = both
                dependent.append(parent)
        return {parent: labels[0] for parent, labels in allowed.items()}


def _inside(keys: tuple[paths.Key, ...], outer: tuple[paths.Key, ...]) -> bool:
    return len(keys) > len(outer) and keys[: len(outer)] == outer


def _unsaid(
    pattern: Any,
    value: Any,
    keys: tuple[paths.Key, ...],
    searched: Collection[tuple[paths.Key, ...]],
) -> int | None:
    """Count the leaves that only one of the two names; None where `value` does not fit."""
    if keys in searched:
        return 0
    counts: list[int | None] = []
    if isinstance(pattern, Mapping) and isinstance(value, Mapping):
        for key in {**pattern, **value}:
            inner = (*keys, str(key))
            if key in pattern and key in value:
                counts.append(_unsaid(pattern[key], value[key], inner, searched))
            elif inner in searched:
                counts.append(0)
            elif isinstance(section := pattern.get(key, value.get(key)), Mapping):
                pair = (section, {}) if key in pattern else ({}, section)
                counts.append(_unsaid(*pair, inner, searched))
            else:  # a key that is missing reads as null
                counts.append(1 if key in value or section is None else None)
    elif isinstance(pattern, (list, tuple)) and isinstance(value, list):
        if len(pattern) != len(value):
            return None
        for index, (said, given) in enumerate(zip(pattern, value, strict=True)):
            counts.append(_unsaid(said, given, (*keys, index), searched))
    else:
        return 0 if paths.same(pattern, value) else None
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _check_conditions(path: str, parameter: Any, parameters: Mapping[str, Any]) -> None:
    for parent, labels in parameter.when.items():
        where = f"space.{path}.when"
        if parent not in parameters:
            raise SpecError(
                f"{where}: there is no parameter {quoted(parent)}: {nearest(parent, parameters)}"
            )
        if not isinstance(parameters[parent], Choice):
            raise SpecError(f"{where}: {parent} is a range; a condition needs a choice")
        for label in labels:
            if not parameters[parent].admits(label):
                raise SpecError(
                    f"{where}: {parent} is {parameters[parent].describe()}, not {quoted(label)}"
                )


def _parents_first(parameters: Mapping[str, Any]) -> list[str]:
    keys = {path: paths.parse(path) for path in parameters}
    ordered: list[str] = []
    state: dict[str, Literal["open", "done"]] = {}

    def visit(path: str) -> None:
        if state.get(path) == "open":
            raise SpecError(f"space.{path}.when: the conditions run in a circle")
        if path not in state:
            state[path] = "open"
            # A choice of a whole section is written before the keys inside that section.
            for section in (other for other in parameters if _inside(keys[path], keys[other])):
                if not isinstance(parameters[section], Choice):
                    raise SpecError(f"space.{path}: it lies inside {section}, which is a range")
                visit(section)
            for parent in parameters[path].when:
                visit(parent)
            state[path] = "done"
            ordered.append(path)

    for path in parameters:
        visit(path)
    return ordered

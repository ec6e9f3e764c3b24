"""The models of a study as its user writes it, in a file or in Python."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ablate.errors import nearest
from ablate.spec import designs
from ablate.spec.designs import Arm
from ablate.spec.direction import Direction
from ablate.spec.fields import Changes, Components, Config, Duration, Figures, Names, Seed, Seeds
from ablate.spec.space import Parameter
from ablate.spec.strict import Strict
from ablate.spec.tuning import tuned_name

_STUDY_NAME = re.compile(r"[\w.+-]+", re.ASCII)


class Objective(Strict):
    """The metric that decides, and at which epoch of a run it is read."""

    metric: str
    direction: Direction = Direction.MINIMIZE
    at: Literal["best", "last"] = "best"


class ClassConfig(Strict):
    """A class by its import path, with the arguments it is built with."""

    class_path: str
    init_args: Mapping[str, Any] = {}


class Budget(Strict):
    """Totals of a study, across restarts and workers."""

    trials: int | None = Field(default=None, ge=1)
    timeout: Duration | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Budget":
        if self.trials is None and self.timeout is None:
            raise ValueError("give trials, timeout or both")
        return self


class Limits(Strict):
    """When a run is ended and tried again, and how often; how often it is checkpointed.

    `stall` is the longest time without progress, `wall` the longest time of one attempt,
    `checkpoint` the time between checkpoints, which are taken at the end of epochs.
    """

    attempts: int = Field(default=3, ge=1)
    stall: Duration | None = 3600.0
    wall: Duration | None = None
    checkpoint: Annotated[float, Field(ge=0)] = 5.0


class Profile(Strict):
    """The declared differences of one kind of hardware."""

    changes: Changes = Field(default={}, alias="set")
    seeds: Seeds | None = None
    budget: Budget | None = None


class Confirmed(Strict):
    """A trial of a search that an arm runs again: its number, value and seeds there."""

    trial: int
    value: float
    seeds: tuple[int, ...]


class Provenance(BaseModel):
    """Where the values of an ablation come from; further keys are kept as they are written.

    `confirms` says by arm which trial of the search `study` it runs again.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    study: str | None = None
    trial: int | str | None = None
    tuned_for: str | None = None
    confirms: Mapping[str, Confirmed] = {}


class Published(Strict):
    """Figures published elsewhere: by arm and metric, one or one per seed, with their source."""

    source: str
    values: Mapping[str, Mapping[str, Figures]]


class _Written(Strict):
    """What both kinds of study say; a study built in Python has its name here."""

    name: str = ""
    config: Annotated[tuple[str | Config, ...], Field(min_length=1)]
    profiles: Mapping[str, Profile] = {}
    limits: Limits = Limits()

    @model_validator(mode="before")
    @classmethod
    def _one_config_or_many(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("config"), str | Mapping):
            return {**data, "config": (data["config"],)}
        return data


class Search(_Written):
    """A search: the sampler asks for configurations within the space."""

    kind: Literal["search"] = "search"
    objective: Objective
    space: Annotated[Mapping[str, Parameter], Field(min_length=1)]
    seeds: Seeds
    seed: Seed = 0
    window: int = Field(default=4, ge=1)
    sampler: ClassConfig = ClassConfig(class_path="optuna.samplers.TPESampler")
    pruner: ClassConfig = ClassConfig(class_path="optuna.pruners.HyperbandPruner")
    budget: Budget
    enqueue: tuple[str | Mapping[str, Any], ...] = ()

    def all_changes(self) -> list[Changes]:
        """Return every mapping of this study whose keys are dotted paths."""
        return [*(profile.changes for profile in self.profiles.values()), self.space]


class Tune(Strict):
    """A search for every arm before it is replayed, with the same budget, space and seeds.

    The space is written here, or is that of another search study, whose sampler and pruner are
    taken over too where none is named, and where in a run the objective is read.
    """

    trials: int = Field(ge=1)
    study: str | None = None
    space: Mapping[str, Parameter] = {}
    seeds: Seeds | None = None
    seed: Seed = 0
    window: int = Field(default=4, ge=1)
    sampler: ClassConfig | None = None
    pruner: ClassConfig | None = None

    @model_validator(mode="after")
    def _one_space(self) -> "Tune":
        if bool(self.space) == bool(self.study):
            raise ValueError("give either space or study, the search study that has it")
        return self


def _known_designs(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in designs.DESIGNS:
            raise ValueError(f"there is no design {name!r}: {nearest(name, designs.DESIGNS)}")
    return names


Designs = Annotated[Names, Field(min_length=1), AfterValidator(_known_designs)]


class Ablation(_Written):
    """An ablation: fixed arms, each replayed with each seed.

    The arms are declared one by one, or laid out by designs over components: those declared, or
    the differences that lead to another config.
    """

    kind: Literal["ablation"] = "ablation"
    design: Designs = ("arms",)
    provenance: Provenance = Provenance()
    components: Mapping[str, Changes] = {}
    to: Names = ()
    order: tuple[str, ...] = ()
    base: str = designs.BASE
    full: str = designs.FULL
    arms: Mapping[str, Changes] = {}
    floor: Mapping[str, Changes] = {}
    reference: str | None = None
    seeds: Seeds
    metrics: Annotated[Mapping[str, Direction], Field(min_length=1)]
    objective: Objective | None = None
    published: Published | None = None
    allow: Mapping[str, Names] = {}
    tune: Tune | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Ablation":
        if self.components and self.to:
            raise ValueError("give components, or to and let its differences be them")
        if "path" in self.design and not self.to:
            raise ValueError("design: a path needs to: the config that it leads to")
        if self.order and not self.to:
            raise ValueError("order: components come in the order they are written in")
        if not self.to:
            self.checked_arms(self.components)
        return self

    def all_changes(self) -> list[Changes]:
        """Return every mapping of this study whose keys are dotted paths."""
        groups = (self.components, self.arms, self.floor)
        return [
            *(profile.changes for profile in self.profiles.values()),
            *([self.tune.space] if self.tune else ()),
            *(changes for group in groups for changes in group.values()),
        ]

    @property
    def decides(self) -> Objective:
        """The objective; by default the best value of the first declared metric."""
        if self.objective is not None:
            return self.objective
        metric, direction = next(iter(self.metrics.items()))
        return Objective(metric=metric, direction=direction)

    def checked_arms(self, components: Components) -> tuple[Arm, ...]:
        """Return the arms over some components, floors last; raise ValueError if they don't hold.

        In a `ladder` without components every arm keeps the changes of the arms before it;
        otherwise every declared arm changes the base config alone, as floors always do.
        """
        arms = self._laid_out(components) if components else self._declared()
        floors = tuple(Arm(name, changes, floor=True) for name, changes in self.floor.items())
        names = [arm.name for arm in arms]
        for name in self.floor:
            if name in names:
                raise ValueError(f"{name!r} is both an arm and a floor")
        if self.tune is not None:
            _check_tunable([*names, *self.floor], names)
        if self.reference is not None and self.reference not in names:
            raise ValueError(
                f"the reference {self.reference!r} is no arm: {nearest(self.reference, names)}"
            )
        self._check_named([*names, *self.floor])
        return (*arms, *floors)

    def _check_named(self, known: Sequence[str]) -> None:
        """Raise ValueError if published figures or allowances name an arm that there is not."""
        mentions = {
            "published.values": self.published.values if self.published else (),
            **{f"allow.{code}": names for code, names in self.allow.items()},
        }
        for where, names in mentions.items():
            for name in names:
                if name not in known:
                    raise ValueError(f"{where}: {name!r} is no arm: {nearest(name, known)}")

    def _declared(self) -> tuple[Arm, ...]:
        if not self.arms:
            raise ValueError("arms: declare at least one, or components")
        if self.design not in {("arms",), ("ladder",)}:
            raise ValueError(f"design: {', '.join(self.design)} needs components")
        if unused := {"base", "full"} & self.model_fields_set:
            raise ValueError(f"{sorted(unused)[0]}: there are no components")
        return designs.declared(self.arms, self.design[0])

    def _laid_out(self, components: Components) -> tuple[Arm, ...]:
        arms = designs.expand(components, self.design, self.base, self.full)
        for name in self.arms:
            if name in {arm.name for arm in arms}:
                raise ValueError(f"arms.{name}: the design has an arm of this name")
        declared = (
            Arm(name, changes, design=designs.DECLARED) for name, changes in self.arms.items()
        )
        return (*arms, *declared)


def _check_tunable(names: Sequence[str], tuned: Sequence[str]) -> None:
    """Raise ValueError unless every tuned arm gives names that are its own."""
    for arm in tuned:
        if not _STUDY_NAME.fullmatch(arm):
            raise ValueError(
                f"tune: the arm {arm!r} can't be part of a study's name: "
                "use letters, digits, _, -, + and ."
            )
        if tuned_name(arm) in names:
            raise ValueError(
                f"tune: {tuned_name(arm)!r} is what {arm!r} with its best values is called; "
                "give the arm of this name another one"
            )

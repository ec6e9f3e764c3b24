"""The models of a study as its user writes it, in a file or in Python.

A key of a study file is a field here. Every model refuses keys that it does not know.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ablate.errors import nearest, quoted
from ablate.spec import designs, entries
from ablate.spec.constraints import Constraints
from ablate.spec.designs import Arm
from ablate.spec.direction import Direction
from ablate.spec.episodes import Episodes
from ablate.spec.fields import (
    Changes,
    Components,
    Config,
    Duration,
    Figures,
    Margin,
    Names,
    Seed,
    Seeds,
)
from ablate.spec.goals import (
    Divergence,
    FirstSteps,
    Goals,
    Milestone,
    Notify,
    Plateau,
    WrittenSuccess,
)
from ablate.spec.names import mistake
from ablate.spec.space import Parameter
from ablate.spec.strict import Strict
from ablate.spec.tuning import tuned_name

MOST_ARMS = 1_000
"""Arms, floors and components of an ablation together."""
_STUDY_NAME = re.compile(r"[\w.+-]+", re.ASCII)


class Objective(Strict):
    """The metric that decides, and at which epoch of a run it is read."""

    metric: str
    """The name under which the module logs it."""
    direction: Direction = Direction.MINIMIZE
    """Whether its lower or its higher value is the better one."""
    at: Literal["best", "last"] = "best"
    """Whether it is read at its best epoch or at the last one. An ablation that does not say reads
    the last one: the best of many epochs is better by luck alone."""


class ClassConfig(Strict):
    """A class by its import path, with the arguments it is built with."""

    class_path: str
    """Where it is imported from, such as `optuna.samplers.TPESampler`."""
    init_args: Mapping[str, Any] = {}
    """The arguments of its constructor, by name."""


class Budget(Strict):
    """When a search ends: totals of the study, across restarts and workers."""

    trials: int | None = Field(default=None, ge=1)
    """How many trials there are to be."""
    timeout: Duration | None = None
    """After which time no new trial begins: seconds, or a text such as `90s`, `15m`, `2h`, `1d`."""

    @model_validator(mode="after")
    def _bounded(self) -> "Budget":
        if self.trials is None and self.timeout is None:
            raise ValueError("give trials, timeout or both")
        return self


class Limits(Strict):
    """When an attempt of a run is ended, how many attempts there are, how often it is saved.

    Times are seconds, or texts such as `90s`, `15m`, `2h`, `1d`.
    """

    attempts: int = Field(default=3, ge=1)
    """How many attempts a run has before its trial fails."""
    stall: Duration | None = 3600.0
    """The longest time without progress."""
    wall: Duration | None = None
    """The longest time of one attempt."""
    checkpoint: Annotated[float, Field(ge=0)] = 5.0
    """The seconds between checkpoints, which are taken at the end of epochs."""
    resume: Literal["exact", "any", "never"] = "any"
    """Which runs continue from their checkpoint: those that can exactly, any, or none."""


class Profile(Strict):
    """What differs on one kind of hardware, and is declared."""

    changes: Changes = Field(default={}, alias="set")
    """Dotted path -> value; written `set`."""
    seeds: Seeds | None = None
    """The seeds there, in place of the study's."""
    budget: Budget | None = None
    """The budget there, in place of the study's."""


class Confirmed(Strict):
    """A trial of a search that an arm runs again."""

    trial: int
    """Its number."""
    value: float
    """The value that the search found."""
    seeds: tuple[int, ...]
    """The seeds that it had there."""


class Provenance(BaseModel):
    """Where the values of an ablation come from; further keys are kept as they are written."""

    model_config = ConfigDict(extra="allow", frozen=True)

    study: str | None = None
    """The study that they were found in."""
    trial: int | str | None = None
    """The number of the trial."""
    tuned_for: str | None = None
    """The arm that they were tuned for."""
    confirms: Mapping[str, Confirmed] = {}
    """Arm -> the trial of `study` that it runs again."""


class Published(Strict):
    """Figures published elsewhere, which the report sets beside the computed ones."""

    source: str
    """Where they were published."""
    at: Literal["best", "last"] | None = None
    """Where each was read: at its own metric's best epoch or at the last one. Ours are then read
    the same way, too. Left out, it is not known."""
    statistic: str | None = None
    """What a figure is: of what a mean, over which epochs and seeds."""
    denominator: str | None = None
    """How many examples the figures are over."""
    values: Mapping[str, Mapping[str, Figures]]
    """Arm -> metric -> the figure, or one figure per seed."""


Entry = Annotated[str, AfterValidator(entries.checked)]


class _Written(Strict):
    """What both kinds of study say."""

    name: str = ""
    """What the study is called. In Python it is needed; a study file has the name of its file."""
    config: Annotated[
        tuple[str | Config, ...], Field(min_length=1, examples=["../configs/model.yaml"])
    ]
    """A LightningCLI config, a path or a mapping; of several, later ones come over earlier."""
    cli: Entry | None = None
    """What builds the project's own LightningCLI: `module.Class`, `module:function` or a script
    such as `train.py`; `lightning` means plain LightningCLI, as nothing does."""
    profiles: Mapping[str, Profile] = {}
    """Name -> what differs there; `cpu`, `cuda` and `mps` are chosen by the hardware."""
    limits: Limits = Limits()
    """When a run is ended and tried again."""
    milestones: tuple[Milestone, ...] = ()
    """What is expected of every run at moments of its training."""
    success: WrittenSuccess = None
    """When a run has done what it is for; a list stands for all of its conditions."""
    plateau: Plateau | None = None
    """When a run is taken not to get better any more."""
    watch: FirstSteps | None = None
    """What is to hold all through the first steps of every run."""
    divergence: Divergence | None = None
    """When a run is taken to have diverged, which ends it as failed."""
    notify: Notify | None = None
    """Who hears of what happens."""

    @property
    def goals(self) -> Goals:
        """What every run is expected to reach, as it is written here."""
        return Goals(**{name: getattr(self, name) for name in Goals.model_fields})

    @model_validator(mode="after")
    def _goals_hold(self) -> "_Written":
        self.goals  # noqa: B018 - raises ValueError for a milestone that is there twice
        return self

    @model_validator(mode="before")
    @classmethod
    def _one_config_or_many(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("config"), str | Mapping):
            return {**data, "config": (data["config"],)}
        return data


class Search(_Written):
    """A search: a sampler proposes points of a space, and every trial runs one of them."""

    kind: Literal["search"] = "search"
    """What kind of study this is."""
    objective: Objective = Field(examples=["{metric: val_loss, direction: minimize}"])
    """The metric that decides."""
    constraints: Constraints = ()
    """What a trial has to keep: others are never the best, however good their value is."""
    space: Annotated[
        Mapping[str, Parameter],
        Field(
            min_length=1,
            examples=["{optimizer.init_args.lr: {float: [1.0e-5, 1.0e-2], log: true}}"],
        ),
    ]
    """Dotted path into the config -> the values it may have (`ablate.spec.space`)."""
    seeds: Seeds | None = None
    """The seeds of every trial; the value of a trial is the mean over them. By default the config's
    `seed_everything`."""
    seed: Seed = 0
    """The seed of the search itself."""
    window: int = Field(default=4, ge=1)
    """The most trials in flight."""
    sampler: ClassConfig = ClassConfig(class_path="optuna.samplers.TPESampler")
    """The Optuna sampler that proposes points."""
    pruner: ClassConfig = ClassConfig(class_path="optuna.pruners.HyperbandPruner")
    """The Optuna pruner that gives up bad trials early."""
    budget: Budget = Field(examples=["{trials: 50}"])
    """When the search ends."""
    enqueue: tuple[str | Mapping[str, Any], ...] = ()
    """Points to try first: config files, or mappings from path to value."""

    def all_changes(self) -> list[Changes]:
        """Return every mapping of this study whose keys are dotted paths."""
        return [*(profile.changes for profile in self.profiles.values()), self.space]


class Tune(Strict):
    """A search for every arm before the arms are run, with the same budget, space and seeds."""

    trials: int = Field(ge=1)
    """The budget of every search."""
    study: str | None = None
    """In place of `space`: a search study that gives its space, its sampler and pruner where none
    is named here, its constraints, and the epoch at which the objective is read."""
    space: Mapping[str, Parameter] = {}
    """As in a search."""
    seeds: Seeds | None = None
    """The seeds of every trial; by default one that no arm is compared with."""
    seed: Seed = 0
    """The seed of the searches themselves."""
    window: int = Field(default=4, ge=1)
    """The most trials in flight."""
    sampler: ClassConfig | None = None
    """As in a search."""
    pruner: ClassConfig | None = None
    """As in a search."""
    constraints: Constraints = ()
    """As in a search, beside those of `study`."""

    @model_validator(mode="after")
    def _one_space(self) -> "Tune":
        if bool(self.space) == bool(self.study):
            raise ValueError("give either space or study, the search study that has it")
        return self


def _known_designs(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in designs.DESIGNS:
            raise ValueError(f"there is no design {quoted(name)}: {nearest(name, designs.DESIGNS)}")
    return names


Designs = Annotated[Names, Field(min_length=1), AfterValidator(_known_designs)]


class Ablation(_Written):
    """An ablation: fixed arms, each run with each seed.

    The arms are declared one by one, or designs make them of components. Components are declared
    too, or they are the differences that lead to another config.
    """

    kind: Literal["ablation"] = "ablation"
    """What kind of study this is."""
    design: Designs = ("arms",)
    """`arms`, `ladder`, `path`, `leave_one_out`, `factorial`, `fractional`, or several of them."""
    provenance: Provenance = Provenance()
    """Where the config's values come from."""
    components: Mapping[str, Changes] = {}
    """Name -> named changes, of which designs make arms."""
    to: Names = ()
    """Another config, or several: the components are the differences that lead there."""
    order: tuple[str, ...] = ()
    """The components of `to` that come first, in this order."""
    base: str = designs.BASE
    """What the arm without any component is called."""
    full: str = designs.FULL
    """What the arm with all components is called."""
    arms: Mapping[str, Changes] = {}
    """Name -> what the arm changes; beside components, further arms on the config alone."""
    floor: Mapping[str, Changes] = {}
    """Further arms that mark the floor; they change the config alone."""
    reference: str | None = None
    """The arm that the others are compared with."""
    seeds: Seeds | None = None
    """The seeds that every arm is run with; by default the config's `seed_everything`."""
    metrics: Annotated[
        Mapping[str, Direction], Field(min_length=1, examples=["{val_loss: minimize}"])
    ]
    """Metric -> `minimize` or `maximize`: what the report shows."""
    objective: Objective | None = None
    """The metric that decides; by default the first of `metrics`. It is read at the last epoch
    unless `at` is `best`."""
    margin: Mapping[str, Margin] = {}
    """Metric -> the largest difference that is as good as none: arms whose difference surely lies
    within it are equivalent."""
    published: Published | None = None
    """Figures published elsewhere."""
    episodes: Episodes | None = None
    """How the module logs episodes, where it learns by reinforcement."""
    allow: Mapping[str, Names] = {}
    """Code of a finding -> the arms that it is expected of."""
    tune: Tune | None = None
    """A search for every arm first."""

    @model_validator(mode="after")
    def _consistent(self) -> "Ablation":
        if self.components and self.to:
            raise ValueError("give components, or to and let its differences be them")
        if "path" in self.design and not self.to:
            raise ValueError("design: a path needs to: the config that it leads to")
        if self.order and not self.to:
            raise ValueError("order: components come in the order they are written in")
        for metric in self.margin:
            if metric not in self.metrics:
                raise ValueError(
                    f"margin: {quoted(metric)} is none of the metrics: "
                    f"{nearest(metric, self.metrics)}"
                )
        self._check_published()
        if not self.to:
            self.checked_arms(self.components)
        return self

    def _check_published(self) -> None:
        """Raise ValueError if the best epoch of a published metric can't be told."""
        if self.published is None or self.published.at != "best":
            return
        known = {*self.metrics, self.decides.metric}
        for arm, figures in self.published.values.items():
            for metric in figures:
                if metric not in known:
                    raise ValueError(
                        f"published.values.{arm}: {quoted(metric)} is read at its best epoch, and "
                        f"is none of the metrics: {nearest(metric, known)}"
                    )

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
        """The objective; by default the first declared metric, read at the last epoch."""
        if self.objective is None:
            metric, direction = next(iter(self.metrics.items()))
            return Objective(metric=metric, direction=direction, at="last")
        if "at" not in self.objective.model_fields_set:
            return self.objective.model_copy(update={"at": "last"})
        return self.objective

    def checked_arms(self, components: Components) -> tuple[Arm, ...]:
        """Return the arms over some components, floors last; raise ValueError if they don't hold.

        In a `ladder` without components every arm keeps the changes of the arms before it;
        otherwise every declared arm changes the base config alone, as floors always do.
        """
        if (count := len(components) + len(self.arms) + len(self.floor)) > MOST_ARMS:
            raise ValueError(f"there are {count:,} arms and components; at most {MOST_ARMS:,} work")
        arms = self._laid_out(components) if components else self._declared()
        floors = tuple(Arm(name, changes, floor=True) for name, changes in self.floor.items())
        names = [arm.name for arm in arms]
        for name in (*names, *self.floor):
            if (reason := mistake(name)) is not None:
                raise ValueError(f"{quoted(name)} can't name an arm: {reason}")
        for name in self.floor:
            if name in names:
                raise ValueError(f"{name!r} is both an arm and a floor")
        if self.tune is not None:
            _check_tunable([*names, *self.floor], names)
        if self.reference is not None and self.reference not in names:
            raise ValueError(
                f"the reference {quoted(self.reference)} is no arm: "
                f"{nearest(self.reference, names)}"
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
                    raise ValueError(f"{where}: {quoted(name)} is no arm: {nearest(name, known)}")

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
        laid_out = {arm.name for arm in arms}
        for name in self.arms:
            if name in laid_out:
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

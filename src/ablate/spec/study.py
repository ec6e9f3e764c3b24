"""The models of a study file, and a study made ready to run."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ablate.errors import NotFoundError, SpecError, nearest
from ablate.spec import designs, paths
from ablate.spec.designs import Arm, Changes, Components, joined
from ablate.spec.files import beside, find, read_yaml
from ablate.spec.hashing import fresh_seeds
from ablate.spec.models import Strict, validate
from ablate.spec.space import Parameter, Point, Space
from ablate.spec.tuning import tuned_name

_LITERAL = "declared"
_TUNED = "tuned"
_LAYOUT = (
    *("design", "components", "to", "order", "base", "full"),
    *("arms", "allow", "published", "tune"),
)
_NAMES_A_STUDY = re.compile(r"[\w.+-]+", re.ASCII)
Direction = Literal["minimize", "maximize"]
STUDIES = "studies"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any) -> float:
    """Turn `90`, `90s`, `15m`, `1.5h` or `2d` into seconds; raise ValueError otherwise."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(value), re.ASCII)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError("write a duration as seconds or like 90s, 15m, 1.5h, 2d")
    return seconds


Duration = Annotated[float, BeforeValidator(parse_duration)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _unique(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed is written twice; a replicate needs a seed of its own")
    return seeds


Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_unique)]


class Objective(Strict):
    """The metric that decides, and at which epoch of a run it is read."""

    metric: str
    direction: Direction = "minimize"
    at: Literal["best", "last"] = "best"


class Component(Strict):
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


class _Spec(Strict):
    config: Annotated[tuple[str, ...], Field(min_length=1)]
    profiles: Mapping[str, Profile] = {}
    limits: Limits = Limits()

    @model_validator(mode="before")
    @classmethod
    def _one_config_or_many(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("config"), str):
            return {**data, "config": (data["config"],)}
        return data


class SearchSpec(_Spec):
    """A search: the sampler asks for configurations within the space."""

    kind: Literal["search"]
    objective: Objective
    space: Annotated[Mapping[str, Parameter], Field(min_length=1)]
    seeds: Seeds
    seed: Seed = 0
    window: int = Field(default=4, ge=1)
    sampler: Component = Component(class_path="optuna.samplers.TPESampler")
    pruner: Component = Component(class_path="optuna.pruners.HyperbandPruner")
    budget: Budget
    enqueue: tuple[str | Mapping[str, Any], ...] = ()


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _known_designs(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in designs.DESIGNS:
            raise ValueError(f"there is no design {name!r}: {nearest(name, designs.DESIGNS)}")
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Designs = Annotated[Names, Field(min_length=1), AfterValidator(_known_designs)]
Figure = Annotated[float, Field(allow_inf_nan=False)]
Figures = Annotated[
    tuple[Figure, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: value if isinstance(value, list | tuple) else (value,)),
]


class Published(Strict):
    """Figures published elsewhere: by arm and metric, one or one per seed, with their source."""

    source: str
    values: Mapping[str, Mapping[str, Figures]]


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
    sampler: Component | None = None
    pruner: Component | None = None

    @model_validator(mode="after")
    def _one_space(self) -> "Tune":
        if bool(self.space) == bool(self.study):
            raise ValueError("give either space or study, the search study that has it")
        return self


class AblationSpec(_Spec):
    """An ablation: fixed arms, each replayed with each seed.

    The arms are declared one by one, or laid out by designs over components: those declared, or
    the differences that lead to another config.
    """

    kind: Literal["ablation"]
    design: Designs = ("arms",)
    provenance: Mapping[str, Any] = {}
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
    def _consistent(self) -> "AblationSpec":
        if self.components and self.to:
            raise ValueError("give components, or to and let its differences be them")
        if "path" in self.design and not self.to:
            raise ValueError("design: a path needs to: the config that it leads to")
        if self.order and not self.to:
            raise ValueError("order: components come in the order they are written in")
        if not self.to:
            self.checked_arms(self.components)
        return self

    def checked_arms(self, components: Components) -> tuple[Arm, ...]:
        """Return the arms over some components, floors last; raise ValueError if they don't hold.

        In a `ladder` without components every arm keeps the changes of the arms before it;
        otherwise every declared arm changes the base config alone, as floors always do.
        """
        arms = self._laid_out(components) if components else self._declared()
        arms = (*arms, *(Arm(name, changes, True) for name, changes in self.floor.items()))
        names = [arm.name for arm in arms if not arm.floor]
        for name in self.floor:
            if name in names:
                raise ValueError(f"{name!r} is both an arm and a floor")
        if self.tune is not None:
            _check_tunable([arm.name for arm in arms], names)
        if self.reference is not None and self.reference not in names:
            raise ValueError(
                f"the reference {self.reference!r} is no arm: {nearest(self.reference, names)}"
            )
        known = [arm.name for arm in arms]
        named = {
            "published.values": self.published.values if self.published else (),
            **{f"allow.{code}": names for code, names in self.allow.items()},
        }
        for where, some in named.items():
            for name in some:
                if name not in known:
                    raise ValueError(f"{where}: {name!r} is no arm: {nearest(name, known)}")
        return arms

    def _declared(self) -> tuple[Arm, ...]:
        if not self.arms:
            raise ValueError("arms: declare at least one, or components")
        if self.design not in {("arms",), ("ladder",)}:
            raise ValueError(f"design: {', '.join(self.design)} needs components")
        if unused := {"base", "full"} & self.model_fields_set:
            raise ValueError(f"{sorted(unused)[0]}: there are no components")
        arms: list[Arm] = []
        kept: dict[str, Any] = {}
        for name, changes in self.arms.items():
            kept = joined(kept, changes) if self.design == ("ladder",) else dict(changes)
            arms.append(Arm(name, kept))
        return tuple(arms)

    def _laid_out(self, components: Components) -> tuple[Arm, ...]:
        arms = designs.expand(components, self.design, self.base, self.full)
        for name in self.arms:
            if name in {arm.name for arm in arms}:
                raise ValueError(f"arms.{name}: the design has an arm of this name")
        return (
            *arms,
            *(Arm(name, changes, design=_LITERAL) for name, changes in self.arms.items()),
        )

    @property
    def decides(self) -> Objective:
        """The objective; by default the best value of the first declared metric."""
        if self.objective is not None:
            return self.objective
        metric, direction = next(iter(self.metrics.items()))
        return Objective(metric=metric, direction=direction)


def _check_tunable(names: Sequence[str], tuned: Sequence[str]) -> None:
    """Raise ValueError unless every tuned arm gives names that are its own."""
    for arm in tuned:
        if not _NAMES_A_STUDY.fullmatch(arm):
            raise ValueError(
                f"tune: the arm {arm!r} can't be part of a study's name: "
                "use letters, digits, _, -, + and ."
            )
        if tuned_name(arm) in names:
            raise ValueError(
                f"tune: {tuned_name(arm)!r} is what {arm!r} with its best values is called; "
                "give the arm of this name another one"
            )


@dataclass(frozen=True)
class Change:
    """One declared difference: the value at a path before and after."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Study:
    """A study made ready: its spec, and the base config with profile and overrides applied.

    `source` names the files the config was read from, for messages. `differences` are the
    components that lead to another config, where the study says to which. `tuning` is the search
    that every arm of an ablation gets, its space not yet restricted to the arm's own; `tuned`
    says by arm what its search found, the best `values` among it.
    """

    name: str
    spec: SearchSpec | AblationSpec
    config: dict[str, Any]
    profile: str
    source: str = ""
    changes: tuple[Change, ...] = ()
    enqueued: tuple[Point, ...] = ()
    differences: Components = field(default_factory=dict)
    tuning: SearchSpec | None = None
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds every trial or arm is run with."""
        profile = self.spec.profiles.get(self.profile)
        return (profile and profile.seeds) or self.spec.seeds

    @property
    def budget(self) -> Budget:
        """The budget of a search under the chosen profile."""
        assert isinstance(self.spec, SearchSpec)  # noqa: S101
        profile = self.spec.profiles.get(self.profile)
        return (profile and profile.budget) or self.spec.budget

    @property
    def objective(self) -> Objective:
        """The metric that decides."""
        return self.spec.objective if isinstance(self.spec, SearchSpec) else self.spec.decides

    @property
    def space(self) -> Space:
        """The space of a search, parents first."""
        assert isinstance(self.spec, SearchSpec)  # noqa: S101
        return Space(self.spec.space)

    @property
    def components(self) -> Components:
        """The components of an ablation: those declared, or what leads to another config."""
        assert isinstance(self.spec, AblationSpec)  # noqa: S101
        return self.differences or self.spec.components

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of an ablation: those of its designs, declared ones, tuned ones, floors."""
        assert isinstance(self.spec, AblationSpec)  # noqa: S101
        arms = self.spec.checked_arms(self.components)
        own = [arm for arm in arms if not arm.floor]
        tuned = [
            replace(
                arm,
                name=tuned_name(arm.name),
                changes=joined(arm.changes, self.tuned[arm.name]["values"]),
                design=_TUNED,
            )
            for arm in own
            if self.tuned.get(arm.name, {}).get("values")
        ]
        return (*own, *tuned, *(arm for arm in arms if arm.floor))

    def configured(self, changes: Changes, seed: int) -> dict[str, Any]:
        """Return the base config with `changes` applied and the run's seed set."""
        config: dict[str, Any] = paths.fresh(self.config)
        for path, value in changes.items():
            paths.put(config, path, paths.fresh(value))
        config["seed_everything"] = seed
        return config

    def at(self, point: Point, seed: int) -> dict[str, Any]:
        """Return the base config at a point of the space with the run's seed set."""
        config = self.configured({}, seed)
        self.space.apply(point, config)
        return config

    def definition(self) -> dict[str, Any]:
        """Return everything that defines the study as plain data, to be stored and compared."""
        left_out = {"profiles", "config", *_LAYOUT}
        body = self.spec.model_dump(mode="json", by_alias=True, exclude=left_out)
        objective = self.objective.model_dump(mode="json")
        return {
            **body,
            **(self._layout() if isinstance(self.spec, AblationSpec) else {}),
            "objective": objective,
            "config": self.config,
            "profile": self.profile,
            "profile_changes": [
                {"path": change.path, "from": change.before, "to": change.after}
                for change in self.changes
            ],
            "seeds": list(self.seeds),
            **({"budget": self.budget.model_dump()} if isinstance(self.spec, SearchSpec) else {}),
        }

    def _layout(self) -> dict[str, Any]:
        """Return the arms as plain data; with components, all of them as changes to the base."""
        assert isinstance(self.spec, AblationSpec)  # noqa: S101
        include = {"arms", "published"} if self.spec.published else {"arms"}
        body = {**self.spec.model_dump(mode="json", include=include), **self._tuning()}
        if not (self.components or self.tuned):
            return {**body, "design": self.spec.design[0]}
        arms = [arm for arm in self.arms if not arm.floor]
        body["design"] = list(self.spec.design)
        body["arms"] = {arm.name: dict(arm.changes) for arm in arms}
        if not self.components:
            return body
        return {
            **body,
            "components": {name: dict(changes) for name, changes in self.components.items()},
            "layout": {
                arm.name: {"design": arm.design, "components": list(arm.components)} for arm in arms
            },
        }

    def _tuning(self) -> dict[str, Any]:
        """Return as plain data how the arms are tuned and what was found, if they are."""
        if self.tuning is None:
            return {}
        left_out = {"kind", "config", "profiles", "limits", "enqueue"}
        tune = self.tuning.model_dump(mode="json", by_alias=True, exclude=left_out)
        found = {arm: dict(facts) for arm, facts in self.tuned.items()}
        return {"tune": tune, **({"tuned": found} if found else {})}


def identity(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a search's definition that its trials depend on."""
    free = {"budget", "enqueue", "limits", "profile_changes", "published"}
    return {key: value for key, value in definition.items() if key not in free}


@dataclass(frozen=True)
class StudyFile:
    """A study file as read: the spec is valid, the profile is not chosen yet."""

    name: str
    path: Path
    spec: SearchSpec | AblationSpec

    def configs(self) -> tuple[Path, ...]:
        """The config files the study is based on, later ones over earlier ones."""
        return tuple(beside(self.path, name) for name in self.spec.config)

    def prepare(self, profile: str, overrides: Changes | None = None) -> Study:
        """Apply a profile and the command line's overrides; raise SpecError if they do not hold.

        `profile` is the hardware's name (`cpu`, `cuda`); a study that declares no such profile
        runs its configs unchanged.
        """
        declared = self.spec.profiles.get(profile)
        sources = {
            f"{self.path}: profiles.{profile}.set": declared.changes if declared else {},
            "--set": overrides or {},
        }
        config = merged([read_yaml(path) for path in self.configs()])
        before = paths.fresh(config)
        changes: dict[str, Any] = {}
        for where, source in sources.items():
            _apply(config, source, where)
            if isinstance(self.spec, SearchSpec):
                _refuse_searched(source, self.spec.space, where)
            changes = joined(changes, source)
        study = Study(
            name=self.name,
            spec=self.spec,
            config=config,
            profile=profile,
            source=" + ".join(map(str, self.configs())),
            changes=tuple(Change(p, _old(before, p), value) for p, value in changes.items()),
            differences=self._differences(before),
        )
        if isinstance(self.spec, AblationSpec):
            for arm in study.arms:
                _apply(paths.fresh(config), arm.changes, f"{self.path}: arms.{arm.name}")
            return replace(study, tuning=self._tuning(self.spec, study))
        try:
            space = study.space
        except SpecError as error:
            raise SpecError(f"{self.path}: {error}") from None
        points = tuple(self._point(entry, space, study, changes) for entry in self.spec.enqueue)
        return replace(study, enqueued=points)

    def _differences(self, config: dict[str, Any]) -> Components:
        """Return what leads from the written config to the one that the study names, if any."""
        if not isinstance(self.spec, AblationSpec) or not self.spec.to:
            return {}
        end = merged([read_yaml(beside(self.path, name)) for name in self.spec.to])
        try:
            found = designs.between(config, end, self.spec.order)
            self.spec.checked_arms(found)
        except ValueError as error:
            raise SpecError(f"{self.path}: {error}") from None
        return found

    def _tuning(self, spec: AblationSpec, study: Study) -> SearchSpec | None:
        """Return the search that every arm gets, if the study asks for it."""
        tune = spec.tune
        if tune is None:
            return None
        given = tune.model_dump(exclude_none=True, include={"sampler", "pruner"})
        space, objective = tune.space, study.objective
        if tune.study is not None:
            try:
                other = read_study(tune.study, str(self.path.parent)).spec
            except NotFoundError as error:
                raise SpecError(f"{self.path}: tune.study: {error}") from None
            if not isinstance(other, SearchSpec):
                raise SpecError(f"{self.path}: tune.study: {tune.study!r} is no search")
            space = other.space
            objective = objective.model_copy(update={"at": other.objective.at})
            given = {"sampler": other.sampler, "pruner": other.pruner, **given}
        try:
            Space(space)
        except SpecError as error:
            raise SpecError(f"{self.path}: tune.{error}") from None
        profile = spec.profiles.get(study.profile)
        budget = (profile and profile.budget) or Budget(trials=tune.trials)
        return SearchSpec(
            kind="search",
            config=spec.config,
            limits=spec.limits,
            objective=objective,
            space=space,
            seeds=tune.seeds or fresh_seeds(1, study.seeds, "tune", self.name),
            seed=tune.seed,
            window=tune.window,
            budget=budget,
            **given,
        )

    def _point(
        self, entry: str | Mapping[str, Any], space: Space, study: Study, changes: Changes
    ) -> Point:
        if isinstance(entry, Mapping):
            space.check(entry, f"{self.path}: enqueue")
            return dict(entry)
        path = beside(self.path, entry)
        config = read_yaml(path)
        _apply(config, changes, str(path))
        point = space.locate(config, str(path))
        here = paths.flatten({**config, "seed_everything": None})
        there = paths.flatten({**study.at(point, 0), "seed_everything": None})
        for key in sorted(here.keys() | there.keys()):
            if here.get(key) != there.get(key):
                raise SpecError(
                    f"{path}: enqueued into {self.path}, but it differs from the study's config "
                    f"at {key}, which is not searched: {here.get(key)!r} here, "
                    f"{there.get(key)!r} there"
                )
        return point


def read_study(name: str, folder: str = STUDIES) -> StudyFile:
    """Find and read a study; raise NotFoundError or SpecError."""
    path = find(name, folder)
    data = read_yaml(path)
    kinds = ("search", "ablation")
    if data.get("kind") not in kinds:
        raise SpecError(f"{path}: kind must be search or ablation, not {data.get('kind')!r}")
    model: type[SearchSpec | AblationSpec] = (
        SearchSpec if data["kind"] == "search" else AblationSpec
    )
    spec = validate(model, data, str(path))
    try:
        for changes in _all_changes(spec):
            for dotted in changes:
                paths.parse(dotted)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    return StudyFile(path.stem, path, spec)


def _all_changes(spec: SearchSpec | AblationSpec) -> list[Changes]:
    changes = [profile.changes for profile in spec.profiles.values()]
    if isinstance(spec, AblationSpec):
        searched = [spec.tune.space] if spec.tune else []
        named = (spec.components, spec.arms, spec.floor)
        return [*changes, *searched, *(own for group in named for own in group.values())]
    return [*changes, spec.space]


def merged(configs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lay configs over each other: mappings merge, everything else is replaced.

    A section whose `class_path` changes starts anew, as with several `--config` options.
    """
    result: dict[str, Any] = {}
    for config in configs:
        result = _laid_over(result, config)
    return result


def _laid_over(base: Any, top: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(top, dict)):
        return paths.fresh(top)
    if top.get("class_path", base.get("class_path")) != base.get("class_path"):
        return paths.fresh(top)
    return {
        **base,
        **{
            key: _laid_over(base[key], value) if key in base else paths.fresh(value)
            for key, value in top.items()
        },
    }


def _apply(config: dict[str, Any], changes: Changes, where: str) -> None:
    for path, value in changes.items():
        try:
            paths.put(config, path, paths.fresh(value))
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from None


def _refuse_searched(changes: Changes, space: Mapping[str, Any], where: str) -> None:
    searched = {paths.parse(path): path for path in space}
    for path in changes:
        keys = paths.parse(path)
        for depth in range(1, len(keys) + 1):
            if keys[:depth] in searched:
                raise SpecError(
                    f"{where}: {path} is set, but the study searches "
                    f"{searched[keys[:depth]]}: change the space instead"
                )


def _old(config: Mapping[str, Any], path: str) -> Any:
    try:
        return paths.get(config, path)
    except KeyError:
        return None

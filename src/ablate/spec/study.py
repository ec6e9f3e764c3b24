"""A study made ready to run: its definition, and the configurations that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from ablate.spec import configs, paths
from ablate.spec.definition import AblationDefinition, SearchDefinition, Tuned, Tuning
from ablate.spec.designs import Arm
from ablate.spec.fields import Changes, Config
from ablate.spec.goals import Notify
from ablate.spec.hashing import run_hash
from ablate.spec.models import Budget, Objective
from ablate.spec.space import Point, Space
from ablate.spec.trust import Trust
from ablate.spec.tuning import tuned_name


@dataclass(frozen=True)
class _Prepared:
    """What both kinds of study have; `source` names the files of the config, for messages.

    `cli` is where the entry that the definition names is found here, None for plain LightningCLI;
    `folder` is where the study itself lies. `trust` says what its configurations may name if they
    come from a database, None that they are the user's own. `notify` says who hears of what
    happens, as the file of the study says it.
    """

    name: str
    definition: SearchDefinition | AblationDefinition
    source: str
    cli: str | None = field(default=None, kw_only=True)
    folder: Path = field(default=Path(), kw_only=True)
    trust: Trust | None = field(default=None, kw_only=True)
    notify: Notify | None = field(default=None, kw_only=True)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds every trial or arm is run with."""
        return self.definition.seeds

    @property
    def objective(self) -> Objective:
        """The metric that decides."""
        return self.definition.objective

    @property
    def profile(self) -> str:
        """The profile that was chosen."""
        return self.definition.profile

    def hash_of(self, config: Config) -> str:
        """Name a run of this study by its config, and by the entry that it is run with."""
        return run_hash(config, self.definition.cli)

    def configured(self, changes: Changes, seed: int) -> dict[str, Any]:
        """Return the base config with `changes` applied and the run's seed set."""
        config: dict[str, Any] = paths.fresh(self.definition.config)
        configs.apply(config, changes, self.name)
        config["seed_everything"] = seed
        return config


@dataclass(frozen=True)
class SearchStudy(_Prepared):
    """A search made ready: what defines it, and the points that are tried first."""

    definition: SearchDefinition
    enqueued: tuple[Point, ...] = ()

    @property
    def space(self) -> Space:
        """The space, parents first."""
        return Space(self.definition.space)

    def with_budget(self, budget: Budget) -> "SearchStudy":
        """Return the study with another budget, which is no part of its identity."""
        return replace(self, definition=self.definition.model_copy(update={"budget": budget}))

    def at(self, point: Point, seed: int) -> dict[str, Any]:
        """Return the base config at a point of the space with the run's seed set."""
        config = self.configured({}, seed)
        self.space.apply(point, config)
        return config


@dataclass(frozen=True)
class AblationStudy(_Prepared):
    """An ablation made ready: what defines it, and which findings of an audit it allows, by code.

    `tunes_elsewhere` says that the space to tune in is that of another study.
    """

    definition: AblationDefinition
    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tunes_elsewhere: bool = False

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms: those of its designs, declared ones, tuned ones, floors."""
        return self.definition.arms

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The names of the arms, and of those that searches are still to give."""
        tuned = self.definition.trained if self.definition.tune is not None else ()
        names = [arm.name for arm in self.arms]
        return tuple(dict.fromkeys((*names, *(tuned_name(arm.name) for arm in tuned))))

    def with_tuned(self, tuned: Mapping[str, Tuned]) -> "AblationStudy":
        """Return the study with what the searches of its arms have found."""
        return replace(self, definition=self.definition.with_tuned(tuned))

    def search_of(self, arm: Arm, tuning: Tuning, space: Space, name: str) -> SearchStudy:
        """Return the search that tunes an arm within the part of the space that is its own."""
        return SearchStudy(
            name=name,
            definition=SearchDefinition(
                config=self.configured(arm.changes, tuning.seeds[0]),
                cli=self.definition.cli,
                profile=self.profile,
                limits=self.definition.limits,
                goals=self.definition.goals,
                **{**dict(tuning), "space": dict(space)},
            ),
            source=f"{self.source}: arms.{arm.name}",
            cli=self.cli,
            folder=self.folder,
            trust=self.trust,
        )


Study: TypeAlias = SearchStudy | AblationStudy

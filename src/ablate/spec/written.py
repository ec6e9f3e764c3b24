"""A study as it is written, in a file or in Python: found, read, and made ready to run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from ablate.errors import AblateError, NotFoundError, SpecError, nearest, quoted
from ablate.spec import configs, designs, entries, paths
from ablate.spec.configs import Takes
from ablate.spec.definition import AblationDefinition, ProfileChange, SearchDefinition, Tuning
from ablate.spec.designs import Arm
from ablate.spec.episodes import Episodes
from ablate.spec.fields import SEEDS_END, Changes, Components, Config
from ablate.spec.files import Place, beside, find, is_file, read_yaml
from ablate.spec.goals import Goals
from ablate.spec.hashing import fresh_seeds
from ablate.spec.models import Ablation, Budget, Search
from ablate.spec.names import folder_mistake
from ablate.spec.native import NativeConfig, native_config, read_config
from ablate.spec.project import import_folders
from ablate.spec.secrets import refuse_secrets
from ablate.spec.space import Point, Space
from ablate.spec.strict import validate
from ablate.spec.study import AblationStudy, SearchStudy, Study
from ablate.spec.tuning import tuning_study

STUDIES = "studies"
GOALS = ".goals.yaml"
"""How the file beside a config ends that says what its runs are expected to reach."""
_NAMES: tuple[Place, ...] = (
    ("reference",),
    ("base",),
    ("full",),
    ("order", "*"),
    ("provenance", "tuned_for"),
    ("allow", "*"),
    ("allow", "*", "*"),
)
"""Where a study file names arms and components."""

_MOST_RUNS = 1_000_000

Spec = TypeVar("Spec", bound=Search | Ablation)


@dataclass(frozen=True)
class WrittenStudy(Generic[Spec]):
    """A study whose models are valid and whose profile is not chosen yet.

    `where` names it in messages; its config files are looked up from `folder`.
    """

    name: str
    where: str
    folder: Path
    spec: Spec

    def config_files(self) -> tuple[Path, ...]:
        """Return the config files the study is based on, later ones over earlier ones."""
        return tuple(self._file(name) for name in self.spec.config if isinstance(name, str))

    @property
    def entry(self) -> str | None:
        """Where the entry that the study names is found, None for plain LightningCLI."""
        return entries.located(self.spec.cli, self.folder)

    @property
    def recorded_entry(self) -> str | None:
        """The entry as it is recorded, None for plain LightningCLI."""
        return None if self.entry is None else self.spec.cli

    def import_folders(self) -> tuple[Path, ...]:
        """Return the folders that modules are imported from: its own, its configs', their roots."""
        return import_folders([self.folder, *(file.parent for file in self.config_files())])

    def prepare(
        self, profile: str, overrides: Changes | None = None, takes: Takes | None = None
    ) -> Study:
        """Apply a profile and overrides; raise SpecError if they do not hold.

        `takes` is asked where a later config names another class than an earlier one.

        `profile` is the hardware's name (`cpu`, `cuda`); a study that declares no such profile
        runs its configs unchanged.
        """
        self._refuse_secrets(overrides or {})
        base = self._base(profile, overrides or {}, takes)
        if isinstance(self.spec, Search):
            return _prepared_search(self, self.spec, base)
        return _prepared_ablation(self, self.spec, base)

    def read(self, config: str | Mapping[str, Any]) -> dict[str, Any]:
        """Read a config that the study names, or holds."""
        return self._native(config).config

    def merged(self, names: Sequence[str | Config], takes: Takes | None = None) -> dict[str, Any]:
        """Read configs that the study names or holds, and lay them over each other."""
        read = [self.read(name) for name in names]
        return configs.merged(read, takes) if takes else configs.merged(read)

    def goals(self) -> Goals:
        """Return what the runs are expected to reach.

        Beside a config `NAME.yaml` it may stand in `NAME.goals.yaml`; a later config's comes over
        an earlier one's, and what the study says over both, key by key.
        """
        found: dict[str, Any] = {}
        for config in self.config_files():
            beside_it = config.with_suffix(GOALS)
            if is_file(beside_it):
                written = validate(Goals, read_yaml(beside_it), str(beside_it))
                found |= {name: getattr(written, name) for name in written.model_fields_set}
        own = self.spec.goals
        found |= {
            name: getattr(own, name)
            for name in Goals.model_fields
            if name in self.spec.model_fields_set
        }
        return Goals(**found)

    def left_out(self) -> tuple[str, ...]:
        """Name the sections of other subcommands that configs of the study have, by file."""
        return tuple(
            f"{self.name_of(config)}: {section}"
            for config in self.spec.config
            for section in self._native(config).left_out
        )

    def _refuse_secrets(self, overrides: Changes) -> None:
        """Raise SpecError, naming file and key, for a secret in what is to be stored."""
        refuse_secrets(overrides, "--set")
        named = self.spec.enqueue if isinstance(self.spec, Search) else self.spec.to
        for name in (*self.spec.config, *named):
            if isinstance(name, str):
                refuse_secrets(self.read(name), str(self._file(name)))
        body = self.spec.model_dump(mode="json")
        for path, parameter in body.pop("space", {}).items():
            for value in paths.flatten(parameter).values():
                refuse_secrets({path: value}, self.where, "space")
        refuse_secrets(body, self.where)

    def _native(self, config: str | Mapping[str, Any]) -> NativeConfig:
        if isinstance(config, str):
            return self.read_file(config, "config")
        return native_config(config, self.folder, f"{self.where}: config")

    def read_file(self, name: str, key: str) -> NativeConfig:
        """Read a config file; where there is none, say which key of the study names it."""
        path = self._file(name)
        try:
            return read_config(path)
        except AblateError as error:
            if is_file(path):
                raise
            raise error.at(f"{self.where}: {key}") from None

    def name_of(self, config: str | Config) -> str:
        """Return what a config is called in messages: its file, or the study that holds it."""
        return str(self._file(config)) if isinstance(config, str) else self.where

    def _file(self, name: str) -> Path:
        return beside(self.folder, name)

    def _base(self, profile: str, overrides: Changes, takes: Takes | None) -> "_Base":
        declared = self.spec.profiles.get(profile)
        written = self.merged(self.spec.config, takes)
        config: dict[str, Any] = paths.fresh(written)
        sources = {
            f"{self.where}: profiles.{profile}.set": declared.changes if declared else {},
            "--set": overrides,
        }
        changes: dict[str, Any] = {}
        files = " + ".join(map(str, self.config_files())) or self.where
        for where, source in sources.items():
            configs.apply(config, source, where, files)
            if isinstance(self.spec, Search):
                _refuse_searched(source, self.spec.space, where)
            changes = designs.joined(changes, source)
        return _Base(written, config, changes, profile, files, takes)


@dataclass(frozen=True)
class _Base:
    """The config of a study as it is written, and with the profile and the overrides applied."""

    written: dict[str, Any]
    config: dict[str, Any]
    changes: Changes
    profile: str
    source: str
    takes: Takes | None

    @property
    def profile_changes(self) -> tuple[ProfileChange, ...]:
        """What profile and overrides change, with the value before."""
        return tuple(
            ProfileChange(path=path, before=configs.value_at(self.written, path), after=value)
            for path, value in self.changes.items()
        )


def study_files(folder: str = STUDIES) -> list[Path]:
    """Return the files of the studies in a folder, by name."""
    return sorted(path for path in Path(folder).glob("*.yaml") if not path.match(f"*{GOALS}"))


def read_study(name: str | Path, folder: str = STUDIES) -> WrittenStudy[Any]:
    """Find and read a study file; raise NotFoundError or SpecError."""
    path = find(str(name), folder)
    data = read_yaml(path)
    data = read_yaml(path, (*_NAMES, *_labels(data)))
    kind = data.get("kind")
    if kind not in ("search", "ablation"):
        raise SpecError(f"{path}: kind must be search or ablation, not {quoted(kind)}")
    if "name" in data:
        raise SpecError(f"{path}: unknown key 'name': a study file is named by its file")
    model: type[Search | Ablation] = Search if kind == "search" else Ablation
    spec = validate(model, data, str(path))
    return _checked(WrittenStudy(path.stem, str(path), path.parent, spec))


def _labels(study: Mapping[str, Any]) -> Iterator[Place]:
    """Yield where a study file names labels of choices: in conditions and in points."""
    tune = study.get("tune")
    spaces: dict[Place, Any] = {
        ("space",): study.get("space"),
        ("tune", "space"): tune.get("space") if isinstance(tune, dict) else None,
    }
    for place, space in spaces.items():
        for path, parameter in space.items() if isinstance(space, dict) else ():
            if isinstance(parameter, dict) and isinstance(parameter.get("choice"), dict):
                yield (*place, "*", "when", path)
                yield (*place, "*", "when", path, "*")
                yield ("enqueue", "*", path)


def written_in_python(spec: Spec) -> WrittenStudy[Spec]:
    """Take a study that was built in Python; raise SpecError if it does not hold."""
    if not spec.name:
        raise SpecError(f"a study built in Python needs a name: {type(spec).__name__}(name=...)")
    return _checked(WrittenStudy(spec.name, f"the study {spec.name!r}", Path(), spec))


def _checked(study: WrittenStudy[Spec]) -> WrittenStudy[Spec]:
    """Return the study if it has a name that folders can have, and every path can be read."""
    if (reason := folder_mistake(study.name)) is not None:
        raise SpecError(f"{study.where}: {quoted(study.name)} can't name a study: {reason}")
    try:
        for changes in study.spec.all_changes():
            for dotted in changes:
                paths.parse(dotted)
    except SpecError as error:
        raise SpecError(f"{study.where}: {error}") from None
    return study


def _prepared_search(study: WrittenStudy[Any], spec: Search, base: _Base) -> SearchStudy:
    profile = spec.profiles.get(base.profile)
    prepared = SearchStudy(
        name=study.name,
        definition=SearchDefinition(
            config=base.config,
            cli=study.recorded_entry,
            profile=base.profile,
            profile_changes=base.profile_changes,
            seeds=_seeds(study, base),
            objective=spec.objective,
            limits=spec.limits,
            goals=study.goals(),
            constraints=spec.constraints,
            space=spec.space,
            seed=spec.seed,
            window=spec.window,
            sampler=spec.sampler,
            pruner=spec.pruner,
            budget=(profile and profile.budget) or spec.budget,
            enqueue=spec.enqueue,
        ),
        source=base.source,
        cli=study.entry,
        folder=study.folder,
        notify=spec.notify,
    )
    space = _checked_space(study, prepared)
    points = tuple(_point(study, entry, space, prepared, base.changes) for entry in spec.enqueue)
    return replace(prepared, enqueued=points)


def _checked_space(study: WrittenStudy[Any], prepared: SearchStudy) -> Space:
    """Return the space if every parameter of it has a place in the config."""
    try:
        space = prepared.space
    except SpecError as error:
        raise SpecError(f"{study.where}: {error}") from None
    for path, point in space.covering_points():
        try:
            prepared.at(point, 0)
        except SpecError as error:
            place = f"{study.where}: space.{path}"
            raise SpecError(f"{place}: {error} (in {prepared.source})") from None
    return space


def _refuse_too_many(where: str, arms: int, seeds: int) -> None:
    if arms * seeds > _MOST_RUNS:
        raise SpecError(
            f"{where}: {arms:,} arms x {seeds:,} seeds are {arms * seeds:,} runs; "
            f"a study has at most {_MOST_RUNS:,}"
        )


def _seeds(study: WrittenStudy[Any], base: _Base) -> tuple[int, ...]:
    """Return the seeds of the profile, else of the study, else the one of the config."""
    profile = study.spec.profiles.get(base.profile)
    if seeds := (profile and profile.seeds) or study.spec.seeds:
        return tuple(seeds)
    seed = base.config.get("seed_everything")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEEDS_END:
        given = "has no seed_everything" if seed is None else f"has seed_everything: {quoted(seed)}"
        raise SpecError(
            f"{study.where}: give seeds, such as seeds: [1, 2, 3]; {base.source} {given}"
        )
    return (seed,)


def _point(
    study: WrittenStudy[Any],
    entry: str | Mapping[str, Any],
    space: Space,
    prepared: SearchStudy,
    changes: Changes,
) -> Point:
    """Return an enqueued point; a config must equal the study's own but where it is searched."""
    if isinstance(entry, Mapping):
        space.check(entry, f"{study.where}: enqueue")
        return dict(entry)
    path = beside(study.folder, entry)
    config = study.read_file(entry, "enqueue").config
    configs.apply(config, changes, "profile and --set", str(path))
    point = space.locate(config, str(path))
    for key, here, there in configs.differing(
        {**config, "seed_everything": None}, {**prepared.at(point, 0), "seed_everything": None}
    ):
        raise SpecError(
            f"{path}: enqueued into {study.where}, but it differs from the study's config at "
            f"{key}, which is not searched: {quoted(here)} here, {quoted(there)} there "
            f"({prepared.source})"
        )
    return point


def _prepared_ablation(study: WrittenStudy[Any], spec: Ablation, base: _Base) -> AblationStudy:
    profile = spec.profiles.get(base.profile)
    components = _components(study, spec, base)
    seeds = _seeds(study, base)
    arms = spec.checked_arms(components)
    _refuse_too_many(study.where, len(arms), len(seeds))
    if spec.episodes is not None:
        _check_bounds(study.where, spec.episodes, arms)
    for arm in arms if spec.tune else ():
        if (reason := folder_mistake(search := tuning_study(study.name, arm.name))) is not None:
            raise SpecError(f"{study.where}: tune: {quoted(search)} can't name a search: {reason}")
    for arm in arms:
        where = f"{study.where}: arms.{arm.name}"
        config = paths.fresh(base.config)
        configs.apply(config, arm.changes, where, base.source)
        if spec.episodes is not None and not arm.floor:
            _check_counts(study.where, spec.episodes, arm, config, base.source)
    return AblationStudy(
        name=study.name,
        definition=AblationDefinition(
            config=base.config,
            cli=study.recorded_entry,
            profile=base.profile,
            profile_changes=base.profile_changes,
            seeds=seeds,
            objective=spec.decides,
            limits=spec.limits,
            goals=study.goals(),
            designs=spec.design,
            arms=arms,
            components=components,
            reference=spec.reference,
            provenance=spec.provenance,
            metrics=spec.metrics,
            margin=spec.margin,
            published=spec.published,
            episodes=spec.episodes,
            tune=_tuning(study, spec, seeds, profile.budget if profile else None),
        ),
        source=base.source,
        cli=study.entry,
        folder=study.folder,
        notify=spec.notify,
        allow=spec.allow,
        tunes_elsewhere=spec.tune is not None and spec.tune.study is not None,
    )


def _check_bounds(where: str, episodes: Episodes, arms: Sequence[Arm]) -> None:
    """Raise SpecError if a floor or a ceiling is told of what is no arm."""
    names = [arm.name for arm in arms if not arm.floor]
    for key in ("floor", "ceiling"):
        for name in getattr(episodes, key):
            if name not in names:
                raise SpecError(
                    f"{where}: episodes.{key}: {quoted(name)} is no arm: {nearest(name, names)}"
                )


def _check_counts(where: str, episodes: Episodes, arm: Arm, config: Config, source: str) -> None:
    """Raise SpecError if a config, read from `source`, has no number where the study says."""
    for key in ("horizon", "actions"):
        path = getattr(episodes, key)
        if path is None:
            continue
        value = configs.value_at(config, path)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SpecError(
                f"{where}: episodes.{key}: {path} is {quoted(value)} in the arm "
                f"{quoted(arm.name)} of {source}: name the path of a whole number above 0, "
                "and write it there"
            )


def _components(study: WrittenStudy[Any], spec: Ablation, base: _Base) -> Components:
    """Return the declared components, or what leads to the other config that the study names."""
    if not spec.to:
        return spec.components
    end = study.merged(spec.to, base.takes)
    try:
        found = designs.between(base.written, end, spec.order)
        spec.checked_arms(found)
    except ValueError as error:
        names = ", ".join(study.name_of(config) for config in spec.to)
        raise SpecError(f"{study.where}: {error} (from {base.source} to {names})") from None
    return found


def _tuning(
    study: WrittenStudy[Any], spec: Ablation, seeds: tuple[int, ...], budget: Budget | None
) -> Tuning | None:
    """Return the search that every arm gets, if the study asks for it."""
    tune = spec.tune
    if tune is None:
        return None
    lender = _lender(study, tune.study) if tune.study is not None else None
    space = lender.space if lender else tune.space
    try:
        Space(space)
    except SpecError as error:
        raise SpecError(f"{study.where}: tune.{error}") from None
    objective = spec.decides
    if lender:
        objective = objective.model_copy(update={"at": lender.objective.at})
    fields = Search.model_fields
    return Tuning(
        objective=objective,
        constraints=tuple(
            dict.fromkeys((*(lender.constraints if lender else ()), *tune.constraints))
        ),
        space=space,
        seeds=tune.seeds or fresh_seeds(1, seeds, "tune", study.name),
        seed=tune.seed,
        window=tune.window,
        sampler=tune.sampler or (lender.sampler if lender else fields["sampler"].default),
        pruner=tune.pruner or (lender.pruner if lender else fields["pruner"].default),
        budget=budget or Budget(trials=tune.trials),
    )


def _lender(study: WrittenStudy[Any], name: str) -> Search:
    """Return the search study that an ablation takes its space from."""
    try:
        spec = read_study(name, str(study.folder)).spec
    except NotFoundError as error:
        raise SpecError(f"{study.where}: tune.study: {error}") from None
    if not isinstance(spec, Search):
        raise SpecError(f"{study.where}: tune.study: {name!r} is no search")
    return spec


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

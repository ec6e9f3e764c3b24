"""Say what a configuration or a study will do, what is wrong with it and what it takes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ablate import analysis
from ablate.analysis import statistics
from ablate.errors import NotFoundError, RequestError, RunError, SpecError, nearest, quoted
from ablate.measure import Asked, look_at
from ablate.plan import (
    Constraint,
    Facts,
    Fit,
    Plan,
    Wishes,
    check_unbuilt,
    fit_config,
    parse_size,
    plan_config,
    read_constraints,
    show_size,
)
from ablate.plan import checks as plan_checks
from ablate.plan.configured import NUMBERS
from ablate.plan.constraints import DERIVED
from ablate.run import Launcher
from ablate.run.resolving import resolve_arms, resolve_base
from ablate.spec import (
    Ablation,
    AblationStudy,
    Config,
    Direction,
    Search,
    SearchStudy,
    Study,
    WrittenStudy,
    content_hash,
    dump_yaml,
    paths,
    read_study,
    read_yaml,
    written_in_python,
)
from ablate.spec.files import is_file, replacing
from ablate.store import Store
from ablate.store.engines import look_into
from ablate.store.urls import parse_url
from ablate.study import Request
from ablate.workflow.defaults import storage_url
from ablate.workflow.request import requested
from ablate.workflow.result import Result

CONFIGS = "configs"
STUDIES = "studies"
SIDECAR = ".plan.yaml"
"""What the file of a config's own constraints is called, behind the name of the config."""
_ALPHA = 0.05
_YAML = {".yaml", ".yml"}
_ACCUMULATE = "trainer.accumulate_grad_batches"


@dataclass(frozen=True)
class Overlay:
    """A config to lay over the planned one, which keeps the effective batch in a memory."""

    fit: Fit
    limit: int
    text: str
    file: Path | None


@dataclass(frozen=True)
class PlanResult(Result):
    """The plan of one configuration; `overlay` is None unless a fit was asked for and found."""

    config: str
    plan: Plan
    device: str
    overlay: Overlay | None
    fit_asked: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing stands against running it; what a fit cures does not."""
        if self.fit_asked and self.overlay is None:
            return False
        cured = {"too-large"} if self.overlay is not None else set()
        errors = (v for v in self.plan.violations if v.severity == "error")
        return all(violation.code in cured for violation in errors)

    def frame(self) -> pd.DataFrame:
        """Return the numbers: quantity, value."""
        rows = [(name.removeprefix(DERIVED), value) for name, value in self.plan.derived().items()]
        return pd.DataFrame(rows, columns=["quantity", "value"])

    def summary(self) -> str:
        """Say the length, the size and what is wrong."""
        plan = self.plan
        said = [f"{self.config}: {say_length(plan)}"]
        if plan.memory_bytes is not None:
            said.append(f"memory: {show_size(plan.memory_bytes)} of tensors")
        said += [f"{one.severity}: {one.code}: {one.what}" for one in plan.violations]
        return "\n".join(said)


@dataclass(frozen=True)
class ArmPlan:
    """What is run of one configuration of a study: an arm, or the trials of a search."""

    name: str
    runs: int | None
    plan: Plan

    @property
    def steps(self) -> int | None:
        """The optimizer steps of all runs."""
        steps = self.plan.optimizer_steps
        return None if self.runs is None or steps is None else self.runs * steps

    @property
    def seconds(self) -> float | None:
        """The predicted seconds of all runs, one after the other; None unless measured."""
        seconds = self.plan.seconds
        return None if self.runs is None or seconds is None else self.runs * seconds.total


@dataclass(frozen=True)
class Power:
    """How many seeds show an effect: `spread` is the sd of the difference of two paired runs."""

    effect: float
    spread: float
    recorded: bool
    comparisons: int
    seeds: int | None


@dataclass(frozen=True)
class StudyPlanResult(Result):
    """The plans of a study's arms, or of the config that a search varies."""

    study: str
    profile: str
    kind: str
    seeds: tuple[int, ...]
    workers: int
    arms: tuple[ArmPlan, ...]
    power: Power | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def runs(self) -> int | None:
        """How many runs there are; None if only time bounds them."""
        counts = [arm.runs for arm in self.arms if arm.runs is not None]
        return sum(counts) if len(counts) == len(self.arms) else None

    @property
    def optimizer_steps(self) -> int | None:
        """The optimizer steps of all runs."""
        steps = [arm.steps for arm in self.arms if arm.steps is not None]
        return sum(steps) if len(steps) == len(self.arms) else None

    @property
    def seconds(self) -> float | None:
        """The predicted seconds with these workers; None unless measured."""
        known = [arm.seconds for arm in self.arms if arm.seconds is not None]
        if len(known) < len(self.arms) or not known:
            return None
        return sum(known) / max(1, min(self.workers, self.runs or 1))

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong with any arm that is an error."""
        return all(arm.plan.holds for arm in self.arms)

    def frame(self) -> pd.DataFrame:
        """Return a row per arm: its runs, and the numbers of its plan."""
        rows = []
        for arm in self.arms:
            numbers = {
                name.removeprefix(DERIVED): value for name, value in arm.plan.derived().items()
            }
            rows.append({"arm": arm.name, "runs": arm.runs, **numbers, "seconds": arm.seconds})
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """Say how much there is to run, and what is wrong."""
        runs = "no fixed number of" if self.runs is None else f"{self.runs:,}"
        said = [f"{self.study}: {len(self.arms)} configurations, {runs} runs"]
        if self.optimizer_steps is not None:
            said[0] += f", {self.optimizer_steps:,} optimizer steps"
        alike: dict[tuple[str, str, str], list[str]] = {}
        for arm in self.arms:
            for one in arm.plan.violations:
                alike.setdefault((one.severity, one.code, one.what), []).append(arm.name)
        said += [
            f"{severity}: {code} ({', '.join(names)}): {what}"
            for (severity, code, what), names in alike.items()
        ]
        return "\n".join(said)


def say_length(plan: Plan) -> str:
    """Say in a few words how long a run is."""
    if plan.optimizer_steps is None:
        return "the length of the run is not known"
    said = f"{plan.optimizer_steps:,} optimizer steps"
    if plan.epochs is not None:
        said += f" in {plan.epochs:,.4g} epochs of {plan.steps_per_epoch:,}"
    return said


def plan(
    *names: str | Path | Search | Ablation,
    steps: int | None = None,
    measure: bool = False,
    memory: str | int | None = None,
    fit: bool = False,
    batch_key: str | None = None,
    out: str | Path | None = None,
    constraints: Sequence[str | Path] = (),
    effect: float | None = None,
    sd: float | None = None,
    storage: str | None = None,
    profile: str | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workers: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> PlanResult | StudyPlanResult:
    """Say what a configuration or a study will do; it is built, and tried on a few examples.

    `names` are one study, or the files of a config, later ones over earlier ones. `steps` is how
    many optimizer steps are wanted. `measure` times real steps and a validation. `memory` is a
    limit such as `8GB`, else what this machine has; `fit` proposes a batch that keeps to it, and
    writes it to `out` if that is given, where there must be no file yet. `constraints` are files of
    further ones. `effect` asks how many seeds would show it; `sd` is the standard deviation of a
    run's value over seeds, else it is taken from the study's record. Nothing else is written.
    Raises RequestError if the request is wrong.
    """
    wishes = Wishes(steps, _limit(memory), tuple(_constraints(constraints)))
    _check(steps=steps, effect=effect, sd=sd, fit=fit, out=out)
    with requested(
        storage=storage,
        profile=profile,
        overrides=set,
        workers=workers,
        quiet=quiet,
        verbose=verbose,
        launcher=launcher,
    ) as request:
        written, is_study = _written(names)
        if is_study and (fit or out is not None):
            raise RequestError("--fit is for one config; of a study plan the config that it names")
        if not is_study and effect is not None:
            raise RequestError("--effect is for a study, which has arms and seeds")
        with request.launched(written.import_folders()) as launched:
            study = request.prepare(written, launched)
            wishes = Wishes(wishes.steps, wishes.limit, (*wishes.constraints, *_sidecars(written)))
            asked = Asked(time=measure)
            if is_study:
                power = None if effect is None else _power(study, request, effect, sd)
                return replace(_plan_study(study, launched, request, wishes, asked), power=power)
            config = resolve_base(study, launched)
            request.say("building it and trying a few steps")
            (facts,) = look_at(launched, [config], asked, cli=study.cli, trust=study.trust)
    made = _planned(config, facts, wishes)
    overlay = None
    if fit and isinstance(facts, Facts):
        overlay = _overlay(config, facts, wishes.limit, batch_key, out)
    device = facts.device if isinstance(facts, Facts) else "unknown"
    shown = " + ".join(map(str, names))
    return PlanResult(shown, made, device, overlay, fit)


def _check(
    *,
    steps: int | None,
    effect: float | None,
    sd: float | None,
    fit: bool,
    out: str | Path | None,
) -> None:
    if steps is not None and steps < 1:
        raise RequestError(f"--steps must be at least 1, not {steps}")
    if effect is not None and not 0 < abs(effect) < math.inf:
        raise RequestError(f"--effect is a difference other than 0, not {effect}")
    if sd is not None and not 0 <= sd < math.inf:
        raise RequestError(f"--sd is a standard deviation of at least 0, not {sd}")
    if sd is not None and effect is None:
        raise RequestError("--sd says how runs vary; name the --effect that is to be shown, too")
    if out is not None and not fit:
        raise RequestError("--out is where --fit writes what it proposes: add --fit")
    if out is not None and Path(out).exists():
        raise RequestError(f"--out {out}: there is such a file already; name another one")


def _limit(memory: str | int | None) -> int | None:
    if memory is None or isinstance(memory, int):
        return memory
    try:
        return parse_size(memory)
    except ValueError as error:
        raise RequestError(f"--memory {error}") from None


# --- what is planned -----------------------------------------------------------------------


def _written(names: Sequence[str | Path | Search | Ablation]) -> tuple[WrittenStudy[Any], bool]:
    """Find what the names stand for, and whether it is a study; configs become one of one arm."""
    if not names:
        raise RequestError("name a config or a study")
    first = names[0]
    if isinstance(first, Search | Ablation):
        if len(names) > 1:
            raise RequestError("one study is planned at a time")
        return written_in_python(first), True
    given = [str(name) for name in names]
    found = [_found(name) for name in given]
    studies = [name for name, (_, is_study) in zip(given, found, strict=True) if is_study]
    if studies and len(given) > 1:
        raise RequestError(f"{quoted(studies[0])} is a study, and one is planned at a time")
    if studies:
        return read_study(given[0]), True
    # No number of a plan depends on the seed, which a config need not have.
    return written_config([path for path, _ in found], (0,)), False


def written_config(
    files: Sequence[Path], seeds: tuple[int, ...] | None = None
) -> WrittenStudy[Ablation]:
    """Return config files, laid over each other, as a study of one arm.

    Without seeds it has the one of the config.
    """
    spec = Ablation(
        name="plan",
        config=tuple(str(file.absolute()) for file in files),
        arms={"config": {}},
        metrics={"loss": Direction.MINIMIZE},
        seeds=seeds,
    )
    return written_in_python(spec)


def _found(name: str) -> tuple[Path, bool]:
    """Return the file that a name stands for, and whether it is a study."""
    given = Path(name)
    if given.suffix in _YAML:
        return given, "kind" in read_yaml(given)
    for folder, is_study in ((STUDIES, True), (CONFIGS, False)):
        if is_file(file := Path(folder) / f"{name}.yaml"):
            return file, is_study
    known = [
        path.stem
        for folder in (STUDIES, CONFIGS)
        for path in sorted(Path(folder).glob("*.yaml"))
        if not path.name.endswith(SIDECAR)
    ]
    raise NotFoundError(
        f"there is no {quoted(name)} in {STUDIES}/ or {CONFIGS}/: {nearest(name, known)}"
    )


def _constraints(files: Sequence[str | Path]) -> list[Constraint]:
    """Read files of constraints; raise SpecError for a derived number that there is not."""
    found: list[Constraint] = []
    for file in files:
        for constraint in read_constraints(read_yaml(Path(file)), str(file)):
            for name in constraint.keys:
                known = [DERIVED + one for one in NUMBERS]
                if name.startswith(DERIVED) and name not in known:
                    raise SpecError(
                        f"{file}: unknown number {quoted(name)}: {nearest(name, known)}"
                    )
            found.append(constraint)
    return found


def _sidecars(written: WrittenStudy[Any]) -> list[Constraint]:
    files = [file.with_name(file.stem + SIDECAR) for file in written.config_files()]
    return _constraints([file for file in files if is_file(file)])


def _refuse_unknown(constraints: Sequence[Constraint], configs: Sequence[Config]) -> None:
    """Raise SpecError for a constraint on a key that no configuration has."""
    for constraint in constraints:
        for name in constraint.keys:
            if name.startswith(DERIVED) or any(paths.has(config, name) for config in configs):
                continue
            leaves = [path for config in configs for path in plan_checks.flat(config)]
            raise SpecError(
                f"constraints: {constraint.code}: the config has no key {quoted(name)}: "
                f"{nearest(name, leaves)}"
            )


def _planned(config: Config, facts: Facts | RunError, wishes: Wishes) -> Plan:
    _refuse_unknown(wishes.constraints, [config])
    if isinstance(facts, Facts):
        return plan_config(config, facts, wishes)
    return check_unbuilt(config, str(facts), wishes)


# --- a fit ---------------------------------------------------------------------------------


def _overlay(
    config: Config, facts: Facts, limit: int | None, key: str | None, out: str | Path | None
) -> Overlay | None:
    available = limit or facts.device_memory
    key = key or _batch_key(config, facts)
    if not paths.has(config, key):
        leaves = plan_checks.flat(config)
        raise RequestError(f"--batch-key {quoted(key)} is no key: {nearest(key, leaves)}")
    try:
        found = fit_config(config, facts, available)
    except ValueError as error:
        raise RunError(f"--fit: {error}") from None
    if found is None:
        return None
    changes: dict[str, Any] = {}
    paths.put(changes, key, found.batch_size)
    paths.put(changes, _ACCUMULATE, found.accumulate)
    batch = found.batch_size * found.accumulate * facts.devices
    text = (
        f"# Keeps the effective batch of {batch} in {show_size(available)}: a training needs about "
        f"{show_size(found.needed)}.\n{dump_yaml(changes)}"
    )
    file = None
    if out is not None:
        file = Path(out)
        with replacing(file) as part:
            part.write_text(text, encoding="utf-8")
    return Overlay(found, available, text, file)


def _batch_key(config: Config, facts: Facts) -> str:
    leaves = plan_checks.flat(config)
    sizes = plan_checks.leaves_named(leaves, plan_checks.BATCH_SIZES)
    named = [path for path, size in sizes.items() if size == facts.batch]
    of_data = [path for path in named if path.startswith("data.")] or named
    if len(of_data) != 1:
        known = ", ".join(sizes) or "none"
        raise RequestError(
            f"--fit: which key holds the batch size of {facts.batch}? name it by --batch-key; "
            f"keys of that name: {known}"
        )
    return of_data[0]


# --- a study -------------------------------------------------------------------------------


def _plan_study(
    study: Study, launcher: Launcher, request: Request, wishes: Wishes, asked: Asked
) -> StudyPlanResult:
    configs: dict[str, Config] = _configs(study, launcher)
    _refuse_unknown(wishes.constraints, list(configs.values()))
    hashes = {name: content_hash(dict(config)) for name, config in configs.items()}
    unique = {digest: name for name, digest in reversed(hashes.items())}
    many = "configuration" if len(unique) == 1 else "configurations"
    request.say(f"building {len(unique)} {many} and trying a few steps of each")
    ended = iter(range(1, len(unique) + 1))
    names = list(unique.values())

    def tell(place: int) -> None:
        request.say(f"tried {next(ended)} of {len(names)}: {names[place]}")

    looked = look_at(
        launcher, [configs[name] for name in names], asked, cli=study.cli, trust=study.trust,
        on_end=tell,
    )  # fmt: skip
    facts = dict(zip(unique, looked, strict=True))
    plans = {name: _planned(configs[name], facts[hashes[name]], wishes) for name in configs}
    notes: list[str] = []
    arms = [ArmPlan(name, _runs(study), made) for name, made in plans.items()]
    if isinstance(study, SearchStudy):
        notes.append("every trial is taken to be as long as the config; what is pruned is shorter")
    elif (tune := study.definition.tune) is not None:
        trials = None if tune.budget.trials is None else tune.budget.trials * len(tune.seeds)
        for name, made in plans.items():
            arms.append(ArmPlan(f"{name} (search)", trials, made))
            arms.append(ArmPlan(f"{name} (tuned)", len(study.seeds), made))
    return StudyPlanResult(
        study=study.name,
        profile=study.profile,
        kind=study.definition.kind,
        seeds=study.seeds,
        workers=request.workers,
        arms=tuple(arms),
        notes=tuple(notes),
    )


def _configs(study: Study, launcher: Launcher) -> dict[str, Config]:
    """Return the resolved configurations that a study trains, by name."""
    if isinstance(study, AblationStudy):
        return dict(resolve_arms(study, study.definition.trained, launcher))
    return {study.name: resolve_base(study, launcher)}


def _runs(study: Study) -> int | None:
    """Return how many runs there are of each configuration."""
    if isinstance(study, AblationStudy):
        return len(study.seeds)
    trials = study.definition.budget.trials
    return None if trials is None else trials * len(study.seeds)


def _power(study: Study, request: Request, effect: float, sd: float | None) -> Power:
    """Say how many seeds show an effect at the level that the study's comparisons leave."""
    if not isinstance(study, AblationStudy):
        raise RequestError("--effect is for an ablation: a search compares no arms")
    pairs = analysis.comparators(study.definition).values()
    comparisons = max(1, sum(map(len, pairs)))
    # Runs are paired by seed; unless a record shows otherwise, that does not make them alike.
    spread = math.sqrt(2) * sd if sd is not None else _recorded_spread(study.name, request.storage)
    seeds = statistics.seeds_needed(effect, spread, _ALPHA / comparisons, paired=True)
    return Power(effect, spread, sd is None, comparisons, seeds)


def _recorded_spread(study: str, storage: str) -> float:
    """Return the pooled sd of the differences between arms by seed, from a study's record.

    Differences from floors stand beside the comparisons that the seeds are for.
    """
    url = storage_url(storage)
    known = look_into(parse_url(url)).version is not None
    if known:
        with Store.open(url, create=False) as store:
            if study in store.study_names():
                frames = analysis.load(store, study)
                if isinstance(frames, analysis.AblationFrames):
                    made = analysis.conclude(frames, [])
                    variances = [
                        statistics.sd([value for _, value in row.differences]) ** 2
                        for row in made.comparisons
                        if row.primary
                        and row.relation is not analysis.Relation.FLOOR
                        and len(row.differences) > 1
                    ]
                    if variances:
                        return math.sqrt(sum(variances) / len(variances))
    raise RequestError(
        f"--effect: {study} has no runs of two seeds yet that show how they vary: give --sd, the "
        "standard deviation of a run's value over seeds"
    )

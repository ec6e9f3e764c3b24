"""Ask a sampler and a pruner so that the same seed always gives the same search.

The sampler and the pruner see a view of the study that depends on trial numbers alone, never on
which worker happened to finish first. At most `window` trials are in flight. When trial n is
asked for, the results of all trials up to n - window are told, in order, and no others; while
trial n runs, the pruner sees those trials and n itself. The sampler is built anew for every
trial, seeded from the study's seed and n, so an interrupted search continues as if it had not
been. The user's name of the study is not known here: what depends on a name depends on the seed.
"""

import copy
import importlib
import inspect
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, GridSampler, QMCSampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.errors import RunError, SpecError
from ablate.spec import (
    Choice,
    ClassConfig,
    Direction,
    FloatRange,
    IntRange,
    Point,
    Space,
    derived_seed,
)
from ablate.store.distributions import distribution

PrunerFactory = Callable[[], BasePruner]
_DIRECTIONS = {
    Direction.MINIMIZE: StudyDirection.MINIMIZE,
    Direction.MAXIMIZE: StudyDirection.MAXIMIZE,
}
_PLANNED = (GridSampler, QMCSampler)
_REHEARSED = 12
"""Made-up trials: two more than the ten that samplers draw at random by default."""


@dataclass(frozen=True)
class SamplerFactory:
    """Builds the sampler of trial n, seeded from the study's seed and n if it takes a seed.

    One that walks through a plan has the study's seed in every trial: the plan follows from it.
    """

    target: type[BaseSampler]
    arguments: Mapping[str, Any]
    seed: int
    seeded: bool

    def __call__(self, number: int) -> BaseSampler:
        """Build the sampler of trial `number`."""
        seeding = {}
        if self.seeded:
            planned = issubclass(self.target, _PLANNED)
            seeding = {"seed": self.seed if planned else derived_seed(self.seed, number)}
        return self.target(**{**self.arguments, **seeding})


@dataclass(frozen=True)
class Past:
    """A trial as recorded: where it was, what it reported, and how it ended (None: it has not).

    `constraints` hold by name how far it is beyond the bound; `system_attrs` do not have them.
    """

    point: Point
    reports: Mapping[int, float]
    system_attrs: Mapping[str, Any]
    state: TrialState | None
    value: float | None
    constraints: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Result:
    """How a trial ended."""

    state: TrialState
    value: float | None
    constraints: Mapping[str, float]


class _View(InMemoryStorage):
    """Optuna's trials in memory, of which a pruner sees only those its trial may know."""

    def __init__(self) -> None:
        super().__init__()
        self.horizon: tuple[int, int] | None = None

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if self.horizon is None:
            return super().get_all_trials(study_id, deepcopy, states)
        last, current = self.horizon
        trials = super().get_all_trials(study_id, deepcopy=False)
        seen = [*trials[: max(last + 1, 0)], trials[current]]
        if states is not None:
            seen = [trial for trial in seen if trial.state in states]
        return copy.deepcopy(seen) if deepcopy else seen

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        return BaseStorage.get_best_trial(self, study_id)


class _Study(optuna.Study):
    """A study that a sampler may stop outside `optimize`: it has tried all there is."""

    exhausted = False

    def stop(self) -> None:
        """Note that there is nothing left to try."""
        self.exhausted = True


class Asker:
    """The sampler and the pruner of one search, over the deterministic view of its trials.

    Whatever these raise becomes a RunError that names them.
    """

    def __init__(
        self,
        *,
        space: Space,
        direction: Direction,
        window: int,
        sampler: SamplerFactory,
        pruner: PrunerFactory,
        enqueued: Sequence[Point] = (),
        past: Iterable[Past] = (),
    ) -> None:
        self._space = space
        self._window = window
        self._sampler = sampler
        self._pruner = pruner
        self._enqueued = enqueued
        self._view = _View()
        # A pruner may draw lots by the name, as Hyperband does for its brackets.
        name = f"seed {sampler.seed}"
        self._study_id = self._view.create_new_study([_DIRECTIONS[direction]], name)
        self._study = _Study(name, self._view, sampler=sampler(0))
        self._results: dict[int, _Result] = {}
        self._asked = 0
        self._told = 0
        for trial in past:
            self._replay(trial)

    @property
    def ready(self) -> bool:
        """Whether the results that the next trial may know are all in."""
        return all(number in self._results for number in range(self._told, self._visible + 1))

    @property
    def exhausted(self) -> bool:
        """Whether the sampler says that it has tried all there is."""
        return self._study.exhausted

    @property
    def _visible(self) -> int:
        """The last trial whose result the next trial may know."""
        return self._asked - self._window

    def ask(self, fixed: Point | None = None) -> tuple[int, Point]:
        """Return the next trial's number and its point, `fixed` if that is given.

        Call it only when `ready`, and after `tell`.
        """
        number = self._asked
        if fixed is None and number < len(self._enqueued):
            fixed = self._enqueued[number]
        point: Point = {}
        self._study.sampler = self._sampler(number)
        with _named("sampler", self._study.sampler):
            if fixed is not None:
                self._study.enqueue_trial(fixed)
            trial = self._study.ask()
            for path, parameter in self._space.items():
                if self._space.active(path, point):
                    point[path] = _suggest(trial, path, parameter)
        self._asked += 1
        return number, point

    def tell(self) -> None:
        """Tell the sampler the results that the next trial may know; call only when `ready`."""
        with _named("sampler", self._study.sampler):
            while self._told <= self._visible:
                result = self._results[self._told]
                trial_id = self._trial_id(self._told)
                # Not before: a trial in flight would look constrained to the sampler.
                for key, excess in constraint_attrs(result.constraints).items():
                    self._view.set_trial_system_attr(trial_id, key, excess)
                value = result.value if result.state == TrialState.COMPLETE else None
                self._study.tell(self._told, value, result.state)
                self._told += 1

    def report(self, number: int, step: int, value: float) -> bool:
        """Note an intermediate value of a running trial and say whether to prune it."""
        trial_id = self._trial_id(number)
        self._view.set_trial_intermediate_value(trial_id, step, value)
        self._view.horizon = (number - self._window, number)
        pruner = self._pruner()
        try:
            with _named("pruner", pruner):
                return pruner.prune(self._study, self._view.get_trial(trial_id))
        finally:
            self._view.horizon = None

    def finish(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """Note how a trial ended; the sampler learns it when its turn comes.

        `constraints` hold by name how far it is beyond the bound.
        """
        self._results[number] = _Result(state, value, constraints or {})

    def frozen(self, number: int) -> FrozenTrial:
        """Return a copy of a trial with its parameters, distributions and system attributes."""
        return self._view.get_trial(self._trial_id(number))

    def _replay(self, past: Past) -> None:
        if self.ready:
            self.tell()
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=past.point,
                distributions={path: distribution(self._space[path]) for path in past.point},
                system_attrs=dict(past.system_attrs),
                intermediate_values=dict(past.reports),
            )
        )
        if past.state is not None:
            self._results[self._asked] = _Result(past.state, past.value, past.constraints)
        self._asked += 1

    def _trial_id(self, number: int) -> int:
        return self._view.get_trial_id_from_study_id_trial_number(self._study_id, number)


def constraint_attrs(constraints: Mapping[str, float]) -> dict[str, Any]:
    """Return the system attributes in which Optuna keeps constraints, as it makes them itself."""
    made = create_trial(state=TrialState.RUNNING, constraints=dict(constraints))
    return dict(made.system_attrs)


def without_constraints(trial: FrozenTrial) -> dict[str, Any]:
    """Return the system attributes of a trial that are no constraints."""
    kept = constraint_attrs(trial.constraints).keys()
    return {key: value for key, value in trial.system_attrs.items() if key not in kept}


def rehearse(asker: Asker, reports: int, constraints: Sequence[str] = ()) -> None:
    """Have an asker propose, judge and end a few trials, all of them made up.

    Each reports `reports` times, and every other one keeps its `constraints`. Raises RunError if
    its sampler or its pruner can't do it.
    """
    for trial in range(_REHEARSED):
        asker.tell()
        if asker.exhausted:
            return
        number, _ = asker.ask()
        values = [1.0 / (1 + trial + step) for step in range(max(reports, 1))]
        pruned = any(asker.report(number, step, value) for step, value in enumerate(values))
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE
        excess = dict.fromkeys(constraints, 1.0 if trial % 2 else -1.0)
        asker.finish(number, state, None if pruned else values[-1], excess)


@contextmanager
def _named(role: str, actor: BaseSampler | BasePruner) -> Iterator[None]:
    """Turn what a sampler or a pruner raises into a RunError that names it."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split()) or "no reason given"
        raise RunError(
            f"the {role} {type(actor).__name__} failed: {type(error).__name__}: {said}"
        ) from error


def _suggest(trial: optuna.Trial, path: str, parameter: FloatRange | IntRange | Choice) -> Any:
    if isinstance(parameter, Choice):
        return trial.suggest_categorical(path, parameter.labels)
    if isinstance(parameter, IntRange):
        return trial.suggest_int(
            path, *parameter.bounds, step=parameter.step or 1, log=parameter.log
        )
    return trial.suggest_float(path, *parameter.bounds, step=parameter.step, log=parameter.log)


def sampler_factory(component: ClassConfig, seed: int, where: str) -> SamplerFactory:
    """Return a factory of samplers seeded per trial; raise SpecError if one can't be built."""
    target = _load(component, BaseSampler, f"{where}: sampler")
    seeded = "seed" in inspect.signature(target).parameters
    factory = SamplerFactory(target, component.init_args, seed, seeded)
    _try(lambda: factory(0), f"{where}: sampler")
    return factory


def pruner_factory(component: ClassConfig, resource: int | None, where: str) -> PrunerFactory:
    """Return a factory of pruners; raise SpecError if one can't be built.

    `resource` is the most reports a trial can make; it stands in for Optuna's
    `max_resource="auto"`, which depends on the trials that happen to be complete.
    """
    target = _load(component, BasePruner, f"{where}: pruner")
    arguments = dict(component.init_args)
    if "max_resource" in inspect.signature(target).parameters and resource:
        arguments = {"max_resource": resource, **arguments}

    def make() -> BasePruner:
        made: BasePruner = target(**arguments)
        return made

    _try(make, f"{where}: pruner")
    return make


def _load(component: ClassConfig, base: type, where: str) -> Any:
    module, _, name = component.class_path.rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecError(f"{where}.class_path: {component.class_path}: {error}") from None
    if not (inspect.isclass(target) and issubclass(target, base)):
        raise SpecError(f"{where}.class_path: {component.class_path} is no {base.__name__}")
    return target


def _try(make: Callable[[], Any], where: str) -> None:
    try:
        make()
    except Exception as error:  # noqa: BLE001 - any constructor's complaint is the user's to read
        raise SpecError(f"{where}.init_args: {error}") from None

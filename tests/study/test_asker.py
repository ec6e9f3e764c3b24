"""The same study seed gives the same search, whatever the workers' timing."""

import random
from collections.abc import Callable, Sequence

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from ablate.errors import SpecError
from ablate.spec import Choice, ClassConfig, Direction, FloatRange, IntRange, Space
from ablate.study.asker import Asker, Past, pruner_factory, sampler_factory

SPACE = Space(
    {
        "lr": FloatRange(bounds=(1e-4, 1e-1), log=True),
        "schedule": Choice(options={"a": {"x": 1}, "b": None}),
        "cycle": IntRange(bounds=(1, 9), when={"schedule": ("a",)}),
    }
)
STEPS = 6
HYPERBAND = ClassConfig(class_path="optuna.pruners.HyperbandPruner")


def asker(
    past: Sequence[Past] = (),
    window: int = 3,
    pruner: ClassConfig = HYPERBAND,
    seed: int = 0,
) -> Asker:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = ClassConfig(
        class_path="optuna.samplers.TPESampler", init_args={"n_startup_trials": 3}
    )
    return Asker(
        space=SPACE,
        direction=Direction.MINIMIZE,
        window=window,
        sampler=sampler_factory(sampler, seed, "s.yaml"),
        pruner=pruner_factory(pruner, STEPS, "s.yaml"),
        enqueued=[{"lr": 0.01, "schedule": "a", "cycle": 6}],
        past=past,
    )


def curve(point: dict, step: int) -> float:
    return abs(point["lr"] - 0.003) * 100 / (step + 1) + point.get("cycle", 5) * 0.01


def excess(point: dict) -> dict[str, float]:
    """Say how far a trial is off: half of the space breaks one of two constraints."""
    return {"lr": 0.003 - point["lr"], "a": -1.0 if point["schedule"] == "a" else 0.0}


def run(
    order: random.Random,
    trials: int,
    workers: int,
    past: Sequence[Past] = (),
    constrain: Callable[[dict], dict[str, float]] = excess,
) -> list[Past]:
    """Search with workers that progress in a random order; return what a store would hold."""
    search = asker(past)
    record: dict[int, Past] = dict(enumerate(past))
    running = {n: [p.point, 0] for n, p in record.items() if p.state is None}
    while len(record) < trials or running:
        while len(running) < workers and len(record) < trials and search.ready:
            search.tell()
            number, point = search.ask()
            record[number] = Past(point, {}, search.frozen(number).system_attrs, None, None)
            running[number] = [point, 0]
        number = order.choice(sorted(running))
        point, step = running[number]
        value = curve(point, step)
        pruned = search.report(number, step, value)
        reports = {**record[number].reports, step: value}
        running[number][1] += 1
        state, result, off = None, None, {}
        if pruned or step + 1 == STEPS:
            state = TrialState.PRUNED if pruned else TrialState.COMPLETE
            result = None if pruned else value
            off = constrain(point)
            search.finish(number, state, result, off)
            del running[number]
        attrs = search.frozen(number).system_attrs if state else record[number].system_attrs
        record[number] = Past(point, reports if state else {}, attrs, state, result, off)
    return [record[number] for number in sorted(record)]


def outcome(record: Sequence[Past]) -> list[tuple]:
    return [(p.point, p.reports, p.state, p.value, p.constraints) for p in record]


REFERENCE = outcome(run(random.Random(0), 24, 1))


def test_the_reference_search_prunes_and_completes() -> None:
    states = {state for _, _, state, _, _ in REFERENCE}
    assert states == {TrialState.PRUNED, TrialState.COMPLETE}


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), workers=st.sampled_from([1, 2, 3]))
def test_any_number_of_workers_in_any_order_gives_the_same_search(seed: int, workers: int) -> None:
    assert outcome(run(random.Random(seed), 24, workers)) == REFERENCE


@settings(max_examples=12)
@given(cut=st.integers(1, 23), seed=st.integers(0, 10**6))
def test_a_resumed_search_equals_an_uninterrupted_one(cut: int, seed: int) -> None:
    first = run(random.Random(seed), cut, 2)
    assert outcome(run(random.Random(seed + 1), 24, 3, first)) == REFERENCE


@settings(max_examples=12)
@given(cut=st.integers(3, 23), lost=st.integers(1, 3))
def test_trials_lost_while_running_are_run_again_at_the_same_point(cut: int, lost: int) -> None:
    first = run(random.Random(1), cut, 3)
    killed = [
        Past(p.point, {}, {}, None, None) if number >= cut - lost else p
        for number, p in enumerate(first)
    ]
    assert outcome(run(random.Random(2), 24, 2, killed)) == REFERENCE


def test_a_sampler_learns_which_trials_break_a_constraint() -> None:
    free = outcome(run(random.Random(0), 24, 1, constrain=lambda _: {}))
    assert [point for point, *_ in free] != [point for point, *_ in REFERENCE]


def test_another_seed_gives_another_search() -> None:
    one, other = asker(seed=0), asker(seed=1)
    one.ask(), other.ask()
    assert one.ask()[1] != other.ask()[1]


def test_enqueued_points_come_first_and_exactly() -> None:
    assert asker().ask() == (0, {"lr": 0.01, "schedule": "a", "cycle": 6})


def test_no_more_than_the_window_is_in_flight() -> None:
    search = asker(window=2)
    search.ask()
    search.ask()
    assert not search.ready
    search.finish(1, TrialState.COMPLETE, 1.0)
    assert not search.ready, "trial 0 is still running"
    search.finish(0, TrialState.FAIL, None)
    assert search.ready


@pytest.mark.parametrize("pruner", ["MedianPruner", "SuccessiveHalvingPruner", "PatientPruner"])
def test_a_pruner_does_not_see_trials_that_ran_beside_its_own(pruner: str) -> None:
    arguments = {"wrapped_pruner": None, "patience": 1} if pruner == "PatientPruner" else {}
    component = ClassConfig(class_path=f"optuna.pruners.{pruner}", init_args=arguments)
    decisions = []
    for neighbour_is_better in (True, False):
        search = asker(window=2, pruner=component)
        search.ask()
        search.ask()
        for step in range(STEPS):
            search.report(0, step, -100.0 if neighbour_is_better else 100.0)
        decisions.append([search.report(1, step, 1.0 / (step + 1)) for step in range(STEPS)])
    assert decisions[0] == decisions[1]


def test_a_sampler_or_pruner_that_cannot_be_built_is_named() -> None:
    wrong = [
        ClassConfig(class_path="optuna.samplers.TPE"),
        ClassConfig(class_path="optuna.pruners.NopPruner"),
        ClassConfig(class_path="optuna.samplers.TPESampler", init_args={"startup": 3}),
        ClassConfig(class_path="TPESampler"),
    ]
    for component in wrong:
        with pytest.raises(SpecError, match=r"s\.yaml: sampler"):
            sampler_factory(component, 0, "s.yaml")

"""Recipes that run and are not those that were written, and sound look-alikes."""

from functools import cache
from typing import Any

import pytest

from ablate.audits.checks import compare_evidence
from ablate.audits.codes import CODES
from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks import Declared
from ablate.audits.probes import keys
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.recipe import rehearse
from ablate.audits.probes.signature import signature
from ablate.run.lightning_cli import resolve
from ablate.run.recipe import Recipe
from ablate.spec import paths

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PLANTED = "tests.audits.planted.recipe"


@cache
def resolved(model: str) -> dict[str, Any]:
    return resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": f"{PLANTED}.{model}"},
            "data": {"class_path": f"{PLANTED}.Table"},
            "trainer": {"max_epochs": 5, "accelerator": "cpu"},
        }
    )


def config(model: str = "Net", **changes: Any) -> dict[str, Any]:
    known = paths.fresh(resolved(model))
    for path, value in changes.items():
        paths.put(known, path, value)
    return known


@cache
def _rehearsed(model: str, changes: tuple[tuple[str, Any], ...]) -> tuple[Recipe, dict[str, str]]:
    recipe, faults = rehearse(Bench(config(model, **dict(changes))))
    return recipe, {fault.code: fault.what for fault in faults}


def rehearsed(model: str = "Net", **changes: Any) -> tuple[Recipe, dict[str, str]]:
    return _rehearsed(model, tuple(changes.items()))


def of_kind(kind: str, **changes: Any) -> tuple[Recipe, dict[str, str]]:
    return rehearsed(**{"model.init_args.kind": kind}, **changes)


def scheduled(schedule: str, **changes: Any) -> tuple[Recipe, dict[str, str]]:
    return rehearsed("Scheduled", **{"model.init_args.schedule": schedule}, **changes)


def compared(recipes: dict[str, Recipe], **declared: list[str]) -> dict[str, str]:
    """Compare recipes as those of arms; return what is found by where it is found."""
    arms = {arm: Evidence(parameters=1, recipe=recipe) for arm, recipe in recipes.items()}
    changes = {arm: dict.fromkeys(paths) for arm, paths in declared.items()}
    found = compare_evidence(arms, Declared(changes))
    assert {item.code for item in found} <= {"unequal-recipe"}
    return {item.where: item.what for item in found}


# One arm alone


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("outside-optimizer", ["forgets the head", "head only", "head only, by list"]),
        ("gradients-not-zeroed", ["never zeroes", "zeroes one of two"]),
        ("unchanged-parameters", ["undoes its steps", "restores the embedding"]),
        (
            "detached-loss-term",
            ["detached penalty", "penalty as a number", "penalty without gradient"],
        ),
    ],
)
def test_a_planted_fault_is_found_by_its_name_and_nothing_else(code, kinds):
    for kind in kinds:
        recipe, faults = of_kind(kind)
        assert set(faults) == {code}, kind
        assert recipe.steps == 40
    assert code in CODES


@pytest.mark.parametrize(
    ("within", "where"),
    [
        ("list", "more[0].weight, more[0].bias"),
        ("dict", "more['first'].weight, more['first'].bias"),
        ("ModuleList", None),
        ("frozen", None),
    ],
)
def test_layers_that_a_plain_container_hides_are_named(within, where):
    _, faults = rehearse(Bench(config("Hidden", **{"model.init_args.within": within})))
    assert [(f.code, f.where) for f in faults] == ([("outside-optimizer", where)] if where else [])


@pytest.mark.parametrize("kind", ["sound", "penalty", "target entropy", "hard-coded lr"])
def test_a_sound_module_has_no_fault(kind):
    assert of_kind(kind)[1] == {}


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        ("warm-up in steps, by epoch", "full-rate-never-reached"),
        ("warm-up longer than the run", "full-rate-never-reached"),
        ("linear warm-up, sequential", "full-rate-never-reached"),
        ("decay in epochs, by step", "rate-off-schedule"),
        ("cosine in epochs, by step", "rate-off-schedule"),
    ],
)
def test_a_schedule_that_does_not_fit_the_run_is_found(schedule, code):
    faults = scheduled(schedule)[1]
    if schedule == "decay in epochs, by step":
        faults = scheduled(schedule, **{"trainer.max_epochs": 20})[1]
    assert set(faults) == {code}


FITTING = "none", "warm-up as a share", "one cycle", "cosine", "restarts", "plateau"


@pytest.mark.parametrize("schedule", [*FITTING, "milestones far off"])
def test_a_schedule_that_fits_the_run_is_not_judged(schedule):
    recipe, faults = scheduled(schedule)
    assert faults == {}
    assert [found.steps for found in recipe.schedules if found.pace == "step"] in ([], [40])


def test_a_schedule_takes_the_length_of_the_configured_run():
    long = scheduled("warm-up in steps, by epoch", **{"trainer.max_epochs": 200})
    assert long[1] == {}
    half = scheduled("one cycle", **{"trainer.limit_train_batches": 0.5})
    assert half[1] == {}
    assert half[0].steps == 20
    steps = scheduled("one cycle", **{"trainer.max_steps": 7, "trainer.max_epochs": -1})
    assert (steps[1], steps[0].steps) == ({}, 7)


@pytest.mark.parametrize("clip", [1e-3, 5e-3, 1e-2])
def test_gradients_that_are_always_far_too_long_are_found(clip):
    (what,) = rehearsed(**{"trainer.gradient_clip_val": clip})[1].values()
    assert "each of 4 steps, from a norm of 0.6" in what or "each of 4 steps" in what


def test_gradients_that_are_clipped_now_and_then_are_not_judged():
    recipe, faults = rehearsed(**{"trainer.gradient_clip_val": 0.5})
    assert faults == {}
    assert recipe.norm is not None


def test_accumulation_is_told_from_gradients_that_are_never_zeroed():
    accumulated = rehearsed(**{"trainer.accumulate_grad_batches": 2})
    assert accumulated[1] == {}
    assert (accumulated[0].accumulation, accumulated[0].steps) == (2, 20)
    by_hand = rehearsed("ByHand", **{"model.init_args.every": 2})
    assert by_hand[1] == {}
    assert by_hand[0].accumulation == 2
    assert set(rehearsed("ByHand", **{"model.init_args.zeroes": False})[1]) == {
        "gradients-not-zeroed"
    }


def test_a_temporal_difference_is_no_term_without_gradient():
    assert rehearsed("Critic")[1] == {}


@pytest.mark.parametrize(
    "model",
    ["Experts", "Adversaries", "Tasks", "Contrast", "Policy", "Variational", "Student"],
)
def test_sound_modules_of_other_kinds_have_no_fault(model):
    assert rehearsed(model)[1] == {}


def test_a_head_alone_is_no_mistake_where_a_callback_thaws_the_rest():
    callback = {"class_path": "lightning.pytorch.callbacks.BackboneFinetuning"}
    changes = {"model.init_args.kind": "head only", "trainer.callbacks": [callback]}
    (fault,) = rehearse(Bench(config(**changes)))[1]
    assert fault.slight


# Arms side by side


@pytest.mark.parametrize(
    ("kind", "aspect", "key"),
    [
        ("hard-coded lr", "lr of body.0.weight", "optimizer.init_args.lr"),
        ("decays biases", "weight_decay of body.0.bias", "model.init_args.weight_decay"),
        ("swaps the optimizer", "optimizer of body.0.weight", "model.init_args.optimizer"),
        ("sums the loss", "reduction of the loss over the batch", "model.init_args.reduction"),
        ("clips by itself", "norm at which gradients are clipped", "trainer.gradient_clip_val"),
        ("autocasts", "precision", "model.init_args.amp"),
    ],
)
def test_a_recipe_of_one_arm_is_found_unless_a_key_declares_it(kind, aspect, key):
    recipes = {"a": of_kind("sound")[0], "b": of_kind("sound")[0], "c": of_kind(kind)[0]}
    found = compared(recipes, c=["model.init_args.kind"])
    assert set(found) == {aspect}
    assert " in a and b, " in found[aspect]
    assert compared(recipes, c=[key]) == {}


def test_accumulation_of_one_arm_is_found():
    recipes = {
        "a": rehearsed("ByHand")[0],
        "b": rehearsed("ByHand", **{"model.init_args.every": 2})[0],
    }
    assert set(compared(recipes)) == {"batches per optimizer step"}
    assert compared(recipes, b=["model.init_args.accumulate"]) == {}


@pytest.mark.parametrize("other", ["one cycle", "restarts", "milestones far off", "plateau"])
def test_another_schedule_is_found_unless_it_is_declared(other):
    recipes = {"a": scheduled("cosine")[0], "b": scheduled(other)[0]}
    assert set(compared(recipes)) == {"schedules of the learning rate"}
    assert compared(recipes, b=["lr_scheduler.class_path"]) == {}
    assert compared(recipes, b=["model.init_args.schedule"]) == {}


def test_a_wider_model_or_another_head_changes_no_recipe():
    wide = rehearsed(**{"model.init_args.wide": True})[0]
    assert compared({"a": of_kind("sound")[0], "b": wide}, b=["model.init_args.wide"]) == {}
    assert compared({"a": of_kind("sound")[0], "b": of_kind("head only")[0]}).keys() <= {
        "weight_decay of head.bias"
    }


def test_batch_sizes_are_compared_by_their_steps():
    large = {"data.init_args.batch_size": 16}
    once, twice = rehearsed()[0], rehearsed(**large)[0]
    (what,) = compared({"a": once, "b": twice}, b=["data.init_args.batch_size"]).values()
    assert "40 optimizer steps of 8 examples in a; 20 optimizer steps of 16 examples in b" in what
    equal = {"trainer.max_steps": 30, "trainer.max_epochs": -1}
    arms = {"a": rehearsed(**equal)[0], "b": rehearsed(**equal, **large)[0]}
    assert compared(arms, b=["data.init_args.batch_size"]) == {}


def test_larger_batches_that_no_key_speaks_of_are_found():
    equal = {"trainer.max_steps": 30, "trainer.max_epochs": -1}
    large = {"data.init_args.batch_size": 16}
    arms = {"a": rehearsed(**equal)[0], "b": rehearsed(**equal, **large)[0]}
    found = compared(arms, b=["model.init_args.kind"])
    assert set(found) == {"examples per optimizer step"}


def test_less_data_are_not_a_shorter_recipe():
    less = rehearsed(**{"data.init_args.count": 32})[0]
    assert compared({"a": rehearsed()[0], "b": less}, b=["data.init_args.count"]) == {}


def test_a_recipe_travels_as_plain_data():
    recipe = scheduled("one cycle")[0]
    assert Recipe.of(recipe.as_dict()) == recipe
    assert Evidence.of(Evidence(recipe=recipe).as_dict()).recipe == recipe


# Keys


def readings(changes: dict[str, Any], alternatives: dict[str, list[Any]]) -> dict[str, str]:
    known = config(**changes)
    bench = Bench(known)
    bench.fit(steps=1)
    observer = keys.Observer(bench, known, signature(bench), ())
    return {path: observer.reading(path, values) for path, values in alternatives.items()}


@pytest.mark.parametrize(
    ("kind", "reading"),
    [
        ("detached penalty", "dead"),
        ("penalty as a number", "dead"),
        ("penalty without gradient", "dead"),
        ("penalty", "read"),
    ],
)
def test_a_key_that_moves_a_logged_loss_alone_is_dead(kind, reading):
    weight = "model.init_args.penalty"
    assert readings({"model.init_args.kind": kind}, {weight: [1.0]}) == {weight: reading}


def test_keys_of_the_data_are_tried_by_what_is_served():
    values = {"spare": [1.0], "count": [80], "batch_size": [4], "drop_last": [True]}
    found = readings({}, {f"data.init_args.{name}": other for name, other in values.items()})
    assert list(found.values()) == ["dead", "read", "read", "read"]


def test_an_argument_of_a_library_that_nobody_wrote_is_not_tried():
    written = {
        "model.init_args.optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
        "model.init_args.schedule": {
            "class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau",
            "init_args": {"patience": 3},
        },
    }
    known = resolve(
        {
            "model": {
                "class_path": f"{PLANTED}.Configured",
                "init_args": {key.rpartition(".")[2]: value for key, value in written.items()},
            }
        }
    )
    sgd = "model.init_args.optimizer.init_args"
    plateau = "model.init_args.schedule.init_args"
    assert f"{sgd}.dampening" in paths.flatten(known)
    told = [path for path in paths.flatten(written) if not path.endswith("class_path")]
    tried = keys.wanted(known, [f"{sgd}.momentum"], told)
    assert set(tried) == {f"{sgd}.momentum", f"{sgd}.lr", f"{plateau}.patience"}
    assert "model.init_args.penalty" in keys.wanted(config(), [])

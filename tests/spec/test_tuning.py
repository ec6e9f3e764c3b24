"""A study that tunes its arms: what is written, what is an arm's own to tune, what it gives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.spec import AblationStudy, Search, Tuned, dump_yaml, fresh_seeds, paths, read_study
from ablate.spec.tuning import ABSENT, DECLARED, for_arm
from tests.spec.samples import CONFIG, SPACE, ablation, search

LR = "optimizer.init_args.lr"
BETA = "optimizer.init_args.betas[0]"
RESTART = "lr_scheduler.init_args.T_0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"configs/base": CONFIG, "studies/quest": search()}.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dump_yaml(content))
    return tmp_path


def study(folder: Path, profile: str = "cpu", **changes: object) -> AblationStudy:
    path = folder / "studies" / "a.yaml"
    path.write_text(dump_yaml(ablation(**changes)))
    return read_study(str(path)).prepare(profile)


def split(
    changes: dict[str, object], space: object = SPACE, **resolved: object
) -> tuple[set[str], dict[str, str]]:
    space = Search.model_validate(search(space=space)).space
    kept, left_out = for_arm(space, changes, {**CONFIG, **resolved})
    assert kept.keys() | left_out.keys() == space.keys()
    assert not kept.keys() & left_out.keys()
    return set(kept), left_out


def test_an_arm_that_changes_nothing_of_the_space_is_tuned_in_all_of_it():
    assert split({"model.init_args.width": 32}) == (set(SPACE), {})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({LR: 0.01}, {LR: DECLARED}),
        ({"optimizer.init_args": {"lr": 0.01}}, {LR: DECLARED}),
        ({"optimizer.init_args.betas": [0.9, 0.99]}, {BETA: DECLARED}),
        ({"optimizer": {"class_path": "toy.Other"}}, {}),
        ({"lr_scheduler": None}, {"lr_scheduler": DECLARED, RESTART: DECLARED}),
        (
            {"lr_scheduler.init_args.eta_min": 0.1},
            {"lr_scheduler": DECLARED, RESTART: "lr_scheduler is not tuned"},
        ),
    ],
)
def test_what_an_arm_declares_stays_as_it_is_declared(changes, expected):
    assert split(changes)[1] == expected


def test_a_parameter_that_the_arm_does_not_have_is_left_out():
    other = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
    assert split({}, optimizer=other)[1] == {BETA: ABSENT}


@pytest.mark.parametrize("when", [{}, {"lr_scheduler": "restarts"}])
def test_a_parameter_within_a_searched_section_need_not_be_there_yet(when):
    space = {**SPACE, RESTART: {"int": [2, 12], "when": when}}
    assert split({}, space, lr_scheduler=None) == (set(SPACE), {})
    alone = {LR: SPACE[LR], RESTART: {"int": [2, 12]}}
    assert split({}, alone, lr_scheduler=None) == ({LR}, {RESTART: ABSENT})


@given(st.sets(st.sampled_from([*SPACE, "model.init_args.width", "trainer.max_epochs"])))
def test_no_tuned_parameter_touches_what_the_arm_sets(declared):
    kept, _ = split(dict.fromkeys(declared, 1))
    assert not [(one, other) for one in kept for other in declared if paths.overlap(one, other)]


def test_a_space_may_be_that_of_a_search_with_its_sampler_and_where_it_reads(folder):
    sampler = {"class_path": "optuna.samplers.RandomSampler", "init_args": {}}
    objective = {"metric": "val_other", "direction": "maximize", "at": "last"}
    other = search(sampler=sampler, objective=objective, seeds=[1], seed=5)
    (folder / "studies" / "quest.yaml").write_text(dump_yaml(other))
    tuning = study(folder, tune={"trials": 7, "study": "quest"}).definition.tune
    assert tuning is not None
    assert set(tuning.space) == set(SPACE)
    assert tuning.sampler.class_path == sampler["class_path"]
    assert tuning.budget.trials == 7
    decides = tuning.objective
    assert (decides.metric, decides.direction, decides.at) == ("val_accuracy", "maximize", "last")
    named = {"class_path": "optuna.samplers.QMCSampler"}
    tuning = study(folder, tune={"trials": 7, "study": "quest", "sampler": named}).definition.tune
    assert tuning is not None
    assert tuning.sampler.class_path == named["class_path"]


def test_arms_are_tuned_with_a_seed_that_they_are_not_compared_with(folder):
    for seeds in ([307, 308], list(range(40))):
        made = study(folder, seeds=seeds, tune={"trials": 2, "space": SPACE})
        assert made.definition.tune is not None
        assert len(made.definition.tune.seeds) == 1
        assert not set(made.definition.tune.seeds) & set(seeds)
    chosen = study(folder, tune={"trials": 2, "space": SPACE, "seeds": [5, 6]})
    assert chosen.definition.tune is not None
    assert chosen.definition.tune.seeds == (5, 6)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10))
def test_fresh_seeds_are_new_and_more_of_them_begin_with_the_fewer(few, many, used):
    taken = set(fresh_seeds(used, (), "s"))
    shorter, longer = (
        fresh_seeds(min(few, many), taken, "s"),
        fresh_seeds(max(few, many), taken, "s"),
    )
    assert longer[: len(shorter)] == shorter
    assert len(set(longer)) == len(longer) == max(few, many)
    assert not taken & set(longer)


def test_a_profile_may_give_the_searches_another_budget(folder):
    profiles = {"cpu": {"budget": {"trials": 2}}}
    tune = {"trials": 9, "space": SPACE}
    small = study(folder, profiles=profiles, tune=tune).definition.tune
    full = study(folder, "cuda", profiles=profiles, tune=tune).definition.tune
    assert small is not None
    assert full is not None
    assert (small.budget.trials, full.budget.trials) == (2, 9)


def test_tuning_leaves_the_definition_of_the_arms_alone(folder):
    plain = study(folder, design="ladder").definition
    tuned = study(folder, design="ladder", tune={"trials": 2, "space": SPACE}).definition
    assert plain.tune is None
    assert tuned.model_copy(update={"tune": None}) == plain


def test_tuned_arms_stand_behind_the_declared_ones_with_their_changes_and_the_best_values(folder):
    made = study(
        folder, design="ladder", floor={"none": {LR: 1.0}}, tune={"trials": 2, "space": SPACE}
    )
    found = {name: Tuned(arm=f"{name}-tuned", values={LR: 0.02}) for name in ("wide", "gelu")}
    made = made.with_tuned({**found, "flat": Tuned()})
    wide, act = {"model.init_args.width": 32}, {"model.init_args.act": "gelu"}
    assert {arm.name: arm.changes for arm in made.arms} == {
        "wide": wide,
        "gelu": {**wide, **act},
        "flat": {**wide, **act, "lr_scheduler": None},
        "wide-tuned": {**wide, LR: 0.02},
        "gelu-tuned": {**wide, **act, LR: 0.02},
        "none": {LR: 1.0},
    }
    assert [arm.name for arm in made.arms][3:] == ["wide-tuned", "gelu-tuned", "none"]
    assert made.definition.designs == ("ladder",)
    assert made.definition.tuned.keys() == {"wide", "gelu", "flat"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune": {"trials": 2}}, "either space or study"),
        ({"tune": {"trials": 2, "space": SPACE, "study": "quest"}}, "either space or study"),
        ({"tune": {"trials": 0, "space": SPACE}}, r"tune\.trials"),
        ({"tune": {"trails": 2, "space": SPACE}}, "unknown key 'trails'.*'trials'"),
        ({"tune": {"trials": 2, "study": "qest"}}, "did you mean .*'quest'"),
        ({"tune": {"trials": 2, "study": "a"}}, "tune.study: 'a' is no search"),
        ({"tune": {"trials": 2, "space": {"x..y": {"int": [1, 2]}}}}, "is not a path"),
        (
            {"tune": {"trials": 2, "space": {RESTART: {"int": [1, 2], "when": {"lr": "x"}}}}},
            r"tune\.space\..*there is no parameter 'lr'",
        ),
        (
            {
                "arms": {"wide": {}, "wide-tuned": {}},
                "reference": None,
                "tune": {"trials": 2, "space": SPACE},
            },
            "'wide-tuned' is what 'wide'",
        ),
        (
            {"arms": {"a/b": {}}, "reference": None, "tune": {"trials": 2, "space": SPACE}},
            "'a/b' can't be part of a study's name",
        ),
    ],
)
def test_a_wrong_tuning_is_refused_where_it_is_written(folder, changes, message):
    with pytest.raises(SpecError, match=message):
        study(folder, **changes)

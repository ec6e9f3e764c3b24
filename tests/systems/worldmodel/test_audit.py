"""The audit of the world model system: the published defects are found, a sound recipe is clean."""

import math
from dataclasses import replace

import pytest
import torch

from ablate.audits.checks import compare_evidence
from ablate.audits.evidence_checks import Declared
from ablate.audits.probes.bench import build_short
from ablate.audits.probes.causality import future_positions
from ablate.audits.probes.structure import tree
from ablate.run.lightning_cli import resolve
from ablate.spec import Direction
from ablate.systems.common import blocks
from ablate.systems.worldmodel import (
    WorldModelDataModule,
    WorldModelModule,
    data,
    properties,
    records,
)
from ablate.systems.worldmodel.problems import draw_problem
from ablate.testing import ModuleSuite
from tests.audits.examined import changed, codes, evidence

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

NANO = {"d_model": 16, "heads": 2, "layers": 1, "base_steps": 0, "max_new_tokens": 4}
RECORDS = {"records": 40, "eval_share": 0.25, "probe_prompts": 10}
METRICS = {"val_structure": Direction.MAXIMIZE, "val_loss": Direction.MINIMIZE}
PERFECT = "a perfect answer scores 3 of 3"
CLOSED, MASKED = "targets end with all three closing tags", "no loss on prompts"


def config():
    home = "ablate.systems.worldmodel"
    return resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": f"{home}.WorldModelModule", "init_args": NANO},
            "data": {"class_path": f"{home}.WorldModelDataModule", "init_args": RECORDS},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3}},
            "trainer": {"max_epochs": 3, "accelerator": "cpu"},
        }
    )


class TestHooks(ModuleSuite):
    config = config()


def module(**arguments) -> WorldModelModule:
    torch.manual_seed(0)
    return WorldModelModule(**{**NANO, **arguments}).eval()


def served(**arguments) -> WorldModelDataModule:
    found = WorldModelDataModule(**{**RECORDS, **arguments})
    found.setup()
    return found


@torch.no_grad()
def violated(owner: WorldModelModule | WorldModelDataModule) -> dict[str, str]:
    tested = {name: test() for name, test in owner.properties().items()}
    return {name: wrong for name, wrong in tested.items() if wrong is not None}


# What the audit finds


def test_the_published_defects_are_found_by_name_and_only_where_they_are():
    changes = {
        "sound": {},
        "clipped": {"model.init_args.scorer": "clipped"},
        "spoilt": {"data.init_args.truncated": 0.45, "data.init_args.mask_prompt": False},
    }
    seen = {arm: evidence(changed(config(), paths), *METRICS) for arm, paths in changes.items()}
    declared = Declared(changes, METRICS)
    found = compare_evidence(seen, declared)
    assert {(item.code, item.where, item.arms) for item in found if item.severity != "note"} == {
        ("property-violated", f"property {PERFECT}", ("clipped",)),
        ("property-violated", f"property {CLOSED}", ("spoilt",)),
        ("property-violated", f"property {MASKED}", ("spoilt",)),
    }
    # A model of this size answers nothing: no weights move the shares of what it gets right.
    expected = {"seed-moves", "unequal-lengths", "unequal-parameters", "untested-metric"}
    assert codes(found, "note") <= expected


def test_probes_of_training_records_are_found(monkeypatch):
    def known(count, seed, training):
        return [draw_problem(42, index) for index in range(count)]

    monkeypatch.setattr(data, "probe_problems", known)
    faults = evidence(config(), *METRICS).faults
    (fault,) = (found for found in faults if found.code != "untested-metric")
    assert fault.code == "train-val-overlap"
    assert fault.what.startswith("10 of 20 validation examples")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("heads", 4),
        ("base_steps", 1),
        ("base_seed", 1),
        ("token_weighted", False),
        ("probe", "last"),
        ("max_new_tokens", 5),
        ("temperature", 0.0),
        ("scorer", "clipped"),
        ("probe_seed", 1),
    ],
)
def test_the_module_shows_what_its_weights_do_not(key, value):
    other = build_short(changed(config(), {f"model.init_args.{key}": value})).model
    assert tree(other) != tree(build_short(config()).model)


# What module and data say of themselves


def test_the_published_scorer_cannot_give_a_perfect_answer_its_points():
    assert violated(module()) == {}
    for scorer in ("clipped", "production-as-published"):
        assert violated(module(scorer=scorer)) == {
            PERFECT: "a perfect answer scores 2 of 3 tags, and 0 of 20 perfect answers count as "
            "right and in order"
        }


def test_a_scorer_that_rewards_empty_answers_is_found(monkeypatch):
    def generous(ids, value, requires, scorer):
        return replace(score(ids, value, requires, scorer), structure=3)

    score = properties.score
    monkeypatch.setattr(properties, "score", generous)
    assert violated(module()) == {"an empty answer scores 0": "an empty answer scores 3 in all"}


def test_records_that_end_early_and_prompts_with_a_loss_are_found():
    assert violated(served()) == {}
    assert violated(served(truncated=0.45)) == {
        CLOSED: "of 40 records, what is to be learned lacks </model> in 18, </requires> in 18"
    }
    assert "</requires> in 4, the end in 4" in violated(served(max_length=220))[CLOSED]
    (wrong,) = violated(served(mask_prompt=False)).items()
    assert wrong[0] == MASKED
    assert "counts 1352 of 1352 prompt tokens" in wrong[1]


def test_steps_that_misplace_their_token_are_found(monkeypatch):
    def unmoved(x_BHTK, start=0):
        return rotate(x_BHTK)

    rotate = blocks.rotate
    monkeypatch.setattr(blocks, "rotate", unmoved)
    model = module()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(20)
    assert set(violated(model)) == {"steps predict as the whole"}


@pytest.mark.parametrize("loader", [0, 1])
@torch.no_grad()
def test_no_token_sees_a_later_one(loader):
    model, batch = module(), next(iter(served(eval_batch_size=4).val_dataloader()[loader]))
    targets, outputs = model.autoregression(batch)
    assert outputs(targets).shape == (*targets.shape, 256)
    assert future_positions(targets, outputs)[0] == 0
    model.model.blocks[0].attention.causal = False
    assert future_positions(*model.autoregression(batch))[0] > 0


@pytest.mark.parametrize("loader", [0, 1])
@torch.no_grad()
def test_the_loss_of_an_example_does_not_depend_on_its_padding(loader):
    model, source = module(), served().val_dataloader()[loader]
    rows = [source.collate_fn(source.dataset[[number]]) for number in range(10)]
    together = model.example_losses(source.collate_fn(source.dataset[list(range(10))]))
    alone = torch.cat([model.example_losses(row) for row in rows])
    assert len({next(iter(vars(row).values())).shape for row in rows}) > 1
    assert torch.allclose(alone, together, atol=1e-5)


def test_chance_is_known_only_where_nothing_was_learned_before():
    assert module().chance_loss(None) == pytest.approx(math.log(256))
    assert math.isnan(module(base_steps=5).chance_loss(None))


def test_no_prompt_is_both_trained_on_and_validated_with():
    found = served(records=1346, eval_share=0.15)
    train, val = list(found.example_keys("train")), list(found.example_keys("val"))
    assert not set(train) & set(val)
    assert (len(train), len(val)) == (1144, 181 + 10)
    assert found.manifest()["val_dropped"] == 21


def test_held_out_records_that_are_all_known_are_refused(monkeypatch):
    draw = records.draw_problem
    monkeypatch.setattr(records, "draw_problem", lambda seed, index: draw(seed, index % 30))
    with pytest.raises(ValueError, match="all 10 records held out have the prompt of a training"):
        served()

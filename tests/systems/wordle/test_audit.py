"""The audit of the wordle system: the recipe is clean, and what its parts claim is tested."""

import pytest
import torch

from ablate.audits.probes.bench import build_short
from ablate.audits.probes.causality import future_positions
from ablate.audits.probes.structure import tree
from ablate.run.lightning_cli import resolve
from ablate.systems.wordle import WordleDataModule, WordleModule, properties
from ablate.systems.wordle.rewards import Rewards
from ablate.systems.wordle.rules import feedback
from ablate.systems.wordle.words import lexicon
from ablate.testing import ModuleSuite
from tests.audits.examined import changed

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

NANO = {"width": 16, "base": {"steps": 0}}
FEW = {
    "lexicon": 50, "epoch_steps": 4, "batch_size": 16, "generations": 4,
    "val_prompts": 12, "eval_batch_size": 12, "games": 6,
}  # fmt: skip
SILENCE = "a word earns more than silence"


def config(**model):
    home = "ablate.systems.wordle"
    return resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": f"{home}.WordleModule", "init_args": {**NANO, **model}},
            "data": {"class_path": f"{home}.WordleDataModule", "init_args": FEW},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3}},
            "trainer": {"max_epochs": 3, "accelerator": "cpu"},
        }
    )


class TestHooks(ModuleSuite):
    config = config()


def module(**arguments) -> WordleModule:
    torch.manual_seed(0)
    return WordleModule(width=16, **arguments).eval()


def served(**arguments) -> WordleDataModule:
    found = WordleDataModule(**{**FEW, **arguments})
    found.setup()
    return found


def violated(owner: WordleModule | WordleDataModule) -> dict[str, str]:
    tested = {name: test() for name, test in owner.properties().items()}
    return {name: wrong for name, wrong in tested.items() if wrong is not None}


@pytest.mark.parametrize("predictor", ["policy", "random_valid", "random_consistent"])
def test_the_recipe_claims_nothing_that_is_wrong(predictor):
    assert violated(module(predictor=predictor)) == {}
    assert violated(served()) == {}


def test_the_published_reward_makes_silence_worth_while():
    (wrong,) = violated(module(rewards=Rewards(no_tag=0.0))).items()
    assert wrong[0] == SILENCE
    assert "well-formed words earn no more than silence, 0:" in wrong[1]


def test_feedback_in_one_pass_is_found(monkeypatch):
    def one_pass(secret_N5, guess_N5):
        marks_N5 = feedback(secret_N5, guess_N5)
        present_N5 = (guess_N5[..., None] == secret_N5[..., None, :]).any(-1)
        marks_N5[(marks_N5 == 0) & present_N5] = 1
        return marks_N5

    monkeypatch.setattr(properties, "feedback", one_pass)
    assert violated(module()) == {
        "copies of a letter are marked once": "EERIE is marked yyy.g where the secret is CRANE, "
        "not ..y.g"
    }


def test_the_published_dead_letter_rule_is_found(monkeypatch):
    known = properties.known

    def published(guess_BH5, marks_BH5, past_BH):
        told = known(guess_BH5, marks_BH5, past_BH)
        grey_BH5A = (marks_BH5 == 0)[..., None] & (guess_BH5[..., None] == range(26))
        object.__setattr__(told, "dead_BA", grey_BH5A.any((1, 2)))
        return told

    monkeypatch.setattr(properties, "known", published)
    assert violated(module()) == {
        "a letter with a living copy is not dead": "after EERIE for CRANE dead are EI, not I alone"
    }


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("advantages", "advantages of a group add up to nothing"),
        ("kl_terms", "the KL estimate is bounded"),
    ],
)
def test_arithmetic_that_is_wrong_is_found(name, claim, monkeypatch):
    right = getattr(properties, name)
    monkeypatch.setattr(properties, name, lambda *given: right(*given) + 1.0)
    assert set(violated(module())) == {claim}


def test_secrets_that_are_not_held_out_are_found(monkeypatch):
    words = lexicon(50)
    monkeypatch.setitem(vars(words), "held_out", words.training[:10])
    found = violated(served())
    assert found == {"validation secrets are held out": "4 validation secrets are trained on"} or (
        "validation secrets are trained on" in found["validation secrets are held out"]
    )


@pytest.mark.parametrize("loader", [0, 1])
@pytest.mark.parametrize("predictor", ["policy", "random_consistent"])
@torch.no_grad()
def test_no_token_sees_a_later_one(loader, predictor):
    batch = next(iter(served().val_dataloader()[loader]))
    targets, outputs = module(predictor=predictor).autoregression(batch)
    assert outputs(targets).shape == (*targets.shape, 31)
    assert future_positions(targets, outputs)[0] == 0


@torch.no_grad()
@pytest.mark.parametrize("predictor", ["policy", "random_consistent"])
def test_the_loss_of_an_example_does_not_depend_on_its_batch(predictor):
    model, source = module(predictor=predictor), served().val_dataloader()[0]
    rows = [source.collate_fn(source.dataset[[number]]) for number in range(12)]
    together = model.example_losses(source.collate_fn(source.dataset[list(range(12))]))
    alone = torch.cat([model.example_losses(row) for row in rows])
    assert together.shape == (12,)
    assert torch.allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base.steps", 1),
        ("base.consistent", 0.5),
        ("rewards.floor", None),
        ("rewards.dead_letter", -0.7),
        ("beta", 0.1),
        ("clip_range", 0.3),
        ("scale", "none"),
        ("kl_clamp", 5.0),
        ("temperature.end", 0.3),
        ("val_temperature", 0.5),
        ("play_temperature", 0.5),
        ("redraws", 0),
        ("redraw_temperature", 1.0),
    ],
)
def test_the_module_shows_what_its_weights_do_not(key, value):
    other = build_short(changed(config(), {f"model.init_args.{key}": value})).model
    assert tree(other) != tree(build_short(config()).model)

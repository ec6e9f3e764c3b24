"""WorldModelModule under a Trainer: what it starts from, what it logs, when it is probed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ablate.systems.worldmodel import WorldModelDataModule, WorldModelModule, base, module
from ablate.systems.worldmodel.model import Sizes
from ablate.systems.worldmodel.scores import Scores
from ablate.systems.worldmodel.tokenizer import END, PAD, encode

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

PROBED = {f"val_{name}" for name in Scores.__annotations__}
NANO: dict[str, Any] = {"d_model": 16, "heads": 2, "layers": 1, "base_steps": 0}


class Trained(WorldModelModule):
    """With the optimizer that LightningCLI would bring."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def nano(**arguments: Any) -> Trained:
    seed_everything(1, verbose=False)
    return Trained(**{**NANO, "max_new_tokens": 4, **arguments})


def data(**arguments: Any) -> WorldModelDataModule:
    few = {"records": 12, "eval_share": 0.5, "probe_prompts": 5, "probe_batch_size": 5}
    return WorldModelDataModule(**{**few, **arguments})


def trainer(**arguments: Any) -> Trainer:
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "max_epochs": 1,
    }
    return Trainer(**{**quiet, **arguments})


def weights(model: WorldModelModule) -> Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in model.parameters()])


def validated(model: WorldModelModule, served: WorldModelDataModule) -> dict[str, float]:
    results = trainer().validate(model, datamodule=served, verbose=False)
    return {name: value for result in results for name, value in result.items()}


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, Any]:
    """Return arguments of a module with a base model of its own."""
    return {"base_steps": 2, "base_cache": str(tmp_path)}


def base_weights(folder: dict[str, Any]) -> Tensor:
    recipe = base.BaseRecipe(Sizes(16, 2, 1), steps=2)
    state = base.pretrained(recipe, Path(folder["base_cache"]))
    model = nano()
    model.model.load_state_dict(state)
    return weights(model)


# From end to end


def test_twenty_steps_from_a_base_model_log_everything(tmp_path: Path):
    model = nano(d_model=48, heads=4, layers=2, base_steps=3, base_cache=str(tmp_path))
    run = trainer(max_steps=20, max_epochs=-1, accumulate_grad_batches=2)
    run.fit(model, datamodule=data(records=32))
    assert run.global_step == 20
    logged = {name: float(value) for name, value in run.callback_metrics.items()}
    train = {"train_loss", "train_loss_step", "train_loss_epoch"}
    assert logged.keys() == PROBED | train | {"val_loss"}
    assert logged["train_loss_step"] < 4.5
    assert len(list(tmp_path.glob("*.pt"))) == 1


def test_the_default_is_the_published_size():
    model = WorldModelModule()
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 357_024


@pytest.mark.parametrize(
    "bad",
    [
        {"dropout": 1.0},
        {"base_steps": -1},
        {"base_seed": -1},
        {"probe": "often"},
        {"max_new_tokens": 0},
        {"temperature": -0.1},
        {"scorer": "kind"},
        {"probe_seed": -1},
        {"d_model": 6},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_an_argument_out_of_range_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        nano(**bad)


# What it starts from


@pytest.mark.parametrize("do", ["fit", "validate"])
def test_a_run_starts_from_the_base_model(do, cache):
    model = nano(**cache)
    assert not torch.equal(weights(model), base_weights(cache))
    run = trainer(max_steps=0) if do == "fit" else trainer()
    getattr(run, do)(model, datamodule=data())
    assert torch.equal(weights(model), base_weights(cache))


def test_without_base_steps_it_starts_from_chance(tmp_path: Path):
    model = nano(base_cache=str(tmp_path))
    before = weights(model)
    trainer(max_steps=0).fit(model, datamodule=data())
    assert torch.equal(weights(model), before)
    assert list(tmp_path.iterdir()) == []


def test_a_trial_on_one_batch_trains_no_base_model_but_logs_everything(cache):
    model = nano(probe="last", **cache)
    run = trainer(fast_dev_run=1)
    run.fit(model, datamodule=data())
    assert list(Path(cache["base_cache"]).iterdir()) == []
    assert run.callback_metrics.keys() >= PROBED | {"val_loss", "train_loss"}


def test_trained_weights_stay_when_they_are_validated(cache):
    model, served = nano(**cache), data()
    trainer().fit(model, datamodule=served)
    after = weights(model)
    assert not torch.equal(after, base_weights(cache))
    validated(model, served)
    assert torch.equal(weights(model), after)


def test_loaded_weights_stay(cache, tmp_path: Path):
    trained = nano(**cache)
    run = trainer()
    run.fit(trained, datamodule=data())
    run.save_checkpoint(tmp_path / "trained.ckpt")
    by_lightning = Trained.load_from_checkpoint(tmp_path / "trained.ckpt", weights_only=True)
    by_hand = nano(**cache)
    by_hand.load_state_dict(trained.state_dict())
    for model in (by_lightning, by_hand):
        validated(model, data())
        assert torch.equal(weights(model), weights(trained))


def test_a_cached_and_a_new_base_model_lead_to_the_same_run(cache):
    def fitted() -> Tensor:
        model = nano(dropout=0.3, **cache)
        trainer().fit(model, datamodule=data())
        return weights(model)

    assert torch.equal(fitted(), fitted())


class Halt(Callback):
    """Ends a run after its first epoch with a checkpoint, as an interruption would."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: WorldModelModule) -> None:
        trainer.should_stop = True
        trainer.save_checkpoint(self.path, weights_only=False)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(cache, tmp_path: Path):
    path = tmp_path / "half.ckpt"

    def fit(*callbacks: Callback, resume: Path | None = None) -> tuple[Tensor, int]:
        model = nano(**cache)
        run = trainer(max_epochs=2, accumulate_grad_batches=2, callbacks=list(callbacks))
        run.fit(model, datamodule=data(records=14), ckpt_path=resume, weights_only=False)
        return weights(model), run.global_step

    whole, half = fit(), fit(Halt(path))
    assert (half[1], whole[1]) == (2, 4)
    resumed = fit(resume=path)
    assert resumed[1] == 4
    assert torch.equal(resumed[0], whole[0])


# The loss


def test_the_evaluation_loss_is_that_of_all_answer_tokens_however_they_are_batched():
    model = nano()
    one, many = (validated(model, data(eval_batch_size=size)) for size in (1, 6))
    assert one["val_loss"] == pytest.approx(many["val_loss"], rel=1e-5)
    served = data(eval_batch_size=6)
    served.setup()
    (batch,) = served.val_dataloader()[0]
    with torch.no_grad():
        log_probability_BTV = model(batch.ids_BT).log_softmax(-1)[:, :-1]
    targets_BT = batch.labels_BT[:, 1:]
    kept_BT = targets_BT >= 0
    chosen_BT = log_probability_BTV.gather(2, targets_BT.clamp(min=0)[..., None])[..., 0]
    assert one["val_loss"] == pytest.approx(-chosen_BT[kept_BT].mean().item(), rel=1e-5)


@pytest.mark.parametrize("weighted", [True, False])
def test_accumulated_steps_are_those_of_large_batches_if_tokens_weigh_alike(weighted):
    def fitted(batch_size: int, accumulate: int) -> Tensor:
        model = nano(token_weighted=weighted).double()
        run = trainer(accumulate_grad_batches=accumulate, max_epochs=2)
        run.fit(model, datamodule=data(records=22, batch_size=batch_size))
        return weights(model)

    small, large = fitted(2, 4), fitted(8, 1)
    assert torch.allclose(small, large, rtol=1e-6, atol=1e-8) == weighted


# The probe


def reference(problem: Any) -> list[int]:
    return [*encode(problem.answer), END]


def answering(monkeypatch: pytest.MonkeyPatch, answers: list[list[int]]) -> None:
    """Let the model write given answers."""

    def write(model: Any, prompt_BT: Tensor, keep_BT: Tensor, **how: Any) -> Tensor:
        batch = [answers.pop(0) for _ in prompt_BT]
        longest = max(map(len, batch))
        return torch.tensor([answer + [PAD] * (longest - len(answer)) for answer in batch])

    monkeypatch.setattr(module, "generate", write)


@pytest.mark.parametrize(("scorer", "structure"), [("exact", 3.0), ("clipped", 2.0)])
def test_perfect_answers_score_what_the_scorer_says(scorer, structure, monkeypatch):
    served = data(probe_prompts=7, probe_batch_size=3)
    served.setup()
    answering(monkeypatch, [reference(problem) for problem in served.probes])
    logged = validated(nano(scorer=scorer), served)
    assert logged["val_structure"] == logged["val_opening_tags"] == structure
    assert logged["val_strict"] == (scorer == "exact")
    assert logged["val_executable"] == logged["val_correct"] == logged["val_requires"] == 1


def test_scores_are_means_over_the_prompts_not_over_the_batches(monkeypatch):
    served = data(probe_prompts=7, probe_batch_size=3)
    served.setup()
    answers = [reference(problem) for problem in served.probes]
    answering(monkeypatch, [*answers[:3], *([[END]] * 3), answers[6]])
    assert validated(nano(), served)["val_correct"] == pytest.approx(4 / 7)


def test_empty_answers_score_nothing(monkeypatch):
    answering(monkeypatch, [[END]] * 5)
    logged = validated(nano(), data())
    assert all(logged[name] == 0 for name in PROBED)


class Answers(Trained):
    """Remembers at which steps it was probed."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.asked: list[int] = []

    def scores(self, batch: Any, longest: int) -> dict[str, Tensor]:
        self.asked.append(self.trainer.global_step)
        return super().scores(batch, longest)


def asked(probe: str, **arguments: Any) -> tuple[Answers, Trainer]:
    model = Answers(**NANO, max_new_tokens=2, probe=probe)
    run = trainer(max_epochs=2, accumulate_grad_batches=2, **arguments)
    run.fit(model, datamodule=data())
    return model, run


def test_every_validation_is_probed_but_the_sanity_check():
    assert asked("every")[0].asked == [2, 4]


def test_the_last_validation_alone_is_probed():
    assert asked("last")[0].asked == [4]
    assert asked("last", max_steps=2)[0].asked == [2]


def test_a_validation_apart_from_training_is_probed():
    assert validated(nano(probe="last"), data()).keys() == PROBED | {"val_loss"}


def test_a_run_without_a_last_validation_is_probed_when_it_is_validated():
    model, run = asked("last", check_val_every_n_epoch=None, val_check_interval=4)
    assert model.asked == []
    run.validate(model, datamodule=data(), verbose=False)
    assert model.asked == [4]
    assert run.callback_metrics.keys() >= PROBED


def test_sampled_answers_do_not_depend_on_the_batches_or_the_validation(monkeypatch):
    written: list[Tensor] = []
    real = module.generate

    def remembered(*arguments: Any, **how: Any) -> Tensor:
        written.append(real(*arguments, **how))
        return written[-1]

    monkeypatch.setattr(module, "generate", remembered)
    model = nano(temperature=1.0)
    for size in (5, 2, 5):
        validated(model, data(probe_batch_size=size))
    assert torch.equal(torch.cat(written[1:4]), written[0])
    assert torch.equal(written[4], written[0])
    validated(nano(temperature=1.0, probe_seed=1), data())
    assert not torch.equal(written[5], written[0])


def test_probing_does_not_change_the_training():
    def fitted(probe: str) -> Tensor:
        model = nano(dropout=0.3, probe=probe)
        trainer(max_epochs=3).fit(model, datamodule=data())
        return weights(model)

    assert torch.equal(fitted("every"), fitted("last"))

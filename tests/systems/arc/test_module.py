"""ArcModule under a Trainer: what is logged, and that it is what it says."""

import math
from dataclasses import replace

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from ablate.systems.arc.batches import ArcBatch
from ablate.systems.arc.data import ArcDataModule
from ablate.systems.arc.models.build import ARMS
from ablate.systems.arc.module import ArcModule
from ablate.systems.arc.predictors import EPSILON, PREDICTORS
from ablate.systems.arc.sequences import merge
from ablate.systems.arc.tasks import (
    CATEGORIES,
    TASK_IDS,
    category_index_of_task,
    task_categories,
)

TINY = {
    "d_model": 16,
    "d_ff": 32,
    "heads": 2,
    "decoder_layers": 1,
    "context_d_model": 8,
    "context_heads": 2,
    "context_ff": 16,
}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def example(source: list[list[int]], target: list[list[int]], task: int = 0) -> ArcBatch:
    grids = torch.tensor(source), torch.tensor(target)
    context = torch.tensor(source)[None, None]
    return ArcBatch(
        source_BS=grids[0].flatten()[None],
        source_size_B2=torch.tensor([grids[0].shape]),
        target_BT=grids[1].flatten()[None],
        target_size_B2=torch.tensor([grids[1].shape]),
        context_inputs_BKHW=context.repeat(1, 2, 1, 1),
        context_outputs_BKHW=context.repeat(1, 2, 1, 1),
        task_B=torch.tensor([task]),
        index_B=torch.tensor([0]),
    )


EXAMPLES = [
    example([[1, 1], [2, 0]], [[1, 1], [1, 1]], task=0),
    example([[0, 0, 3]], [[0, 0, 3], [0, 0, 3]], task=1),
    example([[4]], [[5]], task=2),
    example([[6, 7], [7, 6]], [[7, 6], [6, 7]], task=3),
    example([[0, 0], [0, 8], [0, 0]], [[0, 0, 0, 0]], task=4),
]


def loader(batch_size: int, examples: list[ArcBatch] = EXAMPLES) -> DataLoader:
    return DataLoader(examples, batch_size=batch_size, collate_fn=merge)


def trainer(**arguments) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **arguments,
    )


def module(arch: str, flavour: str = "corrected", **arguments) -> ArcModule:
    torch.manual_seed(0)
    return ArcModule(arch=arch, flavour=flavour, **TINY, **arguments)


def validate(
    model: ArcModule, batch_size: int = 2, examples: list[ArcBatch] = EXAMPLES
) -> dict[str, float]:
    return dict(trainer().validate(model, loader(batch_size, examples), verbose=False)[0])


@pytest.mark.parametrize("arch", [*ARMS, *PREDICTORS])
def test_corrected_results_do_not_depend_on_the_evaluation_batch_size(arch):
    model = module(arch, exact_match_examples=3, per_category=True)
    one, many = validate(model, 1), validate(model, 4)
    assert one == pytest.approx(many, abs=1e-5)
    assert {"val_loss", "val_exact_match", "val_cell_accuracy_pooled"} <= one.keys()


def test_faithful_results_do_depend_on_it():
    model = module("previous_token", "faithful")
    one, many = validate(model, 1), validate(model, 4)
    assert abs(one["val_loss"] - many["val_loss"]) > 1e-4
    assert abs(one["val_cell_accuracy_batch"] - many["val_cell_accuracy_batch"]) > 1e-4


class Told(Callback):
    """Takes what a module tells by group after a validation."""

    def on_validation_end(self, trainer, pl_module):
        self.groups = pl_module.group_metrics()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_accuracies_are_told_by_task_and_by_category(batch_size):
    told = Told()
    model = module("copy_source", exact_match_examples=3)
    examples = [*EXAMPLES, *EXAMPLES[:2]]
    watched = trainer(callbacks=[told])
    (logged,) = watched.validate(model, loader(batch_size, examples), verbose=False)
    assert told.groups.keys() == {"task", "category"}
    names = {"val_grid_accuracy", "val_cell_accuracy", "val_exact_match"}
    for grouping, metrics in told.groups.items():
        assert metrics.keys() == names
        for name, means in metrics.items():
            total = sum(mean * n for mean, n in means.values())
            count = sum(n for _, n in means.values())
            assert count == (3 if name == "val_exact_match" else 7), grouping
            assert total / count == pytest.approx(logged[name])
    by_task = told.groups["task"]["val_cell_accuracy"]
    shares = dict(zip(TASK_IDS, zip(CELLS["copy_source"], SIZES, strict=True), strict=False))
    expected = {
        task: (pytest.approx(cells / size), 2 if task in TASK_IDS[:2] else 1)
        for task, (cells, size) in shares.items()
    }
    assert by_task == expected
    of_task = task_categories()
    assert {*told.groups["category"]["val_cell_accuracy"]} == {of_task[task] for task in by_task}


# Predictors, worked out by hand

CELLS = {
    "all_black": [0, 4, 0, 0, 4],
    "copy_source": [2, 5, 0, 0, 3],
    "previous_token": [3, 3, 0, 1, 4],
    "token_above": [3, 5, 0, 0, 4],
}
SIZES = [4, 6, 1, 4, 4]


@pytest.mark.parametrize("arch", PREDICTORS)
def test_predictors_score_what_they_score_by_hand(arch):
    logged = validate(module(arch))
    shares = [cells / size for cells, size in zip(CELLS[arch], SIZES, strict=True)]
    assert logged["val_cell_accuracy"] == pytest.approx(sum(shares) / 5)
    assert logged["val_cell_accuracy_pooled"] == pytest.approx(sum(CELLS[arch]) / sum(SIZES))
    assert logged["val_grid_accuracy"] == pytest.approx(sum(s == 1 for s in shares) / 5)
    right, wrong = -math.log(1 - EPSILON), -math.log(EPSILON / 9)
    loss = sum(right * s + wrong * (1 - s) for s in shares) / 5
    assert logged["val_loss"] == pytest.approx(loss, rel=1e-5)


def test_predictors_write_from_their_own_answers():
    """Alone, the previous token of a grid is always the black that stands before the first."""
    model = module("previous_token", exact_match_examples=5)
    assert validate(model)["val_exact_match"] == pytest.approx(1 / 5)
    black = example([[1]], [[0, 0]])
    assert validate(model, examples=[black, EXAMPLES[0]])["val_exact_match"] == pytest.approx(1 / 2)


def test_faithful_predictors_are_given_the_first_cell():
    model = module("previous_token", "faithful", exact_match_examples=5)
    logged = validate(model, 5)
    assert logged["val_grid_accuracy"] == pytest.approx(2 / 5)
    assert logged["val_exact_match"] == pytest.approx(3 / 5)


# Aggregation


def test_loss_of_a_corrected_arm_is_the_mean_over_examples():
    model = module("champion").eval()
    losses = [model.training_step(single, 0).item() for single in (merge([e]) for e in EXAMPLES)]
    assert validate(model, 3)["val_loss"] == pytest.approx(sum(losses) / 5, abs=1e-5)


def test_categories_are_means_over_their_own_examples():
    logged = validate(module("copy_source", per_category=True, exact_match_examples=5))
    names = [CATEGORIES[category_index_of_task()[task]] for task in range(5)]
    shares = [cells / size for cells, size in zip(CELLS["copy_source"], SIZES, strict=True)]
    for name in set(names):
        own = [share for share, other in zip(shares, names, strict=True) if other == name]
        assert logged[f"val_cell_accuracy/{name}"] == pytest.approx(sum(own) / len(own))
    assert sum("val_grid_accuracy/" in key for key in logged) == len(set(names))


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9])
def test_chosen_examples_are_as_many_as_asked_for_and_always_the_same(count):
    model = module("all_black", exact_match_examples=count)
    written: list[list[int]] = []
    write = model.network.generate

    def spy(batch: ArcBatch) -> Tensor:
        written.append(sorted(batch.task_B.tolist()))
        return write(batch)

    model.network.generate = spy
    for batch_size in (1, 2, 5):
        validate(model, batch_size)
    assert all(tasks == written[0] for tasks in written)
    assert [len(tasks) for tasks in written] == [min(count, 5)] * (3 if count else 0)


def test_no_exact_match_is_logged_when_none_is_asked_for():
    assert "val_exact_match" not in validate(module("all_black"))


def test_a_negative_number_of_examples_is_refused():
    with pytest.raises(ValueError, match=r"^exact_match_examples must be at least 0"):
        module("all_black", exact_match_examples=-1)


# One-cell outputs in the published arms

SINGLES = [EXAMPLES[2], replace(EXAMPLES[2])]


@pytest.mark.parametrize("arch", ["encoder_decoder", "perminv", "context_only", "champion"])
def test_guarded_faithful_arms_skip_batches_of_one_cell_outputs(arch):
    model = module(arch, "faithful")
    assert model.training_step(merge(SINGLES), 0) is None
    assert validate(model, examples=SINGLES) == {}


def test_published_grid2d_arm_has_no_guard_and_gets_a_loss_that_is_no_number():
    model = module("grid2d", "faithful")
    assert model.training_step(merge(SINGLES), 0).isnan()
    logged = validate(model, examples=[EXAMPLES[0], EXAMPLES[3], *SINGLES])
    assert math.isnan(logged["val_loss"])
    assert not math.isnan(logged["val_grid_accuracy"])


@pytest.mark.parametrize("arch", ARMS)
def test_corrected_arms_learn_from_one_cell_outputs(arch):
    assert module(arch).training_step(merge(SINGLES), 0).isfinite()


def test_published_decoder_only_loss_covers_the_input_grid():
    model = module("baseline", "faithful").eval()
    logged = validate(model, 5)
    assert logged["val_grid_accuracy_sequence"] <= logged["val_grid_accuracy"]
    assert not any(name.endswith("_padded") for name in logged)
    batch = merge(EXAMPLES)
    scores, cells = model.network.objective(batch)
    assert (scores.labels_BT != 10).sum() == sum(SIZES) + sum((4, 3, 1, 4, 6)) - 5
    assert (cells.labels_BT != 10).sum() == sum(SIZES)


# Training


@pytest.mark.parametrize("flavour", ["faithful", "corrected"])
@pytest.mark.parametrize("arch", ARMS)
def test_every_arm_learns_four_grids(arch, flavour):
    model = module(arch, flavour)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batch = merge([EXAMPLES[0], EXAMPLES[1], EXAMPLES[3], EXAMPLES[4]])
    losses = []
    for _ in range(40):
        loss = model.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


def test_fitting_logs_both_losses_and_learns():
    model = module("grid2d")
    model.configure_optimizers = lambda: torch.optim.Adam(model.parameters(), lr=1e-2)
    before = validate(model)["val_loss"]
    fit = trainer(max_epochs=3)
    fit.fit(model, loader(2), loader(5))
    assert fit.callback_metrics["val_loss"] < before
    assert fit.callback_metrics["train_loss"].isfinite()


def test_a_checkpoint_restores_the_arm(tmp_path):
    model = module("champion")
    fit = trainer()
    fit.strategy.connect(model)
    fit.save_checkpoint(tmp_path / "arm.ckpt", weights_only=True)
    restored = ArcModule.load_from_checkpoint(tmp_path / "arm.ckpt").eval()
    batch = merge(EXAMPLES)
    assert torch.equal(restored(batch), model.eval()(batch))


@pytest.mark.long
def test_the_previous_token_predictor_scores_what_was_measured_on_the_92_validation_tasks(
    tmp_path,
):
    """Forty regenerated examples a task, teacher-forced without BOS: 3.24 % grid, 70.1 % cell."""
    data = ArcDataModule(
        task_set="alignment-400",
        samples_per_task=3,
        val_samples_per_task=40,
        validation="tasks",
        context="first",
        val_batch_size=64,
        cache_dir=str(tmp_path),
    )
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
    )
    module = ArcModule(arch="previous_token", flavour="faithful")
    (found,) = trainer.validate(module, datamodule=data, verbose=False)
    assert found["val_grid_accuracy"] == pytest.approx(0.0324, abs=0.003)
    assert found["val_cell_accuracy_pooled"] == pytest.approx(0.70, abs=0.02)

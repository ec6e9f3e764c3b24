"""The step planner: the figures of known recipes, and Lightning's own count."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer
from torch import nn, zeros
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from ablate.plan import (
    Loading,
    epochs_for,
    occasions,
    optimizer_steps,
    run_length,
    train_records,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
counts = st.integers(1, 60)


@pytest.mark.parametrize(
    ("collected", "eval_share", "recipe", "steps"),
    [
        (184, 0.1, (2, 4, 3), 63),
        (950, 0.15, (2, 8, 15), 765),
        (1346, 0.15, (2, 8, 15), 1080),
        (1346, 0.1, (2, 8, 15), 1140),
    ],
)
def test_known_recipes_make_their_known_number_of_steps(collected, eval_share, recipe, steps):
    records = train_records(collected, eval_share)
    assert optimizer_steps(records, *recipe) == steps


@pytest.mark.parametrize(
    ("records", "eval_share", "left"), [(184, 0.1, 165), (1346, 0.15, 1144), (10, 0.0, 10)]
)
def test_the_share_that_is_held_out_is_rounded_up(records, eval_share, left):
    assert train_records(records, eval_share) == left


class Line(LightningModule):
    """The smallest module that is fitted."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch, index):
        return self.layer(batch[0]).mean()

    def configure_optimizers(self):
        self.estimated = self.trainer.estimated_stepping_batches
        return SGD(self.parameters(), lr=0.0)


@example(records=3, batch_size=2, accumulate=1, epochs=1, drop_last=False)
@example(records=3, batch_size=2, accumulate=1, epochs=1, drop_last=True)
@settings(max_examples=15, deadline=None)
@given(counts, st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_lightning_makes_as_many_steps(records, batch_size, accumulate, epochs, drop_last):
    batch_size = min(batch_size, records)
    trainer = Trainer(
        max_epochs=epochs,
        accumulate_grad_batches=accumulate,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Line()
    data = TensorDataset(zeros(records, 1))
    trainer.fit(module, DataLoader(data, batch_size=batch_size, drop_last=drop_last))
    planned = optimizer_steps(records, batch_size, accumulate, epochs, drop_last=drop_last)
    assert (planned, planned) == (trainer.global_step, module.estimated)


@pytest.mark.parametrize("place", range(4))
def test_a_count_below_one_is_refused_by_name(place):
    arguments = [8, 2, 2, 2]
    arguments[place] = 0
    name = ("records", "batch_size", "accumulate", "epochs")[place]
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        optimizer_steps(*arguments)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(ValueError, match=r"eval_share must lie in \[0, 1\)"):
        train_records(10, share)


@given(counts, st.integers(1, 9), st.integers(1, 5), st.integers(0, 4), st.integers(1, 40))
def test_a_run_ends_with_what_is_reached_first(records, batch_size, accumulate, epochs, steps):
    loading = Loading(records, batch_size, accumulate)
    both = run_length(loading.batches, accumulate, epochs=epochs, steps=steps)
    assert both.steps == min(epochs * loading.steps_per_epoch, steps)
    assert both.steps_per_epoch == loading.steps_per_epoch
    assert both.epochs * loading.steps_per_epoch == pytest.approx(both.steps)


@given(counts, st.integers(1, 6), st.integers(1, 50))
def test_the_batches_of_a_run_are_those_of_its_epochs(batches, accumulate, steps):
    length = run_length(batches, accumulate, steps=steps)
    taken = done = 0
    while done < steps:
        place = taken % batches + 1
        taken += 1
        done += place % accumulate == 0 or place == batches
    assert length.all_batches == taken


@given(
    st.integers(1, 30), st.integers(1, 4), st.integers(1, 4), st.integers(0, 5), st.integers(1, 9)
)
def test_accumulation_may_change_with_the_epochs(batches, first, second, start, epochs):
    schedule = {0: first, start + 1: second}
    length = run_length(batches, schedule, epochs=epochs)
    each = [first if epoch <= start else second for epoch in range(epochs)]
    assert length.steps == sum(math.ceil(batches / factor) for factor in each)
    assert length.epochs == epochs
    assert length.all_batches == batches * epochs


@given(st.integers(1, 5_000), st.integers(1, 400))
def test_the_proposed_epochs_are_the_fewest_and_a_round_number(steps, per_epoch):
    fewest, *rounded = epochs_for(steps, per_epoch)
    assert fewest.steps >= steps > fewest.steps - per_epoch
    assert all(one.epochs % 10 == 0 and one.steps >= fewest.steps for one in rounded)


@settings(max_examples=50)
@given(
    st.integers(1, 12), st.integers(1, 4), st.integers(1, 30), st.integers(1, 15),
    st.one_of(st.none(), st.integers(1, 3)),
)  # fmt: skip
def test_validations_come_where_lightning_checks_for_them(
    batches, accumulate, steps, every, epochs
):
    length = run_length(batches, accumulate, steps=steps)
    if epochs is not None:
        every = min(every, batches)
    seen = 0
    for taken in range(length.all_batches):
        epoch, place = divmod(taken, batches)
        if epochs is None:
            seen += (taken + 1) % every == 0
        elif (epoch + 1) % epochs == 0:
            seen += (place + 1) % every == 0
    assert occasions(length, every, epochs) == seen


def test_devices_share_the_records():
    assert Loading(165, 2, 4, devices=2).batches == 42
    assert Loading(165, 2, 4, devices=2).effective_batch == 16


def test_a_run_without_an_end_is_refused():
    with pytest.raises(ValueError, match="epochs or of steps"):
        run_length(10, 1)

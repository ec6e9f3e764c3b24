"""Looking at a configuration: what is built of it, and what a few small steps show."""

import itertools
import math
import sys
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from ablate.measure import trial
from ablate.measure.devices import here
from ablate.measure.loaders import loaded
from ablate.measure.looking import look
from ablate.measure.parts import examples_in, part_of
from ablate.measure.structure import components
from ablate.plan import Facts, plan_config
from ablate.run.lightning_cli import resolve
from ablate.testing import toy

COSINE = "torch.optim.lr_scheduler.CosineAnnealingLR"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(toy.__file__).parent))
    yield
    sys.modules.pop("toy", None)


def config(trainer: dict[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    made = {
        "seed_everything": 1,
        "model": {"class_path": "toy.Toy", "init_args": {"width": 8, "dropout": 0.0}},
        "data": {"class_path": "toy.Points"},
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
        "trainer": {"max_epochs": 3, "accelerator": "cpu", "logger": False, **(trainer or {})},
    }
    return resolve({**made, **sections})


def looked(made: dict[str, Any], **asked: Any) -> Facts:
    return Facts.of(look(made, asked))


def test_a_config_is_built_and_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = config({"accumulate_grad_batches": 3})
    facts = looked(made)
    assert (facts.samples, facts.batch, facts.batches) == (64, 16, 4)
    assert facts.parameters == 49
    assert facts.components == {"net.0": 40, "net.3": 9}
    assert facts.memory is not None
    assert (facts.memory.weights, facts.memory.gradients) == (196, 196)
    # Two moments for each parameter, and a count of steps for each of four tensors.
    assert facts.memory.optimizer == 2 * 196 + 4 * 4
    # Forward and backward: 2 x 3 x 40 multiplications, less the gradient of the input.
    assert facts.flops is not None
    assert facts.flops.each == 2 * (2 * 32 + 3 * 8)
    plan = plan_config(made, facts)
    assert (plan.steps_per_epoch, plan.optimizer_steps, plan.effective_batch) == (2, 6, 48)
    assert (plan.evaluations, plan.samples_seen) == (3, 192)
    assert plan.violations == ()
    assert list(tmp_path.iterdir()) == []


def test_real_steps_and_a_validation_are_timed() -> None:
    facts = looked(config(), time=True, seconds=0.05)
    assert facts.timing is not None
    assert facts.timing.batches >= 3
    assert facts.timing.validation_batch is not None
    seconds = plan_config({}, facts).seconds
    assert seconds is not None
    assert seconds.evaluation is not None
    assert seconds.total == pytest.approx(3 * seconds.epoch)


def test_without_steps_the_length_alone_is_read() -> None:
    facts = looked(config(), steps=False)
    assert (facts.batches, facts.parameters) == (4, 49)
    assert facts.memory is None


def test_a_schedule_is_read_as_the_run_would_step_it() -> None:
    schedule = {"class_path": COSINE, "init_args": {"T_max": 12}}
    facts = looked(config(lr_scheduler=schedule), steps=False)
    (rates,) = facts.rates
    assert (rates.scheduler, rates.interval, rates.length) == ("CosineAnnealingLR", "epoch", 3)
    assert rates.at(0) == 0.01
    assert rates.at(1) == pytest.approx(0.005 * (1 + math.cos(math.pi * 2 / 12)))
    (found,) = plan_config({}, facts).violations
    assert found.code == "scheduler-interval"


def test_a_schedule_of_ablate_knows_the_steps_of_all_devices() -> None:
    schedule = {"class_path": "ablate.run.schedules.Linear", "init_args": {"warmup": 0.5}}
    made = config({"devices": 2, "strategy": "auto"}, lr_scheduler=schedule)
    facts = looked(made, steps=False)
    plan = plan_config(made, facts)
    assert (plan.devices, plan.batches_per_epoch, plan.optimizer_steps) == (2, 2, 6)
    assert plan.warmup_steps == 2  # the third step is the first at the full rate
    assert facts.rates[0].length == 6


def test_accumulation_may_change_with_the_epochs() -> None:
    callback = {
        "class_path": "lightning.pytorch.callbacks.GradientAccumulationScheduler",
        "init_args": {"scheduling": {1: 4}},
    }
    made = config({"callbacks": [callback]})
    assert plan_config(made, looked(made, steps=False)).optimizer_steps == 4 + 1 + 1


def test_limited_batches_and_steps_count() -> None:
    made = config({"limit_train_batches": 3, "max_steps": 7, "max_epochs": -1})
    plan = plan_config(made, looked(made, steps=False))
    assert (plan.steps_per_epoch, plan.optimizer_steps, plan.samples_seen) == (3, 7, 112)


def test_a_module_without_anything_to_train_makes_no_steps() -> None:
    made = config(model={"class_path": "toy.Mean"}, optimizer=None)
    facts = looked(made)
    assert not facts.trains
    assert plan_config(made, facts).optimizer_steps is None


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(4), torch.zeros(1)


class Stream(LightningDataModule):
    def train_dataloader(self):
        return DataLoader(Endless(), batch_size=8)


def test_a_loader_without_a_length_is_ended_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"class_path": f"{__name__}.Stream"}
    made = config({"max_steps": 5}, data=data)
    facts = looked(made)
    assert (facts.batches, facts.batch, facts.max_steps) == (None, 8, 5)
    assert plan_config(made, facts).optimizer_steps == 5
    assert facts.memory is not None


class Pair(toy.Toy):
    """Takes whole groups of four examples alone."""

    def training_step(self, batch, index):
        if len(batch[0]) % 4:
            raise ValueError("no whole groups")
        return super().training_step(batch, index)


def test_a_module_that_takes_no_part_of_a_batch_is_tried_with_whole_ones() -> None:
    facts = looked(config(model={"class_path": f"{__name__}.Pair"}))
    assert facts.memory is not None
    assert facts.memory.grows[0].fixed == 0


def test_nothing_is_counted_on_where_a_module_takes_no_part_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counting = []

    class Counter(trial.FlopCounterMode):
        def __enter__(self):
            counting.append(self)
            return super().__enter__()

        def __exit__(self, *error):
            counting.remove(self)
            return super().__exit__(*error)

    monkeypatch.setattr(trial, "FlopCounterMode", Counter)
    looked(config(model={"class_path": f"{__name__}.Pair"}))
    assert counting == []


class Untidy(toy.Toy):
    """Gives back in its third step what its sixth step of an earlier fit has made."""

    made: ClassVar[list[torch.Tensor]] = []

    def training_step(self, batch, index):
        if index == 2:
            self.made.clear()
        elif index == 5:
            self.made.append(torch.zeros(10**5))
        return super().training_step(batch, index)


def test_what_an_earlier_recording_left_is_no_memory_given_back() -> None:
    model = {"class_path": f"{__name__}.Untidy", "init_args": {"width": 8, "dropout": 0.0}}
    data = {"class_path": "toy.Points", "init_args": {"count": 512}}
    first, second = (looked(config(model=model, data=data)).memory.peak(16) for _ in range(2))
    assert second == pytest.approx(first, rel=0.01)


class Padded(toy.Points):
    """Has batches that are padded to some lengths in turn."""

    def __init__(self, lengths: list[int], count: int = 96):
        super().__init__(count=count)
        self.lengths = lengths

    def train_dataloader(self):
        lengths = itertools.cycle(self.lengths)

        def rows(examples):
            x, y = (torch.stack(column) for column in zip(*examples, strict=True))
            return x.repeat(1, next(lengths)), y

        return DataLoader(self.train, batch_size=16, collate_fn=rows)


class Wide(toy.Toy):
    def training_step(self, batch, index):
        x, y = batch
        x = x.unflatten(1, (-1, 4))[..., None].expand(-1, -1, -1, 200).exp().mean((1, 3))
        return super().training_step((x, y), index)


def test_memory_is_that_of_the_longest_batch_whatever_the_others_are_padded_to() -> None:
    model = {"class_path": f"{__name__}.Wide", "init_args": {"width": 8, "dropout": 0.0}}
    longest, uneven = (
        looked(
            config(
                model=model,
                data={"class_path": f"{__name__}.Padded", "init_args": {"lengths": lengths}},
            )
        )
        for lengths in ([48], [4, 8, 4, 48, 16])
    )
    assert uneven.memory.peak(16) == pytest.approx(longest.memory.peak(16), rel=0.2)


class Completions(toy.Points):
    """Has batches of 512 completions, four of each of 128 prompts."""

    def train_dataloader(self):
        def prompts(rows):
            return [torch.stack(column) for column in zip(*rows[::4], strict=True)]

        return DataLoader(self.train, batch_size=512, collate_fn=prompts)


class Generating(toy.Toy):
    def training_step(self, batch, index):
        return super().training_step([tensor.repeat_interleave(4, 0) for tensor in batch], index)


def test_a_batch_may_count_what_its_rows_only_stand_for() -> None:
    arguments, data = {"width": 64, "dropout": 0.0}, {"count": 512, "batch_size": 512}
    plain, made = (
        looked(
            config(
                model={"class_path": model, "init_args": arguments},
                data={"class_path": points, "init_args": data},
            )
        )
        for model, points in (
            ("toy.Toy", "toy.Points"),
            (f"{__name__}.Generating", f"{__name__}.Completions"),
        )
    )
    assert plain.batch == made.batch == 512
    assert made.flops.at(512) == pytest.approx(plain.flops.at(512))
    assert made.memory.peak(512) == pytest.approx(plain.memory.peak(512), rel=0.1)


class Sample(NamedTuple):
    x: torch.Tensor
    names: list[str]
    scale: float


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_batch_is_made_of_the_examples_of_another(count: int) -> None:
    batch = Sample(torch.arange(3), ["a", "b", "c"], 2.0)
    made = part_of({"one": batch, "two": [np.arange(3), torch.tensor(1)]}, count)
    assert made["one"].x.tolist() == [0, 1, 2, 0, 1][:count]
    assert made["one"].names == ["a", "b", "c", "a", "b"][:count]
    assert made["one"].scale == 2.0
    assert made["two"][0].tolist() == [0, 1, 2, 0, 1][:count]
    assert examples_in(made) == count


def test_two_tensors_of_two_examples_are_no_list_of_two_examples() -> None:
    made = part_of([torch.zeros(2, 3), torch.ones(2)], 1)
    assert [tuple(tensor.shape) for tensor in made] == [(1, 3), (1,)]


def test_loaders_say_what_they_hold() -> None:
    data = TensorDataset(torch.zeros(10, 1))
    one = loaded(DataLoader(data, batch_size=4, drop_last=True), 2)
    assert (one.samples, one.batch, one.drop_last) == (10, 4, True)
    both = loaded([DataLoader(data, batch_size=4), DataLoader(data, batch_size=2)], 5)
    assert (both.samples, both.batch) == (None, 6)


def test_shared_parameters_are_counted_once() -> None:
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    assert components(nn.ModuleDict({"first": first, "second": second})) == {"first": 9}


def test_an_accelerator_that_is_not_here_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [here(name) for name in ("gpu", "cpu", "auto", None)] == ["cpu", "cpu", "auto", None]

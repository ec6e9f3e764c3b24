"""Accumulated gradients are those of one big batch, whatever the micro-batches weigh."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ablate.systems.common.accumulation import WeightedAccumulation

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

LENGTHS = (5, 1, 2, 9, 3, 4, 7)
"""Numbers of targets in the micro-batches of an epoch: with groups of three the last is alone."""


def micro_batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(n, 3, generator=generator).double(),
            torch.randn(n, generator=generator).double(),
        )
        for n in LENGTHS
    ]


class Plain(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1).double()
        self.steps: list[Tensor] = []

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.mse_loss(self.layer(x).squeeze(-1), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        optimizer.step(closure=optimizer_closure)
        self.steps.append(gradient(self))


class Weighted(Plain, WeightedAccumulation):
    def training_step(self, batch, batch_idx):
        return self.accumulate(super().training_step(batch, batch_idx), len(batch[1]))


def gradient(module: Plain) -> Tensor:
    return torch.cat([parameter.grad.flatten().clone() for parameter in module.parameters()])


def fit(module: Plain, batches: list[tuple[Tensor, Tensor]], accumulate: int, **more) -> Plain:
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accumulate_grad_batches=accumulate,
        max_epochs=2,
        **more,
    )
    trainer.fit(module, DataLoader(batches, batch_size=None))
    return module


def grouped(batches: list[tuple[Tensor, Tensor]], size: int) -> list[tuple[Tensor, Tensor]]:
    groups = [batches[start : start + size] for start in range(0, len(batches), size)]
    return [(torch.cat([x for x, _ in g]), torch.cat([y for _, y in g])) for g in groups]


@pytest.mark.parametrize("size", [2, 3, 4, 7, 9])
def test_a_step_has_the_gradient_of_one_big_batch_even_the_last_incomplete_one(size):
    accumulated = fit(Weighted(), micro_batches(), size)
    whole = fit(Plain(), grouped(micro_batches(), size), 1)
    assert len(accumulated.steps) == len(whole.steps) == 2 * -(-7 // size)
    for mine, theirs in zip(accumulated.steps, whole.steps, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


def test_lightning_alone_weighs_micro_batches_alike():
    alone = fit(Plain(), micro_batches(), 3)
    whole = fit(Plain(), grouped(micro_batches(), 3), 1)
    assert not torch.allclose(alone.steps[0], whole.steps[0], rtol=1e-3)


def test_gradients_are_clipped_after_they_are_weighted():
    accumulated = fit(Weighted(), micro_batches(), 3, gradient_clip_val=0.5)
    whole = fit(Plain(), grouped(micro_batches(), 3), 1, gradient_clip_val=0.5)
    assert accumulated.steps[0].norm().item() == pytest.approx(0.5, rel=1e-4)
    for mine, theirs in zip(accumulated.steps, whole.steps, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


def test_without_accumulation_every_bit_stays_as_it_was():
    weighted, plain = fit(Weighted(), micro_batches(), 1), fit(Plain(), micro_batches(), 1)
    assert all(torch.equal(a, b) for a, b in zip(weighted.steps, plain.steps, strict=True))


class Half(Weighted):
    """Fails in the middle of a group, once."""

    failed = False

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if batch_idx == 1 and not self.failed:
            self.failed = True
            raise RuntimeError("the middle")
        return loss


def test_a_group_that_was_cut_off_is_forgotten():
    module = Half()
    with pytest.raises(RuntimeError, match="the middle"):
        fit(module, micro_batches(), 3)
    fit(module, micro_batches(), 3)
    whole = fit(Plain(), grouped(micro_batches(), 3), 1)
    torch.testing.assert_close(module.steps[0], whole.steps[0], rtol=1e-12, atol=1e-14)


class Counted(Weighted):
    """Gives the weights of a table."""

    weights = (0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 2.0)

    def training_step(self, batch, batch_idx):
        loss = Plain.training_step(self, batch, batch_idx)
        return self.accumulate(loss, torch.tensor(self.weights[batch_idx]))


def test_a_micro_batch_without_weight_adds_nothing():
    module = fit(Counted(), micro_batches(), 3)
    alone = Plain()
    Plain.training_step(alone, micro_batches()[1], 0).backward()
    torch.testing.assert_close(module.steps[0], gradient(alone))
    assert module.steps[1].eq(0).all()
    assert module.steps[2].ne(0).all()


class Kept(Weighted):
    """Remembers whether a group was open when a checkpoint would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[dict] = []

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        super().on_before_optimizer_step(optimizer)
        self.before.append(dict(self.state_dict()))


def test_nothing_of_it_is_in_the_state_of_the_module():
    module = fit(Kept(), micro_batches(), 3)
    assert {key for state in module.before for key in state} == {"layer.weight", "layer.bias"}

"""The precision of matrix products holds for a trainer, and no longer."""

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from ablate.systems.common.precision import MatmulPrecision

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Watched(BoringModel):
    """Notes the precision of its steps, and fails at the second one if asked to."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.seen: list[str] = []

    def training_step(self, batch, batch_idx):
        self.seen.append(torch.get_float32_matmul_precision())
        if self.fails and batch_idx:
            raise RuntimeError("on purpose")
        return super().training_step(batch, batch_idx)


def fit(model: Watched) -> None:
    trainer = Trainer(
        accelerator="cpu",
        max_steps=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[MatmulPrecision("high")],
    )
    trainer.fit(model)


def test_steps_have_the_precision_asked_for_and_what_follows_has_not():
    model, before = Watched(), torch.get_float32_matmul_precision()
    fit(model)
    assert set(model.seen) == {"high"}
    assert torch.get_float32_matmul_precision() == before != "high"


def test_the_precision_is_restored_after_an_exception():
    model, before = Watched(fails=True), torch.get_float32_matmul_precision()
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(model)
    assert torch.get_float32_matmul_precision() == before


def test_an_unknown_precision_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="must be one of highest, high, medium; got 'low'"):
        MatmulPrecision("low")

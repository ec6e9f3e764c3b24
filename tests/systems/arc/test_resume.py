"""A run of the ARC system that is killed continues from its checkpoint."""

import pytest

from ablate.spec import Outcome, Status
from tests.run.test_resume import ADAM, COSINE, do, killed, resumed, resumed_epoch

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
MODULE = {
    "arch": "champion",
    "d_model": 16,
    "d_ff": 32,
    "heads": 2,
    "decoder_layers": 1,
    "context_d_model": 8,
    "context_heads": 2,
    "context_ff": 16,
    "dropout": 0.1,
    "decoder_dropout": 0.1,
}
DATA = {
    "tasks": ["c1d99e64", "05269061"],
    "samples_per_task": 12,
    "val_samples_per_task": 3,
    "validation": "examples",
    "max_side": 6,
    "batch_size": 4,
    "generation_processes": 1,
}


def test_a_run_that_is_killed_continues_and_gives_the_same_numbers(tmp_path):
    changes = {
        "model": {"class_path": "ablate.systems.arc.ArcModule", "init_args": MODULE},
        "data": {
            "class_path": "ablate.systems.arc.ArcDataModule",
            "init_args": {**DATA, "cache_dir": str(tmp_path / "cache")},
        },
        "optimizer": ADAM,
        "lr_scheduler": COSINE,
        "trainer.max_epochs": 3,
    }
    whole = do(tmp_path / "whole", changes)
    assert whole.outcome() == Outcome(Status.COMPLETE)
    killed(tmp_path / "broken", 2, changes)
    record = resumed(tmp_path / "broken", changes)
    assert resumed_epoch(record) == 2
    assert record.reports() == whole.reports()
    assert record.finished() == whole.finished()

"""The frozen trial trains at the rates that were published for it."""

import math
from pathlib import Path

import pytest

from ablate.spec import read_yaml
from ablate.testing.jobs import Record, execute, run

TRIAL_69 = Path(__file__).parents[3] / "configs" / "trial-69.yaml"
MONITOR = {
    "class_path": "lightning.pytorch.callbacks.LearningRateMonitor",
    "init_args": {"logging_interval": "epoch"},
}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_trial_69_reports_its_published_learning_rates(tmp_path):
    frozen = read_yaml(TRIAL_69)
    job = run(
        1,
        tmp_path,
        {
            "optimizer": frozen["optimizer"],
            "lr_scheduler": frozen["lr_scheduler"],
            "trainer.callbacks": [MONITOR],
            "trainer.logger": True,
            "trainer.max_epochs": 12,
        },
    )
    record = Record()
    execute(job, record)
    reported = record.series("lr-Adam")
    published = [1.84988e-3, 1.7260e-3, 1.3879e-3, 9.2578e-4, 4.6373e-4, 1.2549e-4]
    assert reported == pytest.approx(published * 2, rel=5e-5)
    lr, low = 0.0018498849832733245, 1.6816632143867157e-06
    assert reported == pytest.approx(
        [low + (lr - low) * (1 + math.cos(math.pi * (e % 6) / 6)) / 2 for e in range(12)], rel=1e-6
    )

"""Sound studies of many kinds: neither configurations nor probes raise an error or a warning."""

from typing import Any

import pytest

from ablate.audits.check import declared
from ablate.audits.checks import check_ablation, compare_evidence
from ablate.run.lightning_cli import resolve
from ablate.spec import Ablation, paths, written_in_python
from tests.audits.examined import changed, examined

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

HERE = "tests.audits.planted.clean_training"
LONG = {"max_epochs": -1, "max_steps": 60}
EPOCHS = {"max_epochs": 5}

STUDIES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "batch size at equal steps": (
        "Net", "Splits", LONG,
        {"small": {}, "large": {"data.init_args.batch_size": 16}}, {"val_loss": "minimize"},
    ),
    "a loss that weighs nothing": (
        "TwoTasks", "Tasks", EPOCHS,
        {"both": {}, "one": {"model.init_args.kind_weight": 0.0}}, {"val_size": "minimize"},
    ),
    "preprocessing": (
        "Net", "Prepared", EPOCHS,
        {"scaled": {}, "raw": {"data.init_args.scale": False}}, {"val_loss": "minimize"},
    ),
    "streams": (
        "Net", "Streams", EPOCHS,
        {"small": {}, "large": {"model.init_args.width": 16}}, {"val_loss": "minimize"},
    ),
    "several tasks": (
        "TwoTasks", "Tasks", EPOCHS,
        {"equal": {}, "more": {"model.init_args.kind_weight": 2.0}},
        {"val_size": "minimize", "val_kind": "minimize"},
    ),
    "contrast": (
        "Contrast", "Views", EPOCHS,
        {"warm": {}, "cold": {"model.init_args.temperature": 0.1}}, {"val_alignment": "maximize"},
    ),
    "a bandit": (
        "Bandit", "Pulls", EPOCHS,
        {"curious": {}, "greedy": {"model.init_args.entropy": 0.0}}, {"val_reward": "maximize"},
    ),
    "adversaries": (
        "Adversaries", "Splits", EPOCHS,
        {"small": {}, "large": {"model.init_args.width": 16}}, {"val_distance": "minimize"},
    ),
    "a metric of a library": (
        "Measured", "Splits", EPOCHS,
        {"small": {}, "large": {"model.init_args.width": 16}}, {"val_error": "minimize"},
    ),
    "augmentation": (
        "Convolutions", "Pictures", EPOCHS,
        {"cropped": {}, "plain": {"data.init_args.augment": False}}, {"val_loss": "minimize"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STUDIES)
def test_a_sound_study_has_neither_errors_nor_warnings(name):
    model, data, trainer, arms, metrics = STUDIES[name]
    config = resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": f"{HERE}.{model}"},
            "data": {"class_path": f"{HERE}.{data}"},
            "trainer": {**trainer, "accelerator": "cpu"},
        }
    )
    spec = Ablation(
        name="clean", config=config, arms=arms, reference=next(iter(arms)), seeds=[1, 2, 3],
        metrics=metrics,
    )  # fmt: skip
    study = written_in_python(spec).prepare("cpu")
    resolved = {arm: changed(config, changes) for arm, changes in arms.items()}
    keys = {
        path: [paths.get(of, path) for of in resolved.values()]
        for changes in arms.values()
        for path in changes
    }
    seen = {arm: examined(of, keys=keys, metrics=tuple(metrics)) for arm, of in resolved.items()}
    found = [*check_ablation(study, resolved, {}), *compare_evidence(seen, declared(study))]
    assert [item for item in found if item.severity != "note"] == []

"""Sound studies of many kinds: neither configurations nor probes raise an error or a warning."""

from typing import Any

import pytest

from ablate.audits.check import declared
from ablate.audits.checks import check_ablation, compare_evidence
from ablate.run.lightning_cli import resolve
from ablate.spec import Ablation, paths, written_in_python
from tests.audits.examined import changed, examined
from tests.audits.planted import clean_kinds, clean_training

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

HERE = "tests.audits.planted"
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
    "sentences of unequal lengths": (
        "Reader", "Sentences", EPOCHS,
        {"both_ways": {}, "one_way": {"model.init_args.bidirectional": False}},
        {"val_accuracy": "maximize", "val_loss": "minimize"},
    ),
    "dropout": (
        "Reader", "Sentences", EPOCHS,
        {"some": {}, "none": {"model.init_args.dropout": 0.0}}, {"val_loss": "minimize"},
    ),
    "depth of a language model": (
        "Writer", "Texts", EPOCHS,
        {"two": {}, "one": {"model.init_args.layers": 1}},
        {"val_loss": "minimize", "val_bits": "minimize"},
    ),
    "tied weights": (
        "Writer", "Texts", EPOCHS,
        {"tied": {}, "untied": {"model.init_args.tied": False}}, {"val_loss": "minimize"},
    ),
    "warm-up": (
        "Writer", "Texts", EPOCHS,
        {"short": {}, "long": {"model.init_args.warmup": 20}}, {"val_loss": "minimize"},
    ),
    "noise to be removed": (
        "Denoiser", "Signals", EPOCHS,
        {"noisy": {}, "clean": {"model.init_args.noise": 0.0}}, {"val_error": "minimize"},
    ),
    "a variational autoencoder": (
        "Variational", "Signals", EPOCHS,
        {"light": {}, "heavy": {"model.init_args.beta": 1.0}}, {"val_error": "minimize"},
    ),
    "masks": (
        "Masked", "Signals", EPOCHS,
        {"few": {}, "many": {"model.init_args.share": 0.6}}, {"val_error": "minimize"},
    ),
    "norms": (
        "Classifier", "Classes", EPOCHS,
        {"batch": {}, "layer": {"model.init_args.norm": "layer"}},
        {"val_accuracy": "maximize", "val_loss": "minimize"},
    ),
    "smoothed labels": (
        "Classifier", "Classes", EPOCHS,
        {"hard": {}, "smooth": {"model.init_args.smoothing": 0.1}}, {"val_accuracy": "maximize"},
    ),
    "mixtures": (
        "Classifier", "Classes", EPOCHS,
        {"plain": {}, "mixed": {"model.init_args.mixup": 0.4}}, {"val_loss": "minimize"},
    ),
    "balanced classes": (
        "Classifier", "Classes", EPOCHS,
        {"as_they_are": {}, "balanced": {"data.init_args.balanced": True}},
        {"val_accuracy": "maximize"},
    ),
    "averaged weights in every arm": (
        "Classifier", "Classes",
        EPOCHS, {"batch": {"model.init_args.averaged": True},
                 "layer": {"model.init_args.averaged": True, "model.init_args.norm": "layer"}},
        {"val_loss": "minimize"},
    ),
    "several labels": (
        "Tagger", "Labels", EPOCHS,
        {"equal": {}, "rare_counts_more": {"model.init_args.rare": 4.0}}, {"val_f1": "maximize"},
    ),
    "a frozen teacher": (
        "Student", "Classes", EPOCHS,
        {"half": {}, "alone": {"model.init_args.taught": 0.0}}, {"val_loss": "minimize"},
    ),
    "a forecast": (
        "Forecaster", "Series", EPOCHS,
        {"narrow": {}, "wide": {"model.init_args.hidden": 16}}, {"val_mae": "minimize"},
    ),
    "longer windows": (
        "Forecaster", "Series", EPOCHS,
        {"eight": {}, "twelve": {"model.init_args.length": 12, "data.init_args.length": 12}},
        {"val_mae": "minimize"},
    ),
    "ratings": (
        "Factors", "Ratings", EPOCHS,
        {"biased": {}, "factors": {"model.init_args.biased": False}}, {"val_mse": "minimize"},
    ),
    "an equation": (
        "Equation", "Grid", EPOCHS,
        {"one": {}, "ten": {"model.init_args.boundary": 10.0}}, {"val_error": "minimize"},
    ),
    "graphs": (
        "Messages", "Graphs", EPOCHS,
        {"two": {}, "none": {"model.init_args.rounds": 0}}, {"val_mae": "minimize"},
    ),
    "optimizers by hand": (
        "Halves", "NearAndFar", EPOCHS,
        {"fast": {}, "slow": {"model.init_args.head_rate": 0.01}},
        {"val_near": "minimize", "val_far": "minimize"},
    ),
    "triplets": (
        "Triplets", "Classes", EPOCHS,
        {"near": {}, "far": {"model.init_args.margin": 1.0}}, {"val_recall": "maximize"},
    ),
    "a curriculum": (
        "Curriculum", "Splits", EPOCHS,
        {"patient": {}, "at_once": {"model.init_args.patient": False}}, {"val_loss": "minimize"},
    ),
    "more data at equal steps": (
        "Net", "Sized", LONG,
        {"all": {}, "half": {"data.init_args.count": 48}}, {"val_loss": "minimize"},
    ),
    "units of the data": (
        "Units", "Normalised", EPOCHS,
        {"scaled": {}, "raw": {"model.init_args.scaled": False}},
        {"val_rmse_squared": "minimize"},
    ),
    "accumulation at an equal effective batch": (
        "Net", "Splits", EPOCHS,
        {"whole": {}, "halves": {"data.init_args.batch_size": 4,
                                 "trainer.accumulate_grad_batches": 2}},
        {"val_loss": "minimize"},
    ),
    "clipped gradients": (
        "Net", "Splits", EPOCHS,
        {"free": {}, "clipped": {"trainer.gradient_clip_val": 5.0}}, {"val_loss": "minimize"},
    ),
}  # fmt: skip


def _home(name: str) -> str:
    home = clean_kinds if name in vars(clean_kinds) else clean_training
    return vars(home)[name].__module__.rpartition(".")[2]


@pytest.mark.parametrize("name", STUDIES)
def test_a_sound_study_has_neither_errors_nor_warnings(name):
    model, data, trainer, arms, metrics = STUDIES[name]
    config = resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": f"{HERE}.{_home(model)}.{model}"},
            "data": {"class_path": f"{HERE}.{_home(data)}.{data}"},
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

"""An imagined study of nineteen arms, two floors, three seeds and five metrics."""

import math
from functools import cache
from random import Random

import pandas as pd

from ablate.analysis import conclude
from ablate.reports import Audit, ablation
from ablate.spec import Direction, Objective
from ablate.store import FindingRow
from tests.analysis.frames_of import definition, frames, run

SHIFTS = {
    "full": 0.0, "layer_norm": 0.05, "post_norm": -0.3, "gelu": 0.8, "sinusoidal": 0.2,
    "no_position": 1.3, "no_text": 11.0, "zero_text": 10.8, "action_conditioning": -1.4,
    "bidirectional": 0.3, "residual_pose": 6.7, "dropout": 1.0, "wide": -0.9, "no_pose": 17.0,
    "no_temporal": 0.0, "more_temporal": -0.1, "no_action": -0.2, "no_physics": 0.7,
    "legacy_physics_of_the_first_version": 3.0,
}  # fmt: skip
FLOORS = {"repeat_last": 24.8, "constant_velocity": 177.0}
SEEDS = (0, 1, 2)
EPOCHS = 16
ERROR, LOWER, HIGHER = "val_gen_error_cm", Direction.MINIMIZE, Direction.MAXIMIZE
METRICS = {
    ERROR: LOWER,
    "val_gen_error_25_cm": LOWER,
    "val_gen_action_accuracy": HIGHER,
    "val_joint_error_cm": LOWER,
    "val_last_joint_error_cm": LOWER,
}
FEW = {ERROR: LOWER}
FINDINGS = (
    FindingRow(
        "sees-the-future", "error", ("action_conditioning",),
        "altering the targets from a position on changes the outputs up to it, at 21 of 24 places",
        "trials 24, 25, 26", "mask later positions in every attention", True, "probe",
    ),
    FindingRow(
        "no-gradient", "warning", ("zero_text",), "1 of 68 parameters get no gradient",
        "network.text.0.weight", "use these parameters, freeze them, or remove them", False,
        "probe",
    ),
    *(
        FindingRow(
            "collapse", "warning", (arm,), f"val_gen_action_accuracy of seed {seed} falls",
            f"trials {seed}", "look at the loss at this epoch", False, "runs",
        )
        for arm in ("dropout", "wide") for seed in SEEDS
    ),
    FindingRow(
        "unequal-parameters", "note", tuple(SHIFTS),
        "150,526 parameters in no_text, 697,566 in wide <script>alert(1)</script>", "",
        "read the difference as one of size", False, "probe",
    ),
)  # fmt: skip


@cache
def whole():
    """Conclude the whole study once."""
    return study(SHIFTS, findings=FINDINGS, metrics=METRICS)


@cache
def whole_document():
    """Compose its report once."""
    return document(whole())


def study(shifts, seeds=SEEDS, findings=(), *, metrics=FEW, **changes):
    """Conclude an imagined study; `shifts` are the arms' means less the first one's."""
    chance = Random(7)
    runs, curves = [], {}
    for arm in (*shifts, *FLOORS):
        for seed in seeds:
            number = len(runs)
            floor = arm in FLOORS
            parameters = 0 if floor else 290_110 + 4096 * (len(arm) % 7)
            known = {"arm": arm, "seed": seed, "trial": number, "parameters": parameters}
            if floor:
                known |= {"epochs": 0, "steps": 0}
            runs.append(run(number, config_hash=f"{number:08x}" * 8, **known))
            noise = chance.gauss(0, 0.3)
            end = FLOORS[arm] if floor else 12 + shifts[arm] + noise
            for place, (metric, direction) in enumerate(metrics.items()):
                if metric == "val_gen_action_accuracy" and (floor or arm == "action_conditioning"):
                    continue
                value = end / (1 + place)
                values = [value] if floor else [
                    value * (1 + 2 * math.exp(-epoch / 3)) for epoch in range(EPOCHS)
                ]  # fmt: skip
                if direction is HIGHER:
                    values = [round(1 / (1 + each / 40) * 500) / 500 for each in values]
                curves[number, metric] = values
    known = {
        "config": {
            "model": {"width": 64},
            "data": {"batch_size": 32},
            "trainer": {"accumulate_grad_batches": 2, "max_epochs": EPOCHS},
        },
        "arms": {arm: {} if arm == "full" else {f"model.init_args.{arm}": True} for arm in shifts},
        "floor": {arm: {"model.class_path": "m.Floor"} for arm in FLOORS},
        "reference": next(iter(shifts)),
        "seeds": seeds,
        "metrics": metrics,
        "objective": Objective(metric=ERROR, direction=LOWER, at="last"),
    }
    made = definition(**(known | changes))
    return conclude(frames(runs, curves, made), findings)


def document(concluded, *, made=True, pictures=()):
    """Compose the report of the imagined study."""
    directories = {run_id: f"{run_id}-abc" for run_id in concluded.frames.runs["run_id"]}
    audited = Audit(made, concluded.findings)
    return ablation.document(
        concluded,
        directories,
        audited,
        pictures,
        searches={},
        told=pd.DataFrame(),
        goals_told=pd.DataFrame(),
    )

"""Ablations as a replay records them, without training."""

from optuna.trial import TrialState

from ablate.spec import Direction
from ablate.store import Batch, RunEnd, RunKey, TrialEnd
from ablate.study.record import waiting
from ablate.testing.batches import COMPLETE, new_run


def replayed(store, definition, curves, study="s"):
    """Record trials {(arm, seed): {metric: values by epoch}}; one without values waits."""
    objective = definition.objective
    store.create_study(study, objective.direction, objective.metric)
    made = store.define(study, definition)
    first = len(store.past(study))
    for number, ((arm, seed), metrics) in enumerate(curves.items(), first):
        key = RunKey(number, seed, 0)
        store.write(Batch(study, trials={number: waiting(arm, seed, "abc")}))
        if metrics:
            rows = {
                (key, "val", name, epoch): (epoch, value)
                for name, values in metrics.items()
                for epoch, value in enumerate(values)
            }
            config = {"x": {"default": 7}, "seed_everything": seed}
            store.write(
                Batch(
                    study,
                    states={number: TrialState.RUNNING},
                    runs={key: new_run(made, key, arm=arm, config=config)},
                    metrics=rows,
                    ended_runs={key: RunEnd(COMPLETE, 2, 2)},
                    ended_trials={
                        number: TrialEnd(TrialState.COMPLETE, metrics[objective.metric][-1])
                    },
                )
            )
    return made


def two_metrics():
    """Return the metrics of an ablation, the second one beside its objective's."""
    return {"val_loss": Direction.MINIMIZE, "val_error": Direction.MINIMIZE}

"""Whether a metric's direction goes with its name, and with what training does to it."""

import math
import re
from collections.abc import Iterator, Mapping

from ablate.audits.codes import finding
from ablate.audits.configs import AblationConfigs, SearchConfigs
from ablate.audits.findings import Finding
from ablate.audits.recorded import RecordedRuns, arms_of, several, trials_of
from ablate.spec import AblationStudy, Direction

_FALLS = {
    *("loss", "error", "err", "perplexity", "ppl", "nll", "mse", "mae", "rmse", "mape", "wer"),
    *("cer", "fid", "regret", "crossentropy", "bpb", "eer", "ece", "brier"),
}
_RISES = {
    *("accuracy", "acc", "f1", "f1score", "auc", "auroc", "auprc", "reward", "iou", "miou", "dice"),
    *("bleu", "rouge", "psnr", "ssim", "r2", "ndcg", "mrr", "precision", "recall", "return"),
}
_TURNS = {
    *("neg", "negative", "minus", "inverse", "inv", "reduction", "gap", "drop", "gain", "delta"),
    *("improvement", "decrease", "increase", "difference", "diff", "std", "var", "variance"),
    *("time", "steps", "count", "ratio", "change", "spread", "scale", "coefficient", "weight"),
}
"""Parts of names by which a metric falls as it gets better, rises, or is something else."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")
_CHANCE = 1e-3


def check_names(configs: AblationConfigs | SearchConfigs) -> Iterator[Finding]:
    """Find metrics that are optimised against what their names say."""
    for metric, direction in _metrics(configs).items():
        natural = leaning(metric)
        if natural is not None and natural is not direction:
            yield finding(
                "direction-against-name",
                (),
                f"{metric} is set to {direction.value}, and its name is that of a metric to "
                f"{natural.value}",
                f"metric {metric}",
                f"set its direction to {natural.value}, or name it for what it is",
            )


def _metrics(configs: AblationConfigs | SearchConfigs) -> Mapping[str, Direction]:
    study = configs.study
    own = study.definition.metrics if isinstance(study, AblationStudy) else {}
    return {**own, study.objective.metric: study.objective.direction}


def leaning(metric: str) -> Direction | None:
    """Return the direction that the name of a metric suggests; None where it suggests none."""
    parts = {part.lower() for part in _PART.findall(metric)}
    falls, rises = parts & _FALLS, parts & _RISES
    if parts & _TURNS or bool(falls) == bool(rises):
        return None
    return Direction.MINIMIZE if falls else Direction.MAXIMIZE


def check_trends(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find metrics that are the worse the longer any arm is trained, and have no telling name."""
    for metric, direction in recorded.metrics.items():
        curves = recorded.by_metric.get(metric)
        if curves is None or leaning(metric) is not None:
            continue
        runs = [r for r in recorded.compared if r.parameters and r.id in curves.place]
        chance = 1.0
        for run in runs:
            values = [value for _, value in curves.curve(run.id)]
            if not all(map(math.isfinite, values)) or not _only_worse(values, direction):
                break
            chance /= len(values)
        else:
            if chance < _CHANCE:
                yield finding(
                    "direction-against-trend",
                    arms_of(runs),
                    f"{metric} is to {direction.value}, and its best value is the first in all of "
                    f"{several(len(runs), 'run')}: training makes it worse",
                    trials_of(runs),
                    "turn its direction round, or find out what training does to it",
                )


def _only_worse(values: list[float], direction: Direction) -> bool:
    """Say whether no later value is as good as the first."""
    first, *later = values
    return bool(later) and all(direction.gain(value, over=first) < 0 for value in later)

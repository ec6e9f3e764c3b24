"""What can be read off a study and its resolved configurations before anything runs."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from ablate.audits.codes import between, finding
from ablate.audits.configs import AblationConfigs, SearchConfigs
from ablate.audits.differences import flat, listed, reference_of
from ablate.audits.findings import Finding, Severity
from ablate.audits.values import is_rounded, shown
from ablate.spec import (
    Choice,
    SearchStudy,
    canonical_json,
)

FEWEST_SEEDS = 3
_PER_PARAMETER = 5
_OWNERS = {
    "lr": "lr",
    "learning_rate": "lr",
    "betas": "betas",
    "momentum": "momentum",
    "weight_decay": "weight_decay",
    "batch_size": "batch_size",
    "max_epochs": "max_epochs",
    "num_epochs": "max_epochs",
    "epochs": "max_epochs",
    "max_steps": "max_steps",
    "gradient_clip_val": "gradient_clip_val",
    "grad_clip": "gradient_clip_val",
    "precision": "precision",
}
"""Names under which a hyper-parameter is known -> its one name."""
_SECTIONS = ("model.", "data.", "optimizer.", "trainer.")
_SEED = re.compile(r"(?:^|_)seeds?(?:_everything)?$")
_BATCHES = re.compile(r"^data\..*batch_size$")
_MEASURING = re.compile(
    r"^trainer\.(?:precision|limit_val_batches|val_check_interval|check_val_every_n_epoch)$"
)


def check_rounding(configs: AblationConfigs) -> Iterator[Finding]:
    """Find values that are those of their origin, rounded."""
    study, resolved = configs.study, configs.resolved
    origins = {**configs.recorded, "the config": study.definition.config}
    reference = reference_of(study)
    origins[f"the arm {reference}"] = resolved[reference]
    leaves = {name: flat(config) for name, config in origins.items()}
    seen: dict[tuple[str, float], list[str]] = {}
    where: dict[tuple[str, float], tuple[str, float]] = {}
    for arm, config in resolved.items():
        for leaf, value in flat(config).items():
            for origin, values in leaves.items():
                if is_rounded(value, values.get(leaf)):
                    seen.setdefault((leaf, value), []).append(arm)
                    where[leaf, value] = origin, values[leaf]
                    break
    for (leaf, value), arms in seen.items():
        origin, original = where[leaf, value]
        yield finding(
            "rounded-value",
            arms,
            f"{leaf.rpartition('.')[2]} is {value!r}, and {original!r} in {origin}: "
            "the same value, rounded",
            leaf,
            "leave the key out of the arm, or freeze the trial: values are never retyped",
        )


def check_owners(configs: AblationConfigs | SearchConfigs) -> Iterator[Finding]:
    """Find hyper-parameters that have two values in one configuration."""
    seen: dict[tuple[str, str], list[str]] = {}
    for arm, config in configs.resolved.items():
        owners: dict[str, dict[str, Any]] = {}
        for leaf, value in flat(config).items():
            name, bracket, place = leaf.rpartition(".")[2].partition("[")
            if name in _OWNERS and value is not None and leaf.startswith(_SECTIONS):
                owners.setdefault(_OWNERS[name] + bracket + place, {})[leaf] = value
        for name, values in owners.items():
            if len({canonical_json(value) for value in values.values()}) > 1:
                text = " and ".join(f"{leaf} is {shown(leaf, v)}" for leaf, v in values.items())
                seen.setdefault((name, text), []).append(arm)
    for (name, text), arms in seen.items():
        yield finding(
            "two-owners",
            filter(None, arms),
            f"{text}: which {name} holds can't be read off the config",
            name,
            "keep one key for it, and let the module read the other from there",
        )


def check_equal_configs(configs: AblationConfigs) -> Iterator[Finding]:
    """Find arms that have one configuration."""
    groups: dict[str, list[str]] = {}
    for arm, config in configs.resolved.items():
        groups.setdefault(canonical_json(flat(config)), []).append(arm)
    for arms in groups.values():
        if len(arms) > 1:
            yield between(
                "same-config",
                [[arm] for arm in arms],
                "they resolve to the same configuration: replicates, which differ by nothing "
                "but chance",
                "arms",
                "read their difference as chance, or drop one of them",
            )


def check_tuning(configs: AblationConfigs) -> Iterator[Finding]:
    """Find out whether the hyper-parameters were tuned for one arm only."""
    definition = configs.study.definition
    arms = [arm.name for arm in definition.trained]
    tuned_for = definition.provenance.tuned_for
    if tuned_for in arms and len(arms) > 1 and not definition.tune:
        yield finding(
            "tuned-for-one-arm",
            [arm for arm in arms if arm != tuned_for],
            f"the hyper-parameters were tuned for {tuned_for} only; the other arms inherit them",
            "provenance.tuned_for",
            "tune every arm with the same budget, or say that the others are not tuned",
        )


def check_seeds(configs: AblationConfigs) -> Iterator[Finding]:
    """Find out whether there are too few seeds."""
    amount = len(configs.study.seeds)
    if amount < FEWEST_SEEDS:
        yield finding(
            "few-seeds",
            (),
            f"{amount} seed{'' if amount == 1 else 's'}: "
            + ("no spread can be measured" if amount == 1 else "the spread is a guess"),
            "seeds",
            f"give at least {FEWEST_SEEDS} seeds, more for small effects",
        )


def check_floor(configs: AblationConfigs) -> Iterator[Finding]:
    """Find out whether there is no floor."""
    if not configs.study.definition.floors:
        yield finding(
            "no-floor",
            (),
            "no arm shows what a trivial predictor reaches on these metrics",
            "floor",
            "add floors: modules without parameters that answer with a constant or a copy",
        )


def check_objective(configs: AblationConfigs | SearchConfigs) -> Iterator[Finding]:
    """Find out whether the best epoch is picked where it is reported."""
    objective = configs.study.objective
    if objective.at == "best":
        yield finding(
            "best-on-reported-set",
            (),
            f"each run is read at its best {objective.metric} of all validations, "
            "and that value is reported",
            "objective.at",
            "set objective.at to last, or report on data that chose nothing",
        )


def check_searched_seeds(configs: SearchConfigs) -> Iterator[Finding]:
    """Find seeds in the space."""
    found = [path for path in configs.study.space if _SEED.search(_last(path))]
    if found:
        yield finding(
            "searched-seed",
            (),
            "the search would pick the luckiest seed",
            listed(f"space.{path}" for path in found),
            "take it out of the space and give several seeds instead: the objective is their mean",
        )


def check_choices(configs: SearchConfigs) -> Iterator[Finding]:
    """Find choices that are the same value."""
    study = configs.study
    for path, parameter in study.space.items():
        if not isinstance(parameter, Choice):
            continue
        for left, right in combinations(parameter.labels, 2):
            if canonical_json(parameter.value(left)) != canonical_json(parameter.value(right)):
                continue
            if _tells_apart(study, path, left, right):
                continue
            yield finding(
                "repeated-choice",
                (),
                f"the choices {left!r} and {right!r} are the same value",
                f"space.{path}",
                "write a value once: a copy is no prior, and the sampler learns each one anew",
            )


def _tells_apart(study: SearchStudy, path: str, left: Any, right: Any) -> bool:
    """Say whether a condition of another parameter holds for one of two choices only."""
    conditions = [other.when.get(path) for other in study.space.values()]
    return any(labels and (left in labels) != (right in labels) for labels in conditions)


def check_budget(configs: SearchConfigs) -> Iterator[Finding]:
    """Find out whether the budget is small for the space."""
    study = configs.study
    trials, size = study.definition.budget.trials, len(study.space)
    if trials is None or trials >= _PER_PARAMETER * size:
        return
    severity: Severity = "warning" if trials < 2 * size else "note"
    yield finding(
        "small-budget",
        (),
        f"{trials} trials for {size} parameters: "
        f"fewer than {2 if severity == 'warning' else _PER_PARAMETER} per parameter",
        "budget.trials",
        "raise the budget or search fewer parameters",
        severity=severity,
    )


def check_measuring(configs: SearchConfigs) -> Iterator[Finding]:
    """Find searched keys that also change how the objective is measured."""
    study = configs.study
    batches = [path for path in study.space if _BATCHES.search(path)]
    measuring = [path for path in study.space if _MEASURING.search(path)]
    other_data = [
        path
        for path in study.space
        if path.split(".")[0] == "data" and path not in batches and not _SEED.search(_last(path))
    ]
    measuring = [*(batches if configs.batches_matter else ()), *measuring]
    advice = "measure the objective the same way in every trial"
    kinds: tuple[tuple[list[str], Severity, str], ...] = (
        (
            measuring,
            "warning",
            "searched keys may change how the objective is taken",
        ),
        (other_data, "note", "searched keys of the data may change what is scored"),
    )
    for found, severity, what in kinds:
        if found:
            where = listed(f"space.{path}" for path in found)
            code = "objective-depends-on-searched"
            yield finding(code, (), what, where, advice, severity=severity)


def _last(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0]

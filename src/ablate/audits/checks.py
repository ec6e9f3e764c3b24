"""Every check of the audit, by stage and in the order of its findings.

A stage has one signature. A new check of ablate's own is a function and a row of `CHECKS`; its
codes stand in `ablate.audits.codes`. Those of installed packages follow behind.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ablate.audits import (
    curves,
    directions,
    fairness,
    provenance,
    run_recipes,
    runs,
    static,
    trials,
)
from ablate.audits.codes import CODES, checked
from ablate.audits.configs import AblationConfigs, SearchConfigs
from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks import (
    Declared,
    data,
    data_keys,
    dead_keys,
    dropout,
    faults,
    floors,
    functions,
    measures,
    origins,
    processes,
    recipe,
    scales,
    sizes,
    submodules,
    validation,
    validation_code,
)
from ablate.audits.findings import Finding
from ablate.audits.recorded import UNCHECKED, RecordedRuns, RecordedTrials
from ablate.audits.registry import Check, Code, Stage, Subject, installed_checks
from ablate.errors import RequestError
from ablate.spec import AblationStudy, Config, SearchDefinition, SearchStudy
from ablate.store import Seals, TrialRecord

STATIC_ABLATION: Stage[[AblationConfigs]] = Stage("static-ablation")
STATIC_SEARCH: Stage[[SearchConfigs]] = Stage("static-search")
EVIDENCE: Stage[[Mapping[str, Evidence], Declared]] = Stage("evidence")
RUNS: Stage[[RecordedRuns]] = Stage("runs")
TRIALS: Stage[[RecordedTrials]] = Stage("trials")


def _codes(*names: str) -> Mapping[str, Code]:
    return {name: CODES[name] for name in names}


OF_FAIRNESS = _codes(
    "undeclared-difference",
    "comes-along",
    "confounded",
    "unequal-stopping",
    "unequal-epochs",
    "unequal-precision",
    "unequal-data",
    "unequal-validation",
)
OF_SINGLE_ARMS = _codes(
    "sees-the-future",
    "padding-matters",
    "neighbours-matter",
    "metric-depends-on-batch",
    "train-val-overlap",
    "query-in-own-context",
    "context-from-validation",
    "no-gradient",
    "initial-loss-far-from-chance",
    "nondeterministic",
    "seed-has-no-effect",
    "property-violated",
    "wrong-loss-input",
    "targets-unshifted",
    "training-mode-in-validation",
    "validation-changes-weights",
    "random-validation",
    "validation-remembers",
    "random-validation-data",
    "validation-sampling",
    "part-of-validation",
    "untested-metric",
)
OF_ONE_RECIPE = _codes(
    "full-rate-never-reached",
    "rate-off-schedule",
    "every-step-clipped",
    "outside-optimizer",
    "unchanged-parameters",
    "gradients-not-zeroed",
    "detached-loss-term",
)
OF_LEAKAGE = _codes(
    "near-duplicates",
    "fitted-on-validation",
    "target-among-inputs",
    "overlapping-windows",
    "validation-before-training",
    "shared-groups",
)
OF_DATA = _codes("unequal-validation-examples", "unequal-train-examples", "unequal-lengths")
OF_METRICS = _codes("metric-defined-otherwise", "altered-validation-loss")
OF_WEIGHTS = _codes("unequal-initial-weights", "fixed-initial-weights")
OF_RECORDED_DATA = _codes(
    "other-examples", "other-training-data", "data-of-its-own", "unpaired-order"
)

OF_RECORDS = _codes("edited-record", "not-sealed")

CHECKS: tuple[Check[Any], ...] = (
    Check(STATIC_ABLATION, fairness.check_fairness, OF_FAIRNESS),
    Check(STATIC_ABLATION, static.check_rounding, _codes("rounded-value")),
    Check(STATIC_ABLATION, static.check_owners, _codes("two-owners")),
    Check(STATIC_ABLATION, static.check_equal_configs, _codes("same-config")),
    Check(STATIC_ABLATION, static.check_tuning, _codes("tuned-for-one-arm")),
    Check(STATIC_ABLATION, static.check_seeds, _codes("few-seeds")),
    Check(STATIC_ABLATION, static.check_floor, _codes("no-floor")),
    Check(STATIC_ABLATION, static.check_objective, _codes("best-on-reported-set")),
    Check(STATIC_ABLATION, directions.check_names, _codes("direction-against-name")),
    Check(STATIC_SEARCH, static.check_searched_seeds, _codes("searched-seed")),
    Check(STATIC_SEARCH, static.check_choices, _codes("repeated-choice")),
    Check(STATIC_SEARCH, static.check_budget, _codes("small-budget")),
    Check(STATIC_SEARCH, static.check_measuring, _codes("objective-depends-on-searched")),
    Check(STATIC_SEARCH, static.check_owners, _codes("two-owners")),
    Check(STATIC_SEARCH, static.check_objective, _codes("best-on-reported-set")),
    Check(STATIC_SEARCH, directions.check_names, _codes("direction-against-name")),
    Check(EVIDENCE, faults.check_faults, {**OF_SINGLE_ARMS, **OF_ONE_RECIPE, **OF_LEAKAGE}),
    Check(EVIDENCE, functions.check_functions, _codes("same-function")),
    Check(EVIDENCE, dead_keys.check_keys, _codes("dead-key")),
    Check(EVIDENCE, scales.check_scales, _codes("unequal-initial-scale")),
    Check(EVIDENCE, dropout.check_dropout, _codes("unequal-dropout")),
    Check(EVIDENCE, sizes.check_sizes, _codes("unequal-parameters")),
    Check(EVIDENCE, data.check_data, OF_DATA),
    Check(EVIDENCE, floors.check_floors, _codes("floor-saturates-metric")),
    Check(EVIDENCE, faults.check_skipped, _codes("probe-not-run")),
    Check(EVIDENCE, submodules.check_submodules, _codes("unequal-components")),
    Check(EVIDENCE, recipe.check_recipes, _codes("unequal-recipe")),
    Check(EVIDENCE, measures.check_measures, OF_METRICS),
    Check(EVIDENCE, validation_code.check_validation_code, _codes("unequal-validation-code")),
    Check(EVIDENCE, origins.check_initial_weights, OF_WEIGHTS),
    Check(EVIDENCE, origins.check_files, _codes("unequal-files-read", "files-read")),
    Check(EVIDENCE, data_keys.check_data_keys, _codes("data-key-without-effect")),
    Check(EVIDENCE, origins.check_seeding, _codes("seed-moves", "unequal-seeding")),
    Check(EVIDENCE, validation.check_weights, _codes("unequal-validated-weights")),
    Check(EVIDENCE, processes.check_repetition, _codes("nondeterministic")),
    Check(EVIDENCE, processes.check_hash_order, _codes("hash-order")),
    Check(RUNS, runs.check_divergence, _codes("diverged")),
    Check(RUNS, runs.check_completeness, _codes("missing-runs", "unrecorded-metric")),
    Check(RUNS, runs.check_configs, _codes("mixed-configs")),
    Check(RUNS, provenance.check_code, _codes("mixed-code", "uncommitted-code")),
    Check(RUNS, provenance.check_surroundings, _codes("mixed-files", "mixed-environments")),
    Check(RUNS, runs.check_environments, _codes("mixed-environments")),
    Check(RUNS, runs.check_data, OF_RECORDED_DATA),
    Check(RUNS, run_recipes.check_lengths, _codes("unequal-run-lengths")),
    Check(RUNS, run_recipes.check_recipes, _codes("recipe-differs")),
    Check(RUNS, run_recipes.check_clipping, _codes("clipped-throughout")),
    Check(RUNS, curves.check_finiteness, _codes("non-finite")),
    Check(RUNS, curves.check_movement, _codes("constant-metric", "zero-metric")),
    Check(RUNS, curves.check_collapse, _codes("collapse")),
    Check(RUNS, curves.check_suspicion, _codes("too-good-too-soon")),
    Check(RUNS, directions.check_trends, _codes("direction-against-trend")),
    Check(RUNS, runs.check_floors, _codes("ties-the-floor")),
    Check(RUNS, provenance.check_records, OF_RECORDS),
    Check(TRIALS, trials.check_edges, _codes("at-the-edge")),
    Check(TRIALS, trials.check_branches, _codes("thin-branch")),
    Check(TRIALS, trials.check_ties, _codes("tied-trials")),
    Check(TRIALS, provenance.check_trial_records, OF_RECORDS),
)


def check_ablation(
    study: AblationStudy,
    resolved: Mapping[str, Config],
    recorded: Mapping[str, Config],
    *,
    steps: Mapping[str, int] = MappingProxyType({}),
) -> list[Finding]:
    """Check the arms of an ablation by their resolved configurations, given by arm.

    `recorded` holds configurations that the study names as the origin of its values, by where
    they are recorded; `steps` are the optimizer steps of their runs by arm, as far as known.
    """
    return _found(STATIC_ABLATION, AblationConfigs(study, resolved, recorded, steps))


def check_search(
    study: SearchStudy, resolved: Config, *, batches_matter: bool = True
) -> list[Finding]:
    """Check a search by its space, its budget and the resolved base configuration.

    `batches_matter` says that the batch size may change how the objective is measured.
    """
    return _found(STATIC_SEARCH, SearchConfigs(study, resolved, batches_matter))


def compare_evidence(arms: Mapping[str, Evidence], declared: Declared) -> list[Finding]:
    """Return what the evidence of the arms of a study says against comparing them."""
    return _found(EVIDENCE, arms, declared)


def check_runs(recorded: RecordedRuns) -> list[Finding]:
    """Check the runs of an ablation: may they stand side by side, and do their curves hold up?"""
    return _found(RUNS, recorded)


def check_trials(
    definition: SearchDefinition, tried: Sequence[TrialRecord], seals: Seals = UNCHECKED
) -> list[Finding]:
    """Check the trials of a search: is the best inside the space, and was all of it tried?

    `seals` say what was changed after it was recorded.
    """
    return _found(TRIALS, RecordedTrials(definition, tried, seals))


def _found(stage: Stage[Subject], *args: Subject.args, **kwargs: Subject.kwargs) -> list[Finding]:
    """Make all checks of a stage. Raises RequestError for one that its check does not declare."""
    findings: list[Finding] = []
    for check in (*CHECKS, *installed_checks()):
        if check.stage == stage:
            for item in check.find(*args, **kwargs):
                if item.code not in check.codes:
                    raise RequestError(
                        f"the check {check.find.__module__}.{check.find.__qualname__} finds "
                        f"{item.code!r}, which is none of its codes: name it in its Check"
                    )
                findings.append(checked(item, check.codes[item.code]))
    return findings

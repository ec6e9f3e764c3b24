"""What to do about each thing that evidence shows, and how severe its slight cases are."""

from collections.abc import Iterable

from ablate.audits.codes import between, finding
from ablate.audits.findings import Finding, Severity

ADVICE = {
    "same-function": "compare them as replicates: their gap is noise, not an effect",
    "dead-key": "remove the key, or make the module read it",
    "sees-the-future": "mask later positions in every attention, and shift the targets",
    "padding-matters": "mask the padding in attention, pooling and normalisation",
    "neighbours-matter": "compute each example on its own: no statistics over the batch",
    "metric-depends-on-batch": "average over examples or cells of the whole set, not over batches",
    "train-val-overlap": "split by content, or drop the duplicates from one side",
    "query-in-own-context": "choose the context among the other examples",
    "context-from-validation": "choose the context among training examples",
    "no-gradient": "use these parameters, freeze them, or remove them",
    "initial-loss-far-from-chance": "start with outputs near zero: check initial values, scaling",
    "unequal-initial-scale": "initialise the arms by one rule",
    "unequal-dropout": "apply the same dropout in all arms, or make it the component",
    "unequal-parameters": "match the sizes, or report them beside the effect",
    "unequal-components": (
        "match arms by the parts that are compared, not by the total, and report both"
    ),
    "nondeterministic": "seed every random number and set trainer.deterministic",
    "seed-has-no-effect": "let seed_everything decide the initial values or the data order",
    "property-violated": "correct the component, or name it for what it does",
    "unequal-validation-examples": "score the same examples in all arms",
    "unequal-train-examples": "train all arms on the same examples, or declare the data in the arm",
    "unequal-lengths": "filter the data in all arms alike",
    "floor-saturates-metric": "report a metric that a trivial predictor cannot reach",
    "unequal-recipe": "train all arms by one recipe, or declare the difference in the arm",
    "full-rate-never-reached": "shorten the warm-up, or have it stepped as often as it is meant",
    "rate-off-schedule": "give the schedule the length of the run, in its own steps or epochs",
    "every-step-clipped": "raise the clipping norm, or scale the loss: only directions are left",
    "outside-optimizer": "give the parameters to an optimizer, or freeze them",
    "unchanged-parameters": "see what takes their steps back, or freeze them",
    "gradients-not-zeroed": "set the gradients to zero before every step, or say how many add up",
    "detached-loss-term": "compute the term from tensors that have a gradient, or leave it out",
    "metric-defined-otherwise": "compute the metric in one place, by one rule for all arms",
    "altered-validation-loss": "report the plain loss, and keep the other one for training",
    "unequal-validation-code": "validate all arms with the same code: a base class or a function",
    "wrong-loss-input": "give the loss what its documentation asks for",
    "targets-unshifted": "let position t predict the token at t + 1: shift targets or tokens",
    "unequal-initial-weights": "begin all arms alike, or name the weights in the arm's changes",
    "fixed-initial-weights": "see that they are meant: seeds then vary less than they seem to",
    "unequal-files-read": "let all arms read them, or name the file in the arm's changes",
    "files-read": "keep the files with the study: their content is part of its results",
    "data-key-without-effect": "key the cache by all that made it, or delete it, and run again",
    "seed-moves": "spread over seeds shows what they move, and nothing else",
    "unequal-seeding": "let the seed decide the same things in all arms",
    "near-duplicates": "split by what the copies were made of, before anything is altered",
    "fitted-on-validation": "fit on the training examples alone, and apply it to both splits",
    "target-among-inputs": "drop the column, unless it is known before the target is",
    "overlapping-windows": "split the series by time, with a gap of a window's length",
    "validation-before-training": "validate on what is newer than all training examples",
    "shared-groups": "split by the groups, so that each is in one split only",
    "probe-not-run": "check by hand what the probe would have checked",
    "training-mode-in-validation": "leave the modes to Lightning: call neither train() nor eval()",
    "validation-changes-weights": "change weights and statistics in training only",
    "random-validation": "draw nothing in validation, or from a generator with a seed of its own",
    "validation-remembers": "reset all state at the start of every validation",
    "unequal-validated-weights": "validate all arms with weights of the same kind",
    "random-validation-data": "augment and crop in training only",
    "validation-sampling": (
        "score every validation example once: no shuffled subset, no replacement, no drop_last"
    ),
    "part-of-validation": "score the whole set, or name the share beside the values",
    "untested-metric": "check by hand that the metric is computed from the outputs",
    "hash-order": "sort what comes out of a set, and use no hash() of texts",
}

SLIGHT: dict[str, Severity] = {
    "metric-depends-on-batch": "note",
    "no-gradient": "note",
    "outside-optimizer": "note",
    "train-val-overlap": "warning",
    "near-duplicates": "note",
    "fitted-on-validation": "note",
    "target-among-inputs": "note",
    "overlapping-windows": "note",
    "validation-before-training": "note",
    "shared-groups": "note",
}
"""How severe a fault is that the probes call slight."""


def advised(
    code: str,
    arms: Iterable[str],
    what: str,
    where: str,
    severity: Severity | None = None,
) -> Finding:
    """Make a finding with the advice of its code."""
    return finding(code, tuple(arms), what, where, ADVICE[code], severity=severity)


def advised_between(
    code: str,
    groups: Iterable[Iterable[str]],
    what: str,
    where: str,
    severity: Severity | None = None,
) -> Finding:
    """Make a finding between arms of different groups, with the advice of its code."""
    return between(code, groups, what, where, ADVICE[code], severity=severity)

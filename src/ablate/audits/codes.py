"""Every fact that the audit can find, by its code."""

from collections.abc import Iterable

from ablate.audits.findings import Finding, Severity
from ablate.audits.registry import Code, installed_checks
from ablate.errors import NotFoundError, RequestError, nearest
from ablate.store import FindingRow

CODES: dict[str, Code] = {
    # Read off the resolved configurations and the study, before anything runs.
    "undeclared-difference": Code(
        "error", "arms differ where no change is declared", "static", between=True
    ),
    "comes-along": Code(
        "note", "another class brings other arguments with it", "static", between=True
    ),
    "confounded": Code(
        "warning", "an arm changes more than what it is named for", "static", between=True
    ),
    "rounded-value": Code("warning", "a value is another one, rounded", "static"),
    "unequal-stopping": Code("error", "arms stop early by different rules", "static", between=True),
    "unequal-epochs": Code("error", "arms train for different lengths", "static", between=True),
    "unequal-precision": Code(
        "error", "arms compute in different precisions", "static", between=True
    ),
    "unequal-data": Code("error", "arms are given different data", "static", between=True),
    "unequal-validation": Code("error", "arms are validated differently", "static", between=True),
    "tuned-for-one-arm": Code("warning", "the hyper-parameters were tuned for one arm", "static"),
    "two-owners": Code("warning", "a hyper-parameter has two values in one config", "static"),
    "same-config": Code("note", "arms have the same configuration", "static", between=True),
    "few-seeds": Code("warning", "too few seeds to tell an effect from luck", "static"),
    "no-floor": Code("note", "no trivial predictor marks the floor", "static"),
    "best-on-reported-set": Code("note", "the best epoch is picked where it is reported", "static"),
    "searched-seed": Code("error", "a seed is searched as a hyper-parameter", "static"),
    "small-budget": Code("warning", "the budget is small for the space", "static"),
    "repeated-choice": Code("warning", "two choices are the same value", "static"),
    "objective-depends-on-searched": Code(
        "warning", "a searched key also changes how the objective is measured", "static"
    ),
    "direction-against-name": Code("warning", "a metric's direction is against its name", "static"),
    # Found by building the real model and running it on real batches.
    "same-function": Code("warning", "arms are the same function", "probe", between=True),
    "dead-key": Code("warning", "a key of the config changes nothing", "probe"),
    "sees-the-future": Code("error", "outputs depend on later targets", "probe"),
    "padding-matters": Code("error", "padding changes an example's output", "probe"),
    "neighbours-matter": Code("error", "an example's output depends on its neighbours", "probe"),
    "metric-depends-on-batch": Code("error", "a metric depends on the batch size", "probe"),
    "train-val-overlap": Code("error", "validation examples are trained on", "probe"),
    "query-in-own-context": Code("error", "a query is among its own context examples", "probe"),
    "context-from-validation": Code("error", "training context holds validation examples", "probe"),
    "no-gradient": Code("warning", "parameters never get a gradient", "probe"),
    "initial-loss-far-from-chance": Code("warning", "the first loss is far from chance", "probe"),
    "unequal-initial-scale": Code(
        "warning", "arms start from different scales", "probe", between=True
    ),
    "unequal-dropout": Code("warning", "arms apply dropout differently", "probe", between=True),
    "unequal-parameters": Code("note", "arms differ in size", "probe", between=True),
    "unequal-components": Code(
        "note", "arms of one size have it in other parts", "probe", between=True
    ),
    "nondeterministic": Code("warning", "the same seed gives other losses", "probe"),
    "seed-has-no-effect": Code("warning", "another seed changes nothing", "probe"),
    "property-violated": Code("error", "a component lacks a property it declares", "probe"),
    "unequal-validation-examples": Code(
        "error", "arms are scored on other examples", "probe", between=True
    ),
    "unequal-train-examples": Code(
        "warning", "arms are trained on other examples", "probe", between=True
    ),
    "unequal-lengths": Code(
        "warning", "arms see sequences of other lengths", "probe", between=True
    ),
    "floor-saturates-metric": Code("warning", "a trivial predictor saturates a metric", "probe"),
    "probe-not-run": Code("note", "a probe could not be run", "probe"),
    "unequal-recipe": Code(
        "warning", "arms are trained by different recipes", "probe", between=True
    ),
    "full-rate-never-reached": Code("warning", "the learning rate never rises fully", "probe"),
    "rate-off-schedule": Code("warning", "the schedule does not fit the run's length", "probe"),
    "every-step-clipped": Code("warning", "every gradient is clipped", "probe"),
    "outside-optimizer": Code("warning", "no optimizer has a parameter in it", "probe"),
    "unchanged-parameters": Code("warning", "parameters with a gradient do not move", "probe"),
    "gradients-not-zeroed": Code("warning", "gradients of earlier steps are kept", "probe"),
    "detached-loss-term": Code("warning", "a term of the loss has no gradient", "probe"),
    "metric-defined-otherwise": Code(
        "error", "arms define a metric otherwise", "probe", between=True
    ),
    "altered-validation-loss": Code("note", "a reported loss is smoothed or weighed", "probe"),
    "unequal-validation-code": Code(
        "warning", "arms validate with other code", "probe", between=True
    ),
    "wrong-loss-input": Code("warning", "a loss is given what it does not take", "probe"),
    "targets-unshifted": Code("warning", "the next token is given, not predicted", "probe"),
    "unequal-initial-weights": Code(
        "warning", "some arms begin with fixed weights", "probe", between=True
    ),
    "fixed-initial-weights": Code("note", "initial weights that no seed moves", "probe"),
    "unequal-files-read": Code(
        "warning", "some modules read files that others do not", "probe", between=True
    ),
    "files-read": Code("note", "module or data read files", "probe"),
    "data-key-without-effect": Code(
        "warning", "another value of a data key, equal data", "probe", between=True
    ),
    "seed-moves": Code("note", "what a seed moves", "probe"),
    "unequal-seeding": Code(
        "warning", "a seed moves other things in other arms", "probe", between=True
    ),
    "training-mode-in-validation": Code("warning", "parts train while validating", "probe"),
    "validation-changes-weights": Code("warning", "validation changes the model", "probe"),
    "random-validation": Code("warning", "a metric hangs on the global seed", "probe"),
    "validation-remembers": Code("warning", "a metric hangs on earlier validations", "probe"),
    "unequal-validated-weights": Code(
        "warning", "arms are scored with other weights", "probe", between=True
    ),
    "random-validation-data": Code("warning", "validation examples are random", "probe"),
    "validation-sampling": Code("warning", "validation draws unevenly", "probe"),
    "part-of-validation": Code("note", "only a part of the validation set is scored", "probe"),
    "untested-metric": Code("note", "no probe could move a metric", "probe"),
    "hash-order": Code("warning", "another hash seed gives other data or losses", "probe"),
    "near-duplicates": Code("warning", "validation holds altered training examples", "probe"),
    "fitted-on-validation": Code("warning", "statistics were taken over both splits", "probe"),
    "target-among-inputs": Code("warning", "a column of the inputs tells the target", "probe"),
    "overlapping-windows": Code("warning", "both splits hold the same stretches", "probe"),
    "validation-before-training": Code("warning", "training is newer than validation", "probe"),
    "shared-groups": Code("warning", "both splits hold examples of the same groups", "probe"),
    # Read off what the runs recorded.
    "diverged": Code("warning", "a run ended because it diverged", "runs"),
    "non-finite": Code("warning", "a metric is not a finite number", "runs"),
    "missing-runs": Code("warning", "runs of the design are missing", "runs"),
    "unrecorded-metric": Code("warning", "complete runs have no value of a metric", "runs"),
    "unequal-run-lengths": Code(
        "warning", "compared runs have different lengths", "runs", between=True
    ),
    "other-examples": Code("error", "runs were scored on other examples", "runs", between=True),
    "other-training-data": Code("warning", "runs were trained on other data", "runs", between=True),
    "data-of-its-own": Code("note", "every seed has data of its own", "runs"),
    "unpaired-order": Code("note", "seeds do not pair the order of the data", "runs", between=True),
    "mixed-configs": Code("error", "an arm's runs have different configurations", "runs"),
    "mixed-code": Code("warning", "compared runs are of different code", "runs", between=True),
    "mixed-files": Code(
        "warning", "a file that runs read has changed between them", "runs", between=True
    ),
    "mixed-environments": Code(
        "warning", "compared runs are of different environments", "runs", between=True
    ),
    "uncommitted-code": Code("note", "runs are of code that no commit holds", "runs"),
    "constant-metric": Code("warning", "a metric does not move", "runs"),
    "zero-metric": Code("note", "a metric is 0 in every epoch", "runs"),
    "ties-the-floor": Code("warning", "an arm may be no better than a trivial predictor", "runs"),
    "collapse": Code("warning", "a metric falls and stays down", "runs"),
    "too-good-too-soon": Code("warning", "an arm is far better at once", "runs"),
    "recipe-differs": Code(
        "warning", "runs of arms trained by different recipes", "runs", between=True
    ),
    "clipped-throughout": Code("warning", "every gradient measured in a run is clipped", "runs"),
    "direction-against-trend": Code("warning", "training makes a metric worse", "runs"),
    "at-the-edge": Code("warning", "the best value lies at the edge of its range", "runs"),
    "thin-branch": Code("warning", "a branch of the space was hardly tried", "runs"),
    "tied-trials": Code("warning", "different trials have exactly the same value", "runs"),
    "edited-record": Code("error", "a record is not what was recorded", "runs"),
    "not-sealed": Code("note", "an edit of these records would not be found", "runs"),
}


def known_codes() -> dict[str, Code]:
    """Return the codes of ablate and those of the checks that installed packages add.

    Raises RequestError for a code that two packages mean differently.
    """
    codes = dict(CODES)
    for check in installed_checks():
        for name, code in check.codes.items():
            if codes.setdefault(name, code) != code:
                raise RequestError(
                    f"an installed check of the stage {check.stage.name} gives the code {name!r} "
                    "another meaning than it has already: let it choose another name"
                )
    return codes


def finding(
    code: str,
    arms: Iterable[str],
    what: str,
    where: str,
    advice: str,
    *,
    severity: Severity | None = None,
) -> Finding:
    """Make a finding of a known code, as severe as its code says unless `severity` is given.

    It is of each of its arms by itself. Raises RequestError if the code stands between arms.
    """
    known = _known(code)
    made = Finding(code, severity or known.severity, tuple(arms), what, where, advice)
    return checked(made, known)


def between(
    code: str,
    groups: Iterable[Iterable[str]],
    what: str,
    where: str,
    advice: str,
    *,
    severity: Severity | None = None,
) -> Finding:
    """Make a finding that stands between arms of different groups, as `finding` makes others.

    Raises RequestError if the code is of single arms, or there is no group.
    """
    known = _known(code)
    alike = tuple(map(tuple, groups))
    arms = tuple(dict.fromkeys(arm for group in alike for arm in group))
    made = Finding(code, severity or known.severity, arms, what, where, advice, groups=alike)
    return checked(made, known)


def _known(code: str) -> Code:
    return CODES[code] if code in CODES else known_codes()[code]


def checked(item: Finding, code: Code) -> Finding:
    """Return a finding. Raises RequestError if it has groups and its code none, or other way."""
    if bool(item.groups) == code.between:
        return item
    raise RequestError(
        f"{item.code!r} stands between arms, and its finding does not say which are alike: make it "
        "with `between`, from groups of arms"
        if code.between
        else f"{item.code!r} is of single arms, and its finding has groups of arms: make it with "
        "`finding`, or declare its Code with between=True"
    )


def as_rows(findings: Iterable[Finding]) -> list[FindingRow]:
    """Return findings as they are stored and reported, with the stage that found them."""
    codes = known_codes()
    return [
        FindingRow(
            code=item.code,
            severity=item.severity,
            arms=item.arms,
            what=item.what,
            where=item.where,
            advice=item.advice,
            allowed=item.allowed,
            stage=codes[item.code].stage,
            groups=item.groups,
        )
        for item in findings
    ]


def check_codes(names: Iterable[str], where: str = "--allow ") -> None:
    """Raise NotFoundError with near names for a code that does not exist."""
    codes = known_codes()
    for name in names:
        if name not in codes:
            raise NotFoundError(f"{where}{name}: there is no such code: {nearest(name, codes)}")

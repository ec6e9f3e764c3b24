"""Arms that are trained or scored on other examples."""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from ablate.audits.evidence import Evidence, Split, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding, Severity
from ablate.audits.grouping import alike, by_arms, grouped

LENGTH_SHARE = 0.01


def check_data(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Compare the examples of both splits, their order and the lengths of their sequences."""
    train = {arm: each.train for arm, each in learned(arms).items() if each.train.digest}
    val = {arm: each.val for arm, each in arms.items() if each.val.digest}
    yield from _validation_examples(val, declared)
    yield from _training_examples(train, declared)
    yield from _lengths("training", train, declared)
    yield from _lengths("validation", val, declared)


def _validation_examples(splits: Mapping[str, Split], declared: Declared) -> Iterator[Finding]:
    if odd := _odd({arm: split.digest for arm, split in splits.items()}):
        severity: Severity | None = "warning" if declared.all_change_data(odd) else None
        what = _counts(splits)
        if severity and _same_targets(splits.values()):
            what += "; with the same targets: as declared, the same examples are shown otherwise"
            severity = "note"
        groups = _by(splits, "digest")
        yield advised_between("unequal-validation-examples", groups, what, "data", severity)


def _training_examples(splits: Mapping[str, Split], declared: Declared) -> Iterator[Finding]:
    code = "unequal-train-examples"
    if odd := _odd({arm: split.digest for arm, split in splits.items()}):
        severity: Severity | None = "note" if declared.all_change_data(odd) else None
        yield advised_between(code, _by(splits, "digest"), _counts(splits), "data", severity)
    elif _odd({arm: split.order for arm, split in splits.items()}):
        what = "they see the same examples in another order, with the same seed"
        yield advised_between(code, _by(splits, "order"), what, "data", "note")


def _lengths(name: str, splits: Mapping[str, Split], declared: Declared) -> Iterator[Finding]:
    means = {arm: split.mean_length for arm, split in splits.items() if split.mean_length}
    first = next(iter(means.values()), 1.0)
    odd = [arm for arm, mean in means.items() if _far(mean, first)]
    if odd:
        told = by_arms(
            (f"mean {mean:.4g}, longest {splits[arm].longest}", arm) for arm, mean in means.items()
        )
        severity: Severity | None = "note" if declared.all_change_data(odd) else None
        groups = alike(means, lambda arm, other: _far(means[arm], means[other]))
        yield advised_between("unequal-lengths", groups, f"{name}: {told}", "data", severity)


def _far(mean: float, other: float) -> bool:
    return max(mean, other) / min(mean, other) > 1 + LENGTH_SHARE


def _by(splits: Mapping[str, Split], field: Literal["digest", "order"]) -> Collection[list[str]]:
    """Put the arms of equal splits together."""
    return grouped((getattr(split, field), arm) for arm, split in splits.items()).values()


def _same_targets(splits: Collection[Split]) -> bool:
    """Say whether the examples have the same targets in the same order, and are equally many."""
    seen = {(split.examples, split.targets) for split in splits}
    return len(seen) == 1 and None not in next(iter(seen))


def _odd(digests: Mapping[str, str | None]) -> list[str]:
    """Name the arms that differ from the first in what they see."""
    first = next(iter(digests.values()), None)
    return [arm for arm, digest in digests.items() if digest != first]


def _counts(splits: Mapping[str, Split]) -> str:
    """Count the examples, apart for splits that differ; say so if they are equally many."""
    groups = grouped(((split.digest, split.examples), arm) for arm, split in splits.items())
    counts = {count for _, count in groups}
    if len(counts) == 1:
        (count,) = counts
        many = "their first batches are" if count is None else f"{count} examples each, but"
        apart = " than in ".join(", ".join(names) for names in groups.values())
        return f"{many} of other content in {apart}"
    return "; ".join(
        f"{'unknown many' if count is None else count} examples in {', '.join(names)}"
        for (_, count), names in groups.items()
    )

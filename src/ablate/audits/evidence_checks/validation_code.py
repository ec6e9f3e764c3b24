"""Arms whose hooks of validation are other code."""

from collections.abc import Iterator, Mapping, Sequence

from ablate.audits.evidence import Evidence, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import alike, by_arms, grouped


def check_validation_code(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find arms that validate with other code, unless their metrics are known to be equal."""
    seen = {arm: each for arm, each in learned(arms).items() if each.hooks}
    metrics = list(declared.metrics)

    def apart(arm: str, other: str) -> bool:
        some = [seen[arm], seen[other]]
        return some[0].hooks != some[1].hooks and not _known_to_be_equal(some, metrics)

    groups = alike(seen, apart)
    if not groups:
        return
    versions = grouped((tuple(sorted(each.hooks.items())), arm) for arm, each in seen.items())
    hooks = dict.fromkeys(hook for each in seen.values() for hook in each.hooks)
    odd = [hook for hook in hooks if len({each.hooks.get(hook) for each in seen.values()}) > 1]
    told = by_arms(
        (f"version {number}", arm)
        for number, names in enumerate(versions.values(), start=1)
        for arm in names
    )
    what = f"the code of {', '.join(odd)} differs: {told}"
    yield advised_between("unequal-validation-code", groups, what, odd[0])


def _known_to_be_equal(arms: Sequence[Evidence], metrics: Sequence[str]) -> bool:
    """Say whether every reported metric is the same known measure in all arms."""
    return bool(metrics) and all(_common(arms, metric) for metric in metrics)


def _common(arms: Sequence[Evidence], metric: str) -> bool:
    names = [
        set(each.measured.definitions.get(metric, ())) if each.measured else set() for each in arms
    ]
    return bool(set.intersection(*names))

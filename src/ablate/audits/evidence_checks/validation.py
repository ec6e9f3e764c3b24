"""Arms that are validated with weights of another kind."""

import re
from collections.abc import Collection, Iterator, Mapping

from ablate.audits.evidence import Evidence, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding, Severity
from ablate.audits.grouping import by_arms, grouped

_AVERAGING = re.compile(r"ema(?![a-z])|averag|swa|polyak|teacher|callbacks", re.IGNORECASE)


def check_weights(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Compare which weights are validated: of the last step, averaged ones, or a copy's."""
    seen = {arm: each.validated for arm, each in learned(arms).items() if each.validated}
    if len(set(seen.values())) < 2:
        return
    first = next(iter(seen.values()))
    odd = [arm for arm, weights in seen.items() if weights != first]
    severity: Severity | None = (
        "note" if all(_declares(declared.changes_of(arm)) for arm in odd) else None
    )
    what = "validated are " + by_arms((weights, arm) for arm, weights in seen.items())
    groups = grouped((weights, arm) for arm, weights in seen.items()).values()
    yield advised_between("unequal-validated-weights", groups, what, "validation", severity)


def _declares(changes: Collection[str]) -> bool:
    """Say whether an arm declares that it averages."""
    return any(_AVERAGING.search(path) for path in changes)

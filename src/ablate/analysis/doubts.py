"""What the audit has against comparing two arms."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablate.store import FindingRow

ONE_SIDED = frozenset(
    {
        *("full-rate-never-reached", "rate-off-schedule", "every-step-clipped"),
        *("clipped-throughout", "outside-optimizer", "unchanged-parameters"),
        *("gradients-not-zeroed", "detached-loss-term"),
    }
)
"""Codes of warnings of a training that is wrong; two arms that both are wrong so are alike."""
TOUCHES_COMPARABILITY = frozenset(
    {
        *("confounded", "tuned-for-one-arm", "same-function", "seed-has-no-effect"),
        *("unequal-initial-scale", "unequal-dropout", "unequal-train-examples", "unequal-lengths"),
        *("unequal-data", "unequal-validation", "unequal-validation-examples"),
        *("diverged", "missing-runs", "unequal-run-lengths", "other-examples"),
        *("other-training-data", "mixed-code", "mixed-environments", "too-good-too-soon"),
        *("unequal-recipe", "recipe-differs", *ONE_SIDED),
        *("near-duplicates", "fitted-on-validation", "target-among-inputs", "shared-groups"),
        *("overlapping-windows", "validation-before-training"),
        *("metric-defined-otherwise", "unequal-validation-code", "wrong-loss-input"),
        *("targets-unshifted", "unequal-initial-weights", "unequal-files-read"),
        *("data-key-without-effect", "mixed-files"),
        *("training-mode-in-validation", "validation-changes-weights", "random-validation"),
        *("validation-remembers", "random-validation-data", "validation-sampling"),
        "unequal-validated-weights",
    }
)
"""Codes of warnings by which an arm may be better or worse for another reason than its own."""
BREAKS_PAIRS = frozenset({"unpaired-order", "other-training-data"})
"""Codes of findings by which equal seeds of the arms they name pair nothing."""


@dataclass(frozen=True)
class Doubts:
    """Findings as they bear on arms: `own` by arm, `between` those that set arms apart.

    `one_sided` holds the arms of codes that set them apart from all others.
    """

    own: Mapping[str, tuple[str, ...]]
    between: tuple[FindingRow, ...]
    one_sided: Mapping[str, frozenset[str]]
    allowed: frozenset[str]

    def of_pair(self, arm: str, other: str) -> tuple[tuple[str, ...], str]:
        """Return the codes against comparing two arms, and whose they are, empty if the arm's."""
        if codes := (*self.own.get(arm, ()), *self.between_them(arm, other)):
            return codes, ""
        return self.own.get(other, ()), other

    def between_them(self, arm: str, other: str) -> tuple[str, ...]:
        """Return the codes that set two arms apart."""
        both = [row.code for row in self.between if row.apart(arm, other)]
        one = [code for code, arms in self.one_sided.items() if len({arm, other} & arms) == 1]
        return tuple(dict.fromkeys((*both, *one)))

    def named(self, codes: Sequence[str]) -> str:
        """Join codes, the allowed ones marked so."""
        return ", ".join(f"{c} (allowed)" if c in self.allowed else c for c in codes)


def errors(findings: Iterable[FindingRow], arms: Sequence[str]) -> Doubts:
    """Return the errors, allowed or not: what they touch is never called better or worse."""
    return _doubts([row for row in findings if row.severity == "error"], arms)


def warnings(findings: Iterable[FindingRow], arms: Sequence[str]) -> Doubts:
    """Return the warnings that touch comparability and are not allowed."""
    rows = [
        row
        for row in findings
        if row.severity == "warning" and not row.allowed and row.code in TOUCHES_COMPARABILITY
    ]
    return _doubts(rows, arms)


def unpaired_because(findings: Iterable[FindingRow], arm: str, other: str) -> str:
    """Return the code of a finding that breaks the pairs of two arms, empty if none does."""
    for row in findings:
        if row.code in BREAKS_PAIRS and row.apart(arm, other):
            return row.code
    return ""


def _doubts(rows: Sequence[FindingRow], arms: Sequence[str]) -> Doubts:
    own: dict[str, dict[str, None]] = {}
    between = []
    one_sided: dict[str, set[str]] = {}
    for row in rows:
        if row.code in ONE_SIDED:
            one_sided.setdefault(row.code, set()).update(row.arms or arms)
        elif row.groups:
            between.append(row)
        else:
            for arm in row.arms or arms:
                own.setdefault(arm, {})[row.code] = None
    return Doubts(
        own={arm: tuple(codes) for arm, codes in own.items()},
        between=tuple(between),
        one_sided={code: frozenset(names) for code, names in one_sided.items()},
        allowed=frozenset(row.code for row in rows if row.allowed),
    )

"""What the numbers support: a comparison of two arms, and the word for it."""

from dataclasses import dataclass
from enum import StrEnum

from ablate.spec import Direction


class Verdict(StrEnum):
    """What may be said of an arm beside its comparator."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    CANNOT_TELL = "cannot tell"
    NOT_COMPARABLE = "not comparable"
    FLOOR_NOT_BEATEN = "floor not beaten"


class Relation(StrEnum):
    """Why two arms are compared: what the design of the study makes of the pair."""

    REFERENCE = "reference"
    LEAVE_ONE_OUT = "leave one out"
    STEP = "step"
    ALONE = "alone"
    TUNED = "tuned"
    FLOOR = "floor"


class Method(StrEnum):
    """How a p-value is computed."""

    SIGN_FLIP = "exact sign-flip"
    PAIRED_T = "paired t"
    PERMUTATION = "exact permutation"
    WELCH_T = "Welch's t"
    NONE = "none"


@dataclass(frozen=True)
class Tested:
    """What the numbers say of a difference.

    `differences` are arm less comparator by seed (empty if they are not paired), `low` and `high`
    the 95 % interval of the mean `difference`. `p` is of `method`, `p_sign_flip` the exact
    sign-flip (or permutation) p, `p_smallest` the smallest that `n` allows it, `p_holm` is
    corrected over all comparisons of the family. `improvement` is the probability that a run of
    the arm is better than one of the comparator, `detectable` the smallest difference that `n`
    seeds show in 80 of 100 cases, `seeds_needed` how many would show the one found (None: no
    number would). NaN is a number that there is not.
    """

    differences: tuple[tuple[int, float], ...]
    n: int
    difference: float
    low: float
    high: float
    method: Method
    p: float
    p_sign_flip: float
    p_smallest: float
    p_holm: float
    improvement: float
    detectable: float
    seeds_needed: int | None


@dataclass(frozen=True)
class Comparison(Tested):
    """An arm beside its comparator on one metric, and what may be said of it.

    The family of `p_holm` are the comparisons of the primary metric, or those of all secondary
    ones. `seeds_needed` is None, too, where the difference is shown.
    """

    metric: str
    direction: Direction
    primary: bool
    arm: str
    comparator: str
    relation: Relation
    paired: bool
    unpaired_because: str
    verdict: Verdict
    reason: str

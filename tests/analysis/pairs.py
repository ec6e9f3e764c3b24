"""Comparisons of imagined arms, in few words."""

from ablate.analysis.verdicts import Comparison, Method, Relation, Verdict
from ablate.spec import Direction


def compared(arm, comparator, **changes):
    """Imagine that an arm is compared with another, without any number."""
    nan = float("nan")
    known = {
        "metric": "acc",
        "direction": Direction.MAXIMIZE,
        "primary": True,
        "arm": arm,
        "comparator": comparator,
        "relation": Relation.REFERENCE,
        "paired": True,
        "unpaired_because": "",
        "differences": (),
        "n": 0,
        "difference": nan,
        "low": nan,
        "high": nan,
        "method": Method.NONE,
        "p": nan,
        "p_sign_flip": nan,
        "p_smallest": nan,
        "p_holm": nan,
        "improvement": nan,
        "detectable": nan,
        "seeds_needed": None,
        "verdict": Verdict.CANNOT_TELL,
        "reason": "",
    }
    return Comparison(**{**known, **changes})

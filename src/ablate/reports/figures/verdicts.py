"""How a verdict looks: a symbol beside its word, so that no colour is needed to read it."""

from ablate.analysis.verdicts import Verdict
from ablate.reports.figures.palette import GREY, PALETTE

SYMBOLS = {
    Verdict.BETTER: "▲",
    Verdict.WORSE: "▼",
    Verdict.EQUIVALENT: "≈",
    Verdict.CANNOT_TELL: "?",
    Verdict.NOT_COMPARABLE: "⊘",
    Verdict.FLOOR_NOT_BEATEN: "⊥",
}
GOOD, BAD = PALETTE[0], PALETTE[1]


def words(verdict: Verdict) -> str:
    """Return the symbol of a verdict and its word."""
    return f"{SYMBOLS[verdict]} {verdict}"


def ink_of(verdict: Verdict | None) -> str:
    """Return the colour that goes with a verdict; grey where it says neither good nor bad."""
    return {Verdict.BETTER: GOOD, Verdict.WORSE: BAD}.get(verdict, GREY) if verdict else GREY

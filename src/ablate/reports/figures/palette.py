"""The colours of the figures: seen on white paper and on the dark page alike."""

from typing import TypeAlias

PALETTE = ("#0077BB", "#D1570A", "#159269", "#E644DA", "#4859F8", "#97904B", "#AF4547")
"""Seven hues, no yellow and no black: each stands out from both papers by 3:1 or more.

They also stay apart for eyes without red or green cones (CIELAB distance of 14 or more under the
simulation of G. M. Machado et al. 2009).
"""
GREY = "#7F868D"
"""What stands in the background."""
INK = "#010203"
"""Stands for the colour of the text around the figure."""
PAPER = "#fdfeff"
"""Stands for the colour of the page behind the figure."""
PAPERS = ("#ffffff", "#15181c")
"""The light and the dark background of a page."""
HIGHLIGHTED = 8
"""So many lines are told apart by colour and dashes, no more."""

Dashes: TypeAlias = tuple[float, tuple[float, ...]]
SOLID: Dashes = (0.0, ())
DASHED: Dashes = (0.0, (4.0, 2.0))
DOTTED: Dashes = (0.0, (1.2, 1.6))
DASH_DOTTED: Dashes = (0.0, (6.0, 1.8, 1.2, 1.8))
_STYLES = (SOLID, DASHED, DASH_DOTTED, DOTTED)


def style_of(index: int) -> tuple[str, Dashes]:
    """Return colour and dashes of the line at `index`; the first 28 pairs differ."""
    return PALETTE[index % len(PALETTE)], _STYLES[index % len(_STYLES)]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""Texts of a figure: how wide they are, how they are cut, and where they find room."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

FONT = "DejaVu Sans"
"""The font that matplotlib brings along, so that widths are the same everywhere."""
SIZE, SMALL = 10.0, 8.5
UNKNOWN = 1.35
"""The width of a character that the font lacks, in ems: an emoji of a browser's own font."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Write a text on one line, without the characters that XML forbids."""
    return _NOT_XML.sub("\ufffd", " ".join(text.split()))


@lru_cache(maxsize=4096)
def width_of(text: str, size: float = SIZE, *, bold: bool = False) -> float:
    """Return the width of a text in points."""
    known = "".join(sign for sign in text if ord(sign) in _glyphs(bold))
    unknown = (len(text) - len(known)) * UNKNOWN * size
    font = FontProperties(family=FONT, weight="bold" if bold else "normal", size=size)
    measured: float = text_to_path.get_text_width_height_descent(known, font, False)[0]
    return measured + unknown


def cut(text: str, width: float, size: float = SIZE, *, bold: bool = False) -> str:
    """Shorten a text with an ellipsis until it is no wider than `width` points."""
    width += 0.01  # room that was measured for this very text
    if width_of(text, size, bold=bold) <= width:
        return text
    short, long = 0, len(text) - 1
    while short < long:
        middle = (short + long + 1) // 2
        if width_of(text[:middle].rstrip() + "…", size, bold=bold) <= width:
            short = middle
        else:
            long = middle - 1
    return text[:short].rstrip() + "…"


def widest(texts: Sequence[str], most: float, size: float = SIZE) -> float:
    """Return the width in points of the widest of some texts, at most `most`."""
    return min(most, max((width_of(clean(text), size) for text in texts), default=0.0))


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move sorted values apart until neighbours differ by `gap`, each as little as possible.

    The least-squares solution, by pooling adjacent violators.
    """
    blocks: list[tuple[float, int]] = []
    for index, value in enumerate(values):
        mean, size = value - index * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, weight = blocks.pop()
            mean = (before * weight + mean * size) / (weight + size)
            size += weight
        blocks.append((mean, size))
    levels = [mean for mean, size in blocks for _ in range(size)]
    return [level + index * gap for index, level in enumerate(levels)]


def placed(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted values apart as `spread`, and all of them between `low` and `high`.

    The room has to hold them: `high - low` is at least `gap` times one less than their number.
    """
    most = [high - gap * index for index in range(len(values))][::-1]
    least = [low + gap * index for index in range(len(values))]
    return [
        min(max(value, least[index]), most[index])
        for index, value in enumerate(spread(values, gap))
    ]


@cache
def _glyphs(bold: bool) -> frozenset[int]:
    path = findfont(FontProperties(family=FONT, weight="bold" if bold else "normal"))
    return frozenset(get_font(path).get_charmap())

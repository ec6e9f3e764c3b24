"""What quality costs: arms as points, the front of those that no other beats in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ablate.reports.figures.canvas import EDGE, WIDTH, Box, Canvas, Panel, left_room, right_room
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL, clean, cut, width_of
from ablate.reports.figures.palette import GREY, PALETTE
from ablate.reports.figures.scales import plottable, scale_of
from ablate.reports.numbers import listing, number, plural

LOG_COST_FROM = 30.0
LONGEST = 150.0
MOST_LABELLED = 40


@dataclass(frozen=True)
class Offer:
    """What an arm costs and how good it is, with the 95 % interval of that (NaN if none)."""

    label: str
    cost: float
    quality: float
    low: float
    high: float


def front(offers: Sequence[Offer], *, minimize: bool) -> list[Offer]:
    """Return the offers that no other beats in cost or quality without losing in the other.

    In order of cost; of equal ones all are returned. `minimize` tells that low quality is better.
    """
    sign = 1.0 if minimize else -1.0
    valid = [offer for offer in offers if plottable(offer.cost) and plottable(offer.quality)]
    valid.sort(key=lambda offer: (offer.cost, sign * offer.quality))
    kept: list[Offer] = []
    for offer in valid:
        last = kept[-1] if kept else None
        same = last and (last.cost, last.quality) == (offer.cost, offer.quality)
        if last is None or same or sign * offer.quality < sign * last.quality:
            kept.append(offer)
    return kept


def draw_pareto(
    offers: Sequence[Offer], names: tuple[str, str], *, title: str, minimize: bool
) -> Drawing:
    """Draw quality against cost and mark the front; `names` are those of cost and of quality.

    The cost is logarithmic where it spans more than a factor of 30. Labels that find no room are
    left to the titles of the points, and counted in the notes.
    """
    shown = [offer for offer in offers if plottable(offer.cost) and plottable(offer.quality)]
    best = front(shown, minimize=minimize)
    qualities = [v for o in shown for v in (o.quality, o.low, o.high) if plottable(v)]
    middle = [offer.quality for offer in shown]
    span = max(middle, default=0.0) - min(middle, default=0.0)
    near = [v for v in qualities if not span or min(middle) - span <= v <= max(middle) + span]
    x = scale_of([o.cost for o in shown], log=True, log_from=LOG_COST_FROM, pad=0.1)
    y = scale_of(near, pad=0.08)
    height = 330.0
    box = Box(left_room(y), 38, WIDTH - max(right_room(x), 14), height - 24)
    panel, canvas = Panel(box, x, y), Canvas(height)
    better = "lower is better" if minimize else "higher is better"
    canvas.frame(panel, (names[0], f"{names[1]} ({better})"))
    stairs = panel.at([(offer.cost, offer.quality) for offer in best])
    canvas.line(stairs if len(stairs) > 1 else [], PALETTE[0], 1.4, stairs=True)
    for offer in shown:
        if plottable(offer.low) and plottable(offer.high):
            ends = panel.at([(offer.cost, offer.low), (offer.cost, offer.high)])
            ink = PALETTE[0] if offer in best else GREY
            canvas.line(ends, ink, 1.2, alpha=0.7, within=box)
    for on_front in (False, True):
        part = [offer for offer in shown if (offer in best) == on_front]
        canvas.dots(
            panel.at([(offer.cost, offer.quality) for offer in part]),
            PALETTE[0] if on_front else GREY,
            9 if on_front else 7,
            "D" if on_front else "o",
            titles=[_said(offer, names) for offer in part],
        )
    ordered = [*best, *(offer for offer in shown if offer not in best)][:MOST_LABELLED]
    taken = [
        Box(x - 6, y - 6, x + 6, y + 6) for x, y in panel.at([(o.cost, o.quality) for o in shown])
    ]
    for (start, level), (end, after) in pairwise(stairs):
        taken.append(Box(start, level - 1, end, level + 1))
        taken.append(Box(end - 1, min(level, after), end + 1, max(level, after)))
    written = _label(canvas, panel, ordered, taken)
    notes = ["Diamonds: the Pareto front, which no other arm beats in both."] if best else []
    if written < len(shown):
        notes.append(f"{plural(len(shown) - written, 'point')} without room for a label.")
    if len(shown) < len(offers):
        notes.append(f"{plural(len(offers) - len(shown), 'arm')} without numbers left out.")
    said = f"On the front: {listing(_said(offer, names) for offer in best)}." if best else ""
    return canvas.drawing("pareto", title, f"{names[1]} against {names[0]}. {said}", notes)


def _said(offer: Offer, names: tuple[str, str]) -> str:
    return f"{offer.label}: {names[1]} {number(offer.quality)}, {names[0]} {number(offer.cost)}"


def _label(canvas: Canvas, panel: Panel, offers: Sequence[Offer], taken: list[Box]) -> int:
    """Write labels where they touch neither points nor each other; return how many found room."""
    box = panel.box
    written = 0
    for offer in offers:
        ((x, y),) = panel.at([(offer.cost, offer.quality)])
        label = cut(clean(offer.label), LONGEST, SMALL)
        width = width_of(label, SMALL)
        for left, middle in (
            (x + 8, y),
            (x - 8 - width, y),
            (x - width / 2, y + 12),
            (x - width / 2, y - 12),
            (x + 6, y + 10),
            (x + 6, y - 10),
            (x - 6 - width, y + 10),
            (x - 6 - width, y - 10),
        ):
            spot = Box(left, middle - 5, left + width, middle + 5)
            inside = (
                box.left < spot.left
                and spot.right < canvas.width - EDGE
                and box.bottom < spot.bottom
                and spot.top < box.top
            )
            if inside and not any(_touch(spot, other) for other in taken):
                canvas.text(left, middle, offer.label, LONGEST, size=SMALL)
                taken.append(spot)
                written += 1
                break
    return written


def _touch(one: Box, other: Box) -> bool:
    return (
        one.left < other.right
        and other.left < one.right
        and one.bottom < other.top
        and other.bottom < one.top
    )

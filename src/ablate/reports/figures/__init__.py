"""Figures from numbers: the same for the same numbers, as SVG for pages and as PDF for papers."""

from ablate.reports.figures.bars import Bar, draw_bars
from ablate.reports.figures.canvas import Points
from ablate.reports.figures.contour import draw_contour
from ablate.reports.figures.curves import MOST_BEHIND, Band, Curve, Level, band_of, draw_curves
from ablate.reports.figures.drawing import Drawing, file_part
from ablate.reports.figures.forest import Contrast, draw_forest
from ablate.reports.figures.history import draw_history
from ablate.reports.figures.palette import HIGHLIGHTED
from ablate.reports.figures.parallel import draw_parallel
from ablate.reports.figures.pareto import Offer, draw_pareto, front
from ablate.reports.figures.samples import Dimension, Sample, Setting
from ablate.reports.figures.scales import every
from ablate.reports.figures.slices import draw_slices
from ablate.reports.figures.slopes import Pairing, draw_slopes
from ablate.reports.figures.verdicts import SYMBOLS, words

__all__ = [
    "HIGHLIGHTED",
    "MOST_BEHIND",
    "SYMBOLS",
    "Band",
    "Bar",
    "Contrast",
    "Curve",
    "Dimension",
    "Drawing",
    "Level",
    "Offer",
    "Pairing",
    "Points",
    "Sample",
    "Setting",
    "band_of",
    "draw_bars",
    "draw_contour",
    "draw_curves",
    "draw_forest",
    "draw_history",
    "draw_parallel",
    "draw_pareto",
    "draw_slices",
    "draw_slopes",
    "every",
    "file_part",
    "front",
    "words",
]

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.reports.figures import Level, Line, draw_history, draw_lines, file_part, spread

floats = st.floats(-100, 100)
LINES = [
    Line("champion", [(0, 1.0), (1, 0.5)], ([(0, 1.1), (1, 0.6)], [(0, 0.9), (1, 0.4)])),
    Line("a<b>&$x$", [(0, 1.0), (1, math.nan)]),
    Line("nothing", []),
]
LEVELS = [Level("floor", 0.8)]


@given(st.lists(floats, max_size=8).map(sorted), st.floats(0.01, 5))
def test_spread_labels_keep_their_order_distance_and_centre(values, gap):
    moved = spread(values, gap)
    pairs = list(pairwise(moved))
    assert all(upper - lower >= gap * (1 - 1e-9) - 1e-9 for lower, upper in pairs)
    assert sum(moved) == pytest.approx(sum(values), abs=1e-6)
    if all(upper - lower >= gap for lower, upper in pairwise(values)):
        assert moved == pytest.approx(values, abs=1e-6)


def elements(svg):
    return list(ET.fromstring(svg).iter())  # noqa: S314 - drawn here


def labels(svg):
    return [element.text for element in elements(svg) if element.tag.endswith("text")]


def test_a_figure_names_its_lines_and_levels_as_they_are():
    svg = draw_lines(LINES, LEVELS, ("epoch", "val_loss"))
    assert {"champion", "a<b>&$x$", "floor", "epoch", "val_loss"} <= set(labels(svg))
    assert "nothing" not in labels(svg)


def test_the_same_numbers_make_the_same_figure_without_a_date():
    first, second = (draw_lines(LINES, LEVELS, ("epoch", "val_loss")) for _ in range(2))
    assert first == second
    assert "date" not in first.lower()
    assert draw_lines(LINES[:1], [], ("epoch", "val_loss")) != first


def test_a_figure_takes_its_ink_from_its_surroundings_and_names_nothing_outside():
    svg = draw_history([(0, 1.0), (2, 3.0)], [(0, 1.0), (2, 1.0)], ("trial", "loss"))
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "http" not in svg.replace("http://www.w3.org/", "")


def test_two_figures_in_one_page_share_no_id():
    ids = []
    for metric in ("val_loss", "val_acc"):
        found = elements(draw_lines(LINES, LEVELS, ("epoch", metric)))
        ids += [element.get("id") for element in found if element.get("id")]
    assert len(ids) == len(set(ids)) > 0


def test_references_inside_a_figure_hold():
    svg = draw_lines(LINES, LEVELS, ("epoch", "val_loss"))
    ids = {element.get("id") for element in elements(svg)}
    clips = set(re.findall(r"url\(#([^)]+)\)", svg))
    uses = set(re.findall(r'href="#([^"]+)"', svg))
    assert clips
    assert uses
    assert clips | uses <= ids


def test_wide_positive_values_get_a_logarithmic_axis_if_asked():
    def ticks(bottom, **asked):
        line = Line("a", [(0, bottom), (1, 1000.0)])
        return labels(draw_lines([line], [], ("epoch", "loss"), **asked))

    assert {"0.1", "10", "1000"} <= set(ticks(0.1, log=True))
    for linear in (ticks(0.1), ticks(0.0, log=True), ticks(500.0, log=True)):
        assert "10" not in linear
        assert {"600", "800"} <= set(linear)


def test_labels_stay_inside_the_figure_however_many_end_together():
    lines = [Line(f"arm {index}", [(0, 0.0), (1, 1.0)]) for index in range(30)]
    found = elements(draw_lines(lines, [], ("epoch", "loss")))
    high = float(found[0].get("viewBox").split()[3])
    rises = [
        float(element.get("y") or re.search(r" ([\d.-]+)\)", element.get("transform"))[1])
        for element in found
        if element.tag.endswith("text") and element.text.startswith("arm")
    ]
    assert len(rises) == 30
    assert 0 < min(rises) < max(rises) < high


def test_a_figure_of_nothing_can_be_drawn():
    assert labels(draw_lines([], [], ("epoch", "loss")))
    assert labels(draw_lines([Line("a", [(0, math.nan)])], [], ("epoch", "loss")))


def test_names_become_parts_of_file_names():
    assert file_part("val/loss (mean)_1") == "val-loss-mean-_1"

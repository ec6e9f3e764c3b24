"""Figures: what they say, that nothing leaves the sheet, and equal bytes for equal numbers."""

import logging
import math
import re
import warnings
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from ablate.analysis.verdicts import Verdict
from ablate.reports.figures import (
    SYMBOLS,
    Bar,
    Contrast,
    Curve,
    Dimension,
    Level,
    Offer,
    Pairing,
    Sample,
    band_of,
    draw_bars,
    draw_contour,
    draw_curves,
    draw_forest,
    draw_history,
    draw_parallel,
    draw_pareto,
    draw_slices,
    draw_slopes,
    file_part,
    front,
    words,
)
from ablate.reports.figures.labels import clean, cut, placed, spread, width_of
from ablate.reports.figures.palette import GREY, HIGHLIGHTED, PALETTE, PAPERS, contrast, style_of
from ablate.reports.figures.scales import every, fenced, scale_of, thinned

NAN = math.nan
AXES = ("epoch", "val_loss")
CURVES = [
    Curve("champion", [(0, 1.0), (1, 0.5)], ([(0, 1.1), (1, 0.6)], [(0, 0.9), (1, 0.4)])),
    Curve("a<b>&$x$", [(0, 1.0), (1, NAN)]),
    Curve("nothing", []),
]
FOREST = [
    Contrast(
        "wide", -0.3, -0.4, -0.2, (("seed 0", -0.25), ("seed 1", -0.35)), verdict=Verdict.BETTER
    ),
    Contrast("thin", 0.1, -0.1, 0.3, (), "wide", Verdict.CANNOT_TELL),
    Contrast("zeros", 40.0, 40.0, 40.0, floor=True),
    Contrast("open", NAN, NAN, NAN, verdict=Verdict.NOT_COMPARABLE),
]
DIMENSIONS = [Dimension("lr", log=True), Dimension("kind", choices=("adam", "sgd")), Dimension("w")]
SAMPLES = [
    Sample(
        n,
        (10.0 ** -(n % 5), ("adam", "sgd")[n % 2], float(n) if n % 7 else None),
        n % 6,
        n % 4 == 3,
    )
    for n in range(24)
]


def contour(samples, **asked):
    pairs = [Sample(s.number, s.settings[:2], s.value, s.pruned) for s in samples]
    return draw_contour(tuple(DIMENSIONS[:2]), pairs, "loss", title="c", minimize=True, **asked)


DRAWN = {
    "curves": lambda: draw_curves(CURVES, [Level("floor", 0.8)], AXES, title="c"),
    "band": lambda: draw_curves(
        [Curve("a", [(1, 0.5), (9, 0.7)], band=[(1, 0.2, 0.6), (9, 0.6, 0.8)])],
        [],
        ("trials", "value"),
        title="b",
        stairs=True,
    ),
    "forest": lambda: draw_forest(FOREST, "difference", title="f", minimize=True, margin=0.05),
    "slopes": lambda: draw_slopes(
        [Pairing("wide", "thin", (("seed 0", 1.0, 0.9), ("seed 1", 1.1, NAN)))],
        "loss",
        title="s",
        minimize=True,
    ),
    "pareto": lambda: draw_pareto(
        [Offer("wide", 1e6, 0.2, 0.1, 0.3), Offer("thin", 1e3, 0.4, NAN, NAN)],
        ("parameters", "loss"),
        title="p",
        minimize=True,
    ),
    "history": lambda: draw_history(
        [(0, 1.0), (2, 3.0)],
        [(1, 2.0)],
        [(0, 1.0), (2, 1.0)],
        ("trial", "loss"),
        title="h",
        failed=[3],
    ),
    "bars": lambda: draw_bars(
        [Bar("lr", 0.7, 0.5, 0.8), Bar("w", 0.1, NAN, NAN)], "share", title="i"
    ),
    "parallel": lambda: draw_parallel(DIMENSIONS, SAMPLES, "loss", title="l", minimize=True),
    "slices": lambda: draw_slices(DIMENSIONS, SAMPLES, "loss", title="d", minimize=True),
    "contour": lambda: contour(SAMPLES),
}


@pytest.fixture(scope="module")
def drawings():
    return {name: draw() for name, draw in DRAWN.items()}


def elements(svg):
    return list(ET.fromstring(svg).iter())  # noqa: S314 - drawn here


def tagged(drawing, tag):
    return [element for element in elements(drawing.svg) if element.tag.endswith("}" + tag)]


def labels(drawing):
    return [element.text for element in tagged(drawing, "text")]


def hovers(drawing):
    return [element.text for element in tagged(drawing, "title")][1:]


def at_x(drawing, label):
    return next(float(e.get("x")) for e in tagged(drawing, "text") if e.text == label)


def assert_inside(drawing):
    """Every label lies in the view box: by matplotlib's extents, and with room for an emoji."""
    for text in drawing.figure.findobj(Text):
        if text.get_text():
            box = text.get_window_extent()
            assert -0.5 <= box.x0 <= box.x1 <= drawing.width + 0.5, text.get_text()
            assert -0.5 <= box.y0 <= box.y1 <= drawing.height + 0.5, text.get_text()
            x = text.get_position()[0]
            width = width_of(text.get_text(), text.get_size(), bold=text.get_weight() == "bold")
            left = x - {"left": 0, "center": 0.5, "right": 1}[text.get_ha()] * width
            assert -0.5 <= left <= left + width <= drawing.width + 0.5, text.get_text()


NAMES = st.text(max_size=60)
NUMBERS = st.floats() | st.floats(-10, 10)
LINES = st.lists(st.tuples(st.integers(0, 10**6), NUMBERS), max_size=5)
VERDICTS = st.none() | st.sampled_from(Verdict)
SOME = settings(max_examples=8)


@pytest.mark.parametrize("name", DRAWN)
def test_equal_numbers_make_equal_bytes_without_a_date(name, drawings):
    first, second = drawings[name], DRAWN[name]()
    assert first.svg == second.svg
    assert "date" not in first.svg.lower()


@pytest.mark.parametrize("name", ["forest", "contour"])
def test_a_pdf_has_its_fonts_inside_and_no_date(name, drawings):
    written = drawings[name].pdf()
    assert written == DRAWN[name]().pdf()
    assert written.startswith(b"%PDF")
    assert b"/FontFile2" in written
    assert b"Date" not in written


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_names_itself_and_takes_its_ink_from_its_surroundings(name, drawings):
    drawing = drawings[name]
    root = elements(drawing.svg)[0]
    said = dict(zip(["title", "desc"], root.get("aria-labelledby").split(), strict=True))
    assert root.get("role") == "img"
    for tag, ident in said.items():
        assert next(e for e in tagged(drawing, tag) if e.get("id") == ident).text
    assert all(note in drawing.description for note in drawing.notes)
    assert "currentColor" in drawing.svg
    assert "#010203" not in drawing.svg
    assert "http" not in drawing.svg.replace("http://www.w3.org/", "")
    assert "style" not in {key for e in elements(drawing.svg) for key in [e.tag, *e.attrib]}


@pytest.mark.parametrize("name", DRAWN)
def test_labels_lie_inside(name, drawings):
    assert_inside(drawings[name])


def test_drawings_in_one_page_share_no_id_and_refer_to_their_own(drawings):
    seen = set()
    for drawing in drawings.values():
        ids = [e.get("id") for e in elements(drawing.svg) if e.get("id")]
        assert len(ids) == len(set(ids))
        assert not seen & set(ids)
        seen |= set(ids)
        used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', drawing.svg))
        assert {one or other for one, other in used} <= set(ids)


@pytest.mark.parametrize("name", DRAWN)
def test_marks_have_titles_to_hover(name, drawings):
    assert len(hovers(drawings[name])) >= 1


@SOME
@given(
    st.lists(st.builds(Curve, NAMES, LINES, st.lists(LINES, max_size=2).map(tuple)), max_size=10),
    st.lists(st.builds(Level, NAMES, NUMBERS), max_size=3),
    st.tuples(NAMES, NAMES),
    st.booleans(),
)
def test_curves_of_any_names_and_numbers_stay_inside(curves, levels, names, log):
    assert_inside(draw_curves(curves, levels, names, title="c", log=log))


@SOME
@given(
    st.lists(
        st.builds(
            Contrast,
            *(NAMES, NUMBERS, NUMBERS, NUMBERS),
            seeds=st.lists(st.tuples(NAMES, NUMBERS), max_size=2).map(tuple),
            against=NAMES,
            verdict=VERDICTS,
            floor=st.booleans(),
            group=st.sampled_from(["", "Main effects"]),
        ),
        max_size=6,
    ),
    NAMES,
    st.booleans(),
)
def test_forests_of_any_names_and_numbers_stay_inside(rows, axis, minimize):
    assert_inside(draw_forest(rows, axis, title="f", minimize=minimize))


@SOME
@given(st.data())
def test_other_drawings_of_any_names_and_numbers_stay_inside(data):
    name, bars = data.draw(NAMES), st.builds(Bar, NAMES, NUMBERS, NUMBERS, NUMBERS)
    assert_inside(draw_bars(data.draw(st.lists(bars, max_size=4)), name, title=name))
    offers = data.draw(st.lists(st.builds(Offer, NAMES, *[NUMBERS] * 4), max_size=6))
    assert_inside(draw_pareto(offers, (name, name), title="p", minimize=data.draw(st.booleans())))
    pair = st.tuples(NAMES, NUMBERS, NUMBERS)
    pairings = st.builds(Pairing, NAMES, NAMES, st.lists(pair, max_size=3).map(tuple))
    found = data.draw(st.lists(pairings, max_size=6))
    assert_inside(draw_slopes(found, name, title="s", minimize=data.draw(st.booleans())))
    lines = [data.draw(LINES) for _ in range(3)]
    assert_inside(draw_history(*lines, (name, name), title="h", log=data.draw(st.booleans())))


@SOME
@given(st.data())
def test_searches_of_any_names_and_numbers_stay_inside(data):
    choices = data.draw(st.lists(NAMES, max_size=3, unique=True).map(tuple))
    dimensions = [
        Dimension(data.draw(NAMES), data.draw(st.booleans())),
        Dimension(data.draw(NAMES), choices=choices),
    ]
    setting = st.none() | NUMBERS | st.sampled_from(choices or ("?",))
    values = data.draw(st.lists(st.tuples(setting, setting, NUMBERS, st.booleans()), max_size=12))
    samples = [Sample(n, (a, b), value, pruned) for n, (a, b, value, pruned) in enumerate(values)]
    name, minimize = data.draw(NAMES), data.draw(st.booleans())
    assert_inside(draw_parallel(dimensions, samples, name, title="l", minimize=minimize))
    assert_inside(draw_slices(dimensions, samples, name, title="d", minimize=minimize))
    drawn = draw_contour(tuple(dimensions), samples, name, title="c", minimize=minimize)
    if drawn:
        assert_inside(drawn)


def test_names_stand_as_they_are_and_a_long_one_is_whole_on_hover():
    long = "an arm whose name is so long that no margin of any page has room for it"
    curves = [*CURVES, Curve("狐 🦊 \x00\n x", [(0, 1.0)]), Curve(long, [(0, 1.1)])]
    drawing = draw_curves(curves, [Level("floor", 0.8)], AXES, title="c")
    assert {"champion", "a<b>&$x$", "floor", *AXES, "狐 🦊 \ufffd x"} <= set(labels(drawing))
    assert "nothing" not in labels(drawing)
    assert long in hovers(drawing)
    assert any(label.endswith("…") and long.startswith(label[:-1]) for label in labels(drawing))


def test_a_glyph_that_the_font_lacks_warns_nobody(caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        drawing = draw_curves([Curve("🦊 狐", [(0, 1.0)])], [], AXES, title="c")
        assert drawing.pdf()
    assert not caplog.records


def test_nothing_and_one_point_and_no_finite_point_can_be_drawn():
    assert "no value" in labels(draw_curves([], [], AXES, title="c"))
    assert "no value" in labels(draw_curves([Curve("a", [(0, math.inf)])], [], AXES, title="c"))
    assert "a" in labels(draw_curves([Curve("a", [(3, 1.0)])], [], AXES, title="c"))


def test_eight_arms_stand_out_and_the_rest_is_said_to_be_grey():
    curves = [Curve(f"arm {n}", [(0, n), (1, n)]) for n in range(19)]
    drawing = draw_curves(curves, [], AXES, title="c")
    assert [label for label in labels(drawing) if label.startswith("arm")] == [
        f"arm {n}" for n in range(HIGHLIGHTED)
    ]
    assert "11 others, grey" in labels(drawing)
    assert "8 of 19 arms stand out, the others are grey." in drawing.notes
    assert {f"arm {n}" for n in range(19)} <= set(hovers(drawing))


def test_labels_that_end_together_are_a_line_apart():
    curves = [Curve(f"arm {n}", [(0, 1.0), (1, n / 1e6)]) for n in range(8)]
    drawing = draw_curves(curves, [Level(f"arm f{n}", 0.0) for n in range(20)], AXES, title="c")
    heights = sorted(float(e.get("y")) for e in tagged(drawing, "text") if "arm" in e.text)
    assert len(heights) == 28
    assert all(after - before >= 12 for before, after in pairwise(heights))
    assert_inside(drawing)


def test_a_floor_far_off_is_noted_at_the_edge_and_crushes_nothing():
    curve = Curve("a", [(0, 1.0), (1, 0.5)])
    near = draw_curves([curve], [], AXES, title="c")
    far = draw_curves([curve], [Level("zeros", 77.0), Level("ones", -9.0)], AXES, title="c")
    assert {"↑ 77.00 zeros", "↓ -9.000 ones"} <= set(labels(far))
    assert "Off the scale: zeros: 77.00 and ones: -9.000." in far.notes
    assert {"0.6", "1.0"} <= set(labels(near)) & set(labels(far))


def test_an_arm_that_diverged_does_not_hide_the_others():
    curves = [Curve(f"arm {n}", [(e, 1 / (e + n + 1)) for e in range(9)]) for n in range(4)]
    drawing = draw_curves([*curves, Curve("mad", [(0, 1.0), (1, 1e9)])], [], AXES, title="c")
    assert "↑ 1.000e+09 mad" in labels(drawing)
    assert "1 line in part off the scale." in drawing.notes


def test_from_ten_seeds_on_a_band_stands_for_them():
    def of(amount):
        seeds = tuple([(0, 1.0 * n), (1, 2.0 * n)] for n in range(amount))
        return draw_curves([Curve("a", [(0, 4.5), (1, 9.0)], seeds)], [], AXES, title="c")

    assert "Bands hold the middle 80 % of the seeds." in of(10).notes
    assert of(9).notes == ()
    assert len(tagged(of(9), "path")) > len(tagged(of(10), "path"))


def test_a_band_is_the_quantiles_where_all_runs_have_a_value():
    runs = [[(0, float(n)), *([(1, 1.0)] if n else [])] for n in range(11)]
    assert band_of(runs) == [(0, pytest.approx(1.0), pytest.approx(9.0))]


def test_wide_positive_values_get_a_logarithmic_axis_if_asked():
    def ticks(bottom, **asked):
        curve = Curve("a", [(0, bottom), (1, 1000.0)])
        return set(labels(draw_curves([curve], [], AXES, title="c", **asked)))

    assert {"1", "10", "1000"} <= ticks(0.1, log=True)
    for linear in (ticks(0.1), ticks(0.0, log=True), ticks(500.0, log=True)):
        assert "10" not in linear
        assert "800" in linear


def test_long_and_many_lines_are_thinned_and_said_so():
    line = [(n, math.sin(n)) for n in range(3_000)]
    drawing = draw_curves([Curve("a", line)], [], AXES, title="c", behind=[line] * 400)
    assert len(drawing.svg) < 200_000
    assert any(note.endswith("of 400 lines in the background are drawn.") for note in drawing.notes)
    many = [(n, 1.0 + n % 7) for n in range(3_000)]
    history = draw_history(many, many, [(0, 1.0)], ("trial", "loss"), title="h")
    assert len(history.svg) < 200_000
    assert "600 of 3000 complete trials are drawn." in history.notes
    samples = [Sample(n, (n / 10, "adam", 1.0), n % 13) for n in range(3_000)]
    for draw in (draw_parallel, draw_slices):
        drawn = draw(DIMENSIONS, samples, "loss", title="l", minimize=True)
        assert len(drawn.svg) < 200_000
        assert any(note.endswith("of 3000 trials are drawn.") for note in drawn.notes)


@pytest.mark.parametrize("minimize", [True, False])
def test_better_is_to_the_right(minimize):
    better = -1.0 if minimize else 1.0
    drawing = draw_forest(
        [Contrast("a", better, better - 0.5, better + 0.5)], "d", title="f", minimize=minimize
    )
    ticks = [label for label in labels(drawing) if re.fullmatch(r"-?[\d.]+", label)]
    good = [at_x(drawing, label) for label in ticks if float(label) * better > 0]
    assert good
    assert min(good) > at_x(drawing, next(label for label in ticks if float(label) == 0))
    assert at_x(drawing, "better →") > at_x(drawing, "← worse")


def test_a_forest_marks_floors_verdicts_and_what_is_off_the_scale(drawings):
    drawing = drawings["forest"]
    assert {"▲ better", "? cannot tell", "⊘ not comparable", "40.00"} <= set(labels(drawing))
    assert {"wide", "thin", "against wide", "zeros"} <= set(labels(drawing))
    assert "Arrows: 1 number lies off the scale." in drawing.notes
    assert "wide, seed 1: -0.3500" in hovers(drawing)
    assert "zeros: 40.00 [40.00, 40.00] (floor)" in drawing.description
    assert not any(float(label) > 1 for label in labels(drawing) if re.fullmatch(r"\d\.\d", label))


def test_a_forest_has_a_row_for_each_of_sixty_arms_and_says_when_there_are_more():
    rows = [Contrast(f"arm {n}", n / 60, n / 70, n / 50) for n in range(61)]
    drawing = draw_forest(rows, "difference", title="f", minimize=False)
    assert sum(label.startswith("arm") for label in labels(drawing)) == 60
    assert "The first 60 of 61 rows are drawn." in drawing.notes
    assert drawing.height > draw_forest(rows[:1], "d", title="f", minimize=False).height
    assert_inside(drawing)


def test_effects_stand_in_groups():
    rows = [
        Contrast("a", 1.0, 0.5, 1.5, group="Main effects"),
        Contrast("a:b", 0.1, -0.5, 0.5, group="Interactions"),
    ]
    drawing = draw_forest(rows, "effect", title="f", minimize=False)
    assert [label for label in labels(drawing) if label[0] in "aMI"] == [
        *("Main effects", "a", "Interactions", "a:b"),
    ]


def test_slopes_say_how_many_seeds_got_better():
    pairs = (("seed 0", 1.0, 0.9), ("seed 1", 1.0, 1.1), ("seed 2", 1.0, 1.0))
    for minimize in (True, False):
        drawn = draw_slopes([Pairing("a", "b", pairs)], "loss", title="s", minimize=minimize)
        assert "a from b: 1 of 3 seeds better" in drawn.description
        assert "a, seed 0: 1.000 → 0.9000" in hovers(drawn)


OFFERS = st.lists(
    st.builds(
        Offer, st.just("a"), st.integers(1, 5), st.integers(1, 5), st.just(NAN), st.just(NAN)
    ),
    max_size=8,
)


@given(OFFERS, st.booleans())
def test_the_front_is_what_no_offer_beats(offers, minimize):
    def beats(one, other):
        sign = 1 if minimize else -1
        gains = (other.cost - one.cost, sign * (other.quality - one.quality))
        return min(gains) >= 0 and max(gains) > 0

    kept = [o for o in offers if not any(beats(other, o) for other in offers)]
    found = front(offers, minimize=minimize)
    assert sorted((o.cost, o.quality) for o in found) == sorted((o.cost, o.quality) for o in kept)
    assert [o.cost for o in found] == sorted(o.cost for o in found)


def test_costs_are_logarithmic_where_they_span_more_than_thirty():
    def ticks(most):
        offers = [Offer("a", 1.0, 0.1, NAN, NAN), Offer("b", most, 0.2, NAN, NAN)]
        return labels(draw_pareto(offers, ("time", "acc"), title="p", minimize=False))

    assert {"1", "2", "5", "10"} <= set(ticks(31.0))
    assert {"0", "10", "20"} <= set(ticks(29.0))


def test_labels_of_points_do_not_touch():
    offers = [Offer(f"arm {n}", 1.0 + n % 2, n % 3, NAN, NAN) for n in range(39)]
    drawing = draw_pareto(offers, ("time", "acc"), title="p", minimize=False)
    boxes = [
        text.get_window_extent()
        for text in drawing.figure.findobj(Text)
        if text.get_text().startswith("arm")
    ]
    assert boxes
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert f"{39 - len(boxes)} points without room for a label." in drawing.notes


def test_a_history_shows_pruned_and_failed_trials_and_notes_what_is_off_the_scale():
    done = [(n, 1.0 + n / 10) for n in range(8)] + [(8, 1e6)]
    drawing = draw_history(done, [(9, 1.5)], [(0, 1.0)], ("trial", "loss"), title="h", failed=[10])
    assert {"complete", "pruned, at its last value", "failed", "best so far"} <= set(
        labels(drawing)
    )
    assert {"trial 9: pruned at 1.500", "trial 10: failed"} <= set(hovers(drawing))
    assert "trial 8: 1000000, off the scale" in hovers(drawing)
    assert "Triangles: 1 value off the scale." in drawing.notes
    assert "9 complete trials, 1 pruned, 1 failed." in drawing.description


def test_too_few_or_unvaried_trials_make_no_contour():
    assert contour(SAMPLES) is not None
    assert contour(SAMPLES[:8]) is None
    assert contour([Sample(n, (0.1, "adam", 1.0), n) for n in range(20)]) is None


def test_the_best_trial_is_never_a_pruned_one():
    samples = [*SAMPLES, Sample(99, (1.0, "sgd", 3.0), -5.0, pruned=True)]
    drawing = draw_parallel(DIMENSIONS, samples, "loss", title="l", minimize=True)
    assert "Best: trial 0: loss 0" in drawing.description


def test_lines_stand_out_from_both_papers_and_from_each_other():
    assert len(PALETTE) <= 7
    for paper in PAPERS:
        assert all(contrast(ink, paper) >= 3 for ink in (*PALETTE, GREY))
    assert len({style_of(index) for index in range(HIGHLIGHTED)}) == HIGHLIGHTED
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


WITHOUT_CONES = {  # G. M. Machado et al. 2009, table 1, severity 1.0
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def lab(colour, seen):
    """Return the CIELAB coordinates of a colour as an eye without some cones sees it."""
    parts = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = to_xyz @ np.clip(np.array(seen) @ linear, 0, 1) / (0.9505, 1, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("cones", WITHOUT_CONES)
def test_colours_stay_apart_for_eyes_without_red_or_green_cones(cones):
    seen = [lab(colour, WITHOUT_CONES[cones]) for colour in (*PALETTE, GREY)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) >= 14


def test_labels_are_written_in_the_colour_of_the_text(drawings):
    for drawing in drawings.values():
        assert {e.get("fill") for e in tagged(drawing, "text")} == {None}
        assert elements(drawing.svg)[0].get("fill") == "currentColor"


def test_every_verdict_has_its_own_symbol_and_its_word():
    assert len(set(SYMBOLS.values())) == len(SYMBOLS) == len(Verdict)
    assert words(Verdict.BETTER) == "▲ better"


@given(st.lists(st.floats(-100, 100), max_size=8).map(sorted), st.floats(0.01, 5))
def test_spread_labels_keep_their_order_distance_and_centre(values, gap):
    moved = spread(values, gap)
    assert all(upper - lower >= gap * (1 - 1e-9) - 1e-9 for lower, upper in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(values), abs=1e-6)
    if all(upper - lower >= gap for lower, upper in pairwise(values)):
        assert moved == pytest.approx(values, abs=1e-6)


@given(st.lists(st.floats(-100, 100), max_size=8).map(sorted))
def test_placed_labels_are_apart_and_within_their_room(values):
    moved = placed(values, 5.0, -20.0, 20.0)
    assert all(-20 - 1e-9 <= value <= 20 + 1e-9 for value in moved)
    assert all(upper - lower >= 5 - 1e-6 for lower, upper in pairwise(moved))


@given(NAMES.map(clean), st.floats(20, 200))
def test_a_cut_text_fits_and_begins_as_the_whole(text, width):
    shown = cut(text, width)
    assert shown == text or width_of(shown) <= width + 0.02
    assert text.startswith(shown.removesuffix("…")) or shown == text


@given(st.lists(NUMBERS, max_size=6), st.booleans(), st.booleans())
def test_a_scale_holds_its_values_and_writes_every_tick_as_it_is(values, log, whole):
    scale = scale_of(values, log=log, whole=whole)
    assert all(scale.holds(value) for value in values if abs(value) <= 1e300)
    assert all(scale.holds(tick) for tick in scale.ticks)
    assert len(scale.labels) == len(set(scale.labels)) == len(scale.ticks) <= 16
    for tick, label in zip(scale.ticks, scale.labels, strict=True):
        assert float(label) == pytest.approx(tick, rel=1e-5, abs=1e-9 * (scale.high - scale.low))
    if whole:
        assert all(tick == round(tick) for tick in scale.ticks if not scale.log)


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-9, 9)), max_size=60), st.integers(4, 20))
def test_a_thinned_line_keeps_its_ends_and_extremes(points, most):
    points.sort(key=lambda point: point[0])
    kept = thinned(points, most)
    assert len(kept) <= max(most, 0)
    assert set(kept) <= set(points)
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
        for end in (min, max):
            assert end(y for _, y in kept) == end(y for _, y in points)
    assert len(every(points, most)) <= most


def test_a_fence_leaves_out_only_what_would_crush_the_scale():
    assert fenced([1.0, 2.0, 3.0, 4.0, 1e9, NAN]) == [1.0, 2.0, 3.0, 4.0]
    assert fenced([1.0, 1e9]) == [1.0, 1e9]
    assert fenced([1.0, 1.0, 1.0, 5.0]) == [1.0, 1.0, 1.0, 5.0]


def test_names_become_parts_of_file_names():
    assert file_part("val/loss (mean)_1") == "val-loss-mean-_1"


def test_a_row_without_a_difference_is_said_where_there_is_room():
    missing = Contrast("missing", NAN, NAN, NAN)
    for other in (Contrast("worse", -0.5, -0.6, -0.4), Contrast("better", 0.5, 0.4, 0.6)):
        drawing = draw_forest([other, missing], "x", title="f", minimize=False)
        assert "no difference computed" in labels(drawing)
        assert_inside(drawing)

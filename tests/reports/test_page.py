"""The page in a real browser: on a phone, a tablet and a desk, in the dark, and on paper."""

import pytest

from ablate.analysis import conclude_search
from ablate.reports import Audit, Reported, episodes, html
from ablate.reports.files import compose
from tests.analysis.episode_logs import original
from tests.reports import wide_study
from tests.reports.chromium import Chromium, found
from tests.reports.test_search import FOUND, searched

WIDTHS = (390, 800, 1400)
KINDS = ("ablation", "search", "episodes")

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What sticks out of the page, and does not scroll inside a region of its own.
STICKING_OUT = """
[...document.querySelectorAll('main *')].filter((node) => {
  if (node.closest('svg') && node.tagName !== 'svg') return false;
  if (node.closest('.wide, .drawing, pre') && !node.matches('.wide, .drawing, pre')) return false;
  const box = node.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).map((node) => node.outerHTML.slice(0, 80))
"""
CLIPPED_LABELS = """
[...document.querySelectorAll('figure svg')].flatMap((svg) => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter((label) => {
    const box = label.getBoundingClientRect();
    return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  }).map((label) => label.textContent);
})
"""
EMPTY_FIGURES = """
[...document.querySelectorAll('figure svg')].filter((svg) => {
  const box = svg.getBoundingClientRect();
  return box.width < 100 || box.height < 50 || svg.querySelectorAll('path, use').length < 4;
}).length
"""
UNNAMED_FIGURES = """
[...document.querySelectorAll('figure svg')].filter((svg) => svg.getAttribute('role') !== 'img'
  || !svg.querySelector('title')?.textContent || !svg.querySelector('desc')?.textContent).length
"""
# The contrast of every text with what is painted behind it (WCAG 2.2, relative luminance).
LOW_CONTRAST = """
(() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) =>
    0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const colour = rgb(getComputedStyle(up).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || /^(script|style|title|desc)$/i.test(node.tagName)) continue;
    const style = getComputedStyle(node);
    const ink = rgb(node.closest('svg') ? style.fill : style.color);
    const [one, other] = [luminance(ink), luminance(behind(node))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) low.push([node.textContent.slice(0, 40), contrast]);
  }
  return low;
})()
"""
UNFOLD = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
DEAD_LINKS = """
[...document.querySelectorAll('a[href^="#"]')].map((link) => link.getAttribute('href').slice(1))
  .filter((name) => document.querySelectorAll('[id="' + CSS.escape(name) + '"]').length !== 1)
"""
CLIPPED_ON_PAPER = """
[...document.querySelectorAll('th, td')].filter((cell) => {
  const box = cell.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || cell.scrollWidth > cell.clientWidth + 1);
}).map((cell) => cell.textContent.slice(0, 40))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = found()
    if program is None:
        pytest.skip("no chromium is installed, so pages are not looked at in a browser")
    opened = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(html.render(wide_study.whole_document()))
    return file


def searched_document(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablate.analysis.importance.RESAMPLES", (20, 20))
        concluded = conclude_search(searched(60))
    return compose(Reported(concluded, Audit(False, (FOUND,)), 1.0), folder)


@pytest.fixture(scope="module")
def pages(page, tmp_path_factory):
    """A page of every kind: of an ablation, of a search, and of logs of episodes."""
    folder = tmp_path_factory.mktemp("pages")
    written = {"search": searched_document(folder), "episodes": episodes.document(original())}
    for name, document in written.items():
        (folder / f"{name}.html").write_text(html.render(document))
    return {"ablation": page, **{name: folder / f"{name}.html" for name in written}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_is_clipped_or_empty_at_any_width(browser, pages, width, kind):
    browser.open(pages[kind], width)
    browser.run(UNFOLD)
    assert browser.run(OVERFLOW) == 0
    assert browser.run(STICKING_OUT) == []
    assert browser.run(CLIPPED_LABELS) == []
    assert browser.run(EMPTY_FIGURES) == 0
    assert browser.messages == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast_in_light_and_dark(browser, pages, dark, kind):
    browser.open(pages[kind], 1400, dark=dark)
    browser.run(UNFOLD)
    assert browser.run(LOW_CONTRAST) == []


@pytest.mark.parametrize("kind", KINDS)
def test_on_paper_every_column_stays(browser, pages, kind):
    browser.open(pages[kind], 718, media="print")  # A4 less its margins
    assert browser.run(OVERFLOW) == 0
    assert browser.run(CLIPPED_ON_PAPER) == []


def test_on_paper_all_is_unfolded(browser, page):
    browser.open(page, 718, media="print")
    rows = "document.querySelector('details tbody tr').getBoundingClientRect().height"
    assert browser.run(rows) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_link_leads_somewhere_and_figures_have_names(browser, pages, kind):
    browser.open(pages[kind])
    assert browser.run(DEAD_LINKS) == []
    assert browser.run(UNNAMED_FIGURES) == 0


def test_every_run_is_linked_to(browser, page):
    browser.open(page)
    assert browser.run("document.querySelectorAll('a[href^=\"#trial-\"]').length") >= 63


def test_a_link_to_a_folded_run_unfolds_it(browser, page):
    browser.open(page)
    browser.run("location.hash = '#trial-40'")
    shown = "document.getElementById('trial-40').getBoundingClientRect()"
    browser.run("new Promise((done) => setTimeout(done, 50))")
    assert 0 < browser.run(f"{shown}.top") < 900


TABLE = "document.querySelector('table.sortable')"
FIRST = f"[...{TABLE}.querySelectorAll('tbody tr:not([hidden]) th')].map((c) => c.textContent)"


def test_a_table_is_sorted_by_its_numbers_and_filtered_by_words(browser, page):
    browser.open(page)
    declared = browser.run(FIRST)
    assert declared == [arm for arm in wide_study.SHIFTS if arm != "full"]
    browser.run(f"{TABLE}.querySelectorAll('thead button')[2].click()")
    rising = browser.run(FIRST)
    assert rising[-1] == "no_pose"
    assert browser.run(f"{TABLE}.tHead.rows[0].cells[2].ariaSort") == "ascending"
    browser.run(f"{TABLE}.querySelectorAll('thead button')[2].click()")
    assert browser.run(FIRST) == rising[::-1]
    browser.run(
        "const field = document.querySelector('.filter input'); field.value = 'WORSE paired';"
        "field.dispatchEvent(new Event('input'))"
    )
    assert set(browser.run(FIRST)) < set(declared)
    assert "of 18 rows" in browser.run("document.querySelector('.filter output').textContent")


def test_the_page_is_complete_without_its_script(browser, page):
    browser.open(page, script=False)
    seen = browser.call("DOM.getDocument", depth=1)["root"]["nodeId"]
    written = browser.call("DOM.getOuterHTML", nodeId=seen)["outerHTML"]
    assert "Filter rows" not in written.partition("<script>")[0]
    assert "legacy_physics_of_the_first_version" in written
    assert browser.messages == []


def test_the_policy_lets_no_other_script_run(browser, page):
    browser.open(page)
    browser.run(
        "const added = document.createElement('script'); added.textContent = 'window.bad = 1';"
        "document.body.append(added)"
    )
    assert browser.run("window.bad ?? null") is None

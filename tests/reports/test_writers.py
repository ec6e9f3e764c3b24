from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ablate.reports import html, markdown
from ablate.reports.blocks import Bullets, Code, Document, Section, Strong, table, text

NASTY = "<script>alert('x')</script> & | `code` *bold* [link](x) _it_ $m$\n# no heading"
texts = st.text(st.characters(codec="utf-8"))
styles = st.sampled_from([str, Strong, Code])


class Texts(HTMLParser):
    """Collect the tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def document(word, rows=1):
    blocks = (
        text("So: ", word),
        Bullets(((word,),)),
        table([str(word), "n"], [(word, "1")] * rows, {"n"}),
    )
    return Document(str(word), blocks, (Section(str(word), blocks),))


@given(texts, styles)
@example(NASTY, str)
@example(NASTY, Strong)
@example(NASTY, Code)
def test_html_shows_every_text_and_makes_no_tag_of_it(word, style):
    plain = Texts(html.render(document(style("word"))))
    page = Texts(html.render(document(style(word))))
    assert page.tags == plain.tags or not word  # an empty cell names no row
    if word.isprintable():
        assert page.text.count(word) >= 8 or not word.strip()


@given(texts, styles)
def test_no_text_breaks_a_markdown_table(word, style):
    lines = markdown.render(document(style(word))).replace("\r", "\n").split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 6
    assert all(row.replace("\\|", "").count("|") == 3 for row in rows if "\\\\|" not in row)


def test_markdown_escapes_what_would_be_read_as_markup():
    page = markdown.render(document(NASTY))
    assert "<script>" not in page
    assert "\n# no heading" not in page
    assert "\\*bold\\*" in page
    assert "\\[link\\](x)" in page
    assert "\\`code\\`" in page
    assert markdown.inline("val_loss _x_") == "val_loss \\_x\\_"
    assert markdown.inline(Code("a`b|c")) == "``a`b\\|c``"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("# big", "\\# big"),
        ("- item", "\\- item"),
        ("+ item", "\\+ item"),
        ("12. item", "12\\. item"),
        ("===", "\\==="),
        ("see http://a.b/c", "see http\\://a.b/c"),
        ("HTTPS://a.b", "HTTPS\\://a.b"),
        ("www.a.b", "www\\.a.b"),
        ("http://ann:hunter2@host/", "http\\://ann:\\*\\*\\*@host/"),
        ("-0.5 and 1.5", "\\-0.5 and 1.5"),
    ],
)
def test_running_text_is_no_heading_no_list_and_no_link(written, shown):
    page = markdown.render(Document("t", (text(written), Bullets(((written,),))), ()))
    assert page == f"# t\n\n{shown}\n\n- {shown}\n"


@pytest.mark.parametrize(("rows", "folded"), [(30, False), (31, True)])
def test_long_tables_start_folded(rows, folded):
    assert ("<details>" in html.render(document("x", rows))) is folded


def test_numbers_are_set_flush_right():
    assert "| --- | ---: |" in markdown.render(document("x"))
    assert '<td class="number">1</td>' in html.render(document("x"))

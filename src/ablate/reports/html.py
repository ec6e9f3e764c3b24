"""Reports as one HTML file that needs nothing else."""

from base64 import b64encode
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from ablate.reports.blocks import Code, Document, Inline, Picture, Strong

FOLDED_FROM = 30
"""Tables with more rows than this start folded."""


def render(document: Document) -> str:
    """Write a report as HTML; every text is escaped, figures and pictures are inlined."""
    return _template().render(document=document, folded_from=FOLDED_FROM) + "\n"


def inline(part: Inline) -> Markup:
    """Write a piece of text as escaped HTML."""
    if isinstance(part, Code):
        return Markup("<code>{}</code>").format(str(part))
    if isinstance(part, Strong):
        return Markup("<strong>{}</strong>").format(str(part))
    return Markup("{}").format(part)


def _kind(block: object) -> str:
    return type(block).__name__


def _drawing(svg: str) -> Markup:
    # The one text that is not escaped: it is drawn here, and the labels in it are escaped.
    return Markup(svg)  # noqa: S704


def _data_uri(picture: Picture) -> str:
    return f"data:{picture.mimetype};base64,{b64encode(picture.content).decode()}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("ablate.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(inline=inline, kind=_kind, drawing=_drawing, data_uri=_data_uri)
    return environment.get_template("report.html.j2")

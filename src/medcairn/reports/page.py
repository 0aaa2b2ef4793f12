"""A report as one HTML page that needs nothing beside it: no script, no network, no other file."""

from __future__ import annotations

import base64
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from medcairn.reports.document import Document

_TEMPLATE = "report.html.j2"


def render_page(document: Document) -> bytes:
    """The page as UTF-8 bytes. The same document gives the same bytes.

    Every text is escaped, and a content security policy in the page refuses scripts and every outside
    address, so that nothing in a report can run or phone home. Figures are data URIs: inlined SVGs would
    share one space of ids and restyle each other.
    """
    return (_template().render(document=document.as_json()) + "\n").encode()


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")


def _source(name: str) -> str:
    return (files("medcairn.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment.get_template(_TEMPLATE)


__all__ = ["render_page"]

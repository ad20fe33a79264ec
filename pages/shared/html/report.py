"""A report as one HTML file that needs no network: Plotly's own code is inside."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

from pages.shared.html import signs

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
PAGE_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1f1d2b; background: #fdfcf9; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #ccc; }
"""


def document(language: str, title: str, parts: Sequence[str | go.Figure]) -> str:
    """The whole file; parts are pieces of HTML, already escaped, and figures."""
    body = [f"<h1>{escape(title)}</h1>"]
    has_plotly = False
    for part in parts:
        if isinstance(part, str):
            body.append(part)
        else:
            config = {"displaylogo": False, "responsive": True}
            body.append(plotly.io.to_html(part, config, full_html=False, include_plotlyjs=not has_plotly))
            has_plotly = True
    return (
        f'<!DOCTYPE html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{signs.properties()}{STYLE}{PAGE_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows with the same columns."""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row.values()) for row in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"

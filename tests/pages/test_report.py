"""The report: one file, nothing fetched, nothing that a name could smuggle in."""

from html.parser import HTMLParser

import plotly.graph_objects as go

from pages.shared.html import report

EVIL = '</script><script>alert(1)</script><img src="https://example.org/x.png">'


class Tags(HTMLParser):
    """Start tags with their attributes; the text of scripts is not parsed, as in a browser."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags_of(document: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(document)
    return parser.found


def test_a_report_is_whole_and_asks_for_nothing() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2], name=EVIL))
    document = report.document(
        "es", EVIL, [report.heading(EVIL), report.paragraph(EVIL), report.table([{EVIL: EVIL}]), figure, figure]
    )
    tags = tags_of(document)
    assert ("html", {"lang": "es"}) in tags
    assert not [tag for tag, _ in tags if tag in ("img", "link", "iframe")]
    assert not [attributes for _, attributes in tags if "src" in attributes or "href" in attributes]
    harmless = tags_of(report.document("es", "", [figure, figure]))
    assert [tag for tag, _ in tags].count("script") == [tag for tag, _ in harmless].count("script")
    assert document.count("plotly.js v") == 1, "Plotly itself is inside once"
    assert document.count("Plotly.newPlot(") >= 2

"""Tables, bars and the hourglass as HTML."""

from collections.abc import Sequence
from html import escape

from core.model import Layer
from pages.shared.i18n.text import _, formatted


def hourglass(stages: Sequence[Layer]) -> str:
    """The network's real layers as bars as tall as they have units, a few of them at least to be seen, funnels between them."""
    largest = max(stage.units for stage in stages)
    heights = [max(1.5, 100 * stage.units / largest) for stage in stages]  # per cent
    parts = []
    for number, (stage, tall) in enumerate(zip(stages, heights, strict=True)):
        if number:
            left, right = (100 - heights[number - 1]) / 2, (100 - tall) / 2
            corners = f"0 {left:.1f}%, 100% {right:.1f}%, 100% {100 - right:.1f}%, 0 {100 - left:.1f}%"
            parts.append(f'<div class="funnel" style="clip-path:polygon({corners})"></div>')
        shape = "×".join(str(size) for size in stage.shape if size > 1) or "1"
        kind = "latent" if stage.is_latent else ""
        parts.append(f'<div class="layer"><i class="{kind}" style="height:{tall:.1f}%"></i><span>{shape}</span></div>')
    sizes = "-".join(str(stage.units) for stage in stages)
    label = escape(_("Layers of the network: {sizes}", sizes=sizes))
    return f'<div class="hourglass" role="img" aria-label="{label}">{"".join(parts)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Texts in rows below their headings; the first of each row is a name, the others are numbers."""
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    lines = (
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(text)}</td>" for text in rest)}</tr>'
        for name, *rest in rows
    )
    return f'<table class="figures"><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def counts(title: str, numbers: Sequence[tuple[str, int]]) -> str:
    """How often each was said: its name, a bar, the number; the longest bar is the most."""
    most = max(1, *(count for _name, count in numbers))
    lines = (
        f'<li><span>{escape(name)}</span><i><b style="width:{count / most:.1%}"></b></i>'
        f"<span>{formatted(count, ',')}</span></li>"
        for name, count in numbers
    )
    return f'<div class="counts"><b>{escape(title)}</b><ul>{"".join(lines)}</ul></div>'

"""Tables of Markdown, as the commands print them and docs/ shows them."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "\n".join([beginning(head), *map(row, rows)])


def beginning(head: Sequence[str]) -> str:
    """The first two lines, for rows that are printed as they come."""
    return f"{row(head)}\n|{'---|' * len(head)}"


def row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"

"""Tables as CSV files that the spreadsheet of a language opens as they are."""

import csv
import io
from collections.abc import Iterable, Sequence

from pages.shared.i18n.text import separators


def as_csv(code: str, header: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> bytes:
    """With the language's decimal sign; where that is a comma, semicolons stand between columns. A mark says UTF-8
    there, and wherever a letter is none of ASCII's: spreadsheets would take it for their system's own.

    A text that a spreadsheet would compute, as “=1+1”, has an apostrophe before it.
    """
    decimal, _ = separators(code)
    written = io.StringIO()
    table = csv.writer(written, delimiter=";" if decimal == "," else ",")
    table.writerow(header)
    for row in rows:
        table.writerow([_cell(cell, decimal) for cell in row])
    text = written.getvalue()
    return text.encode("utf-8-sig" if decimal == "," or not text.isascii() else "utf-8")


def _cell(cell: str | int | float, decimal: str) -> str | int:
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(tuple("=+-@\t\r")) else cell
    return str(cell).replace(".", decimal) if isinstance(cell, float) else cell

"""Tables as CSV files that the spreadsheet of a language opens as they are."""

import csv
import io
from collections.abc import Iterable, Sequence

from pages.shared.i18n.text import separators


def as_csv(code: str, header: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> bytes:
    """With the language's decimal sign; where that is a comma, semicolons stand between columns, and a mark says UTF-8."""
    decimal, _ = separators(code)
    text = io.StringIO()
    table = csv.writer(text, delimiter=";" if decimal == "," else ",")
    table.writerow(header)
    for row in rows:
        table.writerow([str(cell).replace(".", decimal) if isinstance(cell, float) else cell for cell in row])
    return text.getvalue().encode("utf-8-sig" if decimal == "," else "utf-8")

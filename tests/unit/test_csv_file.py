"""A table opens in the spreadsheet of its language, with numbers that are numbers."""

import csv
import io

import pytest

from pages.shared.csv_file import as_csv

ROWS = [[0, 7, "Bolso, «grande»", 0.125, "anomaly"]]
HEADER = ["index", "label", "class", "score", "verdict"]


@pytest.mark.parametrize(("code", "separator", "score"), [("en", ",", "0.125"), ("es", ";", "0,125"), ("fr", ";", "0,125")])
def test_separator_and_decimal_sign_are_the_languages(code: str, separator: str, score: str) -> None:
    content = as_csv(code, HEADER, ROWS)
    # A spreadsheet takes a file for UTF-8 where it begins with the mark.
    assert content.startswith(b"\xef\xbb\xbf")
    assert as_csv(code, HEADER, [[0, 7, "Bag", 0.125, "anomaly"]]).startswith(b"\xef\xbb\xbf") == (code != "en")
    header, row = csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=separator)
    assert header == HEADER
    assert row == ["0", "7", "Bolso, «grande»", score, "anomaly"]


@pytest.mark.parametrize("text", ["=1+1", "+5", "-5", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_computes_nothing_of_a_text(text: str) -> None:
    (row,) = csv.reader(io.StringIO(as_csv("en", [], [[text, "a=b", -0.5]]).decode("utf-8-sig").lstrip("\r\n")))
    assert row == [f"'{text}", "a=b", "-0.5"]

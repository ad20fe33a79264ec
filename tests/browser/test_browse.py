"""Browsing the test set."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.checkpoint import read
from core.data.datasets import FALLBACK, MissingDataError, load
from core.presets import Shipped
from tests.browser.conftest import Server, eventually, open_page


def images(page: Page) -> int:
    """How many images the filter lets through."""
    found = re.search(r"([\d,]+) images?\b", page.get_by_text(re.compile(r"^[\d,]+ images?$")).inner_text())
    assert found
    return int(found[1].replace(",", ""))


def scores(page: Page) -> list[float]:
    return [float(text) for text in page.locator(".stHtml .badge + .label").all_inner_texts()]


@pytest.fixture(scope="module")
def sevens(data_directory: Path) -> list[float]:
    """The scores of all test 7s, the highest first, as the page writes them."""
    try:
        test = load("mnist", data_directory).test
    except MissingDataError:
        test = load(FALLBACK).test
    found = read(Shipped("best", "mnist", 5).path).detector.decision_function(test.images[test.labels == 7])
    return [round(score, 4) for score in sorted(found.tolist(), reverse=True)]


def test_filter_sort_page_and_detail(page: Page, server: Server, sevens: list[float]) -> None:
    open_page(page, server, "browse")
    expect(page.get_by_text("set off a false alarm")).to_be_visible()
    everything = images(page)
    eventually(page, lambda: len(scores(page)) == 12)

    page.get_by_test_id("stButtonGroup").first.get_by_text("7", exact=True).click()
    expect(page.get_by_text(re.compile(r"^[\d,]+ images?$"))).not_to_have_text(f"{everything:,} images")
    eventually(page, lambda: 0 < images(page) < everything)

    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="Highest score first").click()
    eventually(page, lambda: scores(page) == pytest.approx(sevens[:12], abs=1.1e-4))

    page.get_by_role("button", name="Page 2", exact=True).click()
    eventually(page, lambda: scores(page) == pytest.approx(sevens[12:24], abs=1.1e-4))
    second = scores(page)

    page.locator(".st-key-detail-0").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Anomaly score", exact=True)).to_be_visible()
    expect(dialog.get_by_text(f"{second[0]:.4f}")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_text("False alarms", exact=True).click()
    expect(page.get_by_text("No test image is of this kind")).to_be_visible()

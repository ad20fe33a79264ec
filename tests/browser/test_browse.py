"""Browsing the test set."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, eventually, open_page, settled


def images(page: Page) -> int:
    """How many images the filter lets through."""
    found = re.search(r"([\d,]+) images?\b", page.get_by_text(re.compile(r"^[\d,]+ images?$")).inner_text())
    assert found
    return int(found[1].replace(",", ""))


def scores(page: Page) -> list[float]:
    return [float(text) for text in page.locator(".stHtml .badge + .label").all_inner_texts()]


def sorted_scores(page: Page) -> list[float]:
    """The scores once no script runs and they are in order, the highest first."""
    settled(page)
    seen: list[float] = []

    def in_order() -> bool:
        seen[:] = scores(page)
        return len(seen) == 12 and seen == sorted(seen, reverse=True)

    eventually(page, in_order)
    return seen


def test_filter_sort_page_and_detail(page: Page, server: Server) -> None:
    open_page(page, server, "browse")
    expect(page.get_by_text("set off a false alarm")).to_be_visible()
    everything = images(page)
    eventually(page, lambda: len(scores(page)) == 12)

    page.get_by_test_id("stButtonGroup").first.get_by_text("7", exact=True).click()
    expect(page.get_by_text(re.compile(r"^[\d,]+ images?$"))).not_to_have_text(f"{everything:,} images")
    eventually(page, lambda: 0 < images(page) < everything)

    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="Highest score first").click()
    first = sorted_scores(page)

    page.get_by_role("button", name="Page 2", exact=True).click()
    expect(page.locator(".stHtml .badge + .label").first).not_to_have_text(f"{first[0]:.4f}")
    second = sorted_scores(page)
    assert max(second) <= min(first)

    page.locator(".st-key-detail-0").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Anomaly score", exact=True)).to_be_visible()
    expect(dialog.get_by_text(f"{second[0]:.4f}")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_text("False alarms", exact=True).click()
    expect(page.get_by_text("No test image is of this kind")).to_be_visible()

"""The threshold dragged through the scores, and what is taken away."""

import csv
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Server, eventually, is_elsewhere, open_page, settled


def counts(page: Page) -> list[int]:
    """Passed, false alarms, missed, caught."""
    return [int(text.replace(",", "")) for text in page.locator(".confusion .number").all_inner_texts()]


def unfold(page: Page, section: str) -> None:
    page.locator("summary").filter(has_text=section).click()
    settled(page)


def grip_of(page: Page) -> Locator:
    grip = page.get_by_role("slider", name="Threshold")
    expect(grip).to_be_visible()
    expect(page.locator(".st-key-histogram .main-svg").first).to_be_visible()
    return grip


def downloaded(page: Page, button: str, into: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    download.value.save_as(into)
    return into


def test_everything_follows_the_threshold_while_it_is_dragged(page: Page, server: Server) -> None:
    open_page(page, server, "evaluate")
    grip = grip_of(page)
    unfold(page, "Four outcomes")
    expect(page.locator(".confusion")).to_be_visible()
    calibrated, before = grip.get_attribute("aria-valuetext"), counts(page)
    rate = page.get_by_test_id("stMetric").filter(has_text="False-alarm rate").get_by_test_id("stMetricValue")
    rate_before = rate.inner_text()
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 150, y, steps=5)
    # The pointer is still down.
    eventually(page, lambda: counts(page)[1] > before[1] and counts(page)[2] < before[2])
    expect(rate).not_to_have_text(rate_before)
    page.mouse.up()
    settled(page)
    assert sum(counts(page)) == sum(before), "every image is in one of the four"

    page.get_by_role("button", name="Calibrated", exact=True).click()
    expect(grip).to_have_attribute("aria-valuetext", calibrated or "")
    eventually(page, lambda: counts(page) == before)
    grip.focus()
    page.keyboard.press("Home")
    eventually(page, lambda: counts(page)[2] == 0)
    page.keyboard.press("End")
    eventually(page, lambda: counts(page)[1] == counts(page)[3] == 0)


def test_the_sentence_about_the_share_of_anomalies_follows_its_slider(page: Page, server: Server) -> None:
    open_page(page, server, "evaluate")
    grip_of(page)
    unfold(page, "Which anomalies, and how many?")
    told = page.get_by_text("calling everything an anomaly")
    share = page.get_by_role("slider", name="Share of anomalies")
    share.focus()
    for chosen in ("0.1%", "1.0%"):
        page.keyboard.press("ArrowRight")
        expect(told).to_contain_text(f"Where {chosen} of all images")


def test_what_is_taken_away_is_what_the_page_shows(page: Page, server: Server, tmp_path: Path) -> None:
    open_page(page, server, "evaluate")
    grip_of(page)
    for section in ("Four outcomes", "Every threshold at once", "Take it away"):
        unfold(page, section)
    expect(page.locator(".confusion")).to_be_visible()
    passed, false_alarms, missed, caught = counts(page)
    rows = list(csv.DictReader(downloaded(page, "Scores as CSV", tmp_path / "scores.csv").open(encoding="utf-8-sig")))
    verdicts = [(row["label"] == "5", row["verdict"]) for row in rows]
    assert [row["index"] for row in rows] == [str(number) for number in range(len(rows))]
    assert verdicts.count((True, "normal")) == passed
    assert verdicts.count((True, "anomaly")) == false_alarms
    assert verdicts.count((False, "normal")) == missed
    assert verdicts.count((False, "anomaly")) == caught

    page.get_by_role("radio", name="SVG").click()
    chart = page.locator(".st-key-roc")
    asked_for = "chart => chart.querySelector('.js-plotly-plot')?._context?.toImageButtonOptions.format"
    eventually(page, lambda: chart.evaluate(asked_for) == "svg")
    chart.hover()
    with page.expect_download() as download:
        chart.locator("[data-title^='Download']").click()
    assert download.value.suggested_filename == "roc.svg"
    assert Path(download.value.path()).read_text().startswith("<svg")

    page.mouse.move(0, 0)
    report = downloaded(page, "Report as HTML", tmp_path / "report.html")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    expect(page.locator(".main-svg").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Evaluation of 5"))
    assert counts(page) == [passed, false_alarms, missed, caught]
    assert not [url for url in asked if is_elsewhere(url)]

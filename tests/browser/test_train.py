"""Training while the page stays alive."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ENDLESS, Server, draw, open_page, settled, until
from tests.strokes import WAYS, on_canvas

STATUS = ".st-key-job-status"


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def fill(page: Page, label: str, value: str) -> None:
    page.get_by_label(label, exact=True).fill(value)
    page.get_by_label(label, exact=True).press("Enter")
    settled(page)


def batches(page: Page) -> tuple[int, int]:
    """Epoch and batch from the status sentence."""
    found = re.search(r"epoch (\d+) of \d+, batch (\d+)", page.locator(STATUS).inner_text())
    assert found, page.locator(STATUS).inner_text()
    return int(found[1]), int(found[2])


def points_of(page: Page) -> int:
    """How many points the loss figure shows."""
    return int(
        page.evaluate(
            "document.querySelector('.js-plotly-plot').data.reduce((sum, trace) => sum + (trace.y ? trace.y.length : 0), 0)"
        )
    )


def test_train_pause_resume_and_draw_meanwhile(page: Page, server: Server) -> None:
    open_page(page, server, "train")
    choose(page, "Data set", "UCI digits")
    # Large and slow, so that there is something to pause.
    page.get_by_text("Network", exact=True).click()
    fill(page, "Hidden sizes", "1024, 1024")
    page.get_by_text("Training", exact=True).click()
    fill(page, "Batch size", "1")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(STATUS)).to_contain_text("Training: epoch")
    until(page, "document.querySelector('.js-plotly-plot')?.data?.[0]?.y?.length > 5")
    first = points_of(page)
    until(page, f"document.querySelector('.js-plotly-plot')?.data?.[0]?.y?.length > {first + 20}")
    expect(page.get_by_text("Other classes")).to_be_visible()

    page.get_by_role("button", name="Pause").click()
    expect(page.locator(STATUS)).to_contain_text("Paused")
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    settled(page)
    paused = batches(page)

    page.get_by_role("button", name="Step").click()
    expect(page.locator(STATUS)).not_to_contain_text(f"batch {paused[1]} of")
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    assert batches(page) in ((paused[0], paused[1] + 1), (paused[0] + 1, 1))

    page.get_by_role("button", name="Resume").click()
    expect(page.locator(STATUS)).to_contain_text("Training")
    page.get_by_role("link", name="Draw").click()
    expect(page.locator(".st-key-job-line")).to_contain_text("epoch")
    draw(page, on_canvas(WAYS[7][0]))
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))
    # The same drawing is scored again as the network learns, without another stroke; one change may still be the pen's.
    for _change in range(3):
        seen = page.locator(".st-key-score").inner_text()
        expect(page.locator(".st-key-score")).not_to_have_text(seen)

    page.get_by_role("link", name="Train").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(STATUS)).to_contain_text("Stopped early")
    expect(page.get_by_text("AUROC", exact=True).first).to_be_visible()
    expect(page.locator(".st-key-detector-line")).to_contain_text("run 1")
    expect(page.get_by_role("button", name="Download checkpoint")).to_be_visible()


def test_settings_that_cannot_be_trained_are_refused_in_words(page: Page, server: Server) -> None:
    open_page(page, server, "train")
    choose(page, "Data set", "UCI digits")
    page.get_by_text("Network", exact=True).click()
    fill(page, "Hidden sizes", "no numbers")
    expect(page.get_by_text("Hidden sizes are whole numbers")).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()
    fill(page, "Hidden sizes", "64")
    expect(page.get_by_role("button", name="Start")).to_be_enabled()


def test_every_class_normal_is_refused_in_words(page: Page, server: Server) -> None:
    open_page(page, server, "train")
    page.get_by_text("Several normal classes", exact=True).click()
    settled(page)
    for digit in "012346789":
        page.get_by_test_id("stButtonGroup").first.get_by_text(digit, exact=True).click()
        settled(page)
    expect(page.get_by_text("Every class is normal")).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()


def test_a_broken_checkpoint_leaves_the_detector_in_use(page: Page, server: Server) -> None:
    open_page(page, server, "browse")
    line = page.locator(".st-key-detector-line").get_by_role("button").first
    title = page.locator(".st-key-detector-line").get_by_text("Detector: 5 · MNIST · Best detector").first
    expect(title).to_be_visible()
    line.click()
    page.locator("input[type=file]").set_input_files(
        {"name": "broken.safetensors", "mimeType": "application/octet-stream", "buffer": b"no checkpoint at all"}
    )
    expect(page.get_by_text("not in the safetensors format")).to_be_visible()
    expect(title).to_be_visible()
    expect(page.get_by_text("stays as it was")).to_be_visible()


@pytest.mark.slow
def test_a_detector_goes_from_one_visitor_to_another_as_a_file(page: Page, server: Server, tmp_path: Path) -> None:
    open_page(page, server, "train")
    choose(page, "Data set", "UCI digits")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(STATUS)).to_contain_text("Done")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download checkpoint").click()
    download.value.save_as(tmp_path / "mine.safetensors")
    other = page.context.browser.new_context().new_page()  # type: ignore[union-attr]
    open_page(other, server, "browse")
    other.locator(".st-key-detector-line").get_by_role("button").first.click()
    other.locator("input[type=file]").set_input_files(tmp_path / "mine.safetensors")
    expect(other.locator(".st-key-detector-line")).to_contain_text("uploaded")
    expect(other.get_by_text("set off a false alarm")).to_be_visible()
    other.context.close()


@pytest.mark.slow
def test_a_detector_chosen_before_does_not_come_back_while_another_trains(page: Page, server: Server) -> None:
    open_page(page, server, f"train?{ENDLESS}")
    page.locator(".st-key-detector-line").get_by_test_id("stPopover").first.click()
    choose(page, "Detector in use", "3 · MNIST · Best detector")
    page.keyboard.press("Escape")
    settled(page)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(STATUS)).to_contain_text("Training")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    expect(page.locator(".st-key-detector-line")).to_contain_text("in training")

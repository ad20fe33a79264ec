"""A link brings another person to the same state; a hostile one to the usual settings."""

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, eventually, open_page, settled


def shared_link(page: Page) -> str:
    """The link that the Share box offers."""
    page.get_by_role("button", name="Share").click()
    return page.get_by_test_id("stCode").locator("code").inner_text()


def test_a_copied_link_opens_the_same_state_in_a_fresh_browser(page: Page, server: Server, chromium: Browser) -> None:
    open_page(page, server, "train")
    page.get_by_role("button", name="7", exact=True).click()
    page.get_by_role("combobox", name="Preset").click()
    page.get_by_role("option", name="Two-unit bottleneck").click()
    expect(page.get_by_text("784-512-256-2-256-512-784").first).to_be_visible()
    page.get_by_text("Training", exact=True).click()
    seed = page.get_by_role("spinbutton", name="Seed")
    seed.fill("7")
    seed.press("Enter")
    settled(page)
    link = shared_link(page)
    assert link.startswith(f"{server.url}/train?")
    chosen = parse_qs(urlsplit(link).query)
    assert (chosen["normal"], chosen["seed"]) == (["7"], ["7"])

    fresh = chromium.new_page()
    try:
        fresh.goto(link)
        settled(fresh)
        expect(fresh.get_by_text("784-512-256-2-256-512-784").first).to_be_visible()
        assert shared_link(fresh) == link
        expect(fresh.get_by_role("alert")).to_contain_text("not trained yet")
    finally:
        fresh.close()


def test_a_link_to_a_shipped_detector_puts_it_in_use(page: Page, server: Server) -> None:
    open_page(page, server, "browse?normal=3&preset=course&lang=fr")
    expect(page.locator(".st-key-detector-line")).to_contain_text("3 · MNIST")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_language_stays_from_page_to_page(page: Page, server: Server) -> None:
    open_page(page, server)
    page.get_by_role("button", name="English").click()
    page.get_by_text("Español").click()
    expect(page).to_have_url(f"{server.url}/?lang=es")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    page.get_by_role("link", name="Entrenar").first.click()
    expect(page).to_have_url(f"{server.url}/train?lang=es")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Entrena")


def images(page: Page) -> int:
    """How many of them Browse says that it shows."""
    return int(re.sub(r"\D", "", page.get_by_text(re.compile(r"^[\d.,]+ im")).inner_text()))


@pytest.mark.slow
def test_what_is_chosen_stays_chosen_in_another_language(page: Page, server: Server) -> None:
    open_page(page, server, "browse")
    all_images = images(page)
    page.get_by_text("False alarms", exact=True).click()
    eventually(page, lambda: images(page) < all_images)
    settled(page)
    chosen = images(page)
    page.get_by_role("button", name="English").click()
    page.get_by_text("Español").click()
    expect(page.locator("html")).to_have_attribute("lang", "es")
    settled(page)
    assert images(page) == chosen

    page.get_by_test_id("stTopNav").get_by_role("link", name="Evaluar").click()
    kept = page.locator(".st-key-kept-rate")
    expect(kept).to_contain_text("5,0")
    page.get_by_role("button", name="Español").click()
    page.get_by_text("English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(kept).to_contain_text("5.0%")


def test_the_browsers_language_is_spoken(server: Server, chromium: Browser) -> None:
    visitor = chromium.new_context(locale="fr-CA")
    page = visitor.new_page()
    try:
        open_page(page, server, "draw")
        expect(page.locator("html")).to_have_attribute("lang", "fr")
    finally:
        visitor.close()


def test_a_teachers_link_hides_controls_and_enlarges_type(page: Page, server: Server) -> None:
    open_page(page, server, "train?hide=settings,share,navigation&view=projector")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    expect(page.get_by_role("combobox", name="Preset")).to_be_hidden()
    expect(page.get_by_role("button", name="Share")).to_be_hidden()
    expect(page.get_by_role("link", name="Browse")).to_be_hidden()
    page.mouse.move(300, 300)  # what is not the lesson's comes with the pointer
    expect(page.get_by_role("button", name="Help")).to_be_visible()
    size = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize) / innerHeight")
    assert size == pytest.approx(0.034)
    page.get_by_role("button", name="Help").click()
    expect(page.locator("html:fullscreen")).to_have_count(1)


@pytest.mark.parametrize(
    "parts",
    [
        {"latent": "1e999", "normal": "5"},
        {"normal": "<script>alert(1)</script>"},
        {"junk": "A" * 10_000},
        {"hide": "everything"},
        {"lang": "<b>xx</b>"},
        {"step": "99"},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_a_hostile_link_opens_the_usual_settings_with_one_sentence(parts: dict[str, str], page: Page, server: Server) -> None:
    open_page(page, server, f"train?{urlencode(parts)}")
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.get_by_role("alert")).to_contain_text("This link cannot be used, so the usual settings are shown.")
    expect(page.get_by_text("784-512-256-128-256-512-784").first).to_be_visible()
    expect(page.locator(".st-key-detector-line")).to_contain_text("Detector: 5 · MNIST · Best detector")
    expect(page).to_have_url(f"{server.url}/train")

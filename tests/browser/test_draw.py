"""Drawing with a real pointer: what the page shows of a drawing that is finished."""

import csv
import io
import re
import zipfile
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from pages.shared.state.drawings import CANVASES
from tests.browser.canvas import SCREENS, assert_verdict_is_of_canvas, drawing, visitor_at
from tests.browser.conftest import Server, canvas_of, clear, draw, final_score, number_in, open_page, settled, slow_but
from tests.strokes import WAYS, on_canvas, rgba

FEW, OTHERS = ((5, 0), (3, 0), (7, 0)), ((5, 1), (0, 0), (5, 2), (1, 0), (2, 0), (4, 0))


@pytest.mark.parametrize("drawings", slow_but(FEW, [FEW, OTHERS]), ids=["few", "others"])
def test_fives_are_normal_and_other_digits_anomalies(page: Page, server: Server, drawings: tuple[tuple[int, int], ...]) -> None:
    open_page(page, server, "draw")
    for digit, way in drawings:
        draw(page, drawing(digit, way))
        final_score(page)
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^Normal" if digit == 5 else "^Anomaly"))
        assert (number_in(page, "score") <= number_in(page, "threshold")) is (digit == 5)
        clear(page)
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")


def test_blank_canvas_asks_for_a_drawing_and_a_dot_does_not_crash(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    expect(page.locator(".st-key-score")).to_have_count(0)
    canvas_of(page).click()
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))


def test_the_drawing_survives_a_visit_to_another_page_and_can_be_continued(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    bar, body = drawing(5, 1)[1], drawing(5, 1)[0]
    draw(page, [body])
    before = final_score(page)
    page.get_by_role("link", name="Browse").click()
    expect(page.get_by_role("heading", name="Browse test images")).to_be_visible()
    page.get_by_role("link", name="Draw").click()
    expect(page.locator(".st-key-score")).to_have_text(before)
    draw(page, [bar])
    expect(page.locator(".st-key-score")).not_to_have_text(before)
    both = final_score(page)
    clear(page)
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    draw(page, [body, bar])
    expect(page.locator(".st-key-score")).to_have_text(both)


@pytest.mark.slow
def test_a_canvas_that_has_the_key_of_an_earlier_one_begins_clean(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    scores = set()
    for _ in range(CANVASES + 2):
        draw(page, drawing(7, 0))
        scores.add(final_score(page))
        clear(page)
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    assert len(scores) == 1


def test_undo_takes_the_last_stroke_back(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(7))
    final_score(page)  # nobody is at the button before the canvas has sent the stroke, a fifth of a second after its end
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")


def test_undo_redo_clear_and_a_reload_each_show_the_verdict_of_the_canvas(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    body, bar = drawing(5, 1)
    draw(page, [body])
    one = final_score(page)
    draw(page, [bar])
    both = final_score(page)
    assert one != both
    for name, score in (("Undo", one), ("Redo", both)):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator(".st-key-score")).to_have_text(score)
        assert_verdict_is_of_canvas(page)
    page.reload()
    settled(page)
    assert_verdict_is_of_canvas(page)
    clear(page)
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    assert_verdict_is_of_canvas(page)


def test_a_moment_of_the_drawing_is_looked_at_again(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(5, 1))
    final = final_score(page)
    curve = page.get_by_role("slider", name="Moments of your drawing")
    box = curve.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 1, box["y"] + 20, steps=5)
    page.mouse.up()
    expect(page.locator(".st-key-verdict")).to_contain_text(re.compile(r"Moment 1 of \d+ of your drawing"))
    expect(page.locator(".st-key-score")).not_to_have_text(final)
    curve.press("End")
    expect(page.locator(".st-key-score")).to_have_text(final)
    assert_verdict_is_of_canvas(page)
    curve.press("Home")
    expect(page.locator(".st-key-verdict")).to_contain_text("Moment 1 of")
    canvas = canvas_of(page).bounding_box()
    assert canvas
    page.mouse.move(canvas["x"] + 40, canvas["y"] + 40)
    page.mouse.down()
    page.mouse.move(canvas["x"] + 60, canvas["y"] + 60, steps=5)
    expect(page.locator(".st-key-verdict")).not_to_contain_text("Moment")
    # At one moment: the curve grows with each answer.
    assert curve.evaluate("slider => slider.ariaValueNow === slider.ariaValueMax"), "while the pen is down"
    expect(curve.locator(".here")).to_be_hidden()
    page.mouse.up()
    assert_verdict_is_of_canvas(page)
    curve.press("Home")
    expect(page.locator(".st-key-verdict")).to_contain_text("Moment 1 of")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-verdict")).not_to_contain_text("Moment")
    assert_verdict_is_of_canvas(page)


def test_a_test_image_is_not_taken_for_the_drawing_on_the_canvas(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(7))
    final_score(page)
    page.get_by_role("button", name="Random test image").click()
    expect(page.locator(".st-key-verdict")).to_contain_text(re.compile(r"test image [\d,]+: \d, not what is on the canvas"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")


# Where everything stands: verdict, pictures and canvas, in each frame that the browser paints.
WATCH_PLACES = """
() => {
    window.places = new Set();
    const look = () => {
        const found = ["verdict", "gauge", "steps", "canvas", "canvas-tools", "ensemble"].map(key => {
            const { x, y, width } = document.querySelector(`.st-key-${key}`)?.getBoundingClientRect() ?? {};
            return `${key} ${Math.round(x)} ${Math.round(y)} ${Math.round(width)}`;
        });
        const pictures = [...document.querySelectorAll(".st-key-steps .pic")].map(picture => {
            const { x, y } = picture.getBoundingClientRect();
            return `${Math.round(x)} ${Math.round(y)}`;
        });
        window.places.add([...found, ...pictures].join(", "));
        requestAnimationFrame(look);
    };
    look();
}
"""


@pytest.mark.parametrize("screen", slow_but("phone", SCREENS))
@pytest.mark.parametrize("language", slow_but("de", ["en", "de"]))
def test_nothing_moves_while_one_draws(server: Server, chromium: Browser, screen: str, language: str) -> None:
    with visitor_at(chromium, screen) as page:
        open_page(page, server, f"draw?lang={language}")
        canvas_of(page)
        page.wait_for_load_state("networkidle")
        page.evaluate(WATCH_PLACES)
        for digit in (5, 6):  # a 6 is told by its loops, in a longer sentence
            draw(page, drawing(digit, 1))
            final_score(page)
            if screen != "laptop":
                said = page.locator(".st-key-verdict .verdict span")
                said.evaluate("span => { span.innerHTML = `<small>Bild 1</small>${'Schwelle '.repeat(30)}`; }")
                page.evaluate("new Promise(requestAnimationFrame)")
            page.locator(".st-key-canvas-tools button").first.click()
            expect(page.locator(".st-key-verdict .waiting")).to_be_visible()
            settled(page)
        places = page.evaluate("[...window.places]")
        assert len(places) == 1, places


@pytest.mark.slow
def test_a_refused_file_leaves_the_canvas_of_a_phone_where_it_is(server: Server, chromium: Browser) -> None:
    with visitor_at(chromium, "phone") as page:
        open_page(page, server, "draw")
        page.get_by_text("No pointer?").click()
        junk: FilePayload = {"name": "junk.png", "mimeType": "image/png", "buffer": b"no picture"}
        page.locator(".st-key-picture input[type=file]").set_input_files(junk)
        problem = page.get_by_text("This file is not a picture").filter(visible=True)
        expect(problem).to_have_count(1)
        settled(page)
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop = 0")
        page.evaluate(WATCH_PLACES)
        draw(page, drawing(5, 1))
        final_score(page)
        expect(problem).to_have_count(0)
        above = {re.sub(", ensemble [^,]*", "", places) for places in page.evaluate("[...window.places]")}
        assert len(above) == 1, above


WHAT_IS_DRAWN = {"a 5": ("en", 5, 1), "a 6, in German": ("de", 6, 0)}


@pytest.mark.parametrize("screen", slow_but("phone", ["phone", "narrow"]))
@pytest.mark.parametrize("scheme", slow_but("dark", ["light", "dark"]))
@pytest.mark.parametrize("what", slow_but("a 6, in German", WHAT_IS_DRAWN))
def test_a_phone_shows_canvas_verdict_and_pictures_on_one_screen(
    server: Server, chromium: Browser, screen: str, scheme: Literal["light", "dark"], what: str
) -> None:
    width, height = SCREENS[screen]
    language, digit, way = WHAT_IS_DRAWN[what]
    with visitor_at(chromium, screen, color_scheme=scheme) as page:
        open_page(page, server, f"draw?lang={language}")
        draw(page, drawing(digit, way))
        final_score(page)
        canvas = canvas_of(page).bounding_box()
        assert canvas
        assert (canvas["width"], canvas["height"]) == (width - 32, width - 32)
        pictures = [
            box for each in page.locator(".st-key-steps .pic").all() if each.is_visible() and (box := each.bounding_box())
        ]
        assert len(pictures) == 3
        undo = page.get_by_role("button", name="Undo").bounding_box()
        clear = page.locator(".st-key-canvas-tools button").first.bounding_box()
        verdict = page.locator(".st-key-verdict .verdict").bounding_box()
        for box in (*pictures, canvas, undo, clear, verdict):
            assert box
            assert box["x"] >= 0
            assert box["y"] >= 54, "below the bar at the top"
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height
        assert undo
        assert min(undo["width"], undo["height"]) >= 32
        assert page.locator("kbd:visible").count() == 0, "a phone has no keys"


def test_without_a_pointer_a_random_test_image_is_judged(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    page.get_by_text("No pointer?").click()
    page.get_by_role("button", name="Random test image").click()
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))


def photo() -> bytes:
    """A 7 in dark pen on a sheet that is lit unevenly, as a JPEG."""
    ink = rgba(on_canvas(WAYS[7][0], side=640), side=640, width=26)[..., 0] / 255.0
    light = np.linspace(0.75, 0.95, 640)[None, :] * np.ones((640, 1))
    file = io.BytesIO()
    Image.fromarray(((light - 0.6 * ink) * 255).astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def test_a_photo_of_a_digit_is_judged_and_junk_is_refused_in_words(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    page.get_by_text("No pointer?").click()
    upload = page.locator(".st-key-picture input[type=file]")
    upload.set_input_files({"name": "junk.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.get_by_role("alert").get_by_text("This file is not a picture")).to_be_visible()
    upload.set_input_files({"name": "seven.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^Anomaly"))


def side_by_side(*inks: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(255 - np.concatenate(inks, axis=1)).save(file, "PNG")
    return file.getvalue()


def test_a_click_chooses_one_of_several_digits(page: Page, server: Server) -> None:
    five, seven = (rgba(drawing(digit), width=24)[..., 0] for digit in (5, 7))
    open_page(page, server, "draw")
    page.get_by_text("No pointer?").click()
    upload = page.locator(".st-key-picture input[type=file]")
    upload.set_input_files({"name": "two.png", "mimeType": "image/png", "buffer": side_by_side(five, seven)})
    expect(page.get_by_text("2 digits found.")).to_be_visible()
    for name, word in (("Digit 2: Anomaly", "Anomaly"), ("Digit 1: Normal", "Normal")):
        page.get_by_role("button", name=name).click()
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile(f"^{word}"))
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
    small = np.pad(seven[::2, ::2], len(seven) // 4)
    upload.set_input_files({"name": "more.png", "mimeType": "image/png", "buffer": side_by_side(small, five)})
    expect(page.get_by_role("button", name="Digit 2: Normal")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Digit 1: Anomaly").click()
    expect(page.get_by_role("button", name="Digit 1: Anomaly")).to_have_attribute("aria-pressed", "true")


@pytest.mark.slow
def test_the_strip_of_drawings_can_be_taken_away(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    for digit, verdict in ((5, "Normal"), (7, "Anomaly")):
        draw(page, drawing(digit))
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile(f"^{verdict}"))
        settled(page)
        clear(page)
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    with page.expect_download() as download:
        page.get_by_role("button", name="Scores as CSV").click()
    rows = list(csv.DictReader(download.value.path().open(encoding="utf-8-sig")))
    assert [row["verdict"] for row in rows] == ["normal", "anomaly"]
    assert [float(row["score"]) > float(row["threshold"]) for row in rows] == [False, True]
    with page.expect_download() as download:
        page.get_by_role("button", name="Images as PNG").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        sizes = [Image.open(archive.open(name)).size for name in archive.namelist()]
    assert sizes == [(28, 28), (28, 28)]

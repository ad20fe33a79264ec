"""A class on one server with SQLite: a teacher and two students, from beginning to end."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.server.classroom import Classroom
from tests.browser.conftest import Server, clear, draw, final_score, is_elsewhere, run_journey, settled, start_server
from tests.load.visitor import Visitor
from tests.strokes import WAYS, on_canvas

NAME = "4b <b>bold</b> ![a](//b.cd) عربي 🦊"
ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}
"""Who comes through a proxy does not sit at the server."""


@pytest.fixture(scope="module")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing but the class is kept here; the shipped detectors need no data."""
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="module")
def server(own_server: Server) -> Server:
    return own_server


@dataclass
class Room:
    """Who takes part."""

    teacher: Page
    phone: Page
    laptop: Page


@pytest.fixture
def room(chromium: Browser) -> Iterator[Room]:
    """A teacher at the server and two students, of whom nobody asks another machine for anything."""
    strangers: list[str] = []
    contexts = [
        chromium.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True),
        chromium.new_context(viewport={"width": 390, "height": 664}, has_touch=True, extra_http_headers=ELSEWHERE),
        chromium.new_context(viewport={"width": 1366, "height": 768}, extra_http_headers=ELSEWHERE),
    ]
    for context in contexts:
        context.on("request", lambda request: strangers.append(request.url) if is_elsewhere(request.url) else None)
    yield Room(*(context.new_page() for context in contexts))
    for context in contexts:
        context.close()
    assert not strangers, f"The page asked other machines: {strangers}"


def begin(page: Page, server: Server, name: str = NAME) -> None:
    page.goto(f"{server.url}/class")
    page.get_by_label("Name of the class").fill(name)
    page.get_by_role("button", name="Begin the class").click()
    page.locator(".st-key-class-wall").wait_for()


def join(page: Page, server: Server) -> str:
    """Join, go to Draw, and return the made-up name."""
    page.goto(f"{server.url}/class")
    expect(page.locator(".st-key-class-join")).to_contain_text("go to the wall")
    page.get_by_role("button", name="Join the class").click()
    name = page.locator(".st-key-class-join strong").inner_text()
    page.get_by_role("link", name="Draw for the class").click()
    page.locator(".st-key-class-task").wait_for()
    settled(page)
    return name


def sketch(page: Page, digit: int) -> float:
    draw(page, on_canvas(WAYS[digit][0]))
    return float(final_score(page))


def send(page: Page, answer: str | re.Pattern[str], name: str = "Send to the wall") -> None:
    """Press, and wait for this answer."""
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".class-line .answer, .class-line .refused")).to_contain_text(answer)


def more(page: Page) -> None:
    page.get_by_role("button", name="More").click()
    page.get_by_text("Take away", exact=True).wait_for()


def fits_a_phone(page: Page) -> bool:
    """Whether line, verdict, pictures and canvas are on one screen."""
    parts = ".st-key-class-task, .st-key-verdict, .st-key-steps, .st-key-canvas canvas.upper-canvas"
    bottoms = [box["y"] + box["height"] for each in page.locator(parts).all() if (box := each.bounding_box())]
    return len(bottoms) == 4 and max(bottoms) <= 664


@pytest.mark.slow
def test_a_class_from_beginning_to_end(room: Room, server: Server, data_directory: Path) -> None:
    teacher, phone, laptop = room.teacher, room.phone, room.laptop
    assert not list(data_directory.glob("class*")), "no database without a class"
    phone.goto(f"{server.url}/class")
    expect(phone.get_by_text("No class has begun yet")).to_be_visible()
    expect(phone.get_by_label("Name of the class")).to_have_count(0)
    begin(teacher, server)
    expect(teacher.get_by_role("heading", level=1)).to_have_text(NAME)
    assert teacher.locator("h1 b, h1 img").count() == 0

    names = join(phone, server), join(laptop, server)
    assert names[0] != names[1]
    for page in (phone, laptop):
        page.goto(f"{server.url}/class")
        expect(page.locator(".st-key-class-wall")).to_be_visible()
        assert page.locator(".st-key-class-teacher").count() == 0, "a student has none of the teacher's buttons"
        page.goto(f"{server.url}/draw")
        expect(page.locator(".st-key-class-task")).to_contain_text("Draw a 5")

    # Draw a 5: the score on the wall is that on Draw, and the place is there at once.
    score = sketch(phone, 5)
    assert fits_a_phone(phone)
    send(phone, "It is on the wall.")
    cards = teacher.locator(".drawings li")
    expect(cards).to_have_count(1)
    expect(cards.first).to_contain_text(f"{score:.4f}")
    expect(phone.locator(".class-line")).to_contain_text("Place 1 of 1")
    sketch(laptop, 7)
    send(laptop, "calls it an anomaly")
    expect(cards).to_have_count(2)
    expect(teacher.locator(".class-list li")).to_have_count(1)

    # The same canvas once more replaces itself; a clean one is another drawing.
    draw(laptop, on_canvas(WAYS[1][0]))
    final_score(laptop)
    send(laptop, "calls it an anomaly")
    clear(laptop)
    sketch(laptop, 5)
    send(laptop, "It is on the wall.")
    expect(cards).to_have_count(3)
    expect(teacher.locator(".class-list li")).to_have_count(2)

    # One is opened large, and hidden: it leaves the wall of others and the list.
    cards.first.get_by_role("button").click()
    expect(teacher.locator(".st-key-class-opened img")).to_have_count(3)
    teacher.get_by_role("button", name="Hide it").click()
    expect(teacher.locator(".class-list li")).to_have_count(1)
    expect(teacher.locator(".drawings li.hidden")).to_have_count(1)
    send(laptop, "hidden")

    # Tasks change on Draw with one press, and a drawing in progress stays.
    strokes = phone.locator(".st-key-canvas canvas.lower-canvas").last.evaluate("canvas => canvas.toDataURL()")
    for task in ("Fool it", "On the edge", "Anything but a 5"):
        teacher.get_by_role("button", name=task, exact=True).click()
        expect(phone.locator(".class-line b")).to_have_text(task)
    assert phone.locator(".st-key-canvas canvas.lower-canvas").last.evaluate("canvas => canvas.toDataURL()") == strokes
    expect(laptop.locator(".class-line b")).to_have_text("Anything but a 5")
    send(phone, "takes it for the digit 5")
    clear(laptop)
    sketch(laptop, 7)
    send(laptop, "It is on the wall.")
    expect(laptop.locator(".class-line")).to_contain_text("Place 1 of 1")

    # Blind: no verdict before the guess.
    teacher.get_by_role("button", name="Blind", exact=True).click()
    expect(laptop.locator(".st-key-verdict .waiting")).to_be_visible()
    expect(laptop.locator(".st-key-score")).to_have_count(0)
    expect(laptop.get_by_role("button", name="Anomaly?", exact=True)).to_be_disabled()
    expect(laptop.locator(".class-line")).to_contain_text("You have seen a verdict on this drawing")
    draw(laptop, on_canvas(WAYS[1][0]))
    send(laptop, re.compile(r"Anomaly: you were right\. \d points?\."), "Anomaly?")
    expect(laptop.locator(".st-key-verdict .anomaly")).to_be_visible()
    expect(laptop.get_by_role("button", name="Normal?", exact=True)).to_be_disabled()

    # Take away, close, end.
    more(teacher)
    files = {}
    for name in ("Images", "Table", "Report"):
        with teacher.expect_download() as download:
            teacher.get_by_role("button", name=name, exact=True).click()
        files[name] = Path(download.value.path()).read_bytes()
    folders = {name.split("/")[0] for name in zipfile.ZipFile(io.BytesIO(files["Images"])).namelist()}
    assert folders == {"5", "not 5", "blind"}
    rows = list(csv.DictReader(io.StringIO(files["Table"].decode("utf-8-sig"))))
    assert {row["student"] for row in rows} <= set(names)
    assert len(rows) == 5, "all but the hidden one"
    report = files["Report"].decode()
    assert "<b>bold" not in report
    assert "&lt;b&gt;bold" in report
    teacher.get_by_role("button", name="Close the wall").click()
    expect(phone.locator(".class-line")).to_contain_text("closed the wall")
    expect(phone.get_by_role("button", name="Anomaly?", exact=True)).to_be_disabled()
    teacher.get_by_text("I want to delete drawings").click()
    teacher.get_by_role("button", name="End the class").click()
    expect(teacher.get_by_label("Name of the class")).to_be_visible()
    expect(phone.locator(".st-key-class-task")).to_have_count(0)
    assert not list(data_directory.glob("class*"))


@pytest.mark.slow
def test_killed_in_the_middle_every_drawing_that_was_shown_is_there(room: Room, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    secret = {"STREAMLIT_SERVER_COOKIE_SECRET": "0" * 64}
    server = start_server(data, tmp_path / "first.txt", secret)
    begin(room.teacher, server)
    join(room.laptop, server)
    sketch(room.laptop, 5)
    send(room.laptop, "It is on the wall.")
    expect(room.teacher.locator(".drawings li")).to_have_count(1)
    server.process.kill()
    server.process.wait()
    server = start_server(data, tmp_path / "second.txt", secret)
    try:
        room.teacher.goto(f"{server.url}/class")
        expect(room.teacher.locator(".drawings li")).to_have_count(1)
        assert "Traceback" not in (tmp_path / "second.txt").read_text()
    finally:
        server.end()


def test_a_students_forged_presses_do_nothing(tmp_path: Path) -> None:
    """The messages of the teacher's own buttons, sent by a student over his own connection."""

    async def class_with_a_forger() -> None:
        teacher = await Visitor(server.url).arrive("class")
        await teacher.press("Begin the class")
        await teacher.wait(lambda: teacher.can_press("Fool it"))
        student = await Visitor(server.url, ELSEWHERE).arrive("class")
        await student.press("Join the class")
        # What both have is the student's own right, to start afresh for one.
        own = {part.content.button.id for part in student.parts.values() if part.kind == "button"}
        teachers = [part for part in teacher.parts.values() if part.kind == "button"]
        buttons = {part.content.button.id: part.fragment for part in teachers if part.content.button.id not in own}
        assert len(buttons) >= 6, "a button for each task"
        for button, fragment in buttons.items():
            await student.forge(button, fragment)
            await student.run_again()
        await student.wait(lambda: "You are **" in student.texts())
        assert not student.can_press("Fool it")
        now = Classroom(database).now(at_once=True)
        assert now
        assert (now.about.task, now.about.round, now.about.is_open, now.about.seen_by) == ("draw", 1, True, "everybody")
        await teacher.press("Fool it")  # the same press by the teacher
        await student.wait(lambda: any("Fool it" in html for html in student.htmls()))
        await teacher.close()
        await student.close()

    database = f"sqlite:///{tmp_path / 'class.sqlite'}"
    server = start_server(tmp_path, tmp_path / "log.txt", {"CLASS_DATABASE_URL": database})
    try:
        run_journey(class_with_a_forger())
    finally:
        server.end()
    assert "Traceback" not in (tmp_path / "log.txt").read_text()

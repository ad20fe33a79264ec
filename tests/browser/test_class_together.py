"""A teacher and students, from the QR code through every task; and a class whose server is killed, to its end.

On one server with SQLite, and on two replicas behind nginx with PostgreSQL: the same journeys.
"""

import csv
import io
import os
import re
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.server.addresses import of_this_machine
from core.server.classroom import Classroom
from tests.browser.conftest import Server, clear, draw, eventually, settled, start_server
from tests.strokes import WAYS, on_canvas

PASSWORD, TOKEN = "sesame", "token-of-the-teacher"
HAS_NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not of_this_machine(), reason="This machine is in no network."),
]


def alone(port: int) -> list[str]:
    """One server that a class can reach."""
    return [sys.executable, "-m", "deploy.replica", "--address", "0.0.0.0", "--port", str(port)]


def two(port: int) -> list[str]:
    """Two replicas behind nginx, which a class can reach."""
    return [sys.executable, "-m", "deploy.replicas", "--replicas", "2", "--address", "0.0.0.0", "--port", str(port)]


@dataclass
class Place:
    """Where the class is. kill: ends the process that serves a page, as power cuts do, and has it started again."""

    server: Server
    database: str
    kill: Callable[[Page], None]
    log: Path


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, data_directory: Path, tmp_path: Path) -> Iterator[Place]:
    is_alone = request.param == "sqlite"
    if is_alone:
        database = f"sqlite:///{tmp_path / 'class.sqlite'}"
    elif not HAS_NGINX:
        pytest.skip("There is no nginx: apt-get install nginx-light")
    else:
        database = request.getfixturevalue("running_postgres").database()
    log, way = tmp_path / "log.txt", alone if is_alone else two
    more = {"CLASS_DATABASE_URL": database, "CLASS_PASSWORD": PASSWORD, "STATUS_TOKEN": TOKEN}
    more |= {"STREAMLIT_SERVER_COOKIE_SECRET": "0123456789abcdef" * 4}
    server = start_server(data_directory, log, more, way)

    def kill(page: Page) -> None:
        if is_alone:
            server.process.kill()
            server.process.wait()
            port = urlsplit(server.url).port or 0
            server.process = start_server(data_directory, log, more, way, port).process
        else:
            [home] = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "replica"]
            os.kill(int(re.findall(rf"Replica {home} on port \d+ is process (\d+)", log.read_text())[-1]), signal.SIGKILL)

    yield Place(server, database, kill, log)
    server.end()
    assert "Traceback" not in log.read_text(), log.read_text()[-5000:]


@pytest.fixture
def visitors(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Makes tabs of new browsers, on a laptop or a phone, which ask nothing of other machines."""
    own = {"localhost", *of_this_machine()}
    contexts: list[BrowserContext] = []
    strangers: list[str] = []

    def note(url: str) -> None:
        if url.startswith(("http", "ws")) and urlsplit(url).hostname not in own:
            strangers.append(url)

    def visitor(is_phone: bool = False) -> Page:
        size = {"width": 390, "height": 664} if is_phone else {"width": 1366, "height": 768}
        made = chromium.new_context(viewport=size, has_touch=is_phone, is_mobile=is_phone)  # type: ignore[arg-type]
        made.on("request", lambda request: note(request.url))
        contexts.append(made)
        return made.new_page()

    yield visitor
    for each in contexts:
        each.close()
    assert not strangers, f"The page asked other machines: {strangers}"


def let_in(page: Page) -> None:
    """Give the class's password."""
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_text("This class has a password.")).to_have_count(0)
    settled(page)


def join(page: Page, address: str) -> str:
    """Come by the QR code's address, and go on to Draw; returns the made-up name."""
    page.goto(address)
    let_in(page)
    page.get_by_role("button", name="Join the class").click()
    name = page.locator(".st-key-class-join strong")
    expect(name).to_be_visible()
    found = name.inner_text()
    page.get_by_role("link", name="Draw for the class").click()
    expect(page.locator(".st-key-class-task")).to_contain_text(found)
    return found


def send(page: Page, digit: int, prediction: str = "", way: int = 0) -> None:
    """Draw and send it, or predict its verdict, which sends it too."""
    draw(page, on_canvas(WAYS[digit][way]))
    press_send(page, prediction)


def press_send(page: Page, prediction: str = "") -> None:
    """Once the drawing is judged."""
    verdict = page.locator(".st-key-verdict .verdict")
    if not prediction:
        expect(verdict).not_to_have_class(re.compile("waiting"))
    else:
        expect(verdict).to_contain_text("press your guess")
    settled(page)
    name = f"{prediction}?" if prediction else "Send to the wall"
    page.locator(".st-key-class-task").get_by_role("button", name=name, exact=True).click()
    told = re.compile("You were|you were|on the wall", re.IGNORECASE)
    expect(page.locator(".st-key-class-task .answer")).to_contain_text(told)


def cards(wall: Page) -> list[str]:
    """The pictures on a wall."""
    found: list[str] = wall.locator(".st-key-class-wall .drawings img").evaluate_all("all => all.map(each => each.src)")
    return found


def choose(teacher: Page, students: list[Page], label: str, title: str = "") -> None:
    """The teacher presses a task; every student sees it, and begins another drawing."""
    teacher.locator(".st-key-class-teacher").get_by_role("button", name=label, exact=True).click()
    for student in students:
        expect(student.locator(".st-key-class-task .class-line b").first).to_have_text(title or label)
        if label != "Draw a 5":
            clear(student)


def places(wall: Page) -> list[str]:
    """Who is in the list, from the first place on."""
    return wall.locator(".st-key-class-wall .class-list").first.locator("li > span:not(.value)").all_inner_texts()


def begin(place: Place, teacher: Page) -> None:
    """As the teacher, whom the token in the address shows."""
    teacher.goto(f"{place.server.url}/class?token={TOKEN}")
    let_in(teacher)
    teacher.get_by_label("Name of the class").fill("Class <b>4b</b>")
    teacher.get_by_role("button", name="Begin the class").click()
    expect(teacher.get_by_role("heading", name="Class <b>4b</b>")).to_be_visible()


def address_of(place: Place) -> str:
    """By which a class comes."""
    return f"http://{of_this_machine()[0]}:{urlsplit(place.server.url).port}/class"


@pytest.mark.timeout(600)
def test_a_class_from_its_qr_code_through_every_task(place: Place, visitors: Callable[..., Page]) -> None:
    teacher, stranger = visitors(), visitors()
    begin(place, teacher)

    # The code's address is the one that stands beside it, in this machine's network.
    code = teacher.locator(".st-key-class-address .qr")
    expect(code).to_be_visible()
    assert code.evaluate("image => image.complete && image.naturalWidth > 0 && image.clientWidth >= 150")
    address = (code.get_attribute("alt") or "").removeprefix("QR code: ")
    assert address == address_of(place)
    assert teacher.locator(".join-code .address").inner_text() == address.removeprefix("http://")
    teacher.get_by_role("button", name="Share").click()
    expect(teacher.locator("[data-testid=stCode]").last).to_contain_text(address)
    teacher.keyboard.press("Escape")

    # Whoever does not know the password sees nothing of the class.
    stranger.goto(address)
    expect(stranger.get_by_text("This class has a password.")).to_be_visible()
    expect(stranger.locator("[class*=st-key-class-]")).to_have_count(0)

    ada, bob, phone = students = [visitors(), visitors(), visitors(is_phone=True)]
    names = [join(student, address) for student in students]
    assert len(set(names)) == 3
    expect(ada.get_by_role("button", name="Begin the class")).to_have_count(0)
    wall = teacher.context.new_page()
    wall.goto(f"{place.server.url}/class?view=projector")

    # Draw a 5: a 7 is on the wall and not in the list.
    choose(teacher, students, "Draw a 5")
    send(ada, 5)
    send(bob, 5, way=1)
    send(phone, 7)
    expect(wall.locator(".drawings img")).to_have_count(3)
    eventually(wall, lambda: set(places(wall)) <= set(names[:2]) and len(places(wall)) >= 1)
    expect(phone.locator(".st-key-class-task .answer")).to_contain_text("does not count")
    expect(wall.locator(".drawings li.anomaly")).not_to_have_count(0)

    # More of the same drawing replaces what was sent of it.
    before = cards(wall)
    draw(phone, on_canvas(WAYS[1][0]))
    settled(phone)
    press_send(phone)
    eventually(wall, lambda: len(cards(wall)) == 3 and set(cards(wall)) != set(before))

    # Each of the other tasks, as it is pressed.
    choose(teacher, students, "Anything but a 5")
    eventually(wall, lambda: places(wall) == [])
    send(phone, 7)
    send(ada, 5)
    expect(ada.locator(".st-key-class-task .answer")).to_contain_text("does not count")
    eventually(wall, lambda: places(wall) == [names[2]])
    expect(phone.locator(".st-key-class-task .label")).to_contain_text("Place 1 of 1")
    for label in ("Fool it", "On the edge"):
        choose(teacher, students, label)
        send(bob, 5 if label == "On the edge" else 3)
    choose(teacher, students, "Blind")
    expect(ada.locator(".st-key-score")).to_have_count(0)
    send(ada, 7, "Anomaly")
    expect(ada.locator(".st-key-class-task .answer")).to_contain_text("you were right")
    expect(ada.locator(".st-key-verdict")).to_contain_text("Anomaly")
    send(bob, 7, "Normal")
    expect(bob.locator(".st-key-class-task .answer")).to_contain_text("you were wrong")
    eventually(wall, lambda: places(wall)[:1] == [names[0]])
    choose(teacher, students, "Draw what you like")
    expect(wall.locator(".class-list")).to_have_count(0)


@pytest.mark.timeout(600)
def test_a_class_whose_server_is_killed_to_its_end(place: Place, visitors: Callable[..., Page]) -> None:
    teacher, bob, phone = visitors(), visitors(), visitors(is_phone=True)
    begin(place, teacher)
    address = address_of(place)
    names = [join(student, address) for student in (bob, phone)]
    send(bob, 8)
    send(phone, 7)

    # The teacher hides one, which nobody else sees then.
    bob.goto(address)
    expect(bob.locator(".drawings img")).to_have_count(2)
    teacher.locator(".drawings button").first.click()
    teacher.get_by_role("button", name="Hide it").click()
    expect(bob.locator(".drawings img")).to_have_count(1)
    expect(teacher.locator(".drawings li.hidden")).to_have_count(1)
    bob.locator(".drawings button").first.click()
    expect(bob.locator(".st-key-class-opened")).to_be_visible()
    expect(bob.get_by_role("button", name="Hide it")).to_have_count(0)

    # A server dies. What the wall showed is there afterwards, and whoever goes on is who he was.
    shown = cards(bob)
    place.kill(phone)
    for page in (phone, bob):
        page.wait_for_timeout(100)
        page.goto(address)
        settled(page)
        if page.get_by_text("This class has a password.").count():
            let_in(page)
    eventually(bob, lambda: set(cards(bob)) == set(shown))
    expect(phone.locator(".st-key-class-join strong")).to_have_text(names[1])
    phone.get_by_role("link", name="Draw for the class").click()
    send(phone, 3)
    eventually(bob, lambda: len(cards(bob)) == 2 and set(shown) < set(cards(bob)))

    # Take away: what is not hidden, in three forms.
    teacher.goto(f"{place.server.url}/class?token={TOKEN}")
    settled(teacher)
    if teacher.get_by_text("This class has a password.").count():
        let_in(teacher)
        teacher.goto(f"{place.server.url}/class?token={TOKEN}")
        settled(teacher)
    teacher.get_by_role("button", name="More").click()
    files = {}
    for label in ("Images", "Table", "Report"):
        with teacher.expect_download() as download:
            teacher.get_by_role("button", name=label, exact=True).click()
        files[label] = Path(download.value.path()).read_bytes()
    pictures = [name for name in zipfile.ZipFile(io.BytesIO(files["Images"])).namelist() if name.endswith(".png")]
    assert len(pictures) == 2
    assert all(re.fullmatch(r"[^/]+/\d+\.png", name) for name in pictures)
    assert len(list(csv.DictReader(io.StringIO(files["Table"].decode("utf-8-sig"))))) == 2
    assert b"<html" in files["Report"]

    # The end: nothing is left.
    teacher.get_by_text("I want to delete drawings").click()
    teacher.get_by_role("button", name="End the class").click()
    expect(phone.locator(".st-key-class-task")).to_have_count(0)
    expect(bob.get_by_text("No class has begun yet.")).to_be_visible()
    room = Classroom(place.database)
    assert room.now(at_once=True) is None
    room.close()
    if place.database.startswith("sqlite"):
        assert not list(Path(urlsplit(place.database).path).parent.glob("class.sqlite*"))

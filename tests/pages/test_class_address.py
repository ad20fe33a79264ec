"""The address by which a class gets in, on the Class page and in Share."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.server.addresses import Obstacle, Reach
from pages.shared.state import access, link
from tests.pages.conftest import checked, has, html_of, inside, open_page, visitor_of

pytestmark = pytest.mark.usefixtures("without_data", "far_away")
HOME, OTHER = "http://192.168.1.7:8501", "http://10.0.0.5:8501"


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sits at the server."""
    monkeypatch.setattr(access, "_sits_at_the_server", lambda: False)


def begin() -> AppTest:
    """A teacher whose class has begun."""
    app = open_page("class")
    visitor_of(app).is_teacher = True
    checked(app.run())
    return checked(next(each for each in app.button if each.label == "Begin the class").click().run())


def reach_is(monkeypatch: pytest.MonkeyPatch, found: Reach) -> None:
    monkeypatch.setattr(link, "reach", lambda: found)


def shown(app: AppTest) -> str:
    return " ".join(html_of(inside(app, "class-address")))


def test_one_address_stands_in_the_code_and_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reach_is(monkeypatch, Reach((HOME,), is_of_this_network=True))
    app = begin()
    assert f'alt="QR code: {HOME}/class"' in shown(app)
    assert "192.168.1.7:8501/class" in shown(app).replace("<wbr>", "")
    assert "same Wi-Fi" in shown(app)
    assert "password" not in shown(app)
    assert not inside(app, "class-address").selectbox
    assert not has(open_page("class"), "class-address"), "a student is in already"


def test_an_app_below_a_path_is_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"server.baseUrlPath": "lessons/anomaly"}
    get_option = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: options.get(name) or get_option(name))
    reach_is(monkeypatch, Reach((HOME,), is_of_this_network=True))
    app = begin()
    assert f'alt="QR code: {HOME}/lessons/anomaly/class"' in shown(app)
    assert "192.168.1.7:8501/lessons/anomaly/class" in shown(app).replace("<wbr>", "")


def test_of_several_the_teacher_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    reach_is(monkeypatch, Reach((HOME, OTHER), is_of_this_network=True))
    app = begin()
    checked(app.selectbox(key="join-address").set_value(OTHER).run())
    assert f'alt="QR code: {OTHER}/class"' in shown(app)


def test_a_public_address_is_shown_with_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://anomaly.example.org")
    app = begin()
    assert 'alt="QR code: https://anomaly.example.org/class"' in shown(app)
    assert "https://anomaly.example.org/class" in shown(app).replace("<wbr>", "").split("</div>")[0]
    assert "same Wi-Fi" not in shown(app)


@pytest.mark.parametrize(
    ("obstacle", "way_out"),
    [
        (Obstacle.LISTENS_HERE_ONLY, "make run ADDRESS=0.0.0.0"),
        (Obstacle.UNKNOWN_PROXY, "PUBLIC_URL=https://"),
        (Obstacle.NO_NETWORK, "Wi-Fi"),
    ],
)
def test_where_nobody_gets_in_the_page_and_share_say_what_to_do(
    obstacle: Obstacle, way_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach_is(monkeypatch, Reach(obstacle=obstacle))
    app = begin()
    assert way_out in inside(app, "class-address").warning[0].value
    assert "QR code" not in shown(app)
    assert any(way_out in caption.value for caption in app.caption)

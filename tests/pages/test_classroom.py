"""The class's page and Draw for a teacher and students, as AppTest runs them: one store, several visitors."""

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from pages.shared.state import access
from tests.pages.conftest import checked, go_to, html_of, inside, open_page, visitor_of

pytestmark = pytest.mark.usefixtures("without_data")


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """At the server's machine."""
    monkeypatch.setattr(access, "_sits_at_the_server", lambda: False)
    app = open_page("class")
    visitor_of(app).is_teacher = True
    return checked(app.run())


def student(page: str = "class") -> AppTest:
    return open_page(page)


def test_a_class(teacher: AppTest, monkeypatch: pytest.MonkeyPatch, without_data: Path) -> None:
    assert not list(without_data.iterdir())
    teacher.text_input(key="class-name").set_value("4b")
    button = next(each for each in teacher.button if each.label == "Begin the class")
    checked(button.click().run())
    assert teacher.title[0].value == "4b"
    print([b.label for b in teacher.button])
    app = student()
    print([b.label for b in app.button])
    checked(app.button(key="join-class").click().run())
    print([m.value for m in app.markdown])
    go_to(app, "draw")
    visitor_of(app).drawings.canvas.image = torch.zeros(1, 1, 28, 28) + torch.eye(28)
    checked(app.run())
    checked(app.button(key="send-drawing").click().run())
    print(html_of(inside(app, "class-task")))

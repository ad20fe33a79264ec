"""The class's password, the teacher's page, and limits, as a visitor sees them."""

import ast
import gc
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import streamlit.testing.v1.app_test as app_test
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from core import checkpoint, presets
from core.presets import Shipped
from pages.shared import take_along
from pages.shared.navigation import PAGES
from pages.shared.state import access, detectors, job_pool, keys
from pages.shared.state.visitor import Choice
from tests.pages.conftest import (
    ROOT,
    checked,
    detector_box,
    detector_line,
    go_to,
    has,
    html_of,
    inside,
    open_page,
    switch_page,
    visitor_of,
)

if TYPE_CHECKING:
    from tests.conftest import WaitUntil

HOSTILE = "<img src=x onerror=alert(1)>![a](//b.cd) `x`.safetensors"


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CLASS_PASSWORD", "ünü 5")
    monkeypatch.setattr(access, "_browser", lambda: "one")
    access._admitted_sessions.forget()
    access._gate.cache_clear()
    return "ünü 5"


def answer(app: AppTest, text: str) -> AppTest:
    app.text_input[0].set_value(text)
    return checked(app.button[0].click().run())


def test_the_password_opens_every_page_for_the_session(password: str) -> None:
    app = open_page()
    assert (len(app.title), has(app, "detector-line")) == (0, False)
    app = answer(app, password)
    assert has(app, "detector-line")
    assert go_to(app, "browse").title[0].value


@pytest.mark.parametrize("name", [entry.name for entry in PAGES])
def test_a_file_of_pages_that_streamlit_runs_on_its_own_begins_again_with_the_app(
    name: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit does so until st.navigation was called once in a server's life; AppTest takes that back before each run."""
    monkeypatch.setattr(app_test, "PagesManager", PagesManager)
    path = ROOT / "pages" / f"{name}.py"
    assert path.read_text().endswith('if __name__ == "__main__":\n    begin_again_with_app()\n')
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    for _again in range(3):
        checked(switch_page(app, name).run())
        assert (len(app.title), [form.label for form in app.text_input]) == (0, ["Password"])
        assert not app.metric


@pytest.mark.usefixtures("far_away")
def test_status_looks_at_its_visitor_itself() -> None:
    body = "from pages import status\nstatus.show()"
    app = checked(AppTest.from_string(body, default_timeout=60.0).run())
    assert ([error.value for error in app.error], len(app.metric)) == (["This page is for the teacher."], 0)


def test_the_code_of_a_page_does_nothing_when_it_is_imported() -> None:
    """Only definitions, constants, and what begins again; a page's state is made in its functions."""
    allowed = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Expr | ast.If
    for name in (entry.name for entry in PAGES):
        for node in ast.parse((ROOT / "pages" / f"{name}.py").read_text()).body:
            assert isinstance(node, allowed), ast.unparse(node)
            if isinstance(node, ast.Expr):
                assert isinstance(node.value, ast.Constant), ast.unparse(node)
            if isinstance(node, ast.If):
                assert ast.unparse(node.test) == "__name__ == '__main__'"
            if isinstance(node, ast.Assign | ast.AnnAssign):
                assert not re.search(r"\bst\.", ast.unparse(node)), ast.unparse(node)


def test_a_wrong_password_is_told_and_the_next_try_waits(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_address", lambda: "somebody else")
    app = answer(open_page(), "wrong")
    assert "not the password" in app.error[0].value
    app = answer(app, password)
    assert "Wait 1 s" in app.warning[0].value
    assert not has(app, "detector-line")


def test_no_password_is_asked_unless_one_is_set() -> None:
    assert has(open_page(), "detector-line")


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The visitor does not sit at the server."""
    monkeypatch.setattr(access, "_sits_at_the_server", lambda: False)
    monkeypatch.setattr(access, "_browser", lambda: "one")


def open_status(query: dict[str, str]) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    for name, text in query.items():
        app.query_params[name] = text
    app.run()
    return app


def may_see_status(app: AppTest) -> bool:
    """Whether the status page is among this visitor's pages; another visitor lands on Home."""
    app = go_to(app, "status")
    return any(title.value == "Status" for title in app.title)


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize(
    ("secret", "given", "may"), [("", "", False), ("", "x", False), ("long", "wrong", False), ("long", "long", True)]
)
def test_status_is_for_whoever_has_the_token(monkeypatch: pytest.MonkeyPatch, secret: str, given: str, may: bool) -> None:
    monkeypatch.setenv("STATUS_TOKEN", secret)
    access._gate.cache_clear()
    app = open_status({"token": given} if given else {})
    assert "token" not in app.query_params
    assert not app.warning
    assert may_see_status(app) is may


@pytest.mark.usefixtures("far_away")
def test_a_token_that_comes_within_a_pause_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUS_TOKEN", "long")
    access._gate.cache_clear()
    monkeypatch.setattr(access, "_address", lambda: "somewhere else")
    for name in ("FIRST_PAUSE", "MAX_PAUSE"):
        monkeypatch.setattr(f"core.server.access.{name}", 1000.0)  # it takes a while until the page is there
    open_status({"token": "wrong"})
    app = open_status({"token": "long"})
    assert app.warning[0].value.startswith("Wait")
    assert not may_see_status(app)


def test_who_has_just_left_does_not_sit_at_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a connection Streamlit knows no address, as it does of whoever sits there."""
    context = SimpleNamespace(ip_address=None, headers={})
    monkeypatch.setattr(access, "st", SimpleNamespace(context=context))
    assert access._sits_at_the_server()
    monkeypatch.setattr(access, "is_connected", lambda _session: False)
    assert not access._sits_at_the_server()


def test_only_tabs_of_who_is_let_in_count_as_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "connected_browsers", lambda _cookie: [("one", ""), ("two", "")])
    monkeypatch.setattr(access, "is_admitted", lambda session, _cookie: session == "one")
    gc.collect()
    before = job_pool.pool().budget.used()
    monkeypatch.setattr(access, "connected_browsers", lambda _cookie: [("two", "")])
    assert before - job_pool.pool().budget.used() == job_pool.SESSION_BYTES


def test_at_the_server_itself_no_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_sits_at_the_server", lambda: True)
    app = open_status({})
    assert may_see_status(app)
    assert [metric.label for metric in app.metric] == [
        "Open tabs",
        "Visitors kept",
        "Trainings running",
        "Trainings waiting",
        "Memory",
        "Memory limit",
        "Needed by visitors",
        "Threads",
    ]


def test_a_file_name_is_read_and_not_obeyed() -> None:
    app = open_page("browse")
    uploader = app.file_uploader(key="upload-checkpoint")
    content = Path(Shipped("best", "mnist", 5).path).read_bytes()
    app = checked(uploader.set_value([(HOSTILE, content, "application/octet-stream")]).run())
    line = detector_line(app)
    assert "uploaded" in line
    assert not set("<>[]`!") & set(line)
    assert not any("onerror" in html for html in html_of(app))


def test_a_link_cannot_put_a_link_or_a_picture_on_the_page() -> None:
    app = open_status({"preset": "![a](//b.cd)<b>"})
    assert "“`![a](//b.cd)<b>`”" in app.warning[0].value, "as code, in which nothing is obeyed"


def test_more_than_the_teacher_allows_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_EPOCHS", "9")
    app = open_page("train")
    assert "at most 9 epochs, not 10" in app.error[0].value
    assert app.button(key="start").disabled


def test_a_limit_of_kept_detectors_that_is_no_number_is_told_before_anything_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_KEPT_PARAMETERS", "many")
    app = open_page("train")
    checked(app.button(key="start").click().run())
    assert app.error[0].value.startswith("MAX_KEPT_PARAMETERS in the environment is a whole number")
    assert not visitor_of(app).job
    content = Path(Shipped("best", "mnist", 5).path).read_bytes()
    checked(app.file_uploader(key="upload-checkpoint").set_value([("mine.safetensors", content, "")]).run())
    assert app.error[0].value.startswith("MAX_KEPT_PARAMETERS")
    assert not visitor_of(app).runs


def test_a_network_too_large_for_an_upload_is_handed_out_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    made = checkpoint.read(Shipped("course", "mnist", 5).path)
    whole = checkpoint.to_bytes(made)
    assert len(whole) < 5 * 2**20
    assert take_along.as_checkpoint(made) == whole, "the course's network comes back as it is"
    monkeypatch.setattr("pages.shared.take_along.st.get_option", {"server.maxUploadSize": 1}.__getitem__)
    half = take_along.as_checkpoint(made)
    assert len(half) < 0.6 * len(whole)
    assert checkpoint.from_bytes(half).detector.threshold_ == made.detector.threshold_


@pytest.fixture
def shipped_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of links to the shipped detectors; a test takes one away before it puts a spoilt file in its place."""
    folder = tmp_path / "checkpoints"
    # Windows lets only some people make links.
    shutil.copytree(presets.CHECKPOINTS, folder, copy_function=os.symlink if os.name == "posix" else shutil.copy2)
    caches: list[Any] = [detectors.shipped_checkpoint, detectors._ensemble]
    for cache in caches:
        cache.forget()
    monkeypatch.setattr(presets, "CHECKPOINTS", folder)
    yield folder
    for cache in caches:
        cache.forget()


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        *(("draw", fault) for fault in ("truncated", "renamed", "gone")),
        *((page, "gone") for page in ("home", "train", "browse", "evaluate", "latent")),
    ],
)
def test_a_spoilt_shipped_file_is_told_and_another_detector_can_be_chosen(shipped_files: Path, page: str, fault: str) -> None:
    spoilt = shipped_files / "mnist-5-best.safetensors"
    whole = spoilt.read_bytes()
    spoilt.unlink()
    if fault == "renamed":
        shutil.copy(shipped_files / "mnist-7-best.safetensors", spoilt)
    elif fault == "truncated":
        spoilt.write_bytes(whole[:-100])
    app = open_page(page)
    assert spoilt.name in app.error[0].value
    assert not has(app, "verdict")
    other = Choice(shipped=Shipped("best", "mnist", 3))
    app = checked(detector_box(app).set_value(other).run())
    assert not app.error
    assert app.title


def spoil(file: Path) -> None:
    file.unlink()
    file.write_bytes(b"half a fi")


def test_a_link_to_a_spoilt_file_changes_nothing(shipped_files: Path) -> None:
    spoil(shipped_files / "mnist-7-best.safetensors")
    app = open_page("train")
    app.query_params.update({"normal": "7", "preset": "best", "hide": "share"})
    app.run()
    assert "This link cannot be used" in inside(checked(app), "link-problem").warning[0].value
    assert app.session_state[keys.NORMAL_CLASSES] == [5]
    assert app.session_state[keys.TAB].hidden == ()


def test_a_spoilt_detector_leaves_nine_to_ask(shipped_files: Path) -> None:
    spoil(shipped_files / "mnist-3-best.safetensors")
    app = open_page("draw")
    next(button for button in app.button if button.label == "Random test image").click()
    cards = next(html for html in html_of(checked(app.run())) if 'class="bar"' in html)
    assert cards.count('<div class="bar">') == 9


@pytest.mark.skipif(sys.platform != "linux", reason="/proc can be written by nobody, root included.")
@pytest.mark.parametrize("page", ["train", "browse", "evaluate", "latent"])
def test_a_read_only_data_folder_is_told_and_the_pages_go_on(
    page: str, monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    monkeypatch.setenv("DATA_DIR", "/proc/data")
    app = open_page(page)
    wait_until(lambda: "could not be stored" in inside(checked(app.run()), "data-notice").info[0].value)
    assert app.title

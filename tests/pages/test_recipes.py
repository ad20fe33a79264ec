"""CONTRIBUTING's recipes for a page, a data set, a preset and a language, followed on the pages."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import PageLink

import pages
from core.data import datasets as data_module
from core.data.datasets import DataSet, LabelledImages, MissingDataError, Source
from core.experiments import seeds
from core.presets import CHECKPOINTS, COURSE, PRESETS
from pages.shared.i18n import catalogues, text
from pages.shared.i18n.text import LANGUAGES
from pages.shared.navigation import PAGES, PageEntry
from pages.shared.state import keys
from tests.pages.conftest import ROOT, checked, detector_line, go_to, open_page, tab_of

pytestmark = pytest.mark.usefixtures("without_data")

NEW_PAGE = """
import streamlit as st
from pages.shared.streamlit_internals import begin_again_with_app

def show():
    st.title("My page")

if __name__ == "__main__":
    begin_again_with_app()
"""


def test_a_new_page_is_in_the_navigation_and_on_home_and_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One row in the table, one file beside the others."""
    (tmp_path / "mine.py").write_text(NEW_PAGE)
    monkeypatch.setattr(pages, "__path__", [*pages.__path__, str(tmp_path)])
    entry = PageEntry("mine", "Mine", ":material/star:", "**My** page", "What it is for.")
    table = (*PAGES[:-1], entry, *PAGES[-1:])
    for module in [each for each in sys.modules.values() if getattr(each, "PAGES", None) is PAGES]:
        monkeypatch.setattr(module, "PAGES", table)
    app = open_page()
    (link,) = [each.proto for each in app.get("page_link") if isinstance(each, PageLink) and each.proto.page == "mine"]
    assert (link.label, link.icon) == ("**My** page", ":material/star:")
    assert "What it is for." in [caption.value for caption in app.caption]
    assert "mine" in {page["url_pathname"] for page in app._registered_pages.values()}
    assert go_to(app, "mine").title[0].value == "My page"
    assert "Detector" in detector_line(app), "with the line that every page has"


def test_a_new_data_set_with_fewer_classes_is_offered_and_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_directory: Path) -> DataSet:
        labels = torch.arange(90) % 3
        images = (torch.arange(90 * 784).view(90, 28, 28) % 251 * (1 + labels[:, None, None]) % 251).to(torch.uint8)
        return DataSet("mine", images, labels, LabelledImages(images.unsqueeze(1) / 255, labels, "mine"))

    monkeypatch.setitem(data_module.SOURCES, "mine", Source("mine", "My own", ("a", "b", "c"), read=read))
    app = open_page("train")
    assert "My own" in app.selectbox(key="data-set").options
    checked(app.selectbox(key="data-set").set_value("mine").run())
    assert app.button_group(key="normal-classes").value == [], "there is no 5"
    checked(app.button_group(key="normal-classes").set_value([1]).run())
    assert not app.error
    assert not app.button(key="start").disabled


def test_files_of_a_new_data_set_that_are_missing_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_directory: Path) -> DataSet:
        raise MissingDataError("Put mine.npz into the data folder.")

    monkeypatch.setitem(data_module.SOURCES, "mine", Source("mine", "My own", ("a", "b"), read=missing))
    app = open_page("train")
    checked(app.selectbox(key="data-set").set_value("mine").run())
    assert any("Put mine.npz into the data folder." in info.value for info in app.info)


@pytest.fixture
def new_preset(monkeypatch: pytest.MonkeyPatch) -> str:
    """A row in PRESETS, and nothing more: neither a lesson nor a file."""
    monkeypatch.setitem(PRESETS, "tiny", replace(COURSE, model=replace(COURSE.model, hidden_sizes=(16,), latent_dim=4)))
    return "tiny"


def test_a_new_preset_is_offered_on_train(new_preset: str) -> None:
    app = open_page("train")
    checked(app.selectbox(key="preset").set_value(new_preset).run())
    assert app.text_input(key="hidden-sizes").value == "16"
    assert not app.error


def test_learn_offers_a_preset_once_it_was_tried_and_says_that_no_detector_comes_with_it(
    new_preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = go_to(open_page(), "learn")
    app.session_state["step"] = 13
    count = len(checked(app.run()).selectbox(key="experiment").options)
    of_preset = seeds.of_preset
    monkeypatch.setattr(seeds, "of_preset", lambda trials, name: of_preset(trials, "course" if name == new_preset else name))
    assert len(checked(app.run()).selectbox(key="experiment").options) == count + 1
    app.session_state["experiment"] = new_preset
    checked(app.run())
    assert [info.value for info in app.info if "No trained detector comes with this preset" in info.value]


def test_learn_says_which_file_is_damaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    shutil.copytree(CHECKPOINTS, folder)
    (folder / "mnist-5-broadcasting.safetensors").write_bytes(b"no checkpoint")
    monkeypatch.setattr("core.presets.CHECKPOINTS", folder)
    from pages.shared.state import detectors

    detectors.shipped_checkpoint.forget()
    app = go_to(open_page(), "learn")
    app.session_state["step"] = 12
    checked(app.run())
    checked(
        next(pills for pills in app.button_group if pills.key == keys.answer("trap", 0, tab_of(app).lesson_about))
        .set_value(1)
        .run()
    )
    assert any("mnist-5-broadcasting.safetensors" in error.value for error in app.error)
    detectors.shipped_checkpoint.forget()


def test_a_new_language_begins_with_its_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(text.LOCALES, tmp_path / "locales")
    monkeypatch.setattr(text, "LOCALES", tmp_path / "locales")
    monkeypatch.setitem(LANGUAGES, "it", "Italiano")
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    app.query_params["lang"] = "it"
    checked(app.run())  # in English until somebody translates it
    catalogues.main()
    assert "Italiano: " in capsys.readouterr().out
    wanted = {message.id for message in catalogues.texts() if message.id}
    assert {message.id for message in catalogues.read("it") if message.id} == wanted
    assert not any(message.string for message in catalogues.read("it") if message.id == "Draw")

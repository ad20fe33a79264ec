"""The line on every page: the detector in use, another one, and a file that cannot be used."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core import checkpoint
from core.checkpoint import Checkpoint
from core.data.datasets import SOURCES, data_directory
from core.detector import AutoencoderDetector
from core.presets import Shipped
from pages.shared.state import data_sets
from pages.shared.state.visitor import Choice
from tests.pages.conftest import NAMES, checked, detector_box, detector_line, go_to, number_in, open_page, verdicts, visitor_of

SHIPPED = "Detector: 5 · MNIST · Best detector"


@pytest.mark.usefixtures("with_mnist")
@pytest.mark.parametrize("page", NAMES)
def test_every_page_runs_and_names_the_detector(page: str) -> None:
    app = open_page(page)
    assert detector_line(app) == SHIPPED
    assert len(app.title) == 1
    assert not app.error
    # A class that has not begun is told, whatever the data.
    assert page == "class" or not app.info, "with MNIST nothing is to be explained"


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("page", NAMES)
def test_every_page_runs_without_data_and_network(page: str) -> None:
    app = open_page(page)
    assert detector_line(app) == SHIPPED
    assert len(app.title) == 1
    assert not app.error


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("page", ["train", "browse"])
def test_a_failed_download_is_told_with_the_way_out(page: str) -> None:
    app = open_page(page)
    download = data_sets._downloads()[1]["mnist", data_directory()]
    with pytest.raises(Exception, match="could not be downloaded"):
        download.wait()
    checked(app.run())
    (notice,) = app.info
    assert "MNIST could not be downloaded" in notice.value
    assert all(archive in notice.value for archive in SOURCES["mnist"].archives)
    assert notice.value.endswith("Meanwhile this page uses the UCI handwritten digits, which come with the program.")
    again = next(button for button in app.button if button.label == "Try the download again")
    checked(again.click().run())
    assert data_sets._downloads()[1]["mnist", data_directory()] is not download


@pytest.mark.usefixtures("with_mnist")
def test_another_detector_is_in_use_on_every_page() -> None:
    course = Shipped("course", "mnist", 5)
    threshold = checkpoint.read(course.path).detector.threshold_
    app = open_page("browse")
    before = [markdown.value for markdown in app.markdown]
    detector_box(app).set_value(Choice(shipped=course))
    checked(app.run())
    assert [markdown.value for markdown in app.markdown] != before, "other verdicts, other counts"
    for page in NAMES:
        go_to(app, page)
        assert detector_line(app) == "Detector: 5 · MNIST · The course"
    go_to(app, "draw")
    checked(next(button for button in app.button if button.label == "Random test image").click().run())
    assert number_in(app, "threshold") == pytest.approx(threshold, abs=5.1e-5)


@pytest.mark.usefixtures("without_data")
def test_two_visitors_choose_apart() -> None:
    first, second = open_page(), open_page()
    detector_box(first).set_value(Choice(shipped=Shipped("course", "mnist", 5)))
    checked(first.run())
    assert detector_line(first) == "Detector: 5 · MNIST · The course"
    assert detector_line(checked(second.run())) == SHIPPED


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader(key="upload-checkpoint").set_value((name, content, "application/octet-stream"))
    return checked(app.run())


def good_file(fitted: AutoencoderDetector) -> bytes:
    return checkpoint.to_bytes(Checkpoint(fitted, tuple(fitted.losses_)))


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize(
    ("damage", "pages"),
    [("empty", ("home",)), ("text", ("home",)), ("cut", NAMES), ("flipped", ("home",))],
    ids=["empty", "text", "cut", "flipped"],
)
def test_a_broken_upload_leaves_the_detector(damage: str, pages: tuple[str, ...], fitted: AutoencoderDetector) -> None:
    whole = good_file(fitted)
    content = {
        "empty": b"",
        "text": b"no checkpoint",
        "cut": whole[:-10],
        "flipped": whole[:40] + bytes(255 - byte for byte in whole[40:80]) + whole[80:],
    }[damage]
    app = open_page()
    for page in pages:
        upload(go_to(app, page), "broken.safetensors", content)
        assert [error.value for error in app.error if error.value.endswith("The detector in use stays as it was.")]
        assert detector_line(app) == SHIPPED
        assert not visitor_of(app).runs


@pytest.mark.usefixtures("without_data")
def test_an_uploaded_checkpoint_is_in_use_at_once(fitted: AutoencoderDetector) -> None:
    app = upload(open_page(), "mine.safetensors", good_file(fitted))
    assert detector_line(app) == "Detector: 5 · UCI digits · uploaded: mine.safetensors"
    assert not app.error
    assert len(verdicts(app)) == 2
    checked(app.run())
    assert len(visitor_of(app).runs) == 1, "a rerun does not take the same file again"

    upload(app, "broken.safetensors", b"no checkpoint")
    assert app.error[0].value.endswith("The detector in use stays as it was.")
    assert detector_line(app) == "Detector: 5 · UCI digits · uploaded: mine.safetensors"
    go_to(app, "draw")
    checked(next(button for button in app.button if button.label == "Random test image").click().run())
    assert number_in(app, "threshold") == pytest.approx(fitted.threshold_, abs=5.1e-5)

    upload(app, "mine.safetensors", good_file(fitted))
    assert detector_line(app) == "Detector: 5 · UCI digits · uploaded: mine.safetensors (2)"
    go_to(app, "train")
    assert app.multiselect(key="overlaid").options == ["uploaded: mine.safetensors", "uploaded: mine.safetensors (2)"]


@pytest.mark.usefixtures("without_data")
def test_a_checkpoint_of_other_classes_is_named_for_them(fitted: AutoencoderDetector) -> None:
    other = AutoencoderDetector(replace(fitted.config, normal_classes=(3, 8)), fitted.model)
    other.set_calibration(fitted.calibration_scores_)
    app = upload(open_page(), "mine.safetensors", checkpoint.to_bytes(Checkpoint(other, ())))
    assert detector_line(app).startswith("Detector: 3, 8 · UCI digits · uploaded")
    assert any("**3, 8**" in text.value for text in app.markdown)

"""What is taken along: each file is used as whoever took it would use it."""

import io
import json
import zipfile
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image
from streamlit.testing.v1 import AppTest

from core import checkpoint
from core.checkpoint import Checkpoint
from core.data.datasets import DataSet
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector
from core.metrics import measure
from pages.shared import take_along
from pages.shared.state.visitor import Choice, Run
from pages.shared.take_along import notebook
from tests.pages.conftest import ROOT, checked, detector_box, has, open_page, visitor_of


@pytest.fixture
def made(fitted: AutoencoderDetector, split: OneClassSplit) -> Checkpoint:
    return Checkpoint(fitted, evaluation=measure(fitted, split.test))


@pytest.fixture
def unpacked(made: Checkpoint, without_data: Path, tmp_path: Path) -> Path:
    """The archive's files in a folder."""
    everything = take_along.files(made, "5 · UCI digits · run 1")[-1]
    assert everything.name == "detector-5.zip"
    content = everything.make()
    assert isinstance(content, bytes)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def run_notebook(folder: Path) -> tuple[str, Image.Image]:
    """What the notebook in a folder says, and its picture."""
    book = nbformat.read(folder / "detector-5.ipynb", as_version=4)
    nbformat.validate(book)
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    (said,) = [output.text for output in outputs if output.output_type == "stream" and output.name == "stdout"]
    (shown,) = [output.data for output in outputs if output.output_type == "execute_result"]
    assert "image/png" in shown
    return said, shown


def test_the_archive_works_on_its_own(unpacked: Path, made: Checkpoint, uci: DataSet, tmp_path: Path) -> None:
    names = {"detector-5.safetensors", "detector-5.onnx", "detector-5.ipynb", "detector-5.html", notebook.PICTURE}
    assert {path.name for path in unpacked.iterdir()} == names
    pixels = np.asarray(Image.open(unpacked / notebook.PICTURE))
    read = checkpoint.read(unpacked / "detector-5.safetensors").detector
    image = (uci.test.images * 255).round()[uci.test.labels == 5][:1] / 255
    assert np.array_equal(pixels, (image[0, 0] * 255).round().byte())
    expected = read.infer(image)

    said, _ = run_notebook(unpacked)
    word = "Anomaly" if expected.verdicts[0] else "Normal"
    assert said == (
        f"{word} score {float(expected.scores[0]):.4f}, threshold {made.detector.threshold_:.4f}, "
        f"p-value {float(expected.p_values[0]):.4f}\n"
    )

    # A pencil on grey paper, seen by a phone on its side, is framed first: the verdict is that of the same digit in the frame.
    grey = Image.fromarray(190 - (np.asarray(Image.open(unpacked / notebook.PICTURE)) * 0.6).astype(np.uint8))
    paper = Image.new("L", (500, 400), 190)
    paper.paste(grey.resize((280, 280), Image.Resampling.BICUBIC), (20, 90))
    lying = Image.Exif()
    lying[ExifTags.Base.Orientation] = 6  # to be turned by a quarter, clockwise
    paper.transpose(Image.Transpose.ROTATE_90).save(unpacked / notebook.PICTURE, exif=lying)
    upright = tmp_path / "upright.png"
    paper.save(upright)
    assert np.array_equal(run_load(unpacked / notebook.PICTURE), run_load(upright))
    said, _ = run_notebook(unpacked)
    assert float(said.split("score ")[1].split(",")[0]) == pytest.approx(float(expected.scores[0]), rel=0.5)


def code_of_the_notebook() -> list[str]:
    cells = json.loads(notebook.document("detector-5.onnx"))["cells"]
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_has_twenty_lines() -> None:
    assert len([line for source in code_of_the_notebook() for line in source.splitlines() if line.strip()]) == 20


@pytest.mark.parametrize("size", [(4, 300), (300, 4), (300, 300), (9, 20)], ids=str)
def test_the_notebook_frames_any_stroke(size: tuple[int, int], tmp_path: Path) -> None:
    """A plain 1, a dash, a block: the longer side has 20 pixels, the shorter one at least, in the middle."""
    width, height = size
    paper = Image.new("L", (500, 400), 235)
    paper.paste(20, (60, 50, 60 + width, 50 + height))
    paper.save(tmp_path / "digit.png")
    frame: NDArray[np.uint8] = run_load(tmp_path / "digit.png")
    assert frame.shape == (28, 28)
    rows, columns = np.nonzero(frame.max(axis=1) > 128)[0], np.nonzero(frame.max(axis=0) > 128)[0]
    assert (len(columns), len(rows)) == tuple(max(1, round(20 * side / max(size))) for side in size)
    for found in (rows, columns):
        assert abs(found[0] - (27 - found[-1])) <= 1


def run_load(picture: Path) -> Any:
    """What the notebook makes of a picture, before the network sees it."""
    source, names = code_of_the_notebook()[0], dict[str, Any]()
    exec(source.rpartition("model = ")[0], names)
    return names["pixels"](picture)


def test_the_card_says_what_the_file_says(made: Checkpoint) -> None:
    card = take_along.card(made, "5 · UCI digits · <run>")
    assert "<run>" not in card
    assert f"{made.evaluation.auroc:.4f}" in card
    assert f"{made.detector.threshold_:.4f}" in card
    assert "At most 5.0% of new normal images" in card
    few = copy(made.detector)
    few.calibration_scores_ = few.calibration_scores_[:4]  # of five images that rank alike one is the strangest
    assert "At most 20.0% of new normal images" in take_along.card(replace(made, detector=few), "")
    assert "<td>Epochs</td><td>2</td>" in card
    dated = copy(made.detector)
    dated.config = replace(dated.config, training=replace(dated.config.training, seed=20261128))
    assert "<td>Seed</td><td>20261128</td>" in take_along.card(replace(made, detector=dated), "")
    by_hand = take_along.card(replace(made, detector=made.detector.at_threshold(0.5)), "")
    assert "set by hand" in by_hand
    assert "At most" not in by_hand
    assert "Not measured" in take_along.card(replace(made, evaluation=None), "")


def labels(app: AppTest, place: str) -> list[str]:
    return [node.proto.label for node in app.get("download_button") if f"take-along-{place}" in node.proto.id]


FILES = ["Download checkpoint", "ONNX", "Notebook", "Card", "All in one"]


@pytest.mark.usefixtures("without_data")
def test_train_and_the_detectors_box_offer_the_same_files(made: Checkpoint) -> None:
    app = open_page("train")
    assert labels(app, "in-use") == FILES
    assert labels(app, "run") == []
    visitor_of(app).runs.append(Run.of("run 1", "trained", made))
    checked(app.run())
    assert labels(app, "run") == FILES
    detector_box(app).set_value(Choice(run=0))
    checked(app.run())
    assert labels(app, "in-use") == FILES
    assert has(app, "take-along-in-use")


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("code", ["es", "fr"])
def test_the_buttons_speak_the_visitors_language(code: str) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    app.query_params["lang"] = code
    checked(app.run())
    found = labels(app, "in-use")
    assert len(found) == len(FILES)
    assert found[2] != FILES[2]


def test_the_files_have_the_threshold_in_use(made: Checkpoint) -> None:
    changed = replace(made, detector=made.detector.at_threshold(0.01))
    assert checkpoint.from_bytes(take_along.as_checkpoint(changed)).detector.threshold_ == 0.01
    about = onnxruntime.InferenceSession(take_along.as_onnx(changed)).get_modelmeta().custom_metadata_map
    assert float(about["threshold"]) == 0.01

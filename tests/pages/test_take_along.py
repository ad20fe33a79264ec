"""What is taken along: each file is used as whoever took it would use it."""

import io
import json
import zipfile
from copy import copy
from dataclasses import replace
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import onnxruntime
import pytest
from PIL import Image
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


def test_the_archive_works_on_its_own(unpacked: Path, made: Checkpoint, uci: DataSet) -> None:
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

    # A pencil on grey paper, seen by a phone, is framed first: the verdict is that of the same digit in the frame.
    grey = Image.fromarray(190 - (np.asarray(Image.open(unpacked / notebook.PICTURE)) * 0.6).astype(np.uint8))
    paper = Image.new("L", (500, 400), 190)
    paper.paste(grey.resize((280, 280), Image.Resampling.BICUBIC), (20, 90))
    paper.save(unpacked / notebook.PICTURE)
    said, _ = run_notebook(unpacked)
    assert float(said.split("score ")[1].split(",")[0]) == pytest.approx(float(expected.scores[0]), rel=0.5)


def test_the_notebook_has_twenty_lines(made: Checkpoint) -> None:
    cells = json.loads(notebook.document("detector-5.onnx"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in cell["source"].splitlines() if line.strip()]
    assert len(lines) == 20


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

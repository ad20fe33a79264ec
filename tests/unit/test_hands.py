"""People's digits from a folder: rows, errors and the table, on pictures made here."""

import io
import json
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from core import files
from core.drawing import from_picture
from core.ensemble import Ensemble
from core.experiments import hands, options
from core.experiments.hands import Row, main, mean_auroc, pictures, table
from core.presets import read, shipped
from tests.strokes import WAYS, on_canvas, rgba


def drawn(digit: int) -> bytes:
    """Black strokes on white, as a PNG."""
    pixels = 255 - rgba(on_canvas(WAYS[digit][0]))[..., 0]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three digits and a file that is none, in two groups, and a text to be left out."""
    (tmp_path / "pen" / "deep").mkdir(parents=True)
    (tmp_path / "pen" / "3-anna.png").write_bytes(drawn(3))
    (tmp_path / "pen" / "7-anna.png").write_bytes(drawn(7))
    (tmp_path / "pen" / "deep" / "0-ben.png").write_bytes(drawn(0))
    (tmp_path / "pen" / "4-broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("left out")
    return tmp_path


def row(label: int, own: float, other: float, file: str = "a/x.png") -> Row:
    """A row of two detectors, 3 and 5, with thresholds of 1."""
    scores = {"3": own if label == 3 else other, "5": own if label == 5 else other}
    return Row(file, label, scores, {"3": 1.0, "5": 1.0})


def test_pictures_are_found_at_any_depth_by_their_first_character(folder: Path) -> None:
    assert [path.name for path in pictures(folder)] == ["3-anna.png", "4-broken.png", "7-anna.png", "0-ben.png"]


def test_rows_hold_what_each_shipped_detector_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["hands", str(folder), "--json", str(file)])
    main()
    rows = json.loads(file.read_text())
    assert [(entry["file"], entry["label"]) for entry in rows] == [
        ("pen/3-anna.png", 3), ("pen/4-broken.png", 4), ("pen/7-anna.png", 7), ("pen/deep/0-ben.png", 0),
    ]  # fmt: skip
    assert all(set(entry) == {"file", "label", "scores", "thresholds", "error"} for entry in rows)
    assert rows[1]["error"]
    assert not rows[1]["scores"]
    for made in shipped("mnist", "best"):
        detector = read(made).detector
        expected = float(detector.decision_function(from_picture(drawn(7)))[0])
        assert rows[2]["scores"][str(made.normal_class)] == pytest.approx(expected, rel=1e-4)
        assert rows[2]["thresholds"][str(made.normal_class)] == detector.threshold_
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| pen | 3 |")
    assert lines[2].endswith("| 1 |")
    assert lines[3].startswith("| pen/deep | 1 |")


def test_clean_digits_are_known_by_their_own_detector(folder: Path) -> None:
    ensemble = hands.Ensemble([read(each).detector for each in shipped()])
    judged = [entry for entry in hands.judge(folder, [str(digit) for digit in range(10)], ensemble) if not entry.error]
    assert [entry.best for entry in judged] == [entry.label for entry in judged]
    assert not any(entry.is_own_strange for entry in judged)


def test_mean_auroc_by_scikit_learn() -> None:
    random = np.random.default_rng(0)
    rows = [row(3 if number % 2 else 5, *random.uniform(0, 2, 2)) for number in range(40)]
    expected = [
        roc_auc_score([entry.label != int(digit) for entry in rows], [entry.scores[digit] for entry in rows])
        for digit in ("3", "5")
    ]
    assert mean_auroc(rows) == pytest.approx(np.mean(expected))


def test_table_by_hand() -> None:
    rows = [row(3, 0.5, 2.0), row(3, 1.5, 1.2), row(5, 0.2, 3.0), Row("a/5.png", 5, error="blank"), row(5, 1.0, 2.0)]
    cells = table(rows).splitlines()[2].split(" | ")
    # A score that equals the threshold is no anomaly; the second 3 is one, and fits the 5 better.
    assert cells[:2] == ["| a", "5"]
    assert cells[3:6] == ["25.0%", "25.0%", "75.0%"]
    assert cells[-1] == "1 |"


def test_a_picture_that_may_not_be_read_is_told_others_are_judged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "7-anna.png":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    rows = list(hands.judge(folder, ["3"], Ensemble([read(shipped("mnist", "best")[3]).detector])))
    assert [row.error for row in rows if row.file == "pen/7-anna.png"] == ["The file cannot be read: Permission denied."]
    assert sum(not row.error for row in rows) == 2


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--preset", "narrow"], "The preset narrow does not ship with a detector of each digit of mnist."),
        (["--json", "{folder}/notes.txt/rows.json"], "cannot be written: "),
        (["--json", "{folder}/pen"], "cannot be written: Is a directory."),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_judged(
    asked: list[str], told: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hands, "judge", None)
    monkeypatch.setattr(sys, "argv", ["hands", str(folder), *(part.format(folder=folder) for part in asked)])
    with pytest.raises(SystemExit):
        main()
    assert told in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["hands", "/nowhere"])
    with pytest.raises(SystemExit):
        main()
    assert "/nowhere is not a folder" in capsys.readouterr().err


def test_a_link_or_a_file_that_cannot_be_exchanged_is_written_to_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, link = tmp_path / "rows.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    options.write_json(options.file_to_write(str(link)), [1])
    assert link.is_symlink()
    assert json.loads(target.read_text()) == [1]
    monkeypatch.setattr(files.os, "replace", Mock(side_effect=OSError(16, "Device or resource busy")))
    options.write_json(options.file_to_write(str(target)), [2])
    assert json.loads(target.read_text()) == [2]
    with pytest.raises(OSError, match="busy"):
        options.write_json(options.file_to_write(str(tmp_path / "new.json")), [3])

"""The benchmark: same images for all methods, honest selection, a table that says what the rows say."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.data.datasets import DataSet, as_images
from core.data.split import OneClassSplit, split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.experiments import benchmark
from core.experiments.baselines import Scorer
from core.experiments.benchmark import METHODS, Row, autoencoder, main, run, run_shifts, selection_split, table
from core.experiments.shifts import SHIFTS
from core.metrics import evaluate

UCI = DetectorConfig(data_set="uci-digits", normal_classes=(0,))


def test_every_method_tells_zeros_from_the_rest_better_than_chance(uci: DataSet) -> None:
    split = split_one_class(uci, (0,), 0)
    for method in METHODS:
        row = run(method, UCI, split)
        assert row.auroc > 0.8, method
        assert 0 <= row.false_alarm_rate <= 0.3, method
        assert row.fit_seconds > 0


def test_a_row_holds_what_evaluate_says_of_the_method_s_scores(uci: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_one_class(uci, (0,), 0)

    def brightness(_config: DetectorConfig, _train: torch.Tensor) -> Scorer:
        return lambda images: images.mean(dim=(1, 2, 3))

    monkeypatch.setitem(METHODS, "brightness", brightness)
    row = run("brightness", UCI, split)
    scores = split.test.images.mean(dim=(1, 2, 3))
    assert len(split.calibration) < 39, "then the 95 % rank of n + 1 is the largest of n"
    threshold = float(split.calibration.mean(dim=(1, 2, 3)).max())
    figures = evaluate(scores, split.test.labels, (0,), threshold)
    assert (row.auroc, row.average_precision) == (figures.auroc, figures.average_precision)
    assert (row.false_alarm_rate, row.catch_rate) == (figures.false_alarm_rate, figures.catch_rate)


def test_a_detector_s_threshold_is_the_one_it_calibrates(uci: DataSet) -> None:
    split = split_one_class(uci, (0,), 0)
    detector = METHODS["best"](UCI, split.train)
    assert isinstance(detector, AutoencoderDetector)
    detector.calibrate(split.calibration)
    normals = split.test.images[split.test.labels == 0]
    assert run("best", UCI, split).false_alarm_rate == detector.predict(normals).double().mean()


def test_a_detector_of_varied_images_is_calibrated_as_such(uci: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "strict", autoencoder(lambda config: replace(config, false_alarm_rate=0.4)))
    config = replace(UCI, training=replace(UCI.training, vary=True))
    split = config.split(uci)
    assert split.copies > 0
    detector = METHODS["strict"](config, split.train)
    assert isinstance(detector, AutoencoderDetector)
    normals = split.test.images[split.test.labels == 0]
    without_copies, expected = (
        float(detector.calibrate(split.calibration, copies).predict(normals).double().mean()) for copies in (0, split.copies)
    )
    assert without_copies != expected, "or this test would say nothing"
    assert run("strict", config, split).false_alarm_rate == expected
    unchanged = next(row for row in run_shifts(uci, ["strict"], [config]) if row.shift == next(iter(SHIFTS)))
    assert unchanged.false_alarm_rate == expected


def test_selection_never_sees_the_test_file(uci: DataSet) -> None:
    split = split_one_class(uci, (3,), 0)
    chosen = selection_split(uci, split, (3,))
    training = {image.numpy().tobytes() for image in as_images(uci.train_images)}
    assert all(image.numpy().tobytes() in training for image in chosen.test.images)
    assert torch.equal(chosen.train, split.train)
    normals = chosen.test.images[chosen.test.labels == 3]
    assert torch.equal(normals, split.calibration)
    fitted = {image.numpy().tobytes() for image in split.train}
    assert not any(image.numpy().tobytes() in fitted for image in chosen.test.images)


def test_the_broadcasting_mistake_learns_the_mean_image(uci: DataSet) -> None:
    split: OneClassSplit = split_one_class(uci, (5,), 0)
    right, wrong = (run(method, UCI, split).auroc for method in ("course", "broadcasting"))
    assert wrong < right


def test_table_gives_means_over_seeds_and_their_spread() -> None:
    rows = [
        Row("mnist", "m", normal, seed, auroc, 0.5, 0.05, 0.9, 1.0, 2.0)
        for normal, seed, auroc in (("0", 1, 0.8), ("1", 1, 0.6), ("0", 2, 1.0), ("1", 2, 0.8))
    ]
    line = table(rows).splitlines()[2].split(" | ")
    assert line[:5] == ["| m", "0.9000", "0.7000", "0.8000", "0.1000"]


def test_command_writes_rows_in_the_documented_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.json"
    asked = ["--dataset", "uci-digits", "--digits", "0+1+2", "--methods", "pca", "--seeds", "2", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["benchmark", *asked])
    main()
    rows = json.loads(file.read_text())
    assert [(row["class"], row["seed"], row["method"]) for row in rows] == [("0+1+2", 1337, "pca"), ("0+1+2", 1338, "pca")]
    assert rows[0]["dataset"] == "uci-digits"
    assert set(rows[0]) == {
        "dataset", "method", "class", "seed", "auroc", "average_precision",
        "false_alarm_rate", "catch_rate", "fit_seconds", "score_seconds",
    }  # fmt: skip
    assert "| pca |" in capsys.readouterr().out
    assert benchmark.PUBLISHED


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("--seed 1-5", "argument --seed: takes one value, not all of 1-5."),
        ("--seeds 0", "argument --seeds: is a whole number from 1 on, not “0”."),
        ("--normal 9-5", "9-5"),
        ("--seed 5-1", "5-1"),
        ("--select --shifts", "not allowed with argument"),
        ("--json /proc/none/x.json", "/proc/none/x.json cannot be written: "),
    ],
)
def test_what_cannot_be_measured_is_told_in_words_at_once(
    asked: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "load_or_download", None)
    monkeypatch.setattr(sys, "argv", ["benchmark", *asked.split()])
    with pytest.raises(SystemExit) as ended:
        benchmark.main()
    assert told in f"{capsys.readouterr().err} {ended.value}"


def test_a_selection_has_no_false_alarms_of_its_own() -> None:
    row = Row("mnist", "course", "5", 1, 0.9, 0.8, 0.05, 0.7, 1.0, 2.0)
    assert "5.0%" in benchmark.table([row])
    assert "5.0%" not in benchmark.table([row], is_selection=True)


def test_one_class_is_a_number_in_the_json() -> None:
    assert Row("mnist", "m", "7", 1, 0.8, 0.5, 0.05, 0.9, 1.0, 2.0).as_json()["class"] == 7


def test_an_unknown_method_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", "--methods", "best,magic"])
    with pytest.raises(SystemExit):
        main()
    assert "There is no method magic" in capsys.readouterr().err

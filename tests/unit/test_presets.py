"""Named settings and the detectors that ship."""

from dataclasses import replace
from pathlib import Path

import pytest

from core import presets
from core.checkpoint import read
from core.model import layers
from core.presets import COURSE, PRESETS, Shipped, preset, preset_of, shipped, shipped_as

SHIPPED = sorted(presets.CHECKPOINTS.glob("*-*.safetensors"))


def test_the_course_preset_is_the_courses_lesson() -> None:
    assert [stage.units for stage in layers(COURSE.model)] == [784, 512, 256, 128, 256, 512, 784]
    assert (COURSE.training.epochs, COURSE.training.batch_size, COURSE.training.learning_rate) == (10, 64, 1e-3)
    assert (COURSE.training.noise, COURSE.preprocessing) == (0.0, "none")
    assert (COURSE.score.smoothing, COURSE.score.ink_exponent, COURSE.score.loop_weight) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_a_network_back_to_784_pixels(name: str) -> None:
    stages = layers(PRESETS[name].model)
    assert stages[0].units == stages[-1].units == 784
    assert [stage.units for stage in stages if stage.is_latent] == [PRESETS[name].model.latent_dim]


def test_clothes_are_not_straightened_and_recall_more_neighbours() -> None:
    digits, clothes = preset("best", "mnist"), preset("best", "fashion-mnist")
    assert (digits.preprocessing, clothes.preprocessing) == ("standard-stroke", "none")
    assert digits.neighbours < clothes.neighbours
    assert preset("course", "fashion-mnist") == replace(COURSE, data_set="fashion-mnist")


def test_presets_differ() -> None:
    assert len(set(PRESETS.values())) == len(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_ready_detector_for_5(name: str) -> None:
    assert read(Shipped(name, "mnist", 5).path).config == PRESETS[name]


def test_only_checkpoints_that_are_there_are_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "CHECKPOINTS", tmp_path)
    assert shipped() == []
    for name in ("mnist-7-best", "mnist-2-best", "mnist-5-course", "fashion-mnist-1-best"):
        (tmp_path / f"{name}.safetensors").touch()
    assert shipped() == [Shipped("best", "mnist", 2), Shipped("best", "mnist", 7)]
    assert [each.normal_class for each in shipped("fashion-mnist")] == [1]
    assert [each.normal_class for each in shipped(preset="course")] == [5]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_checkpoint_is_what_its_name_says(path: Path) -> None:
    made = read(path)
    (label,) = made.config.normal_classes
    assert path.stem.startswith(f"{made.config.data_set}-{label}-")
    assert made.evaluation is not None
    # Two presets show what goes wrong: both draw little more than the mean image.
    assert made.evaluation.auroc > (0.7 if path.stem.endswith(("few-epochs", "broadcasting")) else 0.8)
    assert len(made.losses) == made.config.training.epochs


@pytest.mark.parametrize("name", PRESETS)
def test_a_detector_is_recognised_by_its_settings(name: str) -> None:
    config = PRESETS[name]
    assert preset_of(replace(config, normal_classes=(3, 4))) == name
    assert shipped_as(config) == Shipped(name, "mnist", 5)
    assert shipped_as(replace(config, threshold=0.5)) == Shipped(name, "mnist", 5)
    assert preset_of(replace(config, threshold=0.5)) == name
    assert shipped_as(replace(config, false_alarm_rate=0.07)) is None
    assert shipped_as(replace(config, normal_classes=(5, 6))) is None
    assert shipped_as(replace(config, normal_classes=())) is None
    assert shipped_as(replace(config, data_set="uci-digits")) is None


def test_changed_settings_are_of_no_preset() -> None:
    assert preset_of(replace(COURSE, neighbours=3)) is None

"""Train's form and the table of settings it is made from."""

from collections.abc import Iterator
from dataclasses import field, make_dataclass
from typing import get_args, get_type_hints

import pytest
from streamlit.testing.v1 import AppTest

from core import checkpoint, detector
from core.data.datasets import DataSet
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import SettingError
from core.experiments import sweep, sweep_table
from core.link import decode, encode
from core.model import ModelConfig
from core.presets import PRESETS
from core.scoring import ScoreConfig
from core.settings import SETTINGS, Choice, Number, Setting, Switch
from core.training import TrainConfig
from pages.shared.state import detectors
from tests.pages.conftest import ROOT, checked, go_to


def train_with(**parts: str) -> AppTest:
    """A new visitor who opens Train by a link with these parts."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    app.query_params.update(parts)
    return go_to(checked(app.run()), "train")


@pytest.mark.parametrize(
    ("part", "text"),
    [("neighbours", "31"), ("neighbours", "100"), ("smoothing", "5"), ("epochs", "200"), ("rate", "1"), ("alarms", "0.123")],
)
@pytest.mark.usefixtures("without_data")
def test_whatever_a_link_may_ask_for_the_form_can_show(part: str, text: str) -> None:
    app = train_with(data="uci-digits", **{part: text})
    assert not app.error
    assert not app.button(key="start").disabled


@pytest.fixture
def tilt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """A new setting, as CONTRIBUTING's recipe adds it: a field with its default, and one row."""
    score = make_dataclass("Score", [("tilt", float, field(default=0.0))], bases=(ScoreConfig,), frozen=True)
    config = make_dataclass("Config", [("score", score, field(default_factory=score))], bases=(DetectorConfig,), frozen=True)
    monkeypatch.setattr(detector, "ScoreConfig", score)
    monkeypatch.setattr(detector, "DetectorConfig", config)
    for name, old in PRESETS.items():
        monkeypatch.setitem(PRESETS, name, config(**vars(old) | {"score": score(**vars(old.score))}))
    row = Setting("tilt", ("score", "tilt"), Number(float, 0.0, 2.0, step=0.5), "slider", "score", "Tilt of the score")
    monkeypatch.setitem(SETTINGS, "tilt", row)
    detectors.shipped_checkpoint.forget()  # those that were read before have no such field
    yield row
    detectors.shipped_checkpoint.forget()


@pytest.mark.usefixtures("without_data")
def test_a_new_setting_appears_in_link_form_sweep_and_checkpoint(
    tilt: Setting, uci: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"data": "uci-digits", "normal": "5", "preset": "course", "tilt": "1.5"}
    name, config = decode(parts)
    assert tilt.of(config) == 1.5
    assert encode(config, name) == parts
    with pytest.raises(SettingError, match=r"Seed is between 0 and 2147483647, not 3000000000\."):
        decode({"seed": "3000000000"})
    with pytest.raises(SettingError, match=r"is between 0\.01 and 99\.99, not 100\.5\."):
        decode({"alarms": "1.005"})
    with pytest.raises(SettingError, match=r"Tilt of the score is between 0 and 2, not 2\.5\."):
        decode(parts | {"tilt": "2.5"})

    app = train_with(**parts)
    widget = app.select_slider(key="tilt")
    assert (widget.label, widget.value) == ("Tilt of the score", 1.5)
    checked(widget.set_value(0.5).run())
    assert not app.error

    with pytest.raises(SystemExit):
        sweep.main(["--help"])
    assert "--tilt TILT" in capsys.readouterr().out
    asked = sweep.grid({"data": ["uci-digits"], "preset": ["course"], "epochs": ["1"], "tilt": ["0.5", "2"]})
    row = sweep.measure(asked[1], uci)
    assert isinstance(row, sweep_table.Row)
    assert row.cells["tilt"] == 2.0
    assert "tilt" in sweep_table.columns()

    made = AutoencoderDetector(config).calibrate(uci.test.images[:30])
    assert tilt.of(checkpoint.from_bytes(checkpoint.to_bytes(checkpoint.Checkpoint(made))).config) == 1.5


def test_every_setting_has_a_row_and_every_choice_its_label() -> None:
    configs = {(): DetectorConfig, ("model",): ModelConfig, ("training",): TrainConfig, ("score",): ScoreConfig}
    for setting in SETTINGS.values():
        *inside, name = setting.place
        kind = get_type_hints(configs[tuple(inside)])[name]
        match setting.values:
            case Choice(labels=labels):
                assert set(get_args(kind)) == set(labels)
            case Switch(off=off, on=on):
                assert set(get_args(kind) or (False, True)) == {off, on}
            case Number(kind=number, is_optional=is_optional):
                assert kind == (number | None if is_optional else number)
        assert setting.help == "" or setting.term == ""

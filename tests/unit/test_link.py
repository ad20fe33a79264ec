"""Settings as parts of a link, and back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.data.datasets import SOURCES
from core.detector import DetectorConfig
from core.errors import UserError
from core.link import LinkError, decode, encode, names
from core.model import ModelConfig
from core.presets import PRESETS, preset
from core.scoring import ScoreConfig
from core.settings import SETTINGS
from core.training import TrainConfig

CONFIGS = some.builds(
    DetectorConfig,
    data_set=some.sampled_from(sorted(SOURCES)),
    normal_classes=some.sets(some.integers(0, 9), min_size=1, max_size=9).map(lambda classes: tuple(sorted(classes))),
    preprocessing=some.sampled_from(["none", "deskew", "standard-stroke"]),
    model=some.builds(
        ModelConfig,
        architecture=some.sampled_from(["dense", "convolutional"]),
        hidden_sizes=some.lists(some.integers(1, 4096), max_size=6).map(tuple),
        latent_dim=some.integers(1, 4096),
        latent_activation=some.sampled_from(["relu", "none"]),
        initialisation=some.sampled_from(["torch", "he"]),
    ),
    training=some.builds(
        TrainConfig,
        epochs=some.integers(1, 200),
        batch_size=some.integers(1, 128),
        learning_rate=some.floats(1e-6, 10.0),
        schedule=some.sampled_from(["constant", "one-cycle"]),
        noise=some.floats(0.0, 1.0),
        seed=some.integers(0, 2**31 - 1),
        broadcasting=some.booleans(),
    ),
    score=some.builds(
        ScoreConfig,
        smoothing=some.floats(0.0, 5.0),
        power=some.floats(1.0, 4.0),
        ink_exponent=some.floats(0.0, 3.0),
        loop_weight=some.floats(0.0, 1.0),
    ),
    neighbours=some.integers(0, 100),
    turns=some.integers(0, 4),
    false_alarm_rate=some.floats(0.005, 0.3),
    threshold=some.none() | some.floats(0.0, 1e9),
)


@given(CONFIGS, some.sampled_from(sorted(PRESETS)))
def test_what_a_link_says_is_what_was_written_into_it(config: DetectorConfig, name: str) -> None:
    assert decode(encode(config, name)) == (name, config)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("data_set", SOURCES)
def test_a_preset_as_it_is_needs_three_parts(name: str, data_set: str) -> None:
    parts = encode(replace(preset(name, data_set), normal_classes=(3, 7)), name)
    assert parts == {"data": data_set, "normal": "3,7", "preset": name}


def test_every_setting_has_a_part() -> None:
    def leaves(config: object, *place: str) -> set[tuple[str, ...]]:
        fields = getattr(config, "__dataclass_fields__", None)
        return {place} if fields is None else {leaf for name in fields for leaf in leaves(getattr(config, name), *place, name)}

    assert {setting.place for setting in SETTINGS.values()} | {("data_set",), ("class_names",), ("normal_classes",)} == leaves(
        DetectorConfig()
    )


def test_no_parts_are_the_best_detector_for_5() -> None:
    assert decode({}) == ("best", preset("best", "mnist"))


@pytest.mark.parametrize(
    "parts",
    [
        {"data": "imagenet"},
        {"preset": "<b>best</b>"},
        {"normal": ""},
        {"normal": "5,5"},
        {"normal": "10"},
        {"normal": "-1"},
        {"normal": "0,1,2,3,4,5,6,7,8,9"},
        {"normal": "five"},
        {"latent": "1e9"},
        {"latent": "999999999"},
        {"latent": "0"},
        {"hidden": "512,,256"},
        {"hidden": "1,2,3,4,5,6,7"},
        {"epochs": "2.5"},
        {"epochs": "100000"},
        {"rate": "nan"},
        {"rate": "inf"},
        {"rate": "-1"},
        {"alarms": "1"},
        {"alarms": "0"},
        {"threshold": "-0.1"},
        {"threshold": "nan"},
        {"threshold": "high"},
        {"seed": "9" * 99},
        {"seed": "1" * 10_000},
        {"batch": "4096", "broadcasting": "1"},
        {"broadcasting": "yes"},
        {"architecture": "<script>alert(1)</script>"},
        {"junk": "x"},
        {"x" * 5000: "y"},
    ],
    ids=lambda parts: str(parts)[:40],
)
def test_an_impossible_link_is_refused_in_a_sentence(parts: dict[str, str]) -> None:
    with pytest.raises(UserError) as refused:
        decode(parts)
    assert str(refused.value).endswith(".")
    assert len(str(refused.value)) < 200


@given(
    some.dictionaries(some.sampled_from(names()) | some.text(), some.text() | some.integers().map(str) | some.floats().map(str))
)
def test_any_link_is_settings_or_a_sentence(parts: dict[str, str]) -> None:
    try:
        _name, config = decode(parts)
    except UserError:
        return
    assert isinstance(config, DetectorConfig)


def test_the_sentence_names_the_part() -> None:
    with pytest.raises(LinkError, match="“normal” cannot be “eleven”"):
        decode({"normal": "eleven"})

"""Settings on the command line: the same words and values for every command."""

import argparse
import runpy
import sys
from types import ModuleType

import pytest

from core.experiments import benchmark, compression, discoveries, fit, hands, localization, options, sweep


def normals(*values: str) -> list[tuple[int, ...]]:
    return [config.normal_classes for _, config in options.combinations({"normal": list(values)})]


def older(text: str) -> list[tuple[int, ...]]:
    """What benchmark's --digits, and fit's --classes, mean."""
    parser = argparse.ArgumentParser()
    options.add_settings(parser, several=["normal"])
    options.add_older_name(parser, "--digits", "normal")
    return normals(*options.axes(parser.parse_args(["--digits", text]))["normal"])


def test_normal_classes_are_ranges_of_single_ones_and_sets() -> None:
    assert normals("5") == [(5,)]
    assert normals("0-2", "7") == [(0,), (1,), (2,), (7,)]
    assert normals("3,0") == [(0, 3)]
    assert normals("2-2") == [(2,)]


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("5", [(5,)]),
        ("0-9", [(digit,) for digit in range(10)]),
        ("1,3,7-9", [(1,), (3,), (7,), (8,), (9,)]),
        ("0+1+2", [(0, 1, 2)]),
        ("2,3,5,8", [(2,), (3,), (5,), (8,)]),
    ],
)
def test_the_older_way_to_write_classes_still_means_the_same(text: str, classes: list[tuple[int, ...]]) -> None:
    assert older(text) == classes


def test_every_combination_has_its_settings() -> None:
    made = list(options.combinations({"data": ["uci-digits"], "preset": ["course", "wide"], "seed": ["1-2"]}))
    assert [(name, config.data_set, config.training.seed) for name, config in made] == [
        (name, "uci-digits", seed) for name in ("course", "wide") for seed in (1, 2)
    ]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (fit, ("data", "normal", "preset", "seed")),
        (sweep, ("data", "normal", "preset", "seed", "latent", "turns")),
        (benchmark, ("data", "normal", "seed", "dataset", "digits", "methods", "seeds", "select", "shifts", "json")),
        (hands, ("data", "preset", "json")),
        (compression, ("data", "seed")),
        (localization, ("normal", "preset", "digits", "images")),
        (discoveries, ("normal", "preset", "share", "anomalies", "splits")),
    ],
)
def test_commands_share_their_options(
    module: ModuleType, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["", "--help"])
    monkeypatch.delitem(sys.modules, module.__name__)  # run as a program, it is another module
    with pytest.raises(SystemExit):
        runpy.run_module(module.__name__, run_name="__main__")
    said = capsys.readouterr().out
    assert [name for name in names if f"--{name} " not in said] == []


@pytest.mark.parametrize("module", [localization, discoveries])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--preset", "junk"), "“preset” cannot be “junk”"),
        (("--preset", "narrow", "--normal", "3"), "No detector ships with the preset narrow for these normal classes."),
    ],
    ids=["unknown", "not shipped"],
)
def test_a_detector_that_is_not_there_is_told_before_data_are_read(
    module: ModuleType, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        module.main(words)
    assert sentence in f"{ended.value} {capsys.readouterr().err}"


def test_shipped_detectors_are_asked_for_by_the_shared_options() -> None:
    found = options.shipped_of(argparse.ArgumentParser(), {"normal": ["5", "0-1"], "preset": ["course", "narrow"]})
    assert {name: [made.normal_class for made in every] for name, every in found.items()} == {
        "course": [5, 0, 1],
        "narrow": [5],
    }

"""Look inside: the plane, the decoder, the walk and the compression, against the detector itself."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor

from core import checkpoint, latent, presets
from core.checkpoint import Checkpoint
from core.data.datasets import FALLBACK, DataSet, as_images, load
from core.data.own import OwnImages
from core.detector import AutoencoderDetector, DetectorConfig
from core.experiments import compression
from core.model import ModelConfig
from core.presets import Shipped
from pages.shared.html import pictures
from pages.shared.state import classroom, detectors, keys, latent_space
from pages.shared.state.drawings import Canvas, Drawings, StripDrawing
from pages.shared.state.visitor import Choice, Run
from tests.pages.conftest import checked, detector_line, go_to, html_of, inside, open_page, plain, tab_of, visitor_of
from tests.signs import many

WHERE, MOVE, WALK, COMPRESSION = "Where images lie", "Move", "Walk", "Compression"


def open_section(app: AppTest, section: str) -> AppTest:
    app.session_state["latent-section"] = section
    return checked(app.run())


def test_another_language_leaves_the_section_open() -> None:
    app = open_section(open_page("latent"), WALK)
    app.session_state[keys.LANGUAGE] = visitor_of(app).language = "de"
    checked(app.run())
    titles = [tab.label for tab in app.tabs]
    assert titles[2] != WALK
    assert app.session_state["latent-section"] == titles[2]


@pytest.mark.usefixtures("without_data")
def test_the_plane_says_of_which_images_it_shows_the_variance() -> None:
    app = open_page("latent")
    assert any("of the variance of normal images" in caption.value for caption in app.caption)
    visitor_of(app).choice = Choice(shipped=Shipped("best", "fashion-mnist", 3))
    checked(app.run())
    assert any("hardly any is normal" in caption.value for caption in app.caption), "digits instead of clothes"


def sent_to(app: AppTest, key: str) -> dict[str, Any]:
    """What the component with this key was sent."""
    (component,) = (node for node in app.main if node.type == "bidi_component" and node.key == key)
    data: dict[str, Any] = json.loads(component.proto.json)
    return data


def shown_pictures(app: AppTest, key: str) -> list[str]:
    """Addresses of the pictures in the container with this key."""
    return re.findall(r'src="([^"]+)"', "".join(html_of(inside(app, key))))


def address(image: Tensor) -> str:
    """The address under which the page shows an image."""
    return re.findall(r'src="([^"]+)"', pictures.picture(image, ""))[0]


def drawing(image: Tensor) -> StripDrawing:
    return StripDrawing(pictures.grey_pixels(image), "canvas", lambda: "drawing", "5", 0.0, 1.0, False)


@pytest.fixture
def app(with_mnist: DataSet) -> AppTest:
    return open_page("latent")


@pytest.fixture(scope="module")
def shown(mnist: DataSet) -> Tensor:
    return latent.sample(mnist.test.labels, latent_space.TEST_IMAGES)


# ---------------------------------------------------------------- where images lie


def test_every_point_tells_class_kind_and_score(app: AppTest, shown: Tensor, mnist: DataSet, best: AutoencoderDetector) -> None:
    points = sent_to(app, "plane-images")["points"]
    assert points["tiles"] == list(range(1000))
    labels = mnist.test.labels[shown].tolist()
    assert set(labels) == set(range(10))
    assert points["kinds"] == ["normal" if label == 5 else "anomaly" for label in labels]
    scores = best.decision_function(mnist.test.images[shown]).tolist()
    assert points["texts"] == [f"{label}\nscore {score:.4f}" for label, score in zip(labels, scores, strict=True)]


def test_points_lie_where_normal_images_spread_widest(
    app: AppTest, shown: Tensor, mnist: DataSet, best: AutoencoderDetector
) -> None:
    fives = as_images(mnist.train_images[mnist.train_labels == 5][: latent_space.NORMAL_IMAGES])
    projection = latent.fit_projection(latent.encode(best, fives))
    expected = projection.transform(latent.encode(best, mnist.test.images[shown]))
    sent = sent_to(app, "plane-images")
    for values, axis in (("x", 0), ("y", 1)):
        assert sent["points"][values] == pytest.approx(expected[:, axis].tolist(), abs=1e-3)
    left, right, bottom, top = sent["extent"]
    assert left < min(sent["points"]["x"]) < max(sent["points"]["x"]) < right
    assert bottom < min(sent["points"]["y"]) < max(sent["points"]["y"]) < top


def test_chosen_point_is_shown_with_its_verdict(app: AppTest, shown: Tensor, mnist: DataSet, best: AutoencoderDetector) -> None:
    for number in (0, 123):
        tab_of(app).chosen_image = number
        checked(app.run())
        result = best.infer(mnist.test.images[shown[number : number + 1]])
        assert shown_pictures(app, "latent-image")[:2] == [address(result.images[0]), address(result.reconstructions[0])]
        title = plain(html_of(inside(app, "latent-image"))[0])
        assert title.startswith(str(int(mnist.test.labels[shown[number]])))
        assert ("Anomaly" in title) == bool(result.verdicts[0])
        score = f"Anomaly score {float(result.scores[0]):.4f}, threshold {best.threshold_:.4f}"
        assert score in [caption.value for caption in app.caption]
        assert sent_to(app, "plane-images")["chosen"] == number


def test_classes_filter_points_and_keep_their_places(app: AppTest) -> None:
    before = sent_to(app, "plane-images")
    checked(app.button_group(key="latent-classes").set_value([5, 7]).run())
    after = sent_to(app, "plane-images")
    assert {text[0] for text in after["points"]["texts"]} == {"5", "7"}
    assert len(after["points"]["tiles"]) == 200
    assert after["extent"] == before["extent"]
    for x, tile in zip(after["points"]["x"], after["points"]["tiles"], strict=True):
        assert x == before["points"]["x"][tile]


def test_drawings_land_on_the_plane_with_their_numbers(app: AppTest, mnist: DataSet, best: AutoencoderDetector) -> None:
    seven = mnist.test.images[:1]
    visitor_of(app).drawings = Drawings(strip=[drawing(mnist.test.images[1]), drawing(seven[0])])
    points = sent_to(checked(app.run()), "plane-images")["points"]
    assert points["kinds"][-3:] == ["anomaly", "drawing", "drawing"]
    assert points["numbers"][-3:] == ["", "1", "2"]
    assert points["texts"][-1] == f"Drawing 2\nscore {float(best.decision_function(seven)[0]):.4f}"
    tab_of(app).chosen_image = 1001
    checked(app.run())
    assert plain(html_of(inside(app, "latent-image"))[0]).startswith("Drawing 2")

    checked(app.button_group(key="latent-layout").set_value("t-sne").run())
    points = sent_to(app, "plane-images")["points"]
    assert len(points["tiles"]) == latent_space.NEIGHBOUR_IMAGES + 2
    assert points["tiles"][-2:] == [1000, 1001]
    near = (torch.tensor([points["x"], points["y"]]) - torch.tensor([[points["x"][-1]], [points["y"][-1]]])).norm(dim=0)
    nearest = near[:-2].argsort()[:15].tolist()
    assert sum(points["texts"][number].startswith("7") for number in nearest) > 7, "a 7 lies among 7s"

    checked(open_section(app, WALK).selectbox(key="walk-from").set_value("drawing-1").run())
    assert shown_pictures(app, "walk-here")[0] == address(best.infer(mnist.test.images[1:2]).images[0])


def test_what_is_to_be_predicted_is_not_shown_here(app: AppTest, mnist: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [replace(drawing(image), generation=generation) for generation, image in enumerate(mnist.test.images[:2])]
    visitor_of(app).drawings = Drawings(Canvas(generation=1), strip=drawn)
    assert sent_to(checked(app.run()), "plane-images")["points"]["kinds"][-2:] == ["drawing", "drawing"]
    monkeypatch.setattr(classroom, "hides_verdict", lambda: True)
    assert sent_to(checked(app.run()), "plane-images")["points"]["kinds"][-2:] == ["anomaly", "drawing"]


# ---------------------------------------------------------------- moving and walking


def test_sliders_and_map_move_the_decoder(app: AppTest, best: AutoencoderDetector, mnist: DataSet) -> None:
    open_section(app, MOVE)
    fives = as_images(mnist.train_images[mnist.train_labels == 5][: latent_space.NORMAL_IMAGES])
    projection = latent.fit_projection(latent.encode(best, fives))
    middle = latent.decode(best, projection.inverse_transform(torch.zeros(1, 6)))[0]
    assert shown_pictures(app, "decoded") == [address(middle)]
    map_before = sent_to(app, "plane-map")

    app.slider(key="direction-0").set_value(1.5)
    checked(app.slider(key="direction-1").set_value(-2.0).run())
    place = torch.tensor([[1.5, -2.0, 0.0, 0.0, 0.0, 0.0]])
    assert shown_pictures(app, "decoded") == [address(latent.decode(best, projection.inverse_transform(place))[0])]
    map_after = sent_to(app, "plane-map")
    assert map_after["cursor"] == pytest.approx([1.5, -2.0])
    assert map_after["backdrop"] == map_before["backdrop"], "moving in the map does not change it"

    checked(app.slider(key="direction-4").set_value(2.5).run())
    assert sent_to(app, "plane-map")["backdrop"] != map_before["backdrop"]

    checked(next(button for button in app.button if button.label == "Back to the middle").click().run())
    assert shown_pictures(app, "decoded") == [address(middle)]


@pytest.mark.usefixtures("without_data")
def test_the_map_is_drawn_along_the_axes_of_the_images_that_are_there(uci: DataSet, best: AutoencoderDetector) -> None:
    app = open_section(open_page("latent"), MOVE)
    chosen = (uci.train_labels == 5).nonzero().flatten()[:20]
    visitor_of(app).own = own = OwnImages.of(uci.train_images[chosen], ["5"] * len(chosen))
    for source, fives in ((FALLBACK, uci.train_images[uci.train_labels == 5]), (own.name, own.images)):
        visitor_of(app).test_source = visitor_of(app).choice, source
        projection = latent.fit_projection(latent.encode(best, as_images(fives[: latent_space.NORMAL_IMAGES])))
        cells = latent.grid((-3.0, -3.0), (3.0, 3.0), latent_space.MAP_CELLS, latent_space.MAP_CELLS)
        drawn = latent.decode(best, projection.inverse_transform(torch.cat([cells, torch.zeros(len(cells), 4)], dim=1)))
        assert sent_to(checked(app.run()), "plane-map")["backdrop"] == pictures.tiles(drawn, columns=latent_space.MAP_CELLS)


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("names", [["5"], ["7"], ["5", "7"]], ids=" ".join)
def test_before_an_image_or_two_the_page_is_there(names: list[str], uci: DataSet) -> None:
    app = open_page("latent")
    visitor_of(app).own = own = OwnImages.of(uci.train_images[: len(names)], names)
    visitor_of(app).test_source = visitor_of(app).choice, own.name
    checked(app.run())
    checked(app.button_group(key="latent-layout").set_value("t-sne").run())
    for section in (MOVE, WALK):
        open_section(app, section)


def test_walk_goes_from_one_reconstruction_to_the_other(app: AppTest, best: AutoencoderDetector, mnist: DataSet) -> None:
    open_section(app, WALK)
    first = shown_pictures(app, "walk-here")
    steps = shown_pictures(app, "walk-steps")
    assert len(steps) == 9
    shown = latent.sample(mnist.test.labels, latent_space.TEST_IMAGES)
    own = [mnist.test.images[shown[mnist.test.labels[shown] == label][0]].unsqueeze(0) for label in (5, 7)]
    ends = [latent.decode(best, latent.encode(best, image))[0] for image in own]
    assert [steps[0], steps[-1]] == [address(image) for image in ends]
    assert first[1] == steps[4], "half way is the middle step"

    checked(app.slider(key="walk-share").set_value(0).run())
    assert shown_pictures(app, "walk-here") == [first[0], steps[0], first[2]]
    checked(app.button(key="walk-to-another").click().run())
    assert shown_pictures(app, "walk-here")[2] != first[2]
    assert shown_pictures(app, "walk-here")[0] == first[0]


# ---------------------------------------------------------------- compression


@pytest.mark.usefixtures("without_data")
def test_one_image_at_every_size() -> None:
    app = open_section(open_page("latent"), COMPRESSION)
    made = compression.read()
    for number in (1, 8):
        checked(app.button_group(key="compression-image").set_value(number).run())
        image = made.images[number] / 255
        expected = [address(image), *(address(every[number] / 255) for every in made.reconstructions)]
        strip = next(html for html in html_of(app) if 'class="strip"' in html)
        assert re.findall(r'src="([^"]+)"', strip) == expected
        error = float((image - made.reconstructions[0, number] / 255).square().mean())
        assert f"2 numbers\nof 784\nerror {error:.3f}" in strip
    lowest = min(made.measured, key=lambda each: each.error).latent_dim
    assert any(f"Smallest error: {lowest} units" in caption.value for caption in app.caption)


# ---------------------------------------------------------------- every kind of detector

DETECTORS = {
    "one unit": DetectorConfig(model=ModelConfig(hidden_sizes=(8,), latent_dim=1, latent_activation="none")),
    "two units": DetectorConfig(model=ModelConfig(hidden_sizes=(8,), latent_dim=2, latent_activation="none")),
    "one unit with ReLU": DetectorConfig(model=ModelConfig(hidden_sizes=(8,), latent_dim=1)),
    "wide": DetectorConfig(model=ModelConfig(hidden_sizes=(), latent_dim=784)),
    "convolutional, three classes": DetectorConfig(
        normal_classes=(0, 3, 7), model=ModelConfig("convolutional", (), 8), preprocessing="deskew", neighbours=3
    ),
    "clothes": DetectorConfig(data_set="fashion-mnist", normal_classes=(9,)),
}


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("config", DETECTORS.values(), ids=DETECTORS)
def test_every_detector_can_be_looked_into(config: DetectorConfig, uci: DataSet) -> None:
    config = replace(config, training=replace(config.training, epochs=1))
    is_normal = torch.isin(uci.train_labels, torch.tensor(config.normal_classes))
    detector = AutoencoderDetector(config).fit(as_images(uci.train_images[is_normal]))
    app = open_page()
    visitor_of(app).runs = [Run.of("run 1", "trained", Checkpoint(detector))]
    visitor_of(app).choice = Choice(run=0)
    go_to(app, "latent")
    points = sent_to(app, "plane-images")["points"]
    assert len(points["x"]) == len(load(FALLBACK).test.labels)
    # Of clothes there is none among the digits that stand in for them.
    assert set(points["kinds"]) == ({"normal", "anomaly"} if config.data_set == "mnist" else {"anomaly"})
    open_section(app, MOVE)
    units = config.model.latent_dim
    assert len([slider for slider in app.slider if (slider.key or "").startswith("direction-")]) == min(units, 6)
    picture = shown_pictures(app, "decoded")
    sent_to(app, "plane-map")
    slider = app.slider(key="direction-0")
    checked(slider.set_value(slider.max).run())
    if config.model.latent_activation == "none":
        assert shown_pictures(app, "decoded") != picture
    open_section(app, WALK)
    assert len(shown_pictures(app, "walk-steps")) == 9
    open_section(app, COMPRESSION)


@pytest.mark.usefixtures("without_data")
def test_a_point_shows_the_image_it_is_named_after_whichever_detector_learnt_from_the_drawings() -> None:
    signs = ("star", "moon")
    drawn = torch.cat([many(sign, 12, seed) for seed, sign in enumerate(signs)])
    own = OwnImages.of(drawn, [sign for sign in signs for _ in range(12)])
    app = open_page()
    visitor_of(app).own = own
    for number, normal in enumerate(((0,), (1,))):
        config = replace(DETECTORS["two units"], data_set=own.name, class_names=signs, normal_classes=normal)
        config = replace(config, training=replace(config.training, epochs=1))
        detector = AutoencoderDetector(config).fit_split(config.split(own.data_set))
        visitor_of(app).runs.append(Run.of(f"run {number}", "trained", Checkpoint(detector)))
    tested = [run.config.split(own.data_set).test for run in visitor_of(app).runs]
    assert len(tested[0].labels) == len(tested[1].labels)
    for number, test in enumerate(tested):
        visitor_of(app).choice = Choice(run=number)
        go_to(app, "latent")
        sent, laid_out = sent_to(app, "plane-images"), latent.sample(test.labels, latent_space.TEST_IMAGES)
        assert [text.split("\n")[0] for text in sent["points"]["texts"]] == [signs[test.labels[place]] for place in laid_out]
        assert sent["sprite"] == pictures.tiles(test.images[laid_out], columns=32)


@pytest.mark.usefixtures("without_data")
def test_place_stays_within_the_reach_of_another_detector(uci: DataSet) -> None:
    fives = as_images(uci.train_images[uci.train_labels == 5])
    detectors = []
    for stretch in (1.0, 100.0):
        detector = AutoencoderDetector(DETECTORS["two units"])
        with torch.no_grad():
            detector.model.encoder[-1].weight *= stretch
        detectors.append(detector.calibrate(fives))
    app = open_page()
    visitor_of(app).runs = [Run.of(f"run {n}", "trained", Checkpoint(each)) for n, each in enumerate(detectors)]
    visitor_of(app).choice = Choice(run=1)
    open_section(go_to(app, "latent"), MOVE)
    far = app.slider(key="direction-0").max
    checked(app.slider(key="direction-0").set_value(far).run())
    visitor_of(app).choice = Choice(run=0)
    slider = checked(app.run()).slider(key="direction-0")
    assert slider.max < far
    assert slider.min <= slider.value <= slider.max
    assert sent_to(app, "plane-map")["cursor"][0] == pytest.approx(slider.value)


def test_two_units_are_one_click_away(
    uci: DataSet, best: AutoencoderDetector, without_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "CHECKPOINTS", without_data)
    two = AutoencoderDetector(DETECTORS["two units"]).fit(as_images(uci.train_images[uci.train_labels == 5]))
    choice = Choice(shipped=Shipped("two-units", "mnist", 5))
    for preset, detector in (("best", best), ("two-units", two)):
        checkpoint.write(Checkpoint(detector), Shipped(preset, "mnist", 5).path)
    choices = detectors.choices
    monkeypatch.setattr(detectors, "choices", lambda: list(dict.fromkeys([*choices(), choice])))
    detectors.shipped_checkpoint.forget()
    app = open_page("latent")
    before = detector_line(app)
    checked(next(button for button in app.button if button.label == "Use two units (a detector of MNIST 5)").click().run())
    assert visitor_of(app).choice == choice
    assert detector_line(app) != before
    assert sent_to(app, "plane-images")["axes"] == ["Unit 1", "Unit 2"]
    assert not [button for button in app.button if button.label.startswith("Use two units")]
    detectors.shipped_checkpoint.forget()

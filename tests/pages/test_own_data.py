"""A data set of one's own on the pages: kept, brought, trained on, looked at."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from core.data.folders import read_zip, to_zip
from core.data.own import TITLE_OF_CLASS, OwnImages, nothing
from core.data.split import plan_split
from core.drawing import from_canvas, from_picture
from core.jobs.job import TrainingJob
from core.presets import Shipped
from pages.sections import draw_examples
from pages.shared.state import baselines, job_pool, own_data, test_set
from pages.shared.state.once import once
from pages.shared.state.visitor import Choice, Tab, Visitor, acting_for
from tests.conftest import WaitUntil
from tests.pages.conftest import (
    NAMES,
    checked,
    detector_line,
    go_to,
    has,
    html_of,
    noting_turns,
    open_page,
    plain,
    visitor_of,
)
from tests.pages.test_draw import Pen, pen  # noqa: F401  the fixture
from tests.pages.test_train import press, rerun_until
from tests.signs import SIGNS, many, on_canvas
from tests.strokes import WAYS, rgba, shaken
from tests.strokes import on_canvas as smoothed

pytestmark = pytest.mark.usefixtures("without_data")


def examples(*signs: str, count: int = 15) -> OwnImages:
    images = [many(sign, count, seed) for seed, sign in enumerate(signs)]
    return OwnImages.of(torch.cat(images), [sign for sign in signs for _ in range(count)])


def trained(app: AppTest, own: OwnImages, wait_until: WaitUntil, epochs: int | None = None, seed: int | None = None) -> AppTest:
    """A visitor who has these examples, and a detector of the first kind as Train makes it unasked, or otherwise."""
    visitor_of(app).own = own
    go_to(app, "train")
    checked(app.selectbox(key="data-set").set_value(own.name).run())
    assert app.selectbox(key="preset").value == "best"
    assert app.toggle(key="vary").value
    assert app.button_group(key="normal-classes").value == [0]
    if epochs:
        checked(app.slider(key="epochs").set_value(epochs).run())
    if seed:
        checked(app.number_input(key="seed").set_value(seed).run())
    press(app, "start")
    job = visitor_of(app).job
    assert job
    wait_until(lambda: job.snapshot().state.is_over)
    checked(app.run())
    assert visitor_of(app).job is None
    return app


@pytest.fixture(scope="module")
def signs() -> OwnImages:
    return examples("star", "moon", "house")


def texts(app: AppTest) -> str:
    """All that a page says in words."""
    elements = (*app.markdown, *app.caption, *app.info, *app.error, *app.warning)
    return " ".join([*(element.value for element in elements), *map(plain, html_of(app))])


def test_the_drawing_that_is_kept_becomes_an_example(pen: Pen) -> None:  # noqa: F811
    app = open_page("draw")
    assert not has(app, "quick-keep")
    with_name(app, "star")
    for number in range(1, 3):
        pen.draw(rgba(on_canvas(SIGNS["star"])))
        checked(app.run())
        assert app.button(key="quick-keep").label == f"Keep star ({number})"
        press(app, "quick-keep")
        assert visitor_of(app).own.counts == {"star": number}
        assert visitor_of(app).drawings.canvas.image is None, "the canvas is clean for the next"
    with_name(app, "**moon**")
    pen.draw(rgba(on_canvas(SIGNS["moon"])))
    checked(app.run())
    press(app, "keep-example")
    assert visitor_of(app).own.counts == {"star": 2, "moon": 1}
    press(app, "remove-kind-star")
    assert visitor_of(app).own.counts == {"moon": 1}
    press(app, "remove-last-moon")
    assert len(visitor_of(app).own) == 0


@pytest.mark.parametrize(("button", "left"), [("remove-kind", 0), ("remove-last", 14)])
def test_what_is_shown_no_more_removes_nothing(button: str, left: int, signs: OwnImages) -> None:
    app = open_page("draw")
    visitor_of(app).own = signs
    open_examples(app)
    clicked = app.button(key=f"{button}-star").click()
    press(app, f"{button}-star")
    expected = {kind: count for kind, count in {"star": left, "moon": 15, "house": 15}.items() if count}
    assert visitor_of(app).own.counts == expected
    # A second click that was sent before the page had the answer to the first, or one in another tab.
    visitor_of(app).own = signs.without(range(20))
    checked(clicked.click().run())
    assert visitor_of(app).own.counts == {"moon": 10, "house": 15}


def with_name(app: AppTest, name: str) -> None:
    open_examples(app)
    checked(app.text_input(key="kind").set_value(name).run())


def open_examples(app: AppTest) -> None:
    app.session_state["own-examples"] = True
    checked(app.run())


def test_nothing_is_kept_without_a_drawing_or_a_name(pen: Pen) -> None:  # noqa: F811
    app = open_page("draw")
    with_name(app, "star")
    press(app, "keep-example")
    assert [error.value for error in app.error] == ["Draw something first, then keep it."]
    pen.draw(rgba(on_canvas(SIGNS["star"])))
    checked(app.run())
    with_name(app, "***")
    press(app, "keep-example")
    assert app.error[0].value.startswith("A kind needs a name")
    assert len(visitor_of(app).own) == 0


def test_a_zip_is_brought_and_taken_away_again(signs: OwnImages) -> None:
    app = open_page("draw")
    open_examples(app)
    checked(app.file_uploader(key="own-zip").set_value([("signs.zip", to_zip(signs), "application/zip")]).run())
    assert visitor_of(app).own.counts == {"star": 15, "moon": 15, "house": 15}
    again = read_zip(to_zip(visitor_of(app).own), from_picture)
    assert torch.equal(again.images, signs.images)
    assert again.names == signs.names


def test_ones_own_drawings_count_with_all_that_is_made_of_them(signs: OwnImages, monkeypatch: pytest.MonkeyPatch) -> None:
    who = Visitor()
    monkeypatch.setattr(own_data, "visitor", lambda: who)
    own_data.keep(signs)
    made = signs.data_set
    held = {each.data_ptr(): each.nbytes for each in (signs.images, made.test.images, made.train_images)}
    assert job_pool.pool().budget.used(who.owner) == sum(held.values())


@pytest.mark.parametrize(("page", "uploader"), [("draw", "own-zip"), ("draw", "picture"), ("evaluate", "sweep-table")])
def test_a_page_takes_no_file_that_the_server_refuses(page: str, uploader: str) -> None:
    app = open_page(page)
    if page == "draw":
        app.session_state["own-examples"] = app.session_state["other-ways"] = True
        checked(app.run())
    assert app.file_uploader(key=uploader).proto.max_upload_size_mb == st.get_option("server.maxUploadSize") == 5


def test_each_picture_of_a_zip_is_read_in_its_turn(signs: OwnImages, monkeypatch: pytest.MonkeyPatch) -> None:
    had_turn = noting_turns(monkeypatch, draw_examples, "from_picture")
    app = open_page("draw")
    open_examples(app)
    checked(app.file_uploader(key="own-zip").set_value([("signs.zip", to_zip(signs), "application/zip")]).run())
    assert had_turn == [True] * len(signs)


def test_a_bad_zip_is_told_and_nothing_of_it_used() -> None:
    app = open_page("draw")
    open_examples(app)
    checked(app.file_uploader(key="own-zip").set_value([("signs.zip", b"PK\3\4nothing", "application/zip")]).run())
    assert app.error[0].value.startswith("This file is not a zip")
    assert len(visitor_of(app).own) == 0


def test_every_page_shows_a_detector_of_ones_own_by_the_names_of_its_kinds(signs: OwnImages, wait_until: WaitUntil) -> None:
    app = trained(open_page(), signs, wait_until)
    assert "3 held-out images can keep a false-alarm rate of 25.0% at least" in texts(app)
    assert detector_line(app) == "Detector: star · My drawings · run 1"
    (run,) = visitor_of(app).runs
    assert run.config.class_names == ("star", "moon", "house")
    assert run.evaluation is not None
    assert run.evaluation.auroc > 0.98
    for page, said in (("home", "star"), ("draw", "star"), ("browse", "normal images (star)"), ("latent", "star")):
        go_to(app, page)
        assert said in texts(app), page
    go_to(app, "evaluate")
    assert app.button_group(key="against").options == ["moon", "house"]
    assert "32 test images of My drawings; normal is star." in texts(app), "two stars of fifteen, and all others"
    go_to(app, "learn")
    for step in range(1, 8):
        app.session_state["step"] = step
        checked(app.run())
    # The drawings are gone, as those of a class that is over are: the detector goes on, by the names that it carries.
    visitor_of(app).own = nothing()
    visitor_of(app).sources.clear()
    canvas = visitor_of(app).drawings.canvas
    canvas.image = canvas.of_strokes = many("star", 1, 9)
    visitor_of(app).drawings.return_to_canvas()
    for page in NAMES:
        go_to(app, page)
        assert has(app, "score") or page != "draw"


def test_another_drawing_leaves_the_detector_what_it_was_trained_on(signs: OwnImages, wait_until: WaitUntil) -> None:
    app = trained(open_page(), signs, wait_until, epochs=1)
    visitor_of(app).own = signs.with_more(many("heart", 3, 9), ["heart"] * 3)
    go_to(app, "browse")
    assert app.button_group(key="browse-classes").options == ["star", "moon", "house"]
    assert app.selectbox(key="test-source").value == signs.name
    assert app.selectbox(key="test-source").options[:2] == ["My drawings, as in training", "My drawings"]
    checked(app.selectbox(key="test-source").set_value(visitor_of(app).own.name).run())
    assert app.button_group(key="browse-classes").options == ["star", "moon", "house", "heart"]
    assert "of 2** normal images (star)" in texts(app), "none that trained it or set its threshold"
    # What is left of the drawings has trained it: there is nothing to put before it but what it had.
    plan = plan_split(signs.data_set, (0,), visitor_of(app).runs[0].config.training.seed)
    seen = torch.cat([plan.train, plan.calibration])
    visitor_of(app).own = OwnImages.of(signs.images[seen], ["star"] * len(seen))
    for page in (*NAMES, "browse"):
        go_to(app, page)
    assert app.selectbox(key="test-source").value == signs.name
    assert app.selectbox(key="test-source").options.count("My drawings") == 1


def test_simpler_methods_are_measured_on_the_images_before_the_detector(
    signs: OwnImages, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Mock(return_value=Mock(running=False, has_failed=True, trials={}, images=0))
    monkeypatch.setattr(baselines, "_comparisons", once(baselines.Comparisons))
    monkeypatch.setattr(baselines, "Comparison", asked)
    app = trained(open_page(), signs, wait_until, epochs=1, seed=7)
    (run,) = visitor_of(app).runs
    assert run.config.training.seed == 7
    go_to(app, "evaluate")
    press(app, "start-baselines")
    with acting_for(visitor_of(app), Tab()):
        before_the_detector = test_set.images(run.config, signs.data_set).images
    assert torch.equal(asked.call_args.args[1].test.images, before_the_detector)
    visitor_of(app).own = signs.with_more(many("star", 3, 9), ["star"] * 3)
    go_to(app, "browse")
    checked(app.selectbox(key="test-source").set_value(visitor_of(app).own.name).run())
    go_to(app, "evaluate")
    assert "Simpler methods would have to learn from these very drawings." in texts(app)
    assert not has(app, "start-baselines")
    # Nobody has them any more, as where another tab has changed the drawings since this page ran.
    nobodys = examples("star", "tree")
    with acting_for(Visitor(), Tab()):
        baselines.start(nobodys.data_set, (0,), names=nobodys.kinds)
    assert asked.call_args.args[0].names == ("star", "tree")


def training_on(signs: OwnImages) -> tuple[AppTest, TrainingJob]:
    """Train, where a training on these drawings was started."""
    app = open_page("train")
    visitor_of(app).own = signs
    checked(app.run())
    checked(app.selectbox(key="data-set").set_value(signs.name).run())
    press(app, "start")
    job = visitor_of(app).job
    assert job
    return app, job


def test_a_training_whose_drawings_are_gone_goes_on_without_images(signs: OwnImages) -> None:
    app, job = training_on(signs)
    rerun_until(app, lambda _app: job.snapshot().has_begun)
    job.pause()
    shown = "Test images of star, and below each its reconstruction"
    rerun_until(app, lambda app: shown in texts(app))
    # As those of a class that is over are.
    visitor_of(app).own = nothing()
    visitor_of(app).sources.clear()
    checked(app.run())
    assert has(app, "learning")
    assert "below each its reconstruction" not in texts(app), "those of the UCI digits are no stars"
    job.drop()


@pytest.mark.parametrize("left", [0, 40])
def test_a_training_keeps_its_drawings_chosen_until_it_is_over(left: int, signs: OwnImages) -> None:
    app, job = training_on(signs)
    job.pause()
    visitor_of(app).own = signs.without(range(left, 45)) if left else nothing()
    for page in ("draw", "train"):
        go_to(app, page)
    assert app.selectbox(key="data-set").value == signs.name
    assert app.selectbox(key="data-set").options.count("My drawings") == 1
    job.drop()
    visitor_of(app).job = None
    checked(app.run())
    assert app.selectbox(key="data-set").value == (visitor_of(app).own.name if left else "mnist")


def test_who_has_no_drawings_left_is_not_given_the_classs(signs: OwnImages, monkeypatch: pytest.MonkeyPatch) -> None:
    of_class = examples("heart").source(TITLE_OF_CLASS)
    monkeypatch.setattr(own_data.of_class(), "tell", lambda: [of_class])
    app = open_page("train")
    visitor_of(app).own = signs
    checked(app.run())
    checked(app.selectbox(key="data-set").set_value(signs.name).run())
    visitor_of(app).own = nothing()
    checked(app.run())
    assert app.selectbox(key="data-set").value == "mnist"
    assert "Drawings of the class" in app.selectbox(key="data-set").options


def test_drawings_of_one_kind_are_enough_and_what_is_missing_is_told(wait_until: WaitUntil) -> None:
    app = trained(open_page(), examples("star", count=10), wait_until, epochs=1)
    assert visitor_of(app).runs[0].evaluation is None
    assert "there is no AUROC" in texts(app)
    for page in ("home", "draw", "browse", "latent"):
        go_to(app, page)
    go_to(app, "evaluate")
    assert "nothing to tell apart and no AUROC" in texts(app)
    go_to(app, "learn")
    for step in range(1, 8):
        app.session_state["step"] = step
        checked(app.run())


def test_nine_of_a_kind_are_too_few() -> None:
    app = open_page("train")
    visitor_of(app).own = own = examples("star", "moon", count=9)
    checked(app.run())
    checked(app.selectbox(key="data-set").set_value(own.name).run())
    assert app.button(key="start").disabled
    assert "Only 9 images of this choice exist; at least 10 are needed." in texts(app)


def test_ones_own_fives_before_the_detector_that_learnt_from_others() -> None:
    random = np.random.default_rng(3)
    images = [digit_drawn(smoothed(shaken(WAYS[digit][0], random))) for digit in (5, 3) for _ in range(12)]
    app = open_page("browse")
    assert not has(app, "test-source"), "nobody has drawn anything"
    visitor_of(app).own = own = OwnImages.of(torch.cat(images), ["5"] * 12 + ["3"] * 12)
    checked(app.run())
    checked(app.selectbox(key="test-source").set_value(own.name).run())
    assert "of 12** normal images (5)" in texts(app)
    assert "of 12** anomalies" in texts(app)
    go_to(app, "evaluate")
    assert "24 test images of My drawings; normal is 5." in texts(app)
    session_choice = Choice(shipped=Shipped("best", "mnist", 3))
    visitor_of(app).choice = session_choice
    checked(app.run())
    assert "My drawings" not in texts(app), "chosen for the other detector only"


def digit_drawn(strokes: list[list[tuple[float, float]]]) -> torch.Tensor:
    image = from_canvas(rgba(strokes))
    assert image is not None
    return image


def test_a_zip_that_was_read_is_kept_where_the_whole_page_is_to_run_meanwhile(
    signs: OwnImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit ends the run at the next element, which is the spinner's end: a language was chosen, a connection lost."""

    @contextmanager
    def spinner(_text: str) -> Iterator[None]:
        yield
        raise RerunException(RerunData())

    app = open_page("draw")
    open_examples(app)
    with monkeypatch.context() as patch:
        patch.setattr(st, "spinner", spinner)
        app.file_uploader(key="own-zip").set_value([("signs.zip", to_zip(signs), "application/zip")]).run()
    assert visitor_of(app).own.counts == signs.counts


def test_the_classs_drawings_count_as_memory_for_as_long_as_they_are_there() -> None:
    gc.collect()
    budget = job_pool.pool().budget
    before = budget.used()
    images = OwnImages.of(many("star", 20, 0), ["5"] * 20)
    own_data.note(images)
    assert budget.used() - before == 20 * 784 * own_data.BYTES_OF_PIXEL
    del images
    gc.collect()
    assert budget.used() == before


def test_a_test_image_of_ones_own_keeps_its_name_when_the_drawings_have_changed(signs: OwnImages) -> None:
    app = open_page("draw")
    who = visitor_of(app)
    who.own = signs
    who.test_source = who.choice, signs.name
    checked(next(each for each in app.button if each.label == "Random test image").click().run())
    who.own = nothing()
    who.sources.clear()
    checked(app.run())
    assert "test image" in texts(app)

"""Evaluate: what the page says against scikit-learn on the same scores, and the states in which little can be said."""

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import Mock, patch

import numpy as np
import pytest
import streamlit as st
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, precision_score, recall_score, roc_auc_score
from streamlit.testing.v1 import AppTest
from torch import Tensor

from core import checkpoint
from core.checkpoint import Checkpoint, CheckpointError
from core.conformal import conformal_threshold
from core.data.datasets import FALLBACK, DataSet, LabelledImages, load
from core.data.split import PlannedSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import SettingError
from core.experiments.baselines import Comparison
from core.jobs.memory_budget import Owner
from core.presets import Shipped
from pages.shared.state import baselines, data_sets, detectors, keys, test_set
from pages.shared.state.drawings import Picked
from pages.shared.state.visitor import TRAINING, USUAL, Choice, Tab, acting_for
from tests.conftest import PATIENCE
from tests.pages.conftest import (
    ROOT,
    checked,
    detector_box,
    detector_line,
    go_to,
    html_of,
    inside,
    number_in,
    open_page,
    plain,
    switch_page,
    tab_of,
    visitor_of,
)

if TYPE_CHECKING:
    from tests.conftest import WaitUntil


SECTIONS = [
    "Which anomalies, and how many?",
    "Four outcomes, precision, recall and F1",
    "Every threshold at once",
    "Calibrating or cheating?",
    "What passes for “5”?",
    "Simpler methods, same images",
    "Beside another detector",
    "Take it away",
    "Sweep: which bottleneck for which digit?",
]


def outcome(app: AppTest) -> list[int]:
    """Passed, false alarms, missed, caught."""
    (picture,) = [html for html in html_of(app) if 'class="confusion"' in html]
    return [int(count.replace(",", "")) for count in re.findall(r'class="number">([\d,]+)', picture)]


def figures(app: AppTest) -> dict[str, str]:
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown.pop("False alarms") == shown["False-alarm rate"]
    return shown


def expected(truth: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float) -> tuple[list[int], dict[str, str]]:
    """What scikit-learn says of normals and anomalies at a threshold, as the page writes it."""
    alarm = scores > threshold
    counts = confusion_matrix(truth, alarm, labels=[False, True])
    return counts.flatten().tolist(), {
        "False-alarm rate": f"{counts[0, 1] / counts[0].sum():.1%}",
        "Missed anomalies": f"{counts[1, 0] / counts[1].sum():.1%}",
        "Precision": f"{precision_score(truth, alarm):.1%}",
        "Recall": f"{recall_score(truth, alarm):.1%}",
        "F1": f"{f1_score(truth, alarm):.4f}",
        "AUROC": f"{roc_auc_score(truth, scores):.4f}",
        "Average precision": f"{average_precision_score(truth, scores):.4f}",
    }


def use(app: AppTest, choice: Choice) -> AppTest:
    detector_box(app).set_value(choice)
    return checked(app.run())


def upload(app: AppTest, detector: AutoencoderDetector) -> AppTest:
    content = checkpoint.to_bytes(Checkpoint(detector, ()))
    app.file_uploader(key="upload-checkpoint").set_value(("mine.safetensors", content, "application/octet-stream"))
    return checked(app.run())


def link(app: AppTest) -> str:
    """The one that Share shows."""
    return next(code.value for code in app.code if "normal=" in code.value)


def sections(app: AppTest) -> list[str]:
    return [expander.label for expander in app.expander]


# ---------------------------------------------------------------- numbers


def test_every_number_is_scikit_learns(with_mnist: DataSet, best: AutoencoderDetector) -> None:
    labels = with_mnist.test.labels.numpy()
    scores = best.decision_function(with_mnist.test.images).double().numpy()
    app = open_page("evaluate")
    assert (outcome(app), figures(app)) == expected(labels != 5, scores, best.threshold_)
    for rate in (0.01, 0.3):
        app.select_slider(key="kept-rate").set_value(rate)
        threshold = conformal_threshold(best.calibration_scores_, rate)
        checked(app.run())
        assert (outcome(app), figures(app)) == expected(labels != 5, scores, threshold)
    app.button_group(key="against").set_value([3, 6])
    checked(app.run())
    kept = np.isin(labels, [3, 5, 6])
    assert (outcome(app), figures(app)) == expected(labels[kept] != 5, scores[kept], threshold)

    calibrated = next(button for button in app.button if button.label == "Calibrated")
    checked(calibrated.click().run())
    assert app.select_slider(key="kept-rate").value == 0.05
    assert outcome(app) == expected(labels[kept] != 5, scores[kept], best.threshold_)[0]


@pytest.mark.usefixtures("with_mnist")
def test_the_answers_give_the_better_f1_and_the_page_says_why() -> None:
    app = open_page("evaluate")
    lesson = next(table.value for table in app.table if "Uses the answers" in table.value.columns)
    rows = {row.iloc[0]: (row["Calibrated"], row["Uses the answers"]) for _, row in lesson.iterrows()}
    assert float(rows["F1"][1]) > float(rows["F1"][0])
    assert any("looked at the answers" in markdown.value for markdown in app.markdown)
    with_answers = next(button for button in app.button if button.label == "Best F1, with the answers")
    checked(with_answers.click().run())
    assert figures(app)["F1"] == rows["F1"][1]
    assert figures(app)["False-alarm rate"] == rows["False-alarm rate"][1]


def test_the_hardest_class_is_first_and_shows_its_lowest_scores(with_mnist: DataSet, best: AutoencoderDetector) -> None:
    scores, labels = best.decision_function(with_mnist.test.images), with_mnist.test.labels
    app = open_page("evaluate")
    hardest = app.button_group(key="hardest")
    aurocs = {
        label: roc_auc_score((labels[kept] != 5).numpy(), scores[kept].numpy())
        for label in range(10)
        if label != 5
        for kept in [(labels == label) | (labels == 5)]
    }
    assert hardest.value == min(aurocs, key=lambda label: aurocs[label])
    for label in (hardest.value, 7):
        app.button_group(key="hardest").set_value(label)
        checked(app.run())
        (cards,) = [html for html in html_of(app) if 'class="judged-cards"' in html]
        lowest = scores[labels == label].sort().values[:10].tolist()
        assert re.findall(r'class="label">([\d.]+)', cards) == [f"{score:.4f}" for score in lowest]
        assert cards.count("Normal") == sum(score <= best.threshold_ for score in lowest)


def test_the_share_of_anomalies_changes_precision_and_f1_as_bayes_says(with_mnist: DataSet, best: AutoencoderDetector) -> None:
    """From the two rates alone, without weights."""
    labels = with_mnist.test.labels.numpy()
    scores = best.decision_function(with_mnist.test.images).double().numpy()
    recall, false_alarms = ((scores[chosen] > best.threshold_).mean() for chosen in (labels != 5, labels == 5))
    app = open_page("evaluate")
    before = figures(app)
    app.select_slider(key="anomaly-share").set_value(0.01)
    after = figures(checked(app.run()))
    precision = 0.01 * recall / (0.01 * recall + 0.99 * false_alarms)
    assert after["Precision"] == f"{precision:.1%}"
    assert after["F1"] == f"{2 * precision * recall / (precision + recall):.4f}"
    for name in ("False-alarm rate", "Missed anomalies", "Recall", "AUROC"):
        assert after[name] == before[name]
    told = next(caption.value for caption in app.caption if "calling everything" in caption.value)
    assert f"F1 of {2 * 0.01 / 1.01:.3f}" in told


@pytest.mark.usefixtures("without_data")
def test_sections_that_a_choice_of_anomalies_does_not_reach_say_so() -> None:
    said = "Here with all anomalies of the test set, and as many as it has, whatever is chosen above."

    def where() -> list[str]:
        return [expander.label for expander in app.expander for caption in expander.caption if caption.value == said]

    app = open_page("evaluate")
    assert where() == []
    app.button_group(key="against").set_value([3])
    checked(app.run())
    assert where() == ["What passes for “5”?", "Simpler methods, same images", "Beside another detector"]


def test_the_first_screen_has_one_slider_and_two_numbers(best: AutoencoderDetector) -> None:
    app = open_page("evaluate")
    folded = [element for expander in app.expander for element in (*expander.metric, *expander.select_slider)]
    first = [element.label for element in (*app.select_slider, *app.metric) if not any(element is other for other in folded)]
    assert first == ["False-alarm rate to keep", "False alarms", "Missed anomalies"]


# ---------------------------------------------------------------- other detectors, other data


@pytest.mark.usefixtures("without_data")
def test_without_data_the_fallback_is_evaluated(best: AutoencoderDetector) -> None:
    uci = load(FALLBACK)
    scores = best.decision_function(uci.test.images).double().numpy()
    app = open_page("evaluate")
    assert (outcome(app), figures(app)) == expected(uci.test.labels.numpy() != 5, scores, best.threshold_)
    assert sections(app)[:9] == SECTIONS


@pytest.mark.usefixtures("without_data")
def test_another_detector_and_a_second_one() -> None:
    app = open_page("evaluate")
    app.button_group(key="against").set_value([7])
    app.button_group(key="hardest").set_value(8)
    checked(app.run())
    use(app, Choice(shipped=Shipped("best", "mnist", 7)))
    assert app.button_group(key="against").value == [], "7 is the normal class now"
    app.toggle(key="closer").set_value(True)
    second = Choice(shipped=Shipped("course", "mnist", 5))
    app.selectbox(key="second-detector").set_value(second)
    checked(app.run())
    table = app.table[-1].value
    assert table.iloc[0].tolist() == ["Normal", "7", "5"]
    uci = load(FALLBACK)
    course = checkpoint.read(second.shipped.path).detector if second.shipped else None
    assert course
    auroc = roc_auc_score(uci.test.labels.numpy() != 5, course.decision_function(uci.test.images).numpy())
    assert table.iloc[2].tolist()[2] == f"{auroc:.4f}"


@pytest.mark.usefixtures("without_data")
def test_several_normal_classes(fitted: AutoencoderDetector) -> None:
    several = AutoencoderDetector(replace(fitted.config, normal_classes=(3, 5)), fitted.model)
    several.set_calibration(fitted.calibration_scores_)
    app = upload(open_page("evaluate"), several)
    uci = load(FALLBACK)
    scores = fitted.decision_function(uci.test.images).double().numpy()
    truth = ~np.isin(uci.test.labels.numpy(), [3, 5])
    assert (outcome(app), figures(app)) == expected(truth, scores, several.threshold_)
    assert "What passes for “3, 5”?" in sections(app)


@pytest.mark.usefixtures("without_data")
def test_the_threshold_stays_with_its_detector() -> None:
    app = open_page("evaluate")
    before = outcome(app)
    app.select_slider(key="kept-rate").set_value(0.4)
    moved = outcome(checked(app.run()))
    assert moved != before
    go_to(app, "browse")
    assert outcome(go_to(app, "evaluate")) == moved
    assert app.select_slider(key="kept-rate").value == 0.4
    use(app, Choice(shipped=Shipped("course", "mnist", 5)))
    assert app.select_slider(key="kept-rate").value == 0.05


@pytest.mark.usefixtures("without_data")
def test_a_threshold_is_put_in_use_everywhere_and_put_back(best: AutoencoderDetector) -> None:
    def press(label: str) -> None:
        next(button for button in app.button if button.label == label).click()
        checked(app.run())

    def labels() -> list[str]:
        return [button.label for button in app.button]

    app = open_page("evaluate")
    assert next(button for button in app.button if button.label == "Use this threshold").disabled, "it is in use already"
    app.select_slider(key="kept-rate").set_value(0.4)
    checked(app.run())
    press("Use this threshold")
    own = best.at_false_alarm_rate(0.4).threshold_
    assert detector_line(app).endswith(f"own threshold {own:.4f}")
    assert f"threshold={own}" in link(app)
    images = load(FALLBACK).test.images
    go_to(app, "draw")
    number = next(
        number for number, score in enumerate(best.decision_function(images).tolist()) if own < score < best.threshold_
    )
    visitor_of(app).drawings.picked = Picked(images[[number]], "test image", lambda: "one between")
    assert number_in(checked(app.run()), "threshold") == pytest.approx(own, abs=5.1e-5)
    assert plain(html_of(inside(app, "verdict"))[0]).startswith("Anomaly")
    go_to(app, "evaluate")
    assert app.select_slider(key="kept-rate").value == 0.4
    press("Back to the calibrated threshold")
    assert "own threshold" not in detector_line(app)
    assert "threshold=" not in link(app)
    assert "Back to the calibrated threshold" not in labels()
    assert number_in(go_to(app, "draw"), "threshold") == pytest.approx(best.threshold_, abs=5.1e-5)


@pytest.mark.usefixtures("without_data")
def test_a_link_brings_the_threshold_along(best: AutoencoderDetector) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    app.query_params["threshold"] = "0.0321"
    app = checked(app.run())
    assert detector_line(app).endswith("own threshold 0.0321")
    assert visitor_of(app).choice == Choice(shipped=Shipped("best", "mnist", 5))


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize(
    ("parts", "label"), [({"normal": "3"}, "Use this threshold"), ({"threshold": "0.0321"}, "Back to the calibrated threshold")]
)
def test_the_address_forgets_a_link_whose_threshold_is_not_in_use_any_more(parts: dict[str, str], label: str) -> None:
    """Else a reload would bring the link's threshold back."""
    app = switch_page(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0), "evaluate")
    app.query_params.update({**parts, "lang": "en"})
    checked(app.run())
    checked(app.run())
    assert {*app.query_params} == {*parts, "lang"}, "what the link says is still so"
    app.select_slider(key="kept-rate").set_value(0.4)
    checked(app.run())
    next(button for button in app.button if button.label == label).click()
    checked(app.run())
    checked(app.run())
    assert {*app.query_params} == {"lang"}


@pytest.mark.usefixtures("without_data")
def test_an_own_threshold_goes_into_the_checkpoint_and_comes_back_with_it(fitted: AutoencoderDetector) -> None:
    app = upload(open_page("evaluate"), fitted)
    app.select_slider(key="kept-rate").set_value(0.3)
    checked(app.run())
    next(button for button in app.button if button.label == "Use this threshold").click()
    checked(app.run())
    own = fitted.at_false_alarm_rate(0.3).threshold_
    with patch.object(st, "session_state", {keys.VISITOR: visitor_of(app)}):
        taken = checkpoint.to_bytes(detectors.checkpoint_of_run(0))
    assert checkpoint.from_bytes(taken).detector.threshold_ == own
    again = upload(open_page("evaluate"), checkpoint.from_bytes(taken).detector)
    assert detector_line(again).endswith(f"own threshold {own:.4f}")


@pytest.mark.usefixtures("without_data")
def test_the_table_of_runs_has_the_threshold_in_use(fitted: AutoencoderDetector) -> None:
    own = fitted.at_threshold(0.0456)
    app = upload(upload(open_page("evaluate"), fitted), own)

    def thresholds() -> list[str]:
        return list(go_to(app, "train").dataframe[0].value["Threshold"])

    assert thresholds() == [f"{fitted.threshold_:.4f}", "0.0456"]
    visitor_of(app).thresholds = {Choice(run=0): 0.0321, Choice(run=1): None}
    assert thresholds() == ["0.0321", f"{fitted.threshold_:.4f}"]
    visitor_of(app).choice = Choice(run=1)
    visitor_of(app).runs[0] = replace(visitor_of(app).runs[0], detector=None)
    assert thresholds()[0] == "0.0321"
    visitor_of(app).thresholds.clear()
    assert thresholds()[0] == f"{fitted.threshold_:.4f}", "what is gone has what is known of it"


@pytest.mark.usefixtures("without_data")
def test_a_choice_of_anomalies_is_told_and_is_not_taken_for_another_data_sets() -> None:
    app = open_page("evaluate")
    told = "Anomalies here: 7 only."
    assert not any(told in caption.value for caption in app.caption)
    checked(app.button_group(key="against").set_value([7]).run())
    assert any(told in caption.value for caption in app.caption)
    go_to(app, "home")
    go_to(app, "evaluate")
    assert any(told in caption.value for caption in app.caption)
    app.session_state["tab"].compared_in = "fashion-mnist"  # as it was chosen of those
    checked(app.run())
    assert app.button_group(key="against").value == []


@pytest.mark.usefixtures("without_data")
def test_a_class_of_another_data_set_is_normal_by_its_name() -> None:
    clothes, digits = (DetectorConfig(data_set=name, normal_classes=(3,)) for name in ("fashion-mnist", "mnist"))
    assert data_sets.normal_classes_in(load(FALLBACK), digits) == (3,)
    assert data_sets.normal_classes_in(load(FALLBACK), clothes) == ()
    app = open_page("evaluate")
    visitor_of(app).choice = Choice(shipped=Shipped("best", "fashion-mnist", 3))
    assert any("no image of the normal kind" in info.value for info in checked(app.run()).info)


def test_what_was_let_go_is_not_put_in_use_by_a_tab_that_still_offers_it(fitted: AutoencoderDetector) -> None:
    app = upload(upload(open_page("evaluate"), fitted), fitted.at_threshold(0.0456))
    mine = visitor_of(app)
    mine.runs[0] = replace(mine.runs[0], detector=None)
    with acting_for(mine, Tab()):
        for gone in (Choice(run=0), Choice(run=7), TRAINING):
            detectors.use(gone)
            detectors.use_threshold(0.03, gone)
            assert detectors.choice() == Choice(run=1)
    assert not mine.thresholds
    mine.choice = Choice(run=0)
    checked(app.run())
    assert mine.choice == USUAL


@pytest.mark.usefixtures("without_data")
def test_while_a_detector_is_in_training(wait_until: "WaitUntil") -> None:
    app = open_page("train")
    app.selectbox(key="data-set").set_value(FALLBACK)
    app.slider(key="epochs").set_value(200)
    app.number_input(key="batch-size").set_value(1)
    checked(app.run())
    checked(app.button(key="start").click().run())
    job = visitor_of(app).job
    assert job
    wait_until(lambda: job.snapshot().has_begun)
    checked(app.run())
    go_to(app, "evaluate")
    assert any("in training" in markdown.value for markdown in app.markdown)
    assert sum(outcome(app)) == len(load(FALLBACK).test.labels)
    checked(next(button for button in app.button if button.label == "Look again").click().run())
    assert sections(app)[:9] == SECTIONS
    checked(go_to(app, "train").button(key="button-restart_alt").click().run())


# ---------------------------------------------------------------- baselines


@pytest.mark.usefixtures("without_data")
def test_baselines_are_measured_in_the_background_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> Comparison:
        checked(app.button(key="start-baselines").click().run())
        deadline = time.monotonic() + PATIENCE
        while (begun := baselines.comparison(load(FALLBACK), (5,))) is None or begun.running:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return begun

    baselines._comparisons().begun.clear()
    app = open_page("evaluate")
    with monkeypatch.context() as patch:
        patch.setattr(PlannedSplit, "materialize", Mock(side_effect=MemoryError))
        start()
    checked(app.run())
    assert "A method failed and is not in the table." in [warning.value for warning in app.warning]
    measured = start()
    another = open_page("evaluate")
    table = next(table.value for table in another.table if "Method" in table.value.columns)
    methods = ["This autoencoder", "PCA reconstruction", "Nearest neighbours", "Isolation forest", "One-class SVM"]
    assert table["Method"].tolist() == methods
    assert table["AUROC"].tolist()[1:] == [f"{trial.evaluation.auroc:.4f}" for trial in measured.trials.values() if trial]
    assert len({trial.evaluation.auroc for trial in measured.trials.values() if trial}) == 4


@pytest.mark.usefixtures("without_data")
def test_a_visitor_has_one_comparison_at_a_time_and_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Mock):
        running = True
        has_failed = False

    owners = [Owner(), Owner()]
    owner = owners[0]
    made = baselines.Comparisons()
    monkeypatch.setattr(baselines, "_comparisons", lambda: made)
    monkeypatch.setattr(baselines, "Comparison", Slow)
    monkeypatch.setattr(baselines, "visitor", lambda: Mock(owner=owner))
    monkeypatch.setattr(baselines, "MAX_KEPT", 3)
    baselines.start(load(FALLBACK), (5,))
    baselines.start(load(FALLBACK), (5,))  # is there already
    with pytest.raises(SettingError, match="still being measured"):
        baselines.start(load(FALLBACK), (6,))
    owner = owners[1]
    baselines.start(load(FALLBACK), (6,))
    assert len(made.begun) == 2
    for number in range(5):
        for each in made.begun.values():
            each.running = False  # type: ignore[misc]
        baselines.start(load(FALLBACK), (number,))
    assert list(made.begun) == [(FALLBACK, (number,), baselines.SEED) for number in (2, 3, 4)]


# ---------------------------------------------------------------- little to say


def only(data: DataSet, chosen: Tensor) -> DataSet:
    return replace(data, test=LabelledImages(data.test.images[chosen], data.test.labels[chosen], data.test.name))


@pytest.mark.parametrize(
    ("kept", "says"), [([1, 2], "no image of the normal kind"), ([5], "All these images are of the normal kind")]
)
def test_a_test_set_of_one_kind_is_told_in_a_sentence(
    kept: list[int], says: str, uci: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = only(uci, torch.isin(uci.test.labels, torch.tensor(kept)))
    monkeypatch.setattr(data_sets, "at_hand", lambda *_, **__: data_sets.DataAtHand(poor))
    monkeypatch.setattr(test_set, "scores", lambda detector, test: detector.decision_function(test.images))
    app = open_page("evaluate")
    assert says in app.info[0].value
    assert not app.metric


def test_a_missing_class_is_only_missing(uci: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    poor = only(uci, uci.test.labels != 7)
    monkeypatch.setattr(data_sets, "at_hand", lambda *_, **__: data_sets.DataAtHand(poor))
    monkeypatch.setattr(test_set, "_scores", lambda _key, _name, detector, images: (detector.decision_function(images), 1.0))
    app = open_page("evaluate")
    assert "7" not in app.button_group(key="against").options
    assert sum(outcome(app)) == len(poor.test.labels)


@pytest.mark.usefixtures("without_data")
def test_scores_that_are_not_numbers_are_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_set, "scores", lambda _, test: torch.full((len(test.labels),), torch.nan))
    app = open_page("evaluate")
    assert any("not numbers" in info.value for info in app.info)
    assert plain(app.title[0].value) == "Evaluate the detector"


@pytest.mark.usefixtures("without_data")
def test_few_calibration_images_offer_only_the_rates_that_they_can_keep(fitted: AutoencoderDetector) -> None:
    """27 images: every rate below 1 / 28 would have the same threshold."""
    app = open_page("evaluate")
    content = checkpoint.to_bytes(Checkpoint(fitted))
    app.file_uploader(key="upload-checkpoint").upload("few.safetensors", content, "application/octet-stream")
    checked(app.run())
    offered = [float(label.rstrip("%")) / 100 for label in app.select_slider(key="kept-rate").options]
    assert min(offered) == pytest.approx(0.036, abs=1e-9)
    thresholds = {conformal_threshold(fitted.calibration_scores_, rate) for rate in (0.001, 0.02, 0.035)}
    assert len(thresholds) == 1, "why they are not offered"
    assert any("27 calibration images can keep a rate of 3.6% at least" in caption.value for caption in app.caption)


def test_a_second_detector_whose_file_is_damaged_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("evaluate")
    whole = detectors.shipped_checkpoint

    def damaged(entry: Shipped) -> Checkpoint:
        if entry.normal_class == 3:
            raise CheckpointError("The file is cut off or damaged.")
        return whole(entry)

    monkeypatch.setattr(detectors, "shipped_checkpoint", damaged)
    checked(app.selectbox(key="second-detector").set_value(Choice(shipped=Shipped("best", "mnist", 3))).run())
    assert any("cut off or damaged" in info.value for info in app.info)


def test_a_threshold_is_set_for_the_detector_that_the_page_shows() -> None:
    """In another tab another one was put in use meanwhile."""
    app = open_page("evaluate")
    shown, other = visitor_of(app).choice, Choice(shipped=Shipped("best", "mnist", 3))
    with acting_for(visitor_of(app), tab_of(app)):
        visitor_of(app).choice = other
        detectors.use_threshold(0.0123, shown)
    assert visitor_of(app).thresholds == {shown: 0.0123}

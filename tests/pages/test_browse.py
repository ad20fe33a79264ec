"""Browse: the filter, the order, the counts and the detail, against loops over the scores."""

import re
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.datasets import FALLBACK, DataSet, load
from core.detector import AutoencoderDetector
from tests.pages.conftest import checked, html_of, open_page, verdicts, visitor_of

PER_PAGE = 12

Card = tuple[str, str, str, str]
"""Label, score, verdict and what it is worth as a card says them."""


@dataclass(frozen=True)
class Judged:
    """A test set before the detector, as plain lists."""

    labels: list[int]
    scores: list[float]
    threshold: float

    def is_alarm(self, index: int) -> bool:
        return self.scores[index] > self.threshold

    def chosen(self, classes: list[int], verdict: str) -> list[int]:
        """Indices that pass the filter, found one by one."""
        passed = []
        for index, label in enumerate(self.labels):
            mistake = {"all": True, "false alarms": label == 5 and self.is_alarm(index)}
            mistake["missed anomalies"] = label != 5 and not self.is_alarm(index)
            if (not classes or label in classes) and mistake[verdict]:
                passed.append(index)
        return passed

    def card(self, index: int) -> Card:
        label, alarm = self.labels[index], self.is_alarm(index)
        outcome = ("✗ false alarm" if alarm else "✓ passed") if label == 5 else ("✓ caught" if alarm else "✗ missed")
        return str(label), f"{self.scores[index]:.4f}", "Anomaly" if alarm else "Normal", outcome


def judge(data: DataSet, detector: AutoencoderDetector) -> Judged:
    scores = detector.decision_function(data.test.images).tolist()
    return Judged(data.test.labels.tolist(), scores, detector.threshold_)


@pytest.fixture(scope="module")
def judged(mnist: DataSet, best: AutoencoderDetector) -> Judged:
    return judge(mnist, best)


def cards(app: AppTest) -> list[Card]:
    labels = [button.label for button in app.button if (button.key or "").startswith("detail-")]
    found = [re.search(r'</span> <span class="label">([\d.]+)', html) for html in html_of(app)]
    outcomes = [outcome for html in html_of(app) for outcome in re.findall(r'class="outcome \w+">([^<]+)', html)]
    return list(zip(labels, [score[1] for score in found if score], verdicts(app), outcomes, strict=True))


def filtered(app: AppTest, classes: list[int], verdict: str, order: str) -> AppTest:
    app.button_group(key="browse-classes").set_value(classes)
    app.button_group(key="browse-verdict").set_value(verdict)
    app.selectbox(key="browse-order").set_value(order)
    return checked(app.run())


def turn_to(app: AppTest, page: int) -> list[Card]:
    if page > 1:
        checked(app.pagination(key="browse-page").set_value(page).run())
    return cards(app)


@pytest.fixture
def app(with_mnist: DataSet) -> AppTest:
    return open_page("browse")


def test_filter_and_order_give_what_a_slow_loop_gives(judged: Judged, app: AppTest) -> None:
    """Every verdict with every direction, for no, one and several classes: first, second and last page."""
    seen_empty = seen_full = False
    for classes, verdict, descending in product(
        ([], [5], [7], [1, 3, 5]), ("all", "false alarms", "missed anomalies"), (True, False)
    ):
        expected = sorted(judged.chosen(classes, verdict), key=lambda index: judged.scores[index], reverse=descending)
        filtered(app, classes, verdict, "highest score first" if descending else "lowest score first")
        if not expected:
            seen_empty = True
            assert cards(app) == []
            assert "No test image is of this kind" in app.info[0].value
            continue
        pages = -(-len(expected) // PER_PAGE)
        seen_full |= pages > 2
        plural = "s" if len(expected) > 1 else ""
        assert f"{len(expected):,} image{plural}" in [caption.value for caption in app.caption]
        for page in sorted({1, min(2, pages), pages}):
            part = expected[(page - 1) * PER_PAGE : page * PER_PAGE]
            assert turn_to(app, page) == [judged.card(index) for index in part], (classes, verdict, descending, page)
    assert seen_empty
    assert seen_full


def test_where_there_are_fewer_pages_than_before_the_last_is_shown_and_marked(judged: Judged, app: AppTest) -> None:
    filtered(app, [], "false alarms", "highest score first")
    last = -(-len(judged.chosen([], "false alarms")) // PER_PAGE)
    turn_to(app, last)
    normal = sorted(score for score, label in zip(judged.scores, judged.labels, strict=True) if label == 5)
    visitor_of(app).thresholds[visitor_of(app).choice] = normal[-PER_PAGE - 6]  # a page and five more are false alarms
    checked(app.run())
    assert last > 2
    assert (app.session_state["browse-page"], len(cards(app))) == (2, 5)
    checked(app.run())
    assert (app.session_state["browse-page"], len(cards(app))) == (2, 5)


def test_shuffled_pages_hold_each_image_once(judged: Judged, app: AppTest) -> None:
    filtered(app, [], "false alarms", "shuffled")
    expected = [judged.card(index) for index in judged.chosen([], "false alarms")]
    pages = -(-len(expected) // PER_PAGE)
    first = [card for page in range(1, pages + 1) for card in turn_to(app, page)]
    assert sorted(first) == sorted(expected)
    assert first != sorted(first, key=lambda card: card[1])

    shuffle = next(button for button in app.button if button.label == "Shuffle")
    checked(shuffle.click().run())
    second = cards(app)
    assert second != first[:PER_PAGE]
    assert set(second) <= set(expected)
    assert cards(checked(app.run())) == second, "a rerun must not shuffle"


def test_shuffle_changes_the_order_setting(app: AppTest) -> None:
    filtered(app, [], "all", "highest score first")
    checked(next(button for button in app.button if button.label == "Shuffle").click().run())
    assert app.selectbox(key="browse-order").value == "shuffled"


def test_another_filter_begins_on_the_first_page(judged: Judged, app: AppTest) -> None:
    filtered(app, [], "all", "highest score first")
    turn_to(app, 40)
    filtered(app, [7], "all", "highest score first")
    expected = sorted(judged.chosen([7], "all"), key=lambda index: -judged.scores[index])
    assert app.pagination(key="browse-page").value == 1
    assert cards(app) == [judged.card(index) for index in expected[:PER_PAGE]]


def summary_of(app: AppTest) -> list[str]:
    text = next(markdown.value for markdown in app.markdown if "set off a false alarm" in markdown.value)
    return re.findall(r"[\d,.]+(?=%| of|\*\*)", text)


def expected_summary(judged: Judged) -> list[str]:
    labels, scores = np.array(judged.labels), np.array(judged.scores)
    normal, alarm = labels == 5, scores > judged.threshold
    expected = []
    for kind in (normal, ~normal):
        hits = np.count_nonzero(kind & alarm)
        expected += [f"{hits:,}", f"{np.count_nonzero(kind):,}", f"{100 * hits / np.count_nonzero(kind):.1f}"]
    return expected


def test_summary_agrees_with_numpy(judged: Judged, app: AppTest) -> None:
    assert summary_of(app) == expected_summary(judged)


@pytest.mark.usefixtures("without_data")
def test_summary_and_cards_agree_with_numpy_on_the_fallback(best: AutoencoderDetector) -> None:
    uci = judge(load(FALLBACK), best)
    app = open_page("browse")
    assert summary_of(app) == expected_summary(uci)
    filtered(app, [], "all", "highest score first")
    order = np.argsort(-np.array(uci.scores), kind="stable")
    assert cards(app) == [uci.card(int(index)) for index in order[:PER_PAGE]]


def test_detail_tells_the_numbers_of_the_image_clicked(judged: Judged, app: AppTest, best: AutoencoderDetector) -> None:
    filtered(app, [], "false alarms", "highest score first")
    index = sorted(judged.chosen([], "false alarms"), key=lambda index: -judged.scores[index])[2]
    checked(app.button(key="detail-2").click().run())
    [table] = [table.value for table in app.table if "Label" in table.value.index]
    rows = {name: row.iloc[0] for name, row in table.iterrows()}
    as_high = sum(score >= judged.scores[index] for score in best.calibration_scores_.tolist())
    assert rows == {
        "Label": "5",
        "Verdict": "Anomaly ▲",
        "Right or wrong": "✗ false alarm",
        "Anomaly score": f"{judged.scores[index]:.4f}",
        "Threshold": f"{judged.threshold:.4f}",
        "Held-out normal images that score this high": f"{as_high:,} of {len(best.calibration_scores_):,}",
        "Number in the test set": f"{index:,}",
    }


def test_nothing_chosen_shows_everything(judged: Judged, app: AppTest) -> None:
    assert app.button_group(key="browse-classes").value == []
    assert f"{len(judged.labels):,} images" in [caption.value for caption in app.caption]

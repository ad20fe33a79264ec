"""No page is empty while it waits: what takes long is said meanwhile."""

import threading

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from torch import Tensor

from core.detector import AutoencoderDetector
from pages.shared.state import latent_space, test_set
from tests.conftest import PATIENCE
from tests.pages.conftest import open_page

pytestmark = pytest.mark.usefixtures("without_data")


@pytest.mark.parametrize(
    ("name", "title", "sentence"),
    [
        ("browse", "Browse test images", "Scoring the test images…"),
        ("evaluate", "Evaluate the detector", "Scoring the test images…"),
        ("latent", "Look inside", "Encoding the test images…"),
    ],
    ids=["browse", "evaluate", "latent"],
)
def test_first_visitor_reads_what_the_page_waits_for(
    name: str, title: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores that do not come before the browser was told, and are no longer waited for when the page is whole."""
    spinning: dict[tuple[int, ...], list[str]] = {}  # by the place on the page
    titles: list[str] = []
    is_said = threading.Event()
    enqueue, score = ForwardMsgQueue.enqueue, AutoencoderDetector.decision_function

    def sent(queue: ForwardMsgQueue, message: ForwardMsg) -> None:
        delta = message.delta
        if delta.HasField("new_transient"):
            spinning[tuple(message.metadata.delta_path)] = [each.spinner.text for each in delta.new_transient.elements]
            if delta.new_transient.elements:
                is_said.set()
        elif delta.new_element.HasField("heading"):
            titles.append(delta.new_element.heading.body)
        enqueue(queue, message)

    before: list[tuple[list[str], list[str]]] = []

    def slow(detector: AutoencoderDetector, images: Tensor) -> Tensor:
        if not before:
            is_said.wait(PATIENCE / 6)
            before.append(([text for texts in spinning.values() for text in texts], titles[-1:]))
        return score(detector, images)

    monkeypatch.setattr(ForwardMsgQueue, "enqueue", sent)
    monkeypatch.setattr(AutoencoderDetector, "decision_function", slow)
    test_set._scores.clear()
    latent_space._of_detector.clear()
    open_page(name)
    assert before == [([sentence], [title])]
    assert not any(spinning.values())

"""Checkpoints that the reader accepts and values that a browser can send, though nobody makes them: pages all the same.

`python -m tests.load.fuzz` tries thousands of them at a server.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.state.session_state import SessionState
from streamlit.testing.v1 import AppTest

from core.checkpoint import Checkpoint, to_bytes
from core.detector import AutoencoderDetector, DetectorConfig
from core.metrics import Evaluation
from core.model import ModelConfig
from pages.shared import streamlit_internals
from pages.shared.state import keys
from tests import odd
from tests.pages.conftest import NAMES, checked, go_to, has, html_of, open_page, plain

PLAIN = DetectorConfig(data_set="uci-digits", model=ModelConfig(hidden_sizes=(8,), latent_dim=4))


def made(config: DetectorConfig = PLAIN, *scores: float, evaluation: Evaluation | None = None) -> bytes:
    """A checkpoint of a network that was not trained, with these calibration scores."""
    detector = AutoencoderDetector(config).set_calibration(torch.tensor(scores or (0.1, 0.2)))
    return to_bytes(Checkpoint(detector, evaluation=evaluation))


def still(**settings: Any) -> bytes:
    """The same of a network to which all images are one."""
    detector = AutoencoderDetector(replace(PLAIN, **settings)).set_calibration(torch.tensor([0.1, 0.2]))
    for weights in detector.model.parameters():
        torch.nn.init.zeros_(weights)
    return to_bytes(Checkpoint(detector))


def no_others() -> bytes:
    """The same where every kind is normal, and figures were measured."""
    config = replace(PLAIN, data_set="own-0123456789abcdef", class_names=("星", "🌟"), normal_classes=(0, 1))
    return made(config, evaluation=Evaluation(0.5, 0.5, {}, 0.0, 0.0))


FILES: dict[str, Callable[[], bytes]] = {
    "threshold 0": lambda: made(PLAIN, 0.0, 0.0),
    "threshold 0, set by hand": lambda: made(replace(PLAIN, threshold=0.0)),
    "the least threshold": lambda: made(PLAIN, 1e-45),
    "the highest threshold": lambda: made(PLAIN, 1e9),
    "one latent": still,
    "one latent of one unit": lambda: still(model=ModelConfig(hidden_sizes=(), latent_dim=1)),
    "no other kind": no_others,
    **{f"number {number}": lambda number=number: odd.checkpoint(np.random.default_rng(number), 0.0) for number in range(3)},
}


def upload(app: AppTest, content: bytes) -> AppTest:
    return checked(app.file_uploader(key="upload-checkpoint").set_value([("odd.safetensors", content, "")]).run())


@pytest.mark.parametrize("name", FILES)
def test_whatever_the_reader_accepts_every_page_shows(name: str) -> None:
    app = upload(open_page(), FILES[name]())
    assert not app.error
    for page in NAMES:
        app = go_to(app, page)
        assert app.title
        if page == "draw":
            checked(next(button for button in app.button if button.label == "Random test image").click().run())
            assert has(app, "verdict")
        if page == "latent" and has(app, "latent-layout"):
            checked(app.button_group(key="latent-layout").set_value("t-sne").run())


def test_above_a_threshold_of_0_no_multiple_is_named() -> None:
    app = upload(open_page("draw"), FILES["threshold 0"]())
    checked(next(button for button in app.button if button.label == "Random test image").click().run())
    assert any("it scores more than 1,000 times the threshold" in plain(html) for html in html_of(app))


def test_a_file_that_the_server_has_let_go_is_no_choice_that_another_language_keeps() -> None:
    app = open_page()
    file = WidgetState(id=app.file_uploader(key=keys.UPLOADED_CHECKPOINT).proto.id)
    file.file_uploader_state_value.uploaded_file_info.add(file_id="gone", name="a.safetensors", size=3)
    language = WidgetState(id=next(node.proto.id for node in app.main if node.type == "menu_button"))
    language.string_trigger_value.data = "Deutsch"
    checked(app._run(WidgetStates(widgets=[file, language])))
    assert "Anomalien erkennt" in app.title[0].value


# ---------------------------------------------------------------- values that no widget of the page can have


@pytest.fixture
def refuses_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a server does; not for the other tests."""
    for name in ("on_script_will_rerun", "_set_widget_metadata"):
        monkeypatch.setattr(SessionState, name, getattr(SessionState, name))
    streamlit_internals.refuse_values()


def form() -> None:
    """A page whose widgets tell what they are."""
    import streamlit as st

    told = st.session_state.setdefault("told", [])
    for key, widget in {
        "number": st.slider("number", 0.0, 10.0, 3.0, key="number", on_change=lambda: told.append(st.session_state.number)),
        "option": st.selectbox("option", ["a", "b"], key="option", on_change=lambda: told.append(st.session_state.option)),
        "several": st.multiselect(
            "several", ["a", "b"], key="several", on_change=lambda: told.append(st.session_state.several)
        ),
        "text": st.text_input("text", "as it was", key="text"),
        "switch": st.toggle("switch", key="switch"),
        "pressed": st.segmented_control("pressed", ["x", "y"], default="x", required=True, key="pressed"),
    }.items():
        st.write(key, repr(widget))


BEGINNING = ["number 3.0", "option 'a'", "several []", "text 'as it was'", "switch False", "pressed 'x'"]


def shown(app: AppTest) -> list[str]:
    return [text.value.replace("`", "") for text in checked(app).markdown]


def send(app: AppTest, **values: dict[str, Any]) -> AppTest:
    """One message, with values of widgets by their keys, each as a field of WidgetState."""
    known = {node.key: node.proto.id for node in app.main if getattr(node, "key", None)}
    sent = WidgetStates()
    for key, fields in values.items():
        state = WidgetState(id=known[key])
        for field, value in fields.items():
            if isinstance(value, list):
                getattr(state, field).SetInParent()
                getattr(state, field).data.extend(value)
            else:
                setattr(state, field, value)
        sent.widgets.append(state)
    return app._run(sent)


@pytest.mark.usefixtures("refuses_values")
@pytest.mark.parametrize(
    "values",
    [
        {"number": {"string_value": "7"}},
        {"number": {"string_array_value": ["7"]}},
        {"option": {"string_value": "c"}},
        {"option": {"bool_value": True}},
        {"several": {"string_array_value": ["a", "c"]}},
        {"several": {"string_value": "a"}},
        {"text": {"double_array_value": [1.0]}},
        {"switch": {"string_array_value": ["on"]}},
        {"pressed": {"string_array_value": []}},
    ],
    ids=str,
)
def test_a_value_that_no_widget_of_the_page_can_have_changes_nothing(values: dict[str, dict[str, Any]]) -> None:
    app = AppTest.from_function(form).run()
    assert shown(app) == BEGINNING
    assert shown(send(app, **values)) == BEGINNING
    assert app.session_state.told == [], "and no callback hears of it"
    app = send(app, number={"double_array_value": [7.0]}, option={"string_value": "b"})
    assert shown(app)[:2] == ["number 7.0", "option 'b'"]
    assert app.session_state.told == [7.0, "b"]


def whole_number() -> None:
    import streamlit as st

    st.write("whole", repr(st.number_input("whole", 0, 100, 3, key="whole")))


@pytest.mark.usefixtures("refuses_values")
@pytest.mark.parametrize("kind", ["int_value", "double_value"])
def test_a_whole_number_is_one_however_a_browser_sends_it(kind: str) -> None:
    app = AppTest.from_function(whole_number).run()
    assert shown(send(app, whole={kind: 7})) == ["whole 7"]


@pytest.mark.usefixtures("refuses_values")
def test_a_value_that_comes_before_its_widget_is_judged_when_that_is_made() -> None:
    app = AppTest.from_function(form).run()
    known = {node.key: node.proto.id for node in app.main if getattr(node, "key", None)}
    newcomer = AppTest.from_function(form)
    for state in (WidgetState(id=known["switch"], string_value="on"), WidgetState(id=known["number"], string_value="7")):
        assert shown(newcomer._run(WidgetStates(widgets=[state]))) == BEGINNING
        newcomer = AppTest.from_function(form)
    assert shown(newcomer._run(WidgetStates(widgets=[WidgetState(id=known["switch"], bool_value=True)])))[-2] == "switch True"

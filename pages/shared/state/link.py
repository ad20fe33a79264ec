"""The link that brings another person to the same state, and what this visitor's link asked for."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

from core.detector import DetectorConfig
from core.errors import UserError
from core.link import LinkError, decode, encode
from core.presets import preset_of, shipped_as
from core.server import addresses
from core.server.addresses import Obstacle, Reach, parts_of
from pages.shared.forms import settings
from pages.shared.i18n.text import LANGUAGES, _, language, translated
from pages.shared.state import detectors, keys, own_data
from pages.shared.state.lesson import STEPS
from pages.shared.state.visitor import Choice, tab, visitor

HIDEABLE = ("settings", "network", "training", "score", "runs", "detector", "upload", "language", "share", "help", "navigation")
"""What a teacher's link can hide; each is the key of a container or expander, with “hideable-” before it."""

PROJECTOR = "projector"
OF_THE_APP = ("lang", "hide", "view", "step")
"""Parts that are about the page and not about the detector; the first three stay in the address on every page."""

MAX_CHARACTERS = 2000


def read() -> None:
    """Take up what the link asks for, once for each link; what cannot be used is told by `show_problem`."""
    parts = st.query_params.to_dict()
    if parts != tab().link_written:
        tab().link_problem = None
        try:
            _apply(parts)
        except UserError as error:
            tab().link_problem = LinkError(
                "This link cannot be used, so the usual settings are shown. {reason}", reason=error.detached()
            )
            parts = {"lang": language()} if parts.get("lang") in LANGUAGES else {}
            st.query_params.from_dict(parts)
    elif tab().link_detector and tab().link_in_use != detectors.in_use():
        # Another detector is in use, or another threshold: after a reload the link must not bring the first one back.
        tab().link_detector = {}
        st.query_params.from_dict({name: text for name, text in parts.items() if name in OF_THE_APP})
    _keep_in_address()


def _apply(parts: Mapping[str, str]) -> None:
    """Give the visitor what the parts say; raises UserError before anything was changed."""
    if sum(len(name) + len(text) for name, text in parts.items()) > MAX_CHARACTERS:
        raise LinkError("It is longer than any link of this program.")
    hidden = [name for name in parts.get("hide", "").split(",") if name]
    for part, values, known in (
        ("lang", [parts["lang"]] if "lang" in parts else [], tuple(LANGUAGES)),
        ("hide", hidden, HIDEABLE),
        ("view", [parts["view"]] if "view" in parts else [], (PROJECTOR,)),
        ("step", [parts["step"]] if "step" in parts else [], tuple(str(number + 1) for number in range(STEPS))),
    ):
        for value in values:
            if value not in known:
                raise LinkError("“{part}” cannot be “{text}”.", part=part, text=value[:30])
    # Marks that other sites leave on links are not ours to judge.
    ours = {name: text for name, text in parts.items() if not name.startswith("utm_") and not name.endswith("clid")}
    about_detector = {name: text for name, text in ours.items() if name not in OF_THE_APP}
    current = {part: own_data.name_from_link(text) if part == "data" else text for part, text in about_detector.items()}
    name, config = decode(current, own_data.offered())
    is_new = bool(about_detector) and about_detector != tab().link_detector
    training = visitor().job
    if training and training.snapshot().state.is_over:  # the page has not looked since
        training = None
    ready = _ready(config) if is_new and training is None else None
    if ready and ready.shipped:
        detectors.shipped_checkpoint(ready.shipped)  # a file that cannot be read is told before anything changes
    if hidden:
        tab().hidden = tuple(hidden)
    if "view" in parts:
        tab().view = parts["view"]
    if is_new:
        tab().link_untrained = None  # not where only the page is another one
    if is_new and training:
        if training.config != replace(config, threshold=None):
            tab().link_problem = LinkError(
                "The detector of this link was not taken up, because your training is not over. "
                "Wait for its end, or press Stop or Reset on the Train page; then open the link again."
            )
    elif is_new:
        visitor().is_job_wanted = False  # a training that was begun before the link does not take its place
        st.session_state[keys.PRESET] = name
        settings.fill(config)
        if ready:
            detectors.use(ready)
            detectors.use_threshold(config.threshold, ready)
        else:
            tab().link_untrained = config
            tab().link_problem = LinkError(
                "This link asks for a detector that is not trained yet. Its settings are on the Train page: press Start there."
            )
        tab().link_detector, tab().link_in_use = about_detector, detectors.in_use()


def _ready(config: DetectorConfig) -> Choice | None:
    """The detector of these settings that is there, but for its threshold: a shipped one, or one of the visitor's runs."""
    if shipped := shipped_as(config):
        return Choice(shipped=shipped)
    return next((Choice(run=number) for number in _runs_of(config) if detectors.runs()[number].detector), None)


def _runs_of(config: DetectorConfig) -> list[int]:
    """The visitor's runs of these settings, but for the threshold; the newest is the last."""
    runs, trained = enumerate(detectors.runs()), replace(config, threshold=None)
    return [number for number, run in runs if replace(run.config, threshold=None) == trained]


def write_step(step: int) -> None:
    """Put the lesson's step, which was chosen just now, into the address; Back leads to the one before."""
    st.query_params["step"] = str(step)
    tab().link_written = st.query_params.to_dict()


def _keep_in_address() -> None:
    """Language, hidden controls and view stay in the address from page to page."""
    kept = {"hide": ",".join(hidden()), "view": tab().view}
    if "lang" in st.query_params or tab().is_language_chosen:
        tab().is_language_chosen = True
        kept["lang"] = language()
    for name, text in kept.items():
        if text and st.query_params.get(name) != text:
            st.query_params[name] = text
    tab().link_written = st.query_params.to_dict()


def hidden() -> tuple[str, ...]:
    """Names of the controls that the link hides."""
    return tab().hidden


def is_projector() -> bool:
    return tab().view == PROJECTOR


def follow_training() -> None:
    """Nothing is called untrained whose training has begun; once it is a run, that judges by the link's threshold."""
    if not (wanted := tab().link_untrained):
        return
    ready, training = _runs_of(wanted), visitor().job
    # What trains has no threshold yet.
    if ready or (training is not None and training.config == replace(wanted, threshold=None)):
        tab().link_problem = None
    if ready:
        tab().link_untrained = None
        if wanted.threshold is not None:
            visitor().thresholds[Choice(run=ready[-1])] = wanted.threshold


def show_problem() -> None:
    """One sentence where the link could not be used, or not wholly."""
    place = st.empty()  # when the sentence goes, nothing below it moves, and stands there twice until the run ends
    if problem := tab().link_problem:
        with place.container(key="link-problem"):
            st.warning(translated(problem), icon=":material/link_off:")


def link(page: str, hide: tuple[str, ...] = (), projector: bool = False) -> str:
    """The address of a page with the settings as they stand there."""
    parts = {"lang": language()}
    if page == "train" and settings.is_filled():
        with suppress(UserError):  # settings that cannot be trained are not worth a link
            parts |= encode(settings.read(), st.session_state[keys.PRESET])
    else:
        config = detectors.detector_config()
        parts |= encode(config, preset_of(config) or "course")
    if "data" in parts:
        parts["data"] = own_data.name_in_links(parts["data"])
    if page == "learn":
        parts["step"] = str(visitor().step)
    if hide:
        parts["hide"] = ",".join(hide)
    if projector:
        parts["view"] = PROJECTOR
    seen = parts_of(st.context.url or "")
    found = reach().addresses
    # Where nobody else gets in, the link is good for this machine.
    place = parts_of(found[0]) if found and seen.netloc else seen
    return seen._replace(scheme=place.scheme, netloc=place.netloc, query=urlencode(parts, safe=","), fragment="").geturl()


def reach() -> Reach:
    """Under which addresses others find what this visitor sees."""
    # As the server was started; None is every address, as Streamlit reads it.
    listens_on = str(st.get_option("server.address") or "")
    return addresses.reach(st.context.url or "", listens_on, "X-Forwarded-For" in st.context.headers)


def explain_obstacle(obstacle: Obstacle) -> str:
    """Why others cannot get in, and what to do."""
    return {
        Obstacle.LISTENS_HERE_ONLY: _(
            "Phones and other computers cannot reach this server, which listens on its own machine only. "
            "Start it with `make run ADDRESS=0.0.0.0`."
        ),
        Obstacle.UNKNOWN_PROXY: _(
            "This server stands behind another one, so it does not know its own address. "
            "Start it with the address in `PUBLIC_URL`, such as `PUBLIC_URL=https://anomaly.example.org`."
        ),
        Obstacle.NO_NETWORK: _(
            "This computer is in no network, so phones cannot reach it. Connect it to the class's Wi-Fi, then reload this page."
        ),
    }[obstacle]

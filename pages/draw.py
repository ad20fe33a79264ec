"""Draw: a canvas whose digits are scored at once."""

import csv
import io
import random
import zipfile

import streamlit as st
from torch import Tensor

from core.detector import AutoencoderDetector, Result
from core.drawing import MAX_FILE_BYTES, PictureError, from_canvas_png, from_picture
from core.jobs import JobState
from pages.shared import pictures, session
from pages.shared.canvas import draw_on_canvas
from pages.shared.glossary import about
from pages.shared.text import _, formatted, sentence

CANVAS_SIDE = 320
MOST_DRAWINGS = 24
BRUSH = 24
"""Width in canvas pixels; a digit of usual size then has about as much ink as one of MNIST."""

drawings = session.drawings()
canvas = drawings.canvas


def clear() -> None:
    """A new key is a clean canvas."""
    canvas.generation += 1
    canvas.initial = canvas.strokes = canvas.image = None
    st.session_state["source"] = "canvas"


def show_canvas() -> None:
    """The canvas, drawn first so that a stroke never waits for the rest of the page."""
    brush = st.session_state.get("brush", BRUSH)
    strokes, png = draw_on_canvas(
        stroke_width=brush,
        stroke_color="#ffffff",
        background_color="#000000",
        height=CANVAS_SIDE,
        width=CANVAS_SIDE,
        initial_drawing=canvas.initial,
        key=f"strokes-{canvas.generation}-{canvas.visit}",
    )
    # Until the first stroke of this visit the component has no image; what was drawn before stays.
    if png is not None and strokes != canvas.strokes:
        try:
            canvas.image = from_canvas_png(png)
        except PictureError as error:
            st.error(sentence(error), icon=":material/error:")
            return
        canvas.strokes = strokes
        st.session_state["source"] = "canvas"
        if canvas.image is not None:
            remember(canvas.image, "canvas")


def judged(image: Tensor) -> tuple[AutoencoderDetector, Result]:
    """The detector in use and what it says of an image; of one image it is asked once."""
    detector = session.detector()
    if drawings.judged is None or drawings.judged[0] is not image or drawings.judged[1] is not detector:
        drawings.judged = image, detector, detector.infer(image)
    return detector, drawings.judged[2]


def remember(image: Tensor, source: str) -> None:
    """Score an image and put it on the strip; strokes added to one drawing replace its entry."""
    detector, result = judged(image)
    names = session.class_names(detector.config.data_set, detector.config.normal_classes)
    source_key = f"{source}-{canvas.generation}" if source == "canvas" else source
    entry = session.Drawing(
        pictures.grey_pixels(image), source_key, names, float(result.scores[0]), result.threshold, bool(result.verdicts[0])
    )
    if drawings.strip and drawings.strip[-1].source == source_key and source == "canvas":
        drawings.strip[-1] = entry
    else:
        drawings.strip = [*drawings.strip, entry][-MOST_DRAWINGS:]


def show_verdict() -> None:
    """Verdict, score, gauge and pictures of the image at hand."""
    image = session_image()
    config = session.detector_config()
    normal = session.class_names(config.data_set, config.normal_classes)
    with st.container(key="verdict"):
        if image is None:
            st.html(pictures.waiting(_("Draw something: a {normal}, or anything else.", normal=normal)))
            return
        detector, result = judged(image)
        is_anomaly = bool(result.verdicts[0])
        sentence = (
            _("I tried to redraw it as “{normal}”, and it did not come out right.", normal=normal)
            if is_anomaly
            else _("I could redraw it well: it looks like “{normal}” to me.", normal=normal)
        )
        st.html(pictures.verdict(is_anomaly, sentence))
    st.html(pictures.gauge(float(result.scores[0]), result.threshold))
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        for key, word, label, value in (
            ("score", "anomaly score", _("Anomaly score"), float(result.scores[0])),
            ("threshold", "threshold", _("Threshold"), result.threshold),
        ):
            with st.container(width="content", gap=None):
                st.caption(label, help=about(word))
                # The container holds the number and nothing else, so that it can be read from outside.
                with st.container(key=key):
                    st.html(pictures.number(value))
        total = len(detector.calibration_scores_)
        as_high = round(float(result.p_values[0]) * total)
        st.markdown(
            _(
                "**{count:,} of {total:,}** held-out images of {normal} score this high.",
                count=as_high,
                total=total,
                normal=normal,
            ),
            width=260,
        )
    seen = result.images[0], result.reconstructions[0], result.error_maps[0]
    st.html(pictures.steps(image[0], *seen) if config.preprocessing != "none" else pictures.triple(*seen))
    st.html(pictures.error_legend())


def session_image() -> Tensor | None:
    """What is judged: the canvas, or the last picture picked or uploaded."""
    if st.session_state.get("source", "canvas") == "canvas":
        return canvas.image
    picked: Tensor | None = st.session_state.get("picked")
    return picked


def show_experts() -> None:
    """The same image before every shipped detector of the data set."""
    image = session_image()
    if image is None:
        return
    names, experts = session.experts(session.detector_config().data_set)
    rows = [
        (name, result.reconstructions[0], float(result.scores[0]), result.threshold)
        for name, result in zip(names, experts.infer(image), strict=True)
    ]
    st.subheader(_("Which digit is it? Ask all ten detectors"))
    st.caption(
        _("Each of these networks knows one digit only and redraws your image as that. The longer the bar, the better the fit.")
    )
    st.html(pictures.experts(rows))


def show_strip() -> None:
    """This session's drawings with their scores, to keep."""
    if not drawings.strip:
        return
    st.subheader(_("Your drawings"))
    cells = "".join(
        '<div class="expert">'
        + pictures.png_picture(entry.png, _("Drawing"))
        + f'<div class="label">{formatted(entry.score, ".4f")}</div>{pictures.badge(entry.is_anomaly)}</div>'
        for entry in reversed(drawings.strip)
    )
    st.html(f'<div class="cards">{cells}</div>')
    with st.container(horizontal=True):
        st.download_button(_("Scores as CSV"), as_csv, "drawings.csv", "text/csv", icon=":material/table:", on_click="ignore")
        st.download_button(
            _("Images as PNG"), as_png_archive, "drawings.zip", "application/zip", icon=":material/image:", on_click="ignore"
        )


def as_csv() -> str:
    """One row a drawing."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["drawing", "normal", "score", "threshold", "verdict"])
    for number, entry in enumerate(drawings.strip, start=1):
        verdict = "anomaly" if entry.is_anomaly else "normal"
        table.writerow([number, entry.normal, f"{entry.score:.6f}", f"{entry.threshold:.6f}", verdict])
    return text.getvalue()


def as_png_archive() -> bytes:
    """The 28x28 images of the strip, numbered as in the CSV."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for number, entry in enumerate(drawings.strip, start=1):
            files.writestr(f"drawing-{number}.png", entry.png)
    return archive.getvalue()


def show_other_ways() -> None:
    """The same without a pointer: a test image or a file."""
    st.button(_("Random test image"), on_click=pick_a_test_image, icon=":material/casino:", shortcut="T")
    file = st.file_uploader(
        _("Upload a photo or scan of a digit"),
        type=["png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff"],
        max_upload_size=MAX_FILE_BYTES // 2**20,
        key="picture",
    )
    if file is None or st.session_state.get("seen-picture") == file.file_id:
        return
    try:
        image = from_picture(file.getvalue())
    except PictureError as error:
        st.error(sentence(error), icon=":material/error:")
        return
    st.session_state["seen-picture"] = file.file_id
    pick(image)
    st.rerun()  # the verdict stands above


def pick_a_test_image() -> None:
    data = session.data_set(session.detector_config().data_set, may_download=False).data
    pick(data.test.images[[random.randrange(len(data.test.images))]])


def pick(image: Tensor) -> None:
    """Judge this image instead of the canvas."""
    st.session_state["source"], st.session_state["picked"] = "picked", image
    remember(image, "picked")


@st.fragment
def draw_area() -> None:
    """Canvas, verdict, experts and strip; a stroke reruns this and nothing else of the page."""
    left, right = st.columns([1, 1.6], gap="large")
    with session.pool().first():  # the verdict comes before anybody's next batch, and before the rest of the page
        with left, st.container(key="canvas"):
            show_canvas()
        with right:
            training = session.job()
            is_live = session.choice() == session.TRAINING and training and training.snapshot().state is JobState.RUNNING
            st.fragment(show_verdict, run_every=1.0 if is_live else None)()
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.button(_("Clear"), on_click=clear, icon=":material/delete:", shortcut="X")
            st.slider(_("Brush width"), 8, 40, BRUSH, key="brush", persist_state="session", width=180)
        with st.expander(_("No pointer? Pick or upload an image"), icon=":material/add_photo_alternate:"):
            show_other_ways()
    show_experts()
    show_strip()


st.title(_("Draw a digit"))
if canvas.visit != session.visit():
    # The strokes of an earlier visit come back with the page; during this visit they stay what they were.
    canvas.visit, canvas.initial = session.visit(), canvas.strokes
draw_area()

"""Home: what this is, one picture that moves the idea across, three doors."""

import streamlit as st
import torch

from pages.shared import pictures, session
from pages.shared.glossary import about
from pages.shared.text import _

FIRST = 100
"""Images of each kind that are scored to find a typical one; all of them would take seconds."""

detector = session.detector()
config = detector.config
normal = session.class_names(config.data_set, config.normal_classes)

st.title(_("See an autoencoder detect anomalies"), help=about("autoencoder"))
st.markdown(
    _(
        "This network has learnt to redraw one kind of image, **{normal}**, and has never seen any other. "
        "Show it something else and it redraws that as best it can, badly. "
        "**What it cannot redraw is an anomaly.**",
        normal=normal,
    )
)


def typical(label_is_normal: bool) -> int:
    """The test image with the median score among the first of its kind: the normal classes, or 7 (else any other)."""
    labels = data.test.labels
    is_normal = torch.isin(labels, torch.tensor(config.normal_classes))
    kind = is_normal if label_is_normal else (labels == 7) & ~is_normal
    if not kind.any():
        kind = ~is_normal
    chosen = kind.nonzero().squeeze(1)[:FIRST]
    scores = detector.decision_function(data.test.images[chosen])
    return int(chosen[scores.argsort()[len(chosen) // 2]])


data = session.data_set(config.data_set, may_download=False).data
result = detector.infer(data.test.images[[typical(True), typical(False)]])

for number, column in enumerate(st.columns(2, gap="large", border=True)):
    with column:
        is_anomaly = bool(result.verdicts[number])
        st.html(pictures.triple(result.images[number], result.reconstructions[number], result.error_maps[number]))
        score = _(
            "anomaly score {score:.3f}, threshold {threshold:.3f}", score=result.scores[number], threshold=result.threshold
        )
        st.html(f'{pictures.badge(is_anomaly)} &nbsp; <span class="label">{score}</span>')
st.html(pictures.error_legend())

draw, train, browse = st.columns(3)
with draw, st.container(border=True, height="stretch"):
    st.page_link("pages/draw.py", label=_("**Draw** your own digit"), icon=":material/draw:")
    st.caption(_("Is your 5 a 5? And what does the network make of your 7?"))
with train, st.container(border=True, height="stretch"):
    st.page_link("pages/train.py", label=_("**Train** a detector"), icon=":material/model_training:")
    st.caption(_("Pick a digit and watch the network learn it, in seconds."))
with browse, st.container(border=True, height="stretch"):
    st.page_link("pages/browse.py", label=_("**Browse** test images"), icon=":material/grid_view:")
    st.caption(_("Thousands of digits it has never seen, with every verdict."))

"""Home: what this is, one picture that moves the idea across, six doors."""

import streamlit as st
import torch

from pages.shared import pictures, session
from pages.shared.glossary import about
from pages.shared.text import _

FIRST = 100
"""Images of each kind among which the typical one is looked for."""

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
    """The test image nearest to the mean of the first of its kind: the normal classes, or 7 (else any other)."""
    labels = data.test.labels
    is_normal = torch.isin(labels, torch.tensor(config.normal_classes))
    kind = is_normal if label_is_normal else (labels == 7) & ~is_normal
    if not kind.any():
        kind = ~is_normal
    chosen = kind.nonzero().squeeze(1)[:FIRST]
    images = data.test.images[chosen]
    return int(chosen[(images - images.mean(dim=0)).square().sum(dim=(1, 2, 3)).argmin()])


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

doors = (
    ("draw", ":material/draw:", _("**Draw** your own digit"), _("Is your 5 a 5? And what does the network make of your 7?")),
    ("train", ":material/model_training:", _("**Train** a detector"), _("Pick a digit and watch the network learn it.")),
    ("browse", ":material/grid_view:", _("**Browse** test images"), _("Digits it has never seen, with every verdict.")),
    ("learn", ":material/school:", _("**Learn** step by step"), _("The course in seven steps, each with something to try.")),
    ("evaluate", ":material/query_stats:", _("**Evaluate** the detector"), _("Drag the threshold and see what it costs.")),
    ("latent", ":material/hub:", _("**Look inside**"), _("Where images lie in the bottleneck, and what lies between.")),
)
for row in (doors[:3], doors[3:]):
    for column, (page, icon, label, promise) in zip(st.columns(3), row, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.page_link(f"pages/{page}.py", label=label, icon=icon)
            st.caption(promise)

"""Walk: from one image to another, along a straight line."""

import streamlit as st
import torch
from torch import Tensor

from core import latent
from core.preprocessing import preprocess
from pages.sections.latent_context import LatentContext, explain_memory
from pages.shared.html import pictures
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted
from pages.shared.state import keys
from pages.shared.state.visitor import tab

STEPS = 9


def ask_end(context: LatentContext, title: str, key: str, default: str) -> Tensor:
    """One end of the walk, as an image (1, 1, 28, 28)."""
    labels, names, images, drawings = context.shown_labels, context.names, context.images, context.drawn
    titles = {
        **{f"class-{label}": names[label] for label in context.classes_there},
        "chosen": _("the image chosen on the plane"),
        **{f"drawing-{number}": _("Drawing {number}", number=number) for number in range(1, len(drawings) + 1)},
    }
    turn = tab().walk_turns.get(key, 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.session_state.get(key) not in titles:
            st.session_state[key] = default
        choice = st.selectbox(title, list(titles), format_func=titles.__getitem__, key=key, persist_state="session")
        kind, _sep, number = choice.partition("-")
        st.button(
            _("Another"),
            key=f"{key}-another",
            icon=":material/casino:",
            disabled=kind != "class",
            on_click=lambda: tab().walk_turns.update({key: turn + 1}),
        )
    if kind == "class":
        own = (labels == int(number)).nonzero().squeeze(1)
        return images[own[turn % len(own)]].unsqueeze(0)
    return images[context.chosen_number if kind == "chosen" else len(labels) + int(number) - 1].unsqueeze(0)


@st.fragment
def show_walk(context: LatentContext) -> None:
    """From one image to another, along the straight line between their latents."""
    detector, drawings, there = context.detector, context.drawn, context.classes_there
    normal = next((label for label in there if label in context.normal_classes), there[0])
    strange = next((label for label in (7, *there) if label in there and label != normal), normal)
    left, right = st.columns(2, gap="large")
    with left:
        start = ask_end(context, _("From"), keys.WALK_FROM, f"class-{normal}")
    with right:
        end = ask_end(context, _("To"), keys.WALK_TO, f"drawing-{len(drawings)}" if drawings else f"class-{strange}")
    ends = torch.cat([start, end])
    latents = latent.encode(detector, ends)
    way = latent.interpolate(latents[0], latents[1], STEPS)
    share = st.slider(_("How far"), 0, 100, 50, key="walk-share", format="%d %%", help=glossary.about("latent space")) / 100
    here, *steps = latent.decode(detector, torch.cat([torch.lerp(latents[:1], latents[1:], share), way]))
    start_seen, end_seen = preprocess(ends, context.config.preprocessing)
    name = _("What the decoder draws here")
    left, right = st.columns(2, gap="large")
    with left, st.container(key="walk-here"):
        st.html(pictures.strip([(start_seen, _("From"), _("From")), (here, name, name), (end_seen, _("To"), _("To"))]))
    shares = [formatted(step / (STEPS - 1), ".0%") for step in range(STEPS)]
    with st.container(key="walk-steps"):
        st.html(pictures.strip([(image, _("Decoded image"), caption) for image, caption in zip(steps, shares, strict=True)]))
    with right:
        explain_memory(context.config)

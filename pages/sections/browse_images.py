"""Browse: which test images are shown, and they, a page of cards."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from pages.shared.html import pictures, signs, verdicts
from pages.shared.i18n.text import _, formatted, ngettext
from pages.shared.state import keys
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import tab

PER_PAGE = 12


VERDICTS = ("all", "false alarms", "missed anomalies")


ORDERS = ("highest score first", "lowest score first", "shuffled")


@dataclass(frozen=True)
class Filter:
    """Which test images are shown, and in which order."""

    classes: tuple[int, ...]
    verdict: str
    order: str
    shuffle: int

    def indices(self, context: PageContext) -> Tensor:
        """Indices of the test images that pass, in order."""
        labels, is_normal, is_alarm = context.labels, context.is_normal, context.is_alarm
        keep = torch.isin(labels, torch.tensor(self.classes)) if self.classes else torch.ones(len(labels), dtype=torch.bool)
        if self.verdict == "false alarms":
            keep &= is_normal & is_alarm
        elif self.verdict == "missed anomalies":
            keep &= ~is_normal & ~is_alarm
        chosen = keep.nonzero().squeeze(1)
        if self.order == "shuffled":
            return chosen[torch.randperm(len(chosen), generator=torch.Generator().manual_seed(self.shuffle))]
        return chosen[context.scores[chosen].argsort(descending=self.order == ORDERS[0], stable=True)]


def to_first_page() -> None:
    st.session_state[keys.BROWSE_PAGE] = 1


def shuffle_anew() -> None:
    tab().shuffle += 1
    st.session_state[keys.BROWSE_ORDER] = "shuffled"
    to_first_page()


def ask_filter(names: Sequence[str]) -> Filter:
    """The controls above the images."""
    words = {
        "all": _("All"),
        "false alarms": _("False alarms"),
        "missed anomalies": _("Missed anomalies"),
        "highest score first": _("Highest score first"),
        "lowest score first": _("Lowest score first"),
        "shuffled": _("Shuffled"),
    }
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        classes = st.pills(
            _("Classes"),
            range(len(names)),
            selection_mode="multi",
            format_func=lambda label: names[label],
            key=keys.BROWSE_CLASSES,
            wrap=True,
            on_change=to_first_page,
            persist_state="session",
            help=_("Nothing chosen shows every class."),
        )
        verdict = st.segmented_control(
            _("Verdict"),
            VERDICTS,
            default="all",
            required=True,
            format_func=lambda word: words[word],
            key=keys.BROWSE_VERDICT,
            on_change=to_first_page,
            persist_state="session",
            help=_("A false alarm is a normal image called an anomaly. A missed anomaly is the opposite mistake."),
        )
        order = st.selectbox(
            _("Order"),
            ORDERS,
            index=2,
            format_func=lambda word: words[word],
            key=keys.BROWSE_ORDER,
            on_change=to_first_page,
            persist_state="session",
            width=180,
        )
        st.button(_("Shuffle"), on_click=shuffle_anew, icon=":material/shuffle:")
    return Filter(tuple(classes), verdict or "all", order, tab().shuffle)


def show_detail(context: PageContext, index: int) -> None:
    """One image, large, with all its numbers."""
    result = context.detector.infer(context.test.images[index : index + 1])
    is_anomaly, is_normal = bool(result.verdicts[0]), bool(context.is_normal[index])
    is_right = is_normal != is_anomaly
    truth = signs.of_truth(is_right)
    st.html(pictures.triple(result.images[0], result.reconstructions[0], result.error_maps[0]))
    st.html(pictures.error_legend())
    st.html(verdicts.gauge(float(result.scores[0]), result.threshold))
    total = len(context.detector.calibration_scores_)
    rows = {
        _("Label"): context.names[int(context.labels[index])],
        _("Verdict"): f"{verdicts.verdict_word(is_anomaly)} {signs.of_verdict(is_anomaly).mark}",
        _("Right or wrong"): f"{truth.mark} {verdicts.outcome_word(is_normal, is_anomaly)}",
        _("Anomaly score"): formatted(result.scores[0], ".4f"),
        _("Threshold"): formatted(result.threshold, ".4f"),
        _("Held-out normal images that score this high"): _(
            "{count:,} of {total:,}", count=int(result.at_least_as_high[0]), total=total
        ),
        _("Number in the test set"): formatted(index, ","),
    }
    st.table(rows, border="horizontal")


def show_images(context: PageContext, indices: Tensor) -> None:
    """A page of cards."""
    if len(indices) == 0:
        st.info(_("No test image is of this kind. Choose another filter."), icon=":material/search_off:")
        return
    st.caption(ngettext("{count:,} image", "{count:,} images", len(indices)))
    pages = -(-len(indices) // PER_PAGE)
    page = st.session_state.get(keys.BROWSE_PAGE, 1)
    if page > pages:  # of more pages than there are, the widget would go back to the first
        page = st.session_state[keys.BROWSE_PAGE] = pages
    shown = indices[(page - 1) * PER_PAGE : page * PER_PAGE]
    result = context.detector.infer(context.test.images[shown])
    columns = 3
    for start in range(0, len(shown), columns):
        for column, place in zip(st.columns(columns), range(start, min(start + columns, len(shown))), strict=False):
            index = int(shown[place])
            with column, st.container(border=True, gap="small"):
                st.html(pictures.triple(result.images[place], result.reconstructions[place], result.error_maps[place], False))
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    badge = verdicts.badge(bool(result.verdicts[place]))
                    score = f'<span class="label">{formatted(result.scores[place], ".4f")}</span>'
                    outcome = verdicts.outcome(bool(context.is_normal[index]), bool(context.is_alarm[index]))
                    st.html(f"{badge} {score} {outcome}", width="content")
                    name = context.names[int(context.labels[index])]
                    if st.button(name, key=f"detail-{place}", icon=":material/zoom_in:", type="tertiary"):
                        st.dialog(_("Test image"), width="large")(show_detail)(context, index)
    if pages > 1:
        st.pagination(pages, key=keys.BROWSE_PAGE)


@st.fragment
def show_browser(context: PageContext) -> None:
    """Filter, images and pages; changing one reruns this and nothing else of the page."""
    show_images(context, ask_filter(context.names).indices(context))

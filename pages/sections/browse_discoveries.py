"""False discoveries: how many of the alarms are false, for the threshold and for a rule that bounds just that."""

from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from core.conformal import at_least_as_high, benjamini_hochberg, p_value, smallest_rate
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted
from pages.shared.state.page_context import PageContext

SHARES = (0.01, 0.1, 1.0)
"""Of anomalies among the images, as near as whole images come to it; 1 takes all that the test set has."""

FALSE_SHARE = 0.05
"""Of the alarms at most so many shall be false."""


@dataclass(frozen=True)
class Discoveries:
    """What a rule found: is_alarm, is_normal bool (N,) of the same images."""

    is_alarm: Tensor
    is_normal: Tensor

    @property
    def alarms(self) -> int:
        return int(self.is_alarm.sum())

    @property
    def false_alarms(self) -> int:
        return int((self.is_alarm & self.is_normal).sum())

    @property
    def caught(self) -> int:
        return self.alarms - self.false_alarms


def mixed(is_normal: Tensor, share: float) -> Tensor:
    """Indices of all normal images (N,) and of so many anomalies, drawn by a fixed seed, that they are this share; sorted."""
    normals, anomalies = is_normal.nonzero().flatten(), (~is_normal).nonzero().flatten()
    if share == 1:
        return torch.arange(len(is_normal))
    wanted = max(1, round(len(normals) * share / (1 - share)))
    drawn = torch.randperm(len(anomalies), generator=torch.Generator().manual_seed(0))[:wanted]
    return torch.cat([normals, anomalies[drawn]]).sort().values


def shares_there(is_normal: Tensor) -> dict[float, float]:
    """SHARES, and what share of images (N,) anomalies really are in the mixture for each; equal mixtures are there once."""
    mixtures = {share: mixed(is_normal, share) for share in SHARES}
    last = {len(chosen): share for share, chosen in mixtures.items()}
    return {share: float((~is_normal[mixtures[share]]).double().mean()) for share in last.values()}


def compare(context: PageContext, share: float) -> tuple[Discoveries, Discoveries]:
    """What the threshold in use finds among the test images, and what Benjamini and Hochberg's rule does."""
    chosen = mixed(context.is_normal, share)
    calibration, is_normal = context.detector.calibration_scores_, context.is_normal[chosen]
    p_values = p_value(at_least_as_high(calibration, context.scores[chosen]), len(calibration))
    return (
        Discoveries(context.is_alarm[chosen], is_normal),
        Discoveries(benjamini_hochberg(p_values, FALSE_SHARE), is_normal),
    )


@st.fragment
def show(context: PageContext) -> None:
    """Both rules on the same images, among which anomalies are as rare as one likes."""
    there = shares_there(context.is_normal)
    titles = {share: formatted(real, ".0%") if share < 1 else _("as in the test set") for share, real in there.items()}
    share = st.segmented_control(
        _("Anomalies among the images"),
        list(titles),
        default=0.1 if 0.1 in titles else 1.0,
        required=True,
        format_func=titles.__getitem__,
        key="discovery-share",
        persist_state="session",
    )
    by_threshold, by_share = compare(context, share)
    total = len(context.detector.calibration_scores_)
    share_kept = max(context.config.false_alarm_rate, smallest_rate(total))  # fewer cannot be promised by so few images
    rules = {
        _("Threshold: on average at most {share:.1%} of the **normal images**", share=share_kept)
        if context.config.threshold is None
        else _("Threshold set by hand"): by_threshold,
        _("Benjamini-Hochberg: at most {share:.0%} of the **alarms**", share=FALSE_SHARE): by_share,
    }
    with st.container(key="discoveries"):
        st.table(
            [
                {
                    _("What may be false"): name,
                    _("Alarms"): formatted(found.alarms, ","),
                    _("False among them"): _share(found.false_alarms, found.alarms),
                    _("Anomalies caught"): _share(found.caught, int((~found.is_normal).sum())),
                }
                for name, found in rules.items()
            ],
            border="horizontal",
            hide_index=True,
        )
        if not by_share.alarms:
            st.caption(
                _(
                    "Nothing was found. The smallest p-value that {total:,} calibration images can give is 1/{next:,}: either "
                    "that is not small enough for so few anomalies, or the detector does not tell them apart well enough.",
                    total=total,
                    next=total + 1,
                )
            )
        st.caption(
            _(
                "Where anomalies are rare ({rare:.0%} of the images), most alarms of a threshold such as 5 % are false. This "
                "rule asks for smaller p-values the fewer alarms there are, so that on average at most {share:.0%} of them are "
                "false (Benjamini and Hochberg 1995; with conformal p-values Bates et al. 2023).",
                rare=SHARES[0],
                share=FALSE_SHARE,
            ),
            help=glossary.about("p-value"),
        )


def _share(part: int, whole: int) -> str:
    if not whole:
        return "0"
    return _("{part:,} of {whole:,} ({share:.0%})", part=part, whole=whole, share=part / whole)

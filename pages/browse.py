"""Browse: test images beside their reconstructions, with score and verdict."""

import streamlit as st

from core.metrics import histogram
from pages.sections import browse_discoveries
from pages.sections.browse_images import show_browser
from pages.shared.charts import figures
from pages.shared.forms import data_notice, test_source
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state.page_context import PageContext
from pages.shared.streamlit_internals import begin_again_with_app


def show() -> None:
    """The page."""
    st.title(_("Browse test images"))
    context = PageContext.of_detector_in_use()
    data_notice.show(context.at_hand)
    test_source.ask(context)
    show_summary(context)
    with st.expander(_("All scores"), icon=":material/bar_chart:"):
        counted = histogram(context.scores, context.labels)
        chart = figures.score_histogram(counted, context.normal_classes, context.detector.threshold_)
        st.plotly_chart(chart, key="all-scores", config={"displayModeBar": False}, alt=_("All scores"))
    st.html(pictures.error_legend())
    show_browser(context)
    with st.expander(_("How many alarms are false?"), icon=":material/rule:"):
        browse_discoveries.show(context)


def show_summary(context: PageContext) -> None:
    """How the detector did on the whole test set."""
    is_normal, is_alarm = context.is_normal, context.is_alarm
    normals, anomalies = int(is_normal.sum()), int((~is_normal).sum())
    alarms, caught = int((is_normal & is_alarm).sum()), int((~is_normal & is_alarm).sum())
    st.markdown(
        _(
            "**{alarms:,} of {normals:,}** normal images ({normal}) set off a false alarm ({alarm_share:.1%}). "
            "**{caught:,} of {anomalies:,}** anomalies were caught ({caught_share:.1%}).",
            alarms=alarms,
            normals=normals,
            normal=context.normal,
            alarm_share=alarms / max(normals, 1),
            caught=caught,
            anomalies=anomalies,
            caught_share=caught / max(anomalies, 1),
        )
    )


if __name__ == "__main__":
    begin_again_with_app()

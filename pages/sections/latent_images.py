"""Where images lie: the plane with images, and the chosen one beside it."""

import streamlit as st
import torch
from torch import Tensor

from core import latent
from core.presets import Shipped
from pages.sections.latent_context import LatentContext
from pages.shared.components import scatter_map
from pages.shared.html import pictures, verdicts
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, detectors, keys, latent_space
from pages.shared.state.visitor import Choice, tab

_SHIPPED = Shipped("two-units", "mnist", 5)
TWO_UNITS = Choice(shipped=_SHIPPED)


def offer_two_units(context: LatentContext) -> None:
    """A way to the one kind of bottleneck that is as flat as a screen."""
    if context.dimensions > 2 and TWO_UNITS in detectors.choices():
        name = _SHIPPED.data_set
        normal = f"{data_sets.title_of(name)} {data_sets.joined_class_names(name, (_SHIPPED.normal_class,))}"
        if st.button(
            _("Use two units (a detector of {normal})", normal=normal),
            on_click=lambda: detectors.use(TWO_UNITS),
            icon=":material/filter_2:",
            help=_("Only a two-unit bottleneck can be seen whole."),
        ):
            st.rerun()  # the whole page, of which this is a part, is about the detector


def ask_layout(dimensions: int) -> str:
    """How the space is made flat; one or two units are flat already."""
    if dimensions <= 2:
        return "units"
    titles = {"pca": _("PCA"), "t-sne": _("t-SNE")}
    return st.segmented_control(
        _("Layout"),
        list(titles),
        default="pca",
        required=True,
        format_func=titles.__getitem__,
        key="latent-layout",
        persist_state="session",
        help=glossary.about("t-sne"),
    )


def lay_out(context: LatentContext, layout: str, latents: Tensor) -> tuple[Tensor, Tensor, tuple[str, str], str]:
    """Numbers (N,) of the images laid out, their places (N, 2), the axes' names, and a sentence about it."""
    numbers, projection, dimensions = torch.arange(len(latents)), context.inside.projection, context.dimensions
    if layout == "t-sne":
        numbers = torch.cat([numbers[: latent_space.NEIGHBOUR_IMAGES], numbers[len(context.shown_labels) :]])
        with st.spinner(_("Laying out …")):
            places = latent_space.neighbours(latents[numbers])
        return (
            numbers,
            places,
            ("", ""),
            _("Most neighbours stay neighbours. Distances between groups and their sizes mean nothing."),
        )
    coordinates = projection.transform(latents)
    if layout == "pca":
        share = float(projection.explained_variance_ratio[:2].sum())
        sentence = (
            _(
                "Two of {dimensions} dimensions: {share:.0%} of the variance of normal images in the latent space.",
                dimensions=dimensions,
                share=share,
            )
            if context.inside.is_of_normal
            else _(
                "Two of {dimensions} dimensions: {share:.0%} of the variance of all images in the latent space; hardly any is "
                "normal.",
                dimensions=dimensions,
                share=share,
            )
        )
        return numbers, coordinates[:, :2], (context.axis_name(0), context.axis_name(1)), sentence
    if dimensions == 2:
        sentence = _("The two units of the bottleneck: nothing is left out.")
        return numbers, coordinates, (context.axis_name(0), context.axis_name(1)), sentence
    chance = torch.rand(len(latents), 1, generator=torch.Generator().manual_seed(0))
    return numbers, torch.cat([coordinates, chance], dim=1), (context.axis_name(0), ""), _("One unit; the height is chance.")


@st.fragment
def show_images(context: LatentContext) -> None:
    """The plane with images, and the chosen one beside it."""
    labels, names = context.shown_labels, context.names
    drawn = context.images[len(labels) :]
    latents = torch.cat([context.inside.latents, latent.encode(context.detector, drawn)])
    scores = torch.cat([context.inside.scores, context.detector.decision_function(drawn)])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layout = ask_layout(context.dimensions)
        shapes = {False: _("Points"), True: _("Images")}
        as_images = st.segmented_control(
            _("Show as"),
            list(shapes),
            default=False,
            required=True,
            format_func=shapes.__getitem__,
            key="latent-as-images",
            persist_state="session",
        )
        classes = st.pills(
            _("Classes"),
            range(len(names)),
            selection_mode="multi",
            format_func=names.__getitem__,
            key="latent-classes",
            wrap=True,
            persist_state="session",
            help=_("Nothing chosen shows every class."),
        )
        offer_two_units(context)
    left, right = st.columns([1.7, 1], gap="large")
    with left:
        numbers, places, axes, sentence = lay_out(context, layout, latents)
        kept = [
            row
            for row, number in enumerate(numbers.tolist())
            if number >= len(labels) or not classes or int(labels[number]) in classes
        ]
        show_scatter_map(context, numbers[kept].tolist(), places[kept], scores, axes, whole(places), as_images)
        st.caption(sentence, help=glossary.about({"pca": "principal direction", "t-sne": "t-sne"}.get(layout, "latent space")))
    with right:
        show_chosen(context)


def whole(places: Tensor) -> scatter_map.Extent:
    """The rectangle around all places, with a margin."""
    low, high = places.amin(dim=0), places.amax(dim=0)
    margin = (high - low).clamp_min(1e-3) * 0.04
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return scatter_map.Extent(left, right, bottom, top)


def show_scatter_map(
    context: LatentContext,
    numbers: list[int],
    places: Tensor,
    scores: Tensor,
    axes: tuple[str, str],
    extent: scatter_map.Extent,
    as_images: bool,
) -> None:
    """The images with these numbers at their places (N, 2)."""

    def choose() -> None:
        tab().chosen_image = scatter_map.chosen_of(keys.SCATTER_MAP)

    count = len(context.shown_labels)
    points = scatter_map.Points(
        x=[round(x, 4) for x in places[:, 0].tolist()],
        y=[round(y, 4) for y in places[:, 1].tolist()],
        kinds=[context.kind_of(number) for number in numbers],
        tiles=numbers,
        texts=[f"{context.name_of(number)}\n{_('score {score:.4f}', score=float(scores[number]))}" for number in numbers],
        numbers=["" if number < count else str(number - count + 1) for number in numbers],
    )
    label = _("Images in the latent space; arrow keys choose another one")
    sprite = latent_space.sprite(context.inside, context.images, len(context.drawn))
    scatter_map.choose_point(keys.SCATTER_MAP, label, axes, extent, points, sprite, context.chosen_number, as_images, choose)


def show_chosen(context: LatentContext) -> None:
    """The chosen image before the detector."""
    number = context.chosen_number
    result = context.detector.infer(context.images[number : number + 1])
    with st.container(key="latent-image"):
        badge = verdicts.badge(bool(result.verdicts[0]))
        st.html(f'<span class="number">{context.name_of(number)}</span> &nbsp; {badge}')
        st.html(pictures.triple(result.images[0], result.reconstructions[0], result.error_maps[0]))
        st.html(verdicts.gauge(float(result.scores[0]), result.threshold))
        sentence = _("Anomaly score {score:.4f}, threshold {threshold:.4f}", score=result.scores[0], threshold=result.threshold)
        st.caption(sentence, help=glossary.about("anomaly score"))
        st.html(pictures.error_legend())
        normal = context.normal
        sentence = _("Click a point to see its image. The decoder has only ever learnt to draw {normal}.", normal=normal)
        st.caption(sentence, help=glossary.about("decoder"))

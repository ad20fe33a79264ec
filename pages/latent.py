"""Look inside: where images lie in the bottleneck, what the decoder draws there, and how small it can be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import streamlit as st
import torch
from torch import Tensor

from core import latent
from core.detector import DetectorConfig
from core.experiments import compression
from core.model import PIXELS
from core.preprocessing import preprocess
from core.presets import Shipped
from pages.shared.charts import bottleneck
from pages.shared.components import scatter_map
from pages.shared.html import pictures
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted
from pages.shared.state import keys, latent_space, session
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import Choice, tab, visitor
from pages.shared.streamlit_internals import begin_again_with_app

STEPS = 9
TWO_UNITS = Choice(shipped=Shipped("two-units", "mnist", 5))


@dataclass(frozen=True)
class LatentContext(PageContext):
    """What the sections share. An image's number is its place among the test images shown, then come the drawings."""

    @property
    def dimensions(self) -> int:
        return self.config.model.latent_dim

    @cached_property
    def inside(self) -> latent_space.Space:
        return latent_space.look(self.detector, self.data)

    @cached_property
    def shown_labels(self) -> Tensor:
        """Labels (N,) of the test images shown."""
        return self.labels[self.inside.shown]

    @cached_property
    def drawn(self) -> list[Tensor]:
        """The visitor's drawings, each (1, 28, 28) in [0, 1]."""
        return [torch.from_numpy(entry.picture).view(1, 28, 28) / 255 for entry in visitor().drawings.strip]

    @cached_property
    def images(self) -> Tensor:
        """Every image of the page (N, 1, 28, 28), the drawings last."""
        return torch.stack([*self.data.test.images[self.inside.shown], *self.drawn])

    def name_of(self, number: int) -> str:
        """What an image is called."""
        count = len(self.shown_labels)
        if number < count:
            return self.names[int(self.shown_labels[number])]
        return _("Drawing {number}", number=number - count + 1)

    def kind_of(self, number: int) -> scatter_map.Kind:
        if number >= len(self.shown_labels):
            return "drawing"
        return "normal" if int(self.shown_labels[number]) in self.config.normal_classes else "anomaly"

    def axis_name(self, number: int) -> str:
        if self.dimensions <= 2:
            return _("Unit {number}", number=number + 1)
        return _("Direction {number}", number=number + 1)

    @property
    def chosen_number(self) -> int:
        """The image chosen on the plane."""
        return min(tab().chosen_image, len(self.images) - 1)


def show() -> None:
    """The page."""
    context = LatentContext.of_detector_in_use()
    st.title(_("Look inside"))
    session.show_data_notice(context.at_hand)
    sections: dict[str, Callable[[LatentContext], None]] = {
        _("Where images lie"): show_images,
        _("Move"): show_decoder,
        _("Walk"): show_walk,
        _("Compression"): show_compression,
    }
    tabs = st.tabs(list(sections), key="latent-section", on_change="rerun")
    for opened, show_section in zip(tabs, sections.values(), strict=True):
        if opened.open:
            with opened:
                show_section(context)


# ---------------------------------------------------------------- images


def offer_two_units(context: LatentContext) -> None:
    """A way to the one kind of bottleneck that is as flat as a screen."""
    if context.dimensions > 2 and TWO_UNITS in session.choices():
        st.button(
            _("Use two units"),
            on_click=lambda: session.use(TWO_UNITS),
            icon=":material/filter_2:",
            help=_("Only a two-unit bottleneck can be seen whole."),
        )


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
    numbers, frame, dimensions = torch.arange(len(latents)), context.inside.frame, context.dimensions
    if layout == "t-sne":
        numbers = torch.cat([numbers[: latent_space.NEIGHBOUR_IMAGES], numbers[len(context.shown_labels) :]])
        with st.spinner(_("Laying out …")):
            places = latent_space.neighbours(latents[numbers])
        return numbers, places, ("", ""), _("Neighbours stay neighbours. Distances between groups mean nothing.")
    coordinates = frame.coordinates(latents)
    if layout == "pca":
        share = float(frame.shares[:2].sum())
        sentence = _(
            "Two of {dimensions} dimensions: {share:.0%} of the spread of normal images.", dimensions=dimensions, share=share
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
        show_plane(context, numbers[kept].tolist(), places[kept], scores, axes, whole(places), as_images)
        st.caption(sentence, help=glossary.about({"pca": "principal direction", "t-sne": "t-sne"}.get(layout, "latent space")))
    with right:
        show_chosen(context)


def whole(places: Tensor) -> scatter_map.Extent:
    """The rectangle around all places, with a margin."""
    low, high = places.amin(dim=0), places.amax(dim=0)
    margin = (high - low).clamp_min(1e-3) * 0.04
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return scatter_map.Extent(left, right, bottom, top)


def show_plane(
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
        tab().chosen_image = int(st.session_state[keys.IMAGE_PLANE]["chosen"])

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
    sprite = latent_space.sprite(context.data.name, context.images, len(context.drawn))
    scatter_map.choose_point(keys.IMAGE_PLANE, label, axes, extent, points, sprite, context.chosen_number, as_images, choose)


def show_chosen(context: LatentContext) -> None:
    """The chosen image before the detector."""
    number = context.chosen_number
    result = context.detector.infer(context.images[number : number + 1])
    with st.container(key="latent-image"):
        badge = pictures.badge(bool(result.verdicts[0]))
        st.html(f'<span class="number">{context.name_of(number)}</span> &nbsp; {badge}')
        st.html(pictures.triple(result.images[0], result.reconstructions[0], result.error_maps[0]))
        st.html(pictures.gauge(float(result.scores[0]), result.threshold))
        sentence = _("Anomaly score {score:.4f}, threshold {threshold:.4f}", score=result.scores[0], threshold=result.threshold)
        st.caption(sentence, help=glossary.about("anomaly score"))
        st.html(pictures.error_legend())
        normal = session.class_names(context.config.data_set, context.config.normal_classes)
        sentence = _("Click a point to see its image. The decoder has only ever learnt to draw {normal}.", normal=normal)
        st.caption(sentence, help=glossary.about("decoder"))


# ---------------------------------------------------------------- moving


def slider_title(context: LatentContext, number: int) -> str:
    if context.dimensions <= 2:
        return context.axis_name(number)
    share = float(context.inside.frame.shares[number])
    return _("{axis}: {share:.0%} of the spread", axis=context.axis_name(number), share=share)


def move_to(place: list[float]) -> None:
    """Put the sliders to coordinates, as many as are given."""
    for number, value in enumerate(place):
        st.session_state[keys.direction(number)] = float(value)


def tell_of_recall(config: DetectorConfig) -> None:
    """Why a reconstruction by this detector can look different from what its decoder draws."""
    if config.neighbours:
        st.caption(
            _(
                "The decoder draws freely here. "
                "To judge an image, the detector redraws the {count} training images most like it.",
                count=config.neighbours,
            )
        )


@st.fragment
def show_decoder(context: LatentContext) -> None:
    """A map to click and drag in, sliders, and the image that the decoder draws at that place."""
    detector, inside = context.detector, context.inside
    low, middle, high = (values.tolist() for values in (inside.low, inside.middle, inside.high))
    here = [float(st.session_state.get(keys.direction(number), value)) for number, value in enumerate(middle)]
    # Another detector's space may reach less far.
    move_to([min(max(value, least), most) for value, least, most in zip(here, low, high, strict=True)])
    left, middle_column, right = st.columns([2.1, 1, 1.8], gap="medium")
    with right:
        place = [
            st.slider(
                slider_title(context, number),
                low[number],
                high[number],
                step=(high[number] - low[number]) / 120,
                format="localized",
                key=keys.direction(number),
                persist_state="session",
                help=glossary.about("latent" if context.dimensions <= 2 else "principal direction"),
            )
            for number in range(len(low))
        ]
    with middle_column, st.container(key="decoded"):
        image = latent.decode(detector, inside.frame.latents(torch.tensor([place])))[0]
        title = _("What the decoder draws here")
        st.html(pictures.figure(pictures.picture(image, title), title))
        st.button(_("Back to the middle"), on_click=lambda: move_to(middle), icon=":material/center_focus_strong:")
        tell_of_recall(context.config)
    with left:
        st.caption(_("Click or drag: the decoder draws what lies there."), help=glossary.about("decoder"))
        picture, aspect = latent_space.decoded_map(detector, inside, place)
        # One unit has a map of one row, from 0 to 1.
        x, y = (*place, 0.5)[:2]
        (left_end, bottom), (right_end, top) = (*low, 0.0)[:2], (*high, 1.0)[:2]
        extent = scatter_map.Extent(left_end, right_end, bottom, top)
        axes = (context.axis_name(0), context.axis_name(1) if len(low) > 1 else "")

        def move() -> None:
            move_to(scatter_map.place_of(keys.IMAGE_MAP)[: len(low)])

        label = _("Map of decoded images; arrow keys move in it")
        scatter_map.choose_place(keys.IMAGE_MAP, label, axes, extent, aspect, picture, (x, y), move)


# ---------------------------------------------------------------- walking


def ask_end(context: LatentContext, title: str, key: str, default: str) -> Tensor:
    """One end of the walk, as an image (1, 1, 28, 28)."""
    labels, names, images, drawings = context.shown_labels, context.names, context.images, context.drawn
    titles = {
        **{f"class-{label}": names[label] for label in range(len(names))},
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
    detector, drawings, normal = context.detector, context.drawn, context.config.normal_classes[0]
    strange = next(label for label in (7, 0) if label != normal)
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
        tell_of_recall(context.config)


# ---------------------------------------------------------------- compression


@st.fragment
def show_compression(_context: LatentContext) -> None:
    """Seven networks that differ in the bottleneck only, before the same images."""
    made = compression.read()
    st.caption(
        _(
            "Seven networks that know 5s, alike but for the bottleneck. Smallest error: {closest} units. "
            "Highest AUROC: {keenest} units.",
            closest=min(made.measured, key=lambda each: each.error).latent_dim,
            keenest=max(made.measured, key=lambda each: each.auroc).latent_dim,
        ),
        help=glossary.about("bottleneck"),
    )
    labels_of = made.labels.tolist()
    captions = [
        _("{label} · {number}", label=label, number=labels_of[:place].count(label) + 1) for place, label in enumerate(labels_of)
    ]
    chosen = st.pills(
        _("Test image"),
        range(len(captions)),
        default=1,
        required=True,
        format_func=captions.__getitem__,
        key="compression-image",
        wrap=True,
        persist_state="session",
    )
    image = made.images[chosen] / 255
    cells = [(image, _("Test image"), _("the image\n{bytes} bytes", bytes=PIXELS))]
    for each, reconstructions in zip(made.measured, made.reconstructions, strict=True):
        reconstruction = reconstructions[chosen] / 255
        caption = _(
            "{units} units\n{bytes} bytes\nerror {error:.3f}",
            units=each.latent_dim,
            bytes=each.bytes,
            error=(image - reconstruction).square().mean(),
        )
        cells.append((reconstruction, _("Reconstruction"), caption))
    st.html(pictures.strip(cells))
    for column, title, figure in zip(
        st.columns(2),
        (_("Error on normal images"), _("AUROC")),
        (bottleneck.error_by_size(made.measured), bottleneck.auroc_by_size(made.measured)),
        strict=True,
    ):
        with column:
            st.plotly_chart(figure, key=title, config={"displayModeBar": False}, alt=title)


if __name__ == "__main__":
    begin_again_with_app()

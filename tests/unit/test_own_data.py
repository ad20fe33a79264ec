"""A data set of one's own: names, bounds, the split of a single pile, and augmented copies."""

import hashlib
from dataclasses import replace

import pytest
import torch

from core import checkpoint
from core.checkpoint import Checkpoint, CheckpointMismatchError
from core.data.augmentation import ENOUGH, augment, copies_per_image
from core.data.datasets import SOURCES, DataSet
from core.data.own import MAX_IMAGES, MAX_KINDS, MAX_NAME, OwnDataError, OwnImages, kind_name, nothing
from core.data.split import EmptySplitError, plan_split, split_one_class
from core.detector import VARIED_NEIGHBOURS, AutoencoderDetector, DetectorConfig
from core.link import LinkError, decode, encode
from core.model import ModelConfig
from core.presets import preset, preset_of
from core.training import TrainConfig, Trainer
from tests.signs import many

SMALL = ModelConfig(hidden_sizes=(16,), latent_dim=4)


@pytest.fixture(scope="module")
def own() -> OwnImages:
    return OwnImages.of(torch.cat([many("star", 15, 0), many("moon", 12, 1)]), ["star"] * 15 + ["moon"] * 12)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("star", "star"),
        ("  my   star ", "my star"),
        ("5", "5"),
        ("étoile", "étoile"),
        ("e\N{COMBINING ACUTE ACCENT}toile", "étoile"),
        ("نجمة", "نجمة"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}rats", "rats"),
        ("⭐️ star", "⭐️ star"),
        ("<b>star</b>", "b star b"),
        ("**star**", "star"),
        ("[star](http://x.yz)", "star (http x.yz)"),
        (":red[star]", "red star"),
        ("`$star$`", "star"),
        ("my_star", "my star"),
        ("www.star.de", "www star.de"),
        ("www.", "www"),
        ("www. star", "www star"),
        ("- star", "star"),
        ("C++", "C++"),
        ("A+", "A+"),
        ("+", "\N{FULLWIDTH PLUS SIGN}"),
        ("+ a", "\N{FULLWIDTH PLUS SIGN} a"),
        ("=", "="),
        ("?", "?"),
        ("→∞", "→∞"),
        ("5 €", "5 €"),
        ("\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}", "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}"),
        ("$5<6>", "5 6"),
        ("..", None),
        ("", None),
        ("***", None),
        ("\u200b\n\t", None),
        ("x" * MAX_NAME, "x" * MAX_NAME),
        ("x" * (MAX_NAME + 1), None),
        ("x" * 1_000_000, None),
    ],
    ids=lambda value: None if value is None else hashlib.sha256(str(value).encode()).hexdigest()[:8],
)
def test_a_name_is_shown_as_it_is_and_hides_nothing(text: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(OwnDataError):
            kind_name(text)
    else:
        assert kind_name(text) == name
        assert kind_name(name) == name


# ---------------------------------------------------------------- what it holds


def test_images_keep_their_order_and_their_kinds(own: OwnImages) -> None:
    assert own.kinds == ("star", "moon")
    assert own.counts == {"star": 15, "moon": 12}
    assert torch.equal(own.images[0].float() / 255, (many("star", 1, 0)[0, 0] * 255).round() / 255)
    more = own.with_more(many("house", 1, 2), ["house"])
    assert more.counts == {"star": 15, "moon": 12, "house": 1}
    assert more.without([27]).name == own.name, "the same images of the same kinds are the same data set"
    assert more.name != own.name
    assert own.without(range(15)).counts == {"moon": 12}


def test_no_more_images_or_kinds_than_there_is_room_for() -> None:
    many_images = torch.zeros(MAX_IMAGES, 28, 28, dtype=torch.uint8)
    full = OwnImages.of(many_images, ["star"] * MAX_IMAGES)
    with pytest.raises(OwnDataError, match=f"at most {MAX_IMAGES:,} images"):
        full.with_more(many_images[:1], ["star"])
    names = [f"kind {number}" for number in range(MAX_KINDS + 1)]
    with pytest.raises(OwnDataError, match=f"at most {MAX_KINDS} kinds"):
        OwnImages.of(many_images[: len(names)], names)
    assert len(nothing()) == 0


# ---------------------------------------------------------------- the split of one pile


def test_what_trains_and_calibrates_is_not_tested(own: OwnImages) -> None:
    plan = plan_split(own.data_set, (0,), seed=3, vary=True)
    split = plan.materialize()
    tested = [image.numpy().tobytes() for image in split.test.images]
    used = [image.numpy().tobytes() for image in torch.cat([split.train[: len(plan.train)], split.calibration])]
    assert (len(plan.train), len(plan.calibration), len(split.test.labels)) == (10, 3, 2 + 12)
    assert not set(tested) & set(used)
    assert len(set(tested + used)) == 27, "every image has one place"
    assert sorted(split.test.labels.tolist()) == [0] * 2 + [1] * 12


def test_one_kind_alone_trains(own: OwnImages) -> None:
    split = split_one_class(own.without(range(15)).data_set, (0,), seed=1)
    assert split.test.labels.tolist() == [0]


def test_nine_are_too_few(own: OwnImages) -> None:
    with pytest.raises(EmptySplitError, match="Only 9 images"):
        plan_split(own.without(range(6)).data_set, (0,), seed=1)


# ---------------------------------------------------------------- augmented copies


def test_copies_come_from_training_images_only_and_from_the_seed(own: OwnImages) -> None:
    plain = split_one_class(own.data_set, (0,), seed=3)
    split = split_one_class(own.data_set, (0,), seed=3, vary=True)
    assert torch.equal(split.calibration, plain.calibration)
    assert torch.equal(split.test.images, plain.test.images)
    assert torch.equal(split.train[:10], plain.train), "the images themselves come first"
    assert torch.equal(split.train, augment(plain.train, split.copies, 3)), "copies of nothing else"
    assert len(split.train) == 10 * (1 + split.copies) >= ENOUGH
    assert torch.equal(split.train, split_one_class(own.data_set, (0,), seed=3, vary=True).train)
    assert not torch.equal(split.train[10:], augment(plain.train, split.copies, 4)[10:])


def test_a_copy_is_the_same_sign_a_little_different() -> None:
    star, moon = many("star", 1, 0), many("moon", 1, 0)
    copies = augment(star, 200, seed=0)[1:]
    assert copies.shape == (200, 1, 28, 28)
    assert float(copies.min()) >= 0
    assert float(copies.max()) <= 1
    assert len({copy.numpy().tobytes() for copy in copies}) == 200
    ink = copies.sum(dim=(1, 2, 3)) / star.sum()
    assert 0.3 < float(ink.min()) < 0.7, "thinner"
    assert 1.3 < float(ink.max()) < 2.5, "thicker"
    to_star, to_moon = ((copies - image).square().mean(dim=(1, 2, 3)) for image in (star, moon))
    assert float((to_star < to_moon).float().mean()) > 0.95


@pytest.mark.parametrize(("count", "copies"), [(1, ENOUGH - 1), (10, ENOUGH // 10 - 1), (ENOUGH, 1), (10 * ENOUGH, 1)])
def test_few_images_have_many_copies(count: int, copies: int) -> None:
    assert copies_per_image(count) == copies


def test_without_varying_losses_are_what_they_were(uci: DataSet, small: DetectorConfig) -> None:
    split = split_one_class(uci, [5], seed=1)
    assert split.copies == 0
    on = replace(small.training, vary=True)
    losses = [
        [step.loss for step in Trainer(AutoencoderDetector(small).model, split.train, split.calibration, config)]
        for config in (small.training, on)
    ]
    assert losses[0] == losses[1], "who plans the split makes copies, and nobody else draws from the seed for them"


def test_calibration_leaves_out_an_image_with_its_copies(own: OwnImages) -> None:
    config = DetectorConfig(
        "own",
        ("star", "moon"),
        (0,),
        model=ModelConfig(hidden_sizes=(16,), latent_dim=4),
        training=TrainConfig(epochs=1),
        neighbours=3,
    )
    split = split_one_class(own.data_set, (0,), seed=3, vary=True)
    detector = AutoencoderDetector(config).fit_split(split)
    expected = detector.calibration_scores(split.calibration, VARIED_NEIGHBOURS * (1 + split.copies)).sort().values
    assert torch.equal(detector.calibration_scores_, expected)


# ---------------------------------------------------------------- presets, links, checkpoints


def test_only_ones_own_images_are_varied_unasked(own: OwnImages) -> None:
    assert not any(preset(name, data_set).training.vary for name in ("best", "course") for data_set in SOURCES)
    assert preset("best", own.name).training.vary
    config = replace(preset("best", own.name), class_names=own.kinds, normal_classes=(1,))
    assert preset_of(config) == "best"


def test_a_link_works_where_the_drawings_are(own: OwnImages) -> None:
    config = replace(preset("best", own.name), class_names=own.kinds, normal_classes=(1,))
    parts = encode(config, "best")
    assert parts == {"data": own.name, "normal": "1", "preset": "best"}
    there = SOURCES | {own.name: own.source()}
    assert decode(parts, there) == ("best", config)
    with pytest.raises(LinkError, match="drawings that are not here"):
        decode(parts)
    with pytest.raises(LinkError):
        decode(parts | {"normal": "2"}, there)


@pytest.fixture(scope="module")
def made(own: OwnImages) -> Checkpoint:
    config = DetectorConfig(
        own.name,
        own.kinds,
        (1,),
        model=ModelConfig(hidden_sizes=(16,), latent_dim=4),
        training=TrainConfig(epochs=1, vary=True),
        neighbours=3,
    )
    return Checkpoint(AutoencoderDetector(config).fit_split(split_one_class(own.data_set, (1,), seed=3, vary=True)))


def test_a_checkpoint_carries_the_names_of_its_kinds(made: Checkpoint) -> None:
    found = checkpoint.from_bytes(checkpoint.to_bytes(made))
    assert found.config == made.config
    assert found.config.names == ("star", "moon")
    assert found.detector.threshold_ == made.detector.threshold_


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": ()},
        {"class_names": ("star", "star")},
        {"class_names": ("star", "<b>")},
        {"class_names": ("star", 5)},
        {"class_names": (["star"], ["moon"])},
        {"class_names": ("star", "x" * 21)},
        {"class_names": tuple(f"kind {number}" for number in range(MAX_KINDS + 1))},
        {"data_set": "own-"},
        {"data_set": "own-../../etc/passwd"},
        {"data_set": "mnist"},
        {"normal_classes": (2,)},
        {"normal_classes": ()},
    ],
    ids=str,
)
def test_names_that_this_program_gives_to_nothing_are_refused(made: Checkpoint, changes: dict[str, object]) -> None:
    odd = AutoencoderDetector(replace(made.config, **changes), made.detector.model)  # type: ignore[arg-type]
    odd.memory_ = made.detector.memory_
    odd.calibration_scores_, odd.threshold_ = made.detector.calibration_scores_, made.detector.threshold_
    with pytest.raises(CheckpointMismatchError):
        checkpoint.from_bytes(checkpoint.to_bytes(Checkpoint(odd)))

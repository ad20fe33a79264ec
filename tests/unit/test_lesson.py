"""What the lesson says with a number: over the seeds of its file, by shipped detectors, or by training where that is quick."""

import io
import warnings
from dataclasses import replace
from statistics import mean

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import roc_auc_score
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from core import ablation
from core.checkpoint import read
from core.data.datasets import DataSet
from core.data.split import OneClassSplit, split_one_class
from core.detector import AutoencoderDetector
from core.drawing import read_picture
from core.experiments import compression, seeds
from core.latent import sample
from core.model import meta_model, parameter_count
from core.one_batch import BATCHES_SEEN, NetworkState, slow_motion
from core.photos import worksheet
from core.presets import COURSE, PRESETS, Shipped
from core.quiz import CLEARLY, KINDS, questions
from pages.sections import learn_hourglass
from pages.sections.learn_context import USUAL_CLASS
from pages.sections.learn_experiments import BETTER, SAME, WORSE, compared
from pages.sections.learn_overfitting import BATCH, EPOCHS, HELD_OUT, IMAGES, RISES
from tests.pages.conftest import ROOT

TRIALS = seeds.read()
AUROC = {name: seeds.range_of(seeds.of_preset(TRIALS, name), "auroc") for name in seeds.COMPARED}


# ---------------------------------------------------------------- over seeds


@pytest.mark.parametrize("name", seeds.COMPARED)
def test_every_preset_was_trained_with_the_same_seeds_that_of_the_shipped_one_among_them(name: str) -> None:
    made = read(Shipped(name, "mnist", 5).path)
    assert made.evaluation is not None
    trials = {each.seed: each for each in seeds.of_preset(TRIALS, name)}
    assert list(trials) == [1, 2, 3, 4, 5, made.config.training.seed]
    assert trials[made.config.training.seed].auroc == pytest.approx(made.evaluation.auroc, abs=5e-5)
    assert round(AUROC[name].least, 3) <= round(made.evaluation.auroc, 3) <= round(AUROC[name].most, 3), "as the lesson writes"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two-units", WORSE),
        ("narrow", SAME),
        ("wide", SAME),
        ("few-epochs", WORSE),
        ("denoising", SAME),
        ("broadcasting", WORSE),
        ("convolutional", SAME),
    ],
)
def test_how_experiments_compare_with_the_course(name: str, expected: int) -> None:
    assert compared(name) == expected
    own, course = (sorted(each.auroc for each in TRIALS if each.preset == preset) for preset in (name, "course"))
    assert expected == (BETTER if own[0] > course[-1] else WORSE if own[-1] < course[0] else SAME)


def test_eight_numbers_are_enough_and_two_are_not() -> None:
    assert PRESETS["narrow"].model.latent_dim == 8
    assert AUROC["narrow"].least > AUROC["two-units"].most
    assert int(compression.read().labels[0]) == USUAL_CLASS, "what knows which the text says"
    by_units = {each.latent_dim: each.auroc for each in compression.read().measured}
    assert by_units[8] >= by_units[128] > by_units[2]
    shipped = {name: read(Shipped(name, "mnist", 5).path).evaluation for name in ("narrow", "two-units")}
    assert shipped["narrow"]
    assert shipped["two-units"]
    assert (round(shipped["narrow"].auroc, 4), round(shipped["two-units"].auroc, 4)) == (
        round(by_units[8], 4),
        round(by_units[2], 4),
    )


def test_with_eight_numbers_more_of_every_image_that_is_asked_about_is_kept_than_with_two() -> None:
    fewest, more, most = learn_hourglass.COMPARED
    made = compression.read()
    images = made.images[made.labels == made.labels[0]] / 255
    errors = {
        each.latent_dim: (images - reconstructions[: len(images)] / 255).square().mean(dim=(1, 2))
        for each, reconstructions in zip(made.measured, made.reconstructions, strict=True)
    }
    assert bool((errors[more] < errors[fewest]).all())
    assert not bool((errors[most] < errors[more]).all()), "of the most that cannot be said"
    on_average = {each.latent_dim: each.error for each in made.measured}
    assert on_average[fewest] > on_average[more] > on_average[most]


def test_a_wide_bottleneck_copies_everything_and_5s_still_better() -> None:
    wide, course = (seeds.of_preset(TRIALS, name) for name in ("wide", "course"))
    for own, other in zip(wide, course, strict=True):
        assert own.error_others < 0.5 * other.error_others
        assert own.error_normal < 0.5 * own.error_others


def test_why_validation_is_below_training_in_the_first_epoch_and_alike_in_the_last() -> None:
    for trial in seeds.of_preset(TRIALS, "course"):
        assert trial.first[1] < trial.first[0]
        assert abs(trial.last[1] - trial.last[0]) < 0.1 * trial.last[0]


def test_with_noise_validation_stays_above_training_as_it_comes_without() -> None:
    trials = seeds.of_preset(TRIALS, "denoising")
    assert all(trial.last[1] > trial.last[0] for trial in trials)


def test_noisy_validation_images_would_be_as_easy_as_training_images(mnist: DataSet) -> None:
    """That is the reason: the same network, on held-out images with noise."""
    made = read(Shipped("denoising", "mnist", 5).path)
    held_out = split_one_class(mnist, (5,), made.config.training.seed).calibration
    noise = made.config.training.noise * torch.randn(held_out.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        noisy = F.mse_loss(made.detector.model((held_out + noise).clamp(0, 1)), held_out).item()
        clean = F.mse_loss(made.detector.model(held_out), held_out).item()
    assert clean > noisy
    assert noisy == pytest.approx(made.losses[-1].train, rel=0.1)


def test_the_mean_image_is_what_broadcasting_and_one_epoch_draw() -> None:
    stuck = [trial.last[1] for trial in seeds.of_preset(TRIALS, "broadcasting")]
    assert max(stuck) - min(stuck) < 0.003
    assert mean(stuck) == pytest.approx(read(Shipped("broadcasting", "mnist", 5).path).losses[-1].validation, abs=0.002)
    one = [trial.last[1] for trial in seeds.of_preset(TRIALS, "few-epochs")]
    assert mean(one) == pytest.approx(mean(stuck), rel=0.05)


def test_small_filters_have_far_fewer_weights() -> None:
    own, course = (parameter_count(meta_model(PRESETS[name].model)) for name in ("convolutional", "course"))
    assert own < course / 5


def test_the_table_in_the_docs_is_the_files() -> None:
    assert seeds.table(TRIALS) in (ROOT / "docs/method.md").read_text(encoding="utf-8")


def test_seeds_go_on_where_they_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: object, uci: DataSet) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "seeds.json"
    tiny = replace(COURSE, training=replace(COURSE.training, epochs=1))
    monkeypatch.setitem(PRESETS, "course", tiny)
    monkeypatch.setattr(seeds, "load_or_download", lambda _name: uci)
    seeds.main(["--preset", "course", "--seed", "1", "--file", str(file)])
    first = seeds.read(file)
    seeds.read.cache_clear()
    seeds.main(["--preset", "course", "--seed", "1", "2", "--file", str(file)])
    seeds.read.cache_clear()
    assert [each.seed for each in seeds.read(file)] == [1, 2]
    assert seeds.read(file)[0] == first[0]
    seeds.read.cache_clear()


# ---------------------------------------------------------------- torch


def test_torchs_own_loss_warns_of_shapes_and_a_minus_does_not() -> None:
    images, reconstructions = torch.rand(3, 1, 2, 2), torch.rand(3, 2, 2)
    with pytest.warns(UserWarning, match="target size"):
        F.mse_loss(reconstructions, images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (images - reconstructions).shape == (3, 3, 2, 2)


# ---------------------------------------------------------------- overfitting


@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_epochs_on_fifty_images_overfit(mnist: DataSet, seed: int) -> None:
    split = split_one_class(mnist, (5,), seed)
    training = replace(COURSE.training, epochs=EPOCHS, batch_size=BATCH, seed=seed)
    detector = AutoencoderDetector(replace(COURSE, training=training))
    trainer = detector.trainer(split.train[:IMAGES], split.calibration[:HELD_OUT])
    curve = [step.epoch_losses for step in trainer if step.epoch_losses]
    least = min(range(EPOCHS), key=lambda epoch: curve[epoch].validation)
    assert least < EPOCHS / 2
    assert curve[-1].validation > RISES * curve[least].validation
    assert curve[-1].train < 0.2 * curve[-1].validation


# ---------------------------------------------------------------- ideas


def test_ideas_end_at_the_best_detector_and_begin_at_the_courses(uci: DataSet) -> None:
    course, best = (read(Shipped(name, "mnist", 5).path).detector for name in ("course", "best"))
    images = uci.test.images[:40]
    ends = {name: ablation.detector_at_step(name, course, best).decision_function(images) for name in ("course", "loops")}
    assert torch.equal(ends["course"], course.decision_function(images))
    assert torch.allclose(ends["loops"], best.decision_function(images))
    assert (course.config, best.config) == (COURSE, PRESETS["best"]), "shared detectors stay as they are"


def test_turns_help_what_is_written_aslant(mnist: DataSet) -> None:
    course, best = (read(Shipped(name, "mnist", 5).path).detector for name in ("course", "best"))
    fives = mnist.test.images[mnist.test.labels == 5][:400]
    alarms = {}
    for name in ("memory", "turns"):
        detector = ablation.detector_at_step(name, course, best)
        line = detector.decision_function(fives).double().quantile(0.95)
        turned = [rotate(fives, angle, InterpolationMode.BILINEAR) for angle in (-25, -15, 15, 25)]
        alarms[name] = [float((detector.decision_function(images) > line).double().mean()) for images in turned]
    assert all(without > turns for without, turns in zip(alarms["memory"], alarms["turns"], strict=True))


def test_what_passes_for_a_5_is_often_a_1(mnist: DataSet) -> None:
    detector, labels = read(Shipped("course", "mnist", 5).path).detector, mnist.test.labels
    passes = labels[(detector.predict(mnist.test.images) == 0) & (labels != 5)]
    assert int(passes.bincount().argmax()) == 1


@pytest.mark.parametrize("normal", [3, 5, 7])
def test_what_is_caught_has_at_most_the_rate_of_false_alarms(uci: DataSet, normal: int) -> None:
    detector = read(Shipped("course", "mnist", normal).path).detector
    found = ablation.measure_step(detector, uci.test.images, uci.test.labels, hardest=1)
    chosen = sample(uci.test.labels, ablation.IMAGES)
    scores, labels = detector.decision_function(uci.test.images[chosen]).double(), uci.test.labels[chosen]
    normals = scores[labels == normal].sort(descending=True).values
    line = normals[int(detector.config.false_alarm_rate * len(normals))]
    assert found.caught == pytest.approx(float((scores[labels != normal] > line).double().mean()))


def test_what_each_idea_wins(mnist: DataSet) -> None:
    course, best = (read(Shipped(name, "mnist", 5).path).detector for name in ("course", "best"))
    found = {
        name: ablation.measure_step(
            ablation.detector_at_step(name, course, best), mnist.test.images, mnist.test.labels, hardest=1
        )
        for name in ablation.ABLATION_STEPS
    }
    assert found["ink"].auroc_of_hardest > found["course"].auroc_of_hardest + 0.05, "what has little ink can no longer hide"
    assert found["weigh"].auroc > found["ink"].auroc
    assert found["strokes"].auroc > found["weigh"].auroc + 0.01
    assert found["loops"].auroc >= max(each.auroc for each in found.values()) - 1e-9
    assert found["loops"].caught > 0.97
    chosen = sample(mnist.test.labels, ablation.IMAGES)
    scores = course.decision_function(mnist.test.images[chosen])
    assert found["course"].auroc == pytest.approx(roc_auc_score(mnist.test.labels[chosen] != 5, scores))


# ---------------------------------------------------------------- slow motion


def test_slow_motion_is_the_training_itself(split: OneClassSplit) -> None:
    config = replace(COURSE, data_set="uci-digits", training=replace(COURSE.training, epochs=100))
    images = split.calibration[:4]
    states = slow_motion(config, split.train, images)
    assert tuple(state.batches for state in states) == BATCHES_SEEN
    assert states[0].moved == 0.0
    assert states[0].loss > states[1].loss > states[-1].loss
    detector = AutoencoderDetector(config)
    trainer = detector.trainer(split.train, split.train[:1])
    for _number in range(10):
        trainer.step()
    assert torch.allclose(detector.reconstruct(images), states[2].reconstructions)
    assert states[2].loss == pytest.approx(F.mse_loss(states[2].reconstructions, images).item())


@pytest.mark.parametrize("label", [0, 1, 5, 8])
def test_first_the_image_gets_black_and_the_strokes_come_later(mnist: DataSet, label: int) -> None:
    config = replace(COURSE, normal_classes=(label,), training=replace(COURSE.training, epochs=100))
    images = split_one_class(mnist, (label,), config.training.seed)
    shown = images.calibration[:4]
    states = slow_motion(config, images.train, shown)
    halved = next(state for state in states if state.loss < states[0].loss / 2)

    def error(state: NetworkState, where: torch.Tensor) -> float:
        return float((shown - state.reconstructions).square()[where].mean())

    black, ink = shown == 0, shown > 0.5
    assert error(halved, black) < error(states[0], black) / 4
    assert error(halved, ink) > error(states[0], ink), "no stroke is there yet"
    assert error(states[-1], ink) < error(halved, ink)


def test_the_error_is_halved_within_what_is_shown(split: OneClassSplit) -> None:
    config = replace(COURSE, data_set="uci-digits", training=replace(COURSE.training, epochs=100))
    states = slow_motion(config, split.train, split.calibration[:4])
    assert states[-1].loss < states[0].loss / 2


# ---------------------------------------------------------------- quiz


@pytest.mark.parametrize(
    ("label", "seed"), [*((5, seed) for seed in range(1, 40)), *((label, seed) for label in range(10) for seed in (50, 51))]
)
def test_right_answers_follow_from_the_scores(uci: DataSet, label: int, seed: int) -> None:
    detector = read(Shipped("course", "mnist", label).path).detector
    scores, threshold = detector.decision_function(uci.test.images), detector.threshold_
    asked = questions(detector, uci.test.images, uci.test.labels, scores, seed)
    assert tuple(question.kind for question in asked) == KINDS
    assert len(KINDS) == 10
    for question in asked:
        own = scores[list(question.images)].tolist()
        alarms = [place for place, score in enumerate(own) if score > threshold]
        if question.kind == "alarm":
            assert alarms == [question.right]
        elif question.kind == "pass":
            assert [place for place in range(4) if place not in alarms] == [question.right]
        elif question.kind == "highest":
            assert own[question.right] == max(own)
            assert max(own) >= CLEARLY * sorted(own)[-2]
        elif question.kind == "verdict":
            assert question.right == len(alarms)
        elif question.kind == "rate":
            assert question.numbers[question.right] == round(question.rate * question.count)
            assert len(question.numbers) == 4
        else:
            images = uci.test.images[list(question.images)]
            assert len(set(uci.test.labels[list(question.images)].tolist())) == 4
            if question.kind == "redrawn":
                errors = (images - detector.reconstruct(images[question.right][None])).square().mean(dim=(1, 2, 3)).tolist()
                own = errors.pop(question.right)
                assert CLEARLY * own <= min(errors), "it is nearer to the image that it is of than to any other"
    assert asked != questions(detector, uci.test.images, uci.test.labels, scores, seed + 1)
    assert asked == questions(detector, uci.test.images, uci.test.labels, scores, seed)


@pytest.mark.parametrize("others_that_pass", [10, 250])
def test_of_what_passes_as_much_is_normal_as_not(uci: DataSet, others_that_pass: int) -> None:
    """However well the detector works, what an image is of does not tell whether it passes."""
    detector, labels = read(Shipped("course", "mnist", 5).path).detector, uci.test.labels
    passes = labels == 5
    passes[(labels != 5).nonzero().squeeze(1)[:others_that_pass]] = True
    scores = torch.where(passes, 0.5, 2.0) * detector.threshold_
    shown = [
        bool(labels[index] == 5)
        for seed in range(1, 30)
        for question in questions(detector, uci.test.images, labels, scores, seed)
        if question.kind in ("alarm", "pass", "verdict")
        for index in question.images
        if passes[index]
    ]
    assert 0.4 < sum(shown) / len(shown) < 0.6


def test_where_no_score_is_clearly_the_highest_there_are_questions_all_the_same(uci: DataSet) -> None:
    detector = read(Shipped("course", "mnist", 5).path).detector
    scores = detector.threshold_ * torch.linspace(0.95, 1.05, len(uci.test.labels))
    asked = [each for each in questions(detector, uci.test.images, uci.test.labels, scores, 0) if each.kind == "highest"]
    assert asked
    assert all(question.right == int(scores[list(question.images)].argmax()) for question in asked)


# ---------------------------------------------------------------- worksheet


def filled(digits: torch.Tensor) -> Image.Image:
    """The sheet with digits (20, 1, 28, 28) written into its boxes."""
    sheet = worksheet.page("Is it normal?", "Name", "Write one digit in each box.", "Alarms that I expect")
    for (left, top, right, _bottom), digit in zip(worksheet.boxes(), digits, strict=True):
        side = round(0.7 * (right - left))
        ink = Image.fromarray((digit[0] * 255).byte().numpy()).resize((side, side), Image.Resampling.BICUBIC)
        sheet.paste((35, 35, 70), (left + round(0.15 * (right - left)), top + round(0.15 * (right - left))), ink)
    return sheet


@pytest.mark.parametrize("tilt", [0.0, 2.5])
def test_a_photo_of_the_worksheet_is_read_box_by_box(uci: DataSet, tilt: float) -> None:
    digits = uci.test.images[:20]
    photo = filled(digits).crop(worksheet.area())
    shadow = np.linspace(1.0, 0.75, photo.width)[None, :, None]
    dimmed = Image.fromarray((np.asarray(photo) * shadow).astype(np.uint8))
    turned = dimmed.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=(215, 215, 215))
    file = io.BytesIO()
    turned.save(file, "JPEG", quality=80)
    found = read_picture(file.getvalue())
    assert len(found.digits) == 20, "each box's digit, and neither a box nor a shadow"
    rows = sorted((digit.box[1] + digit.box[3]) / 2 for digit in found.digits)
    assert all(rows[place + 5] - rows[place] > 0.1 for place in range(15)), "in four rows of five"


def test_a_digit_read_from_the_worksheet_is_judged_as_the_image_itself(mnist: DataSet) -> None:
    detector = read(Shipped("best", "mnist", 5).path).detector
    fives = mnist.test.images[mnist.test.labels == 5][:10]
    others = mnist.test.images[mnist.test.labels == 0][:10]
    file = io.BytesIO()
    filled(torch.cat([fives, others])).crop(worksheet.area()).save(file, "PNG")
    found = sorted(read_picture(file.getvalue()).digits, key=lambda digit: digit.box[1])
    alarms = detector.predict(torch.cat([digit.image for digit in found]))
    assert int(alarms[:10].sum()) <= 2, "the upper two rows are 5s"
    assert int(alarms[10:].sum()) >= 9


def test_the_worksheet_is_one_page_of_a4() -> None:
    made = worksheet.worksheet("Is it normal?", "Name", "Write.", "Alarms")
    assert made.startswith(b"%PDF")
    assert made.count(b"/Type /Page\n") == 1 or made.count(b"/Type /Page ") == 1 or b"/Count 1" in made
    assert pytest.approx(210 / 25.4, rel=0.01) == worksheet.WIDTH / worksheet.DPI
    assert pytest.approx(297 / 25.4, rel=0.01) == worksheet.HEIGHT / worksheet.DPI

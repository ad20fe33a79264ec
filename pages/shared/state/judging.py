"""The visitor's drawings before the detector in use, and before all shipped ones."""

import time
from collections.abc import Sequence
from weakref import ref

from torch import Tensor

from core.detector import AutoencoderDetector, Result
from core.preprocessing import preprocess_steps
from pages.shared.html import pictures
from pages.shared.html.verdicts import Opinion
from pages.shared.i18n.text import Told, _
from pages.shared.state import data_sets, detectors, job_pool
from pages.shared.state.drawings import MAX_ON_STRIP, SHARE_OF_TEN, Origin, Picked, StripDrawing
from pages.shared.state.visitor import TRAINING, visitor
from pages.shared.streamlit_internals import run_by_timer_only_if


def judge(image: Tensor) -> tuple[AutoencoderDetector, Result]:
    """The detector in use and what it says of an image; of one image it is asked once."""
    detector = detectors.detector()
    result = _known(image, detector)
    if result is None:
        result = detector.infer(image, preprocessed(image))
        visitor().drawings.judged = image, detector, result
    return detector, result


def _known(image: Tensor, detector: AutoencoderDetector) -> Result | None:
    """What the detector said of the image, if that was the last that was judged."""
    judged = visitor().drawings.judged
    return judged[2] if judged and judged[0] is image and judged[1] is detector else None


def judge_again_once_trained() -> None:
    """Said by a fragment that a timer runs: it need not run before the training in use judges otherwise than in this run.

    In a class most trainings wait for their turn. Judged anew each second they would keep everybody's new drawings waiting.
    """
    mine, training, judged = visitor(), visitor().job, visitor().drawings.judged
    # Neither must be kept by a page that was left.
    held, detector = ref(training) if training else None, ref(judged[1]) if judged else None

    def is_due() -> bool:
        now = mine.job
        if mine.choice != TRAINING or now is None or held is None or now is not held():
            return True
        return detector is not None and now.has_changed_since(detector())

    run_by_timer_only_if(is_due)


def preprocessed(image: Tensor) -> Tensor:
    """core's preprocess of an image for the detector in use; of one image it is done once."""
    steps = preprocess_steps_of(image)
    return steps[-1][1] if steps else image


def preprocess_steps_of(image: Tensor) -> list[tuple[str, Tensor]]:
    """core's preprocess_steps of an image for the detector in use; of one image they are made once."""
    drawings, preprocessing = visitor().drawings, detectors.detector_config().preprocessing
    made = drawings.preprocessed
    if made is None or made[0] is not image or made[1] != preprocessing:
        made = drawings.preprocessed = image, preprocessing, preprocess_steps(image, preprocessing)
    return made[2]


def ask_all(image: Tensor, may_wait: bool = False) -> Sequence[Opinion]:
    """What every shipped detector of the data set says of an image; of one image they are asked once.

    may_wait: for the image of a moving pen they are not asked every time, and never while other drawings wait; what they said
    last stands meanwhile.
    """
    drawings, data_set = visitor().drawings, detectors.detector_config().data_set
    asked = drawings.opinions
    is_early = time.monotonic() < drawings.ask_again or job_pool.is_crowded()
    if may_wait and is_early and asked and asked[1] is detectors.ensemble(data_set)[1]:
        return asked[2]
    return opinions_of(image, data_set)


def opinions_of(image: Tensor, data_set: str) -> Sequence[Opinion]:
    """What every shipped detector of a data set says of an image; of one image they are asked once.

    Where the detector in use is one of them, `judge` need not ask it any more.
    """
    drawings, started = visitor().drawings, time.monotonic()
    names, ensemble = detectors.ensemble(data_set)
    asked = drawings.opinions
    if asked and asked[1] is ensemble and asked[0] is image and [each.name for each in asked[2]] == names:  # in one language
        return asked[2]
    known = preprocessed(image) if ensemble.preprocessing == detectors.detector_config().preprocessing else None
    results = dict(zip(ensemble.detectors, ensemble.infer(image, known), strict=True))
    opinions = [
        Opinion(name, result.reconstructions[0], float(result.scores[0]), result.threshold)
        for name, result in zip(names, results.values(), strict=True)
    ]
    if detectors.choice().shipped:  # else it is none of them, and of a training it would be copied to find that out
        in_use = detectors.detector()
        if in_use in results and _known(image, in_use) is None:
            drawings.judged = image, in_use, results[in_use]
    drawings.opinions = image, ensemble, opinions
    now = time.monotonic()
    drawings.ask_again = now + (now - started) / SHARE_OF_TEN
    return opinions


def pick(picked: Picked) -> None:
    """Judge this image instead of the canvas."""
    drawings = visitor().drawings
    drawings.picked, drawings.problem, drawings.moment = picked, None, None
    add_to_strip(picked.image, picked.origin, picked.title)


def add_drawing_to_strip(image: Tensor) -> None:
    """Put what is on the canvas on the strip."""
    add_to_strip(image, "canvas", lambda: _("drawing"))


def add_to_strip(image: Tensor, origin: Origin, title: Told) -> None:
    """Score an image and put it on the strip; strokes added to one drawing replace its entry."""
    drawings = visitor().drawings
    detector, result = judge(image)
    entry = StripDrawing(
        pictures.grey_pixels(image),
        origin,
        title,
        data_sets.joined_normal_names(detector.config),
        float(result.scores[0]),
        result.threshold,
        bool(result.verdicts[0]),
        drawings.canvas.generation,
    )
    with visitor().lock:
        last = drawings.strip[-1] if drawings.strip else None
        if last and last.origin == origin == "canvas" and last.generation == entry.generation:
            drawings.strip = [*drawings.strip[:-1], entry]
        else:
            drawings.strip = [*drawings.strip, entry][-MAX_ON_STRIP:]

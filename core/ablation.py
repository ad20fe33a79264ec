"""From the course's detector to the best one, idea after idea; each row is judged on the same test images."""

from copy import copy
from dataclasses import dataclass, replace

from torch import Tensor

from core.detector import AutoencoderDetector, DetectorConfig
from core.latent import sample
from core.metrics import scored_set
from core.scoring import ScoreConfig

IMAGES = 2000
"""Test images that each idea is judged on: two seconds instead of ten."""

ABLATION_STEPS = ("course", "ink", "weigh", "strokes", "memory", "turns", "loops")
"""In their order; each has those before it, but for the network, which is another one from strokes on."""

ON_COURSE_NETWORK = ABLATION_STEPS[:3]
"""Those that share the network of the course's detector."""


@dataclass(frozen=True)
class AblationResult:
    """auroc: against all anomalies; auroc_of_hardest: against one class alone; caught: share of anomalies above the
    threshold that at most the false-alarm rate of the normal images is above."""

    auroc: float
    auroc_of_hardest: float
    caught: float


def detector_at_step(name: str, course: AutoencoderDetector, best: AutoencoderDetector) -> AutoencoderDetector:
    """The detector with all ideas up to this one, not calibrated; it shares a network with one of the two."""
    weighed = replace(best.config.score, loop_weight=0.0)
    changes: dict[str, DetectorConfig] = {
        "course": course.config,
        "ink": replace(course.config, score=ScoreConfig(ink_exponent=1.0)),
        "weigh": replace(course.config, score=weighed),
        "strokes": replace(best.config, score=weighed, neighbours=0, turns=0),
        "memory": replace(best.config, score=weighed, turns=0),
        "turns": replace(best.config, score=weighed),
        "loops": best.config,
    }
    made = copy(course if name in ON_COURSE_NETWORK else best)
    made.config = changes[name]
    return made


def measure_step(detector: AutoencoderDetector, images: Tensor, labels: Tensor, hardest: int) -> AblationResult:
    """On images (N, 1, 28, 28) with labels (N,), sampled evenly; hardest: the class that is looked at alone.

    Raises EvaluationError.
    """
    chosen = sample(labels, IMAGES)
    scores, labels, normal = detector.decision_function(images[chosen]), labels[chosen], detector.config.normal_classes
    against_all = scored_set(scores, labels, normal)
    caught = against_all.at_false_alarms(detector.config.false_alarm_rate).recall
    return AblationResult(against_all.auroc, scored_set(scores, labels, normal, (hardest,)).auroc, caught)

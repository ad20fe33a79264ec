"""How much work a training is, and how much of it is allowed."""

import math

from core.detector import DetectorConfig
from core.errors import SettingError
from core.model import meta_model, multiplications, parameter_count
from core.server.environment import whole_number_from_environment

LIMITS = {"MAX_EPOCHS": 200, "MAX_PARAMETERS": 5_000_000, "MAX_KEPT_PARAMETERS": 2_500_000, "MAX_WORK": 50}
"""What the environment can set, and what is allowed where it does not. MAX_WORK: in trainings of the course's network."""


def limit(name: str) -> int:
    """One of LIMITS as it is set here. Raises SettingError."""
    # More epochs than this no setting of a training says.
    return whole_number_from_environment(name, LIMITS[name], most=LIMITS[name] if name == "MAX_EPOCHS" else None)


OVERHEAD = 100_000
"""Multiplications that an image costs beside the network's, and parameters that a batch costs beside them."""

UPDATE = 50
"""Images whose gradients cost as much as updating all weights once (Adam), measured on one core."""

COMPARISON = 70
"""Multiplications that cost as much as comparing one pixel with one other, which only the broadcasting mistake does."""


def work(config: DetectorConfig, images: int, epochs: int | None = None) -> float:
    """How much a training on so many images is, in trainings of the course's network on 5s; right to a factor of two.

    It grows with images, parameters and epochs, and with the number of batches.
    """
    return _cost(config, images, epochs or config.training.epochs) / _COURSE


def _cost(config: DetectorConfig, images: int, epochs: int) -> float:
    training = config.training
    each = multiplications(config.model) + OVERHEAD
    if training.broadcasting:
        each += COMPARISON * 784 * min(training.batch_size, images)
    batches = math.ceil(images / training.batch_size)
    return epochs * (images * each + batches * UPDATE * (parameter_count(meta_model(config.model)) + OVERHEAD))


_COURSE = _cost(DetectorConfig(), 4337, DetectorConfig().training.epochs)  # of MNIST's 5s, 4,337 train


def require_allowed(config: DetectorConfig, images: int = 0) -> None:
    """Raises SettingError for a training beyond MAX_EPOCHS, MAX_PARAMETERS or MAX_WORK of the environment.

    images: how many it trains on; 0 while that is not known.
    """
    most_epochs, most_parameters, most_work = limit("MAX_EPOCHS"), limit("MAX_PARAMETERS"), limit("MAX_WORK")
    if config.training.epochs > most_epochs:
        raise SettingError(
            "Here a training has at most {most} epochs, not {count}: others wait for their turn.",
            most=most_epochs,
            count=config.training.epochs,
        )
    count = parameter_count(meta_model(config.model))
    if count > most_parameters:
        raise SettingError(
            "Here a network has at most {most:,} parameters, not {count:,}: all share one memory. Take smaller layers.",
            most=most_parameters,
            count=count,
        )
    if images and (times := work(config, images)) > most_work:
        raise SettingError(
            "This training is {times:,.0f} times as much work as the course's; here it may be {most:,} times as much, since "
            "others wait for their turn. Take fewer epochs, larger batches, smaller layers or fewer classes.",
            times=max(times, most_work + 1),
            most=most_work,
        )

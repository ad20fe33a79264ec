"""Detectors that come with the program, those of the visitor for whom a page runs, and the one of them that is in use."""

from contextlib import suppress
from dataclasses import replace
from itertools import chain, count

from core import presets
from core.checkpoint import Checkpoint, CheckpointError
from core.data.datasets import SOURCES
from core.data.own import is_own
from core.detector import AutoencoderDetector, DetectorConfig
from core.ensemble import Ensemble
from core.jobs.limits import limit
from core.jobs.memory_budget import claim_of_detector
from core.presets import Shipped, shipped
from pages.shared.i18n.preset_texts import preset_texts
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import TRAINING, USUAL, Choice, Run, visitor


@once
def shipped_checkpoint(choice: Shipped) -> Checkpoint:
    return presets.read(choice)


def ensemble(data_set_name: str) -> tuple[list[str], Ensemble]:
    """The shipped best detectors of a data set, else MNIST's, and what each calls normal."""
    made = _ensemble("mnist" if is_own(data_set_name) else data_set_name)
    return [data_sets.joined_normal_names(each.config) for each in made.detectors], made


@once
def _ensemble(data_set_name: str) -> Ensemble:
    ready = []
    for entry in shipped(data_set_name) or shipped():
        with suppress(CheckpointError):  # the others can still be asked
            ready.append(shipped_checkpoint(entry).detector)
    return Ensemble(ready)


def runs() -> list[Run]:
    """The visitor's runs; Run.detector is None of those that were let go."""
    return visitor().runs


def choices() -> list[Choice]:
    """Every detector that can be chosen now."""
    available = [Choice(shipped=entry) for name in SOURCES for preset in preset_texts() for entry in shipped(name, preset)]
    kept = [Choice(run=number) for number, run in enumerate(runs()) if run.detector]
    return ([TRAINING] if visitor().has_job_begun else []) + kept[::-1] + available


def choice() -> Choice:
    """The detector in use; the shipped one for 5 until the visitor chooses another."""
    if not is_there(visitor().choice):
        visitor().choice = USUAL
    return visitor().choice


def is_there(chosen: Choice) -> bool:
    """Whether it can be used now: a training ends, and a run is let go, also while another tab still offers it."""
    if chosen == TRAINING:
        return visitor().has_job_begun
    return chosen.run is None or (chosen.run < len(runs()) and runs()[chosen.run].detector is not None)


def in_use() -> tuple[Choice, float | None]:
    """The detector in use, with the threshold that the visitor has set for it."""
    return choice(), visitor().thresholds.get(choice())


def is_in_use(made: AutoencoderDetector) -> bool:
    """Whether this is the one of the visitor's runs that is in use, at whatever threshold."""
    chosen = choice().run
    return chosen is not None and runs()[chosen].detector is made


def use(chosen: Choice) -> None:
    """Put a detector in use on every page, if it is still there."""
    if is_there(chosen):
        visitor().choice = chosen


def use_threshold(value: float | None, chosen: Choice) -> None:
    """Have a detector judge by this threshold on every page; None is its calibrated one. Raises SettingError."""
    if not is_there(chosen):
        return
    detector_of(chosen).at_threshold(value)
    visitor().thresholds[chosen] = value


def _with_threshold(made: AutoencoderDetector, chosen: Choice) -> AutoencoderDetector:
    """The detector as the visitor uses it; the same object until something changes, for what is remembered of it."""
    wanted = visitor().thresholds.get(chosen, made.config.threshold)
    if wanted == made.config.threshold:
        return made
    held = visitor().at_own_threshold
    if held is None or held[0] is not made or held[1].config.threshold != wanted:
        held = visitor().at_own_threshold = made, made.at_threshold(wanted)
    return held[1]


def most_kept() -> int:
    """Numbers in all detectors that a visitor keeps; four bytes each. Raises SettingError."""
    return limit("MAX_KEPT_PARAMETERS")


def kept_numbers() -> int:
    """Numbers in the detectors that this visitor keeps now."""
    return sum(run.detector.size for run in runs() if run.detector)


def add_run(run: Run) -> Choice:
    """Keep a detector for this visitor, instead of older ones where it must; returns the choice that puts it in use.

    Raises SettingError.
    """
    most = most_kept()
    with visitor().lock:
        in_use = visitor().choice
        taken = {each.name for each in runs()}
        names = chain([run.name], (f"{run.name} ({number})" for number in count(2)))
        runs().append(replace(run, name=next(name for name in names if name not in taken)))
        if run.detector:
            job_pool.pool().budget.note(run.detector, visitor().owner, claim_of_detector(run.detector.size))
        for number, older in enumerate(runs()[:-1]):
            if kept_numbers() > most and Choice(run=number) != in_use:
                runs()[number] = replace(older, detector=None)
        return Choice(run=len(runs()) - 1)


def detector() -> AutoencoderDetector:
    """The detector in use, calibrated; while it trains, a copy as it stands."""
    return detector_of(choice())


def detector_of(chosen: Choice) -> AutoencoderDetector:
    """The detector of a choice that can be made now, at the threshold that the visitor has set for it."""
    if chosen.shipped:
        return _with_threshold(shipped_checkpoint(chosen.shipped).detector, chosen)
    if chosen.run is not None:
        kept = runs()[chosen.run].detector
        assert kept is not None
        return _with_threshold(kept, chosen)
    training = visitor().job
    assert training is not None
    return training.detector()


def threshold_of_run(number: int) -> float:
    """By which a run judges, as the visitor has set it; as it was made, where its detector was let go and nothing is set."""
    run = runs()[number]
    wanted = visitor().thresholds.get(Choice(run=number), run.config.threshold)
    if wanted is not None:
        return wanted
    return run.detector.at_threshold(None).threshold_ if run.detector else run.threshold


def checkpoint_of_run(number: int) -> Checkpoint:
    """A run as it can be taken away, at the threshold that the visitor has set; its detector is still there."""
    return replace(runs()[number].checkpoint, detector=detector_of(Choice(run=number)))


def checkpoint_of(chosen: Choice) -> Checkpoint | None:
    """A detector as it can be taken along, at the threshold that the visitor has set.

    None while it is in training, and where it comes with the program and its file is damaged, which every page says.
    """
    if chosen.shipped:
        try:
            return replace(shipped_checkpoint(chosen.shipped), detector=detector_of(chosen))
        except CheckpointError:
            return None
    return None if chosen.run is None else checkpoint_of_run(chosen.run)


def require_usable_choice() -> None:
    """Raises CheckpointError where the detector in use comes with the program and its file is damaged."""
    if made := choice().shipped:
        shipped_checkpoint(made)


def detector_config() -> DetectorConfig:
    """The settings of the detector in use."""
    training = visitor().job
    return training.config if choice() == TRAINING and training else detector().config


def choice_title(chosen: Choice) -> str:
    """What a detector is called on screen."""
    if chosen.shipped:
        data_set, kind = chosen.shipped.data_set, preset_texts()[chosen.shipped.preset].title
        normal = data_sets.joined_class_names(data_set, (chosen.shipped.normal_class,))
    elif chosen.run is not None:
        run = runs()[chosen.run]
        data_set, normal, kind = run.config.data_set, data_sets.joined_normal_names(run.config), run.name
    else:
        training = visitor().job
        assert training is not None
        data_set, normal, kind = training.config.data_set, data_sets.joined_normal_names(training.config), _("in training")
    return f"{normal} · {data_sets.title_of(data_set)} · {kind}"

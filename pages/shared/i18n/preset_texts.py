"""What each preset is called, and the lesson it teaches."""

from dataclasses import dataclass

from core.model import PIXELS
from core.presets import PRESETS, preset
from pages.shared.i18n.text import _


@dataclass(frozen=True)
class PresetText:
    """A preset's title, and in one or two sentences what it shows."""

    title: str
    text: str


def preset_texts(data_set: str = "mnist") -> dict[str, PresetText]:
    """Every preset of core.presets, in the order in which a teacher would show them; one without a lesson by its name.

    data_set: on which they are to be trained.
    """
    known = {
        "best": PresetText(
            _("Best detector"),
            _("Upright strokes of one width, a memory instead of free redrawing, a score that forgives a hair's breadth.")
            if preset("best", data_set).preprocessing != "none"
            else _("Images as they are, a memory instead of free redrawing, a score that forgives a hair's breadth."),
        ),
        "course": PresetText(
            _("The course"),
            _("A plain network and the mean squared error. What has little ink has little to get wrong, and may pass."),
        ),
        "two-units": PresetText(
            _("Two-unit bottleneck"),
            _(
                "{count} numbers for a whole image: enough for what is typical, no more. Every reconstruction is blurred.",
                count=_numbers("two-units"),
            ),
        ),
        "narrow": PresetText(
            _("Narrow bottleneck"),
            _(
                "{count} numbers instead of {course}, and no ReLU that would silence some.",
                count=_numbers("narrow"),
                course=_numbers("course"),
            ),
        ),
        "wide": PresetText(
            _("Bottleneck too wide"),
            _(
                "{count} numbers for {pixels} pixels: nothing has to be left out, so whatever comes is copied rather well.",
                count=_numbers("wide"),
                pixels=PIXELS,
            ),
        ),
        "few-epochs": PresetText(
            _("Too few epochs"),
            _("After one pass it draws nearly the same mean image, whatever it sees."),
        ),
        "denoising": PresetText(
            _("Noise added"),
            _("The input is noisy, the target clean: the network has to know what is normal, not only copy it."),
        ),
        "broadcasting": PresetText(
            _("The broadcasting trap"),
            _("Shapes that do not match: every image is compared with every other, and the network learns the mean image."),
        ),
        "convolutional": PresetText(_("Convolutional"), _("Small filters that slide over the image: far fewer weights.")),
    }
    return known | {name: PresetText(name, "") for name in PRESETS if name not in known}


def _numbers(preset_name: str) -> int:
    """How many pass the bottleneck."""
    return PRESETS[preset_name].model.latent_dim

"""What each preset is called, and the lesson it teaches."""

from dataclasses import dataclass

from core.presets import PRESETS
from pages.shared.i18n.text import _


@dataclass(frozen=True)
class Lesson:
    """A preset's title, and in one or two sentences what it shows."""

    title: str
    text: str


def lessons() -> dict[str, Lesson]:
    """Every preset of core.presets, in the order in which a teacher would show them; one without a lesson by its name."""
    known = {
        "best": Lesson(
            _("Best detector"),
            _("Straight digits with even strokes, a memory instead of free redrawing, a score that forgives a hair's breadth."),
        ),
        "course": Lesson(
            _("The course"),
            _("784-512-256-128-256-512-784, mean squared error. Good; but a 1 has so little ink that it passes for a 5."),
        ),
        "two-units": Lesson(
            _("Two-unit bottleneck"),
            _("Two numbers for a whole 5: enough for slant and width, no more. Every reconstruction is a blurred, typical 5."),
        ),
        "narrow": Lesson(_("Narrow bottleneck"), _("Eight numbers. The 5s keep their shape, and fewer of their details.")),
        "wide": Lesson(
            _("Bottleneck too wide"),
            _("784 numbers for 784 pixels: nothing has to be left out, so the network may simply copy, 7s too."),
        ),
        "few-epochs": Lesson(
            _("Too few epochs"),
            _("After one pass it draws the mean 5, whatever it sees. A network that has learnt little cannot tell much."),
        ),
        "denoising": Lesson(
            _("Noise added"), _("The input is noisy, the target clean: the network has to know what a 5 is, not only copy it.")
        ),
        "broadcasting": Lesson(
            _("The broadcasting trap"),
            _("Shapes that do not match: every image is compared with every other, and the network learns the mean 5."),
        ),
        "convolutional": Lesson(
            _("Convolutional"), _("Small filters that slide over the image: a tenth of the weights, and about as good.")
        ),
    }
    return known | {name: Lesson(name, "") for name in PRESETS if name not in known}

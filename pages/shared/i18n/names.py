"""Made-up names of students: a colour and an animal, in every language's own words."""

from core.errors import N_
from core.server.class_records import Student
from pages.shared.i18n.text import _

COLOUR_WORDS = (
    *(N_("red"), N_("blue"), N_("green"), N_("yellow"), N_("orange"), N_("violet")),
    *(N_("white"), N_("black"), N_("grey"), N_("brown"), N_("golden"), N_("pink")),
)
ANIMAL_WORDS = (
    *(N_("wolf"), N_("bear"), N_("lion"), N_("tiger"), N_("elephant"), N_("dolphin"), N_("hedgehog"), N_("rabbit")),
    *(N_("badger"), N_("beaver"), N_("penguin"), N_("raven"), N_("swan"), N_("falcon"), N_("deer"), N_("octopus")),
    *(N_("shark"), N_("panda"), N_("koala"), N_("gorilla"), N_("parrot"), N_("toucan"), N_("pelican"), N_("lynx")),
)
"""Animals whose words are masculine where a language has genders, so that every colour goes with every one."""


def name_of(student: Student | None) -> str:
    """Such as “Red wolf”."""
    if student is None:
        return _("somebody")
    colour, animal = _(COLOUR_WORDS[student.colour]), _(ANIMAL_WORDS[student.animal])
    name = _("{colour} {animal}", colour=colour, animal=animal)
    return name[0].upper() + name[1:]

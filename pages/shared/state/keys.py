"""Every key of st.session_state that code names beyond the widget that has it: a test finds those that are not declared here.

What a visitor has is in `Visitor`, what one tab knows in `Tab` (pages/shared/state/visitor.py); only widgets have keys.
"""

from core.settings import SETTINGS, Setting

VISITOR, TAB, LANGUAGE = "visitor", "tab", "language"
"""Not of widgets: the two objects, and the language of this tab."""

# The header.
LANGUAGE_MENU = "languages"
UPLOADED_CHECKPOINT = "upload-checkpoint"

# Draw.
BRUSH, KIND = "brush", "kind"
PEN = "pen"
PICTURE_DIGITS, REPLAY = "picture-digits", "replay"

# Train: what is asked beside the settings of core/settings.py (of_setting), and how curves are shown.
DATA_SET, NORMAL_CLASSES, PRESET, DEVICE = "data-set", "normal-classes", "preset", "device"
SEVERAL_CLASSES = "several-classes"
LOG_SCALE = "log-scale"

# Browse and Evaluate.
TEST_SOURCE = "test-source"
BROWSE_CLASSES, BROWSE_VERDICT, BROWSE_ORDER, BROWSE_PAGE = "browse-classes", "browse-verdict", "browse-order", "browse-page"

# Evaluate.
THRESHOLD_LINE, KEPT_RATE, ANOMALY_SHARE = "threshold-line", "kept-rate", "anomaly-share"
COMPARED_CLASSES, HARDEST_CLASS, FIGURE_FORMAT = "against", "hardest", "figure-format"

# Look inside.
SCATTER_MAP, IMAGE_MAP = "plane-images", "plane-map"
LATENT_SECTION = "latent-section"
WALK_FROM, WALK_TO = "walk-from", "walk-to"

# Learn.
STEP, LESSON_RATE = "step", "lesson-rate"


# Class.
CLASS_NAME, CLASS_DIGIT, CLASS_CODE = "class-name", "class-digit", "class-code"
WALL, WALL_ORDER, WALL_PART = "wall", "wall-order", "wall-part"
SHARED_CODE = "shared-code"


def answer(question: str, number: int, about: str) -> str:
    """The widget with the answer to a question of the lesson; each round has one of its own, and each detector."""
    return f"answer-{about}-{question}-{number}"


def detector_in_use(choice: object) -> str:
    """The box that shows this choice; each choice has a box of its own."""
    return f"detector-in-use-{choice}"


def direction(number: int) -> str:
    """The slider of a direction of the latent space, from 0."""
    return f"direction-{number}"


def of_setting(setting: Setting) -> str:
    """A setting's widget: its field's name, as in latent-dim."""
    return setting.place[-1].replace("_", "-")


RESTORED = (
    *(BRUSH, KIND, LOG_SCALE, BROWSE_CLASSES, BROWSE_VERDICT, BROWSE_ORDER, DATA_SET, NORMAL_CLASSES, PRESET, DEVICE),
    SEVERAL_CLASSES,
    *(of_setting(setting) for setting in SETTINGS.values() if setting.widget != "none"),
)
"""Widgets whose values a new tab of a known visitor begins with."""

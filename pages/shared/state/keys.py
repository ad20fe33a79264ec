"""Every key of st.session_state that code names beyond the widget that has it: a test finds those that are not declared here.

What a visitor has is in `Visitor`, what one tab knows in `Tab` (pages/shared/state/visitor.py); only widgets have keys.
"""

VISITOR, TAB, LANGUAGE = "visitor", "tab", "language"
"""Not of widgets: the two objects, and the language of this tab."""

# The header.
LANGUAGE_MENU = "languages"
UPLOADED_CHECKPOINT = "upload-checkpoint"

# Draw.
BRUSH = "brush"
LIVE_CANVAS = "live-canvas"
PICTURE_DIGITS, REPLAY = "picture-digits", "replay"

# Train: the settings (pages/shared/forms/settings.py), and how curves are shown.
DATA_SET, NORMAL_CLASSES, PRESET, EPOCHS = "data-set", "normal-classes", "preset", "epochs"
ARCHITECTURE, HIDDEN_SIZES, LATENT_DIM = "architecture", "hidden-sizes", "latent-dim"
LATENT_RELU, HE = "latent-relu", "he"
BATCH_SIZE, LEARNING_RATE, ONE_CYCLE, NOISE, BROADCASTING = "batch-size", "learning-rate", "one-cycle", "noise", "broadcasting"
SEED, DEVICE = "seed", "device"
PREPROCESSING, SMOOTHING, POWER, INK_EXPONENT = "preprocessing", "smoothing", "power", "ink-exponent"
NEIGHBOURS, TURNS, FALSE_ALARM_RATE = "neighbours", "turns", "false-alarm-rate"
LOG_SCALE = "log-scale"

# Browse.
BROWSE_CLASSES, BROWSE_VERDICT, BROWSE_ORDER, BROWSE_PAGE = "browse-classes", "browse-verdict", "browse-order", "browse-page"

# Evaluate.
THRESHOLD_LINE, KEPT_RATE = "threshold-line", "kept-rate"
COMPARED_CLASSES, HARDEST_CLASS, FIGURE_FORMAT = "against", "hardest", "figure-format"

# Look inside.
IMAGE_PLANE, IMAGE_MAP = "plane-images", "plane-map"
WALK_FROM, WALK_TO = "walk-from", "walk-to"

# Learn.
STEP, LESSON_RATE = "step", "lesson-rate"


def detector_in_use(choice: object) -> str:
    """The box that shows this choice; each choice has a box of its own."""
    return f"detector-in-use-{choice}"


def direction(number: int) -> str:
    """The slider of a direction of the latent space, from 0."""
    return f"direction-{number}"


RESTORED = (
    *(BRUSH, LOG_SCALE, BROWSE_CLASSES, BROWSE_VERDICT, BROWSE_ORDER),
    *(DATA_SET, NORMAL_CLASSES, PRESET, EPOCHS, ARCHITECTURE, HIDDEN_SIZES, LATENT_DIM, LATENT_RELU, HE),
    *(BATCH_SIZE, LEARNING_RATE, ONE_CYCLE, NOISE, BROADCASTING, SEED, DEVICE),
    *(PREPROCESSING, SMOOTHING, POWER, INK_EXPONENT, NEIGHBOURS, TURNS, FALSE_ALARM_RATE),
)
"""Widgets whose values a new tab of a known visitor begins with."""

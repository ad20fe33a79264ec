"""What each technical word means: one short text, the same everywhere."""

from functools import cache

from pages.shared.i18n.text import _, language


def about(word: str) -> str:
    """The text for a word of the glossary; KeyError for a word that is not in it."""
    return entries()[word][1]


def entries() -> dict[str, tuple[str, str]]:
    """Every word: its name on screen, and what it means."""
    return _entries(language())


@cache
def _entries(_language: str) -> dict[str, tuple[str, str]]:
    return {
        "normal digit": (_("Normal digit"), _("The one kind of image that the network learns. Everything else is an anomaly.")),
        "anomaly": (_("Anomaly"), _("An image that is unlike what the network has learnt.")),
        "autoencoder": (
            _("Autoencoder"),
            _("A network that squeezes an image through a narrow middle and draws it again from what came through."),
        ),
        "reconstruction": (_("Reconstruction"), _("The image as the network draws it again.")),
        "error map": (
            _("Error map"),
            _("Image minus reconstruction, pixel by pixel: orange where ink is too much, blue where it is missing."),
        ),
        "anomaly score": (
            _("Anomaly score"),
            _("One number from the error map; the course's is the mean of its squares. Higher is stranger."),
        ),
        "threshold": (_("Threshold"), _("Scores above this are called anomalies.")),
        "false-alarm rate": (
            _("False-alarm rate"),
            _("How many normal images in a hundred are called anomalies. Choosing it sets the threshold."),
        ),
        "calibration": (
            _("Calibration"),
            _("Setting the threshold with normal images that were held out of training. No anomaly is looked at."),
        ),
        "p-value": (
            _("p-value"),
            _(
                "The share of normal images that score at least as high, the new image counted in: (1 + how many held-out ones "
                "do) / (1 + all held-out ones)."
            ),
        ),
        "latent": (_("Latent"), _("The few numbers in the narrow middle: all that the network keeps of an image.")),
        "bottleneck": (
            _("Bottleneck"),
            _("The narrowest layer. The fewer its units, the less an image can keep of itself."),
        ),
        "latent space": (
            _("Latent space"),
            _("Every image is a point in it: its latent numbers are the coordinates."),
        ),
        "decoder": (_("Decoder"), _("The second half of the network: it draws an image from the latent numbers.")),
        "principal direction": (
            _("Principal direction"),
            _("A direction in which normal images differ most (PCA). 1 is one standard deviation from the mean."),
        ),
        "t-sne": (
            _("t-SNE"),
            _("A flat map that keeps most neighbours together. Distances between groups and their sizes mean nothing."),
        ),
        "auroc": (
            _("AUROC"),
            _("The chance that a random anomaly scores higher than a random normal image: 1 is perfect, 0.5 is a guess."),
        ),
        "roc": (
            _("ROC curve"),
            _("For every possible threshold, how many anomalies are caught and at the price of how many false alarms."),
        ),
        "missed anomalies": (
            _("Missed anomalies"),
            _("The share of anomalies that do not score above the threshold and pass for normal."),
        ),
        "precision": (_("Precision"), _("Of everything called an anomaly, the share that is one.")),
        "recall": (_("Recall"), _("Of all anomalies, the share that is called one.")),
        "f1": (_("F1"), _("One number for precision and recall together: their harmonic mean.")),
        "average precision": (
            _("Average precision"),
            _("The mean precision over all thresholds, weighted by recall gained."),
        ),
        "precision-recall": (
            _("Precision-recall curve"),
            _("For every possible threshold, how many anomalies are caught, and how many of the alarms are right."),
        ),
        "baseline": (
            _("Baseline"),
            _("A simpler method on the same images. A network that does not beat it is not worth its trouble."),
        ),
        "epoch": (_("Epoch"), _("One pass over all training images.")),
        "batch": (_("Batch"), _("The images that are looked at together before the weights change once.")),
        "loss": (_("Loss"), _("What training makes small: the mean squared difference between image and reconstruction.")),
        "validation loss": (
            _("Validation loss"),
            _("The loss on held-out images. When it rises again, the network learns by heart."),
        ),
        "overfitting": (
            _("Overfitting"),
            _("Learning the training images by heart: the training loss goes on falling while the validation loss rises."),
        ),
        "learning rate": (_("Learning rate"), _("How far the weights move at each batch.")),
        "seed": (_("Seed"), _("Where chance begins. The same seed gives the same result.")),
    }

"""A notebook that needs nothing of this program: it loads the ONNX file beside it and judges a picture."""

import json

from pages.shared.i18n.text import _

PICTURE = "digit.png"
"""The picture that the notebook judges."""

REQUIREMENTS = "numpy pillow onnxruntime"

LOAD = """\
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

def pixels(path):
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("L")
    if picture.size == (28, 28):
        return np.asarray(picture)
    ink = np.abs(np.asarray(picture, float) - np.median(picture))
    ink = Image.fromarray(np.uint8(255 * ink / max(ink.max(), 1)))
    box = ink.point(lambda level: 255 * (level > 64)).getbbox()
    ink = ink.crop(box)
    ink = ink.resize([max(1, round(20 * side / max(ink.size))) for side in ink.size])
    return np.pad(ink, [((28 - side) // 2, (29 - side) // 2) for side in reversed(ink.size)])

model = onnxruntime.InferenceSession("{model}")"""

JUDGE = """\
found = model.run(None, {{"pixels": pixels("{picture}")[None]}})
score, threshold, is_anomaly, p_value, image, reconstruction, error_map = (each.squeeze() for each in found)
print("Anomaly" if is_anomaly else "Normal", f"score {{score:.4f}}, threshold {{threshold:.4f}}, p-value {{p_value:.4f}}")"""

SHOW = """\
parts = np.hstack([image, reconstruction, (error_map + 1) / 2]).clip(0, 1)
Image.fromarray(np.uint8(255 * parts)).resize((840, 280), Image.Resampling.NEAREST)"""


def document(model: str) -> str:
    """The notebook (nbformat 4.5) for an ONNX file of this name, with words in the visitor's language."""
    cells = [
        _words(
            _("# A detector, and a picture"),
            _(
                "Put `{picture}` and `{model}` beside this notebook and run it. The picture shows one digit, dark on light or "
                "light on dark; one of 28x28 pixels is taken as it is, light on black.",
                picture=PICTURE,
                model=model,
            ),
            _("It needs: `pip install {packages}`", packages=REQUIREMENTS),
        ),
        _code(LOAD.format(model=model)),
        _words(_("Strictly above the threshold is an anomaly; a higher score is stranger.")),
        _code(JUDGE.format(picture=PICTURE)),
        _words(_("The image as the network sees it, its reconstruction, and the error map: grey is no error.")),
        _code(SHOW),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1)


def _words(*paragraphs: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": "\n\n".join(paragraphs)}


def _code(source: str) -> dict[str, object]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}

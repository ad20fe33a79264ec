"""A verdict as HTML: its word and sign, the gauge, several detectors before one image, the four outcomes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from torch import Tensor

from core.detector import Result
from core.metrics import OperatingPoint
from core.scoring import score_ratio
from pages.shared.html import signs
from pages.shared.html.pictures import picture, triple
from pages.shared.i18n.text import _, formatted


def verdict_word(is_anomaly: bool) -> str:
    return _("Anomaly") if is_anomaly else _("Normal")


def badge(is_anomaly: bool) -> str:
    sign = signs.of_verdict(is_anomaly)
    return f'<span class="badge {sign.name}">{escape(verdict_word(is_anomaly))} {sign.mark}</span>'


def outcome_word(is_normal: bool, is_alarm: bool) -> str:
    """What became of a test image: its truth and its verdict in one word."""
    if is_normal:
        return _("false alarm") if is_alarm else _("passed")
    return _("caught") if is_alarm else _("missed")


def outcome(is_normal: bool, is_alarm: bool) -> str:
    """The same with the sign of right or wrong before it."""
    sign = signs.of_truth(is_normal is not is_alarm)
    return f'<span class="outcome {sign.name}">{sign.mark} {escape(outcome_word(is_normal, is_alarm))}</span>'


def verdict(is_anomaly: bool, sentence: str, of: str = "") -> str:
    """The verdict's word, then a sentence that a child understands; of: what was judged, where that must be said."""
    kind = signs.of_verdict(is_anomaly).name
    word = escape(verdict_word(is_anomaly))
    about = f"<small>{escape(of)}</small>" if of else ""
    return f'<div class="verdict {kind}" role="status"><b>{word}</b><span>{about}{escape(sentence)}</span></div>'


def waiting(sentence: str) -> str:
    """Where a verdict will be."""
    return f'<div class="verdict waiting" role="status"><span>{escape(sentence)}</span></div>'


def number(value: float) -> str:
    """A score or threshold, four digits after the point."""
    return f'<span class="number">{formatted(value, ".4f")}</span>'


def no_number() -> str:
    """The place of one that is still to come."""
    return '<span class="number">–</span>'


def position(score: float, threshold: float) -> float:
    """Where a score stands between 0 and 1, with the threshold in the middle and no end to the right."""
    ratio = score_ratio(score, threshold)
    return ratio / (1.0 + ratio) if math.isfinite(ratio) else 1.0


def gauge(score: float | None, threshold: float) -> str:
    """The score against the threshold: left of the middle is normal, right of it is an anomaly."""
    place = "visibility:hidden" if score is None else f"left:{position(score, threshold):.1%}"
    return (
        f'<div class="gauge" role="img" aria-label="{escape(_("Anomaly score against the threshold"))}">'
        f'<div class="needle" style="{place}">▼</div>'
        '<div class="zones"><i class="fits"></i><i class="strange"></i></div>'
        f'<div class="ends"><span>{escape(_("normal"))}</span><span>{escape(_("threshold"))}</span>'
        f"<span>{escape(_('anomaly'))}</span></div></div>"
    )


@dataclass(frozen=True)
class Opinion:
    """What a detector, named after what it calls normal, says of an image: reconstruction (1, 28, 28), score, its threshold."""

    name: str
    reconstruction: Tensor
    score: float
    threshold: float

    @property
    def is_anomaly(self) -> bool:
        return self.score > self.threshold

    @property
    def ratio(self) -> float:
        """The score in thresholds."""
        return score_ratio(self.score, self.threshold)

    @property
    def fit(self) -> float:
        """How well the image fits, from 0 to 1; above the middle the score is below the threshold."""
        return 1.0 - position(self.score, self.threshold)


def ensemble(opinions: Sequence[Opinion]) -> str:
    """Cards of several detectors before one image.

    A longer bar is a better fit; a bar past the mark in the middle is below that detector's threshold. The best is framed
    where its detector calls the image normal.
    """
    best = max((each.fit for each in opinions if not each.is_anomaly), default=None)
    return _cards(
        (
            each.name,
            picture(each.reconstruction, _("Reconstruction by the detector of {name}", name=each.name)),
            f'<i class="{"strange" if each.is_anomaly else "fits"}" style="width:{each.fit:.1%}"></i>',
            _("strange") if each.is_anomaly else _("fits"),
            not each.is_anomaly and each.fit == best,
        )
        for each in opinions
    )


def waiting_ensemble(names: Sequence[str]) -> str:
    """The same cards before there is an image."""
    return _cards((name, '<div class="pic"></div>', "", "\N{NO-BREAK SPACE}", False) for name in names)


def _cards(cells: Iterable[tuple[str, str, str, str, bool]]) -> str:
    """Name, picture, bar, word, and whether it is framed."""
    cards = (
        f'<div class="opinion{" best" if is_best else ""}"><div class="name">{escape(name)}</div>{image}'
        f'<div class="bar">{bar}<u></u></div><div class="label">{escape(word)}</div></div>'
        for name, image, bar, word, is_best in cells
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def confusion(point: OperatingPoint) -> str:
    """The four outcomes at a threshold: truth in rows, verdict in columns, mistakes hatched and framed."""
    normals, anomalies = point.true_negatives + point.false_alarms, point.false_negatives + point.true_positives
    rows = (
        (_("Truth: normal"), True, normals, (point.true_negatives, point.false_alarms)),
        (_("Truth: anomaly"), False, anomalies, (point.false_negatives, point.true_positives)),
    )
    parts = ["<span></span>", *(f"<b>{escape(_('Verdict: {word}', word=verdict_word(word)))}</b>" for word in (False, True))]
    for truth, is_normal, total, counts in rows:
        parts.append(f"<b>{escape(truth)}</b>")
        for is_alarm, count in zip((False, True), counts, strict=True):
            share = count / total
            parts.append(
                f'<div class="cell {signs.of_truth(is_normal is not is_alarm).name}" style="--share:{share:.2%}">'
                f'<span class="number">{formatted(count, ",")}</span> {formatted(share, ".1%")}'
                f"<span>{outcome(is_normal, is_alarm)}</span></div>"
            )
    return f'<div class="confusion">{"".join(parts)}</div>'


def judged(result: Result, threshold: float, is_normal: bool) -> str:
    """N images of one truth with reconstruction, error map, score, and the verdict at a threshold, which is right or wrong."""
    cards = [
        f'<div class="judged">{triple(image, reconstruction, error, captions=False)}'
        f'<div>{badge(score > threshold)} <span class="label">{formatted(score, ".4f")}</span> '
        f"{outcome(is_normal, score > threshold)}</div></div>"
        for image, reconstruction, error, score in zip(
            result.images, result.reconstructions, result.error_maps, result.scores.tolist(), strict=True
        )
    ]
    return f'<div class="judged-cards">{"".join(cards)}</div>'

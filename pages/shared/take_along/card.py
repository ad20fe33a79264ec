"""A detector's card (Mitchell et al. 2019): data, settings, figures and limits, all from its file."""

from core.checkpoint import Checkpoint
from core.conformal import smallest_rate
from core.detector import DetectorConfig
from core.settings import SETTINGS, Choice, Number, Setting, Switch, written
from pages.shared.html import report
from pages.shared.i18n.text import _, formatted, language
from pages.shared.state import data_sets


def card(made: Checkpoint, title: str) -> str:
    """One HTML file in the visitor's language."""
    return report.document(
        language(),
        _("Detector: {title}", title=title),
        [*_data(made), *_settings(made.config), *_figures(made), *_limits(made)],
    )


def _normal(made: Checkpoint) -> str:
    return data_sets.joined_normal_names(made.config)


def _data(made: Checkpoint) -> list[str]:
    detector = made.detector
    rows = {
        _("Data set"): data_sets.title_of(made.config.data_set),
        _("Normal"): _normal(made),
        _("Held-out normal images that set the threshold"): formatted(len(detector.calibration_scores_), ","),
        _("Parameters and remembered numbers"): formatted(detector.size, ","),
        _("Threshold"): formatted(detector.threshold_, ".4f"),
    }
    if made.config.neighbours:
        rows[_("Training images remembered")] = formatted(len(detector.memory_), ",")
    if made.losses:
        rows[_("Epochs trained")] = formatted(len(made.losses), ",")
        rows[_("Validation loss at the end")] = formatted(made.losses[-1].validation, ".4f")
    summary = _(
        "An autoencoder that has learnt nothing but this: {normal}. An image that it cannot reconstruct is called an anomaly.",
        normal=_normal(made),
    )
    return [report.paragraph(summary), report.heading(_("Data")), _table(rows)]


def _settings(config: DetectorConfig) -> list[str]:
    rows = {_(setting.label): _value(setting, setting.of(config)) for setting in SETTINGS.values() if setting.widget != "none"}
    return [report.heading(_("Settings")), _table(rows)]


def _value(setting: Setting, value: object) -> str:
    """A setting's value as Train shows it."""
    match setting.values:
        case Choice(labels=labels):
            return _(labels[str(value)])
        case Switch(on=on):
            return _("yes") if value == on else _("no")
        case Number(in_percent=in_percent):
            assert isinstance(value, (int, float))
            return formatted(round(value * 100, 9) if in_percent else value, ".10g")
    return written(value).replace(",", ", ") or "–"


def _figures(made: Checkpoint) -> list[str]:
    figures = made.evaluation
    if figures is None:
        return [report.heading(_("Figures")), report.paragraph(_("Not measured."))]
    names = data_sets.names_of_config(made.config)
    rows = {
        _("AUROC"): formatted(figures.auroc, ".4f"),
        _("Average precision"): formatted(figures.average_precision, ".4f"),
        _("False alarms"): formatted(figures.false_alarm_rate, ".1%"),
        _("Anomalies caught"): formatted(figures.catch_rate, ".1%"),
    }
    by_class = {names[label]: formatted(value, ".4f") for label, value in figures.auroc_by_class.items()}
    caption = _(
        "On the test images of {title}, at the threshold that calibration gave.", title=data_sets.title_of(made.config.data_set)
    )
    return [
        report.heading(_("Figures")),
        report.paragraph(caption),
        _table(rows),
        report.paragraph(_("AUROC against each other class")),
        _table(by_class) if by_class else report.paragraph(_("Not measured.")),
    ]


def _limits(made: Checkpoint) -> list[str]:
    if made.config.threshold is None:
        promise = _(
            "At most {rate:.1%} of new normal images are called anomalies, on average, if they come about as the held-out ones "
            "did. Other writers, pens and cameras are other images; of them nothing is promised.",
            # One of n held-out scores leaves at best one new image in n + 1 above all of them.
            rate=max(made.config.false_alarm_rate, smallest_rate(len(made.detector.calibration_scores_))),
        )
    else:
        promise = _("The threshold was set by hand, so that no rate of false alarms is promised.")
    texts = [
        promise,
        _("The figures are of the data set above. Of your own images only a trial tells."),
        _("It has seen no anomaly. What its reconstruction happens to draw well passes as normal, whatever it is."),
        _("It says how strange an image is, and not what the image shows. A score is no probability."),
        _("It was made for lessons. It is not fit to decide about people."),
    ]
    return [report.heading(_("Limits")), *map(report.paragraph, texts)]


def _table(rows: dict[str, str]) -> str:
    return report.table([{"": name, " ": value} for name, value in rows.items()])

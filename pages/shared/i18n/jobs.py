"""A training in words."""

from core.errors import UserError
from core.jobs.job import JobState, Snapshot
from pages.shared.i18n.text import _, ngettext, translated


def job_sentence(snapshot: Snapshot) -> str:
    """Where a job stands, in words."""
    if snapshot.is_held:
        return _("The teacher holds all trainings for now.")
    if snapshot.state is JobState.QUEUED and not (snapshot.ahead or snapshot.wait):
        return _("Its turn has come: the images are being made ready.")
    if snapshot.state is JobState.QUEUED:
        place = ngettext("Waiting: {count} training is ahead.", "Waiting: {count} trainings are ahead.", snapshot.ahead)
        return f"{place} {_('It starts in about {seconds:,.0f} s.', seconds=snapshot.wait)}" if snapshot.wait else place
    if snapshot.error:
        # In a few words, so that nothing below moves; Train says the rest.
        reason = snapshot.error.values.get("reason")
        return _("Paused: {where}", where=translated(reason if isinstance(reason, UserError) else snapshot.error))
    where = _(
        "epoch {epoch} of {epochs}, batch {batch} of {batches}",
        epoch=snapshot.epoch,
        epochs=snapshot.epochs,
        batch=snapshot.batch,
        batches=snapshot.batches,
    )
    if snapshot.state is JobState.RUNNING and snapshot.turn >= 1.5:
        return _("Training, one turn in {turn:.0f}: {where}", turn=snapshot.turn, where=where)
    if snapshot.state is JobState.RUNNING:
        return _("Training: {where}", where=where)
    if snapshot.state is JobState.PAUSED and snapshot.paused_unattended:
        return _("Paused, because nobody was looking: {where}", where=where)
    if snapshot.state is JobState.PAUSED:
        return _("Paused: {where}", where=where)
    return _("Ready")

"""The server as a whole: its log, its last errors, its memory."""

from core.server.logs import LastErrors, log_as_json
from core.server.process import keep_giving_back_memory, keep_no_large_blocks
from pages.shared.state.once import once


def set_up_process() -> None:
    """Once in a server's life: the log becomes JSON lines, and memory of sessions that are gone goes back."""
    _settled()


def last_errors() -> LastErrors:
    """What went wrong last; the server is settled."""
    return _settled()


@once
def _settled() -> LastErrors:
    keep_no_large_blocks()
    keep_giving_back_memory()
    return log_as_json()

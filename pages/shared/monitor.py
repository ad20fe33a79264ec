"""The server as a whole: its log, its last errors, its memory."""

from core.server.process import LastErrors, keep_giving_back_memory, keep_no_large_blocks, log_as_json
from pages.shared.state.once import once


@once
def last_errors() -> LastErrors:
    """Settles the server at its first call: the log is JSON lines, and memory of sessions that are gone goes back."""
    keep_no_large_blocks()
    keep_giving_back_memory()
    return log_as_json()

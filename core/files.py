"""Files that are there whole, or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and rename it into place; its folder is made. Raises OSError, and leaves what was there then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as aside:
        whole = Path(aside, path.name)
        whole.write_bytes(content)
        os.replace(whole, path)
    path.chmod(0o644)

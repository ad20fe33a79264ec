"""Files that are there whole, or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file into a staging folder and rename it into place; its folder is made.

    Raises OSError, and leaves what was there then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as staging_dir:
        whole = Path(staging_dir, path.name)
        whole.write_bytes(content)
        os.replace(whole, path)
    path.chmod(0o644)

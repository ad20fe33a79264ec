"""The command `see-the-anomaly` of an installed app; the wheel holds this file as see_the_anomaly/__init__.py.

The app lies beside it in `app`, as in its repository. That folder comes first on Python's path of this one process, so that
nobody else's `import core` finds it.
"""

import os
import sys
from pathlib import Path

APP = Path(__file__).parent / "app"


def data_directory() -> Path:
    """Where this system keeps a user's data of a program."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "see-the-anomaly"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "see-the-anomaly"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "see-the-anomaly"


def main() -> None:
    """Run the server from any folder; DATA_DIR is the user's own unless the environment names another."""
    sys.path.insert(0, str(APP))
    # Streamlit looks for its settings beside the program that was called.
    sys.argv[0] = str(APP / "app.py")
    if not os.environ.get("DATA_DIR"):
        os.environ["DATA_DIR"] = str(data_directory())
    from deploy import replica

    replica.main(is_installed=True)

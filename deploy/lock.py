"""Writes what follows from pyproject.toml: requirements.txt, and exact versions with hashes in deploy/locked. `make lock`

python -m deploy.lock               keeps the versions that are locked, where they still fit
python -m deploy.lock --upgrade     takes the newest that pyproject.toml allows
"""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

from deploy.set_up import SETS, lock_of

ROOT = Path(__file__).parent.parent
LARGEST = "dev"
"""Locked first; the other sets take its versions."""

HEADER = "# Written by `make lock` from pyproject.toml, for pip and for hosts that read it; exact versions: deploy/locked.\n"


def requirements(pyproject: str) -> str:
    """The text of requirements.txt: what the app itself needs."""
    return HEADER + "".join(f"{line}\n" for line in tomllib.loads(pyproject)["project"]["dependencies"])


def compile_lock(name: str, extras: tuple[str, ...], constraint: Path | None) -> None:
    """One lock for all platforms; constraint: a lock whose versions it shares."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes"]
    command += ["--no-emit-index-url", "--no-emit-package", "pip", "--no-annotate", "--quiet"]
    command += ["--custom-compile-command", "make lock"]
    command += [part for extra in extras for part in ("--extra", extra)]
    command += ["--constraint", str(constraint.relative_to(ROOT))] if constraint else []
    output = str(lock_of(name, ROOT).relative_to(ROOT))
    subprocess.run([*command, "--output-file", output], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    upgrade = parser.parse_args().upgrade
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (ROOT / "requirements.txt").write_text(requirements(pyproject), encoding="utf-8")
    for name, extras in sorted(SETS.items(), key=lambda item: item[0] != LARGEST):
        if upgrade:
            lock_of(name, ROOT).unlink(missing_ok=True)
        compile_lock(name, extras, None if name == LARGEST else lock_of(LARGEST, ROOT))


if __name__ == "__main__":
    main()

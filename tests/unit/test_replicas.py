"""What nginx before the replicas is told, wherever its folder lies."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from deploy import replicas


def test_a_folder_with_a_space_in_its_name_is_one_word_for_nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a place"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(replicas, "nginx", lambda: "nginx")
    monkeypatch.setenv("STREAMLIT_SERVER_COOKIE_SECRET", "secret")
    made = replicas.Replicas([18501], "127.0.0.1", 18500)
    (folder,) = place.iterdir()
    lines = (folder / "nginx.conf").read_text().splitlines()
    naming = [line.strip() for line in lines if str(folder) in line]
    assert len(naming) == 6
    for line in naming:
        _name, path = line.removesuffix(";").split(maxsplit=1)
        assert path.startswith(f'"{folder}/'), line
        assert path.endswith('"'), line
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program:
        done = subprocess.run([program, "-t", *made._command[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

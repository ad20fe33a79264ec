"""The wheel: one package, the app whole inside of it, and a command that finds it from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import core
from deploy import command

ROOT = Path(__file__).parents[2]
pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed: python deploy/set_up.py dev")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network and unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(site)
    return site


def test_nothing_lies_about_beside_the_one_package(site: Path) -> None:
    assert {path.name for path in site.iterdir()} == {"see_the_anomaly", f"see_the_anomaly-{core.__version__}.dist-info"}


def test_the_app_is_whole(site: Path) -> None:
    app = site / "see_the_anomaly/app"
    for folder in ("core", "pages", "checkpoints", ".streamlit"):
        there = {path.relative_to(app) for path in (app / folder).rglob("*") if path.is_file()}
        wanted = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", folder], cwd=ROOT, capture_output=True, text=True
        )
        assert there == {Path(line) for line in wanted.stdout.splitlines()}


def test_the_command_answers_from_another_folder(site: Path, tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if name not in ("DATA_DIR", "PYTHONPATH")}
    environment |= {"PYTHONPATH": str(site), "XDG_DATA_HOME": str(tmp_path / "mine")}
    call = [sys.executable, "-P", "-c", "import see_the_anomaly as s; s.main()"]
    for option, told in (("--version", core.__version__), ("--help", "usage: see-the-anomaly")):
        done = subprocess.run([*call, option], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout
    if sys.platform == "linux":
        assert str(tmp_path / "mine/see-the-anomaly") in done.stdout


def test_data_lies_where_the_system_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert command.data_directory() == Path.home() / "Library/Application Support/see-the-anomaly"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert command.data_directory() == Path("/local/see-the-anomaly")

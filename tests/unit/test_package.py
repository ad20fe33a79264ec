"""The wheel: one package, the app whole inside of it, and a command that finds it from any folder."""

import asyncio
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import core
from deploy import command
from tests.browser.conftest import start_server
from tests.load.visitor import Visitor

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


def committed(*below: str) -> set[Path]:
    """What git has or would take, below these folders."""
    listed = ["git", "ls-files", "-co", "--exclude-standard", *below]
    lines = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {Path(line) for line in lines}


def test_the_app_is_whole(site: Path) -> None:
    app = site / "see_the_anomaly/app"
    there = {path.relative_to(app) for path in app.rglob("*") if path.is_file()}
    wanted = committed("app.py", "core", "pages", "checkpoints", ".streamlit", "docs/teaching", "deploy/*.py")
    # What others import lies elsewhere.
    elsewhere = {Path("deploy", name) for name in ("command.py", "estimator.py", "own_names.py")}
    assert there == wanted - elsewhere | {Path("__init__.py")}


def test_a_source_archive_makes_the_same_wheel(site: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)], cwd=ROOT, check=True)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / built.name.removesuffix(".tar.gz")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=source, check=True)
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(again) as archive:
        assert {Path(name) for name in archive.namelist()} == {
            path.relative_to(site) for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc"
        }


def elsewhere(site: Path, folder: Path) -> dict[str, str]:
    """The environment of somebody who has installed the wheel, and whose data go into a folder."""
    environment = {name: text for name, text in os.environ.items() if name not in ("DATA_DIR", "PYTHONPATH")}
    return environment | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "XDG_DATA_HOME": str(folder / "mine")}


def run(program: str, site: Path, folder: Path, *options: str) -> str:
    """What a program prints that runs in a folder, where the wheel is installed."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *options],
        cwd=folder,
        env=elsewhere(site, folder),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_answers_from_another_folder(site: Path, tmp_path: Path) -> None:
    call = "import see_the_anomaly as s; s.main()"
    assert core.__version__ in run(call, site, tmp_path, "--version")
    said = run(call, site, tmp_path, "--help")
    assert "usage: see-the-anomaly" in said
    if sys.platform == "linux":
        assert str(tmp_path / "mine/see-the-anomaly") in said


def test_the_app_loads_from_another_folder(site: Path, tmp_path: Path) -> None:
    """All that its command imports before it listens."""
    loads = "import sys, see_the_anomaly as s; sys.path.insert(0, str(s.APP)); from app import app; print(app.state)"
    assert "{}" in run(loads, site, tmp_path)


@pytest.mark.slow
def test_the_command_serves_pages_from_another_folder(site: Path, tmp_path: Path) -> None:
    def way(port: int) -> list[str]:
        program = f"import os; os.chdir({str(tmp_path)!r}); import see_the_anomaly as s; s.main()"
        return [sys.executable, "-P", "-c", program, "--port", str(port)]

    async def visit(url: str) -> None:
        visitor = await Visitor(url).arrive()
        assert "Detector: 5" in visitor.texts()
        assert {"", "draw", "train", "evaluate"} <= {*visitor.pages}
        for page in visitor.pages:
            if page:
                await visitor.go_to(page)  # raises AppError where the page shows an exception
        await visitor.close()
        step = await Visitor(url).arrive("learn", "step=2")
        buttons = [part.content.download_button.label for part in step.parts.values() if part.kind == "download_button"]
        assert "Notes for 45 minutes" in buttons
        await step.close()

    log = tmp_path / "log.txt"
    server = start_server(tmp_path, log, elsewhere(site, tmp_path), way)
    try:
        asyncio.run(visit(server.url))
    finally:
        server.end()
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_others_import_the_estimator_and_keep_a_core_of_their_own(site: Path, tmp_path: Path) -> None:
    """Fitted, taken along in a pickle, and found again there by a process that knows of nothing else."""
    (tmp_path / "core.py").write_text("mine = True\n")
    fit = """
import pickle, sys
import numpy as np
from see_the_anomaly.estimator import OneClassAutoencoder
sys.path.insert(0, "")
import core
assert core.mine
images = np.random.default_rng(0).random((20, 784))
fitted = OneClassAutoencoder(settings={"epochs": 1, "hidden": (8,), "latent": 2}).fit(images)
with open("fitted.pickle", "wb") as file:
    pickle.dump((fitted, images, fitted.score_samples(images)), file)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"core", "pages", "deploy", "app"}))
"""
    assert run(fit, site, tmp_path) == "['core']\n"
    again = "import pickle; e, X, s = pickle.load(open('fitted.pickle', 'rb')); print((e.score_samples(X) == s).all())"
    assert run(again, site, tmp_path) == "True\n"


def test_data_lies_where_the_system_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert command.data_directory() == Path.home() / "Library/Application Support/see-the-anomaly"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert command.data_directory() == Path("/local/see-the-anomaly")
